package correlate

import (
	"heptap/capture"
	"heptap/capture/sdp"
)

// side is what one party of a call said of its audio last, and what is seen of
// it.
type side struct {
	at       int64  // mono of the newest SDP, 0 none seen
	said     uint64 // which that was and how it came, 0 when it must be read again
	sends    bool
	receives bool
	image    bool // T.38 is on
	heard    bool // audio from it was seen
	stopped  bool // it was told that it stopped
	resumed  bool // and that it goes on
}

// repeats says whether a session is the one that the party gave last: one that a
// proxy passed on, a retransmission, the 200 after the 183, a session timer's.
func (s *side) repeats(said uint64, now int64) bool {
	if s.said != said {
		return false
	}
	s.at = max(now, 1)
	return true
}

// readAgain is told when what the parties said no longer is what is bound: what did
// not fit is tried again, what counts less now may count again.
func (k *call) readAgain() { k.sides[0].said, k.sides[1].said = 0, 0 }

// take takes in a session of the party.
func (s *side) take(media []sdp.Media, now int64) {
	s.at, s.sends, s.receives, s.image = max(now, 1), false, false, false
	for i := range media {
		m := &media[i]
		switch {
		case m.Port == 0:
		case m.UDPTL:
			s.image = true
		case m.RTP && m.Type == sdp.Audio:
			// 0.0.0.0 is a hold (RFC 2543 B.5), or ICE has yet to find addresses.
			if m.Addr.IsUnspecified() && m.Port != 9 && len(m.Candidates()) == 0 {
				continue
			}
			s.sends = s.sends || m.Direction == sdp.SendRecv || m.Direction == sdp.SendOnly
			s.receives = s.receives || m.Direction == sdp.SendRecv || m.Direction == sdp.RecvOnly
		}
	}
}

// flows says whether audio of a party should flow, as far as SDP is known.
func (k *call) flows(party uint8) bool {
	from, to := &k.sides[party], &k.sides[1-party]
	return (from.at == 0 || from.sends) && (to.at == 0 || to.receives) && !from.image && !to.image
}

// bothKnown says whether the SDP of both parties was seen, and so both
// directions of the signalling.
func (k *call) bothKnown() bool { return k.sides[0].at != 0 && k.sides[1].at != 0 }

// T38 reports whether a flow runs between endpoints at least one of which a
// call gave for T.38 (m=image udptl). Such a call shows a sign of life by it.
func (c *Correlator) T38(f capture.FiveTuple) bool {
	found := false
	for _, at := range [...]place{placeOf(f.Tunnel, unmap(f.Dst)), placeOf(f.Tunnel, unmap(f.Src))} {
		b := c.at(at).head
		for n := 0; b != nil && n < maxScan; b, n = b.anext, n+1 {
			if b.udptl && b.call.state != ended {
				found = true
				b.call.seen = c.now
			}
		}
	}
	return found
}
