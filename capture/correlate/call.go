package correlate

import (
	"bytes"
	"hash/maphash"
	"net/netip"
)

type state uint8

const (
	setup state = iota
	established
	ended
)

// call is one Call-ID: the dialogs that grew from one INVITE.
type call struct {
	id        []byte
	hash      uint64
	chain     *call // next call with the same hash
	order     uint64
	state     state
	callerTag []byte
	seen      int64 // mono of the last signalling or media
	endedAt   int64
	bindings  []binding
	streams   []*stream

	due          int64 // when the wheel calls
	slot         int32
	prev, next   *call // in the wheel's slot
	sprev, snext *call // in the list of calls in setup
	inSetup      bool
}

// callBytes is what a call costs with two parties' SDP and its map entries.
const callBytes = 2200

// binding is one address that a party of a call advertised for media.
type binding struct {
	addr   netip.AddrPort
	party  uint8 // 0 the caller, 1 the callee
	rtcp   bool  // for RTCP only
	since  int64 // mono of the first SDP with it
	kind   uint8 // sdp media type's first letter: 'a', 'v', ...
	codecs []codec
}

type codec struct {
	pt    uint8
	clock uint32
	name  string
}

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
	if int(c.Stats.Calls.Load()) >= c.cfg.Calls {
		old := c.setup.head
		if old == nil {
			c.Stats.CallsRefused.Add(1)
			return nil
		}
		c.Stats.CallsRecycled.Add(1)
		c.finish(old)
	}
	k := c.freeCalls
	if k != nil {
		c.freeCalls = k.chain
	} else {
		k = new(call)
	}
	k.id = append(k.id[:0], id...)
	k.callerTag = append(k.callerTag[:0], callerTag[:min(len(callerTag), maxTag)]...)
	k.hash, k.chain = h, c.calls[h]
	c.calls[h] = k
	k.state = setup
	k.seen = c.now
	k.order = c.Stats.CallsSeen.Add(1)
	c.Stats.Calls.Add(1)
	c.setup.push(k)
	c.schedule(k, c.now+int64(SetupTimeout))
	return k
}

// establish marks the call as answered.
func (c *Correlator) establish(k *call) {
	if k.state == established {
		return
	}
	k.state = established
	c.setup.remove(k)
	c.Stats.CallsEstablished.Add(1)
	c.schedule(k, c.now+int64(c.cfg.CallIdle))
}

// end marks the call as over; finish follows when its reports can be made.
func (c *Correlator) end(k *call) {
	if k.state == ended {
		return
	}
	k.state = ended
	k.endedAt = c.now
	c.setup.remove(k)
	c.Stats.CallsEnded.Add(1)
	c.schedule(k, c.now+int64(Linger))
}

// revive takes up a call again: an INVITE with credentials after a 401 or 407
// carries the Call-ID of the one that was refused (RFC 3261 22.2).
func (c *Correlator) revive(k *call) {
	k.state = setup
	c.setup.push(k)
	c.schedule(k, c.now+int64(SetupTimeout))
}

func (c *Correlator) schedule(k *call, due int64) {
	k.due = due
	c.wheel.move(k)
}

// due is called by the wheel when a call's time has come.
func (c *Correlator) due(k *call) {
	switch {
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

// finish makes the call's final reports and forgets it.
func (c *Correlator) finish(k *call) {
	for _, s := range k.streams {
		c.closeStream(s, k)
	}
	c.setup.remove(k)
	c.wheel.remove(k)
	for i := range k.bindings {
		c.unbind(k, k.bindings[i].addr)
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
			}
		}
	}
	c.Stats.Calls.Add(-1)
	clear(k.streams)
	*k = call{id: k.id[:0], callerTag: k.callerTag[:0], bindings: k.bindings[:0], streams: k.streams[:0], chain: c.freeCalls}
	c.freeCalls = k
}

// callList is a list of calls in the order in which they were pushed.
type callList struct{ head, tail *call }

func (l *callList) push(k *call) {
	if k.inSetup {
		return
	}
	k.inSetup = true
	k.sprev, k.snext = l.tail, nil
	if l.tail == nil {
		l.head = k
	} else {
		l.tail.snext = k
	}
	l.tail = k
}

func (l *callList) remove(k *call) {
	if !k.inSetup {
		return
	}
	k.inSetup = false
	if k.sprev == nil {
		l.head = k.snext
	} else {
		k.sprev.snext = k.snext
	}
	if k.snext == nil {
		l.tail = k.sprev
	} else {
		k.snext.sprev = k.sprev
	}
	k.sprev, k.snext = nil, nil
}
