package assembly

import (
	"net/netip"
	"time"

	"heptap/capture"
)

// ends are the two ends of a connection, the smaller first, so that both
// directions find it. Tunnels do not count: who asks does not know them.
type ends struct{ a, b netip.AddrPort }

func endsOf(f *capture.FiveTuple) ends {
	a := netip.AddrPortFrom(f.Src.Addr().Unmap(), f.Src.Port())
	b := netip.AddrPortFrom(f.Dst.Addr().Unmap(), f.Dst.Port())
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return ends{a, b}
}

// endsBytes is what one connection takes in the map at its worst load.
const endsBytes = 192

// know makes c known by its ends. Of two that have the same, the later counts.
func (a *Assembly) know(c *connection) {
	if a.byEnds == nil {
		return
	}
	f := c.stream.Flow()
	c.ends = endsOf(&f)
	a.byEnds[c.ends] = c
}

func (a *Assembly) unknow(c *connection) {
	if a.byEnds[c.ends] == c {
		delete(a.byEnds, c.ends)
	}
}

// maxSkew is how far the clock of one that asks for a connection may be behind, ns.
const maxSkew = int64(5 * time.Minute)

// Inside says what somebody who asks for a connection has read in it.
type Inside uint8

// What may have been read.
const (
	Nothing   Inside = iota
	SIP              // without a WebSocket around it, or nobody knows
	WebSocket        // with SIP in it
)

// maxPorts is of how many ports it is remembered that WebSockets with SIP go there.
const maxPorts = 64

// Connection returns the id of the connection of TCP that is open between the
// ends of f and that Net was told of, 0 when there is none, or when it began only after
// wall, the time of what is said to have gone over it. Of a connection of TLS Net is told now
// if somebody has read SIP in it. It needs Config.Lookup.
func (a *Assembly) Connection(f *capture.FiveTuple, wall int64, inside Inside) uint64 {
	c := a.byEnds[endsOf(f)]
	if c == nil {
		return 0
	}
	if began := c.stream.Attempt().Began.Wall; !c.stream.MidStream() && wall < began-maxSkew {
		return 0
	}
	if inside == WebSocket {
		c.isWSS()
	}
	if inside != Nothing && !c.told {
		c.readable()
	}
	if !c.told {
		return 0
	}
	return c.id
}
