package correlate

import (
	"bytes"
	"hash/maphash"
)

type state uint8

const (
	setup state = iota
	established
	ended
	numStates
)

// callSlab is how many calls are made at a time, so that little room is left between them.
const callSlab = 20

// call is one Call-ID: the dialogs that grew from one INVITE.
type call struct {
	id        []byte
	hash      uint64
	chain     *call // next call with the same hash
	order     uint64
	callerTag []byte
	cseq      int64 // of the newest INVITE outside a dialog
	state     state
	bye       bool // ended by BYE, not by a refusal
	control   bool // no SIP of it was seen, only what its media proxy was told
	branches  few  // INVITE transactions without a final response, by Via branch
	dialogs   few  // answered and without BYE, by both tags
	seen      int64
	endedAt   int64
	bindings  []*binding // the one confirmed last at the end
	sides     [2]side    // caller and callee
	answered  int64      // mono of the first 2xx, 0 none seen
	oneWay    bool       // it was told that media went one way only
	silent    bool       // it is among Correlator.silentCalls
	streams   []*stream
	overs     overs  // the connections it went over
	work      uint32 // the newest of stranded.works, plus one; 0 for none
	leg       []byte // Call-ID of the first leg of the same call, empty for none known
	placed    uint32 // see inference, 0 for none

	gen uint64 // of the search that found the call last, and
	at  int32  // where in its matches

	slot         int32 // in the wheel
	due          int64 // when that calls
	prev, next   *call // in the wheel's slot
	lprev, lnext *call // in the list of the calls in its state
}

// few is a small set of hashes. One that had to leave something out is never
// empty again.
type few struct {
	have [6]uint32
	n    uint8
	over bool
}

func (f *few) add(h uint32) {
	for _, o := range f.have[:f.n] {
		if o == h {
			return
		}
	}
	if int(f.n) == len(f.have) {
		f.over = true
		return
	}
	f.have[f.n] = h
	f.n++
}

func (f *few) remove(h uint32) {
	for i, o := range f.have[:f.n] {
		if o == h {
			f.n--
			f.have[i] = f.have[f.n]
			return
		}
	}
}

func (f *few) empty() bool { return f.n == 0 && !f.over }

// lookup finds the call of a Call-ID.
func (c *Correlator) lookup(id []byte) (*call, uint64) {
	h := maphash.Bytes(c.seed, id)
	for k := c.calls[h]; k != nil; k = k.chain {
		if bytes.Equal(k.id, id) {
			return k, h
		}
	}
	return nil, h
}

// newCall begins to follow a call, or returns nil when there is no room.
func (c *Correlator) newCall(id []byte, h uint64, callerTag []byte) *call {
	if int(c.Stats.Calls.Load()) >= c.cfg.Calls && !c.makeRoom() {
		c.Stats.CallsRefused.Add(1)
		return nil
	}
	if c.freeCalls == nil {
		for slab, i := make([]call, callSlab), 0; i < callSlab; i++ {
			slab[i].chain, c.freeCalls = c.freeCalls, &slab[i]
		}
	}
	k := c.freeCalls
	c.freeCalls = k.chain
	k.id = append(k.id[:0], id...)
	k.setCaller(callerTag)
	k.hash, k.chain = h, c.calls[h]
	c.calls[h] = k
	k.seen = c.now
	k.order = c.Stats.CallsSeen.Add(1)
	c.Stats.Calls.Add(1)
	k.state = setup
	c.lists[setup].push(k)
	c.schedule(k, c.now+int64(SetupTimeout))
	c.rememberLocal(k)
	return k
}

func (k *call) setCaller(tag []byte) {
	k.callerTag = append(k.callerTag[:0], tag[:min(len(tag), maxTag)]...)
}

// makeRoom finishes the call that is missed least: one that has ended, or the
// oldest that was never answered, or one of the longest established that shows
// no sign of life.
func (c *Correlator) makeRoom() bool {
	if k := c.lists[ended].head; k != nil {
		c.finish(k)
		return true
	}
	if k := c.lists[setup].head; k != nil {
		c.Stats.CallsRecycled.Add(1)
		c.finish(k)
		return true
	}
	for range 8 {
		k := c.lists[established].head
		if k == nil {
			return false
		}
		if c.now-k.seen >= int64(quietCall) {
			c.Stats.CallsRecycled.Add(1)
			c.finish(k)
			return true
		}
		c.lists[established].remove(k)
		c.lists[established].push(k)
	}
	return false
}

