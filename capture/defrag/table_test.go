package defrag_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/defrag"
)

const ms = int64(time.Millisecond)

// spec is a fragment as a table writes it.
type spec struct {
	off, n int
	last   bool
	fill   byte  // content, 0 for that of the datagram
	cut    int   // octets the capture kept, 0 for all
	at     int64 // ms
	id     uint32
}

// content returns octets that tell their place.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 1)
	}
	return b
}

var whole = content(70000)

// packet builds the fragment; protocol 253 is for experiments (RFC 3692).
func (s spec) packet(v6 bool) *capture.Packet {
	p := &capture.Packet{Protocol: 253, Wall: s.at*ms + 1000, Mono: s.at * ms, Length: s.n, Port: uint8(s.at), VLAN: uint16(s.at), TTL: 64}
	p.Src, p.Dst = []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
	if v6 {
		p.Src, p.Dst = append(make([]byte, 15), 1), append(make([]byte, 15), 2)
	}
	p.Fragment = capture.Fragment{ID: s.id, Offset: uint16(s.off), More: !s.last, Valid: true}
	p.Payload = slices.Clone(whole[s.off : s.off+s.n])
	if s.fill != 0 {
		p.Payload = bytes.Repeat([]byte{s.fill}, s.n)
	}
	if s.cut != 0 {
		p.Payload, p.Truncated = p.Payload[:s.cut], true
	}
	return p
}

// told formats what a datagram is: length, octets, and "!" if they are not
// the datagram's.
func told(p *capture.Packet) string {
	s := fmt.Sprintf("%d", p.Length)
	if p.Truncated {
		s += fmt.Sprintf("/%d", len(p.Payload))
	} else if len(p.Payload) != p.Length {
		s += "?"
	}
	if !bytes.Equal(p.Payload, whole[:len(p.Payload)]) {
		s += "!"
	}
	return s
}

