package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/media"
)

const framesPerRead = 128

// Counters are one worker's running totals, readable from any goroutine. They
// are brought up to date once per read of the source.
type Counters struct {
	Decoded    atomic.Uint64
	Octets     atomic.Uint64 // of the decoded frames, on the wire
	Dropped    [capture.NumDropReasons]atomic.Uint64
	Protocols  [capture.NumProtocols]atomic.Uint64 // decoded frames by what they carry
	QueueDrops atomic.Uint64                       // messages and snapshots the queue had no room for
	Truncated  atomic.Uint64                       // decoded frames whose payload the capture cut short
}

// tally is the worker's own, plain copy, added to Counters after each read.
type tally struct {
	decoded, octets, queueDrops, truncated uint64
	dropped                                [capture.NumDropReasons]uint32
	protocols                              [capture.NumProtocols]uint32
}

func (t *tally) publish(c *Counters) {
	c.Decoded.Add(t.decoded)
	c.Octets.Add(t.octets)
	for i, n := range t.dropped {
		if n != 0 {
			c.Dropped[i].Add(uint64(n))
		}
	}
	for i, n := range t.protocols {
		if n != 0 {
			c.Protocols[i].Add(uint64(n))
		}
	}
	if t.queueDrops != 0 {
		c.QueueDrops.Add(t.queueDrops)
	}
	if t.truncated != 0 {
		c.Truncated.Add(t.truncated)
	}
	*t = tally{}
}

// worker reads one source. See the package comment.
type worker struct {
	name     string
	source   capture.Source
	table    *media.Table
	counters Counters
	replay   bool         // wait for room, and keep packet time exactly
	now      func() int64 // monotonic clock of a live source
	lag      int64        // how long the source may hold a frame back, ns

	full     chan *batch
	free     chan *batch
	wake     chan<- struct{}
	progress atomic.Int64 // no item earlier than this is still to come

	cur    *batch
	tally  tally
	time   int64 // latest time seen
	emit   func(*media.Snapshot)
	frames []capture.Frame
}

func newWorker(in Input, table *media.Table, replay bool, now func() int64, wake chan<- struct{}) *worker {
	w := &worker{
		name: in.Name, source: in.Source, table: table, replay: replay, now: now, lag: int64(in.Lag),
		full: make(chan *batch, queueDepth), free: make(chan *batch, queueDepth), wake: wake,
		frames: make([]capture.Frame, framesPerRead),
	}
	for range queueDepth {
		w.free <- newBatch()
	}
	w.cur = <-w.free
	w.emit = w.snapshot
	return w
}

// run reads until the source ends or ctx is done, then hands over what the
// media table still holds. It closes the queue and the source.
func (w *worker) run(ctx context.Context) error {
	defer close(w.full)
	defer w.source.Close()
	err := w.read(ctx)
	w.table.Flush(w.emit)
	w.tally.publish(&w.counters)
	w.progress.Store(1<<63 - 1)
	w.replay = true // the last items are worth waiting for
	w.send()
	if err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}

func (w *worker) read(ctx context.Context) error {
	var p capture.Packet
	for ctx.Err() == nil {
		n, err := w.source.Read(w.frames)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for i := range w.frames[:n] {
			w.frame(&w.frames[i], &p)
		}
		w.afterRead(n)
	}
	return nil
}

// frame is the path of every frame.
func (w *worker) frame(f *capture.Frame, p *capture.Packet) {
	if w.replay {
		w.table.Snapshot(f.Mono, w.emit)
	}
	w.time = f.Mono
	if reason := decode.Decode(f, p); reason != capture.DropNone {
		w.tally.dropped[reason]++
		return
	}
	w.tally.decoded++
	w.tally.octets += uint64(f.Length)
	if p.Truncated {
		w.tally.truncated++
	}
	proto := dissect.Datagram(p)
	w.tally.protocols[proto]++
	switch proto {
	case capture.RTP:
		w.table.Add(p)
	case capture.SIP, capture.RTCP:
		if !w.cur.addMessage(p, proto) {
			if w.send(); !w.cur.addMessage(p, proto) {
				w.tally.queueDrops++
			}
		}
	}
}

// afterRead does what is due once per read: counters, snapshots, handing over.
func (w *worker) afterRead(n int) {
	w.tally.publish(&w.counters)
	if !w.replay {
		if n == 0 {
			w.time = max(w.time, w.now()-w.lag)
		}
		w.table.Snapshot(w.time, w.emit)
	}
	if len(w.cur.items) > 0 {
		w.send()
	}
	// What is still in the current batch has not been handed over.
	if len(w.cur.items) == 0 && w.time > w.progress.Load() {
		w.progress.Store(w.time)
	}
}

func (w *worker) snapshot(s *media.Snapshot) {
	if !w.cur.addSnapshot(w.time, s) {
		if w.send(); !w.cur.addSnapshot(w.time, s) {
			w.tally.queueDrops++
		}
	}
}

// send hands the current batch over and takes an empty one. A live worker
// keeps the current one when there is none.
func (w *worker) send() {
	var next *batch
	if w.replay {
		next = <-w.free
	} else {
		select {
		case next = <-w.free:
		default:
			return
		}
	}
	w.full <- w.cur // has room: there are only queueDepth batches
	w.cur = next
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
