package mi

// IsDatagram says whether a UDP payload is a management command, or a reply
// that shows by itself to be one, and whose. It is strict, so that it can be
// asked of any datagram: JSON must be JSON-RPC 2.0, binrpc must consist of whole
// records to its last octet. Replies in the line format ("200 OK") do not show;
// DatagramReply reads them when the request is known.
func IsDatagram(b []byte) (Backend, bool) {
	if len(b) < 3 {
		return NoBackend, false
	}
	switch b[0] {
	case '{', '[':
		return jsonBackend(b)
	case ':':
		if _, _, ok := lineRequest(b); ok {
			return OpenSIPS, true
		}
	case 0xA1:
		h, v := parseBin(b)
		if v != yes || uint64(len(b)) != uint64(h.size)+uint64(h.body) {
			return NoBackend, false
		}
		body := b[h.size:]
		if h.kind == binRequest {
			if _, _, v := binCommand(body); v != yes {
				return NoBackend, false
			}
		}
		// RTP too may begin with A1: a reply of no or few octets proves nothing.
		if records(body) && (h.kind == binRequest || len(body) >= 2) {
			return Kamailio, true
		}
	}
	return NoBackend, false
}

func jsonBackend(b []byte) (Backend, bool) {
	i := 0
	if b[0] == '[' {
		if i = blank(b, 1); i == len(b) {
			return NoBackend, false
		}
	}
	p, ok := rpcObject(b, i)
	switch {
	case !ok:
		return NoBackend, false
	case p.isRequest():
		return rpcBackend(p.method), true
	case p.isReply():
		return AnyRPC, true
	}
	return NoBackend, false
}

// DatagramRequest reads the request of a datagram, whole or cut at its end. ok
// is false when it is none.
func DatagramRequest(b []byte) (Request, bool) {
	if len(b) == 0 {
		return Request{}, false
	}
	switch b[0] {
	case '{', '[':
		return jsonRequest(b[:min(len(b), maxMasked)], Datagram)
	case ':':
		return lineRequestOf(b)
	case 0xA1:
		h, v := parseBin(b)
		if v != yes || h.kind != binRequest {
			return Request{}, false
		}
		body := b[h.size:]
		return binRequestOf(&h, body[:min(uint64(len(body)), uint64(h.body))])
	}
	return Request{}, false
}

// DatagramReply reads the reply of a datagram, whole or cut at its end, to the
// request that tag is of; which one that is, the flow and the ID tell. With the
// zero Tag, for a request that was not seen, the reply is hidden, and lines are
// not read.
func DatagramReply(tag Tag, b []byte) (Reply, bool) {
	if len(b) == 0 {
		return Reply{}, false
	}
	switch {
	case b[0] == '{' || b[0] == '[':
		if tag.Backend == NoBackend {
			tag = Tag{AnyRPC, Datagram, true}
		}
		return jsonReply(tag, b[:min(len(b), maxMasked)])
	case b[0] == 0xA1 && (tag.Transport == BinRPC || tag.Backend == NoBackend):
		h, v := parseBin(b)
		if v != yes || h.kind == binRequest {
			return Reply{}, false
		}
		body := b[h.size:]
		return binReplyOf(&h, tag, body[:min(uint64(len(body)), uint64(h.body))]), true
	case tag.Transport == Datagram && (tag.Backend == OpenSIPS || tag.Backend == Kamailio):
		return lineReply(tag, b[:min(len(b), maxMasked)])
	}
	return Reply{}, false
}
