package media_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/media"
)

const second = int64(time.Second)

func TestSnapshotNamesTheStream(t *testing.T) {
	s, tab := newSender(7), media.New(media.Config{Streams: 4, Worker: 3})
	s.p.TOS, s.p.HasVLAN, s.p.VLAN, s.p.Port = 0xb8, true, 42, 5
	s.mark = true
	mustAdd(t, tab, s.packet(9, 100, 11))
	s.p.TOS, s.p.HasVLAN, s.mark = 0, false, false
	mustAdd(t, tab, s.packet(10, 260, 20*ms))
	x := one(t, tab)
	want := media.Snapshot{
		ID:   3<<48 | 1,
		Flow: s.p.FiveTuple(), SSRC: s.ssrc, Port: 5, TOS: 0xb8, HasVLAN: true, VLAN: 42, Ended: true,
		FirstWall: 1_700_000_000e9 + 11, FirstMono: 11,
		Mark:    media.Mark{LastWall: 1_700_000_000e9 + 20*ms, LastMono: 20 * ms, Packets: 2, Octets: 320, Expected: 2},
		Markers: 1, PayloadType: 8, LastPayloadType: 8, ClockRate: 8000,
		MaxDelta: 20*ms - 11, IntervalMaxDelta: 20*ms - 11, Skew: 11, MaxSkew: 11,
	}
	if x != want {
		t.Errorf("got  %+v\nwant %+v", x, want)
	}
}

func TestIPv6(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	a, b := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8:1:2:3:4:5:6").As16()
	s.p.Src, s.p.Dst = a[:], b[:]
	for i := range 100 {
		mustAdd(t, tab, s.next(int64(i)*20*ms))
	}
	if x := one(t, tab); x.Packets != 100 || x.Flow != s.p.FiveTuple() {
		t.Errorf("%+v", x)
	}
}

// Each part of the key alone makes another stream; a VLAN tag does not.
func TestKey(t *testing.T) {
	v6 := bytes.Repeat([]byte{0x20}, 16)
	changes := map[string]func(s *sender){
		"none":        func(s *sender) {},
		"source":      func(s *sender) { s.p.Src = []byte{10, 0, 0, 99} },
		"destination": func(s *sender) { s.p.Dst = []byte{10, 0, 0, 99} },
		"source port": func(s *sender) { s.p.SrcPort++ },
		"port":        func(s *sender) { s.p.DstPort++ },
		"SSRC":        func(s *sender) { s.ssrc++ },
		"mirror port": func(s *sender) { s.p.Port++ },
		"IPv6":        func(s *sender) { s.p.Src, s.p.Dst = v6, v6 },
		"IPv6 source": func(s *sender) { s.p.Src, s.p.Dst = append(bytes.Clone(v6[1:]), 1), v6 },
		"IPv6 to":     func(s *sender) { s.p.Dst, s.p.Src = append(bytes.Clone(v6[1:]), 1), v6 },
		"VLAN":        func(s *sender) { s.p.HasVLAN, s.p.VLAN = true, 9 },
	}
	tab := media.New(media.Config{Streams: 100})
	for _, change := range changes {
		s := newSender(1)
		change(s)
		mustAdd(t, tab, s.packet(1, 1, 1))
	}
	if n := len(flush(tab)); n != len(changes)-1 {
		t.Errorf("%d streams, want %d", n, len(changes)-1)
	}
}

