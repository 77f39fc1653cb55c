package mirror

import (
	"time"

	"heptap/capture"
)

// finding is what a rule makes of the evidence.
type finding uint8

const (
	unknown finding = iota // there is too little of it
	no
	yes
)

// rule looks at a judge's windows and says whether its verdict holds, and if
// so fills in all of v but Kind and Since.
type rule func(j *Judge, v *Verdict) finding

// rules holds the rule of every kind that has evidence of its own. NoLink is
// the judge's own, and TooEarly and Healthy follow from the others.
var rules = [NumKinds]rule{
	NoFrames:      noFrames,
	NotMirror:     notMirror,
	OneDirection:  oneDirection,
	CutFrames:     cutFrames,
	Drops:         drops,
	CommonDrops:   commonDrops,
	Doubled:       doubled,
	SIPWithoutRTP: sipWithoutRTP,
	RTPWithoutSIP: rtpWithoutSIP,
	RingDrops:     ringDrops,
	TLSOnly:       tlsOnly,
	SomeOneWay:    someOneWay,
	Unread:        unreadFrames,
	Giants:        giants,
	Encapsulated:  encapsulated,
}

// certain is the confidence from which on a share is taken for a fact, in
// percent: Wilson's bound at 2.33 standard deviations.
const certain = 99

// The least that is asked for before anything is said. Times are what an
// installer waits for; they and the numbers are chosen together so that a
// quiet night is not a fault.
const (
	quietAtFirst = 30 * second // without any frame since the link came up
	quietNote    = minute      // without a frame, after there were some
	quietLong    = 10 * minute

	notMirrorFirst   = minute
	notMirrorSure    = 150 * second
	notMirrorStray   = .05 // share of unicast that a switch may flood by itself
	oneDirectionFew  = 4   // conversations, if all of them are one way
	oneDirectionMany = 20
	oneDirectionMost = .8 // share of them
	someOneWayLeast  = .3 // share above which it is no longer a few odd routes

	cutLeast  = 10
	cutShare  = .005
	copyLeast = 200 // checked
	copyShare = .3
	copySome  = .05

	dropsLeast       = 10   // segments acknowledged and never seen
	dropsTimes       = 3    // seconds in which they were
	dropsConnections = 3    // connections
	dropsTimesOfFew  = 20   // seconds, where there are fewer
	dropsMostOfFew   = .2   // share, the same
	dropsMost        = .5   // above this share it is a direction or a path that is missing, not packets
	dropsShare       = 1e-4 // below this it is not worth a word
	dropsFault       = .01
	pairsLeast       = 3  // streams compared
	pairsHearing     = .5 // share of them that lost packets only here, if their receivers report loss
	pairsAll         = .7 // the same, whatever their receivers do
	pairsAfter       = 2 * minute

	commonLeast  = 3   // instants
	commonTimes  = 5   // as many as chance would have
	commonSwing  = .2  // for each stream, above what chance has
	uniformLeast = 300 // stream intervals

	callsLeast   = 5
	callsNoRTP   = 3 // if there is no RTP packet at all
	callsShare   = .8
	streamsLeast = 5
	rtpLeast     = 1000
	startUp      = 30 * second // streams that were there before us have begun by then

	tlsLeast  = 20
	noteLeast = 100 // frames
	noteShare = .01
	ringShare = 1e-3

	healthyAfter  = minute
	healthyFrames = 500 // between two other hosts
)

// age is how long the judge has watched without a break.
func (j *Judge) age() int64 { return j.now - j.epoch }

func noFrames(j *Judge, v *Verdict) finding {
	v.Window, v.Confidence = time.Duration(j.quiet), 99
	v.fact(factBefore, j.all[cReceived])
	switch {
	case j.all[cReceived] == 0 && j.quiet >= quietAtFirst:
		v.Severity = Fault
	case j.quiet >= quietLong:
		v.Severity = Warning
	case j.quiet >= quietNote:
		v.Severity = Note
	case j.all[cReceived] > 0 && j.quiet == 0:
		return no
	default:
		return unknown
	}
	return yes
}

