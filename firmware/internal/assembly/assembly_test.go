package assembly_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/media"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
)

var (
	alice, bob = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5062")
	other      = netip.MustParseAddrPort("192.0.2.3:443")
)

// rig is an Assembly that is fed frames, and what came out.
type rig struct {
	*assembly.Assembly
	t      testing.TB
	ignore *stream.Ignore
	now    int64
	octets uint32 // that alice has sent, see sent
	port   uint8
	out    []capture.Message
	rtp    []media.Snapshot
}

const wall0 = int64(1_700_000_000_000_000_000)

func newRig(t testing.TB, change ...func(*assembly.Config)) *rig {
	r := &rig{t: t, ignore: stream.NewIgnore(1024)}
	c := assembly.Config{
		Stream: stream.Config{Connections: 1024, Ignore: r.ignore},
		Message: func(m *capture.Message) {
			k := *m
			k.Payload = slices.Clone(m.Payload)
			r.out = append(r.out, k)
		},
		RTP: func(s *media.Snapshot, _ int64) { r.rtp = append(r.rtp, *s) },
	}
	for _, f := range change {
		f(&c)
	}
	r.Assembly = assembly.New(c)
	return r
}

// add decodes a frame as a ring worker does and hands it over, a millisecond
// after the one before.
func (r *rig) add(frames ...[]byte) {
	r.t.Helper()
	for _, b := range frames {
		r.now += int64(time.Millisecond)
		f := capture.Frame{Data: b, Length: len(b), Link: capture.LinkEthernet, Mono: r.now, Wall: wall0 + r.now, Port: r.port}
		var p capture.Packet
		if reason := decode.Decode(&f, &p); reason != capture.DropNone {
			r.t.Fatal(reason)
		}
		proto := capture.Unknown
		if !p.Fragment.Valid && p.Protocol == capture.ProtoUDP {
			proto = dissect.Datagram(&p, 0)
		}
		if !p.Fragment.Valid && p.Protocol == capture.ProtoTCP && r.ignore.Ignored(&p) {
			continue
		}
		r.Packet(&p, proto)
	}
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	r.now += int64(d)
	r.Advance(r.now)
}

func request(n int, body int) string {
	return fmt.Sprintf("OPTIONS sip:%d@example.com SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: %d\r\n\r\n%s",
		n, n, body, strings.Repeat("b", body))
}

// segments cuts text into TCP segments.
func segments(src, dst netip.AddrPort, seq uint32, text string, size int) (frames [][]byte) {
	for off := 0; off < len(text); off += size {
		part := text[off:min(off+size, len(text))]
		frames = append(frames, capturetest.TCP(src, dst, capture.TCP{Seq: seq + uint32(off), Ack: 1, Flags: capture.FlagACK, Window: 1000},
			[]byte(part), capturetest.IPID(uint16(seq)+uint16(off)|1)))
	}
	return frames
}

func (r *rig) want(payloads ...string) {
	r.t.Helper()
	var got []string
	for i := range r.out {
		got = append(got, string(r.out[i].Payload))
	}
	if !slices.Equal(got, payloads) {
		r.t.Fatalf("%d messages, want %d\n%q\n%q", len(got), len(payloads), got, payloads)
	}
}

