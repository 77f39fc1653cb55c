package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"heptap/capture"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/neighbour"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/packets"
)

const framesPerRead = 128

// Counters are one worker's running totals, readable from any goroutine. They
// are brought up to date once per read of the source.
type Counters struct {
	Decoded     atomic.Uint64
	Octets      atomic.Uint64 // of the decoded frames, on the wire
	Dropped     [capture.NumDropReasons]atomic.Uint64
	Protocols   [capture.NumProtocols]atomic.Uint64 // UDP datagrams by what they carry
	Encaps      [capture.NumEncaps]atomic.Uint64    // frames by what they were wrapped in
	Segments    atomic.Uint64                       // of TCP
	Ignored     atomic.Uint64                       // of these, of connections that were released
	TLS         atomic.Uint64                       // of these, that begin with a TLS record
	SIPTLS      atomic.Uint64                       // of these, from or to port 5061
	SCTP        atomic.Uint64                       // packets
	Fragments   atomic.Uint64
	Relayed     atomic.Uint64                    // datagrams that were found inside TURN
	QueueDrops  atomic.Uint64                    // datagrams and snapshots the queue had no room for
	StreamDrops atomic.Uint64                    // segments, SCTP packets and fragments that were left out to keep room for those
	Shed        [record.NumClasses]atomic.Uint64 // datagrams left out because others are worth more, while the merge was behind
	Truncated   atomic.Uint64                    // decoded frames whose payload the capture cut short
	Unread      atomic.Uint64                    // set at the end: frames that came after the worker was told to stop
}

// tally is the worker's own, plain copy, added to Counters after each read.
type tally struct {
	decoded, octets, queueDrops, streamDrops, truncated    uint64
	segments, ignored, tls, sipTLS, sctp, fragments, relay uint32
	dropped                                                [capture.NumDropReasons]uint32
	protocols                                              [capture.NumProtocols]uint32
	encaps                                                 [capture.NumEncaps]uint32
	shed                                                   [record.NumClasses]uint32
}

func (t *tally) publish(c *Counters) {
	c.Decoded.Add(t.decoded)
	c.Octets.Add(t.octets)
	addAll(c.Dropped[:], t.dropped[:])
	addAll(c.Protocols[:], t.protocols[:])
	addAll(c.Encaps[:], t.encaps[:])
	addAll(c.Shed[:], t.shed[:])
	for _, n := range [...]struct {
		to *atomic.Uint64
		n  uint64
	}{
		{&c.QueueDrops, t.queueDrops}, {&c.StreamDrops, t.streamDrops}, {&c.Truncated, t.truncated},
		{&c.Segments, uint64(t.segments)}, {&c.Ignored, uint64(t.ignored)}, {&c.TLS, uint64(t.tls)}, {&c.SIPTLS, uint64(t.sipTLS)},
		{&c.SCTP, uint64(t.sctp)}, {&c.Fragments, uint64(t.fragments)}, {&c.Relayed, uint64(t.relay)},
	} {
		if n.n != 0 {
			n.to.Add(n.n)
		}
	}
	*t = tally{}
}

func addAll(to []atomic.Uint64, from []uint32) {
	for i, n := range from {
		if n != 0 {
			to[i].Add(uint64(n))
		}
	}
}

