package conversation_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"heptap/capture/capturetest/conversation"
)

// keeping are the changes that keep the meaning, those of the frame layer in
// an order in which they make sense.
func keeping() []conversation.Change {
	return []conversation.Change{
		conversation.KeepAlives(), conversation.Idle(), conversation.SeqWrap(), conversation.MidStream(), conversation.Cut(),
		conversation.WebFragments(), conversation.WebControl(), conversation.Deflate(true), conversation.Deflate(false),
		conversation.Resend(), conversation.Late(), conversation.Reorder(),
		conversation.Pad(), conversation.Fragment(100), conversation.Fragment(30), conversation.Duplicate(100), conversation.Duplicate(20), conversation.TwoPorts(),
	}
}

// some returns a random part of the changes.
func some(r *rand.Rand, all []conversation.Change) (out []conversation.Change) {
	forget := conversation.Deflate(false).String()
	for _, c := range all {
		both := c.String() == forget && slices.ContainsFunc(out, func(c conversation.Change) bool { return c.String() == conversation.Deflate(true).String() })
		if r.IntN(3) == 0 && !both {
			out = append(out, c)
		}
	}
	return out
}

func TestChangesKeepTheMeaning(t *testing.T) {
	for transport := range conversation.NumTransports {
		t.Run(transport.String(), func(t *testing.T) {
			for seed := range uint64(60) {
				changes := some(rand.New(rand.NewPCG(seed, 1)), keeping())
				x := conversation.New(seed, transport).Render(seed, changes...)
				read(t, x.Frames).contains(x)
				for _, e := range x.Expect {
					if !e.Whole || !e.Sure || e.GapBefore {
						t.Errorf("expected %+v", e)
					}
				}
				if t.Failed() {
					t.Fatal(x)
				}
			}
		})
	}
}

func TestEachChangeAlone(t *testing.T) {
	for _, change := range keeping() {
		t.Run(change.String(), func(t *testing.T) {
			for transport := range conversation.NumTransports {
				if !change.Applies(transport) {
					continue
				}
				changed := 0
				for seed := range uint64(20) {
					c := conversation.New(seed, transport)
					base := conversation.KeepAlives() // small frames, for Pad
					if change.String() == base.String() {
						base = conversation.Change{}
					}
					plain, x := c.Render(seed, base), c.Render(seed, base, change)
					read(t, x.Frames).contains(x)
					if !reflect.DeepEqual(plain.Frames, x.Frames) {
						changed++
					}
					if t.Failed() {
						t.Fatal(x)
					}
				}
				if changed == 0 {
					t.Errorf("%v: it changes nothing", transport)
				}
			}
		})
	}
}

func TestTheSameEveryTime(t *testing.T) {
	for transport := range conversation.NumTransports {
		a := conversation.New(7, transport).Render(9, keeping()...)
		b := conversation.New(7, transport).Render(9, keeping()...)
		if !reflect.DeepEqual(a.Frames, b.Frames) {
			t.Errorf("%v: two renderings differ", transport)
		}
		if c := conversation.New(7, transport).Render(10, keeping()...); reflect.DeepEqual(a.Frames, c.Frames) {
			t.Errorf("%v: another seed renders the same", transport)
		}
	}
}

// TestDrop compares what is expected after a loss with the octets that are
// there.
func TestDrop(t *testing.T) {
	for transport := range conversation.NumTransports {
		for _, loss := range []conversation.Change{conversation.Drop(1), conversation.Drop(4), conversation.PickUp()} {
			if !loss.Applies(transport) {
				continue
			}
			lost, gaps, unsure := 0, 0, 0
			for seed := range uint64(60) {
				x := conversation.New(seed, transport).Render(seed, loss, conversation.Cut())
				for i, e := range x.Expect {
					if e.Message != i || e.Sure && !e.Whole || e.GapBefore && !e.Whole {
						t.Fatalf("%v: expected %+v", x, e)
					}
					switch {
					case !e.Whole:
						lost++
					case !e.Sure:
						unsure++
					}
					if e.GapBefore {
						gaps++
					}
				}
				if transport == conversation.TCP {
					wholeInOctets(t, x)
				}
			}
			if lost == 0 || gaps == 0 || (unsure > 0) != (transport == conversation.WebSocket) {
				t.Errorf("%v, %v: %d messages lost, %d behind a gap, %d unsure", transport, loss, lost, gaps, unsure)
			}
		}
	}
}

// wholeInOctets looks for each message in what is left of its stream.
func wholeInOctets(t *testing.T, x *conversation.Rendering) {
	t.Helper()
	r := read(t, x.Frames)
	var left [][]byte // stretches without a hole
	for _, s := range r.streams {
		for seq := range s {
			if _, ok := s[seq-1]; ok {
				continue
			}
			var stretch []byte
			for c, ok := s[seq]; ok; c, ok = s[seq] {
				stretch = append(stretch, c)
				seq++
			}
			left = append(left, stretch)
		}
	}
	for _, e := range x.Expect {
		m := x.Conversation.Messages[e.Message]
		there := slices.ContainsFunc(left, func(b []byte) bool { return bytes.Contains(b, m.Text) })
		if there != e.Whole {
			t.Fatalf("%v: message %d: %+v, in the octets: %v", x, e.Message, e, there)
		}
	}
}

func TestConversations(t *testing.T) {
	var calls, refused, known int
	for transport := range conversation.NumTransports {
		for seed := range uint64(100) {
			c := conversation.New(seed, transport)
			if len(c.Messages) == 0 || !c.Messages[0].Fresh {
				t.Fatalf("%v: it does not begin with something fresh", c)
			}
			packets := 0
			for _, s := range c.Streams {
				packets += s.Packets
			}
			for _, d := range c.Media {
				if d.Payload[1]&0x7f != 200-128 {
					packets--
				}
			}
			if packets != 0 {
				t.Errorf("%v: %d packets more in the streams than sent", c, packets)
			}
			for _, m := range c.Messages {
				if bytes.HasPrefix(m.Text, []byte("INVITE ")) {
					calls++
				}
				if bytes.HasPrefix(m.Text, []byte("SIP/2.0 486 ")) {
					refused++
				}
				if !bytes.Contains(m.Text, []byte(m.CallID)) {
					t.Errorf("%v: %q without its Call-ID %s", c, m.Text, m.CallID)
				}
			}
			known += len(c.Streams)
		}
	}
	if calls < 100 || refused == 0 || known < 100 {
		t.Errorf("%d calls, %d refused, %d streams", calls, refused, known)
	}
}
