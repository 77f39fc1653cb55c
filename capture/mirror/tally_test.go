package mirror_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"heptap/capture"
	"heptap/capture/mirror"
)

// lan makes frames and packets as decode would hand them on, and shows them to
// tallies as workers would.
type lan struct {
	tallies []*mirror.Tally
	spread  func(n int) int // worker of the n-th packet
	drop    func(p *capture.Packet) bool
	n       int
	mono    int64
	frame   capture.Frame
	packet  capture.Packet
	data    [64]byte
	addrs   [32]byte
}

func newLAN(workers int) *lan {
	l := &lan{spread: func(int) int { return 0 }, drop: func(*capture.Packet) bool { return false }}
	for range workers {
		l.tallies = append(l.tallies, mirror.NewTally(mirror.TallyConfig{Own: [6]byte{2, 0, 0, 0, 0, 9}, Seed: 7}))
	}
	l.frame = capture.Frame{Data: l.data[:], Length: len(l.data), Link: capture.LinkEthernet}
	l.tick(0)
	return l
}

// tick lets time pass in whole seconds.
func (l *lan) tick(seconds int) {
	l.mono += int64(seconds) * second
	for _, t := range l.tallies {
		t.Tick(l.mono)
	}
}

func (l *lan) talk() mirror.Sample {
	l.tick(1)
	var s mirror.Sample
	mirror.Collect(&s, l.tallies, nil)
	return s
}

// send sends a packet between hosts a and b of 10.0.0.0/16.
func (l *lan) send(proto uint8, a, b uint16, aPort, bPort uint16, flags uint8) {
	copy(l.data[:], []byte{2, 0, 0, 0, byte(b >> 8), byte(b), 2, 0, 0, 0, byte(a >> 8), byte(a), 8, 0})
	binary.BigEndian.PutUint32(l.addrs[:], 0x0a000000|uint32(a))
	binary.BigEndian.PutUint32(l.addrs[16:], 0x0a000000|uint32(b))
	l.packet = capture.Packet{Src: l.addrs[:4], Dst: l.addrs[16:20], SrcPort: aPort, DstPort: bPort, Protocol: proto}
	l.packet.TCP.Flags = flags
	l.add()
}

func (l *lan) add() {
	if l.drop(&l.packet) {
		return
	}
	l.tallies[l.spread(l.n)].Add(&l.frame, &l.packet)
	l.n++
}

const (
	tcp = capture.ProtoTCP
	udp = capture.ProtoUDP
)

