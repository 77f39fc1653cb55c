package duplicate_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/duplicate"
)

const (
	us = int64(time.Microsecond)
	ms = int64(time.Millisecond)
)

// few entries are enough for a test, and faster to make.
var few = duplicate.Config{Entries: 4096}

// change makes another packet of one.
type change func(*capture.Packet)

func at(mono int64) change  { return func(p *capture.Packet) { p.Mono = mono } }
func id(n uint16) change    { return func(p *capture.Packet) { p.IPID = n } }
func ttl(p *capture.Packet) { p.TTL-- }
func vlan(p *capture.Packet) {
	p.HasVLAN, p.VLAN = true, 7
	p.Encap |= capture.EncapVLAN
}
func priority(p *capture.Packet) { p.HasVLAN = true } // VLAN 0 is not no VLAN
func tos(p *capture.Packet)      { p.TOS = 0xb8 }
func ecn(p *capture.Packet)      { p.TOS |= 2 }
func port(p *capture.Packet)     { p.Port = 5 }
func gre(p *capture.Packet)      { p.Encap, p.Depth = p.Encap|capture.EncapGRE, 1 }
func vxlan(p *capture.Packet)    { p.Encap, p.Depth, p.Tunnel = capture.EncapVXLAN, 1, 99 }
func text(p *capture.Packet)     { p.Payload = []byte("payloaD") }
func longer(p *capture.Packet)   { p.Length++ }
func empty(p *capture.Packet)    { p.Payload, p.Length = nil, 0 }
func v6(p *capture.Packet) {
	p.Src, p.Dst, p.IPID = append(make([]byte, 15), 1), append(make([]byte, 15), 2), 0
}
func flags(f uint8) change { return func(p *capture.Packet) { p.TCP.Flags = f } }
func fragment(p *capture.Packet) {
	p.SrcPort, p.DstPort = 0, 0
	p.Fragment = capture.Fragment{Valid: true, ID: 77, Offset: 8, More: true}
}

func both(all ...change) change {
	return func(p *capture.Packet) {
		for _, c := range all {
			c(p)
		}
	}
}

