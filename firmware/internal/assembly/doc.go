// Package assembly makes messages of the packets that ring workers cannot
// finish by themselves: fragments, TCP segments, SCTP packets, and everything
// that must be known not to be a mirrored copy of what came before, perhaps by
// another port. Packets come in the order of their time, by one goroutine.
//
//	fragment -> Fragments: defrag -> decode.Resume, which may be a fragment again
//	                |
//	any other ------+-> duplicate: a copy is dropped, or marked
//	packet                 |
//	      UDP: the worker, or dissect, has said what it is
//	      TCP  -> stream -> dissect.Conn -----.
//	      SCTP -> sctp -> dissect.UserMessage-+-> order -> Message
//	      HEP  -> what is in it, if asked for
//
// # Fragments
//
// Those of one datagram may come by different rings and ports. When there is
// only one ring, its worker puts them together by itself: then what it counts of
// an RTP stream includes the packets that were fragmented. With more than one,
// RTP in fragments is counted here, and a stream of which only some packets are
// fragmented is seen as two, each of which misses what the other has.
//
// # Copies
//
// Drop leaves out all copies. Mark leaves in those of datagrams, flagged; those
// of TCP, SCTP and fragments are left out, since a reassembler shows octets once
// in any case. Off looks for none: what comes twice is forwarded twice, but for
// what reassemblers leave out. Copies of RTP are media's business.
//
// # Order
//
// Messages of one flow in one direction get strictly increasing times, to the
// microsecond that HEP carries: when several end in one segment, the later ones are
// moved up by one each. So a server that sorts by time shows them in the order
// of the stream, and still does so when records get other times later because the
// clock was wrong: both of a message's times are moved.
//
// # Connections
//
// One with SIP or WebSocket in it is kept, and so is one of TLS that is for SIP
// by its port or ALPN, or that a SIP server opened. So is one of a log or to a
// media proxy; one of DNS is followed for as long as there is room. One of anything else is released at
// once if it is nothing we know, and after 1 MiB if it is TLS, HTTP or HEP: until
// then what its ends acknowledge says whether the mirror loses segments. The
// segments of a released connection do not come here any more (stream.Ignore).
//
// An association of SCTP is told of with its first message of SIP or SIGTRAN, and kept from then
// on. One that could not be made is told of when it was meant for a host or port of SIP, or for a
// port registered for SIGTRAN.
//
// # Limits
//
// Each table's are its own; Config.MemoryBytes is their sum. Nothing is kept here but the
// handlers of connections, as many as there are connections, and the times of
// 4096 flows.
package assembly
