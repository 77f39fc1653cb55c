package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/capture/stream"
)

// The scenarios are conversations as mirrors show them. Times are those of the
// default Config: Reorder 100 ms, GapTimeout 1 s.

func TestInOrder(t *testing.T) { // RFC 9293 3.5, 3.6
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "hello ")
	r.s(A, 0, 6, "")
	r.s(A, 0, 6, "world")
	r.c(F|A, 6, 5, "you")
	r.s(F|A, 5, 10, "")
	r.c(A, 10, 6, "")
	r.want(`0 "hello "`, `1 "world"`, `0 "you"`, "0 fin", "1 fin", "closed fin")
	if f := r.flows[0]; f.Src.String() != "10.0.0.2:40000" || f.Dst.String() != "10.0.0.1:5060" || f.Proto != 6 {
		t.Error("direction 0 is not the opener's:", f)
	}
	p := r.port()
	r.count("segments", p.Segments, 9)
	r.count("octets", p.Octets, 14)
	r.count("both directions", p.BothDirections, 1)
	r.count("retransmissions", p.Retransmissions+p.Overlaps+p.OutOfOrder+p.Gaps+p.AckedUnseen+p.MidStream, 0)
	r.count("buffered", r.stats().BufferedBytes, 0)
}

func TestOutOfOrder(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 4, 0, "ef")
	r.c(A, 2, 0, "cd")
	r.c(A, 6, 0, "gh")
	r.want()
	r.c(A, 0, 0, "ab")
	r.want(`0 "ab"`, `0 "cd"`, `0 "ef"`, `0 "gh"`)
	r.count("out of order", r.port().OutOfOrder, 3)
}

func TestRetransmittedWithOtherCuts(t *testing.T) { // RFC 9293 3.8.1
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "abc")
	r.c(A, 0, 0, "abcdef") // old and new
	r.c(A, 1, 0, "bc")     // old
	r.c(A, 8, 0, "ij")     // beyond a hole
	r.c(A, 7, 0, "hijk")   // around what is held
	r.c(A, 4, 0, "efghi")  // fills the hole from old to held
	r.want(`0 "abc"`, `0 "def"`, `0 "g"`, `0 "h"`, `0 "ij"`, `0 "k"`)
	p := r.port()
	r.count("overlaps", p.Overlaps, 3)
	r.count("retransmissions", p.Retransmissions, 1)
	r.count("out of order", p.OutOfOrder, 1)
	r.count("conflicts", p.Conflicts, 0)
}

func TestConflictingOverlap(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "abc")   // left by the handler, so still there to compare
	r.c(A, 1, 0, "XX")    // all old
	r.c(A, 2, 0, "Yd")    // partly
	r.c(A, 6, 0, "gh")    // held
	r.c(A, 5, 0, "fZZi")  // around it
	r.c(A, 4, 0, "eQQ\n") // 4 is new, 5 to 7 are held
	r.c(A, 9, 0, "\n")
	r.want(`0 "abcdefghi\n"`)
	r.count("conflicts", r.port().Conflicts, 4)
}

func TestGapAcknowledged(t *testing.T) { // the receiver has it: the mirror lost it
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "one\ntw")
	r.c(A, 10, 0, "three\n") // 6..9 are missing
	r.s(A, 0, 16, "")
	r.wait(90 * time.Millisecond)
	r.want(`0 "one\n"`)
	r.wait(15 * time.Millisecond)
	r.want(`0 cut gap "tw"`, "0 gap 4", `0 "three\n"`)
	p := r.port()
	r.count("gaps", p.Gaps, 1)
	r.count("gap octets", p.GapOctets, 4)
	r.count("acked unseen", p.AckedUnseen, 1)
	r.count("acked unseen octets", p.AckedUnseenOctets, 4)
	// It comes after all.
	r.c(A, 6, 0, "o\n..")
	p = r.port()
	r.count("late", p.Late, 1)
	r.count("late unseen", p.LateUnseen, 1)
	r.count("late unseen octets", p.LateUnseenOctets, 4)
	r.count("retransmissions", p.Retransmissions, 0)
}