// Every transport, seen twice: dropped, marked or left as it is. What
// is reassembled is never shown twice.
func TestCopies(t *testing.T) {
	text := request(1, 1600)
	sctp := func(opts ...capturetest.Option) [][]byte {
		return [][]byte{capturetest.SCTP(alice, bob, 7, capturetest.SCTPData(3, 100, 0, 0, 0, []byte(text)), opts...)}
	}
	for _, tt := range []struct {
		name   string
		frames func(opts ...capturetest.Option) [][]byte
		marked bool // Mark shows the copy
		off    int  // messages with Off
	}{
		{"udp", func(o ...capturetest.Option) [][]byte {
			return [][]byte{capturetest.UDP(alice, bob, []byte(text), o...)}
		}, true, 2},
		{"tcp", func(o ...capturetest.Option) [][]byte {
			return [][]byte{capturetest.TCP(alice, bob, capture.TCP{Seq: 5, Flags: capture.FlagACK}, []byte(text), o...)}
		}, false, 1},
		{"sctp", sctp, false, 1},
		{"fragments", func(o ...capturetest.Option) [][]byte {
			return capturetest.Fragments(capturetest.UDP(alice, bob, []byte(text), o...), 600, 1)
		}, false, 1},
	} {
		for mode, name := range []string{"drop", "mark", "off"} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				r := newRig(t, func(c *assembly.Config) { c.Copies = assembly.Copies(mode) })
				r.add(tt.frames(capturetest.IPID(77))...)
				r.port = 1
				r.add(tt.frames(capturetest.IPID(77), capturetest.TTL(63), capturetest.VLAN(12))...)
				r.pass(time.Minute)
				want := 1
				switch {
				case assembly.Copies(mode) == assembly.Mark && tt.marked:
					want = 2
				case assembly.Copies(mode) == assembly.Off:
					want = tt.off
				}
				if len(r.out) != want {
					t.Fatalf("%d messages, want %d", len(r.out), want)
				}
				for i := range r.out {
					m := &r.out[i]
					if string(m.Payload) != text || (m.Flags&capture.Duplicate != 0) != (i == 1 && assembly.Copies(mode) == assembly.Mark) {
						t.Errorf("message %d: %d octets, flags %b", i, len(m.Payload), m.Flags)
					}
				}
			})
		}
	}
}

// SIP that is sent again is no copy: RFC 3261 17.1.1.2, T1 is 500 ms.
func TestRetransmissionIsNoCopy(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.add(capturetest.UDP(alice, bob, []byte(request(1, 0))))
		r.pass(500 * time.Millisecond)
	}
	r.want(request(1, 0), request(1, 0), request(1, 0))
}

// Messages that end in one segment get times that differ, to the microsecond
// that HEP carries; those of another flow are not moved, nor does a clock that
// was set back move anything.
func TestOrder(t *testing.T) {
	r := newRig(t)
	text := request(1, 0) + request(2, 0) + "\r\n\r\n" + request(3, 0)
	r.add(segments(alice, bob, 1, text, 4000)...)
	r.add(segments(bob, alice, 1, request(4, 0), 4000)...)
	r.pass(time.Second)
	r.want(request(1, 0), request(2, 0), request(3, 0), request(4, 0))
	at := wall0 + int64(time.Millisecond)
	for i, want := range []int64{at, at + 1000, at + 2000, at + int64(time.Millisecond)} {
		if r.out[i].Wall != want || r.out[i].Mono != want-wall0 {
			t.Errorf("message %d: %d ns off, %d by the monotonic clock", i, r.out[i].Wall-want, r.out[i].Mono-want+wall0)
		}
	}
	if n := r.Stats(1).Moved; n != 2 {
		t.Errorf("%d moved", n)
	}
	m := r.out[0]
	p := capture.Packet{Src: []byte{192, 0, 2, 1}, Dst: []byte{192, 0, 2, 2}, SrcPort: 5060, DstPort: 5062, Protocol: capture.ProtoUDP,
		Wall: m.Wall - int64(time.Hour), Mono: r.now, Payload: []byte(request(5, 0))}
	r.Packet(&p, capture.SIP)
	if got := r.out[4].Wall; got != m.Wall-int64(time.Hour) {
		t.Errorf("moved to %d after the clock was set back", got)
	}
}