func notMirror(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	// Was there something else earlier, more than a switch floods?
	before, beforeAll := j.all.between()-w.between(), j.all.between()+j.all.group()-w.between()-w.group()
	low, _ := wilson(before, beforeAll, z99)
	had := low > notMirrorStray
	if had || j.age() >= 3*minute {
		w = &j.long.sum
		v.Window = time.Duration(w[cTime])
	}
	low, high := wilson(w.between(), w.between()+w.group(), z99)
	switch {
	case w[cUnclassed] > 0, j.now-j.bothAt < oblivion, low > notMirrorStray:
		return no
	case high > notMirrorStray, j.age() < notMirrorFirst, had && j.age() < 10*minute:
		return unknown
	}
	v.Severity, v.Confidence = Fault, sure(w.group(), w.group()+w.between(), 1-notMirrorStray)
	switch {
	case had:
		v.Severity = Warning
	case j.age() < notMirrorSure:
		v.Severity = Note // there are phones that speak every two minutes
	}
	v.fact(factFrames, w[cReceived])
	v.fact(factBroadcast, w[cBroadcast])
	v.fact(factMulticast, w[cMulticast])
	v.fact(factUnicast, w.between())
	v.fact(factOwn, w[cOwn])
	if had {
		v.fact(factBefore, before)
	}
	return yes
}

// directions returns the conversations that must have two directions by how
// many of these were seen.
func (j *Judge) directions() (both, oneWay uint64) {
	t := &j.latest.Talk
	return t.TCPBoth + t.AskedBoth, t.TCPOneWay + t.AskedOneWay
}

// bothWays returns how many conversations of any sort were seen both ways.
func (j *Judge) bothWays() uint64 {
	both, _ := j.directions()
	return both + j.latest.Talk.OtherBoth
}

func oneDirection(j *Judge, v *Verdict) finding {
	both, oneWay := j.directions()
	n := both + oneWay
	v.Confidence = sure(oneWay, n, oneDirectionMost)
	switch {
	case n < oneDirectionFew:
		return unknown
	case n >= oneDirectionMany && v.Confidence >= certain:
	case j.bothWays() == 0:
		// All of a few. If half of them had been both ways, as chance has it:
		v.Confidence = sure(oneWay, n, .5)
	default:
		return no
	}
	v.Severity = Fault
	j.conversations(v)
	return yes
}

func someOneWay(j *Judge, v *Verdict) finding {
	both, oneWay := j.directions()
	v.Confidence = sure(oneWay, both+oneWay, someOneWayLeast)
	switch {
	case both+oneWay < oneDirectionMany:
		return unknown
	case v.Confidence < certain, j.states[OneDirection].held:
		return no
	}
	v.Severity = Note
	j.conversations(v)
	return yes
}

func (j *Judge) conversations(v *Verdict) {
	both, oneWay := j.directions()
	v.fact(factBoth, both)
	v.fact(factOneWay, oneWay)
	v.fact(factTCPOneWay, j.latest.Talk.TCPOneWay)
	v.fact(factHosts, j.latest.Hosts)
}

func cutFrames(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	v.Confidence = sure(w[cCut], w[cDecoded], cutShare)
	switch {
	case w[cDecoded] < noteLeast:
		return unknown
	case w[cCut] < cutLeast || v.Confidence < certain:
		return no
	}
	v.Severity = Fault
	v.fact(factCut, w[cCut])
	v.fact(factDecoded, w[cDecoded])
	return yes
}

func doubled(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	n, k := w[cChecked], w[cCopies]
	v.Severity, v.Confidence = Warning, sure(k, n, copyShare)
	if n < copyLeast {
		return unknown
	}
	if v.Confidence < certain {
		v.Severity, v.Confidence = Note, sure(k, n, copySome)
	}
	if v.Confidence < certain {
		return no
	}
	v.fact(factChecked, n)
	v.fact(factCopies, k)
	v.fact(factLag, w[cCopyLag]/max(1, k)/1000)
	return yes
}

func ringDrops(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	if w[cKernelDrops] == 0 {
		return no
	}
	v.Severity, v.Confidence = Note, 99
	if sure(w[cKernelDrops], w[cReceived], ringShare) >= certain {
		v.Severity = Warning
	}
	v.fact(factDrops, w[cKernelDrops])
	v.fact(factFrames, w[cReceived])
	return yes
}

func tlsOnly(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	switch {
	case w[cSIP] > 0:
		return no
	case w[cSIPTLS] < tlsLeast || j.age() < minute:
		return unknown
	}
	v.Severity, v.Confidence = Note, 99
	v.fact(factSIPTLS, w[cSIPTLS])
	v.fact(factTLS, w[cTLS])
	v.fact(factRTP, w[cRTP])
	return yes
}

