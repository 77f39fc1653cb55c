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