func TestTallyDirections(t *testing.T) {
	ack, syn, rst := capture.FlagACK, capture.FlagSYN, capture.FlagRST
	// conversations has 20 of TCP, 20 of SIP and 20 of RTP.
	conversations := func(l *lan) {
		for range 5 {
			for i := range uint16(20) {
				for range 4 {
					l.send(tcp, 100+i, 1, 40000+i, 443, ack)
					l.send(tcp, 1, 100+i, 443, 40000+i, ack)
				}
				l.send(udp, 100+i, 2, 5062, 5060, 0)
				l.send(udp, 2, 100+i, 5060, 5062, 0)
				for range 5 {
					l.send(udp, 100+i, 3, 20000, 30000+i, 0)
					l.send(udp, 3, 100+i, 30000+i, 20000, 0)
				}
			}
			l.tick(1)
		}
	}
	towards := func(host byte) func(p *capture.Packet) bool {
		return func(p *capture.Packet) bool { return p.Dst[3] == host }
	}
	for _, c := range []struct {
		name string
		do   func(l *lan)
		want mirror.Talk
	}{
		{"both", conversations, mirror.Talk{TCPBoth: 20, AskedBoth: 20, OtherBoth: 20}},
		{"one direction", func(l *lan) {
			l.drop = func(p *capture.Packet) bool { return p.Dst[3] < 100 }
			conversations(l)
		}, mirror.Talk{TCPOneWay: 20, AskedOneWay: 20, OtherOneWay: 20}},
		{"answers of one server elsewhere", func(l *lan) {
			l.drop = towards(1)
			conversations(l)
		}, mirror.Talk{TCPOneWay: 20, AskedBoth: 20, OtherBoth: 20}},
		{"a scan that nobody answers", func(l *lan) {
			for i := range uint16(500) {
				for range 3 {
					l.send(tcp, 9, 1000+i, 50000, 22, syn)
				}
				if i%50 == 0 {
					l.tick(1)
				}
			}
		}, mirror.Talk{}},
		{"a scan that RST answers, the scan elsewhere", func(l *lan) {
			for range 10 {
				for i := range uint16(50) {
					l.send(tcp, 1000+i, 9, 22, 50000, rst|ack)
				}
				l.tick(1)
			}
		}, mirror.Talk{}},
		{"SYNs to a dead host, over and over", func(l *lan) {
			for range 20 {
				l.send(tcp, 9, 10, 50000, 22, syn)
				l.tick(1)
			}
		}, mirror.Talk{}},
		{"syslog", func(l *lan) {
			for range 20 {
				l.send(udp, 9, 10, 514, 514, 0)
				l.tick(1)
			}
		}, mirror.Talk{OtherOneWay: 1}},
		{"SIP to a host that is switched off", func(l *lan) {
			for range 5 {
				l.send(udp, 9, 10, 5060, 5060, 0)
				l.tick(1)
			}
		}, mirror.Talk{AskedOneWay: 1}},
		{"multicast", func(l *lan) {
			for range 20 {
				l.send(udp, 9, 10, 5000, 6000, 0)
				l.packet.Dst[0] = 239
				l.add()
				l.tick(1)
			}
		}, mirror.Talk{OtherOneWay: 1}}, // the first of each pair, which is unicast
		{"a burst that is too young to say", func(l *lan) {
			for range 100 {
				l.send(tcp, 9, 10, 50000, 22, ack)
			}
		}, mirror.Talk{}},
		{"forgotten after a minute", func(l *lan) {
			conversations(l)
			l.tick(59)
			l.tick(10)
		}, mirror.Talk{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLAN(1)
			c.do(l)
			got := l.talk().Talk
			// A place may be taken: one of a hundred may be missing, none wrong.
			if !near(got.TCPBoth, c.want.TCPBoth) || !near(got.TCPOneWay, c.want.TCPOneWay) || !near(got.AskedBoth, c.want.AskedBoth) ||
				!near(got.AskedOneWay, c.want.AskedOneWay) || !near(got.OtherBoth, c.want.OtherBoth) || !near(got.OtherOneWay, c.want.OtherOneWay) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func near(got, want uint64) bool { return got <= want && got+2 >= want && (got > 0 || want == 0) }

// TestTallyWorkers: the directions of a conversation go to different workers,
// as those of a VXLAN do, and count once.
func TestTallyWorkers(t *testing.T) {
	l := newLAN(3)
	l.spread = func(n int) int { return n % 2 * 2 }
	l.tallies[1].Tick(l.mono - 5*second) // workers' seconds need not agree
	for range 4 {
		for i := range uint16(20) {
			l.send(tcp, 100+i, 1, 40000+i, 443, capture.FlagACK)
			l.send(tcp, 1, 100+i, 443, 40000+i, capture.FlagACK)
		}
		l.tick(1)
	}
	s := l.talk()
	if !near(s.Talk.TCPBoth, 20) || s.Talk.TCPOneWay != 0 {
		t.Errorf("%+v, want 20 both ways", s.Talk)
	}
	if s.Frames.Unicast != 160 {
		t.Errorf("%d unicast frames, want 160", s.Frames.Unicast)
	}
	if s.Hosts < 20 || s.Hosts > 22 {
		t.Errorf("%d hosts, want 21", s.Hosts)
	}
}

func TestTallyLongConversation(t *testing.T) {
	for _, c := range []struct {
		name string
		both bool
	}{{"both", true}, {"one way", false}} {
		l := newLAN(1)
		for at := range 1000 { // seconds wrap at 256
			l.send(tcp, 9, 10, 50000, 22, capture.FlagACK)
			if c.both {
				l.send(tcp, 10, 9, 22, 50000, capture.FlagACK)
			}
			s := l.talk().Talk
			want := mirror.Talk{TCPOneWay: 1}
			if c.both {
				want = mirror.Talk{TCPBoth: 1}
			}
			if at > 10 && s != want {
				t.Fatalf("%s, after %d s: %+v", c.name, at, s)
			}
		}
	}
}

func TestTallyFrames(t *testing.T) {
	l := newLAN(1)
	mac := func(s string, length int, p *capture.Packet) {
		f := capture.Frame{Data: append([]byte(s), make([]byte, 40)...), Length: length, Link: capture.LinkEthernet}
		if length == 0 {
			f.Length = len(f.Data)
		}
		l.tallies[0].Add(&f, p)
	}
	mac("\xff\xff\xff\xff\xff\xff", 0, nil)
	mac("\x01\x80\xc2\x00\x00\x00", 0, nil)
	mac("\x33\x33\x00\x00\x00\x01", 0, nil)
	mac("\x02\x00\x00\x00\x00\x09", 0, nil) // our own
	mac("\x02\x00\x00\x00\x00\x09", 0, &capture.Packet{Depth: 1})
	mac("\x02\x00\x00\x00\x00\x08", 0, nil)
	mac("\x02\x00\x00\x00\x00\x08", 9000, nil)
	mac("\x02\x00\x00\x00\x00\x08", 0, &capture.Packet{Truncated: true})
	mac("\x02\x00\x00\x00\x00\x08", 90, &capture.Packet{Truncated: true})
	l.tallies[0].Add(&capture.Frame{Data: make([]byte, 40), Link: capture.LinkRaw}, nil)
	l.tallies[0].Add(&capture.Frame{Data: make([]byte, 5), Link: capture.LinkEthernet}, nil)
	want := mirror.Frames{Unicast: 4, Tunnelled: 1, Own: 1, Multicast: 2, Broadcast: 1, Unclassed: 2, Giant: 1, Cut: 1, CutHere: 1}
	if got := l.talk().Frames; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestTallyBusy: a busy port is sampled, and still nothing looks one way that
// is not, not even a transfer with one acknowledgement in twenty.
func TestTallyBusy(t *testing.T) {
	l := newLAN(1)
	rng := rand.New(rand.NewPCG(1, 2))
	worst := uint64(0)
	for at := range 60 {
		for range 5000 {
			i := uint16(rng.IntN(50))
			for range 20 {
				l.send(tcp, 100+i, 1, 40000+i, 445, capture.FlagACK)
			}
			l.send(tcp, 1, 100+i, 445, 40000+i, capture.FlagACK)
		}
		s := l.talk()
		if at > 10 && s.Talk.TCPBoth < 40 {
			t.Fatalf("after %d s: %+v", at, s.Talk)
		}
		worst = max(worst, s.Talk.TCPOneWay)
	}
	if worst > 2 {
		t.Errorf("%d of 50 transfers looked one way", worst)
	}
}

func TestHosts(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000, 20_000} {
		l := newLAN(1)
		for range 2 {
			for i := range n {
				l.send(udp, uint16(i), uint16(i), 1000, 2000, 0)
				if i%9000 == 0 {
					l.tick(1)
				}
			}
		}
		got := float64(l.talk().Hosts)
		if dev := got/float64(n) - 1; dev < -.2 || dev > .2 {
			t.Errorf("%d hosts: estimated %.0f", n, got)
		}
	}
}

// TestHostsAreForgotten: who has left is no longer counted after two minutes.
func TestHostsAreForgotten(t *testing.T) {
	l := newLAN(1)
	for i := range uint16(500) {
		l.send(udp, i, i, 1000, 2000, 0)
	}
	for range 130 {
		l.tick(1)
	}
	if n := l.talk().Hosts; n != 0 {
		t.Errorf("%d hosts after two minutes of silence", n)
	}
}

func TestTallyAlloc(t *testing.T) {
	l := newLAN(2)
	var s mirror.Sample
	n := testing.AllocsPerRun(1000, func() {
		l.send(tcp, uint16(l.n), 1, 40000, 443, capture.FlagACK)
		l.mono += second
		l.tallies[0].Tick(l.mono)
	})
	if n != 0 {
		t.Errorf("Add and Tick: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { mirror.Collect(&s, l.tallies, nil) }); n != 0 {
		t.Errorf("Collect: %v allocations", n)
	}
}

// BenchmarkTally is one packet of a port that sees many a second, as the worker
// pays for it, ticks included; "all" is one of those that are looked at, and "none" what the
// benchmark itself costs.
func BenchmarkTally(b *testing.B) {
	for _, c := range []struct {
		name  string
		every int // packets per Tick
	}{{"none", 0}, {"busy", 500_000}, {"all", 5000}} {
		b.Run(c.name, func(b *testing.B) {
			l := newLAN(1)
			tally := l.tallies[0]
			type one struct {
				f capture.Frame
				p capture.Packet
			}
			all := make([]one, 64) // in the cache, as what the worker has just decoded
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range all {
				l.send(udp, uint16(rng.IntN(10_000)), 1, 20000, 30000, 0)
				p := l.packet
				p.Src, p.Dst = append([]byte(nil), p.Src...), append([]byte(nil), p.Dst...)
				all[i] = one{l.frame, p}
			}
			n, left := 0, c.every
			b.ReportAllocs()
			for b.Loop() {
				o := &all[n%len(all)]
				n++
				if c.every == 0 {
					continue
				}
				tally.Add(&o.f, &o.p)
				if left--; left == 0 {
					l.tick(1)
					left = c.every
				}
			}
		})
	}
}

func BenchmarkCollect(b *testing.B) {
	for _, workers := range []int{1, 4} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			l := newLAN(workers)
			l.spread = func(n int) int { return n % workers }
			for i := range uint16(5000) {
				l.send(tcp, i, 1, 20000, 443, capture.FlagACK)
			}
			var s mirror.Sample
			for b.Loop() {
				mirror.Collect(&s, l.tallies, nil)
			}
		})
	}
}

// With a TAP each direction comes by a port of its own. Neither port is to
// blame for that; but one whose partner sees nothing is.
func TestTallyTAP(t *testing.T) {
	l := newLAN(2)
	l.spread = func(n int) int { return n & 1 } // requests by one port, answers by the other
	for range 5 {
		for range 4 {
			l.send(tcp, 100, 1, 40000, 5060, capture.FlagACK)
			l.send(tcp, 1, 100, 5060, 40000, capture.FlagACK)
		}
		l.tick(1)
	}
	for i := range l.tallies {
		var s mirror.Sample
		mirror.Collect(&s, l.tallies[i:i+1], l.tallies[1-i:2-i])
		if s.Talk != (mirror.Talk{TCPBoth: 1}) || s.Frames.Unicast != 20 {
			t.Errorf("port %d of the TAP: %+v, %+v", i, s.Talk, s.Frames)
		}
		mirror.Collect(&s, l.tallies[i:i+1], nil)
		if s.Talk != (mirror.Talk{TCPOneWay: 1}) {
			t.Errorf("port %d alone: %+v", i, s.Talk)
		}
	}
}
