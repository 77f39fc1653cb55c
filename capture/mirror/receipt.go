package mirror

import "math"

// Side says on which side of the mirror point a stream lost packets.
type Side uint8

// The sides.
const (
	SideOpen   Side = iota // not enough seen yet
	SideClean              // nobody lost anything worth mentioning
	SideAfter              // the receiver lost what we saw: beyond the mirror point
	SideShared             // both lost alike: before the mirror point
	SideMirror             // the receiver had what we missed: between the mirror point and us
)

var sideNames = [...]string{"open", "clean", "after", "shared", "mirror"}

// String returns the side in a word.
func (s Side) String() string {
	if int(s) < len(sideNames) {
		return sideNames[s]
	}
	return "invalid"
}

// OwnLoss is what we count of a stream, in running totals modulo 2^32: there is
// one for each stream.
type OwnLoss struct {
	Expected    uint32 // packets, by the sequence numbers
	Missing     uint32 // of these never seen
	Runs        uint32 // runs that the missing ones form
	KernelDrops uint32 // of the whole port: what our own ring loses is not the mirror's
}

// ReportedLoss is what a report block says of the same stream (RFC 3550
// 6.4.1).
type ReportedLoss struct {
	Highest uint32 // extended highest sequence number received
	Lost    int32  // cumulative number of packets lost, sign extended
}

// Limits of a comparison.
const (
	pairPackets = 1500    // that it covers, at least: half a minute of speech
	pairRest    = 30_000  // packets until the next of the same stream: it would say the same
	pairSkew    = 500     // packets by which the two counts may lag each other
	pairMost    = 1 << 24 // packets; after more of them the reports had stopped
	pairSignif  = 3.0     // standard deviations
	pairRuns    = 6       // runs of loss
)

// LossPair compares one stream's loss as its receiver reports it with the loss
// that we see. The correlator keeps one for each stream and reporter.
//
// Loss before the mirror point is in both counts. Loss behind it is in the
// report only. Loss in the mirror is in ours only; but so is loss at the end
// of the interval that the report does not cover yet, and that may be a burst.
// So what is compared is not packets but runs: a burst counts as one.
//
// A comparison has the same length whatever it finds, and each stream few of
// them. Else those that stand out would be counted sooner, and more often.
type LossPair struct {
	own    OwnLoss      // at the start of the comparison
	report ReportedLoss // the same
	begun  bool
	rests  bool // own is when it began to rest
	hears  bool // the receiver has reported some loss
}

// Add takes what both sides counted when a report arrived, and returns where
// the loss was, or SideOpen as long as it cannot say. The second result is what
// was compared.
func (p *LossPair) Add(own OwnLoss, report ReportedLoss) (Side, Compared) {
	p.hears = p.hears || report.Lost > 0
	expected := int64(int32(own.Expected - p.own.Expected))
	missing := int64(int32(own.Missing - p.own.Missing))
	runs := int64(int32(own.Runs - p.own.Runs))
	reportExpected := int64(int32(report.Highest - p.report.Highest))
	lost := int64(report.Lost) - int64(p.report.Lost)
	skew := expected - reportExpected
	switch {
	case p.rests && expected >= 0 && expected < pairRest:
		return SideOpen, Compared{}
	case !p.begun, p.rests, own.KernelDrops != p.own.KernelDrops,
		// One of the two has begun anew, or the reports stopped for long.
		expected < 0, missing < 0, runs < 0, reportExpected < 0, max(expected, reportExpected) > pairMost,
		max(skew, -skew) > pairSkew+expected/10:
		p.begin(own, report)
		return SideOpen, Compared{}
	case expected < pairPackets || reportExpected < pairPackets:
		return SideOpen, Compared{}
	}
	missing, lost = min(missing, expected), min(max(lost, 0), reportExpected)
	side := side(missing, runs, expected, lost, reportExpected)
	p.begin(own, report)
	p.rests = true
	return side, Compared{Expected: uint64(expected), Missing: uint64(missing), Reported: uint64(lost), Hears: p.hears}
}

func (p *LossPair) begin(own OwnLoss, report ReportedLoss) {
	p.own, p.report, p.begun, p.rests = own, report, true, false
}

// side decides. The two numbers of runs are taken for Poisson's, which chance
// alone makes differ by the root of their sum.
func side(missing, runs, expected, lost, reportExpected int64) Side {
	burst := 1.0
	if runs > 0 {
		burst = max(1, float64(missing)/float64(runs))
	}
	ours := float64(missing) / burst
	theirs := float64(lost) / burst * float64(expected) / float64(reportExpected)
	z := (ours - theirs) / math.Sqrt(ours+theirs+1)
	switch {
	case z >= pairSignif && runs >= pairRuns && ours >= 2*theirs:
		return SideMirror
	case z <= -pairSignif && theirs >= 2*ours:
		return SideAfter
	case ours >= pairRuns && theirs >= ours/2:
		return SideShared
	}
	return SideClean
}

// Compared is what one finished comparison covers, in packets.
type Compared struct {
	Expected uint64 // by the sequence numbers
	Missing  uint64 // that we did not see
	Reported uint64 // that the receiver did not get
	Hears    bool   // the receiver has reported loss at some time: it is one that does
}

// Receipts are finished comparisons by their outcome. Running totals.
type Receipts struct {
	Clean, After, Shared, Mirror uint64 // comparisons
	Hearing, HearingMirror       uint64 // of these, and of Mirror: by receivers that are known to report loss

	Expected, Missing, Reported uint64 // packets, of Mirror
}

// Add counts a comparison.
func (r *Receipts) Add(side Side, c Compared) {
	if side == SideOpen {
		return
	}
	if c.Hears {
		r.Hearing++
	}
	switch side {
	case SideClean:
		r.Clean++
	case SideAfter:
		r.After++
	case SideShared:
		r.Shared++
	case SideMirror:
		r.Mirror++
		r.Expected += c.Expected
		r.Missing += c.Missing
		r.Reported += c.Reported
		if c.Hears {
			r.HearingMirror++
		}
	}
}
