// Package decode turns a frame into the view of the UDP datagram it carries,
// or says why it carries none. It is one pure function: no state, no
// allocation, no copy, and it accepts any octets.
//
//	frame: Ethernet II | 802.3 + SNAP | Linux cooked v1, v2 | BSD null, loop | raw IP
//	  VLAN tags: 802.1Q, 802.1ad, 0x9100, up to capture.MaxVLANTags, the one
//	             that the kernel stripped (Frame.HasVLAN) counted as outermost
//	  IPv4 (RFC 791) | IPv6 (RFC 8200) with its extension headers; AH in both
//	  UDP (RFC 768)
//
// # Lengths
//
// Every layer has two lengths: what its header says and what the capture kept.
// Octets after the end that a header states are padding and are left out.
// Octets that a header states and the capture does not have were cut off, by
// our own snap length or by a mirror port that shortens frames: then what is
// there is delivered with Packet.Truncated set. Frame.Length cannot tell the
// two apart and is used only where the IP header states no length (IPv4 total
// length 0 from segmentation offload, IPv6 payload length 0 under a
// hop-by-hop header, RFC 2675 and BIG TCP).
//
// Headers that contradict each other are refused whether the frame was cut or
// not. So cutting a frame shorter never changes the answer, but for the reason
// that says that a header is missing (short, or a cut extension header).
//
// # Not judged here
//
// Checksums are not looked at: offload leaves them unfilled in frames captured
// where they are sent. The destination under a routing header (RFC 8200 4.4)
// is the one in the IPv6 header, the next hop. Duplicates, the probe's own
// traffic (kept out by the kernel filter) and what the payload is are others' work.
package decode
