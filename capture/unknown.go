package capture

// Unknown names n, the Packet.Unknown of a drop for this reason, or returns ""
// when it has no name here, or the reason none of that kind. The names are a
// fixed set, so they will do as label values; no call allocates.
func (r DropReason) Unknown(n uint16) string {
	switch r {
	case DropLinkType:
		return linkName(n)
	case DropLLC:
		return llcName(n)
	case DropPPP:
		return pppName(n)
	case DropEtherType:
		return etherTypeName(n)
	case DropIPProtocol:
		return protocolName(n)
	case DropTunnel:
		if n > 0xff {
			return etherTypeName(n)
		}
		return protocolName(n)
	}
	return ""
}

// linkName names a link type (the tcpdump group's list).
func linkName(n uint16) string {
	switch n {
	case 6:
		return "token ring"
	case 9, 50:
		return "ppp"
	case 10:
		return "fddi"
	case 51:
		return "pppoe"
	case 104:
		return "cisco hdlc"
	case 105, 119, 127, 163, 192:
		return "802.11"
	case 107:
		return "frame relay"
	case 117:
		return "pflog"
	case 140, 141, 142, 139:
		return "ss7"
	case 187, 201, 251, 272:
		return "bluetooth"
	case 189, 220, 249:
		return "usb"
	case 252:
		return "exported pdu"
	case 253:
		return "netlink"
	}
	return ""
}

// llcName names a pair of service access points (IEEE 802.2).
func llcName(n uint16) string {
	switch n {
	case 0x4242:
		return "spanning tree"
	case 0xaaaa:
		return "snap" // Cisco's discovery, VTP, PVST and DTP
	case 0xe0e0, 0xffff:
		return "ipx"
	case 0xf0f0, 0xf0f1:
		return "netbios"
	case 0xfefe:
		return "iso" // IS-IS
	case 0x0000, 0x0001:
		return "test"
	}
	return ""
}

// pppName names a PPP protocol (IANA).
func pppName(n uint16) string {
	switch n {
	case 0x0023:
		return "osi"
	case 0x002d, 0x002f:
		return "compressed tcp"
	case 0x003d:
		return "multilink"
	case 0x0053, 0x0055:
		return "encrypted"
	case 0x00fb, 0x00fd:
		return "compressed"
	case 0x8021:
		return "ipcp"
	case 0x8057:
		return "ipv6cp"
	case 0x80fd:
		return "ccp"
	case 0xc021:
		return "lcp"
	case 0xc023:
		return "pap"
	case 0xc025:
		return "lqr"
	case 0xc223:
		return "chap"
	case 0xc227:
		return "eap"
	}
	return ""
}

// etherTypeName names an ethertype (IANA, IEEE 802 numbers), and the protocol
// types of GRE that are none.
func etherTypeName(n uint16) string {
	switch n {
	case 0x0000:
		return "keep-alive" // Cisco's, in GRE
	case 0x00fe:
		return "iso" // in GRE
	case 0x0842:
		return "wake on lan"
	case 0x2000:
		return "cdp" // in GRE
	case 0x2001:
		return "nhrp"
	case 0x22eb:
		return "erspan"
	case 0x22f0:
		return "avtp"
	case 0x22f3:
		return "trill"
	case 0x22ea:
		return "srp"
	case 0x6002, 0x6003, 0x6004:
		return "decnet"
	case 0x809b, 0x80f3:
		return "appletalk"
	case 0x8100:
		return "vlan"
	case 0x8137, 0x8138:
		return "ipx"
	case 0x8808:
		return "flow control"
	case 0x8809:
		return "slow protocol" // LACP
	case 0x886d:
		return "intel teaming"
	case 0x887b, 0x88e1:
		return "homeplug"
	case 0x888e:
		return "802.1x"
	case 0x8892:
		return "profinet"
	case 0x8899:
		return "realtek"
	case 0x88a2:
		return "ata"
	case 0x88a4:
		return "ethercat"
	case 0x88b5, 0x88b6, 0x88b7:
		return "experimental"
	case 0x88b8:
		return "goose"
	case 0x88ba:
		return "sampled values"
	case 0x88ca:
		return "tipc"
	case 0x88cc:
		return "lldp"
	case 0x88e3:
		return "mrp"
	case 0x88f5:
		return "mvrp"
	case 0x88f7:
		return "ptp"
	case 0x88fb:
		return "prp"
	case 0x8902:
		return "cfm"
	case 0x8906, 0x8914:
		return "fcoe"
	case 0x8915:
		return "roce"
	case 0x892f:
		return "hsr"
	case 0x893a:
		return "1905.1"
	case 0x894f:
		return "nsh"
	case 0x9000:
		return "loop test"
	}
	return ""
}

// protocolName names an IP protocol (IANA).
func protocolName(n uint16) string {
	switch n {
	case 3:
		return "ggp"
	case 8:
		return "egp"
	case 9:
		return "igp"
	case 27:
		return "rdp"
	case 33:
		return "dccp"
	case 44:
		return "ipv6 fragment" // in IPv4
	case 46:
		return "rsvp"
	case 47:
		return "gre"
	case 55:
		return "minimal encapsulation"
	case 59:
		return "no next header"
	case 88:
		return "eigrp"
	case 89:
		return "ospf"
	case 97:
		return "etherip"
	case 98:
		return "encap"
	case 103:
		return "pim"
	case 108:
		return "ipcomp"
	case 112:
		return "vrrp" // or CARP
	case 115:
		return "l2tp"
	case 124:
		return "isis"
	case 136:
		return "udp-lite"
	case 143:
		return "ethernet"
	case 253, 254:
		return "experimental"
	}
	return ""
}
