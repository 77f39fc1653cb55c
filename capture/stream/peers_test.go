package stream_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/capture/stream"
)

// The five streams that a rival was measured on. What cuts them here is as
// little as will do: that it can, from the octets and no timer, is the point.
// dissect has the real parsers.

// framer is a handler that takes whole messages, and writes down their names.
type framer struct {
	r    *rig
	c    *stream.Conn
	next func(b []byte) (name string, n int) // n is 0 while the message is not whole
}

func (h *framer) Data(_ int, pending []byte, _ int, gap int64, at *stream.At) int {
	used := 0
	for used < len(pending) {
		name, n := h.next(pending[used:])
		if n == 0 {
			break
		}
		if used += n; name != "" {
			h.c.Keep()
			h.r.log = append(h.r.log, fmt.Sprintf("%s at %d", name, (at.Mono-1e9)/ms))
		}
	}
	if gap != 0 {
		h.r.log = append(h.r.log, "gap")
	}
	return used
}

func (h *framer) Cut(_ int, pending []byte, why stream.Reason, _ *stream.Meta) {
	h.r.log = append(h.r.log, fmt.Sprintf("cut %v %q", why, pending))
}
func (h *framer) Closed(why stream.Reason) { h.r.log = append(h.r.log, "closed "+why.String()) }

// sipNext takes a CRLF (RFC 5626 3.5.1) or a message with Content-Length (RFC
// 3261 18.3) off b. Its name is the method, whatever that is, and the CSeq.
func sipNext(b []byte) (name string, n int) {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return "", 2
	}
	head, _, whole := strings.Cut(string(b), "\r\n\r\n")
	if !whole {
		return "", 0
	}
	n = len(head) + 4
	for line := range strings.SplitSeq(head, "\r\n") {
		if v, ok := strings.CutPrefix(line, "l: "); ok {
			body, _ := strconv.Atoi(v)
			n += body
		} else if v, ok := strings.CutPrefix(line, "CSeq: "); ok {
			name = v
		}
	}
	if n > len(b) {
		return "", 0
	}
	return name, n
}

// wsNext takes a masked frame of less than 64 KiB off b (RFC 6455 5.2).
func wsNext(b []byte) (name string, n int) {
	if len(b) < 4 {
		return "", 0
	}
	head, size := 2, int(b[1]&0x7f)
	if size == 126 {
		head, size = 4, int(binary.BigEndian.Uint16(b[2:]))
	}
	if n = head + 4 + size; n > len(b) {
		return "", 0
	}
	text := bytes.Clone(b[head+4 : n])
	for i := range text {
		text[i] ^= b[head+i&3]
	}
	name, _ = sipNext(text)
	return name, n
}

func sipMessage(method string, cseq, body int) string {
	return fmt.Sprintf("%s sip:a@b SIP/2.0\r\nCSeq: %d %s\r\nl: %d\r\n\r\n%s", method, cseq, method, body, strings.Repeat("v", body))
}

func wsFrame(text string) string {
	b := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	b = append(b, 1, 2, 3, 4)
	for i := range text {
		b = append(b, text[i]^byte(i&3+1))
	}
	return string(b)
}

func framing(t *testing.T, next func([]byte) (string, int)) *rig {
	r := newRig(t, stream.Config{})
	r.a = stream.New(stream.Config{New: func(c *stream.Conn) stream.Handler { return &framer{r: r, c: c, next: next} }})
	r.open()
	return r
}

// say sends what comes next of direction 0 at the given milliseconds.
func (r *rig) say(at int64, sent *int, data string) {
	r.t.Helper()
	r.now = 1e9 + at*ms
	r.c(A, *sent, 0, data)
	*sent += len(data)
}

func TestPeersCase1KeepAliveBetweenMessages(t *testing.T) { // RFC 5626 3.5.1
	for _, one := range []bool{false, true} { // a segment each, or all in one
		r, sent := framing(t, sipNext), 0
		say := []string{sipMessage("OPTIONS", 1, 0), "\r\n\r\n"}
		for i := range 5 {
			say = append(say, sipMessage("INVITE", 2+i, 300))
		}
		if one {
			say = []string{strings.Join(say, "")}
		}
		for _, s := range say {
			r.say(10, &sent, s)
		}
		r.want("1 OPTIONS at 10", "2 INVITE at 10", "3 INVITE at 10", "4 INVITE at 10", "5 INVITE at 10", "6 INVITE at 10")
	}
}

func TestPeersCase2UnknownMethod(t *testing.T) { // RFC 3261 25.1: a method is any token
	r, sent := framing(t, sipNext), 0
	r.say(10, &sent, sipMessage("KDMQ", 1, 20))
	for i := range 5 {
		r.say(20, &sent, sipMessage("INVITE", 2+i, 300))
	}
	r.want("1 KDMQ at 10", "2 INVITE at 20", "3 INVITE at 20", "4 INVITE at 20", "5 INVITE at 20", "6 INVITE at 20")
}

func TestPeersCase3CoalescedWebSocketFrames(t *testing.T) { // RFC 6455 5.2
	r, sent := framing(t, wsNext), 0
	third := wsFrame(sipMessage("BYE", 3, 200))
	r.say(10, &sent, wsFrame(sipMessage("INVITE", 1, 300))+wsFrame(sipMessage("ACK", 2, 0))+third[:3])
	r.want("1 INVITE at 10", "2 ACK at 10")
	r.say(20, &sent, third[3:])
	r.want("3 BYE at 20")
}

func TestPeersCase4MessageAfterIdle(t *testing.T) { // at once, in a connection that was not closed
	for _, idle := range []time.Duration{2 * time.Second, 3 * time.Hour} {
		r, sent := framing(t, sipNext), 0
		r.say(10, &sent, sipMessage("OPTIONS", 1, 0))
		r.want("1 OPTIONS at 10")
		for at := time.Duration(0); at < idle; at += idle / 8 { // as the probe lets time pass
			r.a.Advance(1e9 + int64(at))
		}
		r.say(idle.Milliseconds(), &sent, sipMessage("INVITE", 2, 300))
		r.want(fmt.Sprintf("2 INVITE at %d", idle.Milliseconds()))
		r.count("connections", r.port().Connections, 1)
	}
}

func TestPeersCase5SplitAndSlow(t *testing.T) { // 1.1 s between the halves of a message
	r, sent := framing(t, sipNext), 0
	m := sipMessage("INVITE", 1, 300)
	r.say(10, &sent, m[:100])
	r.wait(time.Second)
	r.want()
	r.say(1110, &sent, m[100:])
	r.want("1 INVITE at 1110")
	r.count("gaps", r.port().Gaps, 0)
}
