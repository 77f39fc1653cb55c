package ring_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"heptap/capture"
	"heptap/capture/ring"
)

// expr is an expression of a test: its text, and what it means.
type expr struct {
	text string
	eval func(view) bool
}

var (
	testAddrs = []string{"192.0.2.1", "192.0.2.2", "198.51.100.7", "10.1.2.3", "2001:db8::1", "2001:db8::2", "2001:db8:1::ff", "fe80::1"}
	testPorts = []uint16{0, 53, 5060, 5061, 9060, 10000, 20000, 65535}
	testVLANs = []uint16{0, 7, 100, 0xe064, 0x6fff}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// randomDir returns a direction's words and how it joins two results.
func randomDir(r *rand.Rand) (string, func(a, b bool) bool) {
	switch r.IntN(5) {
	case 0:
		return "src ", func(a, b bool) bool { return a }
	case 1:
		return "dst ", func(a, b bool) bool { return b }
	case 2:
		return "src and dst ", func(a, b bool) bool { return a && b }
	case 3:
		return "src or dst ", func(a, b bool) bool { return a || b }
	}
	return "", func(a, b bool) bool { return a || b }
}

func randomExpr(r *rand.Rand, depth int) expr {
	if depth > 0 {
		a, b := randomExpr(r, r.IntN(depth)), randomExpr(r, r.IntN(depth))
		switch r.IntN(4) {
		case 0:
			return expr{"(" + a.text + ") " + pick(r, []string{"and", "&&"}) + " (" + b.text + ")", func(v view) bool { return a.eval(v) && b.eval(v) }}
		case 1:
			return expr{"(" + a.text + ") " + pick(r, []string{"or", "||"}) + " (" + b.text + ")", func(v view) bool { return a.eval(v) || b.eval(v) }}
		case 2:
			return expr{pick(r, []string{"not ", "!"}) + "(" + a.text + ")", func(v view) bool { return !a.eval(v) }}
		}
	}
	switch r.IntN(8) {
	case 0:
		return randomProto(r)
	case 1, 2:
		return randomPort(r)
	case 3:
		dir, join := randomDir(r)
		last := byte(r.IntN(3))
		mac := [6]byte{2, 0, 0, 0, 0, last}
		return expr{fmt.Sprintf("ether %shost 02:00:00:00:00:%02x", dir, last), func(v view) bool {
			return !v.raw && len(v.data) >= 14 && join([6]byte(v.data[6:]) == mac, [6]byte(v.data) == mac)
		}}
	case 4:
		if r.IntN(3) == 0 {
			return expr{"vlan", func(v view) bool { return len(v.tags) > 0 }}
		}
		id := pick(r, testVLANs) & 0xfff
		return expr{fmt.Sprintf("vlan %d", id), func(v view) bool {
			for _, tci := range v.tags {
				if tci&0xfff == id {
					return true
				}
			}
			return false
		}}
	}
	return randomHost(r)
}

func randomProto(r *rand.Rand) expr {
	number := func(n int, v4, v6 bool) func(view) bool {
		return func(v view) bool { return v.proto == n && (v.v4 && v4 || v.v6 && v6) }
	}
	return pick(r, []expr{
		{"ip", func(v view) bool { return v.v4 }},
		{"ip6", func(v view) bool { return v.v6 }},
		{"arp", func(v view) bool { return v.ethertype == 0x0806 }},
		{"tcp", number(6, true, true)}, {"udp", number(17, true, true)}, {"sctp", number(132, true, true)},
		{"icmp", number(1, true, false)}, {"icmp6", number(58, false, true)}, {"igmp", number(2, true, false)},
	})
}

func randomPort(r *rand.Rand) expr {
	proto, want := "", 0
	if r.IntN(2) == 0 {
		proto = pick(r, []string{"tcp ", "udp ", "sctp "})
		want = map[string]int{"tcp ": 6, "udp ": 17, "sctp ": 132}[proto]
	}
	dir, join := randomDir(r)
	lo, hi := int(pick(r, testPorts)), int(pick(r, testPorts))
	text := fmt.Sprintf("%s%sport %d", proto, dir, lo)
	if lo < hi {
		text = fmt.Sprintf("%s%sportrange %d-%d", proto, dir, lo, hi)
	} else {
		hi = lo
	}
	in := func(n int) bool { return n >= lo && n <= hi }
	return expr{text, func(v view) bool {
		return v.ports != nil && (want == 0 || v.proto == want) && join(in(v.port(0)), in(v.port(1)))
	}}
}

func randomHost(r *rand.Rand) expr {
	addr := netip.MustParseAddr(pick(r, testAddrs))
	p := netip.PrefixFrom(addr, addr.BitLen())
	dir, join := randomDir(r)
	text := dir + "host " + addr.String()
	if r.IntN(2) == 0 {
		p, _ = addr.Prefix(r.IntN(addr.BitLen() + 1))
		text = dir + "net " + p.String()
	}
	if r.IntN(4) == 0 {
		text = map[bool]string{true: "ip ", false: "ip6 "}[addr.Is4()] + text
	}
	return expr{text, func(v view) bool {
		return (v.v4 || v.v6) && v.v4 == addr.Is4() && join(p.Contains(v.srcA), p.Contains(v.dstA))
	}}
}

// randomSKB is a packet that the random expressions have a chance to match,
// sometimes cut short or damaged.
func randomSKB(r *rand.Rand) skb {
	p := packet{proto: pick(r, []uint8{6, 17, 17, 132, 1, 2, 58}), sport: pick(r, testPorts), dport: pick(r, testPorts), dstMAC: byte(r.IntN(3))}
	half := len(testAddrs) / 2
	family := testAddrs[:half]
	if r.IntN(2) == 0 {
		family = testAddrs[half:]
	}
	p.src, p.dst = pick(r, family), pick(r, family)
	p.options = max(0, r.IntN(16)-5)
	p.extension = r.IntN(8) == 0
	if r.IntN(4) == 0 {
		p.frag = pick(r, []uint16{0x4000, 0x2000, 1, 0x2001, 0x1fff})
	}
	for range max(0, r.IntN(capture.MaxVLANTags+4)-2) {
		p.tags = append(p.tags, pick(r, testVLANs))
	}
	s := skb{data: p.frame(), hasVLAN: r.IntN(3) == 0}
	if s.hasVLAN {
		s.tci = pick(r, testVLANs)
	}
	switch r.IntN(8) {
	case 0:
		s.data = s.data[:r.IntN(len(s.data)+1)]
	case 1:
		s.data[r.IntN(len(s.data))] ^= 1 << r.IntN(8)
	case 2:
		s.data[12], s.data[13] = 0x08, 0x06
	case 3:
		s.data, s.raw = s.data[14+4*len(p.tags):], true
		if r.IntN(3) == 0 {
			s.data = s.data[:r.IntN(len(s.data)+1)]
		}
	}
	return s
}

func randomEndpoint(r *rand.Rand) ring.Endpoint {
	half := len(testAddrs) / 2
	family := testAddrs[:half]
	if r.IntN(2) == 0 {
		family = testAddrs[half:]
	}
	e := ring.Endpoint{Addr: netip.MustParseAddr(pick(r, family)), Port: pick(r, testPorts[1:]), Proto: pick(r, []uint8{6, 17})}
	if r.IntN(2) == 0 {
		e.Local = netip.MustParseAddr(pick(r, family))
	}
	return e
}

func isOwn(v view, e ring.Endpoint) bool {
	if v.ports == nil || v.proto != int(e.Proto) {
		return false
	}
	way := func(far, near netip.Addr, port int) bool {
		return far == e.Addr && port == int(e.Port) && (!e.Local.IsValid() || near == e.Local)
	}
	return way(v.srcA, v.dstA, v.port(0)) || way(v.dstA, v.srcA, v.port(1))
}