// A fragmented packet in a fragmented tunnel, IPv4 and IPv6, every order of
// what comes.
func TestFragmentsInTunnels(t *testing.T) {
	alice6, bob6 := netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5060")
	text := request(1, 3000)
	for _, ends := range [][2]netip.AddrPort{{alice, bob}, {alice6, bob6}} {
		for _, kind := range []capturetest.Kind{capturetest.KindVXLAN, capturetest.KindGRE, capturetest.KindGeneve, capturetest.KindERSPAN2} {
			r := newRig(t)
			var frames [][]byte
			for i, inner := range capturetest.Fragments(capturetest.UDP(ends[0], ends[1], []byte(text), capturetest.IPID(9)), 1400, 5) {
				outer := capturetest.Tunnel{Kind: kind, ID: 42}.Wrap(inner)
				outer[18], outer[19] = 1, byte(i) // each outer packet has an identification of its own
				frames = append(frames, capturetest.Fragments(outer, 800, 0)...)
			}
			slices.Reverse(frames)
			r.add(frames...)
			r.want(text)
			if m := &r.out[0]; m.Flags&capture.Reassembled == 0 || m.Flags&capture.CutShort != 0 || m.Flow.Src != ends[0] {
				t.Errorf("%v: flags %b, %v", kind, m.Flags, m.Flow)
			}
		}
	}
}

// Half an INVITE tells an engineer more than none.
func TestPartialDatagram(t *testing.T) {
	r := newRig(t)
	text := request(1, 3000)
	r.add(capturetest.Fragments(capturetest.UDP(alice, bob, []byte(text), capturetest.IPID(9)), 1400, 5)[:2]...)
	r.pass(time.Minute)
	if len(r.out) != 1 || !strings.HasPrefix(text, string(r.out[0].Payload)) || r.out[0].Flags&(capture.CutShort|capture.Reassembled) != capture.CutShort|capture.Reassembled {
		t.Fatalf("%d messages: %+v", len(r.out), r.out)
	}
}

// Video may come in fragments.
func TestRTPInFragments(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		frame := capturetest.UDP(alice, bob, capturetest.RTPPacket(96, uint16(i), uint32(3000*i), 0xabc, make([]byte, 2000)), capturetest.IPID(uint16(i+1)))
		r.add(capturetest.Fragments(frame, 1400, 1)...)
	}
	r.Flush()
	last := r.rtp[len(r.rtp)-1]
	if last.Packets != 20 || last.SSRC != 0xabc || !last.Ended || r.Stats(1).Fragments.Datagrams[capture.RTP] != 20 {
		t.Errorf("%+v", last)
	}
}

// SIP over SCTP (RFC 4168), in one chunk and in three, the last one first.
func TestSCTP(t *testing.T) {
	r := newRig(t)
	text := request(2, 900)
	chunk := func(flags uint8, tsn uint32, part string) []byte {
		return capturetest.SCTP(alice, bob, 7, capturetest.SCTPData(flags, tsn, 0, 0, 0, []byte(part)))
	}
	r.add(chunk(3, 100, request(1, 0)), chunk(1, 103, text[800:]), chunk(2, 101, text[:400]), chunk(0, 102, text[400:800]), chunk(3, 104, "no SIP"))
	r.want(request(1, 0), text)
	if s := r.Stats(1); s.UserMessages[capture.SIP] != 2 || s.UserMessages[capture.Unknown] != 1 || r.out[1].Flow.Proto != capture.ProtoSCTP {
		t.Errorf("%v", s.UserMessages)
	}
}

