// Package duplicate recognises mirrored copies of one packet: a mirror of both
// directions of a port, two VLANs, two ports, before and after a router or
// inside and outside a tunnel, so that the probe sees everything twice or three
// times. It tells them from what is sent again. What is done with a copy is the
// caller's affair; RTP is not its business (media knows copies by sequence).
//
// # Identity
//
// A packet is known by a 64-bit keyed hash of what no mirror and no router
// changes:
//
//	addresses, ports, protocol, Tunnel; IPv4 identification; lengths; payload
//	TCP    sequence, acknowledgement, flags, window (RFC 9293 3.1)
//	SCTP   verification tag (RFC 9260 3.1); the chunks are the payload
//	of a fragment its identification and place (RFC 791 3.2, RFC 8200 4.5)
//
// TTL, TOS, VLAN, MAC addresses, checksums and mirror port may differ, and so may
// what the packet is wrapped in: a plain packet and the same one in GRE or ERSPAN
// are copies. But capture.Packet.Tunnel is part of it, since two tenants of two
// VXLANs may use the same addresses: a packet seen plain and in a VXLAN is
// taken for two.
//
// # Rule
//
// Something identical came within Window (50 ms) of the first copy, or of the
// last one that was sent again. Then p is:
//
//	IPv4 identification (or that of a fragment) not 0    a copy: what is sent again has
//	                                                     another one (RFC 6864 4)
//	else UDP                                             a copy
//	else TCP or SCTP, and TTL, VLAN, DSCP, mirror port   a copy
//	or encapsulation differ
//	else TCP or SCTP, within 1 ms                        a copy
//	else                                                 sent again
//
// TCP without payload and without SYN, FIN or RST is judged by an
// identification other than 0 only; without one it is not judged at all, since
// duplicate acknowledgements are meant (RFC 5681 2). SCTP packets are
// judged whole. ECN says nothing here: TCP takes it off what it sends again
// (RFC 3168 6.1.5), and routers set it.
//
// # When it is wrong
//
//   - UDP without identification (IPv6; or IPv4 from hosts that set 0 when they
//     forbid fragments, RFC 6864 4.1), sent twice within 50 ms on purpose: taken for
//     a copy. SIP never does (T1 is 500 ms, RFC 3261 17.1.1.1); keep-alives and logs may.
//   - TCP and SCTP without identification: a fast retransmission within 1 ms is
//     taken for a copy, which costs a reassembler nothing; a copy by a mirror that
//     lags more, and differs in nothing, is taken for a retransmission, which costs
//     it nothing either. Only the counts are wrong.
//   - hosts that use one identification other than 0 for everything: what they
//     send again within 50 ms is taken for a copy.
//   - copies that the capture cut short, unless all at the same place (a VLAN tag
//     moves it), that lag more than Window, or that passed address translation or
//     a proxy, are not recognised.
//   - a network that doubles packets itself looks like a mirror that does.
//
// # Lag and share
//
// The lag of a copy is the time since the first of its kind, so a third copy counts
// from the first, and a burst cannot stretch the window. A copy counts for
// the mirror port that it came by. Share is over the last ten seconds: one half
// means that everything comes twice by that port; one, that everything there is
// came by another port before.
//
// # Limits
//
// Entries in a ring, 65536 by default, oldest first: enough for 1.3 million
// packets a second. What is older than Window is forgotten, and what is younger
// is dropped when the ring is full, counted. No allocation but the table and,
// with the first packet of a mirror port, its counters. The hash is seeded at
// random per table, so nobody can aim at one bucket, and that a packet meets
// another by chance is one in 10^14 at full load. Times are the packets'
// monotonic ones; a packet that is a little earlier than the one before it does
// no harm, one that is more than Window earlier is not recognised.
package duplicate
