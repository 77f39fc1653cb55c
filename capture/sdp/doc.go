// Package sdp reads what a probe needs of a session description (RFC 8866) in
// an offer or answer (RFC 3264): where media and RTCP are to go, and what they
// are. A Session is reused; parsing does not allocate. Raw fields are views of
// the parsed description, valid as long as that is, and read-only.
//
//	v= o= s= ... c= ... a=      session level: defaults for every media
//	m=type port[/n] proto fmt   begins a media description
//	c=IN IP4 address            where to (or the session's)
//	a=rtpmap:PT name/clock[/channels], a=rtcp:port [address] (RFC 3605),
//	a=rtcp-mux (RFC 5761), a=sendonly and so on, a=ptime, a=crypto,
//	a=candidate, a=remote-candidates (RFC 8839), a=ssrc (RFC 5576),
//	a=bundle-only (RFC 9143); a=fingerprint also at session level (RFC 8122)
//
// Lines that make no sense are skipped, line ends may be LF alone, the first
// of repeated lines counts. Everything has a cap; what exceeds it is counted.
package sdp