func TestAcknowledgedFirst(t *testing.T) { // mirror reordering: the other port is faster
	r := newRig(t, stream.Config{})
	r.open()
	r.s(A, 0, 9, "")
	r.s(A, 0, 9, "OK")
	r.c(A, 3, 2, "def")
	r.wait(50 * time.Millisecond)
	r.c(A, 6, 2, "ghi")
	r.c(A, 0, 2, "abc")
	r.want(`1 "OK"`, `0 "abc"`, `0 "def"`, `0 "ghi"`)
	r.wait(time.Minute)
	r.count("acked unseen", r.port().AckedUnseen, 0)
}

func TestGapAcknowledgedLongAgo(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "abc")
	r.s(A, 0, 6, "OK") // def was lost
	r.wait(time.Second)
	r.c(A, 6, 2, "ghi") // no reason to wait any more
	r.want(`0 "abc"`, `1 "OK"`, "0 gap 3", `0 "ghi"`)
}

func TestGapTimeout(t *testing.T) { // one-way mirror: nobody acknowledges
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "")
	r.c(A, 0, 0, "abc")
	r.c(A, 6, 0, "ghi")
	r.c(A, 12, 0, "mno")
	r.wait(990 * time.Millisecond)
	r.want(`0 "abc"`)
	r.wait(20 * time.Millisecond)
	r.want("0 gap 3", `0 "ghi"`, "0 gap 3", `0 "mno"`)
	r.c(F|A, 15, 0, "")
	r.want("0 fin", "closed fin")
	p := r.port()
	r.count("acked unseen", p.AckedUnseen, 0)
	r.count("gaps", p.Gaps, 2)
	r.count("one direction", p.OneDirection, 1)
}

func TestGapAskedFor(t *testing.T) { // RFC 6298 2.4: the sender waits 1 s or more
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "abc")
	r.s(A, 0, 3, "")
	r.c(A, 6, 0, "ghi")
	r.s(A, 0, 3, "") // duplicate acknowledgement
	r.wait(3 * time.Second)
	r.want(`0 "abc"`)
	r.c(A, 3, 0, "def")
	r.want(`0 "def"`, `0 "ghi"`)
	r.c(A, 12, 0, "mno")
	r.s(A, 0, 9, "")
	r.wait(8001 * time.Millisecond)
	r.want("0 gap 3", `0 "mno"`)
	// Lost by both, and acknowledged later without coming by.
	r.count("acked unseen", r.port().AckedUnseen, 0)
	r.s(A, 0, 15, "")
	r.count("acked unseen octets", r.port().AckedUnseenOctets, 3)
}

func TestMidStream(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.c(A, 1000, 500, "hello")
	r.s(A, 500, 1005, "OK")
	r.want("mid-stream")
	r.wait(110 * time.Millisecond)
	r.want("0 gap ?", `0 "hello"`, "1 gap ?", `1 "OK"`)
	r.c(A, 1005, 502, "more")
	r.want(`0 "more"`)
	p := r.port()
	r.count("mid-stream", p.MidStream, 1)
	r.count("gaps", p.Gaps+p.AckedUnseen, 0)
}

func TestMidStreamReordered(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.c(A, 1005, 500, "world")
	r.wait(50 * time.Millisecond)
	r.c(A, 1000, 500, "hello")
	r.wait(60 * time.Millisecond)
	r.want("mid-stream", "0 gap ?", `0 "hello"`, `0 "world"`)
	r.c(A, 995, 500, "early") // too late
	r.want()
}

func TestMidStreamBulk(t *testing.T) { // what is fast is not held for long
	r := newRig(t, stream.Config{})
	for i := range 17 {
		r.c(A, 1000*i, 0, strings.Repeat("x", 1000))
	}
	if len(r.log) < 3 {
		t.Error("16 KiB are held, and nothing is shown")
	}
}

func TestLateSYN(t *testing.T) { // data before its SYN
	r := newRig(t, stream.Config{})
	r.c(A, 3, 0, "def")
	r.c(S, -1, 0, "")
	r.c(A, 0, 0, "abc")
	r.want("mid-stream", `0 "abc"`, `0 "def"`)
}

