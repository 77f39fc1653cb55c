package mirror

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"heptap/capture"
)

// talks is a table of recent conversations with the directions each was seen
// in. It is a sample: a conversation that finds its place taken is not in it.
// TCP and UDP that is answered have half of the places, so that media streams
// do not crowd them out. The worker writes; anybody may read.
//
// A place is one word, which is 0 when it is free:
//
//	63..34  tag, of the hash
//	33..32  class
//	31..24  second it was first seen, modulo 256
//	23..16  second it was last seen
//	15..9   packets from the smaller endpoint, at most 127
//	 8..2   packets from the greater endpoint
//	 1, 0   one of them acknowledged something (TCP)
type talks [2 * talkHalf]atomic.Uint64

const talkHalf = 1024

// Classes of conversations.
const (
	classTCP   = 1 + iota
	classAsked // answered, if all is well
	classOther
)

const (
	talkTag      = 1<<64 - 1<<34
	talkMost     = 127 // packets per direction
	talkForget   = 60  // seconds
	talkOld      = 128 // seconds; what is older is made younger, before its seconds wrap
	talkGiveWay  = 10  // seconds of silence after which a place may be taken
	talkGrant    = 30  // seconds after which it may be taken anyway, if it has told what it knows
	talkDecideIn = 2   // seconds that one way must last
	talkOneWay   = 8   // packets, the same
	talkAskedWay = 4   // the same, of a question that would have been answered
)

// word is a place's content.
type word uint64

func (w word) class() uint64      { return uint64(w) >> 32 & 3 }
func (w word) born() uint8        { return uint8(w >> 24) }
func (w word) last() uint8        { return uint8(w >> 16) }
func (w word) less() uint64       { return uint64(w) >> 9 & talkMost }
func (w word) greater() uint64    { return uint64(w) >> 2 & talkMost }
func (w word) age() uint8         { return w.last() - w.born() }
func (w word) both() bool         { return w.less() > 0 && w.greater() > 0 }
func (w word) silent(n uint8) int { return int(n - w.last()) }

// oneWay reports whether w shows that the other direction exists, or ought to,
// and is not seen.
func (w word) oneWay() bool {
	n := w.less() + w.greater()
	switch {
	case w.both() || w.age() < talkDecideIn:
		return false
	case w.class() == classTCP:
		return n >= talkOneWay && w&3 != 0
	case w.class() == classAsked:
		return n >= talkAskedWay
	}
	return n >= talkOneWay
}

// merge returns w and o, which are of the same conversation, as one.
func (w word) merge(o word, now uint8) word {
	born, last := w.born(), w.last()
	if now-o.born() > now-born {
		born = o.born()
	}
	if now-o.last() < now-last {
		last = o.last()
	}
	return w&word(talkTag|3<<32) | word(born)<<24 | word(last)<<16 |
		word(min(talkMost, w.less()+o.less()))<<9 | word(min(talkMost, w.greater()+o.greater()))<<2 | (w|o)&3
}

// see counts a packet of p's conversation in the second now.
func (t *talks) see(p *capture.Packet, a, b, hash uint64, now uint8) {
	class := classOf(p)
	at := &t[hash%talkHalf+class/classOther*talkHalf]
	w := word(at.Load())
	if tag := word(hash) & talkTag; w == 0 || w&talkTag != tag {
		if w != 0 && w.silent(now) < talkGiveWay && (int(now-w.born()) < talkGrant || !w.both() && !w.oneWay()) {
			return
		}
		w = tag | word(class)<<32 | word(now)<<24
	}
	if int(now-w.born()) >= talkOld {
		w = w&^(0xff<<24) | word(now-talkOld/2)<<24
	}
	next := w&^(0xff<<16) | word(now)<<16
	shift, ack := 9, word(2)
	if a > b {
		shift, ack = 2, 1
	}
	if w>>shift&talkMost < talkMost {
		next += 1 << shift
	}
	if class == classTCP && p.TCP.Flags&(capture.FlagACK|capture.FlagRST) == capture.FlagACK {
		next |= ack
	}
	if next != w {
		at.Store(uint64(next))
	}
}

func classOf(p *capture.Packet) uint64 {
	switch {
	case p.Protocol == capture.ProtoTCP:
		return classTCP
	case p.Protocol == capture.ProtoSCTP, answers(p.SrcPort), answers(p.DstPort):
		return classAsked
	}
	return classOther
}

// answers reports whether who sends UDP to port gets an answer: DNS, NTP, SNMP
// and SIP.
func answers(port uint16) bool {
	return port == 53 || port == 123 || port == 161 || port == 5060
}

// sweep forgets what has been silent for long, before its seconds wrap.
func (t *talks) sweep(now uint8) {
	for i := range t {
		if w := word(t[i].Load()); w != 0 && w.silent(now) >= talkForget {
			t[i].Store(0)
		}
	}
}

func (t *talks) clear() {
	for i := range t {
		t[i].Store(0)
	}
}

// count adds a conversation to n.
func (n *Talk) count(w word) {
	both, oneWay := &n.OtherBoth, &n.OtherOneWay
	switch w.class() {
	case classTCP:
		both, oneWay = &n.TCPBoth, &n.TCPOneWay
	case classAsked:
		both, oneWay = &n.AskedBoth, &n.AskedOneWay
	}
	if w.both() {
		*both++
	} else if w.oneWay() {
		*oneWay++
	}
}

// endpoint folds an address and port into one number: exactly for IPv4, by a
// hash for IPv6.
func endpoint(addr []byte, port uint16, seed uint64) uint64 {
	if len(addr) == 4 {
		return uint64(binary.BigEndian.Uint32(addr))<<16 | uint64(port)
	}
	return mix(binary.BigEndian.Uint64(addr)^seed, binary.BigEndian.Uint64(addr[8:])) ^ uint64(port)
}

// isGroup reports whether addr is multicast or the limited broadcast address.
func isGroup(addr []byte) bool {
	if len(addr) == 4 {
		return addr[0] >= 224
	}
	return addr[0] == 0xff
}

// mix is the 64 x 64 -> 128 bit product folded, after wyhash, as in media.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
