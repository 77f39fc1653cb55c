package media

import (
	"math/rand/v2"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/rtp"
)

// Config says how a Table works. The zero value means the defaults.
type Config struct {
	Streams   int           // most streams at a time, 65536; at most MaxStreams
	Interval  time.Duration // how often an active stream is reported, 2 s
	Idle      time.Duration // a confirmed stream without a packet for so long has ended, 60 s
	Candidate time.Duration // the same for one that is not confirmed, 5 s
	Worker    uint16        // goes into Snapshot.ID; each Table of a process has its own

	Copies     Copies        // what becomes of mirrored copies
	CopyWindow time.Duration // a copy comes at most so long after its original, 50 ms; at most MaxCopyWindow
}

// Copies says what becomes of a packet that the mirror delivered more than once.
type Copies uint8

// The modes. A stream's report counts copies apart in both of the first: there
// is nothing to mark.
const (
	CopiesDrop Copies = iota
	CopiesMark
	CopiesOff // a copy is a duplicate like those the network makes
)

// MaxCopyWindow bounds Config.CopyWindow.
const MaxCopyWindow = time.Second

// MaxStreams bounds Config.Streams.
const MaxStreams = 1 << 22

func (c Config) withDefaults() Config {
	if c.Streams <= 0 {
		c.Streams = 65536
	}
	c.Streams = min(c.Streams, MaxStreams)
	for _, d := range []struct {
		have  *time.Duration
		usual time.Duration
	}{{&c.Interval, 2 * time.Second}, {&c.Idle, time.Minute}, {&c.Candidate, 5 * time.Second}, {&c.CopyWindow, 50 * time.Millisecond}} {
		if *d.have <= 0 {
			*d.have = d.usual
		}
	}
	c.CopyWindow = min(c.CopyWindow, MaxCopyWindow)
	return c
}

// MemoryBytes returns the most memory a Table made from c will ever hold.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	slabs := (c.Streams + slabSize - 1) / slabSize
	// While the index doubles, the half it had is still there.
	return int64(slabs)*int64(unsafe.Sizeof(slab{})+unsafe.Sizeof(watchSlab{})) + 8*int64(indexSlots(c.Streams))*3/2 + maxEthernets*ethernetBytes
}

// Verdict says what Add made of a packet.
type Verdict uint8

// The verdicts of Add.
const (
	NotRTP  Verdict = iota // no RTP, or RTCP: somebody else's
	Counted                // it belongs to a stream, new or known
	Full                   // it would be a stream, but the table is full
)

const (
	slabSize     = 1024
	confirmAfter = 50   // packets in sequence
	isConfirmed  = 255  // stream.inSeq from then on
	minPort      = 1024 // well-known ports carry no RTP
)

type slab [slabSize]stream

// Table holds the streams of one ring worker, which alone calls its methods;
// Stats may be called from any goroutine.
type Table struct {
	config   Config
	seed     [4]uint64
	index    index
	slabs    []*slab
	watchers []*watchSlab // beside slabs; nil where no stream was ever watched
	watching int          // watchers that are not nil
	used     int          // entries ever taken from the slabs
	free     uint32       // entries given back, linked by next

	candidates, confirmed list // by due time
	retired               list // succeeded by another stream, and not reported yet
	created               uint64
	ethernets             ethernets
	wallOffset            int64 // Wall - Mono of the last packet
	count                 Stats
	published             counters
	arrivals              [BatchSize]arrival
	readSum               uint64   // of readAhead, so that its reads are not left out
	snapshot              Snapshot // what Snapshot and Flush show their callers
}

// New returns an empty table. Memory is allocated when streams come.
func New(c Config) *Table {
	c = c.withDefaults()
	t := &Table{config: c, index: newIndex(firstSlots)}
	for i := range t.seed {
		t.seed[i] = rand.Uint64()
	}
	t.slabs = make([]*slab, 0, (c.Streams+slabSize-1)/slabSize)
	t.watchers = make([]*watchSlab, cap(t.slabs))
	return t
}

// MemoryBytes returns the most memory t will ever hold, for the budget. What
// it holds now is in Stats.
func (t *Table) MemoryBytes() int64 { return t.config.MemoryBytes() }

// at returns entry n, counted from 1.
func (t *Table) at(n uint32) *stream { return &t.slabs[(n-1)/slabSize][(n-1)%slabSize] }

// BatchSize is how many packets AddBatch takes at a time, and how many entries
// it has in flight.
const BatchSize = 32

// arrival is a packet that is being counted.
type arrival struct {
	packet *capture.Packet
	header rtp.Header
	key    key
	hash   uint32
	whole  bool // the header's padding makes sense
}

// Add counts p if it is RTP. It retains nothing of p. The octets of a packet
// that the capture cut short are those that were captured.
func (t *Table) Add(p *capture.Packet) Verdict {
	a := &t.arrivals[0]
	if !t.read(p, a) {
		return NotRTP
	}
	return t.arrive(p, a)
}

// AddBatch does what Add does for each of ps, at most BatchSize of them, in
// order. It is faster: what a packet needs of the table is not in the cache,
// and the memory is asked for many packets' entries at once instead of one
// after the other.
func (t *Table) AddBatch(ps []capture.Packet) {
	ps = ps[:min(len(ps), BatchSize)]
	n := 0
	for i := range ps {
		if a := &t.arrivals[n]; t.read(&ps[i], a) {
			a.packet = &ps[i]
			n++
		}
	}
	t.readAhead(t.arrivals[:n])
	for i := range t.arrivals[:n] {
		a := &t.arrivals[i]
		t.arrive(a.packet, a)
		a.packet = nil
	}
}

