package stream_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"heptap/capture"
	"heptap/capture/stream"
)

// The model: a conversation of two random byte strings, made into segments by
// a sender, and into a capture by a mirror. What a handler sees must be the
// strings, or the strings with gaps where no copy of an octet was captured.

// faults are what the sender and the mirror do to a conversation.
type faults struct {
	jitter     int64 // a segment is captured up to so much later
	duplicates bool
	recut      bool // retransmissions with other cuts
	lose       float64
	noACKs     bool // the acknowledgements are not captured either
	noSYN      bool
	truncate   bool
}

type shot struct {
	at int64
	n  int // order among equals
	p  capture.Packet
}

// conversation is one case.
type conversation struct {
	rng   *rand.Rand
	f     faults
	text  [2][]byte
	isn   [2]uint32
	shots []shot
	// have marks the octets of which a copy is captured, by direction.
	have [2][]bool
	src  [4]byte
}

func newConversation(seed uint64, f faults) *conversation {
	v := &conversation{rng: rand.New(rand.NewPCG(seed, 1)), f: f, src: [4]byte{10, byte(seed >> 16), byte(seed >> 8), byte(seed)}}
	for d := range v.text {
		v.text[d] = make([]byte, 1+v.rng.IntN(3000))
		for i := range v.text[d] {
			v.text[d][i] = byte(v.rng.Uint32())
		}
		v.have[d] = make([]bool, len(v.text[d]))
		// A third of the numbers wraps at 2^32 or 2^31 under way.
		v.isn[d] = []uint32{v.rng.Uint32(), -uint32(v.rng.IntN(2000)), 1<<31 - uint32(v.rng.IntN(2000))}[v.rng.IntN(3)]
	}
	v.script()
	return v
}

func (v *conversation) packet(d int, flags uint8, off, ack int, data []byte) capture.Packet {
	p := capture.Packet{Src: v.src[:], Dst: []byte{10, 0, 0, 1}, SrcPort: 5000, DstPort: 5060, Protocol: capture.ProtoTCP,
		Payload: data, Length: len(data),
		TCP: capture.TCP{Seq: v.isn[d] + 1 + uint32(off), Ack: v.isn[1-d] + 1 + uint32(ack), Flags: flags}}
	if d == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	return p
}

// capture puts a packet into the capture, at about the time at.
func (v *conversation) capture(at int64, p capture.Packet) {
	if v.f.noACKs {
		p.TCP.Flags &^= A
		if len(p.Payload) == 0 && p.TCP.Flags == 0 {
			return
		}
	}
	if v.f.jitter > 0 {
		at += v.rng.Int64N(v.f.jitter)
	}
	v.shots = append(v.shots, shot{at, len(v.shots), p})
}

// script sends both texts, one random segment after another.
func (v *conversation) script() {
	now := int64(1e9)
	if !v.f.noSYN {
		v.shots = append(v.shots,
			shot{now, 0, v.packet(0, S, -1, -1, nil)},
			shot{now, 1, v.packet(1, S|A, -1, 0, nil)},
			shot{now, 2, v.packet(0, A, 0, 0, nil)})
	}
	var sent [2]int
	for sent[0] < len(v.text[0]) || sent[1] < len(v.text[1]) {
		now += v.rng.Int64N(10 * ms)
		d := v.rng.IntN(2)
		if sent[d] == len(v.text[d]) {
			d = 1 - d
		}
		n := min(1+v.rng.IntN(300), len(v.text[d])-sent[d])
		v.segment(now, d, sent[d], sent[d]+n, sent[1-d])
		sent[d] += n
		if v.f.duplicates && v.rng.IntN(4) == 0 {
			v.segment(now, d, sent[d]-n, sent[d], sent[1-d])
		}
		if v.f.recut && v.rng.IntN(3) == 0 { // any stretch of the last octets
			from := max(0, sent[d]-1-v.rng.IntN(600))
			to := from + v.rng.IntN(sent[d]-from) + 1
			v.segment(now+v.rng.Int64N(40*ms), d, from, min(to, sent[d]), sent[1-d])
		}
		if v.rng.IntN(3) == 0 {
			v.capture(now+v.rng.Int64N(5*ms), v.packet(1-d, A, sent[1-d], sent[d], nil))
		}
	}
	for d := range sent { // the end always comes last and is captured
		now += v.f.jitter + 50*ms
		v.shots = append(v.shots, shot{now, len(v.shots), v.packet(d, F|A, sent[d], sent[1-d]+d, nil)})
	}
	slices.SortFunc(v.shots, func(a, b shot) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	for i := range v.shots {
		v.shots[i].p.Wall, v.shots[i].p.Mono = v.shots[i].at, v.shots[i].at
	}
}

// segment sends text[from:to], which the mirror may lose or cut.
func (v *conversation) segment(now int64, d, from, to, ack int) {
	if v.rng.Float64() < v.f.lose {
		return
	}
	p := v.packet(d, A, from, ack, v.text[d][from:to])
	if v.f.truncate && v.rng.IntN(8) == 0 {
		p.Payload = p.Payload[:v.rng.IntN(len(p.Payload)+1)]
		p.Truncated = len(p.Payload) < p.Length
	}
	for i := range p.Payload {
		v.have[d][from+i] = true
	}
	v.capture(now, p)
}

// judge is a handler that compares what it sees with the text. It consumes
// messages of random sizes.
type judge struct {
	v     *conversation
	c     *stream.Conn
	rng   *rand.Rand
	pos   [2]int // next octet to be shown
	left  [2]int
	want  [2]int // size of the message under way
	shown [2][]bool
	gaps  int
	fins  int
	why   stream.Reason
	ended bool
	err   error
}

func newJudge(v *conversation, c *stream.Conn) *judge {
	j := &judge{v: v, c: c, rng: rand.New(rand.NewPCG(2, uint64(len(v.text[0]))))}
	for d := range j.shown {
		j.shown[d] = make([]bool, len(v.text[d]))
	}
	return j
}

func (j *judge) failf(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf(format, args...)
	}
}