func TestStartFromAcknowledgement(t *testing.T) { // RFC 9293 3.5: SYN and SYN,ACK tell of each other
	r := newRig(t, stream.Config{})
	r.s(S|A, -1, 0, "") // the SYN was lost by the mirror
	r.c(A, 0, 0, "abc")
	r.want(`0 "abc"`)
	r.s(A, 0, 3, "OK")
	r.want(`1 "OK"`)
	r.count("mid-stream", r.port().MidStream, 0)

	r = newRig(t, stream.Config{})
	r.c(S, -1, 0, "") // the answer was
	r.c(A, 0, 0, "abc")
	r.s(A, 0, 3, "OK")
	r.want(`0 "abc"`, `1 "OK"`)
}

func TestFastOpen(t *testing.T) { // RFC 7413 3
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "GET")
	r.s(S|A, -1, 3, "200")
	r.c(A, 3, 3, " /")
	r.want(`0 "GET"`, `1 "200"`, `0 " /"`)
	// Refused: the data comes again.
	r = newRig(t, stream.Config{})
	r.c(S, -1, 0, "GET")
	r.s(S|A, -1, 0, "")
	r.c(A, 0, 0, "GET /")
	r.want(`0 "GET"`, `0 " /"`)
}

func TestKeepAliveAndProbes(t *testing.T) { // RFC 9293 3.8.4, 3.8.6.1
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "abc")
	r.s(A, 0, 3, "")
	for range 3 {
		r.c(A, 2, 0, "\x00") // keep-alive with an octet of garbage
		r.c(A, 2, 0, "")     // and without
		r.s(A, 0, 3, "")
	}
	r.c(A, 3, 0, "d") // zero window probe: the next octet,
	r.s(A, 0, 3, "")  // which is not taken
	r.c(A, 3, 0, "d")
	r.s(A, 0, 4, "")
	r.c(A, 4, 0, "\n")
	r.want(`0 "abcd\n"`)
	p, s := r.port(), r.stats()
	r.count("conflicts", p.Conflicts, 0)
	r.count("keep-alives", s.KeepAlives, 3+1) // the probe's second copy looks like one
	r.count("retransmissions", p.Retransmissions, 0)
}

func TestSYNRetransmitted(t *testing.T) { // RFC 9293 3.10.7.4
	r := newRig(t, stream.Config{})
	for range 3 {
		r.c(S, -1, 0, "")
		r.wait(time.Second)
	}
	r.s(S|A, -1, 0, "")
	r.s(S|A, -1, 0, "")
	r.c(A, 0, 0, "abc")
	r.c(S, -1, 0, "")
	r.s(S|A, -1, 0, "")
	r.c(A, 3, 0, "def")
	r.want(`0 "abc"`, `0 "def"`)
	s := r.stats()
	r.count("unanswered", r.port().SYNsUnanswered, 0)
	r.count("openings", s.Openings, 0)
	r.count("connections", r.port().Connections, 1)
}

func TestPortReuse(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "old")
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.c(S, -1, 0, "")
	r.want() // perhaps an old duplicate
	r.s(S|A, -1, 0, "")
	r.want(`0 cut reused "old"`, "closed reused")
	r.c(A, 0, 0, "new\n")
	r.want(`#2 0 "new\n"`)
}

func TestPortReuseOneWay(t *testing.T) { // nobody is seen to answer: data proves the SYN
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "")
	r.c(A, 0, 0, "old")
	r.isn[0] = 0x12345678
	r.c(S, -1, 0, "")
	r.c(A, 3, 0, "new2")
	r.want(`0 "old"`, "closed reused")
	r.c(A, 0, 0, "new")
	r.want(`#2 0 "new"`, `#2 0 "new2"`)
}

func TestPortReuseWithoutSYN(t *testing.T) { // the mirror lost it
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "old")
	r.isn[0] += 1 << 30
	r.c(A, 0, 0, "new")
	r.want(`0 "old"`)
	r.c(A, 3, 0, "er")
	r.want("0 gap ?", `0 "er"`)
	r.count("resyncs", r.stats().Resyncs, 1)
}

func TestPortReuseAfterEnd(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.c(F|A, 0, 0, "old")
	r.s(F|A, 0, 4, "")
	r.c(F|A, 0, 0, "old") // its last acknowledgement was lost
	r.want(`0 "old"`, "0 fin", "1 fin", "closed fin")
	r.count("after end", r.stats().AfterEnd, 1)
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.open()
	r.c(A, 0, 0, "new")
	r.want(`#2 0 "new"`)
}