func TestWhatIsNotRTP(t *testing.T) {
	good := func() *sender { return newSender(1) }
	for name, spoil := range map[string]func(p *capture.Packet){
		"version":       func(p *capture.Packet) { p.Payload[0] = 0x40 },
		"RTCP":          func(p *capture.Packet) { p.Payload[1] = 200 },
		"type 72":       func(p *capture.Packet) { p.Payload[1] = 72 },
		"short":         func(p *capture.Packet) { p.Payload = p.Payload[:11] },
		"empty":         func(p *capture.Packet) { p.Payload = nil },
		"low source":    func(p *capture.Packet) { p.SrcPort = 53 },
		"low port":      func(p *capture.Packet) { p.DstPort = 1023 },
		"extension":     func(p *capture.Packet) { p.Payload[0] |= 0x10; p.Payload[14] = 0xff },
		"padding":       func(p *capture.Packet) { p.Payload[0] |= 0x20 },
		"mixed address": func(p *capture.Packet) { p.Src = make([]byte, 16) },
		"no address":    func(p *capture.Packet) { p.Src, p.Dst = nil, nil },
	} {
		s, tab := good(), media.New(media.Config{Streams: 4})
		p := s.packet(1, 1, 1)
		spoil(p)
		if v := tab.Add(p); v != media.NotRTP {
			t.Errorf("%s: verdict %d", name, v)
		}
		if out := flush(tab); len(out) != 0 || tab.Stats().NotRTP != 1 {
			t.Errorf("%s: %d streams, %+v", name, len(out), tab.Stats())
		}
	}
}

// SRTP's last octet is not the padding's: once a stream is known its packets
// count even if their padding makes no sense.
func TestEncryptedPadding(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	mustAdd(t, tab, s.next(1))
	p := s.next(2)
	p.Payload[0] |= 0x20
	p.Payload[len(p.Payload)-1] = 0
	mustAdd(t, tab, p)
	if x := one(t, tab); x.Packets != 2 || x.Octets != 320 {
		t.Errorf("%+v", x)
	}
}

func TestTruncatedPacketBegins(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	p := s.next(1)
	p.Payload[0] |= 0x20 // the padding's count was cut off
	p.Payload, p.Truncated = p.Payload[:20], true
	mustAdd(t, tab, p)
	if x := one(t, tab); x.Octets != 8 {
		t.Errorf("%+v", x)
	}
}

func TestConfirmation(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	confirmed := func() bool { tab.Snapshot(0, func(*media.Snapshot) {}); return tab.Stats().Confirmed == 1 }
	for range 49 {
		mustAdd(t, tab, s.next(0))
	}
	mustAdd(t, tab, s.packet(s.seq, s.ts, 0)) // a duplicate is no evidence
	if confirmed() {
		t.Fatal("confirmed after 49")
	}
	mustAdd(t, tab, s.next(0))
	if !confirmed() {
		t.Fatal("not confirmed after 50")
	}
	s = newSender(2)
	tab = media.New(media.Config{Streams: 4})
	for range 40 {
		mustAdd(t, tab, s.next(0))
	}
	mustAdd(t, tab, s.packet(s.seq+20000, 0, 0)) // out of sequence: from the beginning
	for range 49 {
		mustAdd(t, tab, s.next(0))
	}
	if confirmed() {
		t.Fatal("confirmed although the sequence was broken")
	}
	mustAdd(t, tab, s.next(0))
	if !confirmed() || !one(t, tab).Confirmed {
		t.Fatal("not confirmed after 50 more")
	}
}

func TestSnapshotTimes(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	var at []int64
	var got []media.Snapshot
	for now := int64(0); now < 100*second; now += 20 * ms {
		if now < 10*second {
			mustAdd(t, tab, s.next(now))
		}
		tab.Snapshot(now, func(x *media.Snapshot) { at, got = append(at, now), append(got, *x) })
	}
	// Every 2 s while there are packets, and then the end, 60 s after the last.
	if len(got) != 6 || !got[5].Ended || got[4].Ended {
		t.Fatalf("snapshots at %v", at)
	}
	for i := range 5 {
		if want := int64(i+1) * 2 * second; at[i] != want {
			t.Errorf("snapshot %d at %v, want %v", i, at[i], want)
		}
		if got[i].ID != got[0].ID || got[i].Packets < 100*uint64(i+1) {
			t.Errorf("snapshot %d: %+v", i, got[i])
		}
	}
	if at[5] < 69*second || at[5] > 73*second || got[5].Packets != 500 {
		t.Errorf("ended at %v: %+v", at[5], got[5])
	}
	if st := tab.Stats(); st.Confirmed != 0 || st.Ended != 1 || st.Created != 1 || st.Packets != 500 {
		t.Errorf("%+v", st)
	}
}

