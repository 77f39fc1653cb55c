package conversation

import (
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// webOptions are what changes ask of a WebSocket connection.
type webOptions struct {
	fragments bool // messages in several frames (RFC 6455 5.4)
	control   bool // pings and pongs, also between the frames of a message
	deflate   bool // RFC 7692
	forget    bool // without context takeover (RFC 7692 7.1.1)
}

// The opcodes of RFC 6455 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opPing         = 9
	opPong         = 10
	opClose        = 8
)

// webSocket writes the handshake and the messages, one SIP message in a
// WebSocket message (RFC 7118 5), and at times a closing handshake.
func (w *work) webSocket() {
	if !w.handshake {
		w.web.deflate = false // nobody could know that it was agreed on
	}
	p := &peers{w: w, opcode: []byte{opText, opBinary}[w.r.IntN(2)]}
	if w.handshake {
		w.upgrade()
	}
	last := int64(0)
	for i := range w.c.Messages {
		m := &w.c.Messages[i]
		if w.keepAlives && w.r.IntN(2) == 0 {
			data := p.frame(m.From, true, false, p.opcode, []byte("\r\n\r\n"))
			w.writes = append(w.writes, write{at: w.gapBefore(i), from: m.From, data: data, message: -1})
		}
		if w.web.control && w.r.IntN(3) == 0 {
			at, body := w.gapBefore(i), []byte("still there?")
			w.writes = append(w.writes,
				write{at: at, from: m.From, data: p.frame(m.From, true, false, opPing, body), message: -1},
				write{at: at + 1000, from: m.From.other(), data: p.frame(m.From.other(), true, false, opPong, body), message: -1})
		}
		last = max(last, w.times[i])
		w.writes = append(w.writes, write{at: w.times[i], from: m.From, data: p.message(m.From, m.Text), message: i, ends: true})
	}
	if w.r.IntN(2) == 0 {
		for side := range Side(2) {
			last += int64(100 * time.Millisecond)
			w.writes = append(w.writes, write{at: last, from: side, data: p.frame(side, true, false, opClose, []byte{0x03, 0xe8}), message: -1})
		}
	}
	w.sortWrites()
}

// upgrade writes the opening handshake (RFC 6455 1.3, 4.1, 4.2.2; RFC 7118 4.1).
func (w *work) upgrade() {
	nonce := make([]byte, 16)
	for i := range nonce {
		nonce[i] = byte(w.r.Uint32())
	}
	key := base64.StdEncoding.EncodeToString(nonce)
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	offer, answer := "", ""
	if w.web.deflate {
		offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
		answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
		if w.web.forget {
			answer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
		}
	} else if w.r.IntN(2) == 0 {
		offer = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n" // and the server declines
	}
	request := fmt.Sprintf("GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: http://lab.test\r\n"+
		"%sSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n", w.c.Ends[Callee], offer, key)
	response := fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%sSec-WebSocket-Accept: %s\r\n"+
		"Sec-WebSocket-Protocol: sip\r\n\r\n", answer, base64.StdEncoding.EncodeToString(sum[:]))
	w.writes = append(w.writes,
		write{at: -int64(30 * time.Millisecond), from: Caller, data: []byte(request), message: -1},
		write{at: -int64(20 * time.Millisecond), from: Callee, data: []byte(response), message: -1})
}

// peers hold the compressors of both ends.
type peers struct {
	w      *work
	opcode byte
	out    [2]bytes.Buffer
	flate  [2]*flate.Writer
}

// message returns the frames of one message.
func (p *peers) message(from Side, text []byte) (out []byte) {
	body, compressed := text, false
	if p.w.web.deflate && p.w.r.IntN(5) > 0 { // each message may be left as it is (RFC 7692 6)
		body, compressed = p.compress(from, text), true
	}
	opcode := p.opcode
	for p.w.web.fragments && len(body) > 0 && p.w.r.IntN(4) > 0 {
		n := p.w.r.IntN(min(len(body), 700) + 1) // a frame may be empty
		out = append(out, p.frame(from, false, compressed, opcode, body[:n])...)
		body, opcode, compressed = body[n:], opContinuation, false
		if p.w.web.control && p.w.r.IntN(3) == 0 {
			out = append(out, p.frame(from, true, false, opPing, body[:min(len(body), 5)])...)
		}
	}
	return append(out, p.frame(from, true, compressed, opcode, body)...)
}

// compress compresses as RFC 7692 7.2.1 says: the last four octets of the
// flush are left out.
func (p *peers) compress(from Side, text []byte) []byte {
	if p.flate[from] == nil {
		var err error
		if p.flate[from], err = flate.NewWriter(&p.out[from], 1+p.w.r.IntN(9)); err != nil {
			panic("conversation: " + err.Error())
		}
	}
	if p.w.web.forget {
		p.flate[from].Reset(&p.out[from])
	}
	p.out[from].Reset()
	_, err := p.flate[from].Write(text)
	if err == nil {
		err = p.flate[from].Flush()
	}
	if err != nil {
		panic("conversation: " + err.Error()) // a bytes.Buffer takes everything
	}
	return bytes.Clone(bytes.TrimSuffix(p.out[from].Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// frame returns a frame; a client masks its own (RFC 6455 5.3).
func (p *peers) frame(from Side, fin, rsv1 bool, opcode byte, body []byte) []byte {
	first, mask := opcode, byte(0)
	if fin {
		first |= 0x80
	}
	if rsv1 {
		first |= 0x40
	}
	if from == Caller {
		mask = 0x80
	}
	b := []byte{first}
	switch n := len(body); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 65536:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if from == Callee {
		return append(b, body...)
	}
	key := binary.BigEndian.AppendUint32(nil, p.w.r.Uint32())
	b = append(b, key...)
	for i, c := range body {
		b = append(b, c^key[i%4])
	}
	return b
}
