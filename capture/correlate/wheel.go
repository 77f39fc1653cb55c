package correlate

import (
	"cmp"
	"slices"
	"time"
)

// wheel calls calls when they are due: one list of calls per second, round and
// round. A call whose time is further away than the wheel is long is looked at
// once a round. Moving a call costs the same however many there are.
type wheel struct {
	slots []*call // heads of doubly linked rings
	tick  int64   // the second that was advanced to last
	begun bool
}

const (
	wheelSlots = 512
	wheelStep  = int64(time.Second)
	noSlot     = -1
)

func newWheel() wheel { return wheel{slots: make([]*call, wheelSlots)} }

// move puts k where its due time belongs, taking it from where it was.
func (w *wheel) move(k *call) {
	w.remove(k)
	slot := max(k.due/wheelStep+1, w.tick+1) % wheelSlots
	if slot < 0 {
		slot += wheelSlots
	}
	k.slot = int32(slot)
	head := w.slots[slot]
	if head == nil {
		k.prev, k.next = k, k
		w.slots[slot] = k
		return
	}
	k.prev, k.next = head.prev, head
	head.prev.next = k
	head.prev = k
}

// remove takes k out of the wheel if it is in it.
func (w *wheel) remove(k *call) {
	if k.next == nil {
		return
	}
	if k.next == k {
		w.slots[k.slot] = nil
	} else {
		k.prev.next, k.next.prev = k.next, k.prev
		if w.slots[k.slot] == k {
			w.slots[k.slot] = k.next
		}
	}
	k.prev, k.next, k.slot = nil, nil, noSlot
}

// advance goes on to now and hands each call that is due to fire, which
// removes it or moves it on.
func (w *wheel) advance(now int64, fire func(*call)) {
	to := now / wheelStep
	if !w.begun {
		w.begun, w.tick = true, to
		return
	}
	from := max(w.tick, to-wheelSlots)
	w.tick = max(w.tick, to)
	for s := from + 1; s <= to; s++ {
		slot := s % wheelSlots
		if slot < 0 {
			slot += wheelSlots
		}
		w.turn(slot, now, fire)
	}
}

// turn looks at each call that is in the slot now; what fire puts back into
// the same slot is not looked at again.
func (w *wheel) turn(slot, now int64, fire func(*call)) {
	n := 0
	for k := w.slots[slot]; k != nil; k = k.next {
		n++
		if k.next == w.slots[slot] {
			break
		}
	}
	k := w.slots[slot]
	for range n {
		next := k.next
		if k.due <= now {
			fire(k)
		}
		k = next
	}
}

// all returns every call in the wheel, in the order in which they began.
func (w *wheel) all() []*call {
	var all []*call
	for _, head := range w.slots {
		for k := head; k != nil; k = k.next {
			all = append(all, k)
			if k.next == head {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b *call) int { return cmp.Compare(a.order, b.order) })
	return all
}
