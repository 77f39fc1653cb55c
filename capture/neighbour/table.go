package neighbour

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// MaxNeighbours is how many a Table has.
const MaxNeighbours = 32

const (
	maxText   = 128 // octets of each text, and no more are kept
	perSecond = 50  // frames that are read; each device sends one in 30 s
)

// Neighbour is a device, as it last presented itself.
type Neighbour struct {
	Protocol        Protocol
	Source          [6]byte // hardware address
	Chassis, Port   string  // as people write them
	PortDescription string  // as the device wrote it: it may hold anything; so may System
	System          string
	VLAN            uint16 // of untagged frames; 0: not given
	TTL             time.Duration
	Age             time.Duration // since it was heard last
	Frames          uint64

	heard int64
}

// Counters are a Table's running totals. Frames = Read + Bad + Over.
type Counters struct {
	Frames  uint64
	Read    uint64
	Bad     uint64 // that cannot be read
	Over    uint64 // more than 50 in a second: not read
	Expired uint64 // neighbours that were not heard again in time, or said that they leave
	Evicted uint64 // neighbours that gave way to others
}

// Table has the neighbours of one port. Its methods may be called from any
// goroutine. The zero Table is empty.
type Table struct {
	mu       sync.Mutex
	known    []Neighbour
	counters Counters
	view     View
	scratch  [2][]byte

	second int64 // in which budget were read
	budget int
}

// MemoryBytes is the most that a Table holds.
func MemoryBytes() int64 {
	return int64(unsafe.Sizeof(Table{})) + MaxNeighbours*(int64(unsafe.Sizeof(Neighbour{}))+4*maxText) + 4<<10
}

// Add takes in an Ethernet frame of the time now, in nanoseconds of any clock
// that is not set back. It borrows frame. One of another protocol is passed over.
func (t *Table) Add(frame []byte, now int64) {
	if p, _, _ := locate(frame); p == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counters.Frames++
	if s := now / int64(time.Second); s > t.second {
		t.second, t.budget = s, 0
	}
	if t.budget == perSecond {
		t.counters.Over++
		return
	}
	t.budget++
	if err := t.view.Parse(frame); err != nil {
		t.counters.Bad++
		return
	}
	t.counters.Read++
	t.heard(&t.view, now)
	t.view = View{} // it borrows
}

// heard notes what a neighbour says.
func (t *Table) heard(v *View, now int64) {
	t.expire(now)
	chassis, port := cut(v.Chassis.Append(t.scratch[0][:0])), cut(v.Port.Append(t.scratch[1][:0]))
	t.scratch = [2][]byte{chassis, port}
	i := slices.IndexFunc(t.known, func(n Neighbour) bool {
		return n.Protocol == v.Protocol && n.Chassis == string(chassis) && n.Port == string(port)
	})
	switch {
	case v.TTL == 0:
		if i >= 0 {
			t.known = slices.Delete(t.known, i, i+1)
			t.counters.Expired++
		}
		return
	case i < 0 && len(t.known) == MaxNeighbours:
		t.counters.Evicted++
		i = 0
		for k := range t.known {
			if t.known[k].heard < t.known[i].heard {
				i = k
			}
		}
		t.known[i] = Neighbour{Protocol: v.Protocol, Chassis: string(chassis), Port: string(port)}
	case i < 0:
		i = len(t.known)
		t.known = append(t.known, Neighbour{Protocol: v.Protocol, Chassis: string(chassis), Port: string(port)})
	}
	n := &t.known[i]
	n.Source, n.VLAN, n.TTL, n.heard = v.Source, v.VLAN, time.Duration(v.TTL)*time.Second, max(n.heard, now)
	n.Frames++
	set(&n.PortDescription, v.PortDescription)
	set(&n.System, v.System)
}

// set has dst be the text in b, and makes a string only of another one.
func set(dst *string, b []byte) {
	b = cut(bytes.TrimRight(b, "\x00"))
	if *dst != string(b) {
		*dst = string(b)
	}
}

func cut(b []byte) []byte { return b[:min(len(b), maxText)] }

// expire forgets those that have not been heard in time.
func (t *Table) expire(now int64) {
	before := len(t.known)
	t.known = slices.DeleteFunc(t.known, func(n Neighbour) bool { return now-n.heard > int64(n.TTL) })
	t.counters.Expired += uint64(before - len(t.known))
}

// Counters returns what was counted.
func (t *Table) Counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counters
}

// Snapshot returns the neighbours at the time now, by chassis and port, and what was
// counted.
func (t *Table) Snapshot(now int64) ([]Neighbour, Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	out := slices.Clone(t.known)
	for i := range out {
		out[i].Age = time.Duration(max(0, now-out[i].heard))
	}
	slices.SortFunc(out, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(a.Chassis, b.Chassis), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out, t.counters
}
