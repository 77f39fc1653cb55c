package beyond

import (
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"heptap/capture/isup"
)

// Times of calls on circuits. They are no options: who would change them has
// another network than ITU-T's.
const (
	// quiet is after how long without a message a call is forgotten: an answered one
	// has none until its end.
	quiet = 24 * time.Hour
	// linger is for how long after its end a call is known: as long as a release
	// that was not confirmed is first repeated (T1 of Q.764, 15 to 60 s).
	linger = time.Minute
	// late is how much later a message may come by another link that the mirror
	// shows too.
	late = time.Second
	// crossing is for how long two calls from both ends may cross: longer than any
	// network takes, shorter than an exchange waits for an answer (T7, 20 s).
	crossing = 5 * time.Second
)

// maxCircuit is the last code of a circuit (Q.763 1.2).
const maxCircuit = 4095

// callID names a call on a circuit. It is zero for no call.
type callID struct {
	circuit isup.Circuit
	began   int64 // wall time of its first message seen, Unix microseconds
	midway  bool  // that message does not begin a call
}

func (c callID) ok() bool { return c.began != 0 }

// appendTo appends Low:High:CIC@seconds.microseconds.
func (c callID) appendTo(b []byte) []byte {
	b = append(c.circuit.AppendTo(b), '@')
	b = append(strconv.AppendInt(b, c.began/1e6, 10), '.')
	var digits [8]byte
	return append(b, strconv.AppendInt(digits[:0], 1e6+c.began%1e6, 10)[1:]...)
}

// phase is what is known of a circuit.
type phase uint8

const (
	idle   phase = iota // its last call is remembered
	busy                // with a call
	ending              // the call is over, the circuit not confirmed to be free
)

// networkCircuit tells the circuits of the networks apart that have the same
// point codes (Q.704 14.2.2). M3UA's network appearance would tell more apart,
// but not both ends of an association need to send it.
type networkCircuit struct {
	isup.Circuit
	network uint8 // indicator
}

// circuit is one that was heard of.
type circuit struct {
	key        networkCircuit
	phase      phase
	call       callID // the last one when idle
	before     callID // the call before it
	fromHigh   bool   // the call was begun by the end with the higher point code
	heard      bool   // the other end has answered it with any message
	seized     int64  // mono of its first message
	seen       int64  // mono of the last message
	sum        uint64 // of the IAM's octets
	prev, next int32  // in the list of the phase, by seen
}

// circuits is a bounded table of them. What is longest idle goes first, then
// what was longest silent.
type circuits struct {
	max   int
	at    map[networkCircuit]int32
	all   []circuit
	free  []int32
	lists [2]circuitList // idle, not idle
	stats *ISUPStats
}

type circuitList struct{ head, tail int32 }

const none = int32(-1)

func newCircuits(limit int, stats *ISUPStats) *circuits {
	return &circuits{max: limit, at: make(map[networkCircuit]int32), stats: stats,
		lists: [2]circuitList{{none, none}, {none, none}}}
}

// circuitsBytes is the most that the table holds.
func circuitsBytes(limit int) int64 {
	const mapEntry = 64
	// A slice that grows has its old half beside it for a moment.
	return int64(limit) * (2*int64(unsafe.Sizeof(circuit{})) + mapEntry + 8)
}

func (t *circuits) list(c *circuit) *circuitList {
	if c.phase == idle {
		return &t.lists[0]
	}
	return &t.lists[1]
}

func (t *circuits) push(i int32) {
	c := &t.all[i]
	l := t.list(c)
	c.prev, c.next = l.tail, none
	if l.tail == none {
		l.head = i
	} else {
		t.all[l.tail].next = i
	}
	l.tail = i
}

func (t *circuits) unlink(i int32) {
	c := &t.all[i]
	l := t.list(c)
	if c.prev == none {
		l.head = c.next
	} else {
		t.all[c.prev].next = c.next
	}
	if c.next == none {
		l.tail = c.prev
	} else {
		t.all[c.next].prev = c.prev
	}
}

// find returns the circuit of k, nil when nothing is known of it. The pointer
// is good until the next make.
func (t *circuits) find(k networkCircuit) *circuit {
	if i, ok := t.at[k]; ok {
		return &t.all[i]
	}
	return nil
}

// make returns the circuit of k, which is not known, with place made for it.
func (t *circuits) make(k networkCircuit) *circuit {
	var i int32
	switch {
	case len(t.free) > 0:
		i = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case len(t.all) < t.max:
		i = int32(len(t.all))
		t.all = append(t.all, circuit{})
	default:
		if i = t.lists[0].head; i == none {
			i = t.lists[1].head
		}
		t.over(&t.all[i], &t.stats.Evicted)
		t.unlink(i)
		delete(t.at, t.all[i].key)
	}
	t.all[i] = circuit{key: k}
	t.at[k] = i
	t.push(i)
	t.stats.Circuits.Store(int64(len(t.at)))
	return &t.all[i]
}

// enter moves c to another phase, and to the end of its list.
func (t *circuits) enter(c *circuit, p phase, now int64) {
	i := t.at[c.key]
	t.unlink(i)
	c.phase, c.seen = p, now
	t.push(i)
}

// over counts the call on c, which is forgotten.
func (t *circuits) over(c *circuit, count *atomic.Uint64) {
	if c.phase == busy {
		count.Add(1)
	}
}

