package stream_test

import (
	"fmt"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/stream"
)

// untold makes a rig that also writes down what became of handshakes.
func untold(t *testing.T, c stream.Config) *rig {
	var r *rig
	c.Unopened = func(u *stream.Unopened) {
		t := u.Attempt
		r.log = append(r.log, fmt.Sprintf("%v %v>%v by %d reset %v icmp %x syns %d answers %d mss %v began %d answered %d complete %d at %d",
			u.Outcome, u.Flow.Src.Port(), u.Flow.Dst.Port(), u.By, u.Reset, u.ICMP, t.SYNs, t.Answers, t.MSS,
			(t.Began.Mono-1e9)/ms, max(t.Answered-1e9, -ms)/ms, max(t.Complete-1e9, -ms)/ms, (u.At.Mono-1e9)/ms))
	}
	r = newRig(t, c)
	return r
}

func TestUnopened(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig)
		want []string
	}{
		{"refused", func(r *rig) { r.c(S, -1, -2, ""); r.s(R|A, -1, 0, "") },
			[]string{"refused 40000>5060 by 1 reset true icmp 0 syns 1 answers 0 mss [0 0] began 0 answered -1 complete -1 at 1"}},
		{"refused after a retry", func(r *rig) {
			r.c(S, -1, -2, "")
			r.wait(time.Second)
			r.c(S, -1, -2, "")
			r.s(R|A, -1, 0, "")
		}, []string{"refused 40000>5060 by 1 reset true icmp 0 syns 2 answers 0 mss [0 0] began 0 answered -1 complete -1 at 1002"}},
		{"a forged refusal", func(r *rig) { r.c(S, -1, -2, ""); r.s(R|A, -1, 7, "") }, nil},
		{"unanswered", func(r *rig) { r.c(S, -1, -2, ""); r.wait(11 * time.Second) },
			[]string{"unanswered 40000>5060 by -1 reset false icmp 0 syns 1 answers 0 mss [0 0] began 0 answered -1 complete -1 at 11001"}},
		{"an answer alone is nobody's failure", func(r *rig) { r.s(S|A, -1, 0, ""); r.wait(11 * time.Second) }, nil},
		{"closed without an octet", func(r *rig) { r.open(); r.c(F|A, 0, 0, "") },
			[]string{"empty 40000>5060 by 0 reset false icmp 0 syns 1 answers 1 mss [0 0] began 0 answered 1 complete 2 at 3"}},
		{"reset without an octet", func(r *rig) { r.open(); r.s(R, 0, 0, "") },
			[]string{"empty 40000>5060 by 1 reset true icmp 0 syns 1 answers 1 mss [0 0] began 0 answered 1 complete 2 at 3"}},
		{"the opener gives up what was answered", func(r *rig) { r.c(S, -1, -2, ""); r.s(S|A, -1, 0, ""); r.c(R, 0, 0, "") },
			[]string{"empty 40000>5060 by 0 reset true icmp 0 syns 1 answers 1 mss [0 0] began 0 answered 1 complete -1 at 2"}},
		{"the input ends", func(r *rig) { r.c(S, -1, -2, ""); r.a.Flush() }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := untold(t, stream.Config{})
			tt.do(r)
			r.want(tt.want...)
		})
	}
}

// Whoever has the larger address, directions are the opener's.
func TestUnopenedEitherWay(t *testing.T) {
	for _, swap := range []bool{false, true} {
		r := untold(t, stream.Config{})
		if swap {
			r.src, r.dst = r.dst, r.src
		}
		mss := func(dir int, flags uint8, off int, n uint16) {
			p := capture.Packet{Src: r.src[:], Dst: r.dst[:], SrcPort: 40000, DstPort: 5060, Wall: r.now, Mono: r.now,
				Protocol: capture.ProtoTCP, TCP: capture.TCP{Seq: r.isn[dir], Flags: flags, MSS: n}}
			if dir == 1 {
				p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
				p.TCP.Ack = r.isn[0] + 1
			}
			r.a.Segment(&p)
			r.now += ms
		}
		mss(0, S, -1, 1460)
		mss(1, S|A, -1, 1200)
		r.c(F|A, 0, 0, "")
		r.want("empty 40000>5060 by 0 reset false icmp 0 syns 1 answers 1 mss [1460 1200] began 0 answered 1 complete -1 at 2")
	}
}

func TestUnreachable(t *testing.T) {
	r := untold(t, stream.Config{})
	icmp := func(seq uint32) {
		r.a.Unreachable(&capture.Packet{Src: r.src[:], Dst: r.dst[:], SrcPort: 40000, DstPort: 5060, Wall: r.now, Mono: r.now,
			Protocol: capture.ProtoICMP, Unknown: 0x0301, TCP: capture.TCP{Seq: seq}})
		r.check()
	}
	r.c(S, -1, -2, "")
	icmp(r.isn[0] + 1) // about something else
	r.want()
	icmp(r.isn[0])
	r.want("unreachable 40000>5060 by -1 reset false icmp 301 syns 1 answers 0 mss [0 0] began 0 answered -1 complete -1 at 1")
	r.open()
	icmp(r.isn[0]) // it was answered: RFC 5461
	r.want()
	r.count("unreachable", r.stats().Unreachable, 1)
}

func TestHistory(t *testing.T) {
	var conn *stream.Conn
	var closed string
	r := newRig(t, stream.Config{})
	r.on = func(c *stream.Conn, _ []byte) { conn = c }
	r.onCut = func(c *stream.Conn) {
		e := c.Ending()
		closed = fmt.Sprint(e.FIN, e.First, e.Reset, (e.At.Mono-1e9)/ms)
	}
	r.open()
	r.c(A, 0, 0, "hello")
	r.c(A, 0, 0, "hello") // again
	r.s(A, 0, 5, "hi")
	r.s(A, 4, 5, "there") // two octets are lost
	r.wait(9 * time.Second)
	at := conn.Attempt()
	if at.SYNs != 1 || at.Answers != 1 || at.Began.Mono != 1e9 || at.Answered != 1e9+ms || at.Complete != 1e9+2*ms {
		t.Errorf("%+v", at)
	}
	if got, want := conn.Sent(0), (stream.Sent{Octets: 5, Segments: 2, Again: 1}); got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if got, want := conn.Sent(1), (stream.Sent{Octets: 9, Segments: 2, Lost: 2}); got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	r.s(F|A, 9, 5, "")
	if closed != "[false true] 1 -1 9007" {
		t.Error(closed)
	}
	r.c(F|A, 5, 10, "")
	if closed != "[true true] 1 -1 9008" {
		t.Error(closed)
	}
}

func TestReset(t *testing.T) {
	var conn *stream.Conn
	var e stream.Ending
	r := newRig(t, stream.Config{})
	r.on = func(c *stream.Conn, _ []byte) { conn, e = c, c.Ending() }
	r.open()
	r.c(A, 0, 0, "hello")
	if e != (stream.Ending{First: -1, Reset: -1, At: e.At}) {
		t.Errorf("%+v", e)
	}
	r.s(R, 0, 0, "")
	if e = conn.Ending(); e.Reset != 1 || e.First != -1 {
		t.Errorf("%+v", e)
	}
}
