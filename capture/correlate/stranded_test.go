package correlate_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/infer"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

var (
	hop     = ap("192.0.2.50:5060") // a proxy
	gateway = ap("192.0.2.60:5061") // where it wants to connect
)

func stranding(c *correlate.Config) { c.Net, c.Connections, c.Infer = true, 100, new(infer.Config) }

// signal sends what a call says, of which only the start line, CSeq and tags differ.
func (r *rig) signal(src, dst netip.AddrPort, id, start string, cseq int, method string) {
	tag := ""
	if !strings.HasSuffix(start, "SIP/2.0") {
		tag = ";tag=2"
	}
	r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: src, Dst: dst},
		Payload: fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bK%s\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
			start, src, id, tag, id, cseq, method)})
}

const invite = "INVITE sip:b@example.com SIP/2.0"

func (r *rig) arrives(id string) { r.signal(aliceSIP, hop, id, invite, 1, "INVITE") }
func (r *rig) answers(id, status string) {
	r.signal(hop, aliceSIP, id, "SIP/2.0 "+status, 1, "INVITE")
}
func (r *rig) passesOn(id string) { r.signal(hop, bobSIP, id, invite, 1, "INVITE") }

// fails has the proxy try to connect for as long as took.
func (r *rig) fails(id uint64, took time.Duration, how tcp.Outcome) {
	r.failsTo(gateway, id, took, how)
}

func (r *rig) failsTo(to netip.AddrPort, id uint64, took time.Duration, how tcp.Outcome) {
	began := tcp.Meta{Wall: r.now, Mono: r.now}
	r.pass(took)
	r.c.Failed(&tcp.Unopened{Outcome: how, Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: netip.AddrPortFrom(hop.Addr(), 40000), Dst: to},
		Attempt: tcp.Attempt{Began: began, SYNs: 1}, At: tcp.Meta{Wall: r.now, Mono: r.now}, By: 1}, id)
}

// stranded returns which connections were linked to which calls.
func (r *rig) stranded() (out []string) {
	for _, g := range r.recs {
		if g.typ == record.Control && g.report["type"] == "net" {
			out = append(out, fmt.Sprint(g.primary, " to ", g.report["to"], " ", g.report["score"]))
			if !slices.Contains(g.links, "sip:"+fmt.Sprint(g.report["to"])) || !slices.Contains(g.links, "net:"+g.primary) {
				r.t.Errorf("links %v of %v", g.links, g.report)
			}
		}
	}
	return out
}

