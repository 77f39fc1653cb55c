package infer

// callID is a Call-ID, in place.
type callID struct {
	n      uint16
	octets [MaxCallID]byte
}

func (c *callID) set(id []byte)     { c.n = uint16(copy(c.octets[:], id)) }
func (c *callID) bytes() []byte     { return c.octets[:c.n] }
func (c *callID) is(id []byte) bool { return string(c.bytes()) == string(id) }

// pending is a query or a placed request that waits for its decision. A reply
// that came before its query waits in the same way, with asked false.
type pending struct {
	id       uint64 // Query.ID
	leg      callID // Call-ID of a placed request
	host     uint64
	at       int64
	reply    int64  // 0: not seen
	template uint64 // of what is asked in the same way, or of legs at the host
	wide     uint64 // of what is asked of the same server, or of all legs: stands in while little was seen
	media    uint64
	hops     int16
	due      int64
	next     int32 // in its chain, or in the list of the free
	asked    bool
	isLeg    bool
	busy     bool
	cut      bool
	n        uint8
	token    [maxNumbers + maxWords]token
	role     [maxKeys]role // of a leg's tokens
}

// due is when a pending decision is to be looked at. An entry whose time is not
// the pending's own is stale.
type due struct {
	at  int64
	pos int32
}

// queue holds what is pending: by id, and by time in a heap. It can be made larger, up
// to most.
type queue struct {
	slab  []pending
	heads []int32
	most  int
	free  int32
	held  int
	heap  []due
}

// firstPending is how many places a queue begins with.
const firstPending = 64

func newQueue(size, most int) *queue {
	q := &queue{slab: make([]pending, size), heads: make([]int32, buckets(size)), most: most, heap: make([]due, 0, 2*size)}
	for i := range q.heads {
		q.heads[i] = -1
	}
	for i := range q.slab {
		q.slab[i].next = int32(i) + 1
	}
	q.slab[size-1].next = -1
	return q
}

func (q *queue) bucket(id uint64) int { return int(mix(id) & uint64(len(q.heads)-1)) }

// find returns the place of a query, or -1.
func (q *queue) find(id uint64, leg []byte) int32 {
	for n := q.heads[q.bucket(id)]; n >= 0; n = q.slab[n].next {
		if p := &q.slab[n]; p.id == id && p.leg.is(leg) {
			return n
		}
	}
	return -1
}

// grow makes a full queue larger, up to twice, unless it is as large as it may be.
// What is in it keeps its places.
func (q *queue) grow() bool {
	held := len(q.slab)
	if held == q.most {
		return false
	}
	n := newQueue(min(2*held, q.most), q.most)
	n.free, n.held, n.heap = int32(held), held, append(n.heap, q.heap...)
	for pos := range copy(n.slab, q.slab) {
		p := &n.slab[pos]
		b := n.bucket(p.id)
		p.next, n.heads[b] = n.heads[b], int32(pos)
	}
	*q = *n
	return true
}

// take makes room for a query; there must be some.
func (q *queue) take(id uint64, leg []byte) int32 {
	n := q.free
	p := &q.slab[n]
	q.free = p.next
	b := q.bucket(id)
	p.id, p.next, p.busy, p.reply, p.asked, p.cut, p.n = id, q.heads[b], true, 0, false, false, 0
	p.leg.set(leg)
	q.heads[b] = n
	q.held++
	return n
}

func (q *queue) release(pos int32) {
	p := &q.slab[pos]
	at := &q.heads[q.bucket(p.id)]
	for *at != pos {
		at = &q.slab[*at].next
	}
	*at = p.next
	p.next, p.busy = q.free, false
	q.free = pos
	q.held--
}

// schedule says when a pending is to be decided, instead of when it was.
func (q *queue) schedule(pos int32, at int64) {
	q.slab[pos].due = at
	if len(q.heap) == cap(q.heap) {
		q.sweep()
	}
	q.heap = append(q.heap, due{at, pos})
	q.up(len(q.heap) - 1)
}

// sweep takes stale entries out. Of each pending one is left, so that at least half go
// when the heap is full.
func (q *queue) sweep() {
	k := 0
	for _, d := range q.heap {
		if p := &q.slab[d.pos]; p.busy && p.due == d.at {
			q.heap[k] = d
			k++
		}
	}
	q.heap = q.heap[:k]
	for i := k/2 - 1; i >= 0; i-- {
		q.down(i)
	}
}

// pop returns the next that is due by a time, or -1.
func (q *queue) pop(now int64) int32 {
	for len(q.heap) > 0 && q.heap[0].at <= now {
		d := q.heap[0]
		last := len(q.heap) - 1
		q.heap[0] = q.heap[last]
		q.heap = q.heap[:last]
		q.down(0)
		if p := &q.slab[d.pos]; p.busy && p.due == d.at {
			return d.pos
		}
	}
	return -1
}

func (d due) before(e due) bool { return d.at < e.at || d.at == e.at && d.pos < e.pos }

func (q *queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.heap[i].before(q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *queue) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(q.heap) {
			return
		}
		if c+1 < len(q.heap) && q.heap[c+1].before(q.heap[c]) {
			c++
		}
		if !q.heap[c].before(q.heap[i]) {
			return
		}
		q.heap[i], q.heap[c] = q.heap[c], q.heap[i]
		i = c
	}
}
