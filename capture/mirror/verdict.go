package mirror

import "time"

// Kind is what a verdict says.
type Kind uint8

// The kinds of verdicts, see the table in the package's documentation.
const (
	NoLink        Kind = iota // the port has no carrier
	NoFrames                  // link, but nothing arrives
	NotMirror                 // only what every port of the switch gets
	OneDirection              // conversations are seen one way only
	CutFrames                 // frames arrive shorter than they were
	Drops                     // the mirror loses packets
	CommonDrops               // all streams lose together: the mirror, or a shared link
	Doubled                   // everything, or some of it, arrives twice
	SIPWithoutRTP             // calls, but not their media
	RTPWithoutSIP             // media, but not their calls
	RingDrops                 // our own ring loses frames: not the mirror's fault
	TLSOnly                   // signalling is encrypted
	SomeOneWay                // part of the conversations is seen one way
	Unread                    // frames that are not understood
	Giants                    // frames merged by an offload
	Encapsulated              // traffic in tunnels or with tags
	TooEarly                  // not enough seen to say
	Healthy                   // enough seen, and nothing wrong with the mirror
	NumKinds
)

var kindNames = [NumKinds]string{
	"no link", "no frames", "not a mirror port", "one direction", "cut frames", "mirror drops", "common loss", "doubled",
	"sip without rtp", "rtp without sip", "ring drops", "tls only", "some one way", "not understood", "giant frames",
	"encapsulated", "too early", "healthy",
}

// String returns the kind in a few words, the same in metrics and reports.
func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return "invalid"
}

// Severity says how much a verdict matters.
type Severity uint8

// The severities, the mildest first.
const (
	OK      Severity = iota
	Note             // worth knowing
	Warning          // part of what should be seen is not
	Fault            // the port is of no use like this
)

var severityNames = [...]string{"ok", "note", "warning", "fault"}

// String returns the severity in a word.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "invalid"
}

// Fact is a piece of evidence.
type Fact struct {
	Name  string // constant for the kind, but for what is named by the frames themselves
	Value uint64
}

// maxFacts is how many facts a verdict holds.
const maxFacts = 8

// Verdict is one thing that is true of a port.
type Verdict struct {
	Kind       Kind
	Severity   Severity
	Confidence uint8         // percent, at most 99; what statistics give, not how bad it is
	Since      int64         // monotonic time of the sample from which on it has held
	Window     time.Duration // the time the facts were gathered over, as far as it was watched

	facts [maxFacts]Fact
	n     int
}

// Facts returns the evidence, borrowed from v.
func (v *Verdict) Facts() []Fact { return v.facts[:v.n] }

// Accuses reports whether v says that the mirror, or how it is set up, is
// wrong: what an installer must look into. Losses that a shared link explains
// as well are no accusation, nor is what our own ring loses.
func (v *Verdict) Accuses() bool {
	switch v.Kind {
	case NoLink, NoFrames, NotMirror, OneDirection, CutFrames, Drops, Doubled, SIPWithoutRTP, RTPWithoutSIP:
		return v.Severity >= Warning
	}
	return false
}

// fact adds a fact; those that find no room are left out.
func (v *Verdict) fact(name string, value uint64) {
	if v.n < maxFacts {
		v.facts[v.n] = Fact{name, value}
		v.n++
	}
}

// value returns the fact called name, 0 if there is none.
func (v *Verdict) value(name string) uint64 {
	for _, f := range v.Facts() {
		if f.Name == name {
			return f.Value
		}
	}
	return 0
}

// The names of facts.
const (
	factFrames      = "frames"
	factDecoded     = "decoded"
	factBroadcast   = "broadcast"
	factMulticast   = "multicast"
	factUnicast     = "unicast"
	factOwn         = "own"
	factHosts       = "hosts"
	factBoth        = "both_ways"
	factOneWay      = "one_way"
	factTCPOneWay   = "tcp_one_way"
	factChecked     = "checked"
	factCopies      = "copies"
	factLag         = "lag_us"
	factCut         = "cut"
	factUnseen      = "acked_unseen"
	factSeen        = "seen"
	factConnections = "connections"
	factPairs       = "streams_compared"
	factPairsMirror = "streams_mirror"
	factHearing     = "streams_known_to_report"
	factExpected    = "rtp_expected"
	factMissing     = "rtp_missed"
	factReported    = "rtp_reported_lost"
	factInstants    = "instants"
	factCommon      = "instants_common"
	factIntervals   = "stream_intervals"
	factLossy       = "stream_intervals_lossy"
	factLost        = "lost"
	factSIP         = "sip"
	factRTP         = "rtp"
	factCalls       = "calls"
	factSilent      = "calls_silent"
	factStreams     = "streams"
	factTLS         = "tls"
	factSIPTLS      = "sip_tls"
	factDrops       = "kernel_drops"
	factGiant       = "giant"
	factBefore      = "frames_before"
)
