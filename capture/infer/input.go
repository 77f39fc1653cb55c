package infer

import "net/netip"

// Host is where something arrived or left: an address in a tunnel
// (capture.FiveTuple.Tunnel). A machine with several addresses is several hosts,
// unless the caller makes them one.
type Host struct {
	Addr   netip.Addr
	Tunnel uint32
}

// Request is a SIP request that may make its host work. What it refers to is
// the caller's and only borrowed.
type Request struct {
	Host   Host
	At     int64  // capture time, monotonic nanoseconds
	CallID []byte // at most MaxCallID octets
	CSeq   uint32 // its number: a request with the same Call-ID and CSeq at one host is the same one again
	Invite bool   // an INVITE: it may be one leg of a B2BUA's call

	// User parts of URIs as they are on the wire, unescaped; nil where there is
	// none. Called are those of Request-URI and To, Caller those of From and
	// P-Asserted-Identity.
	Called [2][]byte
	Caller [2][]byte
	Domain []byte // host part of the Request-URI, if it is a name

	MaxForwards int            // -1: none
	Session     []byte         // the SDP's o= line, all of it (RFC 8866 5.2): many write 1 for <sess-id>; nil without SDP
	Media       netip.AddrPort // where the SDP's first stream goes, not valid without
}

// Query is a request of another protocol that a host made.
type Query struct {
	ID   uint64 // the caller's, unique among the queries that wait
	Host Host   // who asked
	At   int64  // when its first octet was seen, monotonic nanoseconds
	// Server and Kind say whom and in which protocol it asked. What is asked in
	// the same way is learned about together.
	Server netip.AddrPort
	Kind   uint8
	// Target is the URL, without percent-encoding, or the DNS name; More are
	// bodies. They are borrowed.
	Target []byte
	More   [MaxTexts - 1][]byte
}

// Decision says what a query or a placed request belongs to, or why nothing was
// found. There is exactly one for each that was taken. The Call-IDs are borrowed
// until the function that gets the decision returns.
type Decision struct {
	Query   uint64  // Query.ID
	Leg     []byte  // Call-ID of the placed request; empty for a query
	Outcome Outcome // Linked, or why there is no link
	CallID  []byte  // of the call that it belongs to; empty if not Linked
	Score   int     // 0 to 99: of a hundred such links so many are right; if not Linked, of the best candidate
	Reasons Reasons // what speaks for it; none if not Linked
}