// expire forgets what has come due.
func (t *circuits) expire(now int64) {
	for l, stays := range [2]time.Duration{linger, quiet} {
		for i := t.lists[l].head; i != none && now-t.all[i].seen > int64(stays); i = t.lists[l].head {
			t.over(&t.all[i], &t.stats.Expired)
			t.unlink(i)
			delete(t.at, t.all[i].key)
			t.free = append(t.free, i)
			t.stats.Circuits.Store(int64(len(t.at)))
		}
	}
}

// heard is one message that a circuit is to be told of.
type heard struct {
	typ        isup.Type
	effect     isup.Effect
	fromHigh   bool
	wall, mono int64
	sum        uint64 // of its octets
}

// tell tells the circuit k of h and returns the call that h is of, none when it
// is of the circuit itself. crossed says that h is an IAM that crosses another.
func (t *circuits) tell(k networkCircuit, h *heard) (call callID, crossed bool) {
	c := t.find(k)
	switch {
	case h.effect == isup.Begins:
		return t.begin(c, k, h)
	case c == nil && h.effect != isup.NoEffect:
		if h.typ != isup.REL {
			return callID{}, false
		}
		return t.pickUp(k, h, ending), false
	case h.effect == isup.Ends:
		return t.end(c, k, h), false
	case h.effect == isup.Frees:
		return t.release(c, h), false
	case !ofCall(h.typ):
		return callID{}, false
	}
	if c != nil && (c.phase != idle || h.mono-c.seen <= int64(late)) {
		if h.fromHigh != c.fromHigh {
			c.heard = true
		}
		if c.phase != idle {
			t.enter(c, c.phase, h.mono)
		}
		return c.call, false
	}
	if !h.typ.Known() {
		return callID{}, false
	}
	return t.pickUp(k, h, busy), false
}

// begin takes in an IAM.
func (t *circuits) begin(c *circuit, k networkCircuit, h *heard) (call callID, crossed bool) {
	if c == nil {
		c = t.make(k)
	}
	if c.phase == busy {
		since := h.mono - c.seized
		switch {
		case c.fromHigh == h.fromHigh && c.sum == h.sum && since <= int64(late):
			return c.call, false // by another link
		case c.fromHigh != h.fromHigh && !c.heard && !c.call.midway && since <= int64(crossing):
			// Dual seizure: the end with the higher point code has its way on even
			// circuits, the other on odd ones (Q.764 2.9.1). The other call is
			// tried again on another circuit, without a word on this one.
			t.stats.DualSeizures.Add(1)
			if crossed = true; h.fromHigh != (k.CIC%2 == 0) {
				t.stats.Calls.Add(1)
				return t.name(c, h, false), true
			}
		default:
			t.stats.Replaced.Add(1)
		}
	}
	t.stats.Calls.Add(1)
	t.seize(c, h, t.name(c, h, false), busy)
	return c.call, crossed
}

// name returns the id of a call on c that begins with h.
func (t *circuits) name(c *circuit, h *heard, midway bool) callID {
	began := max(h.wall/1e3, 1)
	if began == c.call.began { // two in one microsecond, by two links
		began++
	}
	return callID{circuit: c.key.Circuit, began: began, midway: midway}
}

func (t *circuits) seize(c *circuit, h *heard, call callID, p phase) {
	c.before, c.call = c.call, call
	c.fromHigh, c.heard, c.seized, c.sum = h.fromHigh, false, h.mono, h.sum
	t.enter(c, p, h.mono)
}

// pickUp begins a call whose beginning was not seen.
func (t *circuits) pickUp(k networkCircuit, h *heard, p phase) callID {
	c := t.find(k)
	if c == nil {
		c = t.make(k)
	}
	t.stats.PickedUp.Add(1)
	if p == ending {
		t.stats.Ended.Add(1)
	}
	t.seize(c, h, t.name(c, h, true), p)
	return c.call
}

// end takes in what ends the call on c. A release is repeated until it is
// confirmed, and seen again when the confirmation was lost behind the mirror.
func (t *circuits) end(c *circuit, k networkCircuit, h *heard) callID {
	switch {
	case c.phase == busy:
		t.stats.Ended.Add(1)
		t.enter(c, ending, h.mono)
	case c.phase == ending:
		t.enter(c, ending, h.mono)
	case h.typ != isup.REL:
		return callID{}
	}
	return c.call
}

// release takes in what frees c. Shortly after an IAM it is the end of the call
// before, which came by a slower link.
func (t *circuits) release(c *circuit, h *heard) callID {
	switch {
	case c.phase == busy && h.typ == isup.RLC && c.before.ok() && h.mono-c.seized <= int64(late):
		return c.before
	case c.phase == busy:
		t.stats.Ended.Add(1)
		fallthrough
	case c.phase == ending:
		t.enter(c, idle, h.mono)
	case h.typ != isup.RLC:
		return callID{}
	}
	return c.call
}

// ofCall reports whether a type of message is about the call on a circuit, and
// not about the circuit. One that is not known may be.
func ofCall(t isup.Type) bool {
	const ccr, lpa, olm, upt, upa = 17, 36, 48, 52, 53
	switch t {
	case ccr, lpa, isup.GRA, isup.CQM, isup.CQR, isup.UCIC, olm, upt, upa:
		return false
	}
	return t < isup.RSC || t > isup.CGUA // resets and blockings
}