// dir is the conversation's number for a direction of the connection, which
// without SYN is a matter of who came first.
func (j *judge) dir(d int) int {
	if j.c.Flow().Src.Port() == 5060 {
		return 1 - d
	}
	return d
}

func (j *judge) Data(dir int, pending []byte, fresh int, gap int64, at *stream.At) int {
	d := j.dir(dir)
	text := j.v.text[d]
	old := len(pending) - fresh
	switch {
	case old != j.left[d] || gap != 0 && old > 0 || fresh < 1:
		j.failf("dir %d at %d: %d pending, %d fresh, gap %d, left %d", d, j.pos[d], len(pending), fresh, gap, j.left[d])
		return 0
	case gap > 0:
		j.pos[d] += int(gap)
		j.gaps++
	case gap < 0: // only allowed at the beginning
		if j.pos[d] > 0 || !j.c.MidStream() {
			j.failf("dir %d: unknown gap at %d", d, j.pos[d])
			return 0
		}
		j.pos[d] = slices.Index(j.v.have[d], true)
	}
	from := j.pos[d] - old
	if from < 0 || from+len(pending) > len(text) || !bytes.Equal(pending, text[from:from+len(pending)]) {
		j.failf("dir %d at %d: wrong octets, %d of which %d fresh", d, j.pos[d], len(pending), fresh)
		return 0
	}
	for i := range fresh {
		j.shown[d][j.pos[d]+i] = true
	}
	j.pos[d] += fresh
	used := 0
	for {
		if j.want[d] == 0 {
			j.want[d] = 1 + j.rng.IntN(800)
		}
		if len(pending)-used < j.want[d] {
			break
		}
		used += j.want[d]
		j.want[d] = 0
	}
	j.left[d] = len(pending) - used
	return used
}

func (j *judge) Cut(dir int, pending []byte, why stream.Reason, at *stream.Meta) {
	d := j.dir(dir)
	if len(pending) != j.left[d] {
		j.failf("dir %d: cut of %d, left were %d", d, len(pending), j.left[d])
	}
	if why == stream.FIN {
		j.fins++
	}
	j.left[d], j.want[d] = 0, 0
}

func (j *judge) Closed(why stream.Reason) { j.why, j.ended = why, true }

