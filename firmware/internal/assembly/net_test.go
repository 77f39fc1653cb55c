package assembly_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
)

// witness writes down what it is told of connections, between the messages.
type witness struct {
	r      *rig
	log    []string
	ids    []uint64
	silent int64 // at the last end
}

func (w *witness) note(id uint64, format string, args ...any) {
	n := slices.Index(w.ids, id)
	if n < 0 {
		n, w.ids = len(w.ids), append(w.ids, id)
	}
	w.log = append(w.log, fmt.Sprintf("%d %s, %d messages so far", n, fmt.Sprintf(format, args...), len(w.r.out)))
}

func (w *witness) Opened(n *correlate.Connection) {
	status := "0"
	if n.Web != nil {
		status = fmt.Sprint(n.Web.Status)
		if s := n.Web.Subprotocol; len(s) > 0 {
			status += " " + string(s)
		}
	}
	if n.Again {
		status += " again"
	}
	w.note(n.ID, "opened %v %v mid-stream %v status %s", n.Transport, n.Flow.Src, n.MidStream, status)
	if n.Carries != capture.Unknown && n.Transport == correlate.TCP {
		w.log[len(w.log)-1] += " " + n.Carries.String()
	}
}

func (w *witness) Closed(n *correlate.Connection, why stream.Reason) {
	code := uint16(0)
	if n.Web != nil {
		code = n.Web.Code
	}
	w.silent = n.Silent
	w.note(n.ID, "closed %v by %d reset %d sent %d code %d", why, n.Ending.First, n.Ending.Reset, n.Sent[0].Octets, code)
}

func (w *witness) Signalling(f capture.FiveTuple) bool { return f.Dst.Port() == bob.Port() }

func (w *witness) Speaks(uint32, netip.Addr) bool { return false }

func (w *witness) Failed(u *stream.Unopened, id uint64) { w.note(id, "failed %v", u.Outcome) }

func (w *witness) Unassociated(n *correlate.Connection, what stream.Outcome) {
	w.note(n.ID, "unassociated %v %v by %d %d", what, n.Flow.Src, n.Ending.First, n.Ending.Reset)
}

func netRig(t *testing.T) (*rig, *witness) {
	w := &witness{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net = w })
	return w.r, w
}

func (w *witness) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(w.log, lines) {
		t.Errorf("got  %q\nwant %q", w.log, lines)
	}
}

const (
	syn = capture.FlagSYN
	ack = capture.FlagACK
	fin = capture.FlagFIN
	rst = capture.FlagRST
)

func (r *rig) shake() {
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 0, Flags: syn, MSS: 1460}, nil, capturetest.IPID(1)),
		capturetest.TCP(bob, alice, capture.TCP{Seq: 0, Ack: 1, Flags: syn | ack}, nil, capturetest.IPID(2)),
		capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, nil, capturetest.IPID(3)))
}

// A connection is told of before its first message, and its end after the last.
func TestNet(t *testing.T) {
	r, w := netRig(t)
	r.shake()
	text := request(1, 0)
	r.add(segments(alice, bob, 1, text, 4000)...)
	r.add(segments(bob, alice, 1, request(2, 0), 4000)...)
	r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1 + uint32(len(request(2, 0))), Ack: 1, Flags: fin | ack}, nil, capturetest.IPID(4)),
		capturetest.TCP(alice, bob, capture.TCP{Seq: 1 + uint32(len(text)), Ack: 1, Flags: fin | ack}, nil, capturetest.IPID(5)))
	w.want(t, "0 opened TCP 192.0.2.1:5060 mid-stream false status 0, 0 messages so far",
		fmt.Sprintf("0 closed fin by 1 reset -1 sent %d code 0, 2 messages so far", len(text)))
	if len(r.out) != 2 || r.out[0].Conn != w.ids[0] || r.out[1].Conn != w.ids[0] {
		t.Errorf("messages of connection %d and %d, want %d", r.out[0].Conn, r.out[1].Conn, w.ids)
	}
}

