// Package assembly makes messages of the packets that ring workers cannot
// finish by themselves: fragments, TCP segments, SCTP packets, and everything
// that must be known not to be a mirrored copy of what came before, perhaps by
// another port. Packets come in the order of their time, by one goroutine.
//
//	fragment -> defrag -> decode.Resume, which may be a fragment of an outer packet again
//	                           |
//	any other packet ----------+-> duplicate: a copy is dropped, or marked
//	                                   |
//	      UDP: the worker knows what it is; of a reassembled one dissect says it.
//	      |    RTP in fragments (video) is counted here
//	      TCP  -> stream -> dissect.Conn -.
//	      SCTP -> sctp -> dissect.Message-+-> order -> Message
//	      HEP  -> what is in it, if asked for
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
// of the stream.
//
// # Connections
//
// One with SIP or WebSocket in it is kept. One of anything else is released at
// once if it is nothing we know, and after 1 MiB if it is TLS, HTTP or HEP: until
// then what its ends acknowledge says whether the mirror loses segments. The
// segments of a released connection do not come here any more (stream.Ignore).
//
// # Limits
//
// Each table's are its own; Config.MemoryBytes is their sum. Nothing is kept here but the
// handlers of connections, as many as there are connections, and the times of
// 4096 flows.
package assembly
