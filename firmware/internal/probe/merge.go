package probe

import (
	"math"
	"sync/atomic"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/mirror"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/intake"
)

// Watermark is how long an item waits for an earlier one of another worker,
// besides the time for which that one's source may hold frames back.
// A switch may deliver the two directions of a link tens of milliseconds apart.
const Watermark = 50 * time.Millisecond

// merge hands the workers' packets to the assembly, and their snapshots to the
// correlator, in the order of their time.
type merge struct {
	workers    []*worker
	heads      []head
	now        func() int64 // nil when replaying
	wake       <-chan struct{}
	assembly   *assembly.Assembly
	correlator *correlate.Correlator
	judge      func(mono int64)                              // is to be called now and then
	sample     func(w *worker, mono int64, s *mirror.Sample) // takes what a replaying worker knew then
	relay      Relay                                         // nil: none
	relayed    func(it *intake.Item)
	lines      Lines // nil: none
	line       func(*capture.Message)
	latest     int64 // time of the item handed over last
	late       atomic.Uint64
	linesShed  atomic.Uint64 // lines that were received, and left out
	reached    atomic.Int64  // how far it has come, by that or by the clock
}

// head is the batch of one worker that is being taken apart.
type head struct {
	batch *batch
	next  int
	done  bool // the worker has ended and its queue is empty
}

// run returns when all workers have ended. It does not look at ctx: the
// workers do, and what they have handed over is still correlated.
func (m *merge) run() {
	tick := time.NewTicker(Watermark / 2)
	defer tick.Stop()
	for {
		progressed := m.turn()
		if m.done() {
			return
		}
		if progressed {
			continue
		}
		select {
		case <-m.wake:
		case <-tick.C:
		}
	}
}

// turn hands over everything whose turn has come.
func (m *merge) turn() (progressed bool) {
	for {
		best := -1
		limit := int64(math.MaxInt64) // no unseen item can be earlier than this
		for i := range m.heads {
			if !m.fill(i) {
				if !m.heads[i].done {
					limit = min(limit, m.bound(i))
				}
				continue
			}
			if best < 0 || m.mono(i) < m.mono(best) {
				best = i
			}
		}
		relay, line := m.relayTime(), m.lineTime()
		if line <= limit && line != math.MaxInt64 && line <= relay && (best < 0 || line <= m.mono(best)) {
			m.takeLine()
			progressed = true
			continue
		}
		if relay <= limit && relay != math.MaxInt64 && (best < 0 || relay <= m.mono(best)) {
			m.takeRelayed()
			progressed = true
			continue
		}
		if best < 0 {
			m.advance(limit)
			return progressed
		}
		if m.mono(best) > limit {
			m.advance(limit)
			return progressed
		}
		m.take(best, min(limit, relay, line))
		progressed = true
	}
}

// relayTime is when the first of what other agents saw counts as seen.
func (m *merge) relayTime() int64 {
	if m.relay != nil {
		if it := m.relay.Peek(); it != nil {
			return it.Mono
		}
	}
	return math.MaxInt64
}

// takeRelayed hands over the first of what other agents saw. It came by a
// network of its own, so that it may be late is no fault of a worker's.
func (m *merge) takeRelayed() {
	it := m.relay.Peek()
	m.latest = max(m.latest, it.Mono)
	m.relayed(it)
	m.judge(m.latest)
	m.relay.Done()
}

// drain hands over the rest of what other agents saw, and of lines, when the
// workers have ended.
func (m *merge) drain() {
	for m.relayTime() != math.MaxInt64 {
		m.takeRelayed()
	}
	for m.lineTime() != math.MaxInt64 {
		m.takeLine()
	}
}

// advance tells those behind it how late it is when there is nothing to hand
// over. A replay does not: when it happens depends on how fast the workers are,
// and the same file must give the same records.
func (m *merge) advance(limit int64) {
	if m.now != nil && limit != math.MaxInt64 && limit != math.MinInt64 {
		m.assembly.Advance(limit)
		m.correlator.Advance(limit)
		m.judge(limit)
		m.reached.Store(limit)
	}
}

// bound is the time before which worker i will hand over nothing more, as far
// as it says so or the watermark does, which begins when the source lets a
// frame go. The worker's progress must be read before its queue is found empty.
func (m *merge) bound(i int) int64 {
	w := m.workers[i]
	p := w.progress.Load()
	if len(w.full) > 0 {
		return math.MinInt64 // something arrived meanwhile: look again
	}
	if m.now != nil {
		p = max(p, m.now()-int64(Watermark)-w.lag)
	}
	return p
}

// fill makes sure that head i has an item, if its worker has handed one over.
func (m *merge) fill(i int) bool {
	h, w := &m.heads[i], m.workers[i]
	if h.batch != nil && h.next < len(h.batch.items) {
		return true
	}
	if h.batch != nil {
		h.batch.reset()
		w.free <- h.batch
		h.batch = nil
	}
	select {
	case b, ok := <-w.full:
		if !ok {
			h.done = true
			return false
		}
		h.batch, h.next = b, 0
		return len(b.items) > 0
	default:
		return false
	}
}

func (m *merge) mono(i int) int64 { return m.heads[i].batch.items[m.heads[i].next].mono }

// take hands over items of head i for as long as they are the earliest.
func (m *merge) take(i int, limit int64) {
	for j := range m.heads {
		if h := &m.heads[j]; j != i && h.batch != nil && h.next < len(h.batch.items) {
			limit = min(limit, m.mono(j))
		}
	}
	h := &m.heads[i]
	for h.next < len(h.batch.items) && h.batch.items[h.next].mono <= limit {
		it := &h.batch.items[h.next]
		if it.mono < m.latest {
			m.late.Add(1)
		}
		m.latest = max(m.latest, it.mono)
		switch it.snap {
		case isPacket:
			m.assembly.Packet(&it.packet, it.protocol)
		case isSample:
			m.sample(m.workers[i], it.mono, h.batch.sample)
		default:
			m.correlator.Stream(&h.batch.snaps[it.snap], it.mono)
		}
		m.judge(m.latest)
		h.next++
	}
	m.reached.Store(m.latest)
}

func (m *merge) done() bool {
	for i := range m.heads {
		if !m.heads[i].done {
			return false
		}
	}
	return true
}
