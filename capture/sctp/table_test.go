package sctp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/sctp"
)

// log writes down what a table shows: messages as text, with "!" for a gap
// before and "~" when cut, events in brackets.
type log struct {
	all []string
	tab *sctp.Table
}

func newLog(c sctp.Config) *log {
	l := &log{}
	c.Message = func(m *sctp.Message) {
		s := string(m.Payload)
		if m.Gap {
			s = "!" + s
		}
		if m.Cut {
			s += "~"
		}
		l.all = append(l.all, s)
	}
	c.Event = func(e *sctp.Event) {
		s := e.Kind.String()
		if e.Midway {
			s += " midway"
		}
		if e.Cause != 0 {
			s += fmt.Sprintf(" %d", e.Cause)
		}
		if e.Flow.Src.Port() == 5061 {
			s += " by 1"
		}
		l.all = append(l.all, "["+s+"]")
	}
	l.tab = sctp.New(c)
	return l
}

// each returns one packet per chunk, from end 0, with the tag of nobody.
func each(chunks ...[]byte) (all []*capture.Packet) {
	for _, c := range chunks {
		all = append(all, from(0, 0, 0, c))
	}
	return all
}

func truncated(p *capture.Packet, by int) *capture.Packet {
	p.Payload, p.Truncated = p.Payload[:len(p.Payload)-by], true
	return p
}