func TestOldDuplicateSYN(t *testing.T) { // RFC 9293 3.10.7.4: it is answered by a challenge ACK
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "abc")
	isn := r.isn[0]
	r.isn[0] -= 1 << 24
	r.c(S, -1, 0, "")
	r.isn[0] = isn
	r.s(A, 0, 3, "")
	r.c(A, 3, 0, "def")
	r.want(`0 "abc"`, `0 "def"`)
	r.wait(11 * time.Second)
	r.c(A, 6, 0, "ghi")
	r.want(`0 "ghi"`)
	r.count("openings", r.stats().Openings, 0)
}

func TestOldDataAfterNewSYN(t *testing.T) { // of the connection before
	r := newRig(t, stream.Config{})
	isn := r.isn
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.open()
	r.isn, isn = isn, r.isn
	r.c(A, 500, 0, "old")
	r.isn = isn
	r.c(A, 0, 0, "new")
	r.want(`0 "new"`)
	r.count("strays", r.stats().Strays, 1)
}

func TestRST(t *testing.T) { // RFC 9293 3.10.7.4
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "abc")
	r.s(R, -1<<20, 0, "") // not to be believed
	r.s(R, 1<<21, 0, "")
	r.want()
	r.s(R, 0, 0, "")
	r.want(`0 cut rst "abc"`, "closed rst")
	r.c(A, 3, 0, "def")
	r.want()
	r.count("bad resets", r.stats().BadResets, 2)
}

func TestRSTWithHole(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 3, 0, "def")
	r.c(R, 6, 0, "")
	r.c(A, 0, 0, "abc") // the mirror was slow
	r.want(`0 "abc"`, `0 "def"`, "closed rst")

	r = newRig(t, stream.Config{})
	r.open()
	r.c(A, 3, 0, "def")
	r.c(R, 6, 0, "")
	r.wait(110 * time.Millisecond)
	r.want("0 gap 3", `0 "def"`, "closed rst")
}

func TestFINOutOfOrder(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.s(A, -1, 0, "\x00") // keep-alive
	r.s(F|A, 2, 6, "")
	r.c(F|A, 6, 0, "")
	r.c(A, 3, 0, "def")
	r.s(A, 0, 0, "OK")
	r.want(`1 "OK"`, "1 fin")
	r.c(A, 0, 0, "abc")
	r.want(`0 "abc"`, `0 "def"`, "0 fin", "closed fin")
}

func TestFINWithDataMissing(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "abc")
	r.c(F|A, 6, 0, "")
	r.s(F|A, 0, 7, "")
	r.c(A, 9, 0, "beyond the end")
	r.want("1 fin")
	r.wait(110 * time.Millisecond)
	r.want(`0 cut gap "abc"`, "0 fin", "closed fin")
	p := r.port()
	r.count("acked unseen octets", p.AckedUnseenOctets, 3)
	r.count("strays", r.stats().Strays, 1)
}

func TestFINWithRest(t *testing.T) { // a body without length ends with its connection
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.s(F|A, 0, 0, "head\nbody")
	r.want(`1 "head\n"`, `1 cut fin "body"`)
}

func TestHalfClosed(t *testing.T) { // RFC 9293 3.6: one side goes on for hours
	r := newRig(t, stream.Config{})
	r.on = func(c *stream.Conn, _ []byte) { c.Keep() }
	r.open()
	r.c(F|A, 0, 0, "abc")
	r.s(A, 0, 4, "")
	r.want(`0 "abc"`, "0 fin")
	for i := range 5 {
		r.wait(3 * time.Hour)
		r.s(A, i, 4, "x")
		r.c(A, 3, 0, "\x00") // keep-alive of the closed side
		r.c(A, 4, i+1, "")
		r.want(`1 "x"`)
	}
	r.s(F|A, 5, 4, "")
	r.want("1 fin", "closed fin")
	r.count("acked unseen", r.port().AckedUnseen, 0)
}

func TestSimultaneousOpen(t *testing.T) { // RFC 9293 3.5, figure 7
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "")
	r.s(S, -1, 0, "")
	r.c(S|A, -1, 0, "")
	r.s(S|A, -1, 0, "")
	r.s(A, 0, 0, "b")
	r.c(A, 0, 1, "a")
	r.want(`1 "b"`, `0 "a"`)
}

