package correlate

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"

	"heptap/capture/sdp"
)

// place is where an endpoint is: an address and port in a tunnel, or an SSRC
// wherever that comes from.
type place struct {
	hi, lo uint64 // the address as IPv6
	rest   uint64 // tunnel << 32 | port
}

func placeOf(tunnel uint32, a netip.AddrPort) place {
	b := a.Addr().As16()
	return place{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint64(tunnel)<<32 | uint64(a.Port())}
}

// placeOfSSRC returns a place that no address has.
func placeOfSSRC(ssrc uint32) place { return place{^uint64(0), 0xffffffff<<32 | uint64(ssrc), 1 << 16} }

func (p place) tunnel() uint32 { return uint32(p.rest >> 32) }

// below returns the place at the port below.
func (p place) below() place {
	if p.rest&0xffff == 0 {
		return place{} // where nothing is
	}
	p.rest--
	return p
}

// host returns the address of p alone: port 0 of it.
func (p place) host() place {
	p.rest &^= 0xffff
	return p
}

// in returns p in another tunnel.
func (p place) in(tunnel uint32) place {
	p.rest = uint64(tunnel)<<32 | p.rest&(1<<32-1)
	return p
}

// tunnels are those in which an address and port are an endpoint.
type tunnels struct {
	n   int
	xor uint32 // of their numbers: of one, that one
}

// toggle notes that p is an endpoint now, or no longer.
func (c *Correlator) toggle(p place, by int) {
	number := p.tunnel()
	if number == 0 {
		return
	}
	outside := p.in(0)
	in := c.tunnelled[outside]
	if in.n += by; in.n == 0 {
		delete(c.tunnelled, outside)
		return
	}
	in.xor ^= number
	c.tunnelled[outside] = in
}

// endpoint is a place with its bindings, the newest first.
type endpoint struct {
	head *binding
	n    int
}

// rank says how much a binding is worth.
type rank uint8

const (
	forsaken   rank = iota // of a branch that did not win
	alias                  // the port advertised, at the address that the signalling came from
	candidate              // of ICE, or an SSRC
	advertised             // in m= and c=, or a=rtcp
	learned                // not advertised: where a stream of the call came from
)

// use says what a binding is for.
type use uint8

const (
	forRTP  use = iota // and for RTCP on the same port (RFC 5761)
	forRTCP            // alone
	forBoth            // RTP there, RTCP on the next port (RFC 3550 11): it has no binding of its own
)

// binding says that a party of a call uses a place for media.
type binding struct {
	place        place
	call         *call
	since        int64     // mono of the first SDP with it
	via          uint64    // of the address that the signalling with it came from, see viaOf; 0 for none
	set          *codecSet // of its payload types, nil for RFC 3551's alone
	aprev, anext *binding  // at the place; anext alone, among the free ones
	tag          uint32    // of who advertised it
	here         uint32    // of the first at the place: how many there are
	party        uint8     // 0 the caller, 1 the callee
	rank         rank
	kind         sdp.MediaType
	use          use
	secure       bool // for SRTP
	udptl        bool // for T.38, whatever it was before
	hidden       bool // a private address that was advertised from a public one only
}

// bindingSlab is how many bindings are made at a time, so that little room is left
// between them.
const bindingSlab = 85

// viaOf is how a binding keeps an address, which it only compares.
func (c *Correlator) viaOf(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	return maphash.Comparable(c.seed, a.As16()) | 1
}

// origin is what the bindings of one SDP have in common.
type origin struct {
	via    netip.Addr
	tag    uint32
	tunnel uint32
	party  uint8
	hidden bool
}

// codec is what SDP says of a payload type.
type codec struct {
	clock uint32
	pt, n uint8
	kind  sdp.MediaType
	name  [17]byte // the first n octets of it
}

func newCodec[S string | []byte](pt uint8, name S, clock uint32) codec {
	k := codec{pt: pt, clock: clock}
	k.n = uint8(copy(k.name[:], name))
	return k
}

