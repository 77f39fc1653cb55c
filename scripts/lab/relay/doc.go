// Package relay is a piece of bad network in a cable: it forwards frames
// between two interfaces and, mostly on RTP alone, loses, duplicates, reorders and
// delays packets, with a seeded generator of random numbers.
//
// What becomes of a packet depends on the seed, the stream (addresses, ports
// and SSRC) and how many packets of the stream came before, not on the time
// or on other streams. The same streams with the same seed lose the same
// packets.
//
// The relay knows exactly what it did, as far as somebody behind it can know:
//
//	delivered   packets sent on, the copies too
//	lost        packets not sent on: before the first one that was, after the
//	            last one, and in between ("inner"). Only the inner ones can be
//	            seen missing by a receiver
//	duplicated  copies sent on
//	reordered   packets sent on after one with a higher sequence number (RFC
//	            4737 3.3), copies left out
//
// Frames are forwarded byte for byte; nothing is merged, and no checksum is
// touched. Each direction is one thread, bound to one processor: the kernel
// may reorder what is sent from two.
//
// Of all other IP packets it can lose a share, which it counts and nothing more:
// that is for connections, which notice by themselves.
//
// OneWay is a relay for the cable between a mirror and a probe: a function of
// the user's says what becomes of each frame.
package relay
