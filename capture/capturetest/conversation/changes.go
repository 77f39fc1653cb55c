package conversation

import (
	"time"

	"heptap/capture/capturetest"
)

func units() []Transport { return []Transport{TCP, WebSocket, SCTP} }
func web() []Transport   { return []Transport{WebSocket} }

// KeepAlives puts keep-alives between messages: CRLF (RFC 5626 3.5.1), over
// UDP also what phones send instead, heartbeats over SCTP.
func KeepAlives() Change {
	return Change{name: "keep-alives", layer: streamLayer, apply: func(w *work) { w.keepAlives = true }}
}

// Idle lets minutes or hours pass where nothing is going on. TCP itself asks
// now and then whether the other end is still there.
func Idle() Change {
	return Change{name: "idle", layer: streamLayer, apply: (*work).sleep}
}

// SeqWrap has the sequence numbers of TCP, or SCTP's TSNs, pass zero.
func SeqWrap() Change {
	return Change{name: "sequence wrap", layer: streamLayer, on: units(), apply: func(w *work) { w.nearWrap = true }}
}

// MidStream has the probe plugged in when the connection is long there: no
// handshake of TCP, SCTP or WebSocket.
func MidStream() Change {
	return Change{name: "mid-stream", layer: streamLayer, on: units(), apply: func(w *work) { w.handshake = false }}
}

// WebFragments spreads WebSocket messages over frames (RFC 6455 5.4).
func WebFragments() Change {
	return Change{name: "websocket fragments", layer: streamLayer, on: web(), apply: func(w *work) { w.web.fragments = true }}
}

// WebControl puts pings and pongs between and inside WebSocket messages (RFC
// 6455 5.5).
func WebControl() Change {
	return Change{name: "websocket ping", layer: streamLayer, on: web(), apply: func(w *work) { w.web.control = true }}
}

// Deflate compresses most WebSocket messages (RFC 7692), with a window that
// goes on from message to message, or one that begins anew.
func Deflate(takeover bool) Change {
	name := "deflate"
	if !takeover {
		name = "deflate without takeover"
	}
	return Change{name: name, layer: streamLayer, on: web(), apply: func(w *work) { w.web.deflate, w.web.forget = true, !takeover }}
}

// Cut cuts streams into segments of one octet to several messages, and SCTP
// messages into chunks of one octet and more, several to a packet.
func Cut() Change {
	return Change{name: "cut", layer: streamLayer, on: units(), apply: func(w *work) { w.style = cutRandom }}
}

// Resend sends octets again that were received: with other cuts, overlapping.
func Resend() Change {
	return Change{name: "resend", layer: unitLayer, on: units(), apply: func(w *work) {
		if w.c.Transport == SCTP {
			w.resendChunks(30)
		} else {
			w.resend(30)
		}
	}}
}

// Late has segments lost before the probe, so that they are seen when they are
// sent again, up to 200 ms after what follows them.
func Late() Change {
	return Change{name: "late", layer: unitLayer, on: units(), apply: func(w *work) {
		if w.c.Transport == SCTP {
			w.lateChunks(15)
		} else {
			w.lateFill(15)
		}
	}}
}

// Drop loses n segments or chunks on the way to the probe alone. It does not
// keep the meaning; see Expected.
func Drop(n int) Change {
	return Change{name: "drop", layer: unitLayer, on: units(), apply: func(w *work) {
		if w.c.Transport == SCTP {
			w.dropChunks(n)
		} else {
			w.drop(n)
		}
	}}
}

// PickUp has the probe plugged in at any moment, at times in the middle of a
// message. It does not keep the meaning either.
func PickUp() Change {
	return Change{name: "pick up", layer: unitLayer, on: units(), apply: func(w *work) {
		if w.c.Transport == SCTP {
			w.pickUpChunks()
		} else {
			w.pickUp()
		}
	}}
}

// Reorder has packets of TCP and SCTP overtake each other within 20 ms. UDP is
// left alone: there the order of packets is the order of messages.
func Reorder() Change {
	return Change{name: "reorder", layer: packetLayer, on: units(), apply: func(w *work) { w.reorder(30, 20*time.Millisecond) }}
}

// Pad fills short frames up to 60 octets, with anything.
func Pad() Change {
	return Change{name: "pad", layer: frameLayer, apply: (*work).pad}
}

// Fragment cuts the outermost IP packet of all frames, or of a part of them,
// into fragments, which come in any order and at times twice. Behind Tunnel it
// cuts the tunnel's packets.
func Fragment(percent int) Change {
	name := "fragment"
	if percent < 100 {
		name = "fragment some"
	}
	return Change{name: name, layer: frameLayer, apply: func(w *work) { w.fragment(percent, true) }}
}

// FragmentSignalling is Fragment, and leaves RTP and RTCP alone.
func FragmentSignalling(percent int) Change {
	return Change{name: "fragment signalling", layer: frameLayer, apply: func(w *work) { w.fragment(percent, false) }}
}

// Duplicate has the mirror deliver every frame twice, or a part of them, the
// copy up to 40 ms later and changed as a second point of view changes it.
func Duplicate(percent int) Change {
	name := "duplicate"
	if percent < 100 {
		name = "duplicate some"
	}
	return Change{name: name, layer: frameLayer, apply: func(w *work) { w.duplicate(percent, 40*time.Millisecond) }}
}

// Through sends every frame through a tunnel. Given twice, the second tunnel
// carries the first. It does nothing where the tunnel cannot carry what is to
// go into it. Tunnel ids and end points are drawn; where a tunnel's id is that
// of a direction, the directions have different ones.
func Through(kind capturetest.Kind) Change {
	return Change{name: "through " + kind.String(), layer: frameLayer, apply: func(w *work) { w.tunnel(kind) }}
}

// TwoPorts delivers each direction on a port of its own, as a TAP does.
func TwoPorts() Change {
	return Change{name: "two ports", layer: frameLayer, apply: func(w *work) {
		for i := range w.frames {
			w.frames[i].port = uint8(w.frames[i].from)
		}
	}}
}
