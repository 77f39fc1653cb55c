package correlate

import (
	"hash/maphash"
	"net/netip"

	tcp "heptap/capture/stream"
)

// ControlKind says what a media proxy is told to do.
type ControlKind uint8

// The kinds of commands.
const (
	ControlOffer  ControlKind = iota // the first of a call's two SDPs
	ControlAnswer                    // the second one
	ControlDelete                    // the call is over
)

// Control is what a SIP server told a media proxy of a call, or the proxy
// answered. All slices are borrowed.
type Control struct {
	Kind    ControlKind
	At      tcp.Meta
	Tunnel  uint32
	CallID  []byte
	FromTag []byte // of who made the offer
	Tag     []byte // of whose media it is
	// Where that party's media come from, or, in the proxy's answer, where the
	// proxy sends them from in its place: SDP, or an address.
	SDP  []byte
	Addr netip.AddrPort
}

// Control takes in t. A call that is not known yet is followed from here on.
func (c *Correlator) Control(t *Control) {
	c.Advance(t.At.Mono)
	if len(t.CallID) == 0 || len(t.CallID) > maxCallID {
		return
	}
	k, h := c.lookup(t.CallID)
	if k == nil {
		if t.Kind == ControlDelete || len(t.SDP) == 0 && !t.Addr.IsValid() {
			return
		}
		if k = c.newCall(t.CallID, h, t.FromTag); k == nil {
			return
		}
		k.control = true
		c.Stats.CallsControlled.Add(1)
	}
	if k.state == ended {
		return
	}
	if k.control {
		c.controlled(k, t.Kind)
	}
	if t.Kind != ControlDelete {
		k.seen = c.now
		c.takeControl(k, t)
	}
}

// controlled moves on a call of which no SIP was seen. Whether it was answered
// is not known: an answer of SDP may come long before.
func (c *Correlator) controlled(k *call, kind ControlKind) {
	switch {
	case kind == ControlDelete:
		c.end(k, true)
	case kind == ControlAnswer && k.state == setup:
		c.enter(k, established, c.now+int64(c.cfg.CallIdle))
	}
}

// takeControl binds the addresses in t. Whether one is private does not matter:
// from where it was advertised is not known.
func (c *Correlator) takeControl(k *call, t *Control) {
	k.readAgain()
	tag := t.Tag[:min(len(t.Tag), maxTag)]
	c.from = origin{tunnel: t.Tunnel, tag: uint32(maphash.Bytes(c.seed, t.Tag))}
	if string(tag) != string(k.callerTag) {
		c.from.party = 1
	}
	if a := t.Addr; a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() {
		c.advertise(k, unmap(a), forBoth)
	}
	if len(t.SDP) == 0 {
		return
	}
	c.Stats.SDPBodies.Add(1)
	if c.sdp.Parse(t.SDP) != nil {
		c.Stats.SDPMalformed.Add(1)
		return
	}
	c.bindSession(k)
}