func packet(protocol uint8, changes ...change) *capture.Packet {
	p := &capture.Packet{Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, SrcPort: 5060, DstPort: 5060, Payload: []byte("payload"), Length: 7,
		Protocol: protocol, TTL: 64, IPID: 4711, Mono: 3600_000 * ms}
	switch protocol {
	case capture.ProtoTCP:
		p.TCP = capture.TCP{Seq: 1, Ack: 2, Window: 3, Flags: capture.FlagACK}
	case capture.ProtoSCTP:
		p.SCTP.VTag = 5
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

func TestCheck(t *testing.T) {
	const udp, tcp, sctp = capture.ProtoUDP, capture.ProtoTCP, capture.ProtoSCTP
	any3 := []uint8{udp, tcp, sctp}
	streams := []uint8{tcp, sctp}
	none := func(*capture.Packet) {}
	later := func(n int64) change { return func(p *capture.Packet) { p.Mono += n } }
	for _, c := range []struct {
		name      string
		protocols []uint8
		first     change // of both packets
		second    change // of the second only
		dup       bool
	}{
		{"nothing differs", any3, none, later(30 * us), true},
		{"nothing differs, at the end of the window", any3, none, later(50 * ms), true},
		{"after the window", any3, none, later(50*ms + 1), false},
		{"a little before", any3, none, later(-10 * us), true},
		{"after a router (RFC 1812 5.3.1)", any3, none, both(ttl, later(40*ms)), true},
		{"another VLAN, TOS, port", any3, none, both(vlan, tos, port, later(40*ms)), true},
		{"in GRE or ERSPAN", any3, none, both(gre, later(40*ms)), true},
		{"in a VXLAN: another tenant", any3, none, vxlan, false},
		{"both in one VXLAN", any3, vxlan, ttl, true},
		{"sent again: another identification (RFC 6864 4)", any3, none, id(4712), false},
		{"other payload", any3, none, text, false},
		{"other length", any3, none, longer, false},
		{"other source", any3, none, func(p *capture.Packet) { p.Src = []byte{10, 0, 0, 9} }, false},
		{"other destination", any3, none, func(p *capture.Packet) { p.Dst = []byte{10, 0, 0, 9} }, false},
		{"other ports", any3, none, func(p *capture.Packet) { p.SrcPort, p.DstPort = p.DstPort+1, p.SrcPort }, false},
		{"the other direction", any3, none, func(p *capture.Packet) { p.Src, p.Dst = p.Dst, p.Src }, false},
		{"other sequence (RFC 9293 3.1)", []uint8{tcp}, none, func(p *capture.Packet) { p.TCP.Seq++ }, false},
		{"other acknowledgement", []uint8{tcp}, none, func(p *capture.Packet) { p.TCP.Ack++ }, false},
		{"other window", []uint8{tcp}, none, func(p *capture.Packet) { p.TCP.Window++ }, false},
		{"other flags", []uint8{tcp}, none, flags(capture.FlagACK | capture.FlagPSH), false},
		{"other tag (RFC 9260 3.1)", []uint8{sctp}, none, func(p *capture.Packet) { p.SCTP.VTag++ }, false},
		{"one is cut", any3, none, func(p *capture.Packet) { p.Payload, p.Truncated = p.Payload[:3], true }, false},
		{"both are cut", any3, func(p *capture.Packet) { p.Payload, p.Truncated = p.Payload[:3], true }, ttl, true},

		{"UDP without identification", []uint8{udp}, id(0), later(50 * ms), true},
		{"UDP over IPv6", []uint8{udp}, v6, later(50 * ms), true},
		{"SIP sent again (RFC 3261 17.1.1.1)", []uint8{udp}, v6, later(500 * ms), false},
		{"no identification, within 1 ms", streams, id(0), later(1 * ms), true},
		{"fast retransmission (RFC 5681 3.2), no identification", streams, id(0), later(1*ms + 1), false},
		{"fast retransmission, IPv6", streams, v6, later(5 * ms), false},
		{"sent again without ECN (RFC 3168 6.1.5)", streams, v6, both(ecn, later(5*ms)), false},
		{"congestion met on the way (RFC 3168 5)", any3, none, both(ecn, later(5*ms)), true},
		{"no identification, DSCP", streams, v6, both(tos, later(40*ms)), true},
		{"no identification, TTL", streams, id(0), both(ttl, later(40*ms)), true},
		{"no identification, VLAN", streams, id(0), both(vlan, later(40*ms)), true},
		{"no identification, priority tag", streams, id(0), both(priority, later(40*ms)), true},
		{"no identification, port", streams, id(0), both(port, later(40*ms)), true},
		{"no identification, wrapped", streams, v6, both(gre, later(40*ms)), true},

		{"pure ACK with identification", []uint8{tcp}, empty, later(40 * ms), true},
		{"duplicate ACK (RFC 5681 2), no identification", []uint8{tcp}, both(empty, id(0)), none, false},
		{"duplicate ACK, IPv6, by another port", []uint8{tcp}, both(empty, v6), port, false},
		{"SYN without identification", []uint8{tcp}, both(empty, id(0), flags(capture.FlagSYN)), none, true},
		{"SYN sent again", []uint8{tcp}, both(empty, id(0), flags(capture.FlagSYN)), later(10 * ms), false},
		{"FIN", []uint8{tcp}, both(empty, v6, flags(capture.FlagFIN|capture.FlagACK)), ttl, true},
		{"RST", []uint8{tcp}, both(empty, v6, flags(capture.FlagRST)), ttl, true},

		{"fragment", any3, both(id(0), fragment), later(40 * ms), true},
		{"fragment, other place (RFC 791 3.2)", any3, fragment, func(p *capture.Packet) { p.Fragment.Offset += 8 }, false},
		{"fragment, the last", any3, fragment, func(p *capture.Packet) { p.Fragment.More = false }, false},
		{"fragment, other identification (RFC 8200 4.5)", any3, both(v6, fragment), func(p *capture.Packet) { p.Fragment.ID += 1 << 16 }, false},
	} {
		for _, protocol := range c.protocols {
			tab := duplicate.New(few)
			a := packet(protocol, c.first)
			b := packet(protocol, c.first, c.second)
			if dup, lag := tab.Check(a); dup || lag != 0 {
				t.Errorf("%s, protocol %d: the first is a copy", c.name, protocol)
			}
			dup, lag := tab.Check(b)
			if dup != c.dup || dup && lag != max(b.Mono-a.Mono, a.Mono-b.Mono) || !dup && lag != 0 {
				t.Errorf("%s, protocol %d: %v, lag %d", c.name, protocol, dup, lag)
			}
		}
	}
}

// TestThree asserts that all copies count from the first, so that a row of
// them has an end, and that what is sent again has copies too.
func TestThree(t *testing.T) {
	for _, c := range []struct {
		name string
		with change
		at   []int64 // ms
		want string
	}{
		{"triple", id(9), []int64{0, 1, 3}, "[new 1 3]"},
		{"every 40 ms without identification", v6, []int64{0, 40, 80, 120, 160}, "[new 40 new 40 new]"},
	} {
		tab := duplicate.New(few)
		var got []any
		for _, n := range c.at {
			if dup, lag := tab.Check(packet(capture.ProtoUDP, c.with, at(n*ms))); dup {
				got = append(got, lag/ms)
			} else {
				got = append(got, "new")
			}
		}
		if s := fmt.Sprint(got); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
	tab := duplicate.New(few)
	var got []bool
	for _, n := range []int64{0, 300, 5000, 5300, 60_000} { // µs; twice each, but for the last
		dup, _ := tab.Check(packet(capture.ProtoTCP, v6, at(n*us)))
		got = append(got, dup)
	}
	if !slices.Equal(got, []bool{false, true, false, true, false}) {
		t.Errorf("a retransmission on a doubled mirror: %v", got)
	}
	tab.Advance(0)
	if s := tab.Port(0); s.Again != 1 || s.Copies != 2 {
		t.Errorf("%+v", s)
	}
}

func TestPortStats(t *testing.T) {
	tab := duplicate.New(few)
	lags := []int64{100 * us, 101 * us, 2 * ms, 20 * ms, 20*ms + 1, 50 * ms}
	n := uint16(0)
	for _, lag := range lags {
		for _, c := range []change{func(*capture.Packet) {}, ttl, both(vlan, port), gre, tos} {
			n++
			tab.Check(packet(capture.ProtoUDP, id(n), at(1000*ms)))
			if dup, got := tab.Check(packet(capture.ProtoUDP, id(n), c, at(1000*ms+lag))); !dup || got != lag {
				t.Errorf("lag %d: %v %d", lag, dup, got)
			}
		}
	}
	tab.Check(packet(capture.ProtoTCP, v6, empty, at(1000*ms)))
	tab.Advance(1100 * ms)
	s, other := tab.Port(0), tab.Port(5)
	if s.Checked != 54 || s.Copies != 24 || s.Unjudged != 1 || s.ByTTL != 6 || s.ByTOS != 6 || s.ByWrap != 6 || s.Alike != 6 || s.ByVLAN+s.ByPort != 0 || s.LagMax != 50*ms {
		t.Errorf("%+v", s)
	}
	if other.Checked != 6 || other.Copies != 6 || other.ByVLAN != 6 || other.ByPort != 6 || other.ByWrap != 6 || other.Share() != 1 {
		t.Errorf("%+v", other)
	}
	if want := [duplicate.LagBuckets]uint64{4, 4, 4, 0, 0, 4, 8, 0}; s.Lag != want {
		t.Errorf("%v, want %v", s.Lag, want)
	}
	if sum := (100+101)*us + (2+20+20+50)*ms + 1; s.LagSum != 4*sum {
		t.Errorf("sum %d, want %d", s.LagSum, 4*sum)
	}
	if never := tab.Port(200); never != (duplicate.PortStats{}) {
		t.Errorf("%+v", never)
	}
	if duplicate.LagBound(0) != 100*time.Microsecond || duplicate.LagBound(duplicate.LagBuckets-1) != 0 {
		t.Error("bounds")
	}
}

// TestShare doubles the mirror for a while.
func TestShare(t *testing.T) {
	tab := duplicate.New(few)
	n := uint16(0)
	run := func(from, to int64, times int) {
		for mono := from; mono < to; mono += 20 * ms {
			n++
			for i := range times {
				tab.Check(packet(capture.ProtoUDP, id(n), at(mono+int64(i)*200*us)))
			}
		}
		tab.Advance(to)
	}
	const s = 1000
	for _, c := range []struct {
		from, to int64 // s
		times    int
		want     float64
	}{{0, 20, 1, 0}, {20, 25, 2, 1.0 / 3}, {25, 40, 2, 0.5}, {40, 60, 3, 2.0 / 3}, {60, 80, 1, 0}, {80, 80, 0, 0}} {
		run(c.from*s*ms, c.to*s*ms, c.times)
		p := tab.Port(0)
		if got := p.Share(); got < c.want-0.03 || got > c.want+0.03 {
			t.Errorf("at %d s: %v, want %v", c.to, got, c.want)
		}
	}
	tab.Advance(100 * s * ms)
	if p := tab.Port(0); p.RecentChecked != 0 || p.Share() != 0 {
		t.Errorf("%d in silence", p.RecentChecked)
	}
}

// TestFull asserts that the oldest give way, counted, and only then.
func TestFull(t *testing.T) {
	tab := duplicate.New(duplicate.Config{Entries: 100})
	for i := range uint16(250) {
		tab.Check(packet(capture.ProtoUDP, id(i+1), at(int64(i)*us)))
	}
	tab.Advance(250 * us)
	if s := tab.Stats(); s.Entries != 100 || s.Overrun != 150 {
		t.Errorf("%+v", s)
	}
	if dup, _ := tab.Check(packet(capture.ProtoUDP, id(151), at(250*us))); !dup {
		t.Error("the oldest that should be there is not")
	}
	if dup, _ := tab.Check(packet(capture.ProtoUDP, id(150), at(250*us))); dup {
		t.Error("an older one is")
	}
	tab.Advance(60 * ms)
	for i := range uint16(100) {
		tab.Check(packet(capture.ProtoUDP, id(i+1), at(60*ms)))
	}
	tab.Advance(60 * ms)
	if s := tab.Stats(); s.Overrun != 151 || s.Entries != 100 {
		t.Errorf("%+v", s)
	}
}

// TestDoubled shows a table everything once, twice or three times, the copies
// late by up to the window and changed: all of them are found, and nothing else.
// Whatever the hash's seed, the results are the same.
func TestDoubled(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 5))
		var all []*capture.Packet
		copies := 0
		for i := range 1000 {
			p := packet([]uint8{capture.ProtoUDP, capture.ProtoTCP, capture.ProtoSCTP}[r.IntN(3)], at(int64(i)*ms), func(p *capture.Packet) {
				p.Payload = fmt.Appendf(nil, "%d", r.IntN(20))
				p.Length = len(p.Payload)
				p.IPID = uint16(1 + i)
			})
			all = append(all, p)
			for range r.IntN(3) {
				q := *p
				q.Mono += r.Int64N(50 * ms)
				q.TTL -= uint8(r.IntN(2))
				q.Port = uint8(r.IntN(2))
				all = append(all, &q)
				copies++
			}
		}
		slices.SortStableFunc(all, func(a, b *capture.Packet) int { return int(a.Mono - b.Mono) })
		one, two := duplicate.New(few), duplicate.New(few)
		got := 0
		for _, p := range all {
			dup, lag := one.Check(p)
			if dup2, lag2 := two.Check(p); dup2 != dup || lag2 != lag {
				t.Fatalf("seed %d: another hash, another result", seed)
			}
			if dup {
				got++
			}
		}
		if got != copies {
			t.Fatalf("seed %d: %d copies found, %d made", seed, got, copies)
		}
	}
}

