package conversation

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"
)

// The chunks of RFC 9260 3.2.
const (
	chunkData      = 0
	chunkInit      = 1
	chunkInitAck   = 2
	chunkSack      = 3
	chunkHeartbeat = 4
	chunkHBAck     = 5
	chunkShutdown  = 7
	chunkShutAck   = 8
	chunkEcho      = 10
	chunkCookieAck = 11
	chunkShutDone  = 14
)

// sackSize is the size of a SACK without gaps.
const sackSize = 16

// chunk is a DATA chunk on its way, or a heartbeat.
type chunk struct {
	at        int64
	from      Side
	heartbeat bool
	tsn       uint32 // counted from 0
	flags     byte   // B is 2, E is 1
	ssn       uint16 // counted from 0
	data      []byte
	message   int
	lost      bool
}

// cutSCTP makes DATA chunks of the writes. All messages of one side are in one
// SCTP stream, in order.
func (w *work) cutSCTP() {
	var tsn [2]uint32
	var ssn [2]uint16
	clock := int64(0)
	for i := range w.writes {
		wr := &w.writes[i]
		clock = max(clock, wr.at)
		if wr.control {
			w.chunks = append(w.chunks, chunk{at: clock, from: wr.from, heartbeat: true, message: -1})
			continue
		}
		for rest, flags := wr.data, byte(2); ; flags = 0 {
			n := min(len(rest), w.mss)
			if w.style == cutRandom && w.chance(80) {
				n = 1 + w.r.IntN(n)
			}
			if n == len(rest) {
				flags |= 1
			}
			w.chunks = append(w.chunks, chunk{at: clock, from: wr.from, tsn: tsn[wr.from], flags: flags, ssn: ssn[wr.from], data: rest[:n], message: wr.message})
			tsn[wr.from]++
			clock += w.between(time.Microsecond, 20*time.Microsecond)
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
		ssn[wr.from]++
	}
}

func (w *work) sortChunks() {
	slices.SortStableFunc(w.chunks, func(a, b chunk) int { return cmp.Compare(a.at, b.at) })
}

// resendChunks sends chunks again, whole: a chunk is never cut again.
func (w *work) resendChunks(percent int) {
	for _, c := range slices.Clone(w.chunks) {
		if w.chance(percent) && !c.heartbeat {
			c.at += w.between(100*time.Microsecond, 300*time.Millisecond)
			w.chunks = append(w.chunks, c)
		}
	}
	w.sortChunks()
}

// lateChunks has the network lose chunks, which are then sent again. Which one
// is the first must stay plain to see.
func (w *work) lateChunks(percent int) {
	for i := range w.chunks {
		if c := &w.chunks[i]; w.chance(percent) && (w.handshake || c.tsn > 0) {
			c.at += w.between(3*time.Millisecond, 200*time.Millisecond)
		}
	}
	w.sortChunks()
}

// pickUpChunks loses everything before a moment.
func (w *work) pickUpChunks() {
	w.handshake = false
	w.sortChunks()
	for i := range w.chunks[:w.r.IntN(len(w.chunks))] {
		w.chunks[i].lost = true
	}
}

func (w *work) dropChunks(n int) {
	for range n {
		w.chunks[w.r.IntN(len(w.chunks))].lost = true
	}
}

// expectSCTP: a message is whole when each of its chunks came once; what else
// was lost does not touch it.
func (w *work) expectSCTP() {
	came := map[[2]uint32]bool{}
	for i := range w.chunks {
		if c := &w.chunks[i]; !c.lost {
			came[[2]uint32{uint32(c.from), c.tsn}] = true
		}
	}
	for i := range w.chunks {
		c := &w.chunks[i]
		if c.message >= 0 && !came[[2]uint32{uint32(c.from), c.tsn}] {
			w.expect[c.message].Whole, w.expect[c.message].Sure = false, false
		}
	}
	var gap [2]bool
	for i := range w.expect {
		from := w.c.Messages[i].From
		if !w.expect[i].Whole {
			gap[from] = true
			continue
		}
		w.expect[i].GapBefore, gap[from] = gap[from], false
	}
}

// packetizeSCTP puts chunks into packets, several into one where they follow
// each other closely (RFC 9260 6.10).
func (w *work) packetizeSCTP() {
	a := association{w: w, tags: [2]uint32{w.r.Uint32() | 1, w.r.Uint32() | 1}, stream: uint16(w.r.IntN(3))}
	if w.nearWrap {
		a.tsn = [2]uint32{-uint32(1 + w.r.IntN(8)), -uint32(1 + w.r.IntN(8))}
		if !w.handshake {
			a.ssn = -uint16(1 + w.r.IntN(4)) // in an old association, SSNs have wrapped as well
		}
	} else {
		a.tsn = w.isn
	}
	w.sortChunks()
	open, last := -int64(40*time.Millisecond), int64(0)
	if w.handshake {
		a.open(open)
	}
	var high [2]uint32
	for i := 0; i < len(w.chunks); {
		first := w.chunks[i]
		var body []byte
		for ; i < len(w.chunks); i++ {
			c := &w.chunks[i]
			if c.from != first.from || c.lost != first.lost || c.heartbeat != first.heartbeat ||
				len(body) > 0 && (w.style == cutMSS || len(body)+len(c.data) > 8000 || c.at-first.at > int64(time.Millisecond) || w.chance(30)) {
				break
			}
			body = a.data(body, c)
			high[c.from] = max(high[c.from], c.tsn+1)
			last = max(last, c.at)
		}
		if first.lost {
			continue
		}
		at, from, to := w.chunks[i-1].at, first.from, first.from.other()
		if first.heartbeat {
			a.send(at, from, heartbeat(chunkHeartbeat))
			a.send(at+int64(time.Millisecond), to, heartbeat(chunkHBAck))
			continue
		}
		if w.chance(30) && high[to] > 0 { // bundled: control chunks come first
			body = append(a.sack(from, high[to]), body...)
		}
		a.send(at, from, body)
		if w.chance(50) {
			a.send(at+w.between(100*time.Microsecond, time.Millisecond), to, a.sack(to, high[from]))
		}
	}
	if w.chance(60) {
		a.shut(last+int64(500*time.Millisecond), high)
	}
}

// association knows the numbers of both ends, by the side they belong to.
type association struct {
	w      *work
	tags   [2]uint32 // a packet carries its receiver's
	tsn    [2]uint32 // of the first chunk
	ssn    uint16    // of the first message
	stream uint16
}

func (a *association) open(at int64) {
	step := int64(5 * time.Millisecond)
	initiate := func(kind byte, side Side, more ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, a.tags[side])
		b = binary.BigEndian.AppendUint32(b, 1<<17) // receiver window
		b = append(b, 0, 10, 0, 10)                 // streams
		b = binary.BigEndian.AppendUint32(b, a.tsn[side])
		return appendChunk(nil, kind, 0, append(b, more...))
	}
	cookie := make([]byte, 32)
	parameter := append([]byte{0, 7, 0, 36}, cookie...)
	a.sendTag(at, Caller, 0, initiate(chunkInit, Caller))
	a.send(at+step, Callee, initiate(chunkInitAck, Callee, parameter...))
	a.send(at+2*step, Caller, appendChunk(nil, chunkEcho, 0, cookie))
	a.send(at+3*step, Callee, appendChunk(nil, chunkCookieAck, 0, nil))
}

