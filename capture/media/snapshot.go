package media

import (
	"math/bits"
	"time"

	"heptap/capture"
)

// Snapshot is what a stream has come to. All counters run from the stream's
// first packet, so that a lost snapshot is harmless; only the fields named
// Interval are since the snapshot before.
type Snapshot struct {
	ID        uint64 // unique in the process for each time a stream is in a table
	Flow      capture.FiveTuple
	SSRC      uint32
	Port      uint8            // mirror port index
	TOS       uint8            // of the first packet
	HasVLAN   bool             // of the first packet
	VLAN      uint16           // of the first packet
	Ethernet  capture.Ethernet // of the first packet, zero when not known
	Confirmed bool             // 50 packets in sequence were seen
	Ended     bool             // the last snapshot of this ID

	FirstWall, FirstMono int64

	Mark
	Lost    int64 // RFC 3550 A.3: Expected - Packets; duplicates make it less
	Markers uint32
	Gen     uint32 // how often the sender began its sequence numbers anew, without a pause

	PayloadType     uint8  // the one most used
	LastPayloadType uint8  // the last one
	PayloadChanges  uint32 // how often it changed
	ClockRate       uint32 // of PayloadType, Hz; 0 unknown, and then there is no jitter
	TimestampJumps  uint32 // timestamps that ran 2 s or more from arrival

	// Nanoseconds. Delta is the time between two packets in order of arrival;
	// skew is how far timestamps have run ahead of arrival since the start. Jitter
	// is below 2^31, which no sane one comes near.
	Jitter, MaxJitter, IntervalMaxJitter uint32
	MaxDelta, IntervalMaxDelta           int64
	Skew, MaxSkew                        int64 // MaxSkew is the one furthest from 0

	// Mirrored copies are in none of the counts above. Their lag is the time from
	// the original to the copy, of those whose original was still known.
	// Mark.Copies says how many.
	CopyLagMean, CopyLagMax int64

	// Telephone-events (RFC 4733), if EventType really is one: how many, and how
	// long in all, in timestamp units. Which keys they were is kept nowhere.
	EventUnits uint64
	Events     uint32
	EventType  uint8 // payload type, 0 when Events is
}

// Mark is where a stream was at a moment: of a Snapshot, what it takes to tell
// what came after it. Who follows streams holds several for each: what a stream
// counts in 32 bits has no more here.
type Mark struct {
	LastWall, LastMono int64 // of the last packet: Unix nanoseconds by the clock as it is now, and monotonic

	Packets    uint64 // that fit the sequence, duplicates included
	Octets     uint64 // of RTP payload in Packets, without header and padding
	Expected   uint64 // by the sequence numbers, over all generations
	Missing    uint64 // sequence numbers that never came: Snapshot.Lost + Duplicates
	Duplicates uint64

	MeanJitter uint32 // ns, since the start
	Reordered  uint32 // that came after one with a higher sequence number; not duplicates
	Strays     uint32 // whose sequence number fits nowhere; not in Packets
	LossEvents uint32 // runs of missing sequence numbers
	Copies     uint32 // by the mirror

	// Bursts of loss (RFC 3611 4.7.2, Gmin 16): how many, the sequence numbers
	// from the first to the last missing of each, and how many of them are missing.
	Bursts, BurstNumbers, BurstMissing uint32
}

// maxVisits bounds the work of one call of Snapshot, and what its caller has to
// hold of it: streams that came together are not reported together for ever after.
// What is left is due at the next.
const maxVisits = 256

// Snapshot calls fn for every stream whose interval has passed by now
// (monotonic nanoseconds) and that had packets in it, and a last time, with
// Ended set, for one that has gone idle or, first of all, has been succeeded by
// another of the same sender. It publishes Stats. It is meant to be
// called once per batch of packets: it returns at once when nothing is due,
// and looks at 256 streams at most, the longest due first.
//
// What fn is given is borrowed until fn returns. fn does not call t.
func (t *Table) Snapshot(now int64, fn func(*Snapshot)) {
	visits := maxVisits
	for ; t.retired.head != 0 && visits > 0; visits-- {
		t.endRetired(fn)
	}
	for _, l := range [...]*list{&t.confirmed, &t.candidates} {
		for ; l.head != 0 && visits > 0; visits-- {
			n := l.head
			s := t.at(n)
			// A due time further away than the interval means that the clock
			// was set back, as between two files.
			if wait := s.due - now; wait > 0 && wait <= int64(t.config.Interval) {
				break
			}
			l.remove(t, s)
			t.visit(l, n, s, now, fn)
		}
	}
	t.publish()
}

// visit reports or ends s, which was taken out of l.
func (t *Table) visit(l *list, n uint32, s *stream, now int64, fn func(*Snapshot)) {
	idle := t.config.Candidate
	if s.inSeq == isConfirmed {
		idle = t.config.Idle
	}
	if quiet := now - s.last; time.Duration(max(quiet, -quiet)) >= idle {
		t.unindex(s, n)
		t.end(n, s, fn)
		return
	}
	if s.seen() != s.reported && (s.inSeq == isConfirmed || !s.once) {
		t.report(n, s, false, fn)
	}
	s.due = now + int64(t.config.Interval)
	l.push(t, n, s)
}

// endRetired ends the stream that was succeeded first.
func (t *Table) endRetired(fn func(*Snapshot)) {
	n := t.retired.head
	s := t.at(n)
	t.retired.remove(t, s)
	t.end(n, s, fn)
}