func TestPackets(t *testing.T) {
	open := handshake(0)
	shut := func(typ byte) []byte { return chunk(typ, 0) }
	other := func(p *capture.Packet) *capture.Packet { // another path
		p.Src, p.Dst = []byte{10, 1, 0, 1}, []byte{10, 1, 0, 2}
		return p
	}
	for _, c := range []struct {
		name string // with the section that asks for it
		in   []*capture.Packet
		want string
	}{
		{"one message (RFC 9260 3.3.1)", each(dat(1, one, "a")), "a"},
		{"bundled (6.10)", each(slices.Concat(dat(1, one, "a"), dat(2, one, "bcd"), dat(3, one, "e"))), "a bcd e"},
		{"fragments (6.9)", each(dat(1, begin, "a"), dat(2, 0, "b"), dat(3, end, "c"), dat(4, one, "d")), "abc [opened midway] d"},
		{"fragments in one packet", each(slices.Concat(dat(1, begin, "a"), dat(2, end, "b"))), "ab"},
		{"out of order", each(dat(3, end, "c"), dat(1, begin, "a"), dat(2, 0, "b")), "abc"},
		{"messages out of order are not held back", each(dat(2, one, "b"), dat(1, one, "a")), "b a"},
		{"retransmission (6.3.3)", each(dat(1, one, "a"), dat(1, one, "a"), dat(2, one, "b")), "a b"},
		{"retransmission of a fragment", each(dat(1, begin, "a"), dat(1, begin, "a"), dat(2, end, "b")), "ab"},
		{"TSN wrap (1.6)", each(dat(1<<32-1, begin, "a"), dat(0, 0, "b"), dat(1, end, "c")), "abc"},
		{"unordered (6.6)", each(dat(1, begin|unordered, "a"), dat(2, end|unordered, "b")), "ab"},
		{"ordered and unordered do not join", each(dat(1, begin|unordered, "a"), dat(2, end, "b")), ""},
		{"begin without an end, found again at B", each(dat(1, begin, "a"), dat(2, one, "b"), dat(3, begin, "c"), dat(4, end, "d")), "b [opened midway] cd"},
		{"end without a beginning", each(dat(1, end, "a"), dat(2, one, "b")), "b"},
		{"a second beginning", each(dat(1, begin, "a"), dat(2, begin, "b"), dat(3, end, "c")), "bc"},
		{"not one stream", each(dat(1, begin, "a"), chunk(0, end, u32(2), u16(2, 7), u32(0), []byte("b"))), ""},
		{"no data (6.2)", each(chunk(0, one, u32(1), u16(1, 7), u32(0))), ""},
		{"chunk too short", each(chunk(0, one, u32(1))), ""},
		{"length below 4, after a good one", each(slices.Concat(dat(1, one, "a"), []byte{0, 3, 0, 3, 0}, dat(2, one, "b"))), "a"},
		{"length past the packet", each(append(dat(1, one, "a"), 0, 3, 0, 200, 0, 0, 0, 2)), "a"},
		{"padding is missing", each(dat(1, one, "a")[:17]), "a"},
		{"unknown chunk is skipped (3.2)", each(slices.Concat(chunk(77, 0, []byte("xyz")), dat(1, one, "a"))), "a"},
		{"unknown chunk after data", each(slices.Concat(dat(1, one, "a"), chunk(77, 0, []byte("xyz")), dat(2, one, "b"))), "a b"},
		{"cut by the capture", []*capture.Packet{truncated(from(0, 0, 0, dat(1, one, "abcd")), 2)}, "ab~"},
		{"cut in the header", []*capture.Packet{truncated(from(0, 0, 0, dat(1, one, "abcd")), 6)}, ""},
		{"a piece is cut", []*capture.Packet{truncated(from(0, 0, 0, dat(1, begin, "abcd")), 2), from(0, 0, 0, dat(2, end, "efgh"))}, "ab~"},
		{"the last piece is cut", []*capture.Packet{from(0, 0, 0, dat(1, begin, "abcd")), truncated(from(0, 0, 0, dat(2, end, "efgh")), 2)}, "abcdef~"},

		{"I-DATA (RFC 8260 2.1)", each(idat(1, one, 1, 5, 0, "a")), "a"},
		{"I-DATA in pieces", each(idat(1, begin, 1, 5, 0, "a"), idat(2, 0, 1, 5, 1, "b"), idat(3, end, 1, 5, 2, "c")), "abc"},
		{"I-DATA interleaved (2.2)", each(idat(1, begin, 1, 5, 0, "a"), idat(2, begin, 2, 5, 0, "x"), idat(3, end, 1, 5, 1, "b"), idat(4, end, 2, 5, 1, "y")), "ab [opened midway] xy"},
		{"I-DATA out of order", each(idat(3, end, 1, 5, 2, "c"), idat(1, begin, 1, 5, 0, "a"), idat(2, 0, 1, 5, 1, "b")), "abc"},
		{"I-DATA lacks one", each(idat(1, begin, 1, 5, 0, "a"), idat(3, end, 1, 5, 2, "c")), ""},

		{"gap (missing TSN, window passed)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")),
			from(0, tag0, 0, dat(2000, one, "b")), from(0, tag0, 0, dat(2001, one, "c"))}), "[opened] a !b c"},
		{"gap (acknowledged, never seen)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")), from(1, tag1, 0, sack(101)),
			from(0, tag0, 2000*ms, dat(102, one, "b")), from(0, tag0, 2000*ms, dat(103, one, "c"))}), "[opened] a !b c"},
		{"gap (a piece never came)", slices.Concat(open, []*capture.Packet{from(0, 0, 0, dat(100, begin, "a")), from(0, 0, 11000*ms, dat(102, one, "b"))}), "[opened] !b"},
		{"late piece after it was given up", slices.Concat(open, []*capture.Packet{from(0, 0, 0, dat(100, begin, "a")), from(0, 0, 11000*ms, dat(101, end, "b")), from(0, 0, 11000*ms, dat(102, one, "c"))}), "[opened] !c"},
		{"forward TSN (RFC 3758 3.6)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, begin, "a")), from(0, tag0, 0, chunk(192, 0, u32(101))),
			from(0, tag0, 0, dat(101, end, "b")), from(0, tag0, 0, dat(102, one, "c"))}), "[opened] !c"},

		{"handshake (5.1)", open, "[opened]"},
		{"handshake, its copy", slices.Concat(open, open), "[opened]"},
		{"data with the cookie (5.1)", append(handshake(0)[:2], from(0, tag0, 0, chunk(10, 0, []byte("c")), dat(100, one, "a"))), "[opened] a"},
		{"INIT alone", open[:1], ""},
		{"refused (8.4)", append(handshake(0)[:1], from(1, tag1, 0, chunk(6, 0, u16(3, 4)))), "[refused 3 by 1]"},
		{"closed (9.2)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")), from(0, tag0, 0, chunk(7, 0, u32(899))),
			from(1, tag1, 0, shut(8)), from(0, tag0, 0, shut(14))}), "[opened] a [closed by 1]"},
		{"closed, then copies", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")), from(1, tag1, 0, shut(8)),
			from(0, tag0, 30*ms, dat(100, one, "a")), from(1, tag1, 0, shut(8))}), "[opened] a [closed by 1]"},
		{"aborted (9.1)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, chunk(6, 0, u16(12, 4)))}), "[opened] [aborted 12]"},
		{"aborted by somebody else (8.5.1)", slices.Concat(open, []*capture.Packet{from(0, 666, 0, chunk(6, 0, u16(12, 4)))}), "[opened]"},
		{"abort, tag reflected (8.5.1)", slices.Concat(open, []*capture.Packet{from(1, tag0, 0, chunk(6, 1))}), "[opened] [aborted by 1]"},
		{"closed and opened again with the same ports", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")), from(0, tag0, 0, chunk(6, 0)),
			from(0, 0, 0, initiate(1, 31, 100)), from(1, 31, 0, initiate(2, 30, 900)), from(0, 30, 0, chunk(10, 0)), from(0, 30, 0, dat(100, one, "b"))}),
			"[opened] a [aborted] [opened] b"},
		{"restart (5.2)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")),
			from(0, 0, 0, initiate(1, 31, 100)), from(1, 31, 0, initiate(2, 30, 900)), from(0, 30, 0, chunk(10, 0)), from(0, 30, 0, dat(100, one, "b")),
			from(1, 31, 0, dat(900, one, "c")), from(0, tag0, 0, dat(101, one, "late"))}), "[opened] a [restarted] b c"},
		{"restart, of which only data is seen", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")),
			from(0, 30, 0, dat(100, one, "b")), from(1, 31, 0, dat(900, one, "c")), from(0, tag0, 0, dat(100, one, "a"))}), "[opened] a [restarted] b c"},
		{"an INIT alone restarts nothing (5.2.2)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")),
			from(0, 0, 0, initiate(1, 31, 5000)), from(0, tag0, 0, dat(100, one, "a")), from(0, tag0, 0, dat(101, one, "b"))}), "[opened] a b"},
		{"restart without tags, TSN far behind", each(dat(1<<20, one, "a"), dat(5, one, "b"), dat(6, one, "c")), "a b c"},
		{"picked up midway, earlier ones come late", each(dat(500, one, "b"), dat(499, one, "a")), "b a"},
		{"tag of INIT is not that of data", append(handshake(0)[:2], from(0, 77, 0, dat(100, one, "a")), from(0, 77, 0, dat(101, one, "b"))), "a [opened] b"},
		{"another path (6.4)", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, begin, "a")), other(from(0, tag0, 0, dat(101, end, "b"))),
			other(from(0, tag0, 0, dat(100, begin, "a")))}), "[opened] ab"},
		{"another association, same ports and tag", slices.Concat(open, []*capture.Packet{from(0, tag0, 0, dat(100, one, "a")),
			other(from(0, tag0, 0, dat(80000, one, "b")))}), "[opened] a b"},
		{"stray", []*capture.Packet{from(0, 5, 0, chunk(4, 0)), from(0, 5, 0, sack(1))}, ""},
		{"idle", append(handshake(0), from(0, tag0, 3600_000*ms, chunk(4, 0))), "[opened] [expired]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(sctp.Config{})
			for _, p := range c.in {
				l.tab.Add(p)
			}
			if got := strings.Join(l.all, " "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			l.tab.Flush()
			if s := l.tab.Stats(); s.Associations != 0 || s.Fragments != 0 || s.Bytes != 0 {
				t.Errorf("left: %+v", s)
			}
		})
	}
}

