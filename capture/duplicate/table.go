package duplicate

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"
	"unsafe"

	"heptap/capture"
)

// Config says how a Table works. The zero value means the defaults.
type Config struct {
	Window  time.Duration // how much later than the first a copy may come, 50 ms
	Entries int           // packets remembered at most, 65536; at most MaxEntries
}

// MaxEntries bounds Config.Entries.
const MaxEntries = 1 << 24

// near is how much later a copy may come when only time tells it from what TCP
// or SCTP sends again: that takes a round trip at least.
const near = int64(time.Millisecond)

func (c Config) withDefaults() Config {
	if c.Window <= 0 {
		c.Window = 50 * time.Millisecond
	}
	if c.Entries <= 0 {
		c.Entries = 65536
	}
	c.Entries = min(c.Entries, MaxEntries)
	return c
}

// MemoryBytes returns the most memory a Table made from c will ever hold.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	// While the ring doubles, the half it had is still there.
	return int64(unsafe.Sizeof(Table{})) + (int64(c.Entries)*int64(unsafe.Sizeof(entry{}))+4*int64(buckets(c.Entries)))*3/2 +
		256*int64(unsafe.Sizeof(port{})+unsafe.Sizeof(PortStats{}))
}

func buckets(n int) int { return 1 << bits.Len(uint(n)) }

// entry is a packet that was seen, without what it holds.
type entry struct {
	hash uint64
	mono int64
	next uint32 // in the bucket, counted from 1
	view view
}

// view is where and how a packet was seen.
type view struct {
	encap capture.Encap
	vlan  uint16 // noVLAN for none
	ttl   uint8
	dscp  uint8 // without ECN: TCP sends again without it (RFC 3168 6.1.5)
	port  uint8
	depth uint8
}

const noVLAN = math.MaxUint16

func (v *view) set(p *capture.Packet) {
	*v = view{encap: p.Encap, vlan: noVLAN, ttl: p.TTL, dscp: p.TOS >> 2, port: p.Port, depth: p.Depth}
	if p.HasVLAN {
		v.vlan = p.VLAN
	}
}

// Table remembers the packets of one goroutine, which alone calls its methods;
// Stats may be called from any.
type Table struct {
	config  Config
	seed    maphash.Seed
	buckets []uint32 // entries, counted from 1
	ring    []entry
	oldest  uint32 // place in the ring
	held    uint32
	now     int64
	ports   [256]*port
	overrun uint64

	mu        sync.Mutex
	published [256]*PortStats // guarded by mu, as is what it points to
	total     Stats           // guarded by mu
}

// firstEntries is how many packets a new table has room for. It doubles when it is full.
const firstEntries = 1024

// New returns an empty table.
func New(c Config) *Table {
	c = c.withDefaults()
	n := min(c.Entries, firstEntries)
	return &Table{config: c, seed: maphash.MakeSeed(), buckets: make([]uint32, buckets(n)), ring: make([]entry, n)}
}

// MemoryBytes returns the most memory t will ever hold, for the budget.
func (t *Table) MemoryBytes() int64 { return t.config.MemoryBytes() }

// Check remembers p and reports whether it is a copy of a packet seen before,
// and how many nanoseconds after the first it comes. It retains nothing of p,
// which may be a fragment.
func (t *Table) Check(p *capture.Packet) (dup bool, lag int64) {
	t.now = max(t.now, p.Mono)
	count := t.port(p.Port)
	proof := identified(p)
	if !proof && isPureAck(p) {
		count.Unjudged++
		return false, 0
	}
	t.expire()
	count.judged(p.Mono)
	h := t.hash(p)
	var v view
	v.set(p)
	for n := *t.bucket(h); n != 0; n = t.ring[n-1].next {
		e := &t.ring[n-1]
		if e.hash != h {
			continue
		}
		lag = max(p.Mono-e.mono, e.mono-p.Mono)
		if lag > int64(t.config.Window) {
			continue
		}
		if proof || p.Protocol == capture.ProtoUDP || e.view != v || lag <= near {
			count.copied(p.Mono, lag, e.view, v)
			return true, lag
		}
		count.Again++
		break
	}
	t.remember(h, p.Mono, v)
	return false, 0
}

func (t *Table) bucket(h uint64) *uint32 { return &t.buckets[h&uint64(len(t.buckets)-1)] }

// identified reports whether p has an identification that only its copies
// share.
func identified(p *capture.Packet) bool {
	if p.Fragment.Valid {
		return p.Fragment.ID != 0
	}
	return p.IPID != 0
}

// isPureAck reports whether p is a TCP segment that may be sent again and again
// with the same content, and is meant each time.
func isPureAck(p *capture.Packet) bool {
	return p.Protocol == capture.ProtoTCP && !p.Fragment.Valid && p.Length == 0 && p.TCP.Flags&(capture.FlagSYN|capture.FlagFIN|capture.FlagRST) == 0
}

// remember puts an entry in the ring, at the head of its bucket.
func (t *Table) remember(h uint64, mono int64, v view) {
	switch {
	case t.held < uint32(len(t.ring)):
	case len(t.ring) < t.config.Entries:
		t.grow()
	default:
		t.overrun++
		t.forget()
	}
	at := t.oldest + t.held
	if at >= uint32(len(t.ring)) {
		at -= uint32(len(t.ring))
	}
	bucket := t.bucket(h)
	t.ring[at] = entry{hash: h, mono: mono, next: *bucket, view: v}
	*bucket = at + 1
	t.held++
}

// grow makes a full table larger, up to twice.
func (t *Table) grow() {
	old, oldest := t.ring, t.oldest
	n := min(2*len(old), t.config.Entries)
	t.ring, t.buckets = make([]entry, n), make([]uint32, buckets(n))
	t.oldest = 0
	k := copy(t.ring, old[oldest:])
	copy(t.ring[k:], old[:oldest])
	for i := range t.held { // the oldest first: it is the last of its bucket
		bucket := t.bucket(t.ring[i].hash)
		t.ring[i].next, *bucket = *bucket, i+1
	}
}

// forget takes the oldest entry out. It is the last of its bucket.
func (t *Table) forget() {
	e := &t.ring[t.oldest]
	link := t.bucket(e.hash)
	for *link != t.oldest+1 {
		link = &t.ring[*link-1].next
	}
	*link = 0
	t.held--
	if t.oldest++; t.oldest == uint32(len(t.ring)) {
		t.oldest = 0
	}
}

func (t *Table) expire() {
	for t.held > 0 && t.now-t.ring[t.oldest].mono > int64(t.config.Window) {
		t.forget()
	}
}