func TestResponseBeforeRequest(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.s(A, 0, 3, "200")
	r.c(A, 0, 3, "GET")
	r.want(`1 "200"`, `0 "GET"`)
	r.wait(time.Minute)
	r.count("acked unseen", r.port().AckedUnseen, 0)
}

func TestOneDirectionOnly(t *testing.T) { // the receiver acknowledges what no mirror shows
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "")
	for i := range 10 {
		r.c(A, i, 1000*i, "x")
	}
	r.c(F|A, 10, 10000, "")
	if n := len(r.log); n != 12 || r.log[n-1] != "closed fin" {
		t.Error(r.log)
	}
	p := r.port()
	r.count("acked unseen", p.AckedUnseen, 0)
	r.count("one direction", p.OneDirection, 1)
	r.count("both directions", p.BothDirections, 0)
}

func TestTruncated(t *testing.T) { // the tail is a gap, and nobody is to blame for it
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.cut = 3
	r.c(A, 0, 0, "a\nbcd\nef")
	r.s(A, 0, 8, "")
	r.c(A, 8, 0, "gh\n")
	r.want(`0 "a\n"`, `0 cut gap "bcd"`, "0 gap 3", `0 "gh\n"`)
	r.cut = 2
	r.c(A, 14, 0, "opq\n") // held
	r.c(A, 18, 0, "r\n")
	r.c(A, 11, 0, "lmn")
	r.cut = 4
	r.c(A, 20, 0, "none")
	r.c(A, 24, 0, "\n")
	r.want(`0 cut gap "lmnop"`, "0 gap 2", `0 "r\n"`, "0 gap 4", `0 "\n"`)
	p := r.port()
	r.count("truncated octets", p.TruncatedOctets, 9)
	r.count("gaps", p.Gaps+p.AckedUnseen, 0)
}

func TestForgedJump(t *testing.T) { // one segment far ahead does not end the stream
	r := newRig(t, stream.Config{})
	r.open()
	r.c(A, 0, 0, "abc")
	r.c(A, 10<<20, 0, "forged")
	r.wait(1100 * time.Millisecond)
	r.want(`0 "abc"`, "0 gap 10485757", `0 "forged"`)
	r.c(A, 3, 0, "def")
	r.c(A, 6, 0, "ghi")
	r.c(A, 9, 0, "jkl")
	r.want("0 gap ?", `0 "ghi"`, `0 "jkl"`)
	// Out of the window it does nothing at all.
	r.c(A, 1<<30, 0, "forged")
	r.c(A, 12, 0, "mno")
	r.want(`0 "mno"`)
}

func TestRelease(t *testing.T) {
	g := stream.NewIgnore(64)
	r := newRig(t, stream.Config{Ignore: g})
	r.on = func(c *stream.Conn, _ []byte) { c.Release() }
	r.lines = true
	r.open()
	r.c(A, 3, 0, "held")
	r.c(A, 0, 0, "abc")
	r.c(A, 7, 0, "more")
	r.s(A, 0, 7, "more")
	r.want()
	s := r.stats()
	r.count("released", s.Released, 1)
	r.count("released segments", s.ReleasedSegments, 2)
	r.count("buffered", s.BufferedBytes, 0)
	r.count("both directions", r.port().BothDirections, 1)
	r.wait(3 * time.Minute) // then it is looked at again
	r.c(A, 100, 0, "again")
	r.wait(time.Second)
	r.want("#2 mid-stream", "#2 0 gap ?")
}

// A handler that gives up when what it left is cut for want of room is not
// shown what there was no room for.
func TestReleaseInCut(t *testing.T) {
	r := newRig(t, stream.Config{BytesPerConnection: 1})
	r.lines = true
	r.open()
	long := strings.Repeat("x", 5000)
	r.c(A, 0, 0, long)
	r.onCut = func(c *stream.Conn) { c.Release() }
	r.c(A, 5000, 0, long+"\n")
	r.want(fmt.Sprintf("0 cut budget %q", long))
	r.count("released", r.stats().Released, 1)
}

func TestReleasedTupleReused(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.on = func(c *stream.Conn, _ []byte) { c.Release() }
	r.open()
	r.c(A, 0, 0, "abc")
	r.on = nil
	r.c(S, -1, 0, "") // its own, again
	r.c(A, 0, 0, "abc")
	r.want(`0 "abc"`)
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.open()
	r.c(A, 0, 0, "new")
	r.want(`#2 0 "new"`)
}