// TestMemory asserts that a table grows with what it has to remember, up to what
// MemoryBytes says, and still knows all of it.
func TestMemory(t *testing.T) {
	c := duplicate.Config{Entries: 10_000}
	take := func(packets int) int64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var tabs [8]*duplicate.Table
		for i := range tabs {
			tabs[i] = duplicate.New(c)
			p := packet(capture.ProtoUDP)
			for n := range packets {
				p.Port, p.IPID = uint8(n), uint16(1+n)
				if dup, _ := tabs[i].Check(p); dup {
					t.Fatal("a copy")
				}
			}
			for n := range min(packets, c.Entries) {
				n += packets - min(packets, c.Entries)
				p.Port, p.IPID = uint8(n), uint16(1+n)
				if dup, _ := tabs[i].Check(p); !dup {
					t.Fatalf("packet %d of %d is forgotten", n, packets)
				}
			}
			tabs[i].Advance(p.Mono)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(&tabs)
		return int64(after.HeapAlloc-before.HeapAlloc) / int64(len(tabs))
	}
	few, many, most := take(256), take(12_000), c.MemoryBytes()
	if few > most/3 || many > most || many < most/2 {
		t.Errorf("holds %d octets with few packets and %d with many, says %d", few, many, most)
	}
}

func TestCheckAllocs(t *testing.T) {
	tab := duplicate.New(duplicate.Config{Entries: 1000})
	p := packet(capture.ProtoTCP)
	step := func() {
		p.IPID++
		p.Mono += ms / 100
		tab.Check(p)
		if dup, _ := tab.Check(p); !dup {
			t.Fatal("no copy")
		}
		tab.Advance(p.Mono)
	}
	step()
	if n := testing.AllocsPerRun(5000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCheck is one packet of 600 octets; of the doubled, one of two.
func BenchmarkCheck(b *testing.B) {
	for _, c := range []struct {
		name  string
		times int
	}{{"once", 1}, {"doubled", 2}} {
		b.Run(c.name, func(b *testing.B) {
			tab := duplicate.New(duplicate.Config{})
			p := packet(capture.ProtoUDP)
			p.Payload = make([]byte, 600)
			p.Length = 600
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n%c.times == 0 {
					p.IPID++
					p.Payload[0]++
				}
				p.Mono += us
				tab.Check(p)
				n++
			}
		})
	}
}
