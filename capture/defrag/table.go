package defrag

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
	"unsafe"

	"heptap/capture"
)

// Config says how a Table works. The zero value means the defaults.
type Config struct {
	Datagrams int           // most datagrams at a time, done and dead ones included; 1024
	Bytes     int           // most octets of them, 4 MiB; at least MinBytes
	Fragments int           // most fragments of one datagram, 64; at most MaxFragments
	Timeout   time.Duration // from its first fragment until a datagram is given up, 5 s
	// Linger is how long a whole datagram absorbs copies of its fragments, 200
	// ms: more than congested mirrors lag, less than SIP's T1.
	Linger time.Duration
	// Partial, if set, is shown every datagram that is given up and whose
	// beginning is there, as Add returns whole ones; Truncated is set. Length
	// is what the fragments that came say, if the last did not. It must not
	// call the Table.
	Partial func(p *capture.Packet)
}

// Bounds of Config.
const (
	MinBytes     = 128 << 10
	MaxFragments = 1024
)

// suspicious is the time from the first fragment to the last, above which they
// may be of two datagrams.
const suspicious = int64(500 * time.Millisecond)

func (c Config) withDefaults() Config {
	if c.Datagrams <= 0 {
		c.Datagrams = 1024
	}
	if c.Bytes <= 0 {
		c.Bytes = 4 << 20
	}
	c.Bytes = max(c.Bytes, MinBytes)
	if c.Fragments <= 0 {
		c.Fragments = 64
	}
	c.Fragments = min(c.Fragments, MaxFragments)
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Linger <= 0 {
		c.Linger = 200 * time.Millisecond
	}
	return c
}

// MemoryBytes returns the most memory a Table made from c will ever hold.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	each := int64(unsafe.Sizeof(datagram{})) + int64(c.Fragments)*int64(unsafe.Sizeof(span{})) + int64(unsafe.Sizeof(&datagram{}))
	blocks := int64(c.Bytes / blockSize)
	return int64(unsafe.Sizeof(Table{})) + int64(c.Datagrams)*each + blocks*(blockSize+int64(unsafe.Sizeof(&block{}))) +
		int64(buckets(c.Datagrams))*int64(unsafe.Sizeof(&datagram{}))
}

func buckets(n int) int { return 1 << bits.Len(uint(n)) }

// Table holds the datagrams of one goroutine, which alone calls its methods;
// Stats may be called from any.
type Table struct {
	config  Config
	seed    maphash.Seed
	buckets []*datagram

	free       []*datagram
	freeBlocks []*block
	made       int // datagrams
	madeBlocks int

	open, done, dead list // by due time
	now              int64
	count            Stats
	whole            capture.Packet  // what Add returns
	key              key             // whole's addresses
	scratch          [maxLength]byte // whole's payload

	mu        sync.Mutex
	published Stats // guarded by mu
}

// New returns an empty table.
func New(c Config) *Table {
	c = c.withDefaults()
	return &Table{
		config: c, seed: maphash.MakeSeed(), buckets: make([]*datagram, buckets(c.Datagrams)),
		free: make([]*datagram, 0, c.Datagrams), freeBlocks: make([]*block, 0, c.Bytes/blockSize),
	}
}

// MemoryBytes returns the most memory t will ever hold, for the budget.
func (t *Table) MemoryBytes() int64 { return t.config.MemoryBytes() }

// Add takes in p, a fragment (p.Fragment.Valid), and retains nothing of it.
// When p makes a datagram whole, Add returns the packet of its first fragment
// with all the octets as Payload and no Fragment, and with the time, port and
// VLAN of p; else nil. What it returns is borrowed until the next call.
func (t *Table) Add(p *capture.Packet) *capture.Packet {
	t.count.Fragments++
	t.expire(p.Mono)
	var f piece
	var k key
	if !t.measure(p, &f) {
		return nil
	}
	if !k.set(p) {
		t.count.Malformed++
		return nil
	}
	d := t.find(&k)
	if d == nil {
		d = t.begin(&k)
	}
	if d.state != open {
		if d.state == dead {
			t.count.Absorbed++
			return nil
		}
		if d.absorbs(&f) {
			t.count.Copies++
			return nil
		}
		t.release(d) // the identification is used again
		d = t.begin(&k)
	}
	if d = t.admit(d, &f); d == nil {
		return nil
	}
	d.note(p)
	t.reserve(d, &f)
	d.write(&f)
	d.insert(&f)
	if f.last {
		d.total = int(f.end)
	}
	if !d.complete() {
		return nil
	}
	return t.deliver(d)
}