func (a *association) shut(at int64, high [2]uint32) {
	step := int64(5 * time.Millisecond)
	a.send(at, Caller, appendChunk(nil, chunkShutdown, 0, binary.BigEndian.AppendUint32(nil, a.tsn[Callee]+high[Callee]-1)))
	a.send(at+step, Callee, appendChunk(nil, chunkShutAck, 0, nil))
	a.send(at+2*step, Caller, appendChunk(nil, chunkShutDone, 0, nil))
}

func (a *association) data(b []byte, c *chunk) []byte {
	if c.heartbeat {
		return append(b, 0) // only its presence counts
	}
	v := binary.BigEndian.AppendUint32(nil, a.tsn[c.from]+c.tsn)
	v = binary.BigEndian.AppendUint16(v, a.stream)
	v = binary.BigEndian.AppendUint16(v, a.ssn+c.ssn)
	v = binary.BigEndian.AppendUint32(v, 0) // payload protocol (RFC 4168 5.1)
	return appendChunk(b, chunkData, c.flags, append(v, c.data...))
}

// sack acknowledges n chunks of the other side.
func (a *association) sack(from Side, n uint32) []byte {
	v := binary.BigEndian.AppendUint32(nil, a.tsn[from.other()]+n-1)
	return appendChunk(nil, chunkSack, 0, append(v, 0, 1, 0, 0, 0, 0, 0, 0))
}

func heartbeat(kind byte) []byte {
	return appendChunk(nil, kind, 0, []byte{0, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8})
}

// appendChunk pads to four octets, which the length does not count.
func appendChunk(b []byte, kind, flags byte, value []byte) []byte {
	b = append(b, kind, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func (a *association) send(at int64, from Side, chunks []byte) {
	a.sendTag(at, from, a.tags[from.other()], chunks)
}

func (a *association) sendTag(at int64, from Side, tag uint32, chunks []byte) {
	src, dst := a.w.c.Ends[from], a.w.c.Ends[from.other()]
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, tag)
	b = append(append(b, 0, 0, 0, 0), chunks...)
	// CRC32c, the least significant octet first (RFC 9260 appendix A).
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	p := newPacket(at, from, src, dst, protoSCTP, b, noChecksum)
	p.opens = chunks[0] == chunkInit || chunks[0] == chunkInitAck || chunks[0] == chunkEcho || chunks[0] == chunkCookieAck
	p.closes = chunks[0] == chunkShutdown || chunks[0] == chunkShutAck || chunks[0] == chunkShutDone
	p.data = chunks[0] == chunkData || chunks[0] == chunkSack && len(chunks) > sackSize
	a.w.packets = append(a.w.packets, p)
}