func sipWithoutRTP(j *Judge, v *Verdict) finding {
	w := &j.long.sum
	v.Window = time.Duration(w[cTime])
	n, k := w[cCalls], w[cSilent]
	v.Confidence = sure(k, n, callsShare)
	switch {
	case k == n && n >= callsNoRTP && w[cRTP] == 0:
		v.Confidence = sure(k, n, .5)
	case j.short.sum[cCalls] >= callsLeast && j.short.sum[cSilent]*5 < j.short.sum[cCalls]:
		return no // it was, and no longer is
	case n < callsLeast:
		return unknown
	case v.Confidence < certain:
		return no
	}
	v.Severity = Warning
	v.fact(factSIP, w[cSIP])
	v.fact(factCalls, n)
	v.fact(factSilent, k)
	v.fact(factRTP, w[cRTP])
	return yes
}

func rtpWithoutSIP(j *Judge, v *Verdict) finding {
	w := &j.long.sum
	v.Window = time.Duration(w[cTime])
	switch {
	case w[cSIP] > 0:
		return no
	case j.latest.StreamsStarted < j.early+streamsLeast || w[cStarted] < streamsLeast || w[cRTP] < rtpLeast || j.age() < minute+startUp:
		return unknown
	case w[cSIPTLS] >= tlsLeast:
		return no // there is, but it is encrypted
	}
	v.Severity, v.Confidence = Warning, sure(w[cStarted], w[cStarted], .5)
	v.fact(factRTP, w[cRTP])
	v.fact(factStreams, w[cStarted])
	v.fact(factSIP, 0)
	return yes
}

func unreadFrames(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	switch {
	case w[cReceived] < noteLeast:
		return unknown
	case sure(w[cUnread], w[cReceived], noteShare) < certain:
		return no
	}
	v.Severity, v.Confidence = Note, sure(w[cUnread], w[cReceived], noteShare)
	if sure(w[cUnread], w[cReceived], .5) >= certain {
		v.Severity = Warning
	}
	v.fact(factFrames, w[cReceived])
	for i := range j.latest.UnreadByName {
		n := &j.latest.UnreadByName[i]
		before := uint64(0)
		for _, o := range j.unread[0] {
			if o.Name == n.Name {
				before = o.Frames
			}
		}
		if n.Name != "" && n.Frames > before {
			v.fact(n.Name, n.Frames-before)
		}
	}
	return yes
}

func giants(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	if w[cGiant] < cutLeast {
		return no
	}
	v.Severity, v.Confidence = Note, 99
	v.fact(factGiant, w[cGiant])
	v.fact(factFrames, w[cReceived])
	return yes
}

// encapsulated names what a share of packets worth mentioning is wrapped in.
func encapsulated(j *Judge, v *Verdict) finding {
	w := &j.short.sum
	if w[cDecoded] < noteLeast {
		return unknown
	}
	v.Severity = Note
	v.fact(factDecoded, w[cDecoded])
	for i, n := range w[cEncap:] {
		if c := sure(n, w[cDecoded], noteShare); c >= certain {
			v.fact(capture.EncapName(i), n)
			v.Confidence = max(v.Confidence, c)
		}
	}
	if v.n == 1 {
		return no
	}
	return yes
}

// enough reports whether a port that no verdict accuses may be called healthy:
// it was watched for a minute, has traffic between others, and conversations
// in both directions.
func (j *Judge) enough() bool {
	return j.age() >= healthyAfter && j.long.sum.between()+j.long.sum[cUnclassed] >= healthyFrames && j.bothWays() > 0
}

// assurance is how sure it is that most conversations are seen both ways; with
// few of them it cannot be high.
func (j *Judge) assurance() uint8 {
	both, oneWay := j.directions()
	return sure(both+j.latest.Talk.OtherBoth, both+oneWay+j.latest.Talk.OtherBoth, .5)
}

// describe fills in what the two general verdicts are based on.
func (j *Judge) describe(v *Verdict) {
	w := &j.long.sum
	both, oneWay := j.directions()
	v.fact(factFrames, w[cReceived])
	v.fact(factUnicast, w.between())
	v.fact(factHosts, j.latest.Hosts)
	v.fact(factBoth, both+j.latest.Talk.OtherBoth)
	v.fact(factOneWay, oneWay)
	v.fact(factSIP, w[cSIP])
	v.fact(factRTP, w[cRTP])
	v.fact(factSeen, w[cSeen])
}
