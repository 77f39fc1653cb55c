package relay

import (
	"container/heap"
	"time"
)

// packet is an RTP packet on its way.
type packet struct {
	stream *stream
	number int64
	frame  []byte
}

// queue holds packets until they are due; of those due at once, the first in
// is the first out.
type queue struct {
	items items
	count uint64
}

type item struct {
	packet
	at time.Time
	n  uint64
}

type items []item

func (q items) Len() int      { return len(q) }
func (q items) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q items) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].n < q[j].n
	}
	return q[i].at.Before(q[j].at)
}
func (q *items) Push(x any) { *q = append(*q, x.(item)) }
func (q *items) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (q *queue) push(p packet, at time.Time) {
	q.count++
	heap.Push(&q.items, item{p, at, q.count})
}

func (q *queue) empty() bool { return len(q.items) == 0 }

func (q *queue) next() (time.Time, bool) {
	if q.empty() {
		return time.Time{}, false
	}
	return q.items[0].at, true
}

// pop returns the first packet that is due by now.
func (q *queue) pop(now time.Time) (packet, bool) {
	if at, ok := q.next(); !ok || at.After(now) {
		return packet{}, false
	}
	return heap.Pop(&q.items).(item).packet, true
}
