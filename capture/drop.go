package capture

// DropReason says why a frame went no further. DropNone means it was decoded.
type DropReason uint8

// Reasons of decode. The accounting law: frames received by the kernel =
// kernel drops + decoded + the sum of these.
const (
	DropNone          DropReason = iota
	DropLinkType                 // a link type we do not read
	DropLinkShort                // the link header is cut short
	DropVLANDepth                // more VLAN tags than MaxVLANTags
	DropARP                      // ethertype ARP or RARP
	DropLLC                      // 802.3 length field: LLC, spanning tree, IS-IS
	DropMPLS                     // ethertype MPLS; a later issue reads it
	DropPPPoE                    // ethertype PPPoE; a later issue reads it
	DropEtherType                // any other ethertype
	DropIPShort                  // the IP header is cut short
	DropIPVersion                // neither 4 nor 6, or not what the link said
	DropIPLength                 // header or total length contradicts itself
	DropIPv6Extension            // extension headers too many, malformed or cut
	DropFragment                 // an IP fragment; a later issue reassembles them
	DropTCP                      // a later issue follows TCP
	DropSCTP                     // a later issue follows SCTP
	DropICMP                     // ICMP or ICMPv6
	DropIGMP
	DropTunnel     // IP in IP, GRE and the like; a later issue opens them
	DropIPProtocol // any other IP protocol
	DropUDPShort   // the UDP header is cut short
	DropUDPLength  // UDP length contradicts the packet
	NumDropReasons
)

var dropNames = [NumDropReasons]string{
	"none", "link type", "link header short", "vlan depth", "arp", "llc", "mpls", "pppoe", "ethertype",
	"ip header short", "ip version", "ip length", "ipv6 extension", "fragment", "tcp", "sctp", "icmp", "igmp",
	"tunnel", "ip protocol", "udp header short", "udp length",
}

// String returns the reason as summaries print it.
func (r DropReason) String() string {
	if r < NumDropReasons {
		return dropNames[r]
	}
	return "invalid"
}

// MaxVLANTags is how many VLAN tags decode follows.
const MaxVLANTags = 4
