package correlate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/infer"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

// A switch at bobSIP that asks a server over HTTP where calls go, and sends them
// on to carol.
var (
	carolSIP = ap("192.0.2.3:5060")
	webSite  = ap("192.0.2.9:80")
)

const (
	calledNumber = "4930123456"
	callerNumber = "4940654321"
	bothNumbers  = "/rate?from=" + callerNumber + "&to=" + calledNumber
)

// inferRig is a rig whose correlator infers links.
func inferRig(t testing.TB, change func(*correlate.Config)) *rig {
	return newRig(t, func(c *correlate.Config) {
		c.Infer = &infer.Config{Starts: 4096, Pending: 512}
		if change != nil {
			change(c)
		}
	})
}

// numbered is a call between two hosts with the numbers above.
func numbered(id string, from, to netip.AddrPort) []capturetest.Datagram {
	return capturetest.SIPCall(capturetest.Call{Caller: from, Callee: to, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: id, From: callerNumber, To: calledNumber})
}

// asks notes a query of a host.
func (r *rig) asks(id uint64, host netip.AddrPort, target, body string, tokens ...string) {
	r.ask(record.REST, host, webSite, &correlate.Ask{ID: id, First: r.now, Target: []byte(target), Body: []byte(body)}, tokens)
}

// replies notes the reply to one.
func (r *rig) replies(id uint64, host netip.AddrPort, tokens ...string) {
	r.ask(record.REST, webSite, host, &correlate.Ask{ID: id, Reply: true}, tokens)
}

func (r *rig) ask(typ record.Type, src, dst netip.AddrPort, a *correlate.Ask, tokens []string) {
	n := correlate.Note{Type: typ, Class: record.Final, At: tcp.Meta{Mono: r.now, Wall: r.now + 5e9}, Ask: a,
		Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: src, Dst: dst}, Primary: fmt.Append(nil, "rest-", a.ID), Payload: []byte(`{}`)}
	for _, w := range tokens {
		n.Tokens = append(n.Tokens, []byte(w))
	}
	r.c.Note(&n)
	r.pass(5 * time.Millisecond)
}

// links lists the records of links.
func (r *rig) links() (out []string) {
	r.c.Flush()
	for _, g := range r.recs {
		if g.typ == record.Control {
			out = append(out, fmt.Sprint(g.primary, " ", g.links))
		}
	}
	return out
}