func TestStranded(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		play func(r *rig)
		want string
	}{
		{"refused", func(r *rig) {
			r.arrives("a")
			r.answers("a", "100 Trying")
			r.fails(7, ms, tcp.Refused)
			r.answers("a", "477 Unfortunately error on sending to next hop occurred")
		}, "[7 to a 97]"},
		{"seen by another port first", func(r *rig) {
			r.arrives("a")
			r.fails(7, ms, tcp.Refused)
			r.now -= int64(3 * ms)
			r.answers("a", "503 Service Unavailable")
		}, "[7 to a 97]"},
		{"another call is being worked on", func(r *rig) {
			r.arrives("b")
			r.arrives("a")
			r.fails(7, ms, tcp.Refused)
			r.answers("a", "500 Server Internal Error")
			r.passesOn("b")
		}, "[7 to a 95]"},
		{"two are refused", func(r *rig) {
			r.arrives("b")
			r.arrives("a")
			r.fails(7, ms, tcp.Refused)
			r.answers("a", "503 Service Unavailable")
			r.answers("b", "503 Service Unavailable")
		}, "[]"},
		{"the call went on before", func(r *rig) {
			r.arrives("a")
			r.passesOn("a")
			r.pass(20 * ms)
			r.fails(7, ms, tcp.Refused)
			r.signal(bobSIP, hop, "a", "SIP/2.0 503 Service Unavailable", 1, "INVITE")
			r.answers("a", "503 Service Unavailable")
		}, "[]"},
		{"the call came later", func(r *rig) {
			r.fails(7, 20*ms, tcp.Refused)
			r.arrives("a")
			r.answers("a", "503 Service Unavailable")
		}, "[]"},
		{"it is refused for another reason", func(r *rig) {
			r.arrives("a")
			r.fails(7, ms, tcp.Refused)
			r.answers("a", "486 Busy Here")
		}, "[]"},
		{"credentials are asked for first", func(r *rig) {
			r.arrives("a")
			r.answers("a", "407 Proxy Authentication Required")
			r.pass(20 * ms)
			r.signal(aliceSIP, hop, "a", invite, 2, "INVITE")
			r.fails(7, ms, tcp.Refused)
			r.signal(hop, aliceSIP, "a", "SIP/2.0 503 Service Unavailable", 2, "INVITE")
		}, "[7 to a 97]"},
		{"it is refused long after", func(r *rig) {
			r.arrives("a")
			r.fails(7, ms, tcp.Refused)
			r.pass(time.Second)
			r.answers("a", "503 Service Unavailable")
		}, "[]"},
		{"no answer", func(r *rig) {
			r.arrives("a")
			began := r.now
			r.pass(5 * time.Second)
			r.answers("a", "408 Request Timeout")
			r.now = began
			r.fails(7, 20*time.Second, tcp.Unanswered)
		}, "[7 to a 97]"},
		{"who tries is no server", func(r *rig) {
			r.arrives("a")
			f := capture.FiveTuple{Proto: capture.ProtoTCP, Src: netip.AddrPortFrom(aliceSIP.Addr(), 4000), Dst: gateway}
			r.c.Failed(&tcp.Unopened{Outcome: tcp.Refused, Flow: f, Attempt: tcp.Attempt{Began: tcp.Meta{Mono: r.now, Wall: r.now}, SYNs: 1}, At: tcp.Meta{Mono: r.now, Wall: r.now}, By: 1}, 7)
			r.answers("a", "503 Service Unavailable")
		}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, stranding)
			tt.play(r)
			r.pass(time.Minute)
			r.c.Advance(r.now)
			if got := fmt.Sprint(r.stranded()); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// A busy proxy: 200 calls a second, of which it refuses three in a hundred because
// a gateway refuses TCP, and two for other reasons; its health checks of five dead
// gateways fail every 100 ms. Nearly all that is linked must be true.
func TestStrandedPrecision(t *testing.T) {
	type step struct {
		at int64
		do func(r *rig)
	}
	linked, right, there := 0, 0, 0
	byScore := map[string][2]int{} // right, all
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 77))
		r := newRig(t, func(c *correlate.Config) { stranding(c); c.Calls = 100_000 })
		var steps []step
		start := r.now
		at := func(d time.Duration, do func(r *rig)) { steps = append(steps, step{start + int64(d), do}) }
		some := func(ms int) time.Duration {
			return time.Duration(rnd.ExpFloat64() * float64(ms) * float64(time.Millisecond))
		}
		truth := map[string]string{}
		for i := range 12_000 { // a minute
			id, begun := fmt.Sprint("call", i), time.Duration(rnd.Float64()*60e9)
			at(begun, func(r *rig) { r.arrives(id) })
			works := begun + time.Millisecond + some(10)
			switch p := rnd.Float64(); {
			case p < 0.03:
				conn := uint64(1_000_000 + i)
				truth[fmt.Sprint(conn)] = id
				at(works, func(r *rig) {
					now := r.now
					r.fails(conn, time.Millisecond, tcp.Refused)
					r.now = now
				})
				at(works+2*time.Millisecond+some(5), func(r *rig) { r.answers(id, "503 Service Unavailable") })
			case p < 0.05:
				at(works, func(r *rig) { r.answers(id, "503 Service Unavailable") })
			default:
				at(works, func(r *rig) { r.passesOn(id) })
			}
		}
		for i := range 600 {
			at(time.Duration(i)*100*time.Millisecond, func(r *rig) {
				now := r.now
				r.failsTo(netip.AddrPortFrom(gateway.Addr(), uint16(6000+i%5)), uint64(i+1), time.Millisecond, tcp.Refused)
				r.now = now
			})
		}
		slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
		for _, s := range steps {
			if r.now = s.at; rnd.Float64() >= 0.01 { // one in a hundred is not captured
				s.do(r)
			}
		}
		r.pass(time.Minute)
		r.c.Advance(r.now)
		there += len(truth)
		for _, l := range r.stranded() {
			conn, rest, _ := strings.Cut(l, " to ")
			call, score, _ := strings.Cut(rest, " ")
			linked++
			n := byScore[score]
			if n[1]++; truth[conn] == call {
				right++
				n[0]++
			}
			byScore[score] = n
		}
	}
	t.Logf("%d connections failed for a call, %d were linked, %d of them to the right one: precision %.2f %%, recall %.1f %%",
		there, linked, right, 100*float64(right)/float64(linked), 100*float64(right)/float64(there))
	for score, n := range byScore {
		t.Logf("score %s: %d of %d", score, n[0], n[1])
		if s, _ := strconv.Atoi(score); 100*n[0] < s*n[1] {
			t.Errorf("a score of %s says too much", score)
		}
	}
	if 100*right < 99*linked || 100*right < 30*there {
		t.Error("too few are right, or too few are linked")
	}
}
