// Package defrag puts IP datagrams together from the fragments a mirror port
// shows, IPv4 (RFC 791 3.2) and IPv6 (RFC 8200 4.5), by the ranges of octets
// that are there (after RFC 815). It does not look into the datagrams, but for
// one UDP checksum (below), and decodes nothing: the caller goes on with
// decode.
//
// # Key
//
// Source, destination, identification, tunnel; for IPv4 the protocol too (RFC
// 791 3.2), which in IPv6 only the first fragment knows (RFC 8200 4.5). The
// mirror port and the VLAN are not part of it: fragments of one datagram may
// take two ways, and copies are absorbed.
//
// # States
//
//	         fragment           all octets
//	(nothing) -----> open ------------------------> done ----> (nothing)
//	                  | |                          Linger, or the identification
//	                  | |                          comes with other octets
//	                  | '-> dead: IPv6 overlap, or too many fragments;
//	                  |     absorbs what belongs to it for Timeout
//	                  '---> (nothing): Timeout, evicted, or replaced, because the
//	                        identification was used again
//
// A done datagram keeps its octets for a while so that a mirrored copy of its
// fragments, early or late, cut the same or by a router in other ways, is known
// for what it is: it is absorbed, and the datagram is delivered once.
//
// # Fragments that do not fit
//
//	exact duplicate                 ignored (RFC 8200 4.5 allows it)
//	IPv4 overlap                    what came first stays; octets that differ are a
//	                                conflict, and the checksum decides, see below
//	IPv6 overlap                    the whole datagram is dead (RFC 5722 4, RFC 8200 4.5)
//	IPv4: same range, other octets; the identification was used again (RFC 4963): the
//	a second end; octets past it    old datagram is given up and a new one begins
//	IPv6: the same                  dead, as an overlap
//	IPv4, more follow, not a        cut to a multiple, as Linux does
//	multiple of 8
//	IPv6: the same                  dropped (RFC 8200 4.5)
//	no octets; past 65535           dropped (RFC 8200 4.5)
//
// A 16-bit identification comes round in seconds on a busy link, so an old first
// half may meet a new second half (RFC 4963). When there is reason to fear it (a
// conflict, a replacement, or half a second from the first fragment to the last)
// and the datagram is UDP with a checksum that is wrong, it is given up as mixed.
// Otherwise checksums are not looked at: captures have wrong ones for other
// reasons.
//
// # Cut short
//
// When the capture cut fragments short (capture.Packet.Truncated) the datagram
// is complete when all its octets were on the wire; what is delivered is what
// was captured from its beginning up to the first hole, Truncated. A datagram
// that is given up, and whose beginning is there, goes to Config.Partial in
// the same form: half an INVITE tells an engineer more than none. IPv6
// overlaps never do.
//
// # Limits
//
// Datagrams, octets, fragments per datagram and time are bounded by Config.
// When there is no place the oldest goes: done ones, then dead ones, then open
// ones, counted. Octets live in blocks of 4 KiB that are made when needed and
// kept. The hash is seeded at random, which no result depends on; Timeout runs
// from a datagram's first fragment, by the packets' monotonic time. Timeout is
// shorter than a host's 60 s: on a wire the fragments follow each other, and
// what the mirror lost does not come again.
package defrag