// enter moves the call to another state, in which it is called after due.
func (c *Correlator) enter(k *call, s state, due int64) {
	c.lists[k.state].remove(k)
	k.state = s
	c.lists[s].push(k)
	c.schedule(k, due)
}

// establish marks the call as answered.
func (c *Correlator) establish(k *call) {
	if k.state == established {
		return
	}
	k.answered = c.now
	c.Stats.CallsEstablished.Add(1)
	c.enter(k, established, c.now+int64(c.cfg.CallIdle))
}

// end marks the call as over; finish follows when its reports can be made.
func (c *Correlator) end(k *call, bye bool) {
	if k.state == ended {
		return
	}
	k.bye, k.endedAt = bye, c.now
	c.endSilence(k)
	c.enter(k, ended, c.now+int64(Linger))
}

func (c *Correlator) schedule(k *call, due int64) {
	k.due = due
	c.wheel.move(k)
}

// due is called by the wheel when a call's time has come.
func (c *Correlator) due(k *call) {
	switch {
	case k.state == ended && c.awaitsLegs(k):
	case k.state == ended:
		c.finish(k)
	case k.state == established && k.seen+int64(c.cfg.CallIdle) > c.now:
		c.schedule(k, k.seen+int64(c.cfg.CallIdle))
	case k.state == setup && k.seen+int64(SetupTimeout) > c.now:
		c.schedule(k, k.seen+int64(SetupTimeout))
	default:
		c.Stats.CallsExpired.Add(1)
		c.finish(k)
	}
}

// awaitsLegs puts off the end of a call whose other leg, linked to the same
// stream, ended a little later: their reports are made at once, with links to
// each other.
func (c *Correlator) awaitsLegs(k *call) bool {
	last := k.due
	for _, t := range k.streams {
		for _, o := range t.calls {
			if o.over() && o.endedAt < k.endedAt+int64(Linger) {
				last = max(last, o.due)
			}
		}
	}
	if last <= c.now || last > k.endedAt+2*int64(Linger) {
		return false
	}
	c.schedule(k, last)
	return true
}

// finish makes the call's final reports and forgets it.
func (c *Correlator) finish(k *call) {
	for len(k.streams) > 0 {
		c.closeStream(k.streams[0], k)
	}
	if k.state == ended {
		c.Stats.CallsEnded.Add(1)
	}
	c.endSilence(k)
	c.lists[k.state].remove(k)
	c.wheel.remove(k)
	for _, b := range k.bindings {
		c.unbind(b)
	}
	if first := c.calls[k.hash]; first == k {
		if k.chain == nil {
			delete(c.calls, k.hash)
		} else {
			c.calls[k.hash] = k.chain
		}
	} else {
		for p := first; p != nil; p = p.chain {
			if p.chain == k {
				p.chain = k.chain
				break
			}
		}
	}
	c.Stats.Calls.Add(-1)
	clear(k.streams)
	clear(k.bindings)
	*k = call{id: k.id[:0], callerTag: k.callerTag[:0], leg: k.leg[:0], bindings: keep(k.bindings), streams: keep(k.streams), chain: c.freeCalls}
	c.freeCalls = k
}

// keep empties s for its next user, or lets go of it when it has grown beyond
// what an ordinary call needs.
func keep[T any](s []T) []T {
	if cap(s) > keptSlots {
		return nil
	}
	return s[:0]
}

// callList is a list of calls in the order in which they were pushed.
type callList struct{ head, tail *call }

func (l *callList) push(k *call) {
	k.lprev, k.lnext = l.tail, nil
	if l.tail == nil {
		l.head = k
	} else {
		l.tail.lnext = k
	}
	l.tail = k
}

func (l *callList) remove(k *call) {
	if k.lprev == nil {
		l.head = k.lnext
	} else {
		k.lprev.lnext = k.lnext
	}
	if k.lnext == nil {
		l.tail = k.lprev
	} else {
		k.lnext.lprev = k.lprev
	}
	k.lprev, k.lnext = nil, nil
}