func TestFragments(t *testing.T) {
	first, last := spec{n: 1480}, spec{off: 1480, n: 520, last: true}
	for _, c := range []struct {
		name  string // with the section that asks for it
		v     string // IP versions, "4", "6" or "46"
		in    []spec
		whole string // datagrams delivered
		part  string // datagrams shown to Partial, at the end too
		want  defrag.Stats
	}{
		{"two in order (RFC 791 3.2, RFC 8200 4.5)", "46", []spec{first, last}, "2000", "", defrag.Stats{Whole: 1}},
		{"last first (RFC 815)", "46", []spec{last, first}, "2000", "", defrag.Stats{Whole: 1}},
		{"middle last", "46", []spec{{n: 8}, {off: 16, n: 3, last: true}, {off: 8, n: 8}}, "19", "", defrag.Stats{Whole: 1}},
		{"exact duplicate (RFC 8200 4.5)", "46", []spec{first, first, last}, "2000", "", defrag.Stats{Whole: 1, Duplicates: 1}},
		{"mirrored copy interleaved", "46", []spec{first, first, last, last}, "2000", "", defrag.Stats{Whole: 1, Duplicates: 1, Copies: 1}},
		{"mirrored copy after", "46", []spec{first, last, {n: 1480, at: 40}, {off: 1480, n: 520, last: true, at: 41}}, "2000", "",
			defrag.Stats{Whole: 1, Copies: 2}},
		{"mirrored copy after, backwards", "46", []spec{first, last, last, first}, "2000", "", defrag.Stats{Whole: 1, Copies: 2}},
		{"copy that a router cut again", "4", []spec{first, {n: 1376}, {off: 1376, n: 104}, last, last}, "2000", "",
			defrag.Stats{Whole: 1, Overlaps: 2, Copies: 1}},
		{"copy after, that a router cut again", "46", []spec{first, last, {n: 1376}, {off: 1376, n: 104}, last}, "2000", "",
			defrag.Stats{Whole: 1, Copies: 3}},
		{"overlap, same octets", "4", []spec{first, {off: 800, n: 1200, last: true}}, "2000", "", defrag.Stats{Whole: 1, Overlaps: 1}},
		{"overlap, other octets, and an end where there is more", "4", []spec{{n: 800}, {off: 400, n: 600, fill: 'x'}, {off: 800, n: 200, last: true}}, "", "1000/1000!",
			defrag.Stats{Overlaps: 1, Conflicts: 1, Reused: 1, Expired: 1, ExpiredFragments: 1}},
		{"teardrop: one inside the other", "4", []spec{{n: 800}, {off: 80, n: 160, fill: 'x'}, {off: 800, n: 200, last: true}}, "1000", "",
			defrag.Stats{Whole: 1, Overlaps: 1, Conflicts: 1}},
		{"overlap (RFC 5722 4): all of it is dead", "6", []spec{first, {off: 1472, n: 528, last: true}, last, first}, "", "",
			defrag.Stats{Overlaps: 1, Discarded: 1, Absorbed: 2}},
		{"overlap, same octets (RFC 5722 4)", "6", []spec{first, {off: 8, n: 8}}, "", "", defrag.Stats{Overlaps: 1, Discarded: 1}},
		{"other octets (RFC 5722 4)", "6", []spec{first, {n: 1480, fill: 'x'}, last}, "", "", defrag.Stats{Discarded: 1, Absorbed: 1}},
		{"identification reused (RFC 4963)", "4", []spec{{n: 1480, fill: 'x'}, first, last}, "2000", "1480/1480!", defrag.Stats{Reused: 1, Whole: 1}},
		{"identification reused after a whole one", "46", []spec{{n: 8, fill: 'x'}, {off: 8, n: 8, last: true}, first, last}, "16! 2000", "",
			defrag.Stats{Whole: 2}},
		{"a second end", "4", []spec{{off: 1480, n: 400, last: true}, last, first}, "2000", "", defrag.Stats{Reused: 1, Whole: 1}},
		{"a second end", "6", []spec{{off: 1480, n: 400, last: true}, last, first}, "", "", defrag.Stats{Discarded: 1, Absorbed: 1}},
		{"past the end", "4", []spec{{off: 8, n: 8, last: true}, {off: 16, n: 8}}, "", "", defrag.Stats{Reused: 1, Expired: 1, ExpiredFragments: 1}},
		{"end before what is there", "4", []spec{{off: 80, n: 8}, {off: 8, n: 8, last: true}}, "", "", defrag.Stats{Reused: 1, Expired: 1, ExpiredFragments: 1}},
		{"more and no more", "4", []spec{{off: 8, n: 8}, {off: 8, n: 8, last: true}}, "", "", defrag.Stats{Reused: 1, Expired: 1, ExpiredFragments: 1}},
		{"no more and more", "6", []spec{{off: 8, n: 8, last: true}, {off: 8, n: 8}}, "", "", defrag.Stats{Discarded: 1}},
		{"never completed", "46", []spec{first, {off: 2000, n: 8, at: 1}, {n: 8, id: 9, at: 4999}, {off: 8, n: 8, last: true, id: 9, at: 5000}}, "16", "2008/1480",
			defrag.Stats{Expired: 1, ExpiredFragments: 2, Whole: 1}},
		{"time-out runs from the first fragment", "46", []spec{first, {off: 1480, n: 520, last: true, at: 5000}}, "", "1480/1480",
			defrag.Stats{Expired: 2, ExpiredFragments: 2}},
		{"the first never came", "46", []spec{last}, "", "", defrag.Stats{Expired: 1, ExpiredFragments: 1}},
		{"no octets", "46", []spec{{n: 0}, {off: 8, n: 0, last: true}}, "", "", defrag.Stats{Malformed: 2}},
		{"not in eights (RFC 8200 4.5)", "6", []spec{{n: 15}, {off: 16, n: 1, last: true}}, "", "", defrag.Stats{Malformed: 1, Expired: 1, ExpiredFragments: 1}},
		{"not in eights: cut", "4", []spec{{n: 15}, {off: 8, n: 9, last: true}}, "17", "", defrag.Stats{Whole: 1}},
		{"not in eights: nothing left", "4", []spec{{n: 7}}, "", "", defrag.Stats{Malformed: 1}},
		{"past 65535 (RFC 8200 4.5)", "46", []spec{{off: 65528, n: 8, last: true}, {off: 65528, n: 16}}, "", "", defrag.Stats{TooLong: 2}},
		{"65535 octets", "46", []spec{{off: 65528, n: 7, last: true}, {n: 32768}, {off: 32768, n: 32760}}, "65535", "", defrag.Stats{Whole: 1}},
		{"end of the last cut off", "46", []spec{first, {off: 1480, n: 520, last: true, cut: 20}}, "2000/1500", "", defrag.Stats{Whole: 1, Cut: 1}},
		{"all cut by the capture", "46", []spec{{n: 1480, cut: 60}, {off: 1480, n: 520, last: true, cut: 60}}, "2000/60", "", defrag.Stats{Whole: 1, Cut: 1}},
		{"the copy is not cut", "46", []spec{{n: 1480, cut: 60}, first, last}, "2000", "", defrag.Stats{Whole: 1, Duplicates: 1}},
		{"the copy is cut", "46", []spec{first, {n: 1480, cut: 60}, last}, "2000", "", defrag.Stats{Whole: 1, Duplicates: 1}},
		{"too many fragments", "46", append(tiny(64), spec{off: 1024, n: 8}, spec{off: 8, n: 8}), "", "1016/8", defrag.Stats{TooMany: 1, Absorbed: 1}},
		{"just enough fragments", "46", append(tiny(64), spec{n: 8}), "", "1016/8", defrag.Stats{Duplicates: 1, Expired: 1, ExpiredFragments: 64}},
	} {
		for _, v := range c.v {
			t.Run(c.name+"/"+string(v), func(t *testing.T) {
				var got, part []string
				tab := defrag.New(defrag.Config{Partial: func(p *capture.Packet) { part = append(part, told(p)) }})
				for _, s := range c.in {
					if p := tab.Add(s.packet(v == '6')); p != nil {
						got = append(got, told(p))
						if p.Mono != s.at*ms || p.Wall != s.at*ms+1000 || p.Port != uint8(s.at) || p.VLAN != uint16(s.at) || p.Fragment.Valid {
							t.Errorf("%+v is not of the frame at %d", p, s.at)
						}
					}
				}
				tab.Flush()
				if g := strings.Join(got, " "); g != c.whole {
					t.Errorf("whole %q, want %q", g, c.whole)
				}
				if g := strings.Join(part, " "); g != c.part {
					t.Errorf("partial %q, want %q", g, c.part)
				}
				have := tab.Stats()
				balanced(t, have)
				if have.Datagrams != 0 || have.Bytes != 0 {
					t.Errorf("%d datagrams, %d octets left", have.Datagrams, have.Bytes)
				}
				want := c.want
				want.Fragments, want.Begun, want.Cut, want.Partial = uint64(len(c.in)), have.Begun, have.Cut, uint64(len(part))
				if have != want || have.Cut != c.want.Cut {
					t.Errorf("\n have %+v\n want %+v", have, want)
				}
			})
		}
	}
}

