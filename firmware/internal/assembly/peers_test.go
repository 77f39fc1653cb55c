package assembly_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/firmware/internal/assembly"
)

// The streams at which the tools that probes are made of today fail, each with
// the real parsers. All messages must come, whole, in order and in time.

func (r *rig) wantInTime(payloads ...string) {
	r.t.Helper()
	r.want(payloads...)
	for i := range r.out {
		if r.out[i].Flags != 0 && r.out[i].Flags != capture.OverWebSocket {
			r.t.Errorf("message %d has flags %b", i, r.out[i].Flags)
		}
		if i > 0 && r.out[i].Wall <= r.out[i-1].Wall {
			r.t.Errorf("message %d is not later than the one before", i)
		}
	}
}

// open is the handshake of a connection from alice to bob; what alice sends
// begins at 1.
func (r *rig) open() {
	r.add(capturetest.TCP(alice, bob, capture.TCP{Flags: capture.FlagSYN}, nil, capturetest.IPID(1)),
		capturetest.TCP(bob, alice, capture.TCP{Flags: capture.FlagSYN | capture.FlagACK, Ack: 1}, nil, capturetest.IPID(1)),
		capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: capture.FlagACK}, nil, capturetest.IPID(2)))
}

// RFC 5626 3.5.1: CRLF CRLF between two messages, and the answer to it.
func TestPeersKeepAliveBetweenMessages(t *testing.T) {
	r := newRig(t)
	r.open()
	for _, text := range []string{request(1, 100), "\r\n\r\n", "\r\n\r\n" + request(2, 0), "\r\n", request(3, 10)} {
		r.add(segments(alice, bob, r.sent(text), text, 4000)...)
	}
	r.wantInTime(request(1, 100), request(2, 0), request(3, 10))
}

// sent returns the sequence number of what alice sends next, and counts text.
func (r *rig) sent(text string) uint32 {
	seq := 1 + r.octets
	r.octets += uint32(len(text))
	return seq
}

// Any token is a method (RFC 3261 7.1), Kamailio's KDMQ for one.
func TestPeersUnknownMethod(t *testing.T) {
	r := newRig(t)
	r.open()
	var want []string
	for i, method := range []string{"KDMQ", "X-Foo.1", "A!%*_+`'~", "ping"} {
		text := strings.ReplaceAll(request(i, 300), "OPTIONS", method)
		want = append(want, text)
		r.add(segments(alice, bob, r.sent(text), text, 200)...)
	}
	r.wantInTime(want...)
}

// Several WebSocket frames in one segment (RFC 6455 5).
func TestPeersCoalescedWebSocketFrames(t *testing.T) {
	r := newRig(t)
	r.open()
	hello := "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
	r.add(segments(alice, bob, r.sent(hello), hello, 4000)...)
	r.add(segments(bob, alice, 1, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n", 4000)...)
	var all string
	var want []string
	for i := range 5 {
		want = append(want, request(i, 50*i))
		all += masked(want[i])
		if i == 2 {
			all += "\x89\x80abcd" // a ping
		}
	}
	r.add(segments(alice, bob, r.sent(all), all, 8000)...)
	r.wantInTime(want...)
	if s := r.Stats(1).Conns; s.Handshakes != 1 || s.Controls != 1 {
		t.Errorf("%+v", s)
	}
}

// masked is a text frame of a client.
func masked(text string) string {
	b := append([]byte{0x81, 0x80 | 126}, 0, 0, 'k', 'e', 'y', '!')
	binary.BigEndian.PutUint16(b[2:], uint16(len(text)))
	for i := range len(text) {
		b = append(b, text[i]^b[4+i%4])
	}
	return string(b)
}

// A message on a connection that was idle for hours.
func TestPeersMessageAfterIdle(t *testing.T) {
	r := newRig(t)
	r.open()
	for i, pause := range []time.Duration{0, 2 * time.Second, 3 * time.Hour} {
		for began := r.now; r.now-began < int64(pause); {
			r.pass(10 * time.Second)
		}
		r.add(segments(alice, bob, r.sent(request(i, 400)), request(i, 400), 250)...)
	}
	r.wantInTime(request(0, 400), request(1, 400), request(2, 400))
}

// A message in many segments with seconds between them.
func TestPeersSplitAndSlow(t *testing.T) {
	r := newRig(t)
	r.open()
	for i := range 2 {
		text := request(i, 900)
		for _, b := range segments(alice, bob, r.sent(text), text, 60) {
			r.add(b)
			r.pass(3 * time.Second)
		}
	}
	r.wantInTime(request(0, 900), request(1, 900))
	last := wall0 + r.now - int64(3*time.Second)
	if got := r.out[1].Wall; got != last {
		t.Errorf("the time of the message is %d ns off that of its last octet's frame", got-last)
	}
}

// A connection turns out to be nothing when what is left of it is cut for want
// of room: it is over then, and what there was no room for is not looked at.
func TestNothingWhenCut(t *testing.T) {
	r := newRig(t, func(c *assembly.Config) { c.Stream.BytesPerConnection = 1 })
	nothing := strings.Repeat(strings.Repeat("-", 999)+"\n", 31)
	r.add(segments(alice, bob, r.sent(nothing), nothing, 1000)...)
	endless := "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\n" + strings.Repeat("X: y\r\n", 2500)
	r.add(segments(alice, bob, r.sent(endless), endless, 5000)...)
	next := request(1, 10)
	r.add(segments(other, bob, 1, next, 1000)...)
	r.pass(5 * time.Second)
	r.want(next)
	if s := r.Stats(1); s.Conns.Conns[capture.Unknown] != 1 || s.Stream.Released != 1 {
		t.Errorf("%+v", s)
	}
}
