package infer

import "math"

// The keys of a start. Each slot is a place in a chain.
const (
	idSlot   = 0 // Call-ID and host
	hostSlot = 1 // host
	keySlot  = 2 // and those after it: a key and host
	maxKeys  = 6
	slots    = keySlot + maxKeys

	maxReplies = 6 // replies to linked queries that a start remembers
)

// start is a request that arrived.
type start struct {
	host   uint64
	at     int64
	sent   int64             // what the host sent next; 0: not seen
	steps  [maxReplies]int64 // when replies to its queries came, the latest; 0: none
	media  uint64
	id     uint64 // hash of Call-ID and host
	cseq   uint32
	hops   int16  // Max-Forwards, -1: none
	idAt   uint32 // where its Call-ID is in table.text, and
	idLen  uint16
	invite bool
	n      uint8
	role   [maxKeys]role
	key    [maxKeys]key
	next   [slots]int32
	prev   [slots]int32 // ^bucket at the head of a chain
}

// table remembers requests in the order in which they came, and forgets them in
// that order. Those with the same key at the same host are chained, the newest
// first. It doubles when it is full, up to most requests, and halves when it is a quarter
// full at most, down to least: a flood's memory is given back.
type table struct {
	ring    []start
	text    []byte // Call-IDs of the starts in ring, in the same order, each in one piece
	heads   []int32
	least   int
	most    int
	first   uint64 // the oldest, as a count since the beginning
	next    uint64
	textEnd uint32 // where the newest Call-ID ends
	evicted int64  // time of the latest that went before its time
}

const (
	firstStarts = 512 // a table begins with so many
	idOctets    = 64  // and has so many octets for the Call-ID of each, on average
)

func newTable(size, most int) *table {
	t := &table{ring: make([]start, size), text: make([]byte, idOctets*size), heads: make([]int32, buckets(4*size)), least: size, most: most, evicted: never}
	for i := range t.heads {
		t.heads[i] = -1
	}
	return t
}

func (t *table) held() int { return int(t.next - t.first) }

func (t *table) bucket(h uint64) int32 { return int32(h & uint64(len(t.heads)-1)) }

func keyHash(host uint64, k key) uint64    { return mix(host ^ k.place()*hashPrime) }
func idHash(host uint64, id []byte) uint64 { return hashOctets(host^hashBasis, id) }
func hostHash(host uint64) uint64          { return mix(host + 1) }

// replied notes the reply to a query of s, in place of the earliest.
func (s *start) replied(at int64) {
	oldest := 0
	for i, have := range s.steps {
		if have < s.steps[oldest] {
			oldest = i
		}
	}
	s.steps[oldest] = max(s.steps[oldest], at)
}

// step returns when the host got what it last waited for, at a time: the request or the
// reply to a query of it.
func (s *start) step(at int64) int64 {
	last := s.at
	for _, t := range s.steps {
		if t <= at {
			last = max(last, t)
		}
	}
	return last
}

// hash is that of a slot of a start.
func (s *start) hash(slot int) uint64 {
	switch slot {
	case idSlot:
		return s.id
	case hostSlot:
		return hostHash(s.host)
	}
	return keyHash(s.host, s.key[slot-keySlot])
}

// link puts a start's slot at the head of its chain.
func (t *table) link(pos int32, slot int) {
	s := &t.ring[pos]
	b := t.bucket(s.hash(slot))
	node := pos*slots + int32(slot)
	s.next[slot], s.prev[slot] = t.heads[b], ^b
	if n := t.heads[b]; n >= 0 {
		t.ring[n/slots].prev[n%slots] = node
	}
	t.heads[b] = node
}

func (t *table) unlink(pos int32, slot int) {
	s := &t.ring[pos]
	next, prev := s.next[slot], s.prev[slot]
	if prev < 0 {
		t.heads[^prev] = next
	} else {
		t.ring[prev/slots].next[prev%slots] = next
	}
	if next >= 0 {
		t.ring[next/slots].prev[next%slots] = prev
	}
}

// id returns the Call-ID of a start.
func (t *table) id(pos int32) []byte {
	s := &t.ring[pos]
	return t.text[s.idAt : s.idAt+uint32(s.idLen)]
}

// is says whether the start at pos has this Call-ID.
func (t *table) is(pos int32, id []byte) bool { return string(t.id(pos)) == string(id) }

// push remembers a start, whose keys are set, of a Call-ID. It returns how many gave
// way before their time.
func (t *table) push(s *start, id []byte) (evicted int) {
	at, ok := t.place(len(id))
	for !ok {
		if len(t.ring) < t.most {
			t.resize(min(2*len(t.ring), t.most))
		} else {
			t.evicted = max(t.evicted, t.ring[t.first%uint64(len(t.ring))].at)
			t.pop()
			evicted++
		}
		at, ok = t.place(len(id))
	}
	pos := int32(t.next % uint64(len(t.ring)))
	t.next++
	s.idAt, s.idLen = at, uint16(len(id))
	t.textEnd = at + uint32(copy(t.text[at:], id))
	t.ring[pos] = *s
	for slot := range keySlot + int(s.n) {
		t.link(pos, slot)
	}
	return evicted
}

// textUsed returns how many octets of text are taken, what is left empty at its end included.
func (t *table) textUsed() int {
	if t.held() == 0 {
		return 0
	}
	used := int(t.textEnd) - int(t.ring[t.first%uint64(len(t.ring))].idAt)
	if used <= 0 {
		used += len(t.text)
	}
	return used
}

// place finds room for one more start, with a Call-ID of n octets.
func (t *table) place(n int) (at uint32, ok bool) {
	if t.held() == 0 {
		return 0, true
	}
	if t.held() == len(t.ring) {
		return 0, false
	}
	oldest, end := int(t.ring[t.first%uint64(len(t.ring))].idAt), int(t.textEnd)
	switch {
	case end > oldest && end+n <= len(t.text), end < oldest && end+n < oldest:
		return t.textEnd, true
	case end > oldest && n < oldest:
		return 0, true
	}
	return 0, false
}

// resize gives t room for so many. What is in it gets other places.
func (t *table) resize(size int) {
	n := newTable(size, t.most)
	n.least, n.evicted = t.least, t.evicted
	for ; t.first < t.next; t.first++ {
		pos := int32(t.first % uint64(len(t.ring)))
		n.push(&t.ring[pos], t.id(pos))
	}
	*t = *n
}

// pop forgets the oldest.
func (t *table) pop() {
	pos := int32(t.first % uint64(len(t.ring)))
	t.first++
	s := &t.ring[pos]
	for slot := range keySlot + int(s.n) {
		t.unlink(pos, slot)
	}
}

// expire forgets what came before a time.
func (t *table) expire(before int64) {
	for t.first < t.next && t.ring[t.first%uint64(len(t.ring))].at < before {
		t.pop()
	}
	if n := len(t.ring); n/2 >= t.least && t.held() <= n/4 && t.textUsed() <= len(t.text)/4 {
		t.resize(n / 2)
	}
}

// walk calls f for the starts of the chain of h, and reports whether it saw them all:
// it gives up after so many steps, or when f says so.
func (t *table) walk(h uint64, steps int, f func(pos int32, slot int) bool) bool {
	for n := t.heads[t.bucket(h)]; n >= 0; n = t.ring[n/slots].next[n%slots] {
		if steps--; steps < 0 || !f(n/slots, int(n%slots)) {
			return false
		}
	}
	return true
}

func clampHops(n int) int16 { return int16(min(max(n, -1), math.MaxInt16)) }
