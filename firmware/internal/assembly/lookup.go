package assembly

import (
	"net/netip"

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

// Connection returns the id of the connection of TCP that is open between the
// ends of f and that Net was told of, 0 when there is none. It needs
// Config.Lookup.
func (a *Assembly) Connection(f *capture.FiveTuple) uint64 {
	if c := a.byEnds[endsOf(f)]; c != nil && c.told {
		return c.id
	}
	return 0
}