// tiny returns n fragments of eight octets, with holes between.
func tiny(n int) []spec {
	var in []spec
	for i := range n {
		in = append(in, spec{off: i * 16, n: 8})
	}
	return in
}

// balanced asserts that every datagram and fragment is accounted for.
func balanced(t testing.TB, s defrag.Stats) {
	t.Helper()
	ended := s.Whole + s.Expired + s.Evicted + s.Reused + s.Mixed + s.Discarded + s.TooMany
	if s.Begun < ended || s.Begun > ended+s.Datagrams {
		t.Errorf("%d begun, %d ended, %d held", s.Begun, ended, s.Datagrams)
	}
}

// udp returns a UDP datagram of n octets with its checksum (RFC 768).
func udp(r *rand.Rand, src, dst []byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	b[6], b[7] = 0, 0
	sum := uint64(17) + uint64(n)
	for _, part := range [][]byte{src, dst, b} {
		for i, x := range part {
			sum += uint64(x) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	c := ^uint16(sum)
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], c)
	return b
}

// cut cuts a datagram into fragments of random sizes.
func cut(r *rand.Rand, p capture.Packet, b []byte, id uint32) []*capture.Packet {
	var all []*capture.Packet
	for at := 0; at < len(b); {
		n := min(8*(1+r.IntN(200)), len(b)-at)
		f := p
		f.Payload, f.Length = b[at:at+n], n
		f.Fragment = capture.Fragment{ID: id, Offset: uint16(at), More: at+n < len(b), Valid: true}
		all = append(all, &f)
		at += n
	}
	return all
}