// The same packets give the same id, other times another one.
func TestConnectionID(t *testing.T) {
	var ids []uint64
	for _, wait := range []time.Duration{0, 0, time.Second} {
		r, w := netRig(t)
		r.pass(wait)
		r.shake()
		r.add(segments(alice, bob, 1, request(1, 0), 4000)...)
		ids = append(ids, w.ids...)
	}
	if len(ids) != 3 || ids[0] != ids[1] || ids[0] == ids[2] || ids[0] == 0 {
		t.Error(ids)
	}
}

func TestNetEnds(t *testing.T) {
	r, w := netRig(t)
	r.add(segments(alice, bob, 1, request(1, 0), 4000)...) // picked up
	r.pass(time.Second)
	r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Flags: rst}, nil))
	r.add(segments(other, bob, 1, "\x16\x03\x01", 4000)...) // no SIP: not told of
	r.add(capturetest.TCP(bob, other, capture.TCP{Seq: 1, Flags: rst}, nil))
	r.add(segments(other, alice, 1, request(3, 0), 4000)...)
	r.pass(time.Second)
	r.Flush()
	w.want(t, "0 opened TCP 192.0.2.1:5060 mid-stream true status 0, 0 messages so far",
		fmt.Sprintf("0 closed rst by -1 reset 1 sent %d code 0, 1 messages so far", len(request(1, 0))),
		"1 opened TCP 192.0.2.3:443 mid-stream true status 0, 1 messages so far",
		fmt.Sprintf("1 closed end by -1 reset -1 sent %d code 0, 2 messages so far", len(request(3, 0))))
}

// Only failures that matter are told of.
func TestNetFailures(t *testing.T) {
	r, w := netRig(t)
	try := func(port uint16) []byte {
		to := bob
		if port != 0 {
			to = other
		}
		return capturetest.TCP(alice, to, capture.TCP{Seq: 9, Flags: syn}, nil)
	}
	r.add(try(0), capturetest.TCP(bob, alice, capture.TCP{Ack: 10, Flags: rst | ack}, nil))
	r.add(try(443), capturetest.TCP(other, alice, capture.TCP{Ack: 10, Flags: rst | ack}, nil))
	r.pass(time.Second)
	r.add(try(0))
	r.pass(20 * time.Second)
	w.want(t, "0 failed refused, 0 messages so far", "1 failed unanswered, 0 messages so far")
}

// A WebSocket's handshake and close frame are told of; one that is not for SIP
// is nobody's business.
func TestNetWebSocket(t *testing.T) {
	const ask = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	const agree = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const forSIP = "Sec-WebSocket-Protocol: sip\r\n"
	for _, tt := range []struct {
		name, ask, reply string
		want             []string
	}{
		{"agreed", ask + forSIP + "\r\n", agree + forSIP + "\r\n\x88\x05\x03\xe9bye",
			[]string{"0 opened WS 192.0.2.1:5060 mid-stream false status 101 sip, 0 messages so far", "0 closed rst by -1 reset 1 sent %d code 1001, 0 messages so far"}},
		{"refused", ask + forSIP + "\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
			[]string{"0 opened WS 192.0.2.1:5060 mid-stream false status 403, 0 messages so far", "0 closed rst by -1 reset 1 sent %d code 0, 0 messages so far"}},
		{"for something else", ask + "\r\n", agree + "\r\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w := netRig(t)
			r.shake()
			r.add(segments(alice, bob, 1, tt.ask, 4000)...)
			r.add(segments(bob, alice, 1, tt.reply, 4000)...)
			r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1 + uint32(len(tt.reply)), Flags: rst}, nil))
			if len(tt.want) > 1 {
				tt.want[1] = fmt.Sprintf(tt.want[1], len(tt.ask))
			}
			w.want(t, tt.want...)
		})
	}
}
