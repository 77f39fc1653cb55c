package capture

// DropReason says why a frame went no further. DropNone means it was decoded.
type DropReason uint8

// Reasons of decode. The accounting law: frames received by the kernel =
// kernel drops + decoded + the sum of these.
const (
	DropNone          DropReason = iota
	DropLinkType                 // a link type we do not read; Packet.Unknown is it
	DropLinkShort                // a link header is cut short
	DropVLANDepth                // more VLAN tags than MaxVLANTags
	DropARP                      // ethertype ARP or RARP
	DropLLC                      // 802.3 length field: LLC, spanning tree, IS-IS; Packet.Unknown is both its service access points
	DropMPLS                     // a label stack with neither IP nor Ethernet under it
	DropPPPoE                    // PPPoE discovery, or a session header we cannot read
	DropPPP                      // PPP other than IP: control, compressed; Packet.Unknown is its protocol
	DropMACsec                   // encrypted by 802.1AE
	DropEtherType                // any other ethertype; Packet.Unknown is it
	DropIPShort                  // the IP header is cut short
	DropIPVersion                // neither 4 nor 6, or not what was announced
	DropIPLength                 // header or total length contradicts itself
	DropIPv6Extension            // extension headers too many, malformed or cut
	DropESP                      // encrypted by IPsec
	DropICMP                     // ICMP or ICMPv6, errors that quote a packet among them
	DropIGMP
	DropTunnel      // a tunnel header we cannot read, or a tunnel's own message; Packet.Unknown is the IP protocol or ethertype
	DropTunnelShort // a tunnel header is cut short, or what would prove that it is one
	DropTunnelDepth // more encapsulations than MaxEncaps
	DropIPProtocol  // any other IP protocol; Packet.Unknown is it
	DropUDPShort    // the UDP header is cut short, or all that follows it was cut
	DropUDPLength   // UDP length contradicts the packet
	DropTCPShort    // the TCP header is cut short
	DropTCPLength   // TCP data offset contradicts the packet
	DropSCTPShort   // the SCTP header is cut short
	DropHidden      // the user's filter hides it, see Frame.Hidden; not of decode
	NumDropReasons
)

var dropNames = [NumDropReasons]string{
	"none", "link type", "link header short", "vlan depth", "arp", "llc", "mpls", "pppoe", "ppp", "macsec", "ethertype",
	"ip header short", "ip version", "ip length", "ipv6 extension", "esp", "icmp", "igmp",
	"tunnel", "tunnel header short", "tunnel depth", "ip protocol", "udp header short", "udp length",
	"tcp header short", "tcp length", "sctp header short", "filter sample",
}

// String returns the reason as summaries print it.
func (r DropReason) String() string {
	if r < NumDropReasons {
		return dropNames[r]
	}
	return "invalid"
}

// MaxVLANTags is how many tags decode follows in one Ethernet frame.
const MaxVLANTags = 8

// MaxEncaps is how many encapsulations decode opens in one frame, one inside
// the other. Tags are not counted: they have a limit of their own.
const MaxEncaps = 8