func TestCandidateIsReportedOnceAndAtItsEnd(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4, Candidate: 3 * time.Second})
	var got []media.Snapshot
	for now := int64(0); now < 30*second; now += 100 * ms {
		if now%second == 0 && now < 12*second {
			mustAdd(t, tab, s.next(now))
		}
		tab.Snapshot(now, func(x *media.Snapshot) { got = append(got, *x) })
	}
	if len(got) != 2 || got[0].Ended || got[0].Packets != 3 || !got[1].Ended || got[1].Packets != 12 || got[1].Confirmed {
		t.Fatalf("%+v", got)
	}
	if st := tab.Stats(); st.CandidatesExpired != 1 || st.Candidates != 0 {
		t.Errorf("%+v", st)
	}
	// If it comes back it is another stream.
	mustAdd(t, tab, s.next(40*second))
	if x := one(t, tab); x.ID == got[0].ID || x.Packets != 1 {
		t.Errorf("%+v", x)
	}
}

// A clock that is set back, as between two files, must not hide streams.
func TestClockSetBack(t *testing.T) {
	tab := media.New(media.Config{Streams: 4})
	mustAdd(t, tab, newSender(1).next(1e18))
	s := newSender(2)
	var ended, reported int
	for now := int64(0); now < 10*second; now += 20 * ms {
		mustAdd(t, tab, s.next(now))
		tab.Snapshot(now, func(x *media.Snapshot) {
			if x.Ended {
				ended++
			} else {
				reported++
			}
		})
	}
	if ended != 1 || reported != 4 {
		t.Errorf("%d ended, %d reported", ended, reported)
	}
}

func TestFullTable(t *testing.T) {
	const size = 100
	tab := media.New(media.Config{Streams: size})
	var kept []*sender
	for i := range uint32(size) {
		s := newSender(i)
		kept = append(kept, s)
		for range 60 {
			mustAdd(t, tab, s.next(0))
		}
	}
	if v := tab.Add(newSender(1000).next(0)); v != media.Full {
		t.Fatalf("verdict %d", v)
	}
	for _, s := range kept {
		mustAdd(t, tab, s.next(0))
	}
	out := flush(tab)
	st := tab.Stats()
	if len(out) != size || st.Full != 1 || st.Packets != size*61 || st.CandidatesRecycled != 0 {
		t.Errorf("%d streams, %+v", len(out), st)
	}
	for _, x := range out {
		if x.Packets != 61 || !x.Confirmed {
			t.Fatalf("%+v", x)
		}
	}
}

// With much that only looks like RTP, and a full table, real streams are confirmed
// and kept, and every packet is accounted for.
func TestNoiseDoesNotDisplaceStreams(t *testing.T) {
	const size, real = 500, 50
	tab := media.New(media.Config{Streams: size})
	rng := rand.New(rand.NewPCG(3, 3))
	var senders []*sender
	for i := range uint32(real) {
		senders = append(senders, newSender(i))
	}
	noise := newSender(9999)
	var sent uint64
	for i := range 200 {
		for _, s := range senders {
			mustAdd(t, tab, s.next(int64(i)*20*ms))
			sent++
			for range 7 { // seven times the traffic, and a table that holds 70 ms of it
				noise.ssrc = rng.Uint32()
				tab.Add(noise.packet(uint16(rng.Uint32()), rng.Uint32(), int64(i)*20*ms))
				sent++
			}
		}
	}
	full := 0
	for _, x := range flush(tab) {
		if x.Confirmed && x.Packets == 200 && x.Missing == 0 {
			full++
		}
	}
	st := tab.Stats()
	if full != real || st.CandidatesRecycled == 0 {
		t.Errorf("%d of %d streams whole, %+v", full, real, st)
	}
	if st.Packets+st.NotRTP+st.Full != sent || st.Candidates != 0 || st.Confirmed != 0 ||
		st.Created != st.Ended+st.CandidatesExpired+st.CandidatesRecycled {
		t.Errorf("%d sent, %+v", sent, st)
	}
}

