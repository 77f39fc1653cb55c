package media_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/media"
)

// Mirrored copies are told from duplicates by what a router or a second VLAN
// changes, by the IPv4 identification, and where neither tells by coming with
// every packet.
func TestCopies(t *testing.T) {
	type variant struct {
		name       string
		again      func(i int) bool // packet i comes twice
		change     func(p *capture.Packet, i int)
		lag        int64
		mode       media.Copies
		copies     uint64
		duplicates uint64
	}
	every := func(int) bool { return true }
	one := func(i int) bool { return i == 100 }
	none := func(*capture.Packet, int) {}
	for _, c := range []variant{
		{name: "identification equal", again: one, change: none, lag: ms, duplicates: 1}, // the first only begins the watch
		{name: "identification equal, two", again: func(i int) bool { return i == 100 || i == 110 }, change: none, lag: ms, copies: 2},
		{name: "identification equal, all", again: every, change: none, lag: 30 * ms, copies: 500},
		{name: "all, 45 ms late", again: every, change: none, lag: 45 * ms, copies: 500},
		{name: "all, beyond the window", again: every, change: none, lag: 60 * ms, duplicates: 500},
		{name: "identification differs", again: every, change: func(p *capture.Packet, i int) { p.IPID += 1000 }, lag: ms, duplicates: 500},
		{name: "TTL differs", again: every, change: func(p *capture.Packet, i int) { p.IPID, p.TTL = 0, p.TTL-1 }, lag: ms, copies: 500},
		{name: "VLAN differs", again: every, change: func(p *capture.Packet, i int) { p.HasVLAN, p.VLAN = true, 7 }, lag: ms, copies: 500},
		{name: "one in a tunnel", again: every, change: func(p *capture.Packet, i int) { p.Depth = 1 }, lag: ms, copies: 500},
		{name: "another payload", again: every, change: func(p *capture.Packet, i int) { p.Payload = p.Payload[:100] }, lag: ms, duplicates: 500},
		{name: "off", again: every, change: none, lag: ms, mode: media.CopiesOff, duplicates: 500},
		{name: "mark", again: every, change: none, lag: ms, mode: media.CopiesMark, copies: 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s := media.New(media.Config{Streams: 4, Copies: c.mode}), newSender(1)
			s.p.IPID, s.p.TTL = 100, 64
			send(t, tab, s, 500, c.lag, c.again, c.change)
			x := flush(tab)[0]
			if uint64(x.Copies) != c.copies || x.Duplicates != c.duplicates || x.Packets != 500+c.duplicates || x.Octets != 160*x.Packets && c.name != "another payload" || x.Missing != 0 {
				t.Errorf("%d copies, %d duplicates, %d packets, %d octets, %d missing", x.Copies, x.Duplicates, x.Packets, x.Octets, x.Missing)
			}
			if c.copies > 1 && (x.CopyLagMax < c.lag-2000 || x.CopyLagMax > c.lag+2000 || x.CopyLagMean < c.lag-2000 || x.CopyLagMean > c.lag+2000) {
				t.Errorf("lag %d, at most %d, want %d", x.CopyLagMean, x.CopyLagMax, c.lag)
			}
			if int64(x.Jitter) > 1000 && c.copies > 0 {
				t.Errorf("jitter %d", x.Jitter)
			}
			if st := tab.Stats(); st.Copies != uint64(x.Copies) || st.Packets != x.Packets+uint64(x.Copies) {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Without an identification (IPv6, or 0 with DF set, RFC 6864 4.1) a copy is
// known only by coming with nearly every packet. A network that duplicates some
// is not taken for a mirror.
func TestCopiesWithoutIdentification(t *testing.T) {
	for _, c := range []struct {
		name  string
		share float64
		lag   int64
		want  func(copies, dups, sent uint64) bool
	}{
		{"all", 1, ms, func(c, d, n uint64) bool { return d == 0 && c == n }},
		{"all, three packets late", 1, 48 * ms, func(c, d, n uint64) bool { return d == 0 && c == n }},
		{"a congested mirror", 0.9, 20 * ms, func(c, d, n uint64) bool { return d < n/10 && c+d == n }},
		{"a network, a third", 0.33, ms, func(c, d, n uint64) bool { return c == 0 && d == n }},
		{"a network, one in a hundred", 0.01, ms, func(c, d, n uint64) bool { return c == 0 && d == n }},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		var sent uint64
		tab, s := media.New(media.Config{Streams: 4}), newSender(1)
		send(t, tab, s, 3000, c.lag, func(int) bool {
			if rng.Float64() >= c.share {
				return false
			}
			sent++
			return true
		}, func(*capture.Packet, int) {})
		if x := flush(tab)[0]; !c.want(uint64(x.Copies), x.Duplicates, sent) || x.Packets != 3000+x.Duplicates {
			t.Errorf("%s: %d copies, %d duplicates of %d; %d packets", c.name, x.Copies, x.Duplicates, sent, x.Packets)
		}
	}
}

// Two senders with one SSRC and the same numbers half a second apart, as two
// playing the same file: the later is no copy of the earlier.
func TestSameFilePlayedTwice(t *testing.T) {
	tab, s := media.New(media.Config{Streams: 4}), newSender(1)
	send(t, tab, s, 400, 500*ms, func(int) bool { return true }, func(p *capture.Packet, i int) { p.IPID += 50 })
	if x := flush(tab)[0]; uint64(x.Copies) != 0 || x.Duplicates != 400 {
		t.Errorf("%d copies, %d duplicates", x.Copies, x.Duplicates)
	}
}

// A sender that begins anew is followed the same way when everything comes twice.
func TestRestartSeenTwice(t *testing.T) {
	tab, s := media.New(media.Config{Streams: 4}), newSender(1)
	s.p.IPID = 1
	var now int64
	for i := range 400 {
		if i == 200 {
			s.seq += 20000
		}
		p := s.next(now)
		p.IPID++
		mustAdd(t, tab, p)
		p.Mono += ms
		mustAdd(t, tab, p)
		now += 20 * ms
	}
	if x := flush(tab)[0]; uint64(x.Copies) != 400 || x.Duplicates != 0 || x.Missing != 0 || x.Gen != 1 || x.Packets != 400 {
		t.Errorf("%+v", x)
	}
}

// send sends n packets every 20 ms, some of them again lag later.
func send(t *testing.T, tab *media.Table, s *sender, n int, lag int64, again func(int) bool, change func(*capture.Packet, int)) {
	t.Helper()
	type copied struct {
		at int64
		i  int
	}
	var later []copied
	id, vlan, ttl := s.p.IPID, s.p.HasVLAN, s.p.TTL
	put := func(i int, at int64, change func(*capture.Packet, int)) {
		p := s.packet(uint16(65000+i), uint32(i)*160, at)
		if p.HasVLAN, p.TTL, p.Depth, p.IPID = vlan, ttl, 0, id; id != 0 {
			p.IPID += uint16(i)
		}
		change(p, i)
		mustAdd(t, tab, p)
	}
	for i := range n {
		now := int64(i) * 20 * ms
		for len(later) > 0 && later[0].at < now {
			put(later[0].i, later[0].at, change)
			later = later[1:]
		}
		put(i, now, func(*capture.Packet, int) {})
		if again(i) {
			later = append(later, copied{now + lag, i})
		}
	}
	for _, l := range later {
		put(l.i, l.at, change)
	}
}

// Each packet of many streams comes twice: no allocation, whatever is noted.
func TestCopiesDoNotAllocate(t *testing.T) {
	tab, s := media.New(media.Config{Streams: 100}), newSender(1)
	var i uint32
	step := func() {
		i++
		place(s, i%100)
		p := s.packet(uint16(i/100), i/100*160, int64(i)*ms)
		p.IPID = uint16(i) | 1
		tab.Add(p)
		tab.Add(p)
		tab.Snapshot(p.Mono, func(*media.Snapshot) {})
	}
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(5000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if st := tab.Stats(); st.Copies < 5000 || int64(st.MemoryBytes) > tab.MemoryBytes() {
		t.Errorf("%+v", st)
	}
}

// The same addresses in two tunnels are two streams.
func TestTunnels(t *testing.T) {
	tab := media.New(media.Config{Streams: 10, Idle: time.Minute})
	for i := range 100 {
		for _, tunnel := range []uint32{0, 7, 1 << 31} {
			s := newSender(1)
			s.p.Tunnel = tunnel
			mustAdd(t, tab, s.packet(uint16(i), uint32(i)*160, int64(i)*20*ms))
		}
	}
	out := flush(tab)
	seen := map[uint32]bool{}
	for _, x := range out {
		seen[x.Flow.Tunnel] = x.Packets == 100
	}
	if len(out) != 3 || !seen[0] || !seen[7] || !seen[1<<31] {
		t.Errorf("%d streams, %v", len(out), seen)
	}
}

// BenchmarkAddTwice is a mirror that delivers everything twice.
func BenchmarkAddTwice(b *testing.B) {
	tab, s := media.New(media.Config{Streams: 2000, Idle: time.Hour}), newSender(0)
	b.ReportAllocs()
	var i uint32
	for b.Loop() {
		i++
		place(s, i%2000)
		p := s.packet(uint16(i/2000), i/2000*160, int64(i/2000)*20*ms)
		p.IPID = uint16(i) | 1
		tab.Add(p)
		tab.Add(p)
	}
}
