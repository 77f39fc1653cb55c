package media

import (
	"math/bits"

	"heptap/capture"
	"heptap/capture/rtp"
)

// What stream.watch says.
const (
	newly   = 1 // a duplicate was seen just now
	watched = 2 // its watcher is filled in
)

// watcher is what is noted of a stream while duplicates come, to tell mirrored
// copies from them. Watching begins with a duplicate and ends when there was
// none for 64 packets.
type watcher struct {
	notes [8]note // by sequence number
	again uint64  // bit i: top-i came more than once
	lag   uint64  // ns, over timed copies
	timed uint32
	most  uint32 // ns, the longest lag
	top   uint32 // the stream's highest number when again was brought up to date
	since uint32 // when the notes began, as note.at
}

// note is what a copy has in common with its original, or must not have.
type note struct {
	at       uint32 // arrival >> lagShift
	seq, id  uint16
	ts       uint16 // low half
	length   uint16
	vlan     uint16 // noVLAN without
	ttl      uint8
	depthTag uint8 // tunnels opened, and 0x80: the note is valid
}

const (
	lagShift  = 10 // the unit of note.at is about a microsecond
	noVLAN    = 0xffff
	noteValid = 0x80
)

// mostUnsure is how many duplicates become copies in hindsight. Some 20 come
// before a mirror is known by them.
const mostUnsure = 32

type watchSlab [slabSize]watcher

// watcher returns what is noted of entry n, made when it is needed.
func (t *Table) watcher(n uint32) *watcher {
	slab := &t.watchers[(n-1)/slabSize]
	if *slab == nil {
		*slab = new(watchSlab)
		t.watching++
	}
	return &(*slab)[(n-1)%slabSize]
}

// copied looks at a packet of s, which is watched, and reports whether it is a
// mirrored copy; it has counted it then. See the package comment.
func (t *Table) copied(p *capture.Packet, h *rtp.Header, s *stream, n uint32) bool {
	if t.config.Copies == CopiesOff {
		s.watch = 0
		return false
	}
	w := t.watcher(n)
	this := noteOf(p, h)
	back := uint32(uint16(s.highest) - h.Sequence)
	if s.watch == newly {
		if s.watch = watched; s.copies == 0 {
			*w = watcher{}
		}
		w.notes = [8]note{}
		w.again, w.top, w.since = 1, s.highest, this.at
	}
	w.again <<= s.highest - w.top
	w.top = s.highest
	if !s.saw(back) {
		if s.suspect == unfitting && h.Sequence == s.badSeq && w.often(s, 0) {
			t.countCopy(s, w, 0)
			return true
		}
		if w.again == 0 {
			s.watch = 0
		}
		w.notes[h.Sequence%8] = this
		return false
	}
	lag, v := w.compare(&this, uint32(t.config.CopyWindow>>lagShift), h.Sequence)
	switch {
	case v == different:
		return false
	case v == alike && !w.often(s, back):
		w.mark(back)
		if s.unsure < mostUnsure {
			s.unsure++
			s.unsureOctets += uint32(h.PayloadLen)
		}
		return false
	}
	w.mark(back)
	t.countCopy(s, w, lag)
	return true
}

func noteOf(p *capture.Packet, h *rtp.Header) note {
	n := note{
		at: uint32(p.Mono >> lagShift), seq: h.Sequence, id: p.IPID, ts: uint16(h.Timestamp),
		length: uint16(len(p.Payload)), vlan: noVLAN, ttl: p.TTL, depthTag: p.Depth&^noteValid | noteValid,
	}
	if p.HasVLAN {
		n.vlan = p.VLAN
	}
	return n
}

// saw reports whether the number that is back behind the highest has come. It
// is what late would say, without noting anything.
func (s *stream) saw(back uint32) bool {
	return back <= maxMisorder && int32(s.highest-back-s.base) >= 0 && s.window[back/64]>>(back%64)&1 == 1
}

// What compare says of two packets with one number.
const (
	different = iota // not copies of each other
	alike            // nothing tells
	certain          // one is a copy of the other
)

// compare compares a packet whose number has come before with what is noted of
// that one, and returns the lag (ns, 0 unknown) as well.
func (w *watcher) compare(this *note, window uint32, seq uint16) (lag uint32, verdict int) {
	o := &w.notes[seq%8]
	if o.depthTag == 0 || o.seq != seq {
		if this.at-w.oldest(this.at) > window {
			return 0, different // its original is older still
		}
		return 0, alike
	}
	units := this.at - o.at
	if units > window || this.ts != o.ts || this.length != o.length {
		return 0, different
	}
	lag = max(units<<lagShift, 1)
	switch {
	case this.ttl != o.ttl || this.vlan != o.vlan || this.depthTag != o.depthTag:
		return lag, certain
	case this.id != o.id:
		return lag, different
	case this.id != 0:
		return lag, certain
	}
	return lag, alike
}

// oldest returns the arrival of what was noted longest ago.
func (w *watcher) oldest(now uint32) uint32 {
	age := uint32(0)
	for i := range w.notes {
		at := w.since
		if w.notes[i].depthTag != 0 {
			at = w.notes[i].at
		}
		age = max(age, now-at)
	}
	return now - age
}

func (w *watcher) mark(back uint32) {
	if back < 64 {
		w.again |= 1 << back
	}
}

// often reports whether three quarters of what came before the number that is
// back behind the highest came more than once: of 32, and at least 20.
func (w *watcher) often(s *stream, back uint32) bool {
	shift := min(back+1, 32)
	if s.highest-s.base < shift {
		return false
	}
	mask := uint64(1)<<min(32, s.highest-s.base-shift+1) - 1
	came := s.window[0] >> shift & mask
	n := bits.OnesCount64(came)
	return n >= 20 && 4*bits.OnesCount64(w.again>>shift&came) >= 3*n
}

// countCopy counts a copy, and with it those duplicates before it of which it
// was not known.
func (t *Table) countCopy(s *stream, w *watcher, lag uint32) {
	n := uint32(s.unsure)
	s.packets -= uint64(n)
	s.runStart -= min(uint64(n), s.runStart)
	s.duplicates -= uint64(n)
	s.octets -= uint64(s.unsureOctets)
	s.unsure, s.unsureOctets = 0, 0
	s.copies += n + 1
	t.count.Copies += uint64(n) + 1
	if lag == 0 {
		return
	}
	w.lag += uint64(lag)
	w.timed++
	w.most = max(w.most, lag)
	t.count.CopyLag += uint64(lag)
	t.count.CopiesTimed++
	t.count.CopyLagMax = max(t.count.CopyLagMax, uint64(lag))
}

// lag fills in what the snapshot says of the copies of s, which is entry n.
func (t *Table) lag(n uint32, s *stream) {
	if s.copies == 0 {
		return
	}
	if w := t.watcher(n); w.timed > 0 {
		t.snapshot.CopyLagMean, t.snapshot.CopyLagMax = int64(w.lag/uint64(w.timed)), int64(w.most)
	}
}
