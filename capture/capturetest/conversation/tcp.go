package conversation

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"heptap/capture"
)

// segment is a part of one side's stream on its way.
type segment struct {
	at         int64
	from       Side
	start, end int64 // octets of the stream
	lost       bool  // on the way to the probe, but not to the receiver
	probe      bool  // a keep-alive of TCP itself: an octet that was acknowledged long ago, or one of garbage in its place (RFC 9293 3.8.4)
}

// cutting says how writes become segments.
type cutting uint8

const (
	cutMSS    cutting = iota // as a stack does it
	cutRandom                // anywhere, and several writes in one segment
)

// cutTCP lays the writes into the two streams and cuts these into segments.
// Writes of one side that follow each other closely may share segments.
func (w *work) cutTCP() {
	clock := int64(0)
	w.spans = make([]span, len(w.c.Messages))
	for i := 0; i < len(w.writes); {
		first := w.writes[i]
		at, from := first.at, first.from
		start := int64(len(w.stream[from]))
		for j := i; i < len(w.writes); i++ {
			wr := &w.writes[i]
			if i > j && (w.style == cutMSS || wr.from != from || wr.at-at > int64(10*time.Millisecond) || w.chance(20)) {
				break
			}
			w.lay(wr)
			at = wr.at
		}
		clock = max(clock, at)
		end := int64(len(w.stream[from]))
		for start < end {
			n := min(int64(w.size()), end-start)
			w.segments = append(w.segments, segment{at: clock, from: from, start: start, end: start + n})
			start += n
			clock += w.between(2*time.Microsecond, 30*time.Microsecond)
		}
	}
}

// lay appends a write to its stream and notes where messages lie.
func (w *work) lay(wr *write) {
	s := &w.stream[wr.from]
	if wr.message >= 0 {
		sp := &w.spans[wr.message]
		if sp.end == 0 {
			*sp = span{from: wr.from, start: int64(len(*s))}
		}
		sp.end = int64(len(*s) + len(wr.data))
	}
	*s = append(*s, wr.data...)
}

// size draws the size of a segment.
func (w *work) size() int {
	if w.style == cutMSS {
		return w.mss
	}
	switch w.r.IntN(10) {
	case 0, 1:
		return 1 + w.r.IntN(3)
	case 2, 3, 4:
		return 1 + w.r.IntN(100)
	case 5, 6, 7:
		return 100 + w.r.IntN(w.mss-100)
	case 8:
		return w.mss
	}
	return 2000 + w.r.IntN(14000) // what a card with offload hands over
}

