package intake

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"
)

// Limits of the queue.
const (
	queueItems = 4096
	queueBytes = 8 << 20
	// share is the part of it, one in so many, that one sender may fill.
	share = 2
	// itemBytes is what an item is without its octets.
	itemBytes = int64(unsafe.Sizeof(Item{}))
)

// Queue is what was taken in and has not been correlated yet. Many put in, one
// goroutine takes out.
type Queue struct {
	items chan *Item
	free  chan *Item
	bytes atomic.Int64
	head  *Item // taken out of items, and still first
}

func newQueue() *Queue {
	return &Queue{items: make(chan *Item, queueItems), free: make(chan *Item, queueItems)}
}

// item returns an empty item.
func (q *Queue) item() *Item {
	select {
	case it := <-q.free:
		return it
	default:
		return new(Item)
	}
}

// recycle takes back an item that nobody looks at any more.
func (q *Queue) recycle(it *Item) {
	it.reset()
	select {
	case q.free <- it:
	default:
	}
}

// patience is how long a connection's reader waits for room. Meanwhile it reads
// nothing, so that a sender with more to say than there is room for is slowed
// down; but never for longer: SIP servers have been seen to stop when the
// collector of their traces did.
const (
	patience = 250 * time.Millisecond
	nap      = 5 * time.Millisecond
)

// put hands it over, and waits for room if it may. The item is the consumer's
// when it returns DropNone.
func (q *Queue) put(ctx context.Context, it *Item, wait bool) Drop {
	drop := q.try(it)
	if drop == DropNone || !wait {
		return drop
	}
	tick := time.NewTicker(nap)
	defer tick.Stop()
	for range int(patience / nap) {
		select {
		case <-ctx.Done():
			return drop
		case <-tick.C:
		}
		if drop = q.try(it); drop == DropNone {
			return drop
		}
	}
	return drop
}

func (q *Queue) try(it *Item) Drop {
	size := it.size()
	p := it.peer
	if p.queued.Add(1) > queueItems/share || p.queuedBytes.Load()+size > queueBytes/share {
		p.queued.Add(-1)
		return DropShare
	}
	if q.bytes.Add(size) > queueBytes {
		q.bytes.Add(-size)
		p.queued.Add(-1)
		return DropQueue
	}
	p.queuedBytes.Add(size)
	if it.pending != nil {
		it.pending.Add(1)
	}
	select {
	case q.items <- it:
		return DropNone
	default:
	}
	q.forget(it, size)
	return DropQueue
}

// forget takes an item out of the books.
func (q *Queue) forget(it *Item, size int64) {
	q.bytes.Add(-size)
	it.peer.queued.Add(-1)
	it.peer.queuedBytes.Add(-size)
	if it.pending != nil {
		it.pending.Add(-1)
	}
}

// Peek returns the first item, nil when there is none. It stays the first until
// Done.
func (q *Queue) Peek() *Item {
	if q.head == nil {
		select {
		case q.head = <-q.items:
		default:
		}
	}
	return q.head
}

// Done ends the first item: what was to be kept of it is kept elsewhere.
func (q *Queue) Done() {
	it := q.head
	q.head = nil
	q.forget(it, it.size())
	q.recycle(it)
}

// Len returns how many items wait.
func (q *Queue) Len() int { return len(q.items) }