// bindSession takes in the media addresses of c.sdp, which came as c.from says.
// What counts least comes first, since it also gives way first.
func (c *Correlator) bindSession(k *call) {
	media := c.sdp.Media()
	left, sources := maxCandidates, maxCandidates
	for i := range media {
		for _, ssrc := range media[i].SSRCs()[:min(sources, len(media[i].SSRCs()))] {
			c.bind(k, placeOfSSRC(ssrc), candidate, forRTP)
			sources--
		}
	}
	var first *binding // that of the first media, where bundled ones go too
	for i := range media {
		m := &media[i]
		b := c.bindCandidates(k, m, &left)
		if main := c.bindMedia(k, m); main != nil {
			b = main
		} else if m.BundleOnly && first != nil {
			b = first
		}
		if b != nil {
			c.takeCodecs(b, m)
		}
		if first == nil {
			first = b
		}
	}
}

// bindCandidates binds the ICE candidates of m and returns the first binding
// that is for RTP. a=remote-candidates are the other party's.
func (c *Correlator) bindCandidates(k *call, m *sdp.Media, left *int) (first *binding) {
	if !m.RTP || len(m.Candidates()) == 0 {
		return nil
	}
	from := c.from
	defer func() { c.from = from }()
	for _, n := range m.Candidates() {
		if *left == 0 {
			c.Stats.BindingsRefused.Add(1) // as it would be again
			return first
		}
		*left--
		c.from = from
		if n.Remote {
			c.from.party, c.from.via = 1-from.party, netip.Addr{}
			k.readAgain()
		}
		component := forRTP
		if n.Component == 2 {
			component = forRTCP
		}
		b := c.bind(k, placeOf(from.tunnel, n.Addr), candidate, component)
		if b == nil || n.Remote {
			continue
		}
		b.kind, b.secure = m.Type, m.Secure || m.Crypto
		if b.use == forRTCP {
			continue
		}
		if first == nil {
			first = b
		}
	}
	return first
}

// bindMedia binds where m says that its media goes, and returns the binding for
// the media itself, nil when there is none.
func (c *Correlator) bindMedia(k *call, m *sdp.Media) *binding {
	addr := m.AddrPort()
	if !m.RTP && !m.UDPTL || !addr.IsValid() || addr.Addr().IsUnspecified() {
		return nil // refused, a name, or held the old way (RFC 3264 8.4)
	}
	// Whether a=rtcp-mux was agreed on is not worth waiting for: RTCP on
	// the RTP port is found there, on the other port here.
	addr = unmap(addr)
	secure, at := m.Secure || m.Crypto, forRTP
	switch rtcp := unmap(m.RTCP(false)); {
	case !rtcp.IsValid() || rtcp == addr || rtcp.Addr().IsUnspecified():
	case placeOf(0, rtcp).below() == placeOf(0, addr):
		at = forBoth
	default:
		if b := c.advertise(k, rtcp, forRTCP); b != nil {
			b.secure = secure
		}
	}
	b := c.advertise(k, addr, at)
	if b != nil {
		b.kind, b.secure, b.udptl = m.Type, secure, m.UDPTL
	}
	return b
}

// advertise binds an address that SDP gives. Who advertises a private address
// from a public one is behind a NAT: its media comes from the public address, if
// the NAT is kind from the same port, and the private address means nothing
// here unless the other end of a flow vouches for it.
func (c *Correlator) advertise(k *call, addr netip.AddrPort, u use) *binding {
	via := c.from.via
	hidden := private(addr.Addr()) && via.IsValid() && !private(via)
	if hidden {
		c.bind(k, placeOf(c.from.tunnel, netip.AddrPortFrom(via, addr.Port())), alias, u)
	}
	c.from.hidden = hidden
	b := c.bind(k, placeOf(c.from.tunnel, addr), advertised, u)
	c.from.hidden = false
	if b != nil && !hidden && via.IsValid() {
		b.hidden = false // seen from itself, or from inside
	}
	return b
}

// private says whether an address may be in use in many places (RFC 1918, 4193,
// 6598, 3927).
func private(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		if b[0] == 100 && b[1]&0xc0 == 64 {
			return true
		}
	}
	return a.IsPrivate() || a.IsLinkLocalUnicast()
}

