// Package websocket reads RFC 6455 in one direction of a stream: frames,
// unmasked and put together to messages, inflated when permessage-deflate (RFC
// 7692) was agreed on, and the opening handshake that says so. What the
// messages hold is not its business: where it has to know, to find a frame in
// the middle of a stream, it is handed a function that recognises the content.
//
//	0 1 2 3 4 5 6 7   octets
//	F RSV   opcode    RSV1: compressed, of a message's first frame (RFC 7692 6)
//	M length          below 126; 126: 16 bits follow, 127: 64 bits follow
//	masking key       4 octets when M
//	payload
//
// # States of a Reader
//
//	frames --last octet of a frame with F--------> a message
//	   |   --a control frame (5.5)---------------> shown at once, inside a message too
//	   |   --more than MaxMessage octets---------> a message, cut; then
//	   |                                           skipping its remaining frames
//	   |   --senseless header--------------------> bad
//	   |   --gap that ends inside the frame------> skipping the rest of its message
//	   v any other gap
//	lost   --the first frame of a message, uncompressed, whose content is
//	         recognised--------------------------> frames
//
// Masks are taken as they come, by whichever side (5.1): the mask bit itself says
// how to read a frame. Lengths need not be in their shortest form.
//
// # Limits
//
// The octets of one message, its frame headers and control frames in between
// included, are left pending until the last one is there, up to MaxMessage: a
// Reader holds none. A longer message is given cut. An inflated message has at
// most the octets the caller allows; beyond that it is cut.
//
// Context takeover (RFC 7692 7.1.1) makes each message depend on the ones
// before. The Window that it takes, at most 32 KiB, is the caller's to grant.
// Without one, or once a message was lost or cut, a message is inflated if it
// refers to nothing before it, and else is an error: never wrong octets.
package websocket
