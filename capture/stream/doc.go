// Package stream puts TCP connections together (RFC 9293) as a passive tap
// sees them: out of order, in pieces that differ between transmission and
// retransmission, with octets missing that only the mirror lost, from the middle
// on, and sometimes in one direction only. Its memory is bounded. It knows no
// protocol: handlers see the octets of each direction in order, and say how
// much they understood.
//
// It does not judge checksums, windows, options or the urgent pointer: the
// receiver's word, as far as it is on the wire, is better than a guess. It does
// not hold one direction back for the other: a response may be shown before its
// request.
//
// # States
//
//	           SYN                        data
//	(nothing) -----> opening -------------------------------> unknown
//	    |               |                                     |  |  |
//	    |               | FIN, RST, Handshake, recycled   Keep|  |  |Release
//	    |               v                                     v  |  v
//	    |           (nothing)                             known  |  released
//	    |                                                     |  |        |
//	    | data: picked up mid-stream                          |  |        | RST, both FINs
//	    +------------------------------------> unknown        v  v        v
//	                                      both FINs, RST ---> closed (Linger) ---> (nothing)
//
// A handshake is an opening, of 136 octets, with a cap of its own, the half open
// ones recycled first: a flood of SYNs costs nothing else, nor does one of RSTs,
// FINs or acknowledgements. Only octets make a connection: an entry of about 340,
// in slabs that are made when they are needed and kept, and no buffer while
// everything is in order and consumed. A connection ends
//
//   - with the FINs of both directions and all octets before them, or with that of the only
//     direction that was ever seen;
//   - with an RST whose number the receiver may have accepted;
//   - after Idle without a segment, IdleUnknown while no handler has called Keep. One
//     that is half closed is no exception;
//   - when a new one with the same key is proved: by a SYN with an unfamiliar
//     number and the answer that acknowledges it, or data where that SYN says
//     and the old connection does not. An old duplicate SYN proves nothing.
//
// Closed ones are remembered for Linger, so that what comes late is not taken for
// a connection picked up in the middle. A released connection is remembered for IdleUnknown
// and then looked at anew. When all places are taken, the longest idle (to within a second) gives
// way: closed ones first, then released, unknown, known. What begins with data in
// its SYN (RFC 7413) only takes the place of closed and released ones.
//
// # Sequence numbers
//
// Everything is modulo 2^32 (RFC 9293 3.4). What is more than 2^20 behind or
// 2^26 ahead of what is expected is a stray, and changes nothing, unless the
// next segment is a stray as well and continues it: then the stream goes on
// there, after a gap of unknown size.
//
// The first copy of an octet counts. A copy that differs is counted as a
// conflict if the first one is still in memory; octets that were consumed
// are not.
//
// The beginning of a direction is told by its SYN, by the acknowledgement in
// the other side's SYN or in the first segment after it. Without any of
// them, the first octets are held for Reorder (or until 16 KiB are held), in
// case some that belong before them are still on their way, and then shown after
// a gap of unknown size.
//
// # Holes
//
// Octets beyond a hole are held. The hole is given up, which makes it a gap,
//
//   - Reorder after the receiver acknowledged what is beyond it: then it has all,
//     and what is missing can only be on its way to us, or lost by the mirror;
//   - GapTimeout after the octets beyond it came; 8 times that while the last
//     acknowledgement asks for just the octet at the hole: then the sender will
//     send it again (RFC 6298: after 1 s or more);
//   - when there is no room to hold more, or the connection ends. An RST counts as
//     an acknowledgement of everything.
//
// What the capture cut off a segment is a gap at once. Octets that come after
// they were given up are counted and dropped.
//
// # Memory
//
// What a handler consumes at once is never copied: it is shown the packet
// itself. What it leaves, and what is held beyond holes, is in buffers
// whose sizes are powers of two from 512 octets, from free lists. BytesPerConnection
// bounds the buffers of a connection, TotalBytes those of all, each (and each segment
// that is held, though the capture left none of its octets) with 128 octets for
// its books, free lists included. When a connection is at its bound, its
// holes are given up, and what its handler left is cut off. When all are, the
// buffer that has not changed for the longest is emptied in these ways, until there is
// room.
//
// # Evidence
//
// AckedUnseen counts what a receiver has acknowledged and we did not see: nobody
// but the mirror (or the way from there, or our own ring: see its drops)
// can have lost it. It is counted only in directions that were seen at all, when
// a hole is given up, when the acknowledgement comes later than that, and at a connection's
// end. LateUnseen takes back what came after all. A gap that is never
// acknowledged is nobody's proven fault. What stays silent: segments without data,
// released connections, one-way mirrors.
//
// # History
//
// Of each connection it is known how it was opened (Conn.Attempt), what each
// direction carried (Sent) and what ended it (Ending); of a handshake that led to
// nothing, what became of it (Config.Unopened).
package stream
