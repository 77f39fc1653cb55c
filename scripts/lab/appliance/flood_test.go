package appliance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// TestFlood: 512 MiB of memory, a small disk, no collector, and more of everything
// on the mirror port than any table has room for. Neither memory nor the disk gives out:
// the spool keeps to what the disk has room for, the box starts again, has its console, and
// captures.
func TestFlood(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, imageMiB) // of which 64 MiB are for data, much less than the spool's max-size
	x.boot()
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	x.collector.Kill()
	const full = "spool: evicting"
	reached := make(chan struct{})
	go func() {
		if _, _, err := x.guest.Expect(x.within(patience), 0, full); err == nil {
			close(reached)
		}
	}()
	began, frames := time.Now(), 0
	var since time.Time // the spool is full
	for i := 0; since.IsZero() && time.Since(began) < patience || !since.IsZero() && time.Since(since) < 30*time.Second; i++ {
		frames += x.flood(i)
		select {
		case <-reached:
			if since.IsZero() {
				since = time.Now()
			}
		default:
		}
	}
	if since.IsZero() {
		t.Errorf("the spool was not filled by %d frames in %.0f s", frames, time.Since(began).Seconds())
	}
	t.Logf("%d frames in %.0f s, and the spool was full after %.0f s", frames, time.Since(began).Seconds(), since.Sub(began).Seconds())
	for _, wrong := range []string{"no space", "Out of memory", "oom-kill", "the probe ended", "not fed any more"} {
		if x.said(wrong) {
			t.Errorf("the console says %q", wrong)
		}
	}
	x.silent()

	x.collector.Restart()
	x.calm()
	x.arrive(x.call("after-the-flood@lab"))
	x.tells([]string{"show memory", "budget", "resident", "goroutines"}, []string{"show status", "port span0"})
	x.cut()
	x.boot()
	x.expect("cause=power-cut")
	x.expect("msg=capturing")
	x.arrive(x.call("again@lab"))
	x.tells([]string{"show memory", "resident"})
	for _, wrong := range []string{"DESTROYED", "the probe ended", "no space", "no console"} {
		if x.said(wrong) {
			t.Errorf("the flood has left something behind: %q", wrong)
		}
	}
	x.cut()
}

// tells asks at the box's own port, and logs those of the lines it shows that say so, of each command.
func (x *box) tells(asked ...[]string) {
	x.t.Helper()
	if err := x.guest.Type("\r"); err != nil {
		x.t.Fatal(err)
	}
	x.expect("? shows what can be typed")
	for _, a := range asked {
		if err := x.guest.Type(a[0] + " | no-more\r"); err != nil {
			x.t.Fatal(err)
		}
		for _, l := range a[1:] {
			x.t.Log(strings.TrimSpace(x.expect(l)))
		}
	}
}

// calm waits until the box has looked at all that was sent: before, it may have no room for more.
func (x *box) calm() {
	x.t.Helper()
	at := len(strings.Split(x.guest.Output(), "\n"))
	if _, _, err := x.guest.Expect(x.within(patience), at, "capture: link, no frames"); err != nil {
		x.t.Fatal(err)
	}
}

// flood sends the nth load of frames, none of which belongs to one before: a call,
// streams of media, a connection with a gap, a datagram of which the rest is missing.
func (x *box) flood(n int) (frames int) {
	x.t.Helper()
	at := func(host byte, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), host ^ byte(n)}), uint16(port))
	}
	send := func(frame []byte) {
		x.mirror.send(x.t, frame)
		frames++
	}
	c := capturetest.Call{CallID: fmt.Sprintf("flood-%d@lab", n), Caller: at(1, 5060), Callee: at(2, 5060), CallerMedia: at(1, 10000+n%50000), CalleeMedia: at(2, 10000+n%50000)}
	for _, d := range capturetest.SIPCall(c) {
		first, rest, _ := strings.Cut(string(d.Payload), "\r\n")
		send(capturetest.UDP(d.Src, d.Dst, []byte(first+"\r\nSubject: "+strings.Repeat("flood ", 150)+"\r\n"+rest))) // large, so that the spool is soon full
	}
	for i := range 8 {
		send(capturetest.UDP(at(1, 10000+n%50000), at(2, 20000+i), capturetest.RTPPacket(0, uint16(i), 160, uint32(n*8+i), make([]byte, 160))))
	}
	body := []byte("INVITE sip:x@y SIP/2.0\r\nX: " + strings.Repeat("x", 1200))
	send(capturetest.TCP(at(3, 1024+n%60000), at(4, 5060), capture.TCP{Seq: 1, Flags: capture.FlagSYN}, nil))
	send(capturetest.TCP(at(3, 1024+n%60000), at(4, 5060), capture.TCP{Seq: 5000, Ack: 1, Flags: capture.FlagACK}, body))
	send(capturetest.Fragments(capturetest.UDP(at(5, 5060), at(6, 5060), make([]byte, 2800)), 1500, uint32(n))[0])
	return frames
}
