package tlswire

// recordHeader is type, version and length (RFC 8446 5.1).
const recordHeader = 5

// maxRecord is the most a fragment may have: 2^14 octets of content and 2048
// that protection may add (RFC 5246 6.2.3).
const maxRecord = 1<<14 + 2048

// The content types.
const (
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
	applicationData  = 23
	heartbeat        = 24
)

// The handshake messages that are told apart.
const (
	clientHello        = 1
	serverHello        = 2
	certificate        = 11
	certificateRequest = 13
	serverHelloDone    = 14
	clientKeyExchange  = 16
)

// messageHeader is type and length.
const messageHeader = 4

// Is reports whether b begins with a record in which a ClientHello begins: six
// octets are enough, fewer are not.
func Is(b []byte) bool {
	return len(b) > recordHeader && b[0] == handshakeRecord && isHeader(b[:recordHeader]) && b[recordHeader] == clientHello &&
		int(b[3])<<8|int(b[4]) >= messageHeader
}

// isHeader reports whether h, at most recordHeader octets, may be the front of
// a record's header.
func isHeader(h []byte) bool {
	switch {
	case len(h) > 0 && (h[0] < changeCipherSpec || h[0] > heartbeat),
		len(h) > 1 && h[1] != 3,
		len(h) > 2 && h[2] > 4,
		len(h) > 3 && h[3] > maxRecord>>8,
		len(h) > 4 && int(h[3])<<8|int(h[4]) > maxRecord:
		return false
	}
	return true
}

// oldHeader is the header of a record of SSL 2.0: a bit and the length.
const oldHeader = 2

// isOldHello reports whether h, at most recordHeader octets, may be the front
// of a ClientHello in the format of SSL 2.0 that offers a later version (RFC
// 5246 E.2): length, message type 1, version.
func isOldHello(h []byte) bool {
	switch {
	case len(h) > 0 && h[0]&0x80 == 0,
		len(h) > 1 && h[0]&0x7f == 0 && h[1] < 9+16, // the least there is: header and challenge
		len(h) > 2 && h[2] != clientHello,
		len(h) > 3 && h[3] != 3,
		len(h) > 4 && h[4] > 4:
		return false
	}
	return true
}
