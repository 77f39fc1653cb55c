package ring

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"

	"heptap/capture"
)

// maxProgram is the most instructions the kernel takes: BPF_MAXINSNS.
const maxProgram = 4096

// Endpoint is the far end of a connection that the probe itself has, to be
// kept out of its own capture.
type Endpoint struct {
	Addr  netip.Addr // the collector's address; an IPv4-mapped one counts as IPv4
	Port  uint16     // the collector's port
	Proto uint8      // capture.ProtoTCP or capture.ProtoUDP
	Local netip.Addr // our own address, or the zero Addr for any
}

// CompileFilter makes the program for Config.Filter and Ring.SetFilter. It
// passes what satisfies expression (an empty one: everything) and is no
// packet to or from one of exclude. It looks behind VLAN tags, whether the
// kernel took them off or not, up to capture.MaxVLANTags of them in the data;
// it does not look into tunnels.
//
// A packet of an excluded endpoint is one of Proto between Addr:Port and, if
// given, Local, in either direction: IPv4 with or without options, IPv6
// without extension headers. Fragments other than the first have no ports, so
// they pass, as does whatever is cut short before them.
//
// The expression is a subset of pcap-filter(7):
//
//	[src|dst|src or dst|src and dst] host ADDRESS      also ip host, ip6 host
//	[src|dst|...] net ADDRESS/LENGTH                    also ip net, ip6 net
//	[tcp|udp|sctp] [src|dst|...] port N
//	[tcp|udp|sctp] [src|dst|...] portrange N-M
//	ether [src|dst|...] host MAC
//	ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, igmp
//	vlan [ID]
//	and &&, or ||, not !, ( )
//
// As there, "not" binds most tightly, "and" and "or" bind equally and from
// left to right, and an address or a number alone takes the qualifiers before
// it: "port 5060 or 5061". Unlike there:
//
//   - the rest of the expression needs no "vlan" to look behind VLAN tags,
//     "vlan" does not move anything, and "vlan ID" is true if any tag has ID;
//   - names of hosts, networks and ports are not looked up, a network is
//     written with its length;
//   - "host" and "net" mean IP, not ARP;
//   - on IPv6, tcp and the like are the first next header;
//   - a header that is cut short matches nothing, and does not end the program.
//
// Ports match first fragments and unfragmented packets only. An error in the
// expression is an *ExpressionError.
func CompileFilter(exclude []Endpoint, expression string) ([]bpf.RawInstruction, error) {
	return compile(exclude, expression, false)
}

// SampleEvery is how many of the packets that an expression hides there are, on
// average, to one that CompileSampling passes all the same.
const SampleEvery = 1024

// CompileSampling is CompileFilter, but of what the expression hides one packet in
// SampleEvery, drawn by lot, passes without its last octet, so that the ring can
// tell it from the others: see Config.Sampled. Of exclude nothing passes.
func CompileSampling(exclude []Endpoint, expression string) ([]bpf.RawInstruction, error) {
	return compile(exclude, expression, true)
}

func compile(exclude []Endpoint, expression string, sample bool) ([]bpf.RawInstruction, error) {
	ins, err := compileFilter(exclude, expression, sample)
	if err != nil {
		return nil, fmt.Errorf("capture filter: %w", err)
	}
	raw, err := bpf.Assemble(ins)
	if err != nil {
		return nil, fmt.Errorf("capture filter: %w", err)
	}
	return raw, nil
}

func compileFilter(exclude []Endpoint, expression string, sample bool) ([]bpf.Instruction, error) {
	own := make([]Endpoint, len(exclude))
	for i, e := range exclude {
		var err error
		if own[i], err = e.normal(); err != nil {
			return nil, fmt.Errorf("excluded endpoint %d: %w", i+1, err)
		}
	}
	tree, err := parseExpression(expression)
	if err != nil {
		return nil, err
	}
	ins := generate(own, tree, sample)
	if len(ins) > maxProgram {
		return nil, fmt.Errorf("%d instructions, the kernel takes %d: use fewer terms, or net and portrange instead of lists", len(ins), maxProgram)
	}
	return ins, nil
}

// normal checks e and unmaps its addresses.
func (e Endpoint) normal() (Endpoint, error) {
	e.Addr, e.Local = e.Addr.Unmap().WithZone(""), e.Local.Unmap().WithZone("")
	switch {
	case !e.Addr.IsValid() || e.Addr.IsUnspecified():
		return e, fmt.Errorf("%v is no address of a collector", e.Addr)
	case e.Port == 0:
		return e, fmt.Errorf("%v has no port", e.Addr)
	case e.Proto != capture.ProtoTCP && e.Proto != capture.ProtoUDP:
		return e, fmt.Errorf("protocol %d is neither TCP nor UDP", e.Proto)
	case e.Local.IsValid() && e.Local.Is4() != e.Addr.Is4():
		return e, fmt.Errorf("%v and %v are of different families", e.Addr, e.Local)
	}
	return e, nil
}
