package duplicate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"heptap/capture"
	"heptap/capture/duplicate"
)

// sent is a packet as the mirror shows it.
type sent struct {
	capture.Packet
	copy bool
}

// TestResent plays hosts that send again, each in its own way, behind a mirror
// that shows everything once or twice: copies are found, and what was sent again
// never is one.
func TestResent(t *testing.T) {
	alike := func(*capture.Packet) {}
	for _, c := range []struct {
		name        string
		protocol    uint8
		with        change
		fresh       bool     // what is sent again has another IPv4 identification
		from, to    int64    // when it is sent again
		lag         int64    // the mirror's, at most
		differently []change // one of them happens to a copy
	}{
		{"SIP over UDP, T1 (RFC 3261 17.1.1.1)", capture.ProtoUDP, id(0), false, 500 * ms, 501 * ms, 50 * ms, []change{alike, ttl, vlan, tos, port, gre}},
		{"SIP over UDP and IPv6", capture.ProtoUDP, v6, false, 500 * ms, 501 * ms, 50 * ms, []change{alike, ttl, vlan, tos, port, gre}},
		{"UDP, new identification (RFC 6864 4)", capture.ProtoUDP, id(1), true, 1 * us, 50 * ms, 50 * ms, []change{alike, ttl, vlan, tos, port, gre}},
		{"TCP, new identification", capture.ProtoTCP, id(1), true, 1 * us, 50 * ms, 50 * ms, []change{alike, ttl, vlan, tos, port, gre}},
		{"TCP over IPv6, a close mirror", capture.ProtoTCP, v6, false, 2100 * us, 50 * ms, 1 * ms, []change{alike}},
		{"TCP, identification 0, DF (RFC 6864 4.1)", capture.ProtoTCP, id(0), false, 2100 * us, 50 * ms, 1 * ms, []change{alike, ttl, vlan, port}},
		{"TCP, RTO (RFC 6298 2.4), a congested mirror", capture.ProtoTCP, v6, false, 200 * ms, 300 * ms, 50 * ms, []change{ttl, vlan, tos, port, gre}},
		{"SCTP, RTO (RFC 9260 6.3.1)", capture.ProtoSCTP, v6, false, 200 * ms, 300 * ms, 50 * ms, []change{ttl, vlan, tos, port, gre}},
		{"SCTP, new identification", capture.ProtoSCTP, id(1), true, 1 * us, 50 * ms, 50 * ms, []change{alike, ttl}},
	} {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 8))
			var all []sent
			show := func(p capture.Packet) {
				all = append(all, sent{Packet: p})
				if r.IntN(3) > 0 {
					p.Mono += r.Int64N(c.lag + 1)
					c.differently[r.IntN(len(c.differently))](&p)
					all = append(all, sent{p, true})
				}
			}
			for i := range 200 {
				p := *packet(c.protocol, c.with)
				p.Mono += int64(i) * 700 * us
				p.Payload = fmt.Appendf(nil, "message %d", i)
				p.Length = len(p.Payload)
				p.TCP.Seq = uint32(i)
				for range 1 + r.IntN(3) {
					show(p)
					p.Mono += c.from + r.Int64N(c.to-c.from)
					if c.fresh {
						p.IPID++
					}
				}
			}
			slices.SortStableFunc(all, func(a, b sent) int { return int(a.Mono - b.Mono) })
			tab := duplicate.New(few)
			for i := range all {
				if dup, lag := tab.Check(&all[i].Packet); dup != all[i].copy || dup && (lag < 0 || lag > c.lag) {
					t.Fatalf("%s, seed %d: %v, lag %d, of a packet whose being a copy is %v: %s", c.name, seed, dup, lag, all[i].copy, all[i].Payload)
				}
			}
		}
	}
}
