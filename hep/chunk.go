package hep

import "strconv"

// MaxFrame is the largest frame in octets: what fits a UDP datagram over IPv4,
// and what heplify-server accepts over any transport.
const MaxFrame = 65507

const (
	headerLen   = 6 // of a frame: magic, length
	chunkHeader = 6 // of a chunk: vendor, type, length
	magic       = "HEP3"
)

// IP family values on the wire, whatever the sender's system (Linux's AF_*).
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

// The generic chunks (vendor 0), HEP3 revision 37; chunkExtra is OpenSIPS's.
const (
	chunkFamily      = 0x01
	chunkProto       = 0x02
	chunkSrc4        = 0x03
	chunkDst4        = 0x04
	chunkSrc6        = 0x05
	chunkDst6        = 0x06
	chunkSrcPort     = 0x07
	chunkDstPort     = 0x08
	chunkSec         = 0x09
	chunkUsec        = 0x0a
	chunkType        = 0x0b
	chunkAgentID     = 0x0c
	chunkAuthKey     = 0x0e
	chunkPayload     = 0x0f
	chunkCompressed  = 0x10
	chunkCorrelation = 0x11
	chunkVLAN        = 0x12
	chunkNode        = 0x13
	chunkTCPFlags    = 0x17
	chunkTOS         = 0x18
	chunkMOS         = 0x20
	chunkR           = 0x21
	chunkExtra       = 0x65

	chunkIndexed = chunkR + 1 // the types View finds by index
)

// chunkFlags is our own chunk: vendor "ht", and a type that no collector takes
// for a generic one when it does not look at the vendor, as most do not.
const chunkFlags = 0x6874<<16 | 0x0100

// chunkSequence is our own, too: which record of which probe a frame is of.
const chunkSequence = 0x6874<<16 | 0x0101

// sequenceLen is the octets of its value: origin, number, part.
const sequenceLen = 8 + 8 + 1

// chunkClock is our own, too: what the sender knew of its clock.
const chunkClock = 0x6874<<16 | 0x0102

// clockLen is the octets of its value: state, offset.
const clockLen = 1 + 8

// isOther reports whether nothing of a chunk, its vendor and type being id, is in a
// Packet, and it may be passed on. The keep-alive timer concerns one connection, and
// chunk 0x10 is the payload. Most collectors do not look at the vendor: what another one
// has under a number that is taken means something else to them.
func isOther(id uint32) bool {
	const reserved = 0x33
	vendor, typ := id>>16, id&0xffff
	switch {
	case id == chunkFlags || id == chunkSequence || id == chunkClock || typ == chunkExtra:
		return false
	case vendor != 0:
		return typ > reserved
	case id < chunkIndexed:
		return id > chunkNode && chunkRule[id] == ruleSkip
	}
	return true
}

// Flags of a record: what an engineer should know before trusting it (chunk
// 0x0100 of vendor 0x6874).
const (
	FlagGap       = 1 << iota // octets of the stream before it were never captured
	FlagCut                   // the payload is cut short
	FlagDuplicate             // a mirrored copy of a record that came before
	FlagRelayed               // another agent saw it; a heptap has repaired it and passed it on
)

var flagNames = [...]string{"gap", "cut", "duplicate", "relayed"}

// FlagNames returns the names of the flags that are set, in the order of their
// bits; those it does not know are left out.
func FlagNames(flags uint16) (names []string) {
	for i, name := range flagNames {
		if flags>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Entries of chunkRule beside a plain size.
const (
	ruleSkip    = 0    // View does not read the type
	ruleAny     = 0xff // octets, any number
	ruleLenient = 0x80 // with a size: skipped when it has another
)

var chunkRule = [chunkIndexed]uint8{
	chunkFamily:      1,
	chunkProto:       1,
	chunkSrc4:        4,
	chunkDst4:        4,
	chunkSrc6:        16,
	chunkDst6:        16,
	chunkSrcPort:     2,
	chunkDstPort:     2,
	chunkSec:         4,
	chunkUsec:        4,
	chunkType:        1,
	chunkAgentID:     4,
	chunkAuthKey:     ruleAny,
	chunkPayload:     ruleAny,
	chunkCompressed:  ruleAny,
	chunkCorrelation: ruleAny,
	chunkVLAN:        2,
	chunkNode:        ruleAny,
	chunkTCPFlags:    ruleLenient | 1,
	chunkTOS:         ruleLenient | 1,
	chunkMOS:         ruleLenient | 2,
	chunkR:           ruleLenient | 2,
}

// The protocol types (chunk 0x0b) the probe makes or gives a meaning to.
const (
	TypeNone      = 0 // reserved; heplify-server drops it silently
	TypeSIP       = 1
	TypeRTCP      = 5 // JSON
	TypeRTPReport = 34
	TypeDNS       = 53
	TypeISUP      = 54
	TypeMI        = 87
	TypeREST      = 88
	TypeNet       = 89
	TypeControl   = 96
	TypeLog       = 100
)

var typeNames = [...]string{
	0: "none", 1: "sip", 2: "xmpp", 3: "sdp", 4: "rtp-raw", 5: "rtcp", 6: "mgcp", 7: "megaco", 8: "m2ua",
	9: "m3ua", 10: "iax", 11: "h3222", 12: "h321", 13: "m2pa",
	32: "qos", 34: "rtp", 35: "rtp-short", 37: "rtcp-short", 38: "horaclifix",
	50: "sip-json", 53: "dns", 54: "isup", 55: "rtsp", 56: "diameter", 57: "gsm-map", 58: "rtcp-pion",
	60: "cdr", 61: "ng", 81: "cdr", 86: "xlog", 87: "mi", 88: "rest", 89: "net", 96: "control",
	99: "report", 100: "log",
}

// TypeName returns the name of protocol type t (chunk 0x0b): OpenSIPS's where
// it has one, "type" and the number where none is known. 34 is "rtp", the
// report on a stream; raw RTP packets (4) are "rtp-raw".
func TypeName(t uint8) string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return "type" + strconv.Itoa(int(t))
}