func TestMessageFields(t *testing.T) {
	var got []string
	tab := sctp.New(sctp.Config{Message: func(m *sctp.Message) {
		f := m.Packet.FiveTuple()
		got = append(got, fmt.Sprintln(f.Src, f.Dst, m.Packet.Wall, m.Packet.Mono, m.PPID, m.Stream, m.Unordered, string(m.Payload)))
	}})
	tab.Add(from(0, 1, 10, chunk(0, begin|unordered, u32(1), u16(9, 0), u32(46), []byte("a"))))
	tab.Add(from(0, 1, 20, chunk(0, end|unordered, u32(2), u16(9, 1), u32(46), []byte("b"))))
	tab.Add(from(1, 1, 30, idat(1, begin, 65535, 8, 0, "c")))
	tab.Add(from(1, 1, 40, idat(2, end, 65535, 8, 1, "d")))
	want := []string{"10.0.0.1:5060 10.0.0.2:5061 25 20 46 9 true ab\n", "10.0.0.2:5061 10.0.0.1:5060 45 40 3 65535 false cd\n"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestAckedUnseen loses every tenth packet before the mirror and every
// hundredth in the network, where it is retransmitted: the first are proven,
// the second are nothing.
func TestAckedUnseen(t *testing.T) {
	tab := sctp.New(sctp.Config{})
	for _, p := range handshake(0) {
		tab.Add(p)
	}
	mono, missed := int64(0), 0
	for i := range uint32(5000) {
		mono += ms
		late := i%100 == 37 // lost in the network; again 300 ms later
		if i%10 == 3 {
			missed++
		} else if !late {
			p := from(0, tag0, mono, dat(100+i, one, "x"))
			p.Port = 3
			tab.Add(p)
		}
		if i >= 300 && (i-300)%100 == 37 {
			tab.Add(from(0, tag0, mono, dat(100+i-300, one, "x")))
		}
		// What is lost in the network holds the acknowledgement up.
		cum := 100 + i
		if hole := i/100*100 + 37; i >= hole && i < hole+300 {
			cum = 100 + hole - 1
		}
		for h := uint32(37); h <= i; h += 100 {
			if i < h+300 {
				cum = min(cum, 100+h-1)
			}
		}
		p := from(1, tag1, mono, sack(cum))
		p.Port = 4
		tab.Add(p)
	}
	tab.Add(from(0, tag0, mono, dat(5100, one, "x")))
	for h := uint32(4737); h < 5000; h += 100 {
		tab.Add(from(0, tag0, mono, dat(100+h, one, "x")))
	}
	tab.Add(from(1, tag1, mono, sack(5100)))
	tab.Flush()
	s := tab.Stats()
	if s.AckedUnseen != uint64(missed) || s.Lost != 0 || s.Repeats != 0 {
		t.Errorf("%d proven, want %d; %d lost, %d repeats", s.AckedUnseen, missed, s.Lost, s.Repeats)
	}
	seen := s.Ports[0].Data + s.Ports[3].Data
	if s.Ports[3].AckedUnseen+s.Ports[0].AckedUnseen != s.AckedUnseen || seen != s.Messages || seen+s.AckedUnseen != 5001 {
		t.Errorf("%+v", s)
	}
}

// TestNoFalseProof asserts what does not accuse the mirror: acknowledgements
// that come before the data, of a direction that it does not show, or of what
// was before it was looked at.
func TestNoFalseProof(t *testing.T) {
	for name, in := range map[string][]*capture.Packet{
		"acknowledgement overtakes": {from(0, 0, 0, dat(1, one, "a")), from(1, 0, 0, sack(3)), from(0, 0, 200*ms, dat(2, one, "a")), from(0, 0, 400*ms, dat(3, one, "a"))},
		"one direction only":        {from(1, 0, 0, sack(3)), from(1, 0, 0, dat(1, one, "a")), from(1, 0, 0, sack(9)), from(1, 0, 5000*ms, sack(11))},
		"before the capture":        {from(0, 0, 0, dat(400, one, "a")), from(1, 0, 0, sack(400)), from(1, 0, 5000*ms, sack(400))},
		"nonsense":                  {from(0, 0, 0, dat(400, one, "a")), from(1, 0, 0, sack(1<<31)), from(1, 0, 5000*ms, sack(1<<30))},
	} {
		tab := sctp.New(sctp.Config{})
		for _, p := range in {
			tab.Add(p)
		}
		tab.Flush()
		if s := tab.Stats(); s.AckedUnseen != 0 || s.Lost != 0 {
			t.Errorf("%s: %d, %d lost", name, s.AckedUnseen, s.Lost)
		}
	}
}

// sender is one direction of an association for the property tests.
type sender struct {
	side int
	tsn  uint32
	mid  [4]uint32
}

// message cuts text into chunks.
func (s *sender) message(r *rand.Rand, text string, inter bool) (chunks [][]byte) {
	stream := uint16(r.IntN(4))
	u := byte(r.IntN(2) * unordered)
	s.mid[stream]++
	flags, fsn := byte(begin), uint32(0)
	for done := false; !done; {
		n := 1 + r.IntN(600)
		if done = n >= len(text); done {
			n, flags = len(text), flags|end
		}
		if inter {
			chunks = append(chunks, idat(s.tsn, flags|u, stream, s.mid[stream]*2+uint32(u), fsn, text[:n]))
		} else {
			chunks = append(chunks, chunk(0, flags|u, u32(s.tsn), u16(stream, uint16(s.mid[stream])), u32(0), []byte(text[:n])))
		}
		text, flags = text[n:], 0
		s.tsn++
		fsn++
	}
	return chunks
}

// conversation returns packets with messages in pieces, bundled, each packet
// not far from its place and some of them twice, and the messages.
func conversation(r *rand.Rand, loss int) (packets []*capture.Packet, sent map[string]int) {
	sent = map[string]int{}
	senders := []*sender{{side: 0, tsn: r.Uint32()}, {side: 1, tsn: -uint32(1 + r.IntN(50))}}
	inter := r.IntN(2) == 0
	for i := range 120 {
		s := senders[r.IntN(2)]
		text := fmt.Sprintf("%d:%d:", s.side, i) + strings.Repeat(string(rune('a'+i%26)), r.IntN(3000))
		sent[text]++
		var bundle [][]byte
		for _, c := range s.message(r, text, inter) {
			bundle = append(bundle, c)
			if r.IntN(3) > 0 {
				packets = append(packets, from(s.side, uint32(s.side+1), 0, bundle...))
				bundle = nil
			}
		}
		if bundle != nil {
			packets = append(packets, from(s.side, uint32(s.side+1), 0, bundle...))
		}
	}
	packets = slices.DeleteFunc(packets, func(*capture.Packet) bool { return loss > 0 && r.IntN(loss) == 0 })
	for i := range packets {
		if r.IntN(4) == 0 {
			packets = slices.Insert(packets, i, packets[r.IntN(i+1)])
		}
	}
	for i := range packets {
		j := min(len(packets)-1, i+r.IntN(12))
		packets[i], packets[j] = packets[j], packets[i]
	}
	return packets, sent
}

// TestAnyOrder sends messages through everything but loss: they come once.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 3))
		packets, sent := conversation(r, 0)
		l := newLog(sctp.Config{})
		for _, p := range packets {
			l.tab.Add(p)
		}
		for _, text := range l.all {
			if text[0] != '[' {
				sent[text]--
			}
		}
		for text, n := range sent {
			if n != 0 {
				t.Fatalf("seed %d: %.10q of %d octets came %d times too few", seed, text, len(text), n)
			}
		}
		l.tab.Flush()
		if s := l.tab.Stats(); s.Incomplete+s.Lost+s.AckedUnseen+s.Restarts != 0 {
			t.Fatalf("seed %d: %+v", seed, s)
		}
	}
}

