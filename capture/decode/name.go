package decode

import (
	"fmt"

	"heptap/capture"
)

// Name says what a frame holds that Decode does not read, given the reason and
// Packet.Unknown: "ethertype 0x88cc (LLDP)", "IP protocol 89 (OSPF)".
func Name(reason capture.DropReason, number uint16) string {
	switch reason {
	case capture.DropLinkType:
		return fmt.Sprintf("link type %d", number)
	case capture.DropEtherType:
		return name("ethertype 0x%04x", number, etherTypeName(number))
	case capture.DropPPP:
		return name("PPP protocol 0x%04x", number, pppName(number))
	case capture.DropIPProtocol:
		return name("IP protocol %d", number, protocolName(number))
	case capture.DropTunnel:
		if number > 0xff {
			return name("tunnel of ethertype 0x%04x", number, etherTypeName(number))
		}
		return name("tunnel of IP protocol %d", number, protocolName(number))
	}
	return reason.String()
}

func name(format string, number uint16, known string) string {
	s := fmt.Sprintf(format, number)
	if known != "" {
		s += " (" + known + ")"
	}
	return s
}

// etherTypeName names what switches send by themselves, and what hides voice
// (IEEE 802 numbers, IANA).
func etherTypeName(n uint16) string {
	switch n {
	case 0x0842:
		return "wake on LAN"
	case 0x22f3:
		return "TRILL"
	case 0x6003:
		return "DECnet"
	case 0x8137:
		return "IPX"
	case 0x8808:
		return "flow control"
	case 0x8809:
		return "LACP and other slow protocols"
	case 0x888e:
		return "802.1X"
	case 0x8892:
		return "PROFINET"
	case 0x8899:
		return "Realtek loop detection"
	case 0x88a4:
		return "EtherCAT"
	case 0x88b8:
		return "GOOSE"
	case 0x88ba:
		return "sampled values"
	case 0x88cc:
		return "LLDP"
	case 0x88e1:
		return "HomePlug"
	case 0x88f5:
		return "MVRP"
	case 0x88f7:
		return "PTP"
	case etherNSH:
		return "NSH"
	case 0x8902:
		return "connectivity fault management"
	case 0x8906:
		return "Fibre Channel"
	case 0x8914:
		return "Fibre Channel initialisation"
	case 0x8915:
		return "RDMA"
	case 0x9000:
		return "loop test"
	}
	return ""
}

// pppName names PPP protocols (IANA).
func pppName(n uint16) string {
	switch n {
	case 0x003d:
		return "multilink"
	case 0x00fd:
		return "compressed"
	case 0x8021:
		return "IPCP"
	case 0x8057:
		return "IPV6CP"
	case 0x80fd:
		return "CCP"
	case 0xc021:
		return "LCP"
	case 0xc023:
		return "PAP"
	case 0xc223:
		return "CHAP"
	}
	return ""
}

// protocolName names IP protocols (IANA).
func protocolName(n uint16) string {
	switch n {
	case protoGRE:
		return "GRE"
	case 51:
		return "AH"
	case protoNone:
		return "nothing"
	case 88:
		return "EIGRP"
	case 89:
		return "OSPF"
	case protoEtherIP:
		return "EtherIP"
	case 103:
		return "PIM"
	case 108:
		return "IPComp"
	case 112:
		return "VRRP"
	case protoL2TP:
		return "L2TP"
	case 33:
		return "DCCP"
	case 46:
		return "RSVP"
	case 136:
		return "UDP-Lite"
	}
	return ""
}