// TestAnyOrder cuts, shuffles, doubles and interleaves: the datagrams stay
// what they were, each once. Tunnels and protocols share addresses and ids.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		tab := defrag.New(defrag.Config{Fragments: 1024})
		var all []*capture.Packet
		want := map[string]int{}
		for i := range 1 + r.IntN(12) {
			p := capture.Packet{Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, Protocol: 17, Tunnel: uint32(i % 3)}
			if r.IntN(2) == 0 {
				p.Src, p.Dst = append(make([]byte, 15), 1), append(make([]byte, 15), 2)
			}
			b := udp(r, p.Src, p.Dst, 9+r.IntN(6000))
			want[string(b)]++
			fragments := cut(r, p, b, uint32(i/3))
			all = append(all, fragments...)
			if r.IntN(2) == 0 {
				all = append(all, fragments...)
			}
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for i, p := range all {
			p.Mono = int64(i) * ms / 10
			if w := tab.Add(p); w != nil {
				want[string(w.Payload)]--
			}
		}
		for b, n := range want {
			if n != 0 {
				t.Fatalf("seed %d: a datagram of %d octets came %d times too few", seed, len(b), n)
			}
		}
		tab.Flush()
		if s := tab.Stats(); s.Whole != uint64(len(want)) || s.Expired+s.Reused+s.Discarded+s.Mixed != 0 {
			t.Fatalf("seed %d: %+v", seed, s)
		}
	}
}

// TestNeverMixed loses fragments and uses identifications again: what comes
// out whole was sent so, whatever else is lost.
func TestNeverMixed(t *testing.T) {
	mixed, reused, delivered := uint64(0), uint64(0), uint64(0)
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		tab := defrag.New(defrag.Config{})
		sent := map[string]bool{}
		p := capture.Packet{Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, Protocol: 17}
		for range 50 {
			p.Mono += 600 * ms
			b := udp(r, p.Src, p.Dst, 1600+8*r.IntN(3)) // often of the same length
			sent[string(b)] = true
			for at := 0; at < len(b); at += 800 {
				n := min(800, len(b)-at)
				p.Payload, p.Length = b[at:at+n], n
				p.Fragment = capture.Fragment{ID: 7, Offset: uint16(at), More: at+n < len(b), Valid: true}
				if r.IntN(3) == 0 {
					continue
				}
				if w := tab.Add(&p); w != nil && !sent[string(w.Payload)] {
					t.Fatalf("seed %d: garbage of %d octets", seed, len(w.Payload))
				}
			}
		}
		tab.Flush()
		balanced(t, tab.Stats())
		mixed, reused, delivered = mixed+tab.Stats().Mixed, reused+tab.Stats().Reused, delivered+tab.Stats().Whole
	}
	if mixed == 0 || reused == 0 || delivered == 0 {
		t.Errorf("%d mixed, %d reused, %d delivered: the test does not bite", mixed, reused, delivered)
	}
}

// TestFirstHeader asserts whose header the whole has (RFC 8200 4.5).
func TestFirstHeader(t *testing.T) {
	a, b := spec{n: 8, at: 1}.packet(true), spec{off: 8, n: 8, last: true}.packet(true)
	a.Protocol, a.TTL, a.TOS, a.Tunnel, a.Depth, a.Encap = 17, 60, 0x68, 0, 1, capture.EncapGRE
	b.Protocol, b.TTL, b.Encap = 59, 59, capture.EncapVLAN
	tab := defrag.New(defrag.Config{})
	tab.Add(b)
	w := tab.Add(a)
	if w == nil || w.Protocol != 17 || w.TTL != 60 || w.TOS != 0x68 || w.Depth != 1 || w.Encap != capture.EncapGRE|capture.EncapVLAN ||
		!bytes.Equal(w.Src, a.Src) || !bytes.Equal(w.Dst, a.Dst) {
		t.Errorf("%+v", w)
	}
}

// TestKey asserts what is one datagram and what is two.
func TestKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		v6     bool
		change func(*capture.Packet)
		whole  bool
	}{
		{"the same", false, func(*capture.Packet) {}, true},
		{"another mirror port, VLAN, TTL", false, func(p *capture.Packet) { p.Port, p.VLAN, p.TTL = 9, 9, 9 }, true},
		{"protocol (RFC 791 3.2)", false, func(p *capture.Packet) { p.Protocol++ }, false},
		{"next header (RFC 8200 4.5)", true, func(p *capture.Packet) { p.Protocol++ }, true},
		{"id", false, func(p *capture.Packet) { p.Fragment.ID++ }, false},
		{"id of 32 bits", true, func(p *capture.Packet) { p.Fragment.ID += 1 << 16 }, false},
		{"tunnel", true, func(p *capture.Packet) { p.Tunnel++ }, false},
		{"source", false, func(p *capture.Packet) { p.Src[0]++ }, false},
		{"destination", true, func(p *capture.Packet) { p.Dst[15]++ }, false},
		{"no addresses", false, func(p *capture.Packet) { p.Dst = nil }, false},
	} {
		tab := defrag.New(defrag.Config{})
		p := spec{off: 8, n: 8, last: true}.packet(c.v6)
		c.change(p)
		tab.Add(spec{n: 8}.packet(c.v6))
		if got := tab.Add(p) != nil; got != c.whole {
			t.Errorf("%s: whole %v", c.name, got)
		}
	}
}