func (w *work) sortSegments() {
	slices.SortStableFunc(w.segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
}

// settled says how much of its stream a side has sent by the time of each
// segment, in order of time.
func (w *work) settled() []int64 {
	w.sortSegments()
	sent := make([]int64, len(w.segments))
	var high [2]int64
	for i, s := range w.segments {
		high[s.from] = max(high[s.from], s.end)
		sent[i] = high[s.from]
	}
	return sent
}

// resend sends parts of the stream again that have been sent by then, cut in
// other places. None of it is new to the receiver.
func (w *work) resend(percent int) {
	sent := w.settled()
	for i, s := range w.segments[:len(sent):len(sent)] {
		if !w.chance(percent) {
			continue
		}
		from := max(0, s.start-w.r.Int64N(1+w.r.Int64N(2000)))
		to := min(sent[i], s.end+w.r.Int64N(1+w.r.Int64N(2000)))
		if w.chance(50) {
			from, to = s.start+w.r.Int64N(s.end-s.start), s.end // only its tail
		}
		again := s
		again.at += w.between(100*time.Microsecond, 300*time.Millisecond)
		for again.start = from; again.start < to; again.start = again.end {
			again.end = min(to, again.start+int64(w.size()))
			w.segments = append(w.segments, again)
			again.at += w.between(2*time.Microsecond, 50*time.Microsecond)
		}
	}
	w.sortSegments()
}

// lateFill has the network lose segments, which are then sent again, at times
// with what came before or after.
func (w *work) lateFill(percent int) {
	sent := w.settled()
	for i := range sent {
		s := &w.segments[i]
		if !w.chance(percent) || !w.handshake && s.start == 0 { // where the stream begins must stay plain to see
			continue
		}
		again := *s
		s.at += w.between(3*time.Millisecond, 200*time.Millisecond)
		if w.chance(30) && again.start > 0 {
			s.start -= w.r.Int64N(min(s.start, 500))
		}
		s.end = min(sent[i], s.end+w.r.Int64N(500)*int64(w.r.IntN(2)))
	}
	w.sortSegments()
}

// drop loses n segments on the way to the probe alone. What was in them is not
// sent again.
func (w *work) drop(n int) {
	for range n {
		if len(w.segments) == 0 {
			return
		}
		w.segments[w.r.IntN(len(w.segments))].lost = true
	}
}

// pickUp loses everything before a moment.
func (w *work) pickUp() {
	w.handshake = false
	w.sortSegments()
	for i := range w.segments[:w.r.IntN(len(w.segments))] {
		w.segments[i].lost = true
	}
}

// expectTCP finds out, of segments in the order of time, which messages are whole, and what lies before them.
func (w *work) expectTCP() {
	for side := range Side(2) {
		have := make([]bool, len(w.stream[side]))
		starts := map[int64]bool{} // where captured segments begin
		// What was lost and is sent again comes when it may have been given up.
		lost := make([]bool, len(w.stream[side]))
		for _, s := range w.segments {
			if s.from != side {
				continue
			}
			if s.lost {
				for i := s.start; i < s.end; i++ {
					lost[i] = lost[i] || !have[i]
				}
				continue
			}
			for i := s.start; i < s.end; i++ {
				have[i] = true
			}
			starts[s.start] = true
		}
		var order []int
		for i, sp := range w.spans {
			if sp.from == side && sp.end > 0 {
				order = append(order, i)
			}
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(w.spans[a].start, w.spans[b].start) })
		at, broken := int64(0), false // broken: something was lost earlier
		for _, i := range order {
			sp, e := w.spans[i], &w.expect[i]
			e.Whole = !slices.Contains(have[sp.start:sp.end], false) && !slices.Contains(lost[sp.start:sp.end], true)
			if !e.Whole {
				e.Sure, broken = false, true
				continue
			}
			e.GapBefore = slices.Contains(have[at:sp.start], false) || slices.Contains(lost[at:sp.start], true)
			broken = broken || e.GapBefore
			at = sp.end
			if w.c.Transport == WebSocket && broken {
				// Where a frame begins is to be guessed, and with compression
				// nothing can be read: see webSure.
				e.Sure = w.webSure(sp, starts)
			}
		}
	}
}

// webSure reports whether a message that follows a gap is sure to be found.
func (w *work) webSure(sp span, starts map[int64]bool) bool {
	return !w.web.deflate && starts[sp.start]
}

// packetizeTCP gives the segments their sequence and acknowledgement numbers.
// A receiver acknowledges what it has, without a hole.
func (w *work) packetizeTCP() {
	w.sortSegments()
	if w.idle {
		w.probes()
	}
	if w.nearWrap {
		for side, s := range w.stream {
			w.isn[side] = -uint32(1 + w.r.IntN(max(len(s), 2)))
		}
	}
	open := int64(-40 * time.Millisecond)
	if len(w.segments) > 0 {
		open += w.segments[0].at
	}
	if w.handshake {
		w.tcp(open, Caller, -1, -1, capture.FlagSYN, nil)
		w.tcp(open+w.between(time.Millisecond, 5*time.Millisecond), Callee, -1, 0, capture.FlagSYN|capture.FlagACK, nil)
		w.tcp(open+int64(6*time.Millisecond), Caller, 0, 0, capture.FlagACK, nil)
	}
	var got [2]received // by the side that sent it
	last := open + int64(7*time.Millisecond)
	for _, s := range w.segments {
		to := s.from.other()
		flags := capture.FlagACK
		if w.chance(50) {
			flags |= capture.FlagPSH
		}
		if s.probe {
			w.tcp(s.at, s.from, s.start, got[to].upTo, capture.FlagACK, []byte("?")[:w.r.IntN(2)])
			w.tcp(s.at+int64(time.Millisecond), to, got[to].upTo, got[s.from].upTo, capture.FlagACK, nil)
			continue
		}
		if !s.lost {
			w.tcp(s.at, s.from, s.start, got[to].upTo, flags, w.stream[s.from][s.start:s.end])
		}
		got[s.from].add(s.start, s.end)
		if w.chance(50) {
			w.tcp(s.at+w.between(20*time.Microsecond, 400*time.Microsecond), to, int64(got[to].most), got[s.from].upTo, capture.FlagACK, nil)
		}
		last = max(last, s.at)
	}
	w.closeTCP(last+int64(500*time.Millisecond), got)
}

