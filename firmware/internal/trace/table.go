package trace

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// kind says which of two lists an entry is in: each has room of its own, so that
// a flood of OPTIONS pushes out no call.
type kind uint8

const (
	calls kind = iota
	others
	numKinds
)

// entry is what is remembered under one Call-ID.
type entry struct {
	hash         uint64
	matched      uint64 // rules that the first message matched, types apart
	leg          uint64 // hash of the Call-ID that this is one more leg of, 0 for none
	seen         int64  // monotonic time of the last record, ns
	chain        int32  // next entry of the bucket, none at its end
	newer, older int32
	kind         kind
	invited      bool // the first message was an INVITE outside a dialog
}

const none = -1

// table is what is remembered of Call-IDs. All memory is taken when it is made.
type table struct {
	seed    maphash.Seed
	idle    int64
	entries []entry
	buckets []int32 // a power of two of them
	free    int32   // chained by chain
	lists   [numKinds]struct {
		newest, oldest int32
		n, max         int
	}

	held             [numKinds]atomic.Int64
	evicted, expired atomic.Uint64
}

// room returns how many entries there are in all, and how many buckets.
func (l *Limits) room() (perKind [numKinds]int, buckets int) {
	perKind = [numKinds]int{calls: max(1, l.Calls), others: max(1, l.Calls/4)}
	buckets = 1
	for buckets < perKind[calls]+perKind[others] {
		buckets *= 2
	}
	return perKind, buckets
}

func (l *Limits) memoryBytes() int64 {
	perKind, buckets := l.room()
	return int64(perKind[calls]+perKind[others])*int64(unsafe.Sizeof(entry{})) + int64(buckets)*4
}

func (t *table) init(l *Limits) {
	perKind, buckets := l.room()
	t.seed, t.idle = maphash.MakeSeed(), int64(l.Idle)
	t.entries, t.buckets = make([]entry, perKind[calls]+perKind[others]), make([]int32, buckets)
	for i := range t.buckets {
		t.buckets[i] = none
	}
	for i := range t.entries {
		t.entries[i].chain = int32(i) - 1 // the first one ends the chain
	}
	t.free = int32(len(t.entries)) - 1
	for k := range t.lists {
		t.lists[k].newest, t.lists[k].oldest, t.lists[k].max = none, none, perKind[k]
	}
}

// find returns the entry of a Call-ID, as seen now, or none.
func (t *table) find(id []byte, now int64) int32 { return t.findHash(t.hash(id), now) }

func (t *table) hash(id []byte) uint64 { return maphash.Bytes(t.seed, id) }

func (t *table) findHash(h uint64, now int64) int32 {
	for i := t.buckets[h&uint64(len(t.buckets)-1)]; i != none; i = t.entries[i].chain {
		e := &t.entries[i]
		if e.hash != h {
			continue
		}
		if now-e.seen > t.idle {
			t.remove(i)
			t.expired.Add(1)
			return none
		}
		e.seen = now
		if l := &t.lists[e.kind]; l.newest != i {
			t.unlink(i)
			t.link(i)
		}
		return i
	}
	return none
}

// add makes the entry of a Call-ID that has none.
func (t *table) add(id []byte, k kind, now int64) int32 {
	t.makeRoom(k, now)
	i := t.free // there is one: as many as fit both lists
	e := &t.entries[i]
	t.free = e.chain
	h := t.hash(id)
	b := &t.buckets[h&uint64(len(t.buckets)-1)]
	*e = entry{hash: h, seen: now, chain: *b, kind: k}
	*b = i
	t.link(i)
	return i
}

// move puts an entry, which was just seen, into the other list.
func (t *table) move(i int32, k kind, now int64) {
	t.makeRoom(k, now)
	t.unlink(i)
	t.entries[i].kind = k
	t.link(i)
}

// makeRoom has place for one more entry in a list.
func (t *table) makeRoom(k kind, now int64) {
	l := &t.lists[k]
	for l.oldest != none && now-t.entries[l.oldest].seen > t.idle {
		t.remove(l.oldest)
		t.expired.Add(1)
	}
	if l.n == l.max {
		t.remove(l.oldest)
		t.evicted.Add(1)
	}
}

// remove frees an entry.
func (t *table) remove(i int32) {
	e := &t.entries[i]
	t.unlink(i)
	at := &t.buckets[e.hash&uint64(len(t.buckets)-1)]
	for *at != i {
		at = &t.entries[*at].chain
	}
	*at = e.chain
	e.chain, t.free = t.free, i
}

// link puts an entry at its list's new end.
func (t *table) link(i int32) {
	e := &t.entries[i]
	l := &t.lists[e.kind]
	e.newer, e.older = none, l.newest
	if l.newest != none {
		t.entries[l.newest].newer = i
	} else {
		l.oldest = i
	}
	l.newest = i
	l.n++
	t.held[e.kind].Store(int64(l.n))
}

func (t *table) unlink(i int32) {
	e := &t.entries[i]
	l := &t.lists[e.kind]
	if e.newer != none {
		t.entries[e.newer].older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != none {
		t.entries[e.older].newer = e.newer
	} else {
		l.oldest = e.newer
	}
	l.n--
	t.held[e.kind].Store(int64(l.n))
}
