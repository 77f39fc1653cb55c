package stream

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"heptap/capture"
)

// Ignore tells ring workers which segments need not be copied, since an
// Assembler has released their connection. The Assembler alone writes, any
// goroutine may ask. It is a table without chains: a connection may push
// another out, whose segments then come to the Assembler again, and are only
// counted there. A slot holds the connection's whole 64-bit hash, so that one
// connection is taken for another once in 2^64 pairs.
type Ignore struct {
	slots []atomic.Uint64
	seed  [4]uint64
}

// NewIgnore returns a table for at least n connections, of 8 octets each.
func NewIgnore(n int) *Ignore {
	g := &Ignore{slots: make([]atomic.Uint64, 1<<bits.Len(uint(min(max(n, 256), 1<<26)-1)))}
	for i := range g.seed {
		g.seed[i] = rand.Uint64()
	}
	return g
}

// Ignored reports whether p, a TCP segment, is of a connection that was
// released. Segments with SYN, FIN or RST are always of interest.
func (g *Ignore) Ignored(p *capture.Packet) bool {
	if p.TCP.Flags&(capture.FlagSYN|capture.FlagFIN|capture.FlagRST) != 0 {
		return false
	}
	var tag uint64
	switch {
	case len(p.Src) == 4 && len(p.Dst) == 4:
		src := uint64(binary.BigEndian.Uint32(p.Src))<<16 | uint64(p.SrcPort)
		dst := uint64(binary.BigEndian.Uint32(p.Dst))<<16 | uint64(p.DstPort)
		tag = g.tag4(min(src, dst), max(src, dst), p.Tunnel)
	case len(p.Src) == 16 && len(p.Dst) == 16:
		src := g.end6(binary.BigEndian.Uint64(p.Src), binary.BigEndian.Uint64(p.Src[8:]), p.SrcPort)
		dst := g.end6(binary.BigEndian.Uint64(p.Dst), binary.BigEndian.Uint64(p.Dst[8:]), p.DstPort)
		tag = g.tag6(src, dst, p.Tunnel)
	default:
		return false
	}
	return g.slots[tag&uint64(len(g.slots)-1)].Load() == tag
}

// tag4 hashes the two ends of an IPv4 connection, the smaller first.
func (g *Ignore) tag4(a, b uint64, tunnel uint32) uint64 {
	return mix(mix(a^g.seed[0], b^g.seed[1])^g.seed[2], uint64(tunnel)^g.seed[3]) | 1<<63
}

func (g *Ignore) end6(hi, lo uint64, port uint16) uint64 {
	return mix(mix(hi^g.seed[0], lo^g.seed[1])^g.seed[1], uint64(port)^g.seed[2])
}

// tag6 takes the hashes of the two ends, in either order.
func (g *Ignore) tag6(a, b uint64, tunnel uint32) uint64 {
	return mix((a+b)^g.seed[2], a^b^uint64(tunnel)^g.seed[3]) | 1<<63
}

func (g *Ignore) tag(k *key) uint64 {
	if k.v6 {
		return g.tag6(g.end6(k.a[0], k.a[1], uint16(k.ports>>16)), g.end6(k.b[0], k.b[1], uint16(k.ports)), k.tunnel)
	}
	return g.tag4(k.a[1]<<16|uint64(k.ports>>16), k.b[1]<<16|uint64(k.ports&0xffff), k.tunnel)
}

func (g *Ignore) add(k *key) {
	if g != nil {
		tag := g.tag(k)
		g.slots[tag&uint64(len(g.slots)-1)].Store(tag)
	}
}

func (g *Ignore) remove(k *key) {
	if g == nil {
		return
	}
	tag := g.tag(k)
	if s := &g.slots[tag&uint64(len(g.slots)-1)]; s.Load() == tag {
		s.Store(0)
	}
}

// MemoryBytes returns the table's size.
func (g *Ignore) MemoryBytes() int64 { return 8 * int64(len(g.slots)) }
