package dissect

import (
	"slices"

	"heptap/capture/tlswire"
)

// Turns counts how the server of a connection that cannot be read answers: each
// time that it speaks after the client did, from the last frame of the one to the
// first of the other. Times are nanoseconds.
type Turns struct {
	Answers, Sum, Max int64
	// Waits is the monotonic time of a client of HTTP's last frame with data, when
	// the server has not answered it; 0 otherwise.
	Waits int64
}

// maxAnswer is how late what was taken for an answer may give way to another one.
const maxAnswer = int64(60e9)

// turns makes Turns of the frames with application data.
//
// What a server says of its own accord is no answer. In TLS 1.3 these are the tickets
// that it sends behind the client's Finished (RFC 8446 4.6.1), in HTTP/2 settings
// and windows (RFC 9113 6.5, 6.9). They come at once, about as quickly as the hello was
// answered: so what comes that quickly gives way to what the server says next
// before the client speaks again. In the client's first turn of TLS 1.3 it is no
// answer at all when nothing else follows.
type turns struct {
	Turns
	hello    int64     // mono of the client's last frame before the server spoke
	quick    int64     // how quickly is at once; 0 until the server has spoken
	asked    int64     // mono of the client's last frame with data, 0 before
	took     int64     // the answer at hand, when answered is set
	data     [2]uint32 // records, see tlswire.Session.Data
	answered bool
	replaced bool // once
	later    bool // it is not the client's first turn any more

	known            bool // the following
	hidden, web, two bool // TLS 1.3; HTTP is offered; HTTP/2 is offered or agreed on
}

// know takes over what the hellos say, before it is trimmed.
func (t *turns) know(s *tlswire.Session) {
	if t.known {
		return
	}
	i := s.Info()
	t.known, t.hidden = true, i.Version > tlswire.TLS12
	offered := i.ALPNOffered
	if i.ALPN != "" {
		offered = []string{i.ALPN}
	}
	t.two = slices.Contains(offered, "h2")
	t.web = t.two || slices.Contains(offered, "http/1.1")
}

// frame takes in that octets of a direction came at mono, which s has read.
func (t *turns) frame(s *tlswire.Session, dir int, mono int64) {
	n := s.Data(dir)
	fresh := n != t.data[dir]
	t.data[dir] = n
	switch s.Role(dir) {
	case tlswire.Client:
		if t.quick == 0 {
			t.hello = mono
		}
		if fresh {
			t.know(s)
			t.settle()
			t.asked = mono
		}
	case tlswire.Server:
		if t.quick == 0 && t.hello != 0 {
			t.quick = 2*max(mono-t.hello, 0) + 1e6
		}
		if fresh && t.asked != 0 {
			t.answer(max(mono-t.asked, 0))
		}
	}
}

// answer takes in that the server spoke so long after the client.
func (t *turns) answer(took int64) {
	switch {
	case !t.answered:
		t.answered = true
	case !t.ofItsOwn() || t.replaced && !t.web || took > maxAnswer:
		return
	default:
		t.replaced = true
	}
	t.took = took
}

// ofItsOwn says whether the answer at hand may be none.
func (t *turns) ofItsOwn() bool { return t.took <= t.quick && (t.two || t.hidden && !t.later) }

// settle ends a turn.
func (t *turns) settle() {
	if !t.answered {
		return
	}
	if !t.hidden || t.later || t.took > t.quick || t.replaced {
		t.Answers++
		t.Sum += t.took
		t.Max = max(t.Max, t.took)
	}
	t.answered, t.replaced, t.later = false, false, true
}

// now returns the turns with the one at hand.
func (t *turns) now() Turns {
	u := *t
	if u.web && u.asked != 0 && (!u.answered || u.ofItsOwn() && !u.replaced) {
		u.Waits = u.asked
	}
	u.settle()
	return u.Turns
}
