package correlate

import (
	"math"
	"net/netip"
	"slices"
)

// match is a call that a stream may belong to.
type match struct {
	call    *call
	binding *binding
	toward  bool  // the binding is the stream's destination
	score   uint8 // 3 both ends, 2 the destination, 1 the source
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
// calls than one can have legs are strangers on a shared port: none of them is
// taken, as nothing says which one is right.
func (c *Correlator) match(src, dst netip.AddrPort, rtcp bool, last int64) []match {
	c.matches = c.matches[:0]
	c.gen++
	to, from := c.endpoints[dst], c.endpoints[src]
	if toFirst := to.n <= from.n; toFirst {
		c.collect(to.head, src, rtcp, true, last)
		if c.best() < 3 {
			c.collect(from.head, dst, rtcp, false, last)
		}
	} else {
		c.collect(from.head, dst, rtcp, false, last)
		if c.best() < 3 {
			c.collect(to.head, src, rtcp, true, last)
		}
	}
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
	if len(c.matches) > maxLegs {
		return nil
	}
	return c.matches
}

func (c *Correlator) best() (best uint8) {
	for _, m := range c.matches {
		best = max(best, m.score)
	}
	return best
}

// collect adds the calls bound at one end of a flow to c.matches, each once,
// as it fits best. other is the other end.
func (c *Correlator) collect(b *binding, other netip.AddrPort, rtcp, toward bool, last int64) {
	for scanned := 0; b != nil && scanned < maxScan; b, scanned = b.anext, scanned+1 {
		if b.rtcp && !rtcp || b.since > last {
			continue
		}
		m := match{call: b.call, binding: b, toward: toward, score: 1}
		if toward {
			m.score = 2
		}
		if far := b.call.binding(other, 1-b.party, rtcp); far != nil {
			m.score = 3
			if !toward {
				m.binding, m.toward = far, true
			}
		}
		switch k := b.call; {
		case k.gen != c.gen:
			k.gen, k.at = c.gen, len(c.matches)
			c.matches = append(c.matches, m)
		case m.score > c.matches[k.at].score:
			c.matches[k.at] = m
		}
	}
}