// worker reads one source. See the package comment.
type worker struct {
	name       string
	source     capture.Source
	timestamps func() capture.Timestamps // nil: of a file
	table      *media.Table
	counters   Counters
	unread     unread
	hidden     hidden
	mirror     *mirror.Tally
	neighbours *neighbour.Table // of the port
	ignore     *stream.Ignore
	// fragments puts together what came in fragments when there is no other
	// worker that could have some of them. Then the RTP of a stream is counted in
	// one place whether or not it is fragmented. Otherwise nil: the assembly does it.
	fragments *assembly.Fragments
	memory    *packets.Writer // nil: no frames are kept
	hep       bool            // hand over HEP, which is unwrapped later
	beside    dissect.Beside  // what is looked for beside signalling
	asked     *asked          // of which, some replies are found by
	replay    bool            // keep packet time exactly
	wait      bool            // wait for room rather than drop
	worth     *worth          // what is left out first when the merge is behind
	now       func() int64    // monotonic clock of a live source
	lag       int64           // how long the source may hold a frame back, ns

	full     chan *batch
	free     chan *batch // empty ones, back from the merge
	spare    []*batch    // empty ones that are here; the last one is the next, and warm
	made     int         // batches there are, at most queueDepth
	least    int         // the fewest spare ones since trimAt was set
	trimAt   int64       // when those that were not needed are let go
	wake     chan<- struct{}
	progress atomic.Int64 // no item earlier than this is still to come

	shift    int64 // replay: added to packet time, see steady
	sampleAt int64 // replay: when the port is judged next
	sweepAt  int64 // replay: when fragments are told the time next
	cur      *batch
	tally    tally
	time     int64  // of the last frame, or what is known to have passed since
	sent     uint64 // snapshots made
	emit     func(*media.Snapshot)
	frames   []capture.Frame

	rtp  [media.BatchSize]capture.Packet // seen, and not yet counted
	nrtp int
}

func newWorker(in Input, cfg *Config, table *media.Table, tally *mirror.Tally, wake chan<- struct{}, asked *asked) *worker {
	w := &worker{asked: asked,
		name: in.Name, source: in.Source, timestamps: in.Timestamps, table: table, mirror: tally, ignore: cfg.Assembly.Stream.Ignore, hep: cfg.Assembly.Unwrap != nil, beside: cfg.Assembly.Beside,
		replay: cfg.Replay, wait: cfg.Replay, worth: newWorth(cfg.Shed), now: cfg.Now, lag: int64(in.Lag),
		full: make(chan *batch, queueDepth), free: make(chan *batch, queueDepth), wake: wake,
		frames: make([]capture.Frame, framesPerRead),
	}
	w.cur = w.empty()
	w.time, w.sampleAt, w.sweepAt, w.trimAt = math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64
	w.progress.Store(math.MinInt64)
	w.emit = w.snapshot
	if cfg.Memory != nil {
		w.memory = cfg.Memory.Writer()
	}
	if len(cfg.Inputs) == 1 {
		w.fragments = assembly.NewFragments(cfg.Assembly.Defrag, w.beside, w.reassembled)
	}
	return w
}

// run reads until the source ends or ctx is done, then hands over what the
// media table still holds: these are the streams' last counts, so from here on
// it waits for room. It closes the queue and the source.
func (w *worker) run(ctx context.Context) error {
	defer close(w.full)
	err := w.read(ctx)
	w.wait = true
	if w.fragments != nil {
		w.fragments.Flush()
	}
	w.table.Flush(w.emit)
	if w.replay && w.time != math.MinInt64 {
		w.sample(w.time)
	}
	w.tally.publish(&w.counters)
	w.send()
	err = errors.Join(err, w.source.Close())
	c, st := &w.counters, w.source.Stats()
	left := int64(st.Received - st.KernelDrops - c.Decoded.Load())
	for i := range c.Dropped {
		left -= int64(c.Dropped[i].Load())
	}
	c.Unread.Store(uint64(max(0, left)))
	if err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}

// drainMost is how long a live worker goes on reading after it was told to
// stop, to get what the ring held at that moment.
const drainMost = time.Second

func (w *worker) read(ctx context.Context) error {
	stop := int64(math.MaxInt64)
	for {
		if ctx.Err() != nil {
			if w.replay {
				return nil
			}
			stop = min(stop, w.now())
			if w.time >= stop || w.now()-stop > int64(drainMost) {
				return nil
			}
		}
		n, err := w.source.Read(w.frames)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for i := range w.frames[:n] {
			w.frame(&w.frames[i])
		}
		w.afterRead(n)
		if n == 0 && stop != math.MaxInt64 {
			return nil
		}
	}
}