// TestLoss loses packets too: what comes is what was sent, once at most, and
// nothing is held in the end.
func TestLoss(t *testing.T) {
	lost := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 4))
		packets, sent := conversation(r, 2+r.IntN(30))
		l := newLog(sctp.Config{Bytes: 1, Fragments: 40, Held: 5000})
		for i, p := range packets {
			q := *p
			q.Mono = int64(i) * 50 * ms
			l.tab.Add(&q)
		}
		for _, text := range l.all {
			text = strings.TrimPrefix(text, "!")
			if text[0] == '[' {
				continue
			}
			if sent[text]--; sent[text] < 0 {
				t.Fatalf("seed %d: %.10q of %d octets was not sent so", seed, text, len(text))
			}
		}
		for _, n := range sent {
			lost += n
		}
		l.tab.Advance(1 << 60)
		if s := l.tab.Stats(); s.Associations+s.Fragments+s.Bytes != 0 {
			t.Fatalf("seed %d: %+v", seed, s)
		}
	}
	if lost == 0 {
		t.Error("nothing was lost: the test does not bite")
	}
}

// TestBounds floods a small table with associations, and one direction with
// pieces.
func TestBounds(t *testing.T) {
	l := newLog(sctp.Config{Associations: 50, Bytes: 1, Fragments: 300, Held: 20000})
	good := append(handshake(0), from(0, tag0, 0, dat(100, one, "a")))
	for _, p := range good {
		l.tab.Add(p)
	}
	for i := range 5000 {
		p := from(0, 0, 0, initiate(1, 5, uint32(i)))
		if i%2 == 0 {
			p = from(0, 9, 0, dat(uint32(i*7), begin, strings.Repeat("x", 1000)))
		}
		p.SrcPort, p.Src = uint16(i), []byte{1, 2, 3, byte(i >> 8)}
		l.tab.Add(p)
		l.tab.Advance(0)
		if s := l.tab.Stats(); s.Associations > 50 || s.Fragments > 300 || s.Bytes > sctp.MinBytes {
			t.Fatalf("%+v", s)
		}
	}
	l.tab.Add(from(0, tag0, 0, dat(100, one, "a"), dat(101, one, "b")))
	if got := strings.Join(l.all, " "); got != "[opened] a b" {
		t.Errorf("%.200q: the open one gave way", got)
	}
	for i := range uint32(2000) {
		l.tab.Add(from(0, tag0, 0, dat(102+i, byte(i/1000*begin), strings.Repeat("y", 100))))
	}
	l.tab.Advance(0)
	s := l.tab.Stats()
	if s.Fragments > 300 || s.Bytes > 20000+sctp.MinBytes || s.TooLong == 0 || s.Evicted != 5000-49 {
		t.Errorf("%+v", s)
	}
	l.tab.Add(from(0, tag0, 0, dat(3000, begin, strings.Repeat("z", 20001))))
	l.tab.Add(from(0, tag0, 0, dat(3002, one, "c")))
	if got := l.all[len(l.all)-1]; got != "!c" {
		t.Errorf("%.100q", got)
	}
}

