package probe

import (
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/decode"
	"heptap/capture/dissect"
)

// What a sample of what a filter hides may be besides a UDP datagram, which counts
// by what it carries. SIP and TLS over TCP count as these.
const (
	hiddenTCP = int(capture.NumProtocols) + iota
	hiddenSCTP
	hiddenFragment
	hiddenOther // not IP, or what decode does not read
	numHidden
)

// Hidden counts frames that a port's filter hides, as far as they were drawn for a
// sample, by what they carry.
type Hidden [numHidden]uint64

// HiddenName names what element i of a Hidden counts.
func HiddenName(i int) string {
	if i < int(capture.NumProtocols) {
		return capture.Protocol(i).String()
	}
	return [...]string{"tcp", "sctp", "fragment", "other"}[i-hiddenTCP]
}

// hidden is a worker's Hidden. There is no hurry with it.
type hidden [numHidden]atomic.Uint64

// add counts f, which goes no further. p is scratch.
func (h *hidden) add(f *capture.Frame, p *capture.Packet) {
	h[hiddenKind(f, p)].Add(1)
}

func hiddenKind(f *capture.Frame, p *capture.Packet) int {
	reason := decode.Decode(f, p)
	switch {
	case reason == capture.DropTCPShort || reason == capture.DropTCPLength: // of a bare header, a sample lacks an octet
		return hiddenTCP
	case reason == capture.DropUDPShort || reason == capture.DropUDPLength:
		return int(capture.Unknown)
	case reason == capture.DropSCTPShort:
		return hiddenSCTP
	case reason != capture.DropNone:
		return hiddenOther
	case p.Fragment.Valid:
		return hiddenFragment
	case p.Protocol == capture.ProtoUDP:
		return int(dissect.Datagram(p, 0))
	case p.Protocol == capture.ProtoSCTP:
		return hiddenSCTP
	case p.Protocol != capture.ProtoTCP:
		return hiddenOther
	case isTLS(p.Payload):
		return int(capture.TLS)
	case dissect.Datagram(p, 0) == capture.SIP: // a message begins here
		return int(capture.SIP)
	}
	return hiddenTCP
}

func (h *hidden) stats() (s Hidden) {
	for i := range h {
		s[i] = h[i].Load()
	}
	return s
}