// readAhead reads what as will need of the index, and then of the entries, in
// two loops so short that the processor has many reads under way at once.
func (t *Table) readAhead(as []arrival) {
	slots, shift := t.index.slots, t.index.shift
	mask := uint32(len(slots) - 1)
	sum := uint64(0)
	for i := range as {
		sum += slots[as[i].hash>>shift&mask]
	}
	for i := range as {
		h := as[i].hash
		slot := slots[h>>shift&mask]
		if uint32(slot>>32) != h {
			if slot = slots[(h>>shift+1)&mask]; uint32(slot>>32) != h {
				continue // rare: it will be waited for
			}
		}
		s := t.at(uint32(slot))
		sum += s.w0 + s.packets // one from each of its cache lines
	}
	t.readSum = sum
}

// read fills in a from p's header and reports whether that is RTP's.
func (t *Table) read(p *capture.Packet, a *arrival) bool {
	// RFC 5761 4: payload types 64-95 with the marker bit are RTCP's packet
	// types, and without it they are not to be used for that reason.
	b := p.Payload
	if len(b) < rtp.HeaderSize || b[0]>>6 != 2 || b[1]&0x60 == 0x40 || p.SrcPort < minPort || p.DstPort < minPort {
		t.count.NotRTP++
		return false
	}
	a.whole = a.header.Parse(b)
	if !a.whole && !a.header.ParseFront(b) || !a.key.set(p, a.header.SSRC) {
		t.count.NotRTP++
		return false
	}
	a.hash = a.key.hash(&t.seed)
	return true
}

// arrive counts the packet that a was read from.
func (t *Table) arrive(p *capture.Packet, a *arrival) Verdict {
	h, k, hash := &a.header, &a.key, a.hash
	mask := uint32(len(t.index.slots) - 1)
	for i, probe := hash>>t.index.shift, 0; probe < maxProbe; i, probe = i+1, probe+1 {
		slot := t.index.slots[i&mask]
		if slot == 0 {
			break
		}
		if uint32(slot>>32) != hash {
			continue
		}
		if s := t.at(uint32(slot)); s.is(k) {
			t.count.Packets++
			t.wallOffset = p.Wall - p.Mono
			if s.watch != 0 && t.copied(p, h, s, uint32(slot)) {
				return Counted
			}
			if p.Mono-s.last >= pause {
				switch s.afterPause(p, h) {
				case stray:
					return Counted
				case anew:
					if t.succeed(p, h, s, uint32(slot), &t.index.slots[i&mask]) {
						return Counted
					}
				}
			}
			if s.add(p, h) == confirmAfter {
				t.confirm(s, uint32(slot))
			}
			return Counted
		}
	}
	// Padding that makes no sense is SRTP's or the capture's when the stream
	// is known; it is a reason not to begin one.
	if !a.whole && !p.Truncated {
		t.count.NotRTP++
		return NotRTP
	}
	return t.create(p, h, k, hash)
}

// create begins a stream with its first packet.
func (t *Table) create(p *capture.Packet, h *rtp.Header, k *key, hash uint32) Verdict {
	n := t.take()
	if n != 0 && !t.index.insert(hash, n) {
		t.release(n)
		n = 0
	}
	if n == 0 {
		t.count.Full++
		return Full
	}
	t.wallOffset = p.Wall - p.Mono
	s := t.begin(n, k)
	s.start(p, h, p.Mono)
	s.ethernet = t.ethernets.number(p.Ethernet)
	s.due = p.Mono + int64(t.config.Interval)
	t.count.Packets++
	return Counted
}

// begin makes entry n an empty stream under key k, a candidate, and counts it.
func (t *Table) begin(n uint32, k *key) *stream {
	s := t.at(n)
	t.created++
	*s = stream{id: uint64(t.config.Worker)<<48 | t.created&(1<<48-1)}
	s.setKey(k)
	t.candidates.push(t, n, s)
	t.count.Created++
	t.count.Candidates++
	return s
}

// take returns a free entry's number: one given back, a new one, or the place
// of an old candidate. 0 means the table is full.
func (t *Table) take() uint32 {
	if n := t.free; n != 0 {
		t.free = t.at(n).next
		return n
	}
	if t.used < t.config.Streams {
		if t.used == len(t.slabs)*slabSize {
			t.slabs = append(t.slabs, new(slab))
		}
		t.used++
		return uint32(t.used)
	}
	return t.recycle()
}

// unindex makes entry n, which is s, impossible to find.
func (t *Table) unindex(s *stream, n uint32) {
	k := s.key()
	t.index.remove(k.hash(&t.seed), n)
}

func (t *Table) release(n uint32) {
	t.at(n).next = t.free
	t.free = n
}

// recycle takes the place of the oldest candidate that has shown no sequence.
// It looks at a few only; those that have shown one go to the end of the
// queue. So noise keeps a stream from being confirmed only if between its
// first two packets there is more of it than the table has places.
func (t *Table) recycle() uint32 {
	for range 8 {
		n := t.candidates.head
		if n == 0 {
			return 0
		}
		s := t.at(n)
		t.candidates.remove(t, s)
		if s.inSeq < 2 {
			t.unindex(s, n)
			t.count.Candidates--
			t.count.CandidatesRecycled++
			return n
		}
		if tail := t.candidates.tail; tail != 0 {
			s.due = t.at(tail).due
		}
		t.candidates.push(t, n, s)
	}
	return 0
}

func (t *Table) confirm(s *stream, n uint32) {
	t.candidates.remove(t, s)
	s.inSeq = isConfirmed
	if tail := t.confirmed.tail; tail != 0 {
		s.due = max(s.due, t.at(tail).due)
	}
	t.confirmed.push(t, n, s)
	t.count.Candidates--
	t.count.Confirmed++
}
