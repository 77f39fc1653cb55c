package assembly

import (
	"time"
	"unsafe"
)

// What an agent has read on a connection may come after the connection's end: it was sent
// over another one, waited in a spool, or its sender's clock is not ours.
const (
	maxEnded = 4096                   // connections that are remembered after their end
	endedFor = int64(5 * time.Minute) // and how long
)

// lifetime is when a connection was open, by the wall clock, and its id.
type lifetime struct {
	ends        ends
	id          uint64
	began, over int64
	forget      int64 // by the monotonic clock
}

// endedBytes is what all of them take, with their places in the map.
const endedBytes = maxEnded * (int64(unsafe.Sizeof(lifetime{})) + endsBytes)

// endings remembers connections that Net was told of and that have ended; the oldest make
// room. Of those that had the same ends it is the last.
type endings struct {
	of   map[ends]uint64 // to the number of the ending
	ring []lifetime
	next uint64
}

// add remembers one.
func (e *endings) add(l lifetime) {
	if e.of == nil {
		e.of = make(map[ends]uint64)
	}
	if len(e.ring) < maxEnded {
		e.ring = append(e.ring, lifetime{})
	} else if old := &e.ring[e.next%maxEnded]; e.of[old.ends] == e.next-maxEnded {
		delete(e.of, old.ends)
	}
	e.ring[e.next%maxEnded] = l
	e.of[l.ends] = e.next
	e.next++
}

// find returns the last that had these ends, nil when it ended too long before now.
func (e *endings) find(k ends, now int64) *lifetime {
	n, ok := e.of[k]
	if !ok {
		return nil
	}
	if l := &e.ring[n%maxEnded]; now <= l.forget {
		return l
	}
	return nil
}

// off is how far wall is from the time between began and over.
func off(wall, began, over int64) int64 { return max(began-wall, wall-over, 0) }
