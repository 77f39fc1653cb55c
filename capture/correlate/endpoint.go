package correlate

import (
	"net/netip"
	"slices"
	"strings"

	"heptap/capture/rtp"
	"heptap/capture/sdp"
)

// endpoint is an address with its bindings, the newest first.
type endpoint struct {
	head *binding
	n    int
}

// binding says that a party of a call advertised an address for media.
type binding struct {
	addr         netip.AddrPort
	call         *call
	since        int64    // mono of the first SDP with it
	codecs       []codec  // those that are not as RFC 3551 has them
	aprev, anext *binding // at the address; anext alone, among the free ones
	party        uint8    // 0 the caller, 1 the callee
	rtcp         bool     // for RTCP only
}

// codec is what SDP says of a payload type.
type codec struct {
	clock uint32
	pt, n uint8
	name  [18]byte // the first n octets of it
}

func newCodec[S string | []byte](pt uint8, name S, clock uint32) codec {
	k := codec{pt: pt, clock: clock}
	k.n = uint8(copy(k.name[:], name))
	return k
}

// bindSession takes in the media addresses of c.sdp, which party sent.
func (c *Correlator) bindSession(k *call, party uint8) {
	media := c.sdp.Media()
	for i := range media {
		m := &media[i]
		addr := m.AddrPort()
		if !m.RTP || !addr.IsValid() || addr.Addr().IsUnspecified() {
			continue // not RTP, refused, a name, or held the old way (RFC 3264 8.4)
		}
		addr = unmap(addr)
		if b := c.bind(k, addr, party, false); b != nil {
			b.takeCodecs(m)
		}
		// Whether a=rtcp-mux was agreed on is not worth waiting for: RTCP on
		// the RTP port is found there, on the other port here.
		if rtcp := m.RTCP(false); rtcp.IsValid() && unmap(rtcp) != addr && !rtcp.Addr().IsUnspecified() {
			c.bind(k, unmap(rtcp), party, true)
		}
	}
}

// bind remembers that the call advertised addr. When the call holds as many
// addresses as it may, the one that was confirmed longest ago gives way. It
// returns nil when all calls together hold as many as they may.
func (c *Correlator) bind(k *call, addr netip.AddrPort, party uint8, rtcp bool) *binding {
	for i, b := range k.bindings {
		if b.addr == addr && b.party == party && b.rtcp == rtcp {
			copy(k.bindings[i:], k.bindings[i+1:])
			k.bindings[len(k.bindings)-1] = b
			return b
		}
	}
	if len(k.bindings) == maxBindings {
		c.Stats.BindingsRefused.Add(1)
		c.unbind(k.bindings[0])
		k.bindings = slices.Delete(k.bindings, 0, 1)
	}
	if int(c.Stats.Endpoints.Load()) >= c.cfg.Calls*bindingsPerCall {
		c.Stats.BindingsRefused.Add(1)
		return nil
	}
	b := c.freeBindings
	if b != nil {
		c.freeBindings = b.anext
	} else {
		b = new(binding)
	}
	e := c.endpoints[addr]
	*b = binding{addr: addr, call: k, party: party, rtcp: rtcp, since: c.now, codecs: b.codecs[:0], anext: e.head}
	if e.head != nil {
		e.head.aprev = b
	}
	c.endpoints[addr] = endpoint{b, e.n + 1}
	k.bindings = append(k.bindings, b)
	c.Stats.Endpoints.Add(1)
	return b
}

// unbind forgets b, which its call still lists.
func (c *Correlator) unbind(b *binding) {
	e := c.endpoints[b.addr]
	if b.aprev != nil {
		b.aprev.anext = b.anext
	} else {
		e.head = b.anext
	}
	if b.anext != nil {
		b.anext.aprev = b.aprev
	}
	if e.n--; e.n == 0 {
		delete(c.endpoints, b.addr)
	} else {
		c.endpoints[b.addr] = e
	}
	*b = binding{codecs: b.codecs[:0], anext: c.freeBindings}
	c.freeBindings = b
	c.Stats.Endpoints.Add(-1)
}

// takeCodecs adds what m says of payload types to what is known: an answer may
// narrow the offer and a re-INVITE change it while packets are under way.
func (b *binding) takeCodecs(m *sdp.Media) {
	for _, f := range m.Formats() {
		if len(f.Name) == 0 {
			continue
		}
		at := slices.IndexFunc(b.codecs, func(k codec) bool { return k.pt == f.PT })
		usual := rtp.Static(f.PT)
		switch {
		case at >= 0:
			b.codecs[at] = newCodec(f.PT, f.Name, f.ClockRate)
		case usual.Clock == f.ClockRate && strings.EqualFold(usual.Name, string(f.Name)):
		case len(b.codecs) < maxCodecs:
			b.codecs = append(b.codecs, newCodec(f.PT, f.Name, f.ClockRate))
		default:
			copy(b.codecs, b.codecs[1:])
			b.codecs[maxCodecs-1] = newCodec(f.PT, f.Name, f.ClockRate)
		}
	}
}

// codec returns what the call's SDP says of a payload type sent to addr, or
// from it.
func (k *call) codec(addr netip.AddrPort, pt uint8) (codec, bool) {
	for _, b := range k.bindings {
		if b.addr != addr {
			continue
		}
		for _, o := range b.codecs {
			if o.pt == pt {
				return o, true
			}
		}
	}
	return codec{}, false
}

// binding returns the call's binding of that address and party.
func (k *call) binding(addr netip.AddrPort, party uint8, rtcp bool) *binding {
	for _, b := range k.bindings {
		if b.addr == addr && b.party == party && (!b.rtcp || rtcp) {
			return b
		}
	}
	return nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