// steady makes the time of a file's frames a clock that is never set back: a
// jump of more than stepBack is taken for that, as between two files that were
// put together or when the capturing host's clock was set. The media table and
// the correlator would wait for the old time to come again. The wall time, which
// the records show, stays what it is.
func (w *worker) steady(f *capture.Frame) {
	f.Mono += w.shift
	if w.time == math.MinInt64 {
		return
	}
	if back := w.time - f.Mono; back > int64(stepBack) {
		w.shift += back
		f.Mono += back
	} else if f.Mono-w.time > int64(time.Second) {
		// A pause may have ended more streams than one call looks at.
		for sent := w.sent - 1; sent != w.sent; {
			sent = w.sent
			w.table.Snapshot(f.Mono, w.emit)
		}
	}
}

const stepBack = 5 * time.Second

// frame is the path of every frame. RTP is counted in batches, within the read
// it came in.
func (w *worker) frame(f *capture.Frame) {
	if w.replay {
		w.countRTP()
		w.steady(f)
		w.table.Snapshot(f.Mono, w.emit)
		if w.fragments != nil && f.Mono >= w.sweepAt {
			w.sweepAt = f.Mono + int64(100*time.Millisecond)
			w.fragments.Advance(f.Mono)
		}
		if f.Mono >= w.sampleAt {
			w.sample(f.Mono)
		}
	}
	w.time = f.Mono
	p := &w.rtp[w.nrtp]
	if f.Hidden {
		w.tally.dropped[capture.DropHidden]++
		w.hidden.add(f, p)
		return
	}
	if reason := decode.Decode(f, p); reason != capture.DropNone {
		w.dropped(f, p, reason)
		return
	}
	w.mirror.Add(f, p)
	w.tally.decoded++
	w.tally.octets += uint64(f.Length)
	if p.Truncated {
		w.tally.truncated++
	}
	if p.Encap != 0 {
		w.wrapped(p.Encap)
	}
	switch {
	case p.Fragment.Valid:
		w.tally.fragments++
		if w.memory != nil {
			w.memory.Fragment(f, p)
		}
		if w.fragments != nil {
			w.fragments.Add(p)
		} else {
			w.handStream(p)
		}
	case p.Protocol == capture.ProtoUDP:
		w.datagram(f, p)
	case p.Protocol == capture.ProtoTCP:
		w.segment(f, p)
	case p.Protocol == capture.ProtoSCTP:
		w.tally.sctp++
		if w.memory != nil {
			w.memory.Chunks(f, p)
		}
		w.handStream(p)
	}
}

// dropped counts a frame that decode found nothing in.
func (w *worker) dropped(f *capture.Frame, p *capture.Packet, reason capture.DropReason) {
	w.tally.dropped[reason]++
	w.mirror.Add(f, nil)
	w.wrapped(p.Encap)
	if w.memory != nil {
		w.memory.Unread(f, p, reason)
	}
	if reason == capture.DropEtherType && p.Unknown == neighbour.EtherType || reason == capture.DropLLC && p.Unknown == neighbour.LLC {
		w.presented(f)
	}
	switch {
	case isUnread(reason):
		w.unread.add(reason, p.Unknown)
	case reason == capture.DropICMP && decode.Unreachable(f, p): // why a connection was not made
		w.handStream(p)
	}
}

// presented takes in a frame in which a device may present itself. There are few.
func (w *worker) presented(f *capture.Frame) {
	if f.Link == capture.LinkEthernet {
		w.neighbours.Add(f.Data, f.Mono)
	}
}

func (w *worker) wrapped(e capture.Encap) {
	for ; e != 0; e &= e - 1 {
		w.tally.encaps[bits.TrailingZeros32(uint32(e))]++
	}
}