func TestInferredLinks(t *testing.T) {
	one := []string{"rest-1 [sip:a rest:rest-1]"}
	leg := []string{"b [sip:a sip:b]"}
	forwarded := func(ds []capturetest.Datagram, maxForwards string) []capturetest.Datagram {
		ds[0].Payload = bytes.Replace(ds[0].Payload, []byte("Max-Forwards: 70"), []byte("Max-Forwards: "+maxForwards), 1)
		return ds
	}
	for _, tt := range []struct {
		name  string
		story func(r *rig)
		want  []string
	}{
		{"a query between an INVITE and what is next", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			r.sip(ds[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
			r.replies(1, bobSIP)
			r.sip(ds[2:5]...)
		}, one},
		{"numbers in the body, written otherwise", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, bobSIP, "/rate", `{"from":"+49 40 654321","to":"030123456"}`)
			r.replies(1, bobSIP)
		}, one},
		{"escapes in the URIs", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			ds[0].Payload = bytes.ReplaceAll(ds[0].Payload, []byte("sip:49"), []byte("sip:%2B49"))
			r.sip(ds[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
		}, one},
		{"who is asserted to call", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			ds[0].Payload = bytes.Replace(ds[0].Payload, []byte("From: <sip:"+callerNumber), []byte("P-Asserted-Identity: <tel:+"+callerNumber+">\r\nFrom: <sip:anonymous"), 1)
			r.sip(ds[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
		}, one},
		{"everything twice", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			r.sip(ds[0], ds[0], ds[1], ds[1])
			r.asks(1, bobSIP, bothNumbers, "")
			r.asks(1, bobSIP, bothNumbers, "")
			r.replies(1, bobSIP)
			r.replies(1, bobSIP)
			r.sip(ds[2], ds[2], ds[3], ds[3], ds[4])
		}, one},
		{"the INVITE is seen late", func(r *rig) {
			// The host takes part in SIP.
			r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: "other"})...)
			r.pass(time.Second)
			at := r.now
			r.pass(20 * time.Millisecond)
			r.asks(1, bobSIP, bothNumbers, "")
			later := r.now
			r.now = at
			r.sip(numbered("a", aliceSIP, bobSIP)[:1]...)
			r.now = later
			r.sip(numbered("a", aliceSIP, bobSIP)[1:]...)
		}, one},
		{"no reply, and nothing else of the call", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[0])
			r.asks(1, bobSIP, bothNumbers, "")
			r.pass(time.Minute)
			r.c.Advance(r.now)
		}, one},
		{"a REGISTER", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			ds[0].Payload = bytes.ReplaceAll(ds[0].Payload, []byte("INVITE"), []byte("REGISTER"))
			r.sip(ds[0])
			r.asks(1, bobSIP, bothNumbers, "")
		}, one},
		{"a question of DNS", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.ask(record.DNS, bobSIP, webSite, &correlate.Ask{ID: 1, First: r.now, Target: []byte("6.5.4.3.2.1.0.3.9.4.e164.arpa")}, nil)
		}, []string{"rest-1 [sip:a dns:rest-1]"}},
		{"two calls at once", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[0], numbered("b", carolSIP, bobSIP)[0])
			r.asks(1, bobSIP, bothNumbers, "")
		}, nil},
		{"the query names its call", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, bobSIP, bothNumbers+"&id=a", "", "a")
			r.replies(1, bobSIP, "a")
		}, nil},
		{"the reply names it", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
			r.replies(1, bobSIP, "a")
		}, nil},
		{"a host without SIP asks", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, ap("192.0.2.77:5000"), bothNumbers, "")
		}, nil},
		{"who calls asks", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, aliceSIP, bothNumbers, "")
		}, nil},
		{"a phone asks", func(r *rig) {
			reg := capturetest.SIPCall(capturetest.Call{Caller: bobSIP, Callee: carolSIP, CallID: "reg"})[0]
			reg.Payload = bytes.ReplaceAll(reg.Payload, []byte("INVITE"), []byte("REGISTER"))
			r.sip(reg)
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
			// From now on it is told what arrives there, and a little later what it asks.
			r.sip(numbered("b", aliceSIP, bobSIP)[:2]...)
			r.asks(2, bobSIP, bothNumbers, "")
			r.pass(25 * time.Second)
			r.sip(numbered("c", aliceSIP, bobSIP)[:2]...)
			r.asks(3, bobSIP, bothNumbers, "")
		}, []string{"rest-3 [sip:c rest:rest-3]"}},
		{"the other leg", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.sip(forwarded(numbered("b", bobSIP, carolSIP), "69")[:3]...)
			r.sip(numbered("a", aliceSIP, bobSIP)[2:5]...)
			r.pass(time.Second)
			r.c.Advance(r.now)
		}, leg},
		{"the other leg, twice", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			b := forwarded(numbered("b", bobSIP, carolSIP), "69")
			r.sip(b[0], b[0])
			r.pass(time.Second)
			r.sip(b[0])
		}, leg},
		{"an id says that it is a leg", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			b := forwarded(numbered("b", bobSIP, carolSIP), "69")
			b[0].Payload = bytes.Replace(b[0].Payload, []byte("\r\n"), []byte("\r\nX-CID: a\r\n"), 1)
			r.sip(b...)
		}, nil},
		{"a proxy passes the call on", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			b := forwarded(numbered("a", bobSIP, carolSIP), "69")
			r.sip(b[:3]...)
			r.asks(1, bobSIP, "/health", "")
		}, nil},
		{"a call of its own", func(r *rig) {
			r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: "other"})...)
			r.sip(numbered("b", bobSIP, carolSIP)...)
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := inferRig(t, func(c *correlate.Config) { c.LegHeaders = []string{"x-cid"} })
			tt.story(r)
			if have := r.links(); fmt.Sprint(have) != fmt.Sprint(tt.want) {
				t.Errorf("have %q\nwant %q\nstats %+v", have, tt.want, &r.c.Stats.InferredQueries)
			}
		})
	}
}