// hello is the beginning of a ClientHello (RFC 8446 4.1.2).
const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// What nobody reads is released: at once what is nothing we know, TLS after it
// has witnessed for a while. SIP is kept.
func TestRelease(t *testing.T) {
	for _, tt := range []struct {
		name    string
		begin   string
		ignored int // octets after which segments do not come here any more
	}{
		{"unknown", "\x00\x01\x02\x03 nothing that we know", 64 << 10},
		{"tls", hello, 3 << 20},
		{"sip", request(1, 0), 0},
	} {
		r := newRig(t)
		text := tt.begin + strings.Repeat(strings.Repeat("\r\n\r\n", 10)+request(2, 0), 20000)
		if tt.name != "sip" {
			text = tt.begin + strings.Repeat("x", len(text))
		}
		frames := segments(alice, other, 1, text, 1400)
		var p capture.Packet
		f := capture.Frame{Data: frames[len(frames)-1], Length: len(frames[len(frames)-1]), Link: capture.LinkEthernet}
		if decode.Decode(&f, &p) != capture.DropNone {
			t.Fatal("frame")
		}
		seen := 0
		for _, b := range frames {
			r.add(b)
			if seen += 1400; tt.ignored > 0 && seen > tt.ignored {
				break
			}
		}
		if got := r.ignore.Ignored(&p); got != (tt.ignored > 0) {
			t.Errorf("%s: ignored %v after %d octets", tt.name, got, seen)
		}
		if s := r.Stats(1); tt.name == "sip" && s.Conns.Messages != 20001 {
			t.Errorf("%d messages", s.Conns.Messages)
		}
	}
}

// Somebody else's HEP is passed over unless a function to read it is handed in.
func TestHEP(t *testing.T) {
	frame := capturetest.UDP(alice, other, []byte("HEP3 whatever"))
	r := newRig(t)
	r.add(frame)
	r.want()
	r = newRig(t, func(c *assembly.Config) {
		c.Unwrap = func(b []byte, m *capture.Message) bool {
			m.Protocol, m.Payload, m.Flow.Src = capture.SIP, b[5:], bob
			return true
		}
	})
	r.add(frame)
	r.want("whatever")
	if r.out[0].Flow.Src != bob || r.out[0].Protocol != capture.SIP || r.Stats(1).Unwrapped != 1 {
		t.Errorf("%+v", r.out[0])
	}
}

// The steady state of every transport allocates nothing.
func TestAllocs(t *testing.T) {
	n := 0
	c := assembly.Config{Stream: stream.Config{Connections: 64, Ignore: stream.NewIgnore(64)},
		Message: func(*capture.Message) { n++ }, RTP: func(*media.Snapshot, int64) {}}
	a := assembly.New(c)
	text := []byte(request(1, 100))
	udp := capture.Packet{Src: []byte{192, 0, 2, 1}, Dst: []byte{192, 0, 2, 2}, SrcPort: 5060, DstPort: 5062, Protocol: capture.ProtoUDP, Payload: text, Length: len(text)}
	tcp := udp
	tcp.Protocol, tcp.TCP = capture.ProtoTCP, capture.TCP{Seq: 1, Flags: capture.FlagACK}
	half := udp
	half.Protocol, half.Fragment = capture.ProtoUDP, capture.Fragment{Valid: true, More: true}
	rest := half
	head := append([]byte{0x13, 0xc4, 0x13, 0xc8, byte((8 + len(text)) >> 8), byte(8 + len(text)), 0, 0}, text...)
	half.Payload, half.Length = head[:64], 64
	rest.Payload, rest.Length, rest.Fragment = head[64:], len(head)-64, capture.Fragment{Valid: true, Offset: 64}
	var q capture.Packet
	round := func() {
		for _, p := range []*capture.Packet{&udp, &tcp, &half, &rest} {
			p.Mono += 10e6
			p.Wall = p.Mono
			p.IPID++
			q = *p
			if p == &tcp {
				p.TCP.Seq += uint32(len(text))
			}
			half.Fragment.ID, rest.Fragment.ID = uint32(half.IPID), uint32(half.IPID)
			q.Fragment = p.Fragment
			proto := capture.Unknown
			if p == &udp {
				proto = capture.SIP
			}
			a.Packet(&q, proto)
		}
	}
	for range 100 {
		round()
	}
	before := n
	if got := testing.AllocsPerRun(200, round); got != 0 || n != before+201*3 {
		t.Errorf("%v allocations per round, %d messages", got, n-before)
	}
}