// TestOpenOnesEvicted fills the table with open associations.
func TestOpenOnesEvicted(t *testing.T) {
	l := newLog(sctp.Config{Associations: 2})
	for i := range 3 {
		for _, p := range handshake(int64(i)) {
			p.Tunnel = uint32(i)
			l.tab.Add(p)
		}
	}
	if got := strings.Join(l.all, " "); got != "[opened] [opened] [evicted] [opened]" {
		t.Errorf("%q", got)
	}
}

// TestSameTag has many associations between other hosts with one tag and the same
// ports, of which the oldest give way: only the newest are looked at for what comes
// by another path.
func TestSameTag(t *testing.T) {
	l := newLog(sctp.Config{Associations: 50})
	add := func(src int, tsn uint32) {
		p := from(0, 9, 0, dat(tsn, one, "x"))
		p.Src = []byte{1, 2, byte(src >> 8), byte(src)}
		l.tab.Add(p)
	}
	for i := range 200 {
		add(i, uint32(i)<<20)
		if i%3 == 0 && i > 10 {
			add(i-7, uint32(i-7)<<20+1) // in the middle of them, it is no more the oldest
		}
	}
	for _, c := range []struct {
		of   int
		want uint64
	}{{199, 1}, {190, 2}, {160, 2}, {10, 2}} {
		add(1000+c.of, uint32(c.of)<<20+2)
		l.tab.Advance(0)
		if s := l.tab.Stats(); s.OtherPath != c.want || s.Associations != 50 {
			t.Errorf("another path of the association %d: %d found, want %d; %d associations", c.of, s.OtherPath, c.want, s.Associations)
		}
	}
}

