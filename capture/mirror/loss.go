package mirror

import (
	"math"
	"time"
)

// drops looks for proof that the mirror loses packets: what a receiver had,
// and we did not see. Loss in the network proves nothing, because nobody
// acknowledges what did not arrive.
func drops(j *Judge, v *Verdict) finding {
	byAck := j.ackLoss(v)
	if byAck == yes {
		return yes
	}
	if f := j.reportLoss(v); f != unknown {
		return f
	}
	return byAck
}

// ackLoss looks at what TCP and SCTP acknowledge. What has come without loss
// since the last one decides, if the loss of ten minutes would show in so much.
func (j *Judge) ackLoss(v *Verdict) finding {
	w := &j.short.sum
	f := j.ackLossIn(w)
	if f != yes {
		l := &j.long.sum
		before := float64(l.unseen()) / float64(max(1, l.unseen()+l[cSeen]))
		if float64(j.clean)*before >= dropsLeast {
			return no
		}
		w, f = l, j.ackLossIn(l)
	}
	if f != yes {
		return f
	}
	k, n := w.unseen(), w.unseen()+w[cSeen]
	v.Window = time.Duration(w[cTime])
	v.Severity, v.Confidence = Warning, sure(k, n, dropsShare)
	if low, _ := wilson(k, n, z99); low > dropsFault {
		v.Severity = Fault
	}
	v.fact(factUnseen, k)
	v.fact(factSeen, w[cSeen])
	v.fact(factConnections, j.all[cConnections])
	return yes
}

func (j *Judge) ackLossIn(w *counts) finding {
	k, n := w.unseen(), w.unseen()+w[cSeen]
	most := dropsMost
	// A connection that took another path for a moment acknowledges what went
	// there. So it has to be several, several times, and most must be seen.
	// Where there are not several it has to be so all the time.
	times := uint64(dropsTimes)
	if j.all[cConnections] < dropsConnections {
		times, most = dropsTimesOfFew, dropsMostOfFew
	}
	few := j.latest.Talk.TCPBoth+j.latest.Talk.TCPOneWay <= dropsConnections
	switch {
	case n < noteLeast:
		return unknown
	case k == 0:
		return no
	case k < dropsLeast, w[cLossTimes] < times, j.all[cConnections] < dropsConnections && !few:
		return unknown
	case float64(k) > most*float64(n), sure(k, n, dropsShare) < certain:
		return no
	}
	return yes
}

// reportLoss looks at RTCP. There are phones that never report a loss, and with
// such a phone every loss in the network looks like the mirror's. So either the
// receivers are known to report some, and most of their streams lost packets
// here only; or practically all streams did, as in a mirror, which does not
// look whose packet it drops. What TCP says against it counts more.
func (j *Judge) reportLoss(v *Verdict) finding {
	w := &j.long.sum
	pairs := w[cPairsClean] + w[cPairsAfter] + w[cPairsShared] + w[cPairsMirror]
	missed := w[cPairMissing] - min(w[cPairMissing], w[cPairReported])
	rate := float64(missed) / float64(max(1, w[cPairExpected]))
	hearing, _ := wilson(w[cPairsHearingMirror], w[cPairsHearing], z99)
	all, _ := wilson(w[cPairsMirror], pairs, z99)
	switch {
	case pairs < pairsLeast || j.age() < pairsAfter:
		return unknown
	case hearing < pairsHearing && all < pairsAll:
		return no
	case w.unseen() == 0 && float64(w[cSeen])*rate >= dropsLeast:
		return no
	}
	v.Window = time.Duration(w[cTime])
	v.Severity, v.Confidence = Warning, min(95, max(sure(w[cPairsHearingMirror], w[cPairsHearing], pairsHearing), sure(w[cPairsMirror], pairs, pairsAll)))
	v.fact(factPairs, pairs)
	v.fact(factPairsMirror, w[cPairsMirror])
	v.fact(factHearing, w[cPairsHearing])
	v.fact(factExpected, w[cPairExpected])
	v.fact(factMissing, w[cPairMissing])
	v.fact(factReported, w[cPairReported])
	return yes
}

// commonDrops looks for loss that all streams share: in the same moments, or
// as evenly as only one cause can spread it.
func commonDrops(j *Judge, v *Verdict) finding {
	for _, w := range [...]*window{&j.short, &j.long} {
		n := &w.sum
		if n[cInstants] < 10 {
			continue
		}
		together := commonMoments(n)
		if !together && !uniform(n) {
			if n[cLost] == 0 || w == &j.long {
				return no
			}
			continue
		}
		v.Window = time.Duration(n[cTime])
		v.Severity, v.Confidence = Warning, sure(n[cLossyIntervals], n[cStreamIntervals], noteShare)
		if together {
			v.Confidence = sure(min(n[cLost], n[cLostCommon]), n[cLost], .5)
		}
		v.fact(factInstants, n[cInstants])
		v.fact(factCommon, n[cInstantsCommon])
		v.fact(factIntervals, n[cStreamIntervals])
		v.fact(factLossy, n[cLossyIntervals])
		v.fact(factLost, n[cLost])
		return yes
	}
	return unknown
}

// commonMoments reports whether most of the loss came in moments that hit
// nearly all streams, more often than chance would have it.
func commonMoments(n *counts) bool {
	k := n[cInstantsCommon]
	streams := float64(n[cStreamIntervals]) / float64(n[cInstants])
	if float64(n[cSwing]) < (1+commonSwing*max(streams, commonStreams+1))*float64(n[cEven]) {
		return false // they lose all the time, and it met
	}
	return k >= commonLeast && float64(k) >= commonLeast+commonTimes*float64(n[cChance])/1000 && 2*n[cLostCommon] > n[cLost]
}

// uniform reports whether loss is spread over all streams as evenly as when
// one thing drops packets without looking: of stream intervals that lose m
// packets on average, exp(-m) then lose none. Loss that only some streams have
// leaves more than that.
func uniform(n *counts) bool {
	if n[cStreamIntervals] < uniformLeast || n[cLost] < n[cStreamIntervals] {
		return false
	}
	m := float64(n[cLost]) / float64(n[cStreamIntervals])
	return float64(n[cLossyIntervals]) >= .9*(1-math.Exp(-m))*float64(n[cStreamIntervals])
}
