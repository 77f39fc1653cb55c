package dissect_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/dissect"
)

// follower writes down what it is shown.
type follower struct {
	log   []string
	shown [2]string
	wrong int // octets whose number was not what was shown until then
}

func (f *follower) Write(dir int, at *dissect.At, n dissect.Numbers, b []byte) {
	if f.shown[dir] += string(b); n.End != uint32(len(f.shown[dir])) || n.Known && n.Ack > uint32(len(post)*3) {
		f.wrong++
	}
}
func (f *follower) Gap(dir int, n int64)        { f.note("gap %d of %d", n, dir) }
func (f *follower) Cut(dir int, at *dissect.At) { f.note("cut %d at %d", dir, at.Mono) }
func (f *follower) End(e dissect.Ending)        { f.note("end %d by %d", e.Why, e.By) }

func (f *follower) note(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

// following is a rig whose connection has a follower when wanted says so.
func following(t *testing.T, wanted func(asked int) bool) (*rig, *follower) {
	f, asked := new(follower), 0
	r := newRig(t, dissect.Config{Follow: func(p capture.Protocol, front []byte) dissect.Follower {
		asked++
		if p != capture.HTTP && p != capture.MI || !wanted(asked) {
			return nil
		}
		return f
	}}, 8080)
	return r, f
}

const (
	post = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	okay = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// Whatever the pieces, the follower sees each octet once and in order.
func TestFollower(t *testing.T) {
	for _, size := range []int{1, 2, 7, 1000} {
		r, f := following(t, func(int) bool { return true })
		for range 3 {
			for dir, text := range []string{post, okay} {
				for len(text) > 0 {
					n := min(size, len(text))
					r.segment(segment{dir: dir, data: text[:n]})
					text = text[n:]
				}
			}
		}
		r.conn.Cut(0, nil, true, &r.at[0])
		r.conn.Finished(0, &dissect.At{Mono: 77})
		r.conn.Unfollow(dissect.Ending{Why: dissect.EndReset, By: 1})
		if f.wrong > 0 {
			t.Errorf("size %d: %d pieces have a wrong number", size, f.wrong)
		}
		r.end()
		if f.shown[0] != strings.Repeat(post, 3) || f.shown[1] != strings.Repeat(okay, 3) {
			t.Errorf("in pieces of %d: %q", size, f.shown)
		}
		if got := strings.Join(f.log, ", "); got != "cut 0 at 77, end 2 by 1" {
			t.Error(got)
		}
	}
}

// One that comes late begins behind a gap; gaps are told.
func TestFollowerLate(t *testing.T) {
	r, f := following(t, func(asked int) bool { return asked == 3 })
	r.segment(segment{data: post})
	r.segment(segment{dir: 1, data: okay})
	r.segment(segment{data: post})
	r.segment(segment{dir: 1, data: okay, gap: 10})
	r.end()
	if got := strings.Join(f.log, ", "); f.shown[0] != post || f.shown[1] != okay || got != "gap -1 of 0, gap -1 of 1, gap 10 of 1, end 0 by -1" {
		t.Errorf("%q, %s", f.shown, got)
	}
}

// A connection that becomes a WebSocket is followed up to there.
func TestFollowerUpgrade(t *testing.T) {
	r, f := following(t, func(int) bool { return true })
	reply := switching + "Sec-WebSocket-Protocol: sip\r\n\r\n"
	r.segment(segment{data: upgradeRequest})
	r.segment(segment{dir: 1, data: reply + "\x81\x02hi"})
	r.end()
	if got := strings.Join(f.log, ", "); f.shown[0] != upgradeRequest || f.shown[1] != reply || got != "end 0 by -1" {
		t.Errorf("%q, %s", f.shown, got)
	}
}

// Management protocols are known by their front, in either direction.
func TestFollowerMI(t *testing.T) {
	for _, tt := range []struct {
		dir  int
		text string
	}{
		{1, "Content-Type: auth/request\n\n"},
		{1, "Asterisk Call Manager/2.10.4\r\n"},
		{0, "Action: Login\r\nUsername: a\r\nSecret: b\r\n\r\n"},
		{0, `{"jsonrpc":"2.0","method":"core.info","id":1}`},
	} {
		r, f := following(t, func(int) bool { return true })
		for _, s := range octets(tt.text) {
			s.dir = tt.dir
			r.segment(s)
		}
		v, p := r.conn.Verdict()
		r.end()
		if v != dissect.Known || p != capture.MI || f.shown[tt.dir] != tt.text {
			t.Errorf("%q: %v %v, shown %q", tt.text, v, p, f.shown)
		}
	}
}