// closeTCP ends the connection, or leaves it open.
func (w *work) closeTCP(at int64, got [2]received) {
	first := Side(w.r.IntN(2))
	second := first.other()
	ends := [2]int64{int64(len(w.stream[0])), int64(len(w.stream[1]))}
	switch w.r.IntN(4) {
	case 0:
	case 1:
		w.tcp(at, first, ends[first], ends[second], capture.FlagRST|capture.FlagACK, nil)
	default:
		w.tcp(at, first, ends[first], ends[second], capture.FlagFIN|capture.FlagACK, nil)
		w.tcp(at+int64(time.Millisecond), second, ends[second], ends[first]+1, capture.FlagFIN|capture.FlagACK, nil)
		w.tcp(at+int64(2*time.Millisecond), first, ends[first]+1, ends[second]+1, capture.FlagACK, nil)
	}
}

// received is what a receiver has of a stream.
type received struct {
	upTo, most int64
	beyond     [][2]int64 // behind a hole
}

func (r *received) add(start, end int64) {
	r.most = max(r.most, end)
	r.beyond = append(r.beyond, [2]int64{start, end})
	for moved := true; moved; {
		moved = false
		r.beyond = slices.DeleteFunc(r.beyond, func(b [2]int64) bool {
			if b[0] > r.upTo {
				return false
			}
			if b[1] > r.upTo {
				r.upTo, moved = b[1], true
			}
			return true
		})
	}
}

// tcp adds a packet. seq and ack count from the first octet of data: the SYN
// is -1; an ack of -1 is none.
func (w *work) tcp(at int64, from Side, seq, ack int64, flags uint8, payload []byte) {
	src, dst := w.c.Ends[from], w.c.Ends[from.other()]
	var options []byte
	if flags&capture.FlagSYN != 0 { // MSS 1460, SACK permitted, timestamps, window scale
		options = []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
	} else if w.isn[0]&1 == 0 { // timestamps (RFC 7323 3)
		options = []byte{1, 1, 8, 10}
		options = binary.BigEndian.AppendUint32(options, uint32(at/1e6))
		options = binary.BigEndian.AppendUint32(options, uint32(at/1e6)-1)
	}
	h := binary.BigEndian.AppendUint16(nil, src.Port())
	h = binary.BigEndian.AppendUint16(h, dst.Port())
	h = binary.BigEndian.AppendUint32(h, w.isn[from]+1+uint32(seq))
	if flags&capture.FlagACK != 0 {
		h = binary.BigEndian.AppendUint32(h, w.isn[from.other()]+1+uint32(ack))
	} else {
		h = append(h, 0, 0, 0, 0)
	}
	h = append(h, byte(5+len(options)/4)<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	h = append(append(h, options...), payload...)
	w.packets = append(w.packets, newPacket(at, from, src, dst, capture.ProtoTCP, h, checksumTCP))
	p := &w.packets[len(w.packets)-1]
	p.opens = flags&capture.FlagSYN != 0
	p.closes = flags&(capture.FlagFIN|capture.FlagRST) != 0
	p.data = len(payload) > 0
}