// run shows several conversations at once to an assembler, by time.
func run(t *testing.T, c stream.Config, vs []*conversation) ([]*judge, *stream.Assembler) {
	t.Helper()
	judges := make([]*judge, len(vs))
	bySrc := map[[4]byte]int{}
	var all []shot
	for i, v := range vs {
		bySrc[v.src] = i
		all = append(all, v.shots...)
	}
	slices.SortStableFunc(all, func(a, b shot) int { return cmp.Compare(a.at, b.at) })
	c.New = func(c *stream.Conn) stream.Handler {
		f := c.Flow()
		if f.Src.Port() == 5060 {
			f = f.Reverse()
		}
		i := bySrc[f.Src.Addr().As4()]
		if judges[i] != nil {
			judges[i].failf("a second connection")
		}
		judges[i] = newJudge(vs[i], c)
		return judges[i]
	}
	a := stream.New(c)
	var scratch []byte
	for i, s := range all {
		scratch = append(scratch[:0], s.p.Payload...)
		s.p.Payload = scratch
		a.Segment(&s.p)
		clear(scratch)
		if i%16 == 0 {
			a.Advance(s.at)
		}
		if i%256 == 0 {
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.Advance(all[len(all)-1].at + 200*ms)
	a.Flush()
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	return judges, a
}

func TestModel(t *testing.T) {
	const cases = 700 // of each
	for _, tt := range []struct {
		name string
		f    faults
	}{
		{"plain", faults{}},
		{"reordered", faults{jitter: 40 * ms}},
		{"duplicated", faults{jitter: 20 * ms, duplicates: true}},
		{"recut", faults{jitter: 40 * ms, duplicates: true, recut: true}},
		{"without acknowledgements", faults{jitter: 80 * ms, recut: true, noACKs: true}},
		{"mid-stream", faults{noSYN: true, recut: true, duplicates: true}},
		{"lost and acknowledged", faults{lose: 0.2}},
		{"lost and not acknowledged", faults{lose: 0.2, noACKs: true}},
		{"lost and reordered", faults{lose: 0.1, jitter: 40 * ms, duplicates: true}},
		{"lost and recut", faults{lose: 0.3, recut: true, duplicates: true, jitter: 10 * ms}},
		{"truncated", faults{truncate: true, jitter: 40 * ms}},
		{"truncated and lost", faults{truncate: true, lose: 0.1, jitter: 10 * ms}},
		{"mid-stream and lost", faults{noSYN: true, lose: 0.2, jitter: 10 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var vs []*conversation
			for seed := range uint64(cases) {
				vs = append(vs, newConversation(seed, tt.f))
			}
			judges, a := run(t, stream.Config{}, vs)
			gaps, lost := 0, uint64(0)
			for i, j := range judges {
				if err := verdict(vs[i], j); err != nil {
					t.Fatalf("seed %d: %v", i, err)
				}
				gaps += j.gaps
				lost += missing(vs[i], j)
			}
			s := a.Stats()
			p := s.Ports[0]
			if tt.f.lose == 0 && !tt.f.truncate && (gaps > 0 || p.Gaps > 0 || p.AckedUnseenOctets > 0) {
				t.Errorf("%d gaps shown, %d counted, %d octets acknowledged unseen, and nothing was lost", gaps, p.Gaps, p.AckedUnseenOctets)
			}
			if (tt.f.lose > 0 || tt.f.truncate) && gaps == 0 {
				t.Error("no gap")
			}
			if !tt.f.truncate && p.GapOctets != lost {
				t.Errorf("%d octets were never captured, %d counted", lost, p.GapOctets)
			}
			// Everything was acknowledged, by the end at the latest.
			if !tt.f.truncate && !tt.f.noACKs && p.AckedUnseenOctets-p.LateUnseenOctets != lost {
				t.Errorf("%d octets were never captured, %d acknowledged unseen", lost, p.AckedUnseenOctets)
			}
			if s.BufferedBytes != 0 || s.Holes != 0 {
				t.Errorf("%d octets, %d holes left", s.BufferedBytes, s.Holes)
			}
			if tt.f.recut && tt.f.jitter > 0 && p.Overlaps == 0 || tt.f.duplicates && p.Retransmissions == 0 || tt.f.jitter > 0 && p.OutOfOrder == 0 {
				t.Errorf("the case tests nothing: %+v", p)
			}
			if p.Conflicts != 0 || s.Cuts != 0 || s.Strays != 0 {
				t.Errorf("%d conflicts, %d cuts, %d strays", p.Conflicts, s.Cuts, s.Strays)
			}
		})
	}
}

// missing returns how many octets were never captured. Before the first that
// was, in a connection without SYN, nothing is known to be missing.
func missing(v *conversation, j *judge) (n uint64) {
	for d := range v.have {
		for i, have := range v.have[d] {
			if !have && !(v.f.noSYN && !slices.Contains(v.have[d][:i], true)) {
				n++
			}
		}
	}
	return n
}

// verdict compares what was shown with what was captured.
func verdict(v *conversation, j *judge) error {
	switch {
	case j == nil:
		return fmt.Errorf("no connection")
	case j.err != nil:
		return j.err
	case !j.ended || j.fins != 2 || j.why != stream.FIN:
		return fmt.Errorf("ended %v, %d FINs, %v", j.ended, j.fins, j.why)
	}
	for d := range v.have {
		if !slices.Equal(v.have[d], j.shown[d]) {
			for i := range v.have[d] {
				if v.have[d][i] != j.shown[d][i] {
					return fmt.Errorf("dir %d: octet %d of %d: captured %v, shown %v", d, i, len(v.have[d]), v.have[d][i], j.shown[d][i])
				}
			}
		}
	}
	return nil
}

// The seed of the hash and the rhythm of Advance must not matter.
func TestDeterministic(t *testing.T) {
	var first stream.Stats
	for i := range 3 {
		var vs []*conversation
		for seed := range uint64(200) {
			vs = append(vs, newConversation(seed, faults{lose: 0.2, jitter: 40 * ms, recut: true}))
		}
		_, a := run(t, stream.Config{Connections: 100, TotalBytes: 64 << 10}, vs)
		s := a.Stats()
		s.IdleBytes, s.MemoryBytes = 0, 0
		if i == 0 {
			first = s
		} else if s != first {
			t.Fatalf("got\n%+v\nwant\n%+v", s, first)
		}
	}
	if first.Evicted[stream.ClassUnknown] == 0 || first.TotalBudgetHits == 0 {
		t.Error("nothing was short")
	}
}
