// Package hep reads and writes HEP, the encapsulation in which capture agents
// send what they saw to a collector. It has four parts:
//
//   - the codec: Packet appends a HEP3 frame, Parse checks one and View reads
//     it in place, ParseAny also reads HEP1 and HEP2;
//   - Reader, which cuts a stream (a TCP connection, a file) into frames;
//   - Conn, a connection to a collector that knows which octets the peer's
//     kernel has not acknowledged and how the peer ended it;
//   - Listener, a server for UDP and TCP.
//
// The package knows nothing of records, spools or collectors' habits, and
// keeps no frame.
//
// # HEP3 frame (HEP3 Network Protocol Specification, revision 37)
//
// All integers are big-endian. There is no padding and no terminator.
//
//	off size
//	  0    4  "HEP3"
//	  4    2  length of the whole frame, these 6 octets included
//	  6       chunks, in any order
//
//	chunk:
//	  0    2  vendor id, 0 = generic
//	  2    2  type id
//	  4    2  length of the chunk, these 6 octets included
//	  6       value
//
// The chunks of vendor 0 this package reads and writes. A size is the value's,
// in octets; n is any, and a chunk with none counts as absent.
//
//	type size            type size
//	0x01    1 IP family  0x0c    4 capture agent id
//	0x02    1 protocol   0x0e    n authentication key
//	0x03    4 IPv4 src   0x0f    n payload
//	0x04    4 IPv4 dst   0x10    n compressed payload (read only)
//	0x05   16 IPv6 src   0x11    n correlation id
//	0x06   16 IPv6 dst   0x12    2 VLAN id
//	0x07    2 src port   0x13    n capture agent name
//	0x08    2 dst port   0x17    1 TCP flags
//	0x09    4 seconds    0x18    1 IP TOS
//	0x0a    4 µs         0x20    2 MOS x 100
//	0x0b    1 type       0x21    2 R factor
//	                     0x65    n extra correlation, JSON (OpenSIPS)
//
// Type 0x0100 of vendor 0x6874 ("ht") is ours: 2 octets of flags, see FlagGap. It
// is sent after all of these, and only when a flag is set. Type 0x0101 of the same vendor, behind it
// and off by default, says which record a frame is of, see Sequence:
//
//	off size
//	  0    8 origin: the first half of the boot id under which the record was made
//	  8    8 sequence number in the probe's log
//	 16    1 which of the record's frames this is, from 0
//
// Type 0x0102, behind that and off by default, says what the sender knew of its clock, see Clock:
//
//	off size
//	  0    1 state
//	  1    8 offset in ns, two's complement
//
// Chunks of another vendor or type are skipped by their length. A chunk of
// another vendor is never read as generic, although some receivers do so.
//
// A frame is refused when its length is not exactly its octets', a chunk does
// not fit, a chunk of 0x01 to 0x0c or 0x12 has another size than above (the
// sizes heplify-server enforces), or one of the chunks above comes twice:
// receivers disagree on which of the two counts, so the record would mean
// different things in different places. A quality chunk (0x17 to 0x21) of
// another size is skipped, as an unknown one.
//
// Append writes chunks in one order: 01 02, 03 04 or 05 06, 07 08 09 0a 0b 0c,
// then if set 0e 11 12 13 17 18 20 21, then 0f, then 65, then others as they are given.
//
// # HEP1 and HEP2
//
//	off size
//	  0    1  version, 1 or 2
//	  1    1  header length; senders get it wrong, ignored
//	  2    1  IP family, 2 or 10
//	  3    1  IP protocol
//	  4    2  source port, big-endian
//	  6    2  destination port, big-endian
//	  8       source and destination address, 4 or 16 octets each
//	          HEP2 only, LITTLE-endian: seconds 4, µs 4, agent id 2, padding 2
//	          SIP message
//
// # Lifetimes
//
// A View and the slices it returns are valid while the parsed octets are. A
// frame from Reader.Next is borrowed until the next call, one handed to a
// Handler until the handler returns.
//
// # Confirmation
//
// HEP has no acknowledgement. What a TCP connection offers, and Conn makes
// visible, is three counts: octets the own kernel took (Written), octets the
// peer's kernel has (Acked), and, once after CloseWrite, whether the peer's
// process has read all of them (Confirmed: it answered the half-close with FIN
// and not with RST, as kernels do for a process that leaves octets unread).
package hep
