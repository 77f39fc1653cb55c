package syslogd

import (
	"sync/atomic"
	"unsafe"

	"heptap/capture"
)

// Limits of the queue.
const (
	queueItems = 4096
	queueBytes = 4 << 20
	keptBuffer = 2 << 10 // the largest buffer that an idle item keeps
	itemBytes  = int64(unsafe.Sizeof(item{}))
)

// item is one line. It owns its octets.
type item struct {
	message capture.Message
	buf     []byte
}

// queue is what was received and not taken yet. Many put in, one takes out.
type queue struct {
	items chan *item
	free  chan *item
	bytes atomic.Int64
	head  *item // taken out of items, and still first
}

func newQueue() queue {
	return queue{items: make(chan *item, queueItems), free: make(chan *item, queueItems)}
}

// put copies m and reports whether there was room.
func (q *queue) put(m *capture.Message) bool {
	size := itemBytes + int64(len(m.Payload))
	if q.bytes.Add(size) > queueBytes {
		q.bytes.Add(-size)
		return false
	}
	var it *item
	select {
	case it = <-q.free:
	default:
		it = new(item)
	}
	it.buf = append(it.buf[:0], m.Payload...)
	it.message = *m
	it.message.Payload = it.buf
	select {
	case q.items <- it:
		return true
	default:
	}
	q.bytes.Add(-size)
	q.recycle(it)
	return false
}

// Peek returns the first message, nil when there is none. It stays the first,
// and valid, until Done.
func (q *queue) Peek() *capture.Message {
	if q.head == nil {
		select {
		case q.head = <-q.items:
		default:
			return nil
		}
	}
	return &q.head.message
}

// Done ends the first message.
func (q *queue) Done() {
	it := q.head
	q.head = nil
	q.bytes.Add(-itemBytes - int64(len(it.message.Payload)))
	q.recycle(it)
}

func (q *queue) recycle(it *item) {
	if cap(it.buf) > keptBuffer {
		it.buf = nil
	}
	select {
	case q.free <- it:
	default:
	}
}
