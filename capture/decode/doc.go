// Package decode turns a frame into the view of the UDP datagram, TCP segment,
// SCTP packet or IP fragment it carries, through whatever tunnels are around
// it, or says why it carries none. It is pure functions: no state, no
// allocation, no copy, and they accept any octets.
//
//	frame: Ethernet II | 802.3 + SNAP | ISL | Linux cooked v1, v2 | BSD null, loop | raw IP
//	  VLAN tags: 802.1Q, 802.1ad, 0x9100 to 0x9300, VN-Tag, E-Tag, up to capture.MaxVLANTags
//	             in one Ethernet frame, the one that the kernel stripped (Frame.HasVLAN)
//	             counted as outermost
//	  MPLS (RFC 3032, 4385, 4448) | PPPoE (RFC 2516) | PBB | NSH (RFC 8300): around IP or frames
//	  IPv4 (RFC 791) | IPv6 (RFC 8200) with its extension headers; AH in both
//	    a fragment: the end, see Resume
//	    IP in IP (RFC 2003, 2473, 4213) | GRE (RFC 1701, 2784, 2890), NVGRE (RFC 7637), PPTP
//	    (RFC 2637), ERSPAN I to III | EtherIP (RFC 3378) | L2TPv3 (RFC 3931) | MPLS (RFC 4023)
//	    TCP (RFC 9293) | SCTP (RFC 9260)
//	    UDP (RFC 768)
//	      VXLAN (RFC 7348), with group policy, GPE | Geneve (RFC 8926) | GTP-U (3GPP TS 29.281) |
//	      L2TPv2 (RFC 2661), v3 | Teredo (RFC 4380) | TZSP | HP's remote mirroring
//
// At most capture.MaxEncaps are opened, one inside the other. Every step
// consumes octets or counts against a limit, so all of it is bounded.
//
// # What is a tunnel
//
// Over UDP, on a tunnel's port, the content must be well-formed and not speak
// against it: SIP or RTP on such a port stays a datagram. VXLAN, GTP-U and TZSP
// are found on any port, but must prove it there: IP inside, with right lengths and
// a right header checksum. A tunnel's own messages (GTP echo, L2TP control) are
// datagrams like any other. Under an MPLS label stack nothing says what follows:
// IP and frames are told apart by content (RFC 4928 3).
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
// that says that a header is missing (short, or a cut extension header). That is
// why a datagram that may be a tunnel, and of which too little is left to tell,
// is not delivered.
//
// # Not judged here
//
// Checksums are not looked at but as proof of a tunnel: offload leaves them
// unfilled in frames captured where they are sent. The destination under a
// routing header (RFC 8200 4.4) is the one in the IPv6 header, the next hop. A
// packet quoted in an ICMP error is none (DropICMP). Duplicates, the probe's own
// traffic (kept out by the kernel filter) and what the payload is are others' work.
package decode
