package ring

import "net/netip"

// node is a node of a parsed expression: and, or, not, or a term.
type node interface{}

type (
	and struct{ a, b node }
	or  struct{ a, b node }
	not struct{ a node }
)

// The terms.
type (
	protoTerm struct{ p proto }
	hostTerm  struct { // host and net
		dir    direction
		prefix netip.Prefix // masked
	}
	portTerm struct {
		p      proto // 0, tcp, udp or sctp
		dir    direction
		lo, hi uint16
	}
	etherTerm struct {
		dir direction
		mac [6]byte
	}
	vlanTerm struct{ id int } // anyVLAN or an id
)

const anyVLAN = -1

// proto is a protocol that a term may name.
type proto uint8

const (
	protoNone proto = iota
	protoIP
	protoIP6
	protoARP
	protoTCP
	protoUDP
	protoSCTP
	protoICMP
	protoICMP6
	protoIGMP
	protoEther
)

// protoSpec says how a protocol is recognised.
type protoSpec struct {
	name      string
	ethertype uint32 // the term is the ethertype alone
	number    uint32 // or an IP protocol number
	v4, v6    bool   // in these families
}

var protoSpecs = [...]protoSpec{
	protoIP:    {name: "ip", ethertype: 0x0800},
	protoIP6:   {name: "ip6", ethertype: 0x86dd},
	protoARP:   {name: "arp", ethertype: 0x0806},
	protoTCP:   {name: "tcp", number: 6, v4: true, v6: true},
	protoUDP:   {name: "udp", number: 17, v4: true, v6: true},
	protoSCTP:  {name: "sctp", number: 132, v4: true, v6: true},
	protoICMP:  {name: "icmp", number: 1, v4: true},
	protoICMP6: {name: "icmp6", number: 58, v6: true},
	protoIGMP:  {name: "igmp", number: 2, v4: true},
	protoEther: {name: "ether"},
}

func protoNamed(word string) proto {
	for p, spec := range protoSpecs {
		if p > 0 && spec.name == word {
			return proto(p)
		}
	}
	return protoNone
}

// hasPorts says whether "port" may follow p.
func (p proto) hasPorts() bool { return p == protoTCP || p == protoUDP || p == protoSCTP }

// direction says which of two addresses or ports has to match.
type direction uint8

const (
	either direction = iota
	source
	destination
	both
)
