package correlate

import (
	"math"
	"net/netip"
	"slices"

	"heptap/capture"
)

// match is a call that a stream may belong to.
type match struct {
	call    *call
	binding *binding
	toward  bool  // the binding is the stream's destination
	score   uint8 // ends<<3 | rank; ends is 3 both, 2 the destination, 1 the source
}

const bothEnds = 3 << 3

// ends is a flow, as endpoints have it.
type ends struct {
	src, dst     place
	srcIP, dstIP netip.Addr
}

func endsOf(f capture.FiveTuple) ends {
	src, dst := unmap(f.Src), unmap(f.Dst)
	return ends{placeOf(f.Tunnel, src), placeOf(f.Tunnel, dst), src.Addr(), dst.Addr()}
}

// what is looked for.
type want struct {
	last int64 // mono of the flow's last packet
	rtcp bool
	weak bool // it may be no RTP at all
}

// maxScan is how many calls at one address are looked at, the newest first. A
// media server may take all its calls on one port; then the other end tells
// them apart.
const maxScan = 256

// match finds the calls that advertised the ends of a flow, the best ones
// only: the destination is where a party asked its media to be sent, the
// source is where it probably sends from (symmetric RTP, RFC 4961). A call that
// advertised its address after last, the time of the flow's last packet, is
// not considered; one that has ended, only if no other call fits as well:
// media and RTCP trail behind the BYE, and sometimes only begin then. More
// calls than one can have legs are strangers on a shared port: the address
// that their signalling came from may tell which one is right, and otherwise
// none of them is taken.
func (c *Correlator) match(e *ends, w want) []match {
	c.matches = c.matches[:0]
	c.gen++
	c.collectEnds(c.at(e.dst), c.at(e.src), e, w, false)
	if w.rtcp && c.best() < bothEnds {
		c.collectEnds(c.at(e.dst.below()), c.at(e.src.below()), e, w, true)
	}
	c.chooseBest()
	if len(c.matches) > maxLegs {
		c.matches = slices.DeleteFunc(c.matches, func(m match) bool { return !c.sameNAT(&m, e) })
	}
	if len(c.matches) > maxLegs {
		return nil
	}
	return c.matches
}

// matchSSRC finds the calls that named a source (RFC 5576). It is for media
// whose addresses say nothing, as between a client and its TURN server.
func (c *Correlator) matchSSRC(ssrc uint32, w want) []match {
	c.matches = c.matches[:0]
	c.gen++
	c.collect(c.endpoints.at(placeOfSSRC(ssrc)).head, place{}, false, false, w)
	c.chooseBest()
	if len(c.matches) > maxLegs {
		return nil
	}
	return c.matches
}

// chooseBest leaves the best of c.matches.
func (c *Correlator) chooseBest() {
	best, newest, live := c.best(), int64(math.MinInt64), false
	for _, m := range c.matches {
		if m.score == best {
			newest = max(newest, m.binding.since)
			live = live || m.call.state != ended
		}
	}
	c.matches = slices.DeleteFunc(c.matches, func(m match) bool {
		return m.score < best || m.binding.since < newest-int64(legWindow) || live && m.call.state == ended
	})
}

func (c *Correlator) best() (best uint8) {
	for _, m := range c.matches {
		best = max(best, m.score)
	}
	return best
}

// sameNAT reports whether the flow's other end has the address that the other
// party's signalling came from.
func (c *Correlator) sameNAT(m *match, e *ends) bool {
	ip := e.dstIP
	if m.toward {
		ip = e.srcIP
	}
	via := c.viaOf(ip)
	return slices.ContainsFunc(m.call.bindings, func(b *binding) bool { return b.party != m.binding.party && b.via == via })
}

// at returns the endpoint at a place. Where there is none, signalling and media
// may be in different tunnels, or only one of them in any: then the same
// address elsewhere counts if it is in one other place only.
func (c *Correlator) at(p place) endpoint {
	e := c.endpoints.at(p)
	if e.head != nil {
		return e
	}
	outside := p.in(0)
	if outside != p {
		e = c.endpoints.at(outside)
	}
	switch in := c.tunnelled[outside]; {
	case in.n == 0:
		return e
	case in.n == 1 && e.head == nil:
		return c.endpoints.at(p.in(in.xor))
	}
	return endpoint{}
}

// collectEnds adds the calls bound at the ends of a flow, to and from, which are its
// own or, for RTCP, those on the ports below.
func (c *Correlator) collectEnds(to, from endpoint, e *ends, w want, below bool) {
	if to.n <= from.n {
		c.collect(to.head, e.src, true, below, w)
		if c.best() < bothEnds {
			c.collect(from.head, e.dst, false, below, w)
		}
		return
	}
	c.collect(from.head, e.dst, false, below, w)
	if c.best() < bothEnds {
		c.collect(to.head, e.src, true, below, w)
	}
}

// collect adds the calls bound at one end of a flow to c.matches, each once,
// as it fits best. other is the other end.
func (c *Correlator) collect(b *binding, other place, toward, below bool, w want) {
	for scanned := 0; b != nil && scanned < maxScan; b, scanned = b.anext, scanned+1 {
		if below && b.use != forBoth || b.use == forRTCP && !w.rtcp || b.since > w.last || b.udptl && w.weak {
			continue
		}
		m := match{call: b.call, binding: b, toward: toward, score: 1 << 3}
		if toward && b.rank != learned {
			m.score = 2 << 3
		}
		if far := b.call.binding(other, 1-b.party, w.rtcp); far != nil {
			m.score = bothEnds
			if !toward {
				m.binding, m.toward = far, true
			}
		} else if b.hidden {
			continue // the same private address is in use elsewhere
		}
		m.score |= uint8(min(m.binding.rank, advertised))
		switch k := b.call; {
		case k.gen != c.gen:
			k.gen, k.at = c.gen, int32(len(c.matches))
			c.matches = append(c.matches, m)
		case m.score > c.matches[k.at].score:
			c.matches[k.at] = m
		}
	}
}
