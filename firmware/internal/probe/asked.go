package probe

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"heptap/capture"
)

// asked remembers between whom requests went whose replies do not show by
// themselves: rtpproxy's commands, and management commands in lines. The workers
// share it, since a TAP shows each direction on a port of its own. An entry
// stays until another one needs its place: what is handed over by mistake finds no
// request later on.
type asked struct {
	flows [1 << askedBits]atomic.Uint64 // hash, its lowest bit the protocol's
}

const askedBits = 10

// note remembers the flow of a request.
func (a *asked) note(p *capture.Packet, proto capture.Protocol) {
	h := ends(p) &^ 1
	if proto == capture.NG {
		h |= 1
	}
	if at := &a.flows[h>>(64-askedBits)]; at.Load() != h {
		at.Store(h)
	}
}

// reply returns what p may be, of which dissect has said proto.
func (a *asked) reply(p *capture.Packet, proto capture.Protocol) capture.Protocol {
	if b := p.Payload; len(b) == 0 || b[0] < ' ' || b[0] > '~' {
		return proto
	}
	h := ends(p)
	switch a.flows[h>>(64-askedBits)].Load() {
	case h &^ 1:
		return capture.MI
	case h | 1:
		return capture.NG
	}
	return proto
}

// ends is the same for both directions of a flow, and in every run.
func ends(p *capture.Packet) uint64 {
	hi, lo := bits.Mul64(end(p.Src, p.SrcPort)^end(p.Dst, p.DstPort), 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func end(addr []byte, port uint16) uint64 {
	h := uint64(port) + 1
	for ; len(addr) >= 4; addr = addr[4:] {
		hi, lo := bits.Mul64(h^uint64(binary.BigEndian.Uint32(addr))<<16, 0xbf58476d1ce4e5b9)
		h = hi ^ lo
	}
	return h
}