// TestMemory holds MemoryBytes against what a full table has allocated.
func TestMemory(t *testing.T) {
	c := sctp.Config{Associations: 1000, Bytes: 1 << 20, Fragments: 1000}
	packets := make([]*capture.Packet, 3000)
	for i := range packets {
		packets[i] = from(0, 1, 0, dat(1, begin, "x"))
		packets[i].SrcPort = uint16(i)
	}
	took := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			tab := sctp.New(c)
			for _, p := range packets {
				tab.Add(p)
			}
		}
	}).AllocedBytesPerOp()
	if most := c.MemoryBytes(); took > most*11/10 || took < most/2 {
		t.Errorf("took %d octets, says %d", took, most)
	}
}

func TestAddAllocs(t *testing.T) {
	n := 0
	tab := sctp.New(sctp.Config{Message: func(m *sctp.Message) { n += len(m.Payload) }})
	for _, p := range handshake(0) {
		tab.Add(p)
	}
	text := strings.Repeat("x", 1000)
	packets := []*capture.Packet{from(0, tag0, 0, dat(1, begin, text)), from(0, tag0, 0, dat(1, end, text)), from(1, tag1, 0, sack(0)), from(0, tag0, 0, dat(1, one, text))}
	tsn := uint32(100)
	step := func() {
		for i, p := range packets {
			at := 4
			copy(p.Payload[at:], u32byte(tsn))
			if i != 2 {
				tsn++
			}
			p.Mono += ms
			tab.Add(p)
		}
	}
	for range 100 {
		step()
	}
	if allocs := testing.AllocsPerRun(1000, step); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if n != 1101*3000 {
		t.Errorf("%d octets", n)
	}
}

