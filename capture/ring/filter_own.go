package ring

import (
	"net/netip"

	"golang.org/x/net/bpf"
)

// ownFlows drops the probe's own packets and goes to foreign with all others.
// This part runs on every frame of every default capture, so the tests that
// rule out most come first: family, protocol, then addresses, and ports last.
func (g *generator) ownFlows(v view, foreign label) {
	six := g.label()
	for _, v4 := range []bool{true, false} {
		other := foreign
		if v4 {
			other = six
		}
		opened := false
		for _, e := range g.own {
			if e.Addr.Is4() != v4 {
				continue
			}
			if !opened {
				opened = true
				g.family(v, v4, other)
			}
			g.ownFlow(v, e)
		}
		if opened {
			g.jump(foreign)
		}
		if v4 {
			g.here(six)
		}
	}
}

// ownFlow drops the packets of e and goes on with all others.
func (g *generator) ownFlow(v view, e Endpoint) {
	next, reply, request := g.label(), g.label(), g.label()
	v4 := e.Addr.Is4()
	off := uint32(ip6Next)
	if v4 {
		off = ip4Proto
	}
	g.load(v, off, 1)
	g.unless(bpf.JumpEqual, uint32(e.Proto), next)

	g.here(reply)
	g.ownWay(v, e, 0, request)
	g.here(request)
	g.ownWay(v, e, 1, next)
	g.here(next)
}

// ownWay drops packets with the collector as source (0) or destination (1),
// and goes to f with all others.
func (g *generator) ownWay(v view, e Endpoint, second uint32, f label) {
	far, near := g.label(), g.label()
	whole := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
	g.addr(v, whole(e.Addr), second, far, f)
	g.here(far)
	if e.Local.IsValid() {
		g.addr(v, whole(e.Local), 1-second, near, f)
	}
	g.here(near)
	g.toPorts(v, e.Addr.Is4(), f)
	g.port(v, e.Addr.Is4(), second, e.Port, e.Port, g.drop, f)
}
