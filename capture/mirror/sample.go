package mirror

import "heptap/capture"

// Link is whether a port has a carrier.
type Link uint8

// The states of a link.
const (
	LinkUnknown Link = iota // a file, or nobody has said
	LinkDown
	LinkUp
)

// Sample is what is known of one mirror port at one moment. All fields are
// running totals since any start, unless they say "now". A field that nobody
// fills stays 0, and then the verdicts that need it are not given.
type Sample struct {
	Link Link // now

	Received    uint64 // frames the kernel had for us, its drops included
	KernelDrops uint64 // frames that our own ring had no room for
	Decoded     uint64 // frames that became a packet

	Frames Frames // from Tally
	Talk   Talk   // now; from Tally
	Hosts  uint64 // now: distinct addresses in the last minute or two, about; from Tally

	Encap        [capture.NumEncaps]uint64 // packets by encapsulation
	Unread       uint64                    // frames that decode does not understand
	UnreadByName [MaxNamed]Named           // the most frequent of them; a free place has no Name

	Checked uint64 // packets compared with those just before
	Copies  uint64 // of Checked: a mirrored copy of another one
	CopyLag uint64 // nanoseconds from the first to its copy, summed over Copies

	SIPRequests, SIPResponses uint64 // that were read in plain
	RTPPackets                uint64
	StreamsStarted            uint64 // RTP streams that were confirmed
	StreamsLinked             uint64 // of these: matched to a call
	CallsWithMedia            uint64 // calls answered 5 s ago or more whose SDP makes us expect media
	CallsSilent               uint64 // of these: not one RTP packet was seen
	TLSSegments               uint64 // TCP segments of TLS, any port
	SIPTLSSegments            uint64 // of these: port 5061

	TCP, SCTP Acked
	Receipts  Receipts
	Common    Common
}

// Frames are the frames of a port by who they are for.
type Frames struct {
	Unicast   uint64 // from one other host to another
	Tunnelled uint64 // holding such a packet inside a tunnel, whoever the outer frame is for
	Own       uint64 // for the port's own address
	Multicast uint64
	Broadcast uint64
	Unclassed uint64 // not Ethernet, or too short to say
	Giant     uint64 // longer than any MTU in use with VoIP: merged by an offload, or jumbo
	Cut       uint64 // shorter than their IP header says, though we captured all of them
	CutHere   uint64 // cut by our own snapshot length
}

// Talk is how many of the conversations of the last minute have been seen both
// ways or one way only. A conversation that is too young to say is in neither.
type Talk struct {
	TCPBoth, TCPOneWay     uint64 // one way: though it acknowledges what we did not see
	AskedBoth, AskedOneWay uint64 // SCTP, and UDP to ports that answer: SIP, DNS, NTP, SNMP
	OtherBoth, OtherOneWay uint64 // other UDP, which may well have one direction
}

// Acked is what the receivers' acknowledgements say about what we saw. Only
// connections that are followed, in directions whose data is seen, count.
type Acked struct {
	Seen        uint64 // segments (or SCTP chunks), each once
	Unseen      uint64 // segments that were acknowledged though they were never seen
	Late        uint64 // of Unseen: that came after all
	Connections uint64 // connections that had any Unseen, each once
}

// Named is a count under a name, such as "ethertype 0x88e5 (MACsec)".
type Named struct {
	Name   string // kept by the judge: not to change
	Frames uint64
}

// MaxNamed is how many names a sample holds.
const MaxNamed = 8

// The counters of a window. cTime is how many nanoseconds it covers, and
// cLossTimes how many samples in it had loss that acknowledgements show.
const (
	cTime = iota
	cReceived
	cKernelDrops
	cDecoded
	cUnicast
	cTunnelled
	cOwn
	cMulticast
	cBroadcast
	cUnclassed
	cGiant
	cCut
	cCutHere
	cUnread
	cChecked
	cCopies
	cCopyLag
	cSIP
	cRTP
	cStarted
	cLinked
	cCalls
	cSilent
	cTLS
	cSIPTLS
	cSeen
	cUnseen
	cLate
	cConnections
	cLossTimes // samples with any cUnseen
	cPairsClean
	cPairsAfter
	cPairsShared
	cPairsMirror
	cPairsHearing
	cPairsHearingMirror
	cPairExpected
	cPairMissing
	cPairReported
	cInstants
	cInstantsCommon
	cChance
	cStreamIntervals
	cLossyIntervals
	cLost
	cLostCommon
	cSwing
	cEven
	cEncap
	numCounts = cEncap + capture.NumEncaps
)

// The first and last of the counters that mean something only while our own ring loses nothing.
const (
	cLossFirst = cSeen
	cLossLast  = cEven
)

// counts are the counters above: of a moment, of a second, or of a window.
type counts [numCounts]uint64

// set makes c the totals of s.
func (c *counts) set(s *Sample) {
	f, r, m := &s.Frames, &s.Receipts, &s.Common
	*c = counts{
		cReceived: s.Received, cKernelDrops: s.KernelDrops, cDecoded: s.Decoded,
		cUnicast: f.Unicast, cTunnelled: f.Tunnelled, cOwn: f.Own, cMulticast: f.Multicast, cBroadcast: f.Broadcast,
		cUnclassed: f.Unclassed, cGiant: f.Giant, cCut: f.Cut, cCutHere: f.CutHere, cUnread: s.Unread,
		cChecked: s.Checked, cCopies: s.Copies, cCopyLag: s.CopyLag,
		cSIP: s.SIPRequests + s.SIPResponses, cRTP: s.RTPPackets, cStarted: s.StreamsStarted, cLinked: s.StreamsLinked,
		cCalls: s.CallsWithMedia, cSilent: s.CallsSilent, cTLS: s.TLSSegments, cSIPTLS: s.SIPTLSSegments,
		cSeen: s.TCP.Seen + s.SCTP.Seen, cUnseen: s.TCP.Unseen + s.SCTP.Unseen, cLate: s.TCP.Late + s.SCTP.Late, cConnections: s.TCP.Connections + s.SCTP.Connections,
		cPairsClean: r.Clean, cPairsAfter: r.After, cPairsShared: r.Shared, cPairsMirror: r.Mirror, cPairsHearing: r.Hearing, cPairsHearingMirror: r.HearingMirror,
		cPairExpected: r.Expected, cPairMissing: r.Missing, cPairReported: r.Reported,
		cInstants: m.Instants, cInstantsCommon: m.CommonInstants, cChance: m.Chance,
		cStreamIntervals: m.Streams, cLossyIntervals: m.Lossy, cLost: m.Lost, cLostCommon: m.LostCommon, cSwing: m.Swing, cEven: m.Even,
	}
	copy(c[cEncap:], s.Encap[:])
}

// since makes c the difference from prev and reports whether no total went back.
func (c *counts) since(prev *counts) bool {
	for i := range c {
		if c[i] < prev[i] {
			return false
		}
		c[i] -= prev[i]
	}
	return true
}

func (c *counts) add(d *counts) {
	for i := range c {
		c[i] += d[i]
	}
}

func (c *counts) subtract(d *counts) {
	for i := range c {
		c[i] -= d[i]
	}
}

// between is how many frames ran between two other hosts.
func (c *counts) between() uint64 { return c[cUnicast] + c[cTunnelled] }

// unseen is how many segments were acknowledged and never seen.
func (c *counts) unseen() uint64 { return c[cUnseen] - min(c[cUnseen], c[cLate]) }

// group is how many frames are for everybody.
func (c *counts) group() uint64 { return c[cMulticast] + c[cBroadcast] }