// Streams come, go and come back against a map that knows what should be
// there.
func TestChurnAgainstModel(t *testing.T) {
	tab := media.New(media.Config{Streams: 300, Candidate: 2 * time.Second, Idle: 4 * time.Second})
	rng := rand.New(rand.NewPCG(5, 5))
	senders := make(map[uint32]*sender)
	sent, seen := make(map[uint32]uint64), make(map[uint32]uint64)
	take := func(x *media.Snapshot) {
		if x.Ended {
			seen[x.SSRC] += x.Packets
		}
	}
	now := int64(0)
	for range 200_000 {
		now += 2 * ms
		window := uint32(now / second * 4) // a moving set of 100 senders
		n := window + rng.Uint32N(100)
		if senders[n] == nil {
			senders[n] = newSender(n)
		}
		mustAdd(t, tab, senders[n].next(now))
		sent[senders[n].ssrc]++
		tab.Snapshot(now, take)
	}
	if tab.Stats().Ended < 1000 {
		t.Errorf("%+v", tab.Stats())
	}
	tab.Flush(take)
	if len(sent) != len(seen) {
		t.Fatalf("%d streams, want %d", len(seen), len(sent))
	}
	for ssrc, n := range sent {
		if seen[ssrc] != n {
			t.Fatalf("SSRC %x: %d packets, want %d", ssrc, seen[ssrc], n)
		}
	}
}

func TestHundredThousandStreams(t *testing.T) {
	const streams, rounds = 100_000, 60
	tab := media.New(media.Config{Streams: streams})
	s := newSender(0)
	for r := range rounds {
		for i := range uint32(streams) {
			place(s, i)
			mustAdd(t, tab, s.packet(uint16(r)-5, uint32(r)*160, int64(r)*20*ms+int64(i)))
		}
		tab.Snapshot(int64(r)*20*ms, func(*media.Snapshot) {})
	}
	var n int
	tab.Flush(func(x *media.Snapshot) {
		n++
		if x.Packets != rounds || x.Expected != rounds || !x.Confirmed {
			t.Fatalf("%+v", *x)
		}
	})
	if n != streams || tab.Stats().Full != 0 {
		t.Errorf("%d streams, %+v", n, tab.Stats())
	}
	if have, most := int64(tab.Stats().MemoryBytes), tab.MemoryBytes(); have > most || most > 56<<20 {
		t.Errorf("%d octets held, %d at most", have, most)
	}
}

// place makes s sender i of many, without an allocation.
func place(s *sender, i uint32) {
	binary.BigEndian.PutUint32(s.p.Src, 10<<24|i)
	s.ssrc = i * 2654435761
}

// One call looks at a bounded number of streams; the rest come at the next.
func TestSnapshotIsSpread(t *testing.T) {
	const streams = 5000
	tab := media.New(media.Config{Streams: streams})
	s := newSender(0)
	for i := range uint32(streams) {
		place(s, i)
		mustAdd(t, tab, s.packet(1, 1, 0))
	}
	total := 0
	for range 20 {
		n := 0
		tab.Snapshot(2*second, func(*media.Snapshot) { n++ })
		if n > 256 {
			t.Fatalf("%d in one call", n)
		}
		total += n
	}
	if total != streams {
		t.Errorf("%d of %d reported", total, streams)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	tab := media.New(media.Config{Streams: 1000})
	s := newSender(0)
	var now int64
	var i uint32
	n := testing.AllocsPerRun(20000, func() { // new streams, known ones, snapshots
		i++
		now += ms
		place(s, i%900)
		tab.Add(s.packet(uint16(i/900), i/900*160, now))
		tab.Snapshot(now, func(*media.Snapshot) {})
	})
	if n != 0 {
		t.Fatalf("%v allocations per packet", n)
	}
}