// bind remembers that c.from.party uses a place, if it is not known yet. When
// the call holds as many as it may, the one that was confirmed longest ago gives
// way. It returns nil when all calls together hold as many as they may.
func (c *Correlator) bind(k *call, at place, r rank, u use) *binding {
	f := &c.from
	for i, b := range k.bindings {
		if b.place == at && b.party == f.party && (b.use == forRTCP) == (u == forRTCP) {
			copy(k.bindings[i:], k.bindings[i+1:])
			k.bindings[len(k.bindings)-1] = b
			if r != learned {
				b.rank, b.tag = max(r, b.rank%learned), f.tag
			}
			if r == advertised || u == forBoth {
				b.use = u
			}
			return b
		}
	}
	if len(k.bindings) == maxBindings {
		c.Stats.BindingsRefused.Add(1)
		c.unbind(k.bindings[0])
		k.bindings = slices.Delete(k.bindings, 0, 1)
	}
	room := c.cfg.Calls * bindingsPerCall
	if r != advertised {
		room -= room / 4
	}
	if int(c.Stats.Endpoints.Load()) >= room {
		c.Stats.BindingsRefused.Add(1)
		k.readAgain()
		return nil
	}
	if c.freeBindings == nil {
		for slab, i := make([]binding, bindingSlab), 0; i < bindingSlab; i++ {
			slab[i].anext, c.freeBindings = c.freeBindings, &slab[i]
		}
	}
	b := c.freeBindings
	c.freeBindings = b.anext
	*b = binding{place: at, call: k, party: f.party, rank: r, use: u, since: c.now, via: c.viaOf(f.via), tag: f.tag, hidden: f.hidden}
	if c.endpoints.push(b); b.here == 1 {
		c.toggle(at, 1)
	}
	k.bindings = append(k.bindings, b)
	c.Stats.Endpoints.Add(1)
	return b
}

// unbind forgets b, which its call still lists.
func (c *Correlator) unbind(b *binding) {
	if c.endpoints.remove(b); b.aprev == nil && b.anext == nil {
		c.toggle(b.place, -1)
	}
	c.dropSet(b)
	*b = binding{anext: c.freeBindings}
	c.freeBindings = b
	c.Stats.Endpoints.Add(-1)
}

// decide notes that of a forked call the dialog with this tag of the callee
// was answered first. What other branches advertised counts only where nothing
// else fits, until they are answered too.
func (k *call) decide(tag uint32) {
	for _, b := range k.bindings {
		if b.party == 1 && b.tag != tag && b.rank != learned {
			b.rank = forsaken
			k.readAgain()
		}
	}
}

// codec returns what the call's SDP says of a payload type sent to or from a
// place, or else of that payload type at all.
func (k *call) codec(dst, src place, pt uint8) (codec, bool) {
	var found codec
	best := 0
	for _, b := range k.bindings {
		worth := 1
		switch {
		case b.place.same(dst):
			worth = 3
		case b.place.same(src):
			worth = 2
		}
		if worth <= best {
			continue
		}
		for _, o := range b.codecs() {
			if o.pt == pt {
				found, best = o, worth
			}
		}
	}
	return found, best > 0
}

// same compares places of one call, whose signalling may have been seen
// outside the tunnel that its media is in.
func (p place) same(o place) bool {
	return p.hi == o.hi && p.lo == o.lo && uint32(p.rest) == uint32(o.rest)
}

// takes says whether b is where RTP at a place goes, or RTCP.
func (b *binding) takes(at place, rtcp bool) bool {
	if rtcp {
		return b.place.same(at) || b.use == forBoth && b.place.same(at.below())
	}
	return b.place.same(at) && b.use != forRTCP
}

// binding returns the call's binding of that place and party.
func (k *call) binding(at place, party uint8, rtcp bool) *binding {
	for _, b := range k.bindings {
		if b.party == party && b.takes(at, rtcp) {
			return b
		}
	}
	return nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
