package packets

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config bounds a memory.
type Config struct {
	Bytes   int64         // of frames held, at least MinBytes
	Workers int           // how many Writers there will be
	Pins    int           // marks that are held at once
	After   time.Duration // how much of what follows a mark is pinned with it
}

const (
	// MinBytes is the least a memory has.
	MinBytes = 256 << 10

	entryHeader = 32
	lanes       = 2 // signalling and media
	leastPerKey = 16
	spareShare  = 4       // one in so many segments more than Bytes, for while a file is written
	exportBytes = 4 << 20 // what writing a file takes, see maxPatched
)

// perLane is how many segments make one half of the memory.
func (c *Config) perLane() int { return max(leastPerKey, 4*c.Workers) }

func (c *Config) segmentBytes() int {
	return int(max(c.Bytes, MinBytes)/int64(lanes*c.perLane())) &^ 7
}

// MemoryBytes is the most that a memory of c holds, pins included.
func (c Config) MemoryBytes() int64 {
	segments := int64(lanes * c.perLane())
	return (segments*int64(1+c.Pins)+segments/spareShare)*int64(c.segmentBytes()) + exportBytes
}

// segment is a piece of the memory. What is not atomic belongs to Memory.mu, apart
// from buf's octets, which are its writer's up to filled and everybody's before.
type segment struct {
	buf         []byte
	filled      atomic.Uint32
	frames      atomic.Uint32
	first, last atomic.Int64 // monotonic times

	lane    uint8
	from    int    // number of its Writer
	order   uint64 // when it was begun
	writing bool
	pins    int // that it is part of
	readers int
}

func (s *segment) held() bool { return s.writing || s.pins > 0 || s.readers > 0 }

// Memory is the packet memory. New makes it. Its methods may be called from any
// goroutine.
type Memory struct {
	cfg    Config
	most   int // segments that are not pinned
	spare  int
	size   int // octets of a segment
	missed atomic.Uint64
	kept   atomic.Uint64 // frames
	octets atomic.Uint64

	mu      sync.Mutex
	used    []*segment // in the order in which they were begun
	free    []*segment
	writers int
	orders  uint64
	evicted uint64 // frames that gave way
	pins    []*pin
	pinned  int    // pins made so far
	dropped uint64 // pins that gave way
}

// New makes an empty memory. Pages of it that are not used yet cost nothing.
func New(c Config) *Memory {
	m := &Memory{cfg: c, most: lanes * c.perLane(), size: c.segmentBytes()}
	m.spare = m.most / spareShare
	all := m.most*(2+c.Pins) + m.spare // so that no writer has to grow these
	m.free = append(make([]*segment, 0, all), m.segments(m.most+m.spare)...)
	m.used = make([]*segment, 0, all)
	return m
}

// segments makes n of them. Each has octets of its own: one that is held must not
// hold others.
func (m *Memory) segments(n int) []*segment {
	all := make([]*segment, 0, n)
	for range n {
		all = append(all, &segment{buf: make([]byte, m.size)})
	}
	return all
}

// begin gives a writer an empty segment in place of the one that it has filled, which
// may be nil. It returns nil when all are held.
func (m *Memory) begin(full *segment, from int, lane uint8, now int64) *segment {
	m.mu.Lock()
	defer m.mu.Unlock()
	if full != nil {
		full.writing = false
	}
	m.settle()
	s := m.take(lane)
	if s == nil {
		return nil
	}
	s.filled.Store(0)
	s.frames.Store(0)
	s.first.Store(now)
	s.last.Store(now)
	s.lane, s.from, s.order, s.writing = lane, from, m.orders, true
	m.orders++
	m.used = append(m.used, s)
	for _, p := range m.pins {
		p.follow(m, s, now)
	}
	return s
}

// take returns a segment that may be written to. m.mu is held.
func (m *Memory) take(lane uint8) *segment {
	live := m.live()
	if len(m.free) == 0 || live[0]+live[1] >= m.most {
		if s := m.evict(lane, live); s != nil {
			return s
		}
	}
	if n := len(m.free); n > 0 {
		s := m.free[n-1]
		m.free = m.free[:n-1]
		return s
	}
	return nil
}

// live counts the segments of each lane that are in use and not pinned.
func (m *Memory) live() (n [lanes]int) {
	for _, s := range m.used {
		if s.pins == 0 {
			n[s.lane]++
		}
	}
	return n
}

// evict takes the oldest segment out of use that nobody holds: of the lane that
// has more than its half, or else of this one.
func (m *Memory) evict(lane uint8, live [lanes]int) *segment {
	if other := 1 - lane; live[other] > m.most/lanes {
		lane = other
	}
	for i, s := range m.used {
		if s.lane == lane && !s.held() {
			m.evicted += uint64(s.frames.Load())
			m.used = append(m.used[:i], m.used[i+1:]...)
			return s
		}
	}
	return nil
}

// window returns what would be held without pins: what is not pinned, and of the
// rest the newest, as far as there is room. m.mu is held.
func (m *Memory) window() (out []*segment) {
	live := m.live()
	n := live[0] + live[1]
	for _, s := range slices.Backward(m.used) {
		switch {
		case s.pins == 0:
		case n < m.most && live[s.lane] < m.most/lanes:
			n++
			live[s.lane]++
		default:
			continue
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}

// settle takes out of use what is more than there should be, after a pin was let go
// or a file written, and gives memory back. m.mu is held.
func (m *Memory) settle() {
	live := m.live()
	for live[0]+live[1] > m.most {
		lane := uint8(0)
		if live[1] > live[0] {
			lane = 1
		}
		s := m.evict(lane, live)
		if s == nil {
			break
		}
		m.free = append(m.free, s)
		live[s.lane]--
	}
	room := max(0, m.most-live[0]-live[1]) + m.spare
	for _, p := range m.pins {
		room += p.reserve
	}
	for n := len(m.free); n > room; n-- {
		m.free[n-1] = nil
		m.free = m.free[:n-1]
	}
}

// Stats are what a memory holds, and what became of the rest.
type Stats struct {
	Limit             uint64        // octets, without pins
	Octets            uint64        // of these, in use
	Signalling, Media time.Duration // how far it goes back
	Kept              uint64        // frames so far
	KeptOctets        uint64
	Evicted           uint64 // frames that gave way to newer ones
	Missed            uint64 // frames not kept, because all memory was being read
	Pins              []Pin
	PinsDropped       uint64 // that gave way to newer ones
}

// Stats returns what there is at the monotonic time now.
func (m *Memory) Stats(now int64) Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := Stats{Limit: uint64(m.most * m.size), Kept: m.kept.Load(), KeptOctets: m.octets.Load(), Missed: m.missed.Load(), Evicted: m.evicted, PinsDropped: m.dropped}
	for _, s := range m.used {
		if s.pins == 0 {
			st.Octets += uint64(s.filled.Load())
		}
	}
	span := [lanes]*time.Duration{&st.Signalling, &st.Media}
	for _, s := range m.window() {
		if s.filled.Load() > 0 {
			*span[s.lane] = max(*span[s.lane], time.Duration(now-s.first.Load()))
		}
	}
	for _, p := range m.pins {
		st.Pins = append(st.Pins, p.public())
	}
	return st
}

// Holds returns how many octets there are, used and free.
func (m *Memory) Holds() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.used)+len(m.free)) * int64(m.size)
}
