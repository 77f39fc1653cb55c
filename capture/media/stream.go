package media

import (
	"net/netip"

	"heptap/capture"
)

// stream is one entry of the table. It has no pointers, so that the garbage
// collector does not read the slabs, and its first 128 octets are all that a
// packet in sequence touches (IPv6 also reads the rest of its key).
type stream struct {
	// First cache line: the key, and what is compared with each packet.
	w0      uint64 // key
	ports   uint64 // key
	meta    uint16 // key
	pt      uint8  // payload type of the last packet
	inSeq   uint8  // packets in sequence so far, up to confirmAfter; then isConfirmed
	hasRef  bool   // jitter may be measured from refTS and refMono
	suspect uint8  // unfitting or unfamiliar: the last packet was a stray; otherwise 0
	watch   uint8  // watched or newly: duplicates were seen, and packets are noted; otherwise 0
	highest uint32 // sequence number with cycles
	refTS   uint32 // the last timestamp, and the first arrival with it
	refMono int64
	last    int64     // arrival of the last packet, mono
	window  [2]uint64 // bit i of word j: highest-64j-i was received, or is before base

	// Second: what is added up.
	packets   uint64 // accepted: duplicates too, strays not
	octets    uint64 // of RTP payload
	jitterSum uint64 // ns, over samples
	maxDelta  int64  // ns, since the last snapshot
	skew      int64  // ns
	maxSkew   int64  // ns, the value furthest from 0
	jitter    uint32 // ns; below 2^31, see maxTransit
	maxJitter uint32 // ns, since the last snapshot
	samples   uint32
	scale     uint32 // ns per timestamp unit << scaleShift; 0: jitter is not measured now

	// The rest: what never changes, what changes when something is wrong, and
	// what snapshots need.
	w1, w2, w3    uint64 // key, IPv6
	id            uint64
	firstWall     int64
	firstMono     int64
	priorExpected uint64 // of generations before, and of this one before base
	duplicates    uint64
	allMaxDelta   int64
	due           int64  // mono
	runStart      uint64 // packets when the current payload type began
	estMono       int64  // arrival and timestamp where the estimate began, or of an unfamiliar packet
	estTS         uint32
	rate          uint32 // of dynType, Hz; 0 unknown
	base          uint32 // the first sequence number, with cycles
	reordered     uint32
	strays        uint32
	lossRuns      uint32 // runs of missing numbers that have left the window
	markers       uint32
	gen           uint32
	jumps         uint32 // of the timestamp
	changes       uint32 // of the payload type
	reported      uint32 // low half of packets + strays at the last snapshot
	allMaxJitter  uint32
	prev, next    uint32    // in a list
	badOctets     uint32    // payload of the stray that may be a beginning, with its duplicates
	ptCount       [4]uint32 // packets of the payload types seen most, or last, ...
	ptType        [4]uint8  // ... those of the current one since runStart not yet
	badSeq        uint16    // sequence number of that stray
	badCount      uint16    // how often it was seen
	vlan          uint16
	estCount      uint8
	dynType       uint8
	hasDyn        bool
	estimating    bool
	tos           uint8
	hasVLAN       bool
	once          bool  // a snapshot was made
	badType       uint8 // payload type of that stray, and its marker

	eventType    uint8  // payload type of telephone-events, 0 none seen
	eventSpan    uint16 // duration of the last event so far, in timestamp units
	unsure       uint16 // duplicates that may turn out to be copies, and
	unsureOctets uint32 // their payload
	tunnel       uint32 // key
	copies       uint32
	events       uint32 // telephone-events
	eventTS      uint32 // of the last one
	eventUnits   uint32 // durations of those before it
	bursts       bursts
	ethernet     uint16  // of the first packet, see ethernets
	_            [6]byte // whole cache lines
}

// setKey makes k the key of s.
func (s *stream) setKey(k *key) {
	s.w0, s.w1, s.w2, s.w3, s.ports, s.tunnel, s.meta = k.w0, k.w1, k.w2, k.w3, k.ports, k.tunnel, k.meta
}

// key returns the key of s.
func (s *stream) key() key { return key{s.w0, s.w1, s.w2, s.w3, s.ports, s.tunnel, s.meta} }

// is reports whether k is the key of s.
func (s *stream) is(k *key) bool {
	return s.ports == k.ports && s.w0 == k.w0 && s.meta == k.meta &&
		(k.meta < metaIPv6 || s.tunnel == k.tunnel && s.w1 == k.w1 && s.w2 == k.w2 && s.w3 == k.w3)
}

// fiveTuple rebuilds the flow from the key.
func (s *stream) fiveTuple() capture.FiveTuple {
	var src, dst netip.Addr
	if s.meta&metaIPv6 == 0 {
		src, dst = addr4(uint32(s.w0>>32)), addr4(uint32(s.w0))
	} else {
		src, dst = addr16(s.w0, s.w1), addr16(s.w2, s.w3)
	}
	return capture.FiveTuple{
		Proto: capture.ProtoUDP, Tunnel: s.tunnel,
		Src: netip.AddrPortFrom(src, uint16(s.ports>>48)),
		Dst: netip.AddrPortFrom(dst, uint16(s.ports>>32)),
	}
}

func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func addr16(hi, lo uint64) netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	return netip.AddrFrom16(b)
}

// changePayload notes that the packet being counted, and those after it, have
// payload type pt. It runs before the packet is counted.
func (s *stream) changePayload(pt uint8) {
	s.settlePayload()
	s.pt = pt
	s.changes++
	s.scale = s.scaleOf(pt)
	s.hasRef = false // no jitter sample between two payload types
}

// settlePayload adds the current run to the count of its payload type. When
// all four places are taken, the least used gives way.
func (s *stream) settlePayload() {
	run := s.packets - s.runStart
	s.runStart = s.packets
	if run == 0 {
		return
	}
	at := 0
	for i, n := range s.ptCount {
		if n > 0 && s.ptType[i] == s.pt {
			at = i
			break
		}
		if n < s.ptCount[at] {
			at = i
		}
	}
	if s.ptType[at] != s.pt {
		s.ptType[at], s.ptCount[at] = s.pt, 0
	}
	s.ptCount[at] += uint32(min(run, uint64(^uint32(0)-s.ptCount[at])))
}

// mainPayload returns the payload type most used.
func (s *stream) mainPayload() uint8 {
	s.settlePayload()
	at := 0
	for i, n := range s.ptCount {
		if n > s.ptCount[at] {
			at = i
		}
	}
	return s.ptType[at]
}