func TestNilHandler(t *testing.T) {
	a := stream.New(stream.Config{})
	r := &rig{t: t, a: a, now: 1e9, ports: [2]uint16{1, 2}}
	r.c(A, 0, 0, "abc")
	r.c(F|A, 3, 0, "abc")
	r.count("released", r.stats().Released, 1)
}

func TestIdle(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "half")
	r.wait(119 * time.Second)
	r.want()
	r.wait(3 * time.Second)
	r.want(`0 cut idle "half"`, "closed idle")
	// Known ones stay for hours.
	r.on = func(c *stream.Conn, _ []byte) { c.Keep() }
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.open()
	r.c(A, 0, 0, "SIP\n")
	r.wait(3*time.Hour + 59*time.Minute)
	r.c(A, 4, 0, "SIP\n")
	r.wait(3*time.Hour + 59*time.Minute)
	r.want(`#2 0 "SIP\n"`, `#2 0 "SIP\n"`)
	r.wait(2 * time.Minute)
	r.want("#2 closed idle")
	r.count("tracked", r.stats().Tracked[stream.ClassKnown], 0)
}

func TestFlush(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.lines = true
	r.open()
	r.c(A, 0, 0, "half")
	r.c(A, 6, 0, "more\nrest")
	r.s(A, 4, 0, "x\n")
	r.a.Flush()
	r.want(`0 cut gap "half"`, "0 gap 2", `0 "more\n"`, "1 gap 4", `1 "x\n"`, `0 cut end "rest"`, "closed end")
	r.check()
	s := r.stats()
	r.count("buffered", s.BufferedBytes, 0)
	r.count("tracked", s.Tracked[0]+s.Tracked[1]+s.Tracked[2]+s.Tracked[3], 0)
}

func TestTunnelsAreApart(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.open()
	r.tunnel = 7
	r.open()
	r.c(A, 0, 0, "seven")
	r.tunnel = 0
	r.c(A, 0, 0, "none")
	r.want(`0 "seven"`, `#2 0 "none"`)
	if got := r.flows[0].Tunnel; got != 7 {
		t.Error("tunnel", got)
	}
}

func TestMalformed(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.c(S|F, -1, 0, "")
	r.c(S|R, -1, 0, "x")
	r.dst, r.ports[1] = r.src, r.ports[0] // both ends are one
	r.c(S, -1, 0, "")
	r.count("malformed", r.stats().Malformed, 3)
	r.want()
}

func TestHandshakeThatCarriesNothing(t *testing.T) {
	r := newRig(t, stream.Config{})
	r.c(S, -1, 0, "")
	r.s(R|A, 0, 0, "") // refused
	r.isn = [2]uint32{0x12345678, 0x23456789}
	r.open()
	r.c(F|A, 0, 0, "")
	r.c(S, -1, 0, "")
	r.wait(time.Minute)
	s := r.stats()
	r.count("refused", s.Refused, 1)
	r.count("empty", s.Empty, 1)
	r.count("unanswered", r.port().SYNsUnanswered, 1)
	r.count("openings", s.Openings, 0)
	r.want()
}

func TestTimesAndPorts(t *testing.T) { // each octet comes with the frame it came in
	var got []stream.Meta
	r := newRig(t, stream.Config{})
	a := stream.New(stream.Config{New: func(*stream.Conn) stream.Handler { return metas{&got} }})
	r.a = a
	r.open()
	t0 := r.now
	r.mirror = 3
	r.c(A, 3, 0, "def")
	r.mirror = 200 // more than there are counters for
	r.c(A, 0, 0, "abc")
	if len(got) != 2 || got[0].Mono != t0+ms || got[1].Mono != t0 || got[1].Port != 3 || got[0].Port != 200 {
		t.Error(got)
	}
	s := r.stats()
	r.count("port 3", s.Ports[3].Segments, 1)
	r.count("port 15", s.Ports[15].Segments, 1)
}

type metas struct{ got *[]stream.Meta }

func (m metas) Data(_ int, p []byte, _ int, _ int64, at *stream.At) int {
	*m.got = append(*m.got, at.Meta)
	return len(p)
}
func (m metas) Cut(int, []byte, stream.Reason, *stream.Meta) {}
func (m metas) Closed(stream.Reason)                         {}
