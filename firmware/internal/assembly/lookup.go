package assembly

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"time"

	"heptap/capture"
	"heptap/capture/stream"
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
	c.last = c.ends.b == netip.AddrPortFrom(f.Src.Addr().Unmap(), f.Src.Port())
	a.byEnds[c.ends] = c
	k, port := c.way(a)
	w := a.ways[k]
	a.ways[k] = way{w.n + 1, w.ports ^ port}
}

func (a *Assembly) unknow(c *connection) {
	if a.byEnds == nil {
		return
	}
	if a.byEnds[c.ends] == c {
		delete(a.byEnds, c.ends)
	}
	k, port := c.way(a)
	if w := a.ways[k]; w.n > 1 {
		a.ways[k] = way{w.n - 1, w.ports ^ port}
	} else {
		delete(a.ways, k)
	}
}

// way is the connections that one host has to one port of another: how many there are, and
// the XOR of the clients' ports, which of a single one is its port.
type way struct {
	n     uint32
	ports uint16
}

// wayBytes is what one connection takes in the map of ways at its worst load.
const wayBytes = 64

// way returns the key of the way that c goes, and its client's port.
func (c *connection) way(a *Assembly) (uint64, uint16) {
	client, server := c.ends.a, c.ends.b
	if c.last {
		client, server = server, client
	}
	return a.wayKey(client.Addr(), server), client.Port()
}

func (a *Assembly) wayKey(client netip.Addr, server netip.AddrPort) uint64 {
	var k [34]byte
	c, s := client.As16(), server.Addr().As16()
	copy(k[:], c[:])
	copy(k[16:], s[:])
	binary.BigEndian.PutUint16(k[32:], server.Port())
	return maphash.Bytes(a.seed, k[:])
}

// Outgoing puts the port from which f.Src has its only connection to f.Dst in the place of
// its own, and reports whether there is one. Kamailio and OpenSIPS tell of a request that they
// sent over TCP as if it came from the port where they listen. It needs Config.Lookup.
func (a *Assembly) Outgoing(f *capture.FiveTuple) bool {
	src, dst := f.Src.Addr().Unmap(), netip.AddrPortFrom(f.Dst.Addr().Unmap(), f.Dst.Port())
	w := a.ways[a.wayKey(src, dst)]
	from := netip.AddrPortFrom(f.Src.Addr(), w.ports)
	if w.n != 1 || a.byEnds[endsOf(&capture.FiveTuple{Src: from, Dst: f.Dst})] == nil {
		return false // the latter when ways have the same key
	}
	f.Src = from
	return true
}

// remember makes it possible to find c for a while after its end.
func (c *connection) remember(why stream.Reason) {
	a := c.assembly
	if a.byEnds == nil {
		return
	}
	end := c.ending(why)
	a.ended.add(lifetime{ends: c.ends, id: c.id, began: c.stream.Attempt().Began.Wall, over: end.At.Wall, forget: max(a.now, end.At.Mono) + endedFor})
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

// Connection returns the id of the connection of TCP between the ends of f that Net was
// told of, 0 when there is none, or when it began only after wall, the time of what is
// said to have gone over it. One that has ended is found too, for a while. Of two the
// one counts that was open at wall, or nearer to it. Of a connection of TLS Net is told now
// if somebody has read SIP in it. It needs Config.Lookup.
func (a *Assembly) Connection(f *capture.FiveTuple, wall int64, inside Inside) uint64 {
	k := endsOf(f)
	c, past := a.byEnds[k], a.ended.find(k, a.now)
	if past != nil && off(wall, past.began, past.over) > maxSkew {
		past = nil
	}
	if c != nil {
		early := off(wall, c.stream.Attempt().Began.Wall, math.MaxInt64)
		if past != nil && off(wall, past.began, past.over) < early || early > maxSkew && !c.stream.MidStream() {
			c = nil
		}
	}
	if c == nil && past != nil {
		return past.id
	}
	if c == nil {
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
