package probe

import (
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// Samples of what the filter hides are counted by what they carry, and go no
// further: not to the media table, not to the merge.
func TestHiddenIsCountedOnly(t *testing.T) {
	w := idleWorker(10)
	rtp := append([]byte{0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4}, make([]byte, 160)...)
	tls := []byte{23, 3, 3, 0, 5, 1, 2, 3, 4, 5}
	tcp := func(b []byte) []byte {
		return capturetest.TCP(caller, callee, capture.TCP{Seq: 1, Flags: capture.FlagACK}, b)
	}
	arp := append(make([]byte, 12), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	frames := capturetest.Frames(time.Unix(1000, 0), time.Microsecond,
		capturetest.UDP(caller, callee, []byte(options)), capturetest.UDP(caller, callee, rtp), tcp([]byte(options)), tcp(tls), tcp([]byte("x")), tcp(nil), arp)
	for i := range frames {
		f := &frames[i]
		f.Data, f.Hidden = f.Data[:len(f.Data)-1], true // as a sampling ring cuts it
		w.frame(f)
	}
	w.afterRead(len(frames))
	want := Hidden{capture.SIP: 2, capture.RTP: 1, capture.TLS: 1, hiddenTCP: 2, hiddenOther: 1}
	if got := w.hidden.stats(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	c := &w.counters
	if n := c.Dropped[capture.DropHidden].Load(); n != 7 || c.Decoded.Load() != 0 || len(w.full) != 0 || len(w.cur.items) != 0 || w.table.Stats().Created != 0 {
		t.Errorf("%d dropped, %d decoded, %d streams", n, c.Decoded.Load(), w.table.Stats().Created)
	}
	for i := range want {
		if HiddenName(i) == "invalid" || HiddenName(i) == "" {
			t.Errorf("kind %d has no name", i)
		}
	}
}
