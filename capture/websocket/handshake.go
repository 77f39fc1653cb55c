package websocket

import (
	"crypto/sha1"
	"encoding/base64"

	"heptap/capture/httpwire"
)

// Offer is what a client's opening handshake says (RFC 6455 4.1).
type Offer struct {
	accept [sha1.Size]byte // what the response has to prove (4.2.2)
	SIP    bool            // "sip" is among the subprotocols (RFC 7118 4)
}

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keySize is the length of 16 octets in base64.
const keySize = 24

// Parse fills o from a request and reports whether it asks for a WebSocket of
// version 13.
func (o *Offer) Parse(h *httpwire.Head) bool {
	*o = Offer{}
	key := h.Get("sec-websocket-key")
	if !h.IsRequest || string(h.Method) != "GET" || len(key) != keySize || !upgrades(h) || string(h.Get("sec-websocket-version")) != "13" {
		return false
	}
	var text [keySize + len(guid)]byte
	copy(text[copy(text[:], key):], guid)
	o.accept = sha1.Sum(text[:])
	o.SIP = h.Has("sec-websocket-protocol", "sip")
	return true
}

// upgrades reports whether the connection is to become a WebSocket.
func upgrades(h *httpwire.Head) bool {
	return h.Has("upgrade", "websocket") && h.Has("connection", "upgrade")
}

// Session is what a server's opening handshake agrees to.
type Session struct {
	SIP     bool // the subprotocol is "sip"
	Deflate Deflate
	Other   bool // some other extension may have changed what frames mean
}

// Deflate are the parameters of permessage-deflate (RFC 7692 7.1), by the side
// whose messages they are about.
type Deflate struct {
	On                       bool
	ServerAlone, ClientAlone bool  // no context takeover: each message for itself
	ServerBits, ClientBits   uint8 // base 2 logarithm of the window, 8-15
}

// Parse fills s from a response and reports whether it opens a WebSocket. With
// the request's offer the key is verified (RFC 6455 4.1); without, for a request
// that was not seen, it cannot be.
func (s *Session) Parse(h *httpwire.Head, o *Offer) bool {
	*s = Session{}
	if h.IsRequest || h.Status != 101 || !upgrades(h) {
		return false
	}
	if o != nil {
		var want [28]byte
		base64.StdEncoding.Encode(want[:], o.accept[:])
		if string(h.Get("sec-websocket-accept")) != string(want[:]) {
			return false
		}
	}
	s.SIP = httpwire.Is(h.Get("sec-websocket-protocol"), "sip")
	f := h.Walk()
	for {
		name, value, ok := f.Next()
		if !ok {
			return true
		}
		if httpwire.Is(name, "sec-websocket-extensions") {
			s.extensions(value)
		}
	}
}

// extensions reads a list of what was agreed on (RFC 6455 9.1).
func (s *Session) extensions(list []byte) {
	for e := []byte(nil); len(list) > 0; {
		e, list = httpwire.Cut(list, ',')
		name, params := httpwire.Cut(e, ';')
		switch {
		case len(name) == 0:
		case httpwire.Is(name, "permessage-deflate") && !s.Deflate.On:
			s.Deflate.parse(params)
		default:
			s.Other = true
		}
	}
}

func (d *Deflate) parse(params []byte) {
	*d = Deflate{On: true, ServerBits: maxBits, ClientBits: maxBits}
	for p := []byte(nil); len(params) > 0; {
		p, params = httpwire.Cut(params, ';')
		name, value := httpwire.Cut(p, '=')
		switch {
		case httpwire.Is(name, "server_no_context_takeover"):
			d.ServerAlone = true
		case httpwire.Is(name, "client_no_context_takeover"):
			d.ClientAlone = true
		case httpwire.Is(name, "server_max_window_bits"):
			d.ServerBits = bits(value)
		case httpwire.Is(name, "client_max_window_bits"):
			d.ClientBits = bits(value)
		}
	}
}

const maxBits = 15

// bits reads a window size, in quotes or not: maxBits when it makes no sense,
// which holds whatever a smaller one would.
func bits(b []byte) uint8 {
	if len(b) > 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	switch {
	case len(b) == 1 && (b[0] == '8' || b[0] == '9'):
		return b[0] - '0'
	case len(b) == 2 && b[0] == '1' && b[1] >= '0' && b[1] <= '5':
		return 10 + b[1] - '0'
	}
	return maxBits
}
