package correlate

import (
	"net/netip"
	"slices"

	"heptap/capture/sdp"
)

// endpoint says that a call advertised an address. The binding is the call's
// own; its index stays valid for as long as the call is followed.
type endpoint struct {
	call    *call
	binding int
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
			c.takeCodecs(b, m)
		}
		// Whether a=rtcp-mux was agreed on is not worth waiting for: RTCP on
		// the RTP port is found there, on the other port here.
		if rtcp := m.RTCP(false); rtcp.IsValid() && unmap(rtcp) != addr {
			c.bind(k, unmap(rtcp), party, true)
		}
	}
}

// bind remembers that the call advertised addr. It returns nil when the call
// holds as many addresses as it may.
func (c *Correlator) bind(k *call, addr netip.AddrPort, party uint8, rtcp bool) *binding {
	for i := range k.bindings {
		if b := &k.bindings[i]; b.addr == addr && b.party == party && b.rtcp == rtcp {
			return b
		}
	}
	if len(k.bindings) == maxBindings {
		c.Stats.BindingsRefused.Add(1)
		return nil
	}
	n := len(k.bindings)
	if n < cap(k.bindings) {
		k.bindings = k.bindings[:n+1] // with the codecs' memory of an earlier call
	} else {
		k.bindings = append(k.bindings, binding{})
	}
	b := &k.bindings[n]
	*b = binding{addr: addr, party: party, rtcp: rtcp, since: c.now, codecs: b.codecs[:0]}
	c.endpoints[addr] = append(c.endpoints[addr], endpoint{call: k, binding: n})
	c.Stats.Endpoints.Add(1)
	return b
}

// unbind forgets every endpoint of the call at addr.
func (c *Correlator) unbind(k *call, addr netip.AddrPort) {
	list := c.endpoints[addr]
	kept := slices.DeleteFunc(list, func(e endpoint) bool { return e.call == k })
	c.Stats.Endpoints.Add(int64(len(kept) - len(list)))
	if len(kept) == 0 {
		delete(c.endpoints, addr)
		return
	}
	c.endpoints[addr] = kept
}

// takeCodecs replaces what the binding knows of payload types: an answer may
// narrow the offer, a re-INVITE may change it.
func (c *Correlator) takeCodecs(b *binding, m *sdp.Media) {
	b.codecs = b.codecs[:0]
	for _, f := range m.Formats() {
		if len(f.Name) > 0 {
			b.codecs = append(b.codecs, codec{pt: f.PT, clock: f.ClockRate, name: c.intern(f.Name)})
		}
	}
}

// intern returns b as a string, without allocating for a name seen before.
func (c *Correlator) intern(b []byte) string {
	if s, ok := c.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(c.names) < maxNames {
		c.names[s] = s
	}
	return s
}

// match is a call that a stream may belong to.
type match struct {
	call    *call
	binding *binding
	toward  bool  // the binding is the stream's destination
	score   uint8 // 3 both ends, 2 the destination, 1 the source
}

// maxScan is how many calls at one address are looked at. A media server may
// take all its calls on one port; then the other end tells them apart.
const maxScan = 256

// match finds the calls that advertised the ends of a flow, the best ones
// only: the destination is where a party asked its media to be sent, the
// source is where it probably sends from (symmetric RTP, RFC 4961). A call that
// advertised its address after last, the time of the flow's last packet, is
// not considered; one that has ended, only if no other call fits as well:
// media and RTCP trail behind the BYE, and sometimes only begin then.
func (c *Correlator) match(src, dst netip.AddrPort, rtcp bool, last int64) []match {
	found := c.matches[:0]
	toward := len(c.endpoints[dst]) <= len(c.endpoints[src])
	for range 2 {
		this, other := dst, src
		if !toward {
			this, other = src, dst
		}
		if found = c.collect(found, this, other, rtcp, toward, last); len(found) > 0 && bestScore(found) == 3 {
			break
		}
		toward = !toward
	}
	c.matches = found
	best, newest, live := bestScore(found), int64(0), false
	for _, m := range found {
		if m.score == best {
			newest = max(newest, m.binding.since)
			live = live || m.call.state != ended
		}
	}
	return slices.DeleteFunc(found, func(m match) bool {
		return m.score < best || m.binding.since < newest-int64(legWindow) || live && m.call.state == ended
	})
}

func bestScore(found []match) (best uint8) {
	for _, m := range found {
		best = max(best, m.score)
	}
	return best
}

// collect adds the calls at this end of a flow to found, one match per call.
func (c *Correlator) collect(found []match, this, other netip.AddrPort, rtcp, toward bool, last int64) []match {
	list := c.endpoints[this]
	for _, e := range list[:min(len(list), maxScan)] {
		b := &e.call.bindings[e.binding]
		if b.rtcp && !rtcp || b.since > last {
			continue
		}
		if slices.ContainsFunc(found, func(m match) bool { return m.call == e.call }) {
			continue
		}
		m := match{call: e.call, binding: b, toward: toward, score: 1}
		if toward {
			m.score = 2
		}
		if far := e.call.binding(other, 1-b.party, rtcp); far != nil {
			m.score = 3
			if !toward {
				m.binding, m.toward = far, true
			}
		}
		found = append(found, m)
	}
	return found
}

// binding returns the call's binding of that address and party.
func (k *call) binding(addr netip.AddrPort, party uint8, rtcp bool) *binding {
	for i := range k.bindings {
		if b := &k.bindings[i]; b.addr == addr && b.party == party && (!b.rtcp || rtcp) {
			return b
		}
	}
	return nil
}
