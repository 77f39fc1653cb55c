// Package sctp follows SCTP associations (RFC 9260, and 4960 before it) as a
// mirror port shows them, and puts their user messages together: SIP (RFC 4168),
// M3UA, M2PA, Diameter, whatever. It does not know what a message is, and it is
// no SCTP endpoint: it judges no checksum, and waits for nothing that need not
// come.
//
// # Messages
//
// DATA (RFC 9260 3.3.1) and I-DATA (RFC 8260 2.1), any number per packet. A
// message is delivered when its last piece is seen, whichever that is, ordered
// or unordered: behind a piece that is missing nothing is held back. So messages
// come in the order of their time, which after a loss is not that of their
// stream. A message whose piece never comes is given up, after Timeout or when
// its place is needed, and the next one begins at the next B bit by itself.
// Gap marks the first message after anything of its direction was given up.
//
// # TSNs
//
// Per direction, every TSN from the oldest one missing on, in a window of 1024:
//
//	behind cum, or seen       a copy or a retransmission: left out
//	in the window             new
//	above it                  new; what the window passes is given up. What is missing
//	                          in one piece is given up in one piece
//	65,536 behind, or         of another association: the direction begins anew
//	2^20 ahead
//
// A direction begins where INIT or INIT ACK says. Picked up midway it begins
// 512 TSNs before the first one seen, which may still come and are not missed.
//
// # What the mirror lost
//
// When the other end acknowledges a TSN (SACK, SHUTDOWN) that was never seen, and
// it does not come within half a second, the mirror has lost it: AckedUnseen, by
// mirror port. The probe's own losses (kernel drops) look the same; who judges
// the mirror must leave them out. What nobody acknowledged is Lost: it may have been
// lost before the mirror too. Directions of which no data and no handshake was
// seen are not judged.
//
// # Associations
//
//	           INIT, INIT ACK,            COOKIE ECHO or ACK;
//	           COOKIE ECHO, data          4 packets with data
//	(nothing) ----------------> not known ----------------> open
//	                             |  ^                        |
//	                             |  | INIT with another tag, | SHUTDOWN ACK, SHUTDOWN
//	                   ABORT     |  | data with another tag  | COMPLETE, ABORT
//	                             v  |                        |
//	                            closed <---------------------'
//
// What is not known to be open, or closed, is forgotten after Brief and is the
// first to give way; then what has been initiated and is not open, after Trying; the open
// after Idle. Keep makes one open that the caller knows to be worth it. A closed one is kept so that late
// copies of its packets do not begin another. Floods of INITs or of data from
// made-up addresses push out each other.
//
// Ends that begin anew with the same ports are told by their verification tags
// (RFC 9260 5.2, 8.5): after COOKIE ECHO, which an INIT by itself does not bring
// about, or, if the mirror lost the handshake, by data with another tag; packets
// with the tag before it are left out from then on. Without tags (0: captures
// that were made up) a TSN out of reach is all there is to tell.
//
// # History
//
// Of each association it is known how it was opened, what each end sent, and what
// ended it (Association.History): told with each Message and Event. When its ends
// begin anew the history does too, from their INIT on. An attempt that nothing follows
// on is an Event by itself: Refused, or Unanswered, as late as Trying after the last
// INIT, because Linux repeats one after 3, 6, 12 and 24 s.
//
// # Several paths
//
// An association is found by addresses, ports and tunnel. A multi-homed one
// (RFC 9260 6.4) is found on its other paths by ports, tunnel and verification
// tag, if the TSN fits; its messages carry the addresses of the packet that
// completed them, so one association may show several flows. Copies taken
// before and after address translation look the same: the message is delivered
// once, with the addresses seen first. An INIT on another path before any data
// makes an association of its own, which is forgotten after Brief.
//
// # Limits
//
// Associations, octets and pieces of incomplete messages, both per direction
// too, are bounded by Config; each bound has its counter. The octets lie in one
// ring, made when the first piece comes, in which the oldest are overwritten. The
// hash is seeded at random, which no result depends on. Times are the packets'
// monotonic ones.
//
// Not looked at: gap blocks of SACK, address lists of INIT, AUTH (RFC 4895)
// and ASCONF (RFC 5061) chunks, SCTP over UDP (RFC 6951), and DTLS inside
// (RFC 6083).
package sctp
