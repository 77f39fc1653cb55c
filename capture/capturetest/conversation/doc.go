// Package conversation makes SIP conversations from a seed and renders each
// as the frames of a mirror port: plainly, or changed in ways that do not
// change what was said. Whoever follows the frames must find the same messages
// in both. Only tests and lab tools import it.
//
//	New          seed, transport -> Conversation: messages, media, what is true of them
//	Render       Conversation, seed, changes -> frames, and what can be found in them
//
// Changes work on four layers, in this order, and within a layer in the order
// in which they are given:
//
//	stream       what is written to the transport, and when: keep-alives, idle
//	             hours, WebSocket fragments and compression
//	unit         TCP segments, SCTP chunks: cut, sent again, lost and sent
//	             again, lost for good
//	packet       reordered by a slow path
//	frame        padded, fragmented, copied by the mirror, tunnelled, split
//	             over the two ports of a TAP
//
// All but Drop and PickUp keep the meaning. These lose segments for good;
// Rendering.Expect says which messages are still whole.
//
// The frames are built here octet by octet, with neither gopacket nor anything
// that heptap decodes with. The package's tests read them with gopacket and
// with tshark.
//
// What the transports follow: RFC 3261 18 (SIP over UDP and TCP), RFC 5626
// 3.5.1, 4.4.1 (CRLF keep-alive), RFC 9293 (TCP), RFC 6455, 7692 and 7118 (SIP over
// WebSocket, with compression), RFC 9260 and 4168 (SIP over SCTP), RFC 791 and
// 8200 (fragments), RFC 3550 (RTP, RTCP).
package conversation
