package assembly

import (
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/dissect"
	"heptap/capture/duplicate"
	"heptap/capture/media"
	"heptap/capture/sctp"
	"heptap/capture/stream"
)

// Stats are the running totals of an Assembly and its tables.
type Stats struct {
	UserMessages [capture.NumProtocols]uint64 // of SCTP, by what they are
	Copied       [capture.NumProtocols]uint64 // copies of datagrams that were left out, by what they carry
	Unwrapped    uint64                       // messages found in somebody else's HEP
	Moved        uint64                       // messages whose time was moved behind that of the one before

	Duplicate duplicate.Stats
	Ports     []duplicate.PortStats // copies by mirror port
	Fragments FragmentStats
	Stream    stream.Stats
	Conns     dissect.Stats
	SCTP      sctp.Stats
	Media     media.Stats // of RTP that came in fragments
}

// counters are the Assembly's own, to be read from any goroutine.
type counters struct {
	userMessages, copied [capture.NumProtocols]atomic.Uint64
	unwrapped, moved     atomic.Uint64
}

// Stats returns the totals as of the last Advance or Flush, with those of so
// many mirror ports. It may be called from any goroutine.
func (a *Assembly) Stats(ports int) Stats {
	c := &a.counters
	s := Stats{
		Unwrapped: c.unwrapped.Load(), Moved: c.moved.Load(),
		Fragments: a.fragments.Stats(), Stream: a.streams.Stats(), Conns: a.conns.Stats(), SCTP: a.sctp.Stats(), Media: a.media.Stats(),
	}
	for i := range s.Copied {
		s.UserMessages[i], s.Copied[i] = c.userMessages[i].Load(), c.copied[i].Load()
	}
	if a.duplicates != nil {
		s.Duplicate = a.duplicates.Stats()
		for i := range ports {
			s.Ports = append(s.Ports, a.duplicates.Port(uint8(i)))
		}
	}
	return s
}