// datagram looks into a UDP datagram, that of f. p is w.rtp[w.nrtp], and RTP stays
// there until it is counted.
func (w *worker) datagram(f *capture.Frame, p *capture.Packet) {
	proto := dissect.Datagram(p, w.beside)
	switch proto {
	case capture.STUN, capture.TURN:
		if inner := dissect.Unwrap(p); inner != capture.Unknown {
			proto = inner
			w.tally.relay++
		}
	case capture.Unknown, capture.NotSIP, capture.NG, capture.MI:
		proto = w.besides(p, proto)
	}
	w.tally.protocols[proto]++
	if w.memory != nil {
		w.memory.Datagram(f, p, proto)
	}
	if proto != capture.RTP {
		w.handKnown(p, proto)
	} else if w.nrtp++; w.nrtp == len(w.rtp) {
		w.countRTP()
	}
}

// besides looks whether p, of which dissect has said proto, is a reply that does
// not show by itself, or what one may come to.
func (w *worker) besides(p *capture.Packet, proto capture.Protocol) capture.Protocol {
	if w.beside&(dissect.Control|dissect.Commands) == 0 {
		return proto
	}
	if proto == capture.NG || proto == capture.MI {
		w.asked.note(p, proto)
		return proto
	}
	return w.asked.reply(p, proto)
}

// reassembled goes on with what came in fragments.
func (w *worker) reassembled(p *capture.Packet, proto capture.Protocol) {
	switch {
	case p.Protocol != capture.ProtoUDP:
		w.handStream(p)
	case proto == capture.RTP:
		w.countRTP() // what came before; p is only there now
		w.table.Add(p)
	default:
		if proto == capture.Unknown || proto == capture.NotSIP || proto == capture.NG || proto == capture.MI {
			proto = w.besides(p, proto)
		}
		w.handKnown(p, proto)
	}
}

// handKnown hands over the datagrams of which messages are made.
func (w *worker) handKnown(p *capture.Packet, proto capture.Protocol) {
	switch proto {
	case capture.HEP:
		if w.hep {
			w.hand(p, proto)
		}
	case capture.SIP, capture.RTCP, capture.UDPTL, capture.Syslog, capture.DNS, capture.NG, capture.MI:
		w.hand(p, proto)
	}
}

// segment looks at a TCP segment, that of f: those of connections that nobody wants
// are not worth a copy.
func (w *worker) segment(f *capture.Frame, p *capture.Packet) {
	w.tally.segments++
	if isTLS(p.Payload) {
		w.tally.tls++
		if p.SrcPort == sipsPort || p.DstPort == sipsPort {
			w.tally.sipTLS++
		}
	}
	ignored := w.ignore.Ignored(p)
	if w.memory != nil {
		w.memory.Segment(f, p, !ignored)
	}
	if ignored {
		w.tally.ignored++
		return
	}
	w.handStream(p)
}

// isTLS reports whether b begins with a record of TLS (RFC 8446 5.1).
func isTLS(b []byte) bool { return len(b) >= 3 && b[1] == 3 && b[0] >= 20 && b[0] <= 23 && b[2] <= 4 }

const sipsPort = 5061 // RFC 3261 19.1.2

// hand copies a datagram into the batch, unless it is worth less than what there is room for.
func (w *worker) hand(p *capture.Packet, proto capture.Protocol) {
	if len(w.full) >= w.worth.least && w.leavesOut(classOf(p, proto)) {
		return
	}
	if !w.cur.addPacket(p, proto, w.time) {
		if w.send(); !w.cur.addPacket(p, proto, w.time) {
			w.tally.queueDrops++
		}
	}
}

// streamShare is the share of the batches, one in so many, that is kept for
// datagrams and snapshots: when the merge cannot keep up with a flood of segments
// or fragments, it is they who wait outside.
const streamShare = 4