// end reports s for the last time and frees its entry, which is in no list and
// not in the index.
func (t *Table) end(n uint32, s *stream, fn func(*Snapshot)) {
	t.report(n, s, true, fn)
	if s.inSeq == isConfirmed {
		t.count.Confirmed--
		t.count.Ended++
	} else {
		t.count.Candidates--
		t.count.CandidatesExpired++
	}
	t.release(n)
}

// Flush reports every stream with Ended set and empties t: at shutdown and at
// the end of a file. It publishes Stats.
func (t *Table) Flush(fn func(*Snapshot)) {
	for t.retired.head != 0 {
		t.endRetired(fn)
	}
	for _, l := range [...]*list{&t.confirmed, &t.candidates} {
		for l.head != 0 {
			n := l.head
			s := t.at(n)
			l.remove(t, s)
			t.unindex(s, n)
			t.end(n, s, fn)
		}
	}
	t.publish()
}

func (t *Table) report(n uint32, s *stream, ended bool, fn func(*Snapshot)) {
	t.snapshot = s.snapshot(t.wallOffset)
	t.lag(n, s)
	t.snapshot.Ended = ended
	t.snapshot.Ethernet = t.ethernets.get(s.ethernet)
	s.allMaxJitter, s.maxJitter = t.snapshot.MaxJitter, 0
	s.allMaxDelta, s.maxDelta = t.snapshot.MaxDelta, 0
	s.reported = s.seen()
	s.once = true
	s.rebase()
	fn(&t.snapshot)
}

// seen is the low half of how many packets s has had.
func (s *stream) seen() uint32 { return uint32(s.packets) + s.strays }

// snapshot returns what s has come to. The wall clock's offset at the last
// packet is not kept per stream; the table's last one stands for it.
func (s *stream) snapshot(wallOffset int64) Snapshot {
	x := Snapshot{
		ID: s.id, Flow: s.fiveTuple(), SSRC: uint32(s.ports), Port: uint8(s.meta),
		TOS: s.tos, HasVLAN: s.hasVLAN, VLAN: s.vlan, Confirmed: s.inSeq == isConfirmed,
		FirstWall: s.firstWall, FirstMono: s.firstMono,
		Mark: Mark{
			LastWall: s.last + wallOffset, LastMono: s.last, Packets: s.packets, Octets: s.octets, Expected: s.expected(),
			Duplicates: s.duplicates, Reordered: s.reordered, Strays: s.strays,
			LossEvents: s.lossEvents(), Copies: s.copies,
		},
		Markers: s.markers, Gen: s.gen,
		PayloadType: s.mainPayload(), LastPayloadType: s.pt, PayloadChanges: s.changes,
		TimestampJumps: s.jumps,
		Jitter:         s.jitter, IntervalMaxJitter: s.maxJitter, MaxJitter: max(s.maxJitter, s.allMaxJitter),
		IntervalMaxDelta: s.maxDelta, MaxDelta: max(s.maxDelta, s.allMaxDelta),
		Skew: s.skew, MaxSkew: s.maxSkew,
		Events: s.events, EventUnits: uint64(s.eventUnits) + uint64(s.eventSpan), EventType: s.eventType,
	}
	b := s.bursts
	b.missing(s.highest, ^s.window[1], ^s.window[0])
	b.end()
	x.Bursts, x.BurstNumbers, x.BurstMissing = b.n, b.numbers, b.gone
	x.Lost = int64(x.Expected - x.Packets)
	x.Missing = uint64(x.Lost) + x.Duplicates
	x.ClockRate = s.rateOf(x.PayloadType)
	if s.samples > 0 {
		x.MeanJitter = uint32(s.jitterSum / uint64(s.samples))
	}
	return x
}

// lossEvents returns the runs of missing numbers so far, those in the window
// included.
func (s *stream) lossEvents() uint32 {
	hi, lo := s.lossEnds()
	return s.lossRuns + uint32(bits.OnesCount64(hi)+bits.OnesCount64(lo))
}

// LossSince returns the loss between two marks of one stream, prev the
// earlier (zero for since the start): the share of packets that never came, in
// percent, and the burst ratio of ITU-T G.107 3.5: the mean length of a run of
// lost packets over what it would be if loss were random. This, not the
// cumulative loss, is what Quality wants, or one bad moment spoils the call
// for good. Packets that come late in the next interval are taken off there;
// the result is never below 0.
func (x *Mark) LossSince(prev *Mark) (percent, burstRatio float64) {
	expected := x.Expected - prev.Expected
	missing := int64(x.Missing - prev.Missing)
	if int64(expected) <= 0 || missing <= 0 {
		return 0, 1
	}
	share := min(float64(missing)/float64(expected), 1)
	burstRatio = 1
	if runs := int32(x.LossEvents - prev.LossEvents); runs > 0 {
		burstRatio = max(1, float64(missing)/float64(runs)*(1-share))
	}
	return 100 * share, burstRatio
}

// list is a queue of entries, linked by their numbers, ordered by due time.
// It is doubly linked, so that any entry can leave.
type list struct{ head, tail uint32 }

func (l *list) push(t *Table, n uint32, s *stream) {
	s.prev, s.next = l.tail, 0
	if l.tail != 0 {
		t.at(l.tail).next = n
	} else {
		l.head = n
	}
	l.tail = n
}

func (l *list) remove(t *Table, s *stream) {
	if s.prev != 0 {
		t.at(s.prev).next = s.next
	} else {
		l.head = s.next
	}
	if s.next != 0 {
		t.at(s.next).prev = s.prev
	} else {
		l.tail = s.prev
	}
}