// measure fills in f with p's place and octets. It reports false, and counts,
// when p has no place in any datagram.
func (t *Table) measure(p *capture.Packet, f *piece) bool {
	length, data := p.Length, p.Payload
	if p.Fragment.More && length%8 != 0 {
		if len(p.Src) != 4 {
			t.count.Malformed++
			return false
		}
		length &^= 7
	}
	if length <= 0 {
		t.count.Malformed++
		return false
	}
	if int(p.Fragment.Offset)+length > maxLength {
		t.count.TooLong++
		return false
	}
	f.data = data[:min(len(data), length)]
	f.span = span{p.Fragment.Offset, p.Fragment.Offset + uint16(length), uint16(len(f.data))}
	f.last = !p.Fragment.More
	return true
}

// admit decides whether f goes into d, which is open, or into a datagram that
// takes its place, or nowhere: nil.
func (t *Table) admit(d *datagram, f *piece) *datagram {
	switch d.compare(f) {
	case same:
		t.count.Duplicates++
		t.extend(d, f)
		return nil
	case overlaps:
		t.count.Overlaps++
		if d.key.is6() {
			t.count.Discarded++
			t.kill(d)
			return nil
		}
		if d.differs(f) {
			t.count.Conflicts++
			d.doubt = true
		}
	case contrary:
		if d.key.is6() {
			t.count.Discarded++
			t.kill(d)
			return nil
		}
		t.count.Reused++
		k := d.key
		t.partial(d)
		t.release(d)
		d = t.begin(&k)
		d.doubt = true
	}
	if len(d.spans) == t.config.Fragments {
		t.count.TooMany++
		t.partial(d)
		t.kill(d)
		return nil
	}
	return d
}

// extend takes from f, whose range d has, octets that the capture cut off the
// first time.
func (t *Table) extend(d *datagram, f *piece) {
	for i := range d.spans {
		if s := &d.spans[i]; s.start == f.start && s.end == f.end && s.got < f.got {
			t.reserve(d, f)
			d.write(f)
			s.got = f.got
			return
		}
	}
}

// deliver makes d, which is complete, the whole datagram that Add returns.
func (t *Table) deliver(d *datagram) *capture.Packet {
	b := t.fill(d)
	if (d.doubt || t.now-d.born > suspicious) && !t.whole.Truncated && d.checksumWrong(b) {
		t.count.Mixed++
		t.release(d)
		return nil
	}
	t.count.Whole++
	if t.whole.Truncated {
		t.count.Cut++
	}
	t.list(d).remove(d)
	d.state, d.due = done, t.now+int64(t.config.Linger)
	t.done.push(d)
	return &t.whole
}

// partial shows what there is of d, if its beginning is.
func (t *Table) partial(d *datagram) {
	if t.config.Partial == nil || d.prefix() == 0 {
		return
	}
	t.count.Partial++
	t.fill(d)
	t.whole.Truncated = true
	t.config.Partial(&t.whole)
}

// fill makes t.whole d and returns its payload.
func (t *Table) fill(d *datagram) []byte {
	n := d.prefix()
	for at := 0; at < n; at += blockSize {
		copy(t.scratch[at:n], d.blocks[at/blockSize][:])
	}
	t.key, t.whole = d.key, d.packet
	t.whole.Src, t.whole.Dst = t.key.addresses()
	t.whole.Payload = t.scratch[:n:n]
	t.whole.Length = d.length()
	t.whole.Truncated = n < t.whole.Length
	return t.whole.Payload
}

// Advance moves the table's time to mono, which ends what is due, and
// publishes Stats. Call it at least once a second.
func (t *Table) Advance(mono int64) {
	t.expire(mono)
	t.publish()
}

// Flush ends everything, as if all time had passed: the capture is over.
func (t *Table) Flush() {
	for t.open.head != nil {
		t.end(t.open.head)
	}
	for _, l := range []*list{&t.done, &t.dead} {
		for l.head != nil {
			t.release(l.head)
		}
	}
	t.publish()
}

func (t *Table) expire(mono int64) {
	t.now = max(t.now, mono)
	for t.open.head != nil && t.open.head.due <= t.now {
		t.end(t.open.head)
	}
	for t.done.head != nil && t.done.head.due <= t.now {
		t.release(t.done.head)
	}
	for t.dead.head != nil && t.dead.head.due <= t.now {
		t.release(t.dead.head)
	}
}

// end gives up d, whose time is over.
func (t *Table) end(d *datagram) {
	t.count.Expired++
	t.count.ExpiredFragments += uint64(len(d.spans))
	t.partial(d)
	t.release(d)
}