// u32byte is u32 in an array's slice, so that it is not allocated.
func u32byte(n uint32) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

func benchmark(b *testing.B, packets ...*capture.Packet) {
	tab := sctp.New(sctp.Config{Message: func(*sctp.Message) {}})
	tsn := uint32(100)
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range packets {
			copy(p.Payload[4:], u32byte(tsn))
			tsn++
			p.Mono += ms / 10
			tab.Add(p)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
}

// BenchmarkMessage is a message in one chunk.
func BenchmarkMessage(b *testing.B) {
	benchmark(b, from(0, tag0, 0, dat(1, one, strings.Repeat("x", 600))))
}

// BenchmarkAssembled is a message in three chunks of 1,000 octets.
func BenchmarkAssembled(b *testing.B) {
	text := strings.Repeat("x", 1000)
	benchmark(b, from(0, tag0, 0, dat(1, begin, text)), from(0, tag0, 0, dat(1, 0, text)), from(0, tag0, 0, dat(1, end, text)))
}

// BenchmarkFlood is an INIT from an address never seen.
func BenchmarkFlood(b *testing.B) {
	tab := sctp.New(sctp.Config{})
	p := from(0, 0, 0, initiate(1, 5, 6))
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		copy(p.Src, u32byte(i))
		tab.Add(p)
	}
}
