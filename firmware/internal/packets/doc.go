// Package packets is the packet memory: the newest frames of the mirror ports, held
// in memory, and written to a pcapng file when somebody asks.
//
// # What is kept
//
// A probe is not a call recorder. Of media the memory has headers only, and so of
// everything that may be media: RTP ends after its header (but a payload of 4
// octets or less, which is an event of RFC 4733 and no sound, stays), what nobody
// has recognised after its transport header, segments of connections that carry
// nothing the probe reads after theirs, fragments of what does not begin as SIP
// after the IP header. What the decoder cannot read is cut to 54 octets, an ICMP
// message to 70: that holds the headers and hardly anything behind them. SIP, RTCP,
// STUN, DNS, handshakes of DTLS, segments and SCTP packets that are read, and what
// is beside signalling are kept whole.
//
// # How it is kept
//
// The memory is a number of segments. Each ring worker (Writer) fills two of its
// own, one with signalling and one with media, so that media cannot push signalling
// out: when segments run short, the oldest goes of the kind that has more than half,
// or else of the worker's own kind. All workers share them, so that all ports go
// back equally far. In a segment are entries, one behind the other:
//
//	off size field (little-endian)
//	  0    4 octets kept of the frame
//	  4    4 octets it had on the wire
//	  8    8 wall time, Unix nanoseconds
//	 16    2 link type
//	 18    1 mirror port
//	 19    1 kind, see Kind
//	 20    2 VLAN tag that the kernel has taken out
//	 22    2 its ethertype
//	 24    2 where the payload begins in the frame
//	 26    2 1: there is such a tag
//	 28    4 octets of the payload
//	 32      the frame, and up to 7 octets of padding
//
// A worker copies a frame once and takes no lock for it: it alone writes to its
// segments, and how far they are filled it tells after each read of its ring (an
// atomic store, which readers load). A lock is taken when a segment is full. A
// segment that somebody reads, or that is pinned, is not used again meanwhile; when
// there is none left, frames are not kept, and counted (Missed).
//
// # Pins
//
// Mark pins what is held at that moment, and what is filled within the next seconds,
// until it is let go, or Config.Pins newer marks have come. A pin has Config.Bytes at
// most: what follows the mark may take the place of the oldest half. The memory that
// pinned segments are missing is taken when a pin is made, and given back later.
//
// # The file
//
// See Export. Secrets leave the box only if somebody who may has asked for them
// (Options.Unlocked). Otherwise only what was understood well enough to blank it is
// written, and the rest ends after its header:
//
//	SIP over UDP         as package privacy has it: all bodies but SDP, the keys in that,
//	                     Subject and credentials, and numbers and names if the probe replaces these
//	SIP over TCP         the same, message by message, as far as the stream is held in order
//	SIP over SCTP        the same, if a chunk has the whole message; other data is zeroed
//	RTP                  the events, too, end after the header
//	STUN                 user name, nonce and integrity are zeroed
//	TLS, DTLS            application data is zeroed or left out
//	RTCP, DNS            whole, unless numbers and names are replaced: then their headers
//	NG, commands, lines of logs, HEP, WebSocket, HTTP, fragments    headers
//
// Lengths and positions stay, and checksums of UDP and SCTP are mended, so that a
// frame is as right or wrong as it was.
package packets
