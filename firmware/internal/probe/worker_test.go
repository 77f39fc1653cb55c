package probe

import (
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// When the merge stands still, a flood of segments is left outside while there
// is still room for datagrams: SIP over UDP is not lost for somebody's backup.
func TestSegmentsGiveWay(t *testing.T) {
	w := idleWorker(1)
	segment := capturetest.TCP(caller, callee, capture.TCP{Seq: 1, Flags: capture.FlagACK}, make([]byte, 1400))
	message := capturetest.UDP(caller, callee, []byte(invite))
	frames := capturetest.Frames(time.Unix(1000, 0), time.Microsecond, segment, message)
	feed := func(i, n int) {
		for range n {
			w.frame(&frames[i])
		}
		w.tally.publish(&w.counters)
	}
	feed(0, 100_000)
	c := &w.counters
	handed := c.Segments.Load() - c.StreamDrops.Load()
	if c.StreamDrops.Load() == 0 || c.QueueDrops.Load() != 0 || handed < batchArena/1500*queueDepth/2 {
		t.Fatalf("%d segments handed over, %d left out, %d messages lost", handed, c.StreamDrops.Load(), c.QueueDrops.Load())
	}
	feed(1, 2000)
	if n := c.QueueDrops.Load(); n != 0 {
		t.Errorf("%d messages lost while segments had the room", n)
	}
}

// A worker whose merge is always behind says how far it has come all the same: else
// the box would take it for stuck.
func TestProgressUnderLoad(t *testing.T) {
	w := idleWorker(1)
	message := capturetest.UDP(caller, callee, []byte(options))
	frames := capturetest.Frames(time.Unix(1000, 0), 0, message)
	begin := frames[0].Mono
	for i := range 100 * batchItems {
		frames[0].Mono = begin + int64(i)*int64(time.Millisecond)
		w.frame(&frames[0])
		w.afterRead(1)
		if len(w.full) <= fewWaiting {
			continue
		}
		b := <-w.full
		if behind := b.items[0].mono - w.progress.Load(); behind > 0 {
			t.Fatalf("frame %d: %v before what was handed over long ago", i, time.Duration(behind))
		}
		b.reset()
		w.free <- b
	}
	if behind := frames[0].Mono - w.progress.Load(); behind > 2*batchItems*int64(time.Millisecond) {
		t.Errorf("%v behind", time.Duration(behind))
	}
}

const invite = "INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP x\r\n\r\n"

// A worker that needed all its batches for a moment lets most of them go when it
// has not needed them for a while, and has them again when it does.
func TestBatchesTrimmed(t *testing.T) {
	w := idleWorker(1)
	message := capturetest.UDP(caller, callee, []byte(invite))
	frames := capturetest.Frames(time.Unix(1000, 0), 0, message)
	crowd := func() {
		for range queueDepth {
			for range batchItems {
				w.frame(&frames[0])
			}
			w.afterRead(batchItems)
		}
		w.frame(&frames[0])
		w.afterRead(1)
	}
	emptied := func() {
		for len(w.full) > 0 {
			b := <-w.full
			b.reset()
			w.free <- b
		}
	}
	for round := range 2 {
		crowd()
		if w.made != queueDepth {
			t.Fatalf("round %d: %d batches under load, want %d", round, w.made, queueDepth)
		}
		emptied()
		for range 3 { // the first of these sees the last of the crowd's time
			frames[0].Mono += int64(trimEvery)
			w.frame(&frames[0])
			w.afterRead(1)
			emptied()
		}
		if least, most := keptSpare, keptSpare+3; w.made < least || w.made > most {
			t.Errorf("round %d: %d batches afterwards, want %d to %d", round, w.made, least, most)
		}
	}
	if n := w.counters.QueueDrops.Load(); n > 2*batchItems {
		t.Errorf("%d messages lost", n)
	}
}