// TestLinkRecord holds one whole record of a link against what it must be.
func TestLinkRecord(t *testing.T) {
	r := inferRig(t, nil)
	r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
	r.asks(7, bobSIP, bothNumbers, "")
	r.replies(7, bobSIP)
	r.sip(numbered("a", aliceSIP, bobSIP)[2])
	if n := len(r.links()); n != 1 {
		t.Fatalf("%d links", n)
	}
	g := r.recs[len(r.recs)-1]
	want := `{"event":"link","from":"rest-7","how":"inferred","reasons":["same host","between request and answer","answered after the reply","called number in url","caller number in url"],"score":99,"to":"a","type":"rest"}`
	if b, _ := json.Marshal(g.report); string(b) != want {
		t.Errorf("payload %s\nwant %s", b, want)
	}
	if g.class != record.Final || g.flow.Src != bobSIP || g.flow.Dst != webSite {
		t.Errorf("%+v", g)
	}
}

// TestWhatSpeaksForALink holds what a link's record names against what there was: of the SIP before and after.
func TestWhatSpeaksForALink(t *testing.T) {
	leg := func(maxForwards, from, to string, lines ...string) capturetest.Datagram {
		d := capturetest.SIPCall(capturetest.Call{Caller: bobSIP, Callee: carolSIP, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: "b", From: from, To: to})[0]
		d.Payload = bytes.Replace(d.Payload, []byte("Max-Forwards: 70\r\n"), []byte(strings.Join(append(lines, "Max-Forwards: "+maxForwards+"\r\n"), "\r\n")), 1)
		return d
	}
	for _, tt := range []struct {
		name  string
		story func(r *rig)
		want  string
	}{
		{"the SDP's session, numbers rewritten", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.sip(leg("69", "anonymous", "33145678901"))
		}, `["same host","between request and answer","sdp session","max-forwards one less"]`},
		{"no hop less", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.sip(leg("70", "anonymous", "33145678901"))
		}, `["same host","between request and answer","sdp session"]`},
		{"who is asserted to call", func(r *rig) {
			ds := numbered("a", aliceSIP, bobSIP)
			ds[0].Payload = bytes.Replace(ds[0].Payload, []byte("From: <sip:"+callerNumber), []byte("P-Asserted-Identity: <tel:+"+callerNumber+">\r\nFrom: <sip:anonymous"), 1)
			r.sip(ds[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
		}, `["same host","between request and answer","called number in url","caller number in url"]`},
		{"a leg that says so is what the host sent next", func(r *rig) {
			r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
			r.asks(1, bobSIP, bothNumbers, "")
			r.replies(1, bobSIP)
			r.sip(leg("69", callerNumber, calledNumber, "X-CID: a"))
		}, `["same host","between request and answer","answered after the reply","called number in url","caller number in url"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := inferRig(t, func(c *correlate.Config) { c.LegHeaders = []string{"x-cid"} })
			tt.story(r)
			if n := len(r.links()); n != 1 {
				t.Fatalf("%d links", n)
			}
			if b, _ := json.Marshal(r.recs[len(r.recs)-1].report["reasons"]); string(b) != tt.want {
				t.Errorf("reasons %s\nwant %s", b, tt.want)
			}
		})
	}
}

// A reply that comes after the decision has the link itself, and so has a question
// that is repeated.
func TestLateReplyHasTheLink(t *testing.T) {
	r := inferRig(t, nil)
	r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
	r.asks(1, bobSIP, bothNumbers, "")
	r.pass(3 * time.Second)
	r.c.Advance(r.now)
	r.replies(1, bobSIP)
	var have []string
	for _, g := range r.recs {
		if g.typ == record.REST {
			have = append(have, fmt.Sprint(g.links))
		}
	}
	if fmt.Sprint(have) != "[[] [sip:a]]" {
		t.Errorf("%q", have)
	}
	if n := len(r.links()); n != 1 {
		t.Errorf("%d records of links", n)
	}
}

// Without Config.Infer there are none.
func TestInferenceOff(t *testing.T) {
	r := newRig(t, nil)
	r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
	r.asks(1, bobSIP, bothNumbers, "")
	r.replies(1, bobSIP)
	if have := r.links(); have != nil {
		t.Errorf("%q", have)
	}
}

// More queries than are remembered: the decisions about the oldest are counted.
func TestForgottenQueries(t *testing.T) {
	r := inferRig(t, func(c *correlate.Config) { c.Infer.Pending = 20000 })
	r.sip(numbered("a", aliceSIP, bobSIP)[:2]...)
	at := r.now
	for id := range uint64(10000) {
		r.asks(id, bobSIP, "/"+strings.Repeat("x", int(id%3)), "")
		r.now = at
	}
	r.c.Flush()
	if n, d := r.c.Stats.InferForgotten.Load(), r.c.Stats.InferredQueries[infer.NoCandidate].Load(); n != 10000-8192 || d != 10000 {
		t.Errorf("%d forgotten, %d decided", n, d)
	}
}

// newCalls hands in whole calls through a switch, each with a Call-ID of its own, a query
// and another leg.
type newCalls struct {
	c     *correlate.Correlator
	ds    []capturetest.Datagram
	m     capture.Message
	note  correlate.Note
	ask   correlate.Ask
	n     int
	asked bool
}

func newNewCalls(in *infer.Config, asks bool) *newCalls {
	k := &newCalls{asked: asks, c: correlate.New(correlate.Config{Calls: 1000, Streams: 10, CallIdle: time.Hour, Infer: in, Emit: func(*record.Record) {}})}
	a := numbered("a-00000000@example.com", aliceSIP, bobSIP)
	b := numbered("b-00000000@example.com", bobSIP, carolSIP)
	k.ds = append(append(append(append(a[:2:2], b[:4]...), a[2:]...), b[4]), b[5:]...)
	for i := range k.ds { // each its own text
		k.ds[i].Payload = bytes.Clone(k.ds[i].Payload)
	}
	k.m = capture.Message{Protocol: capture.SIP, Mono: 1e9, Wall: 1e9}
	k.note = correlate.Note{Type: record.REST, Class: record.Final, Primary: []byte("rest-1"), Payload: []byte("{}")}
	k.ask.Target = []byte(bothNumbers)
	return k
}

func (k *newCalls) call() {
	k.n++
	for i := range k.ds {
		d := &k.ds[i]
		at := bytes.Index(d.Payload, []byte("@example.com"))
		for n, j := k.n, at-1; j >= at-8; j-- {
			d.Payload[j] = '0' + byte(n%10)
			n /= 10
		}
		k.m.Mono += int64(2 * time.Millisecond)
		k.m.Wall = k.m.Mono
		k.m.Flow = capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}
		k.m.Payload = d.Payload
		k.c.Message(&k.m)
		if i == 1 && k.asked {
			k.query(false)
			k.query(true)
		}
	}
	k.m.Mono += int64(time.Second)
	k.c.Advance(k.m.Mono)
}

func (k *newCalls) query(reply bool) {
	k.m.Mono += int64(time.Millisecond)
	n := &k.note
	n.At = tcp.Meta{Mono: k.m.Mono, Wall: k.m.Mono}
	n.Flow = capture.FiveTuple{Proto: capture.ProtoTCP, Src: bobSIP, Dst: webSite}
	k.ask.ID, k.ask.Reply, k.ask.First, n.Ask = uint64(k.n), reply, k.m.Mono, &k.ask
	if reply {
		n.Flow = n.Flow.Reverse()
	}
	k.c.Note(n)
}

// Once the tables have gone round nothing is allocated.
func TestInferenceAllocatesNothing(t *testing.T) {
	k := newNewCalls(&infer.Config{Starts: 1024, Pending: 256}, true)
	for range 10000 {
		k.call()
	}
	if n := testing.AllocsPerRun(200, k.call); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	s := &k.c.Stats
	if q, l := s.InferredQueries[infer.Linked].Load(), s.InferredLegs[infer.Linked].Load(); q < 10000 || l < 10000 || s.InferForgotten.Load() != 0 {
		t.Errorf("%d queries and %d legs linked, %d forgotten", q, l, s.InferForgotten.Load())
	}
}

// BenchmarkNewCalls is a call of two legs, 14 messages, without and with inference, and with a
// query.
func BenchmarkNewCalls(b *testing.B) {
	for _, tt := range []struct {
		name string
		in   *infer.Config
		asks bool
	}{{"seen", nil, false}, {"inferred", &infer.Config{}, false}, {"inferred, with a query", &infer.Config{}, true}} {
		b.Run(tt.name, func(b *testing.B) {
			k := newNewCalls(tt.in, tt.asks)
			b.ReportAllocs()
			for b.Loop() {
				k.call()
			}
		})
	}
}

// FuzzInference plays a random sequence of messages and notes between hosts, of any
// text and in any order. Whatever it is, each query and each leg has at most one record of a
// link, and what was taken is decided in the end.
func FuzzInference(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0x40, 0, 3, 0x50, 0, 2, 0x10, 1, 1, 0x02, 0, 9, 0x60, 200, 0}, []byte(nil))
	f.Add([]byte{0, 0, 1, 0x70, 0, 3, 0x40, 1, 1, 0x70, 1, 1}, []byte("INVITE sip:%2B49%3x@[::1] SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 7x\r\nP-Asserted-Identity: <tel:%34>\r\nFrom: <sip:%@x>;tag=1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=-\r\nm=audio 1 RTP/AVP 0\r\n"))
	f.Fuzz(func(t *testing.T, ops, raw []byte) {
		hosts := []netip.AddrPort{aliceSIP, bobSIP, carolSIP, webSite}
		linked := map[string]bool{}
		cfg := correlate.Config{Calls: 4, Streams: 1, CallIdle: time.Hour, Infer: &infer.Config{Starts: 16, Pending: 16, Templates: 16}}
		cfg.Emit = func(r *record.Record) {
			if _, err := r.AppendBinary(nil); err != nil && len(r.Payload) <= record.MaxPayload {
				t.Fatal(err)
			}
			if r.Type != record.Control {
				return
			}
			id := fmt.Sprintf("%v %s", r.Links[1].Type, r.Primary)
			if len(r.Links) != 2 || !json.Valid(r.Payload) || string(r.Links[1].ID) != string(r.Primary) || r.Links[0].Score < 98 || r.Links[0].Type != record.SIP ||
				r.Links[1].Type == record.REST && linked[id] {
				t.Fatalf("%s: %+v %s", id, r, r.Payload)
			}
			linked[id] = true
		}
		c := correlate.New(cfg)
		now, asked := int64(1e9), map[uint64]bool{}
		for ops = ops[:min(len(ops), 3000)]; len(ops) >= 3; ops = ops[3:] {
			op, arg, step := ops[0], ops[1], ops[2]
			now += int64(int8(step)) * 1e6
			from, to := hosts[arg&3], hosts[arg>>2&3]
			m := capture.Message{Protocol: capture.SIP, Mono: max(now, 1), Wall: now, Flow: capture.FiveTuple{Proto: 17, Src: from, Dst: to}}
			switch op >> 4 {
			case 4, 5:
				id := uint64(op&15) + uint64(step)<<4
				n := correlate.Note{Type: record.REST, At: tcp.Meta{Mono: m.Mono, Wall: now}, Flow: m.Flow, Primary: fmt.Append(nil, "rest-", id), Payload: []byte("{}"),
					Ask: &correlate.Ask{ID: id, Reply: op>>4 == 5 || asked[id], First: m.Mono, Target: []byte(bothNumbers), Body: raw}}
				if n.Ask.Reply && arg&0x80 != 0 {
					n.Tokens = [][]byte{[]byte("c1")}
				}
				asked[id] = true
				c.Note(&n)
			case 6:
				now += int64(arg) * 1e7
				c.Advance(now)
			case 7:
				m.Payload = raw
				c.Message(&m)
			default:
				d := numbered(fmt.Sprint("c", op>>4), from, to)[op%7]
				m.Flow.Src, m.Flow.Dst, m.Payload = d.Src, d.Dst, d.Payload
				c.Message(&m)
			}
		}
		c.Flush()
		if n := c.Stats.InferWaiting.Load(); n != 0 {
			t.Fatalf("%d wait", n)
		}
	})
}