// handStream copies into the batch what has to be reassembled.
func (w *worker) handStream(p *capture.Packet) {
	if !w.wait && len(w.full) > queueDepth-queueDepth/streamShare {
		w.tally.streamDrops++
		return
	}
	if !w.cur.addPacket(p, capture.Unknown, w.time) {
		if w.send(); !w.cur.addPacket(p, capture.Unknown, w.time) {
			w.tally.streamDrops++
		}
	}
}

// sample hands over what is known of the port at the time now of a replay.
func (w *worker) sample(now int64) {
	w.sampleAt = now + judgeStep
	w.tally.publish(&w.counters)
	w.mirror.Tick(now)
	s, ok := w.cur.addSample(now)
	if !ok {
		w.send()
		s, _ = w.cur.addSample(now)
	}
	*s = mirror.Sample{}
	name(s, w.addTo(s, nil))
	mirror.Collect(s, []*mirror.Tally{w.mirror}, nil)
}

// countRTP counts the RTP seen since it was called last.
func (w *worker) countRTP() {
	w.table.AddBatch(w.rtp[:w.nrtp])
	w.nrtp = 0
}

// afterRead does what is due once per read: counting, snapshots, handing over.
func (w *worker) afterRead(n int) {
	w.countRTP()
	w.tally.publish(&w.counters)
	if w.memory != nil {
		w.memory.Flush()
	}
	if !w.replay {
		if n == 0 {
			w.time = max(w.time, w.now()-w.lag)
		}
		w.table.Snapshot(w.time, w.emit)
		if w.fragments != nil && w.time != math.MinInt64 {
			w.fragments.Advance(w.time)
		}
	}
	if w.time != math.MinInt64 {
		w.mirror.Tick(w.time)
	}
	// When the merge is behind, batches are filled before they are handed over:
	// there is only a certain number of them, and each is memory.
	if len(w.cur.items) > 0 && len(w.full) < fewWaiting {
		w.send()
	}
	if w.time >= w.trimAt {
		w.trim()
	}
	// What is still in the current batch has not been handed over: while the merge is
	// behind there is always something.
	reached := w.time
	if len(w.cur.items) > 0 {
		reached = min(reached, w.cur.items[0].mono)
	}
	if reached > w.progress.Load() {
		w.progress.Store(reached)
	}
}

func (w *worker) snapshot(s *media.Snapshot) {
	w.sent++
	if !w.cur.addSnapshot(w.time, s) {
		if w.send(); !w.cur.addSnapshot(w.time, s) {
			w.tally.queueDrops++
		}
	}
}

// empty returns an empty batch, the one that was emptied last: as long as the
// merge keeps up there are only a few. When there are queueDepth and all are in
// use, it waits for one, or without wait returns nil.
func (w *worker) empty() *batch {
	w.reclaim()
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		w.least = min(w.least, n-1)
		return b
	}
	w.least = 0
	if w.made < queueDepth {
		w.made++
		return newBatch()
	}
	if w.wait {
		return <-w.free
	}
	return nil
}

// reclaim takes back what the merge has emptied.
func (w *worker) reclaim() {
	for {
		select {
		case b := <-w.free:
			w.spare = append(w.spare, b)
		default:
			return
		}
	}
}

// A moment of trouble must not cost its memory for ever: of the batches that lay
// idle for trimEvery, all but keptSpare are let go.
const (
	trimEvery = time.Second
	keptSpare = 2
)

func (w *worker) trim() {
	w.reclaim()
	if n := w.least - keptSpare; n > 0 {
		w.spare = slices.Delete(w.spare, 0, n) // those that were idle longest
		w.made -= n
	}
	w.least, w.trimAt = len(w.spare), w.time+int64(trimEvery)
}

// send hands the current batch over and takes an empty one. Without wait it
// keeps the current one when there is none.
func (w *worker) send() {
	next := w.empty()
	if next == nil {
		return
	}
	w.full <- w.cur // has room: there are only queueDepth batches
	w.cur = next
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