// TestBounds floods a small table: it never holds more than it may, forgets
// the oldest first, and the datagram that is coming in is never the one.
func TestBounds(t *testing.T) {
	var part int
	tab := defrag.New(defrag.Config{Datagrams: 40, Bytes: defrag.MinBytes, Partial: func(*capture.Packet) { part++ }})
	for i := range 1000 {
		tab.Add(spec{n: 64, id: uint32(i)}.packet(i%2 == 0))
		tab.Advance(0)
		if s := tab.Stats(); s.Bytes > defrag.MinBytes || s.Datagrams > 40 {
			t.Fatalf("%d octets, %d datagrams", s.Bytes, s.Datagrams)
		}
	}
	s := tab.Stats()
	if s.Evicted != 1000-32 || s.EvictedFragments != s.Evicted || part != 1000-32 || s.Datagrams != 32 {
		t.Errorf("%+v, %d partial", s, part)
	}
	if tab.Add(spec{off: 64, n: 8, last: true, id: 1000 - 32}.packet(true)) == nil {
		t.Error("the oldest that should be left is not")
	}
	for at := 0; at < 65000; at += 1480 { // takes half of everything
		tab.Add(spec{off: at, n: 1480, id: 5000}.packet(false))
	}
	tab.Add(spec{off: 65120, n: 8, id: 5000, last: true}.packet(false))
	tab.Advance(0)
	if got := tab.Stats(); got.Whole != s.Whole+2 || got.Bytes > defrag.MinBytes {
		t.Errorf("%+v", got)
	}
	balanced(t, tab.Stats())
}

// TestMemory holds MemoryBytes against what a full table has allocated.
func TestMemory(t *testing.T) {
	c := defrag.Config{Datagrams: 512, Bytes: 1 << 20}
	var tab *defrag.Table
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			tab = defrag.New(c)
			for i := range 2000 {
				tab.Add(spec{n: 8, id: uint32(i)}.packet(false))
			}
		}
	})
	// What the test's own packets take is in it too.
	own := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			for i := range 2000 {
				tab.MemoryBytes()
				_ = spec{n: 8, id: uint32(i)}.packet(false)
			}
		}
	})
	took := r.AllocedBytesPerOp() - own.AllocedBytesPerOp()
	if most := c.MemoryBytes(); took > most*11/10 || took < most/2 {
		t.Errorf("took %d octets, says %d", took, most)
	}
}

func pair() (a, b *capture.Packet) {
	return spec{n: 1480}.packet(false), spec{off: 1480, n: 520, last: true}.packet(false)
}

func TestAddAllocs(t *testing.T) {
	tab := defrag.New(defrag.Config{Datagrams: 16})
	a, b := pair()
	step := func() {
		a.Fragment.ID++
		b.Fragment.ID++
		a.Mono += ms
		b.Mono = a.Mono
		if tab.Add(a) != nil || a.Fragment.ID%2 == 0 && tab.Add(b) == nil {
			t.Fatal("not whole")
		}
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAdd is one datagram in two fragments.
func BenchmarkAdd(b *testing.B) {
	tab := defrag.New(defrag.Config{})
	x, y := pair()
	b.ReportAllocs()
	b.SetBytes(2000)
	for b.Loop() {
		x.Fragment.ID++
		y.Fragment.ID++
		x.Mono += ms / 10
		y.Mono = x.Mono
		tab.Add(x)
		if tab.Add(y) == nil {
			b.Fatal("not whole")
		}
	}
}

// BenchmarkFlood is a fragment of a datagram that never completes.
func BenchmarkFlood(b *testing.B) {
	tab := defrag.New(defrag.Config{})
	x, _ := pair()
	b.ReportAllocs()
	for b.Loop() {
		x.Fragment.ID++
		tab.Add(x)
	}
}
