package beyond_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/firmware/internal/beyond"
)

// A request in a datagram whose reply does not come within 30 s has a record that says so,
// under its own id and linked as the reply would be; at the end of the capture all have that
// still wait. What has its reply, is of no interest or is filtered has none.
func TestNoReply(t *testing.T) {
	tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
	offer := dict("call-id", "c1@host", "command", "offer", "from-tag", "ft", "sdp", sdp("192.0.2.1", 6000))
	for _, tt := range []struct {
		name     string
		proto    capture.Protocol
		src, dst string
		text     string
		links    string
		members  map[string]any
	}{
		{"ng", capture.NG, control.String(), engine.String(), "5_1 " + offer, "sip:c1@host",
			map[string]any{"event": "NG offer failed: %", "command": "offer", "callid": "c1@host", "from_tag": "ft", "sent": 2}},
		{"rtpproxy", capture.NG, control.String(), engine.String(), "12_1 Uc0,8 c1@host 192.0.2.1 6000 ft;1", "sip:c1@host",
			map[string]any{"event": "rtpproxy update failed: %", "command": "update", "callid": "c1@host", "sent": 2}},
		{"dns", capture.DNS, asks.String(), resolver.String(), question(7, "_sip._udp.c1.example.com", typeSRV, -1), "",
			map[string]any{"event": "DNS SRV _sip._udp.c1.example.com failed: %", "qr": false, "questions": "[map[class:IN name:_sip._udp.c1.example.com type:SRV]]", "sent": 2}},
		{"mi", capture.MI, tool.String(), server.String(), `{"jsonrpc":"2.0","method":"dr_reload","id":7}`, "",
			map[string]any{"event": "MI dr_reload failed: %", "command": "dr_reload"}},
		{"mi that names a call", capture.MI, tool.String(), server.String(), `{"jsonrpc":"2.0","method":"dlg_end_dlg","params":{"callid":"c1@host.example"},"id":7}`, "sip:c1@host.example",
			map[string]any{"event": "MI dlg_end_dlg failed: %"}},
		{"mi in lines", capture.MI, tool.String(), server.String(), ":uptime:\n", "", map[string]any{"event": "MI uptime failed: %", "command": "uptime"}},
	} {
		for why, wait := range map[string]time.Duration{"timeout": 31 * time.Second, "no reply": time.Second} {
			t.Run(tt.name+" "+why, func(t *testing.T) {
				r := newBench(t, nil)
				asked := r.one(tt.proto, ap(tt.src), ap(tt.dst), tt.text)
				r.one(tt.proto, ap(tt.src), ap(tt.dst), tt.text) // sent again
				if got := r.pass(time.Second - 2*time.Millisecond); len(got) != 0 {
					t.Fatalf("too early: %v", got)
				}
				got := r.pass(wait - time.Second)
				if why == "no reply" {
					r.b.Flush()
					got = r.recs[2:]
				}
				if len(got) != 1 {
					t.Fatalf("%d records: %v", len(got), got)
				}
				members := map[string]any{"failed": why, "waited_ms": wait.Milliseconds()}
				if why == "no reply" {
					members["waited_ms"] = int64(1000)
				}
				for k, v := range tt.members {
					if s, ok := v.(string); ok {
						v = strings.ReplaceAll(s, "%", why)
					}
					members[k] = v
				}
				if e, ok := asked.json["exchange"]; ok {
					members["exchange"] = e
				}
				got[0].want(t, asked.primary, tt.links, members)
				if got[0].typ != asked.typ {
					t.Errorf("type %v, of the request %v", got[0].typ, asked.typ)
				}
				s := &r.b.Stats
				if n := s.NG.Unanswered.Load() + s.DNS.Unanswered.Load() + s.MI.Unanswered.Load(); n != 1 {
					t.Errorf("%d counted", n)
				}
				r.b.Flush()
				if more := r.pass(time.Minute); len(more) != 0 || len(r.recs) != 3 {
					t.Errorf("and then: %v", r.recs[3:])
				}
			})
		}
	}
	r := newBench(t, func(c *beyond.Config) { c.Filters.OpenSIPS = filter(t, "b: uptime") })
	r.send(capture.NG, control, engine, "5_1 "+offer)
	r.send(capture.NG, engine, control, "5_1 "+dict("result", "ok"))
	r.send(capture.NG, control, engine, "5_2 "+dict("command", "ping"))
	r.send(capture.DNS, asks, resolver, question(7, "_sip._udp.example.com", typeSRV, -1))
	r.send(capture.DNS, resolver, asks, question(7, "_sip._udp.example.com", typeSRV, 3))
	r.send(capture.DNS, asks, resolver, question(8, "_ldap._tcp.example.com", typeSRV, -1))
	r.send(capture.MI, tool, server, `{"jsonrpc":"2.0","method":"dr_reload","id":7}`)
	r.send(capture.MI, server, tool, `{"jsonrpc":"2.0","result":"OK","id":7}`)
	r.send(capture.MI, tool, server, ":uptime:\n")
	r.send(capture.MI, tool, server, `{"jsonrpc":"2.0","method":"dr_reload"}`) // a notification
	r.pass(time.Minute)
	r.b.Flush()
	for _, g := range r.recs {
		if g.json["failed"] != nil {
			t.Errorf("failed: %s", g.raw)
		}
	}
}

// Of a flood each that the table still has is told of, and no other.
func TestNoReplyIsBounded(t *testing.T) {
	r := newBench(t, nil)
	for i := range 20000 {
		r.b.Message(r.message(capture.NG, control, engine, fmt.Sprintf("5_%d ", i)+dict("call-id", fmt.Sprint(i), "command", "offer")))
	}
	before := len(r.recs)
	r.pass(time.Minute)
	s := &r.b.Stats.NG
	if told := len(r.recs) - before; uint64(told) != s.Unanswered.Load() || s.Unanswered.Load()+s.Crowded.Load() != 20000 || told < 3500 || told > 4096 {
		t.Errorf("%d told of, %d counted, %d pushed out", told, s.Unanswered.Load(), s.Crowded.Load())
	}
}

// TestShuffledCommands has commands without an id, and with one that is always the same,
// over one socket, each answered by its own name; frames overtake each other by up to
// and each reply has a record.
func TestShuffledCommands(t *testing.T) {
	for _, tt := range []struct {
		name       string
		ask, reply string
	}{
		{"lines", ":c%d:\n", "200 OK\nname:: c%d\n"},
		{"one id", `{"jsonrpc":"2.0","method":"c%d","id":1}`, `{"jsonrpc":"2.0","result":"name:: c%d","id":1}`},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
		asked, replies, paired, ambiguous, own := 0, 0, 0, 0, 0
		for range 300 {
			r := newBench(t, nil)
			var frames []*capture.Message
			at := r.now
			for i := range 8 {
				gap := time.Duration(rng.IntN(400)) * time.Millisecond
				after := time.Duration(rng.IntN(20)) * time.Millisecond
				at += int64(gap)
				shift := func() int64 { return int64(rng.IntN(100e6)) - 50e6 }
				q, a := r.message(capture.MI, tool, server, fmt.Sprintf(tt.ask, i)), r.message(capture.MI, server, tool, fmt.Sprintf(tt.reply, i))
				q.Mono = at + shift()
				at += int64(after)
				a.Mono = at + shift()
				q.Wall, a.Wall = q.Mono, a.Mono
				frames = append(frames, q, a)
			}
			slices.SortStableFunc(frames, func(x, y *capture.Message) int { return int(x.Mono - y.Mono) })
			for _, m := range frames {
				r.b.Advance(m.Mono)
				r.b.Message(m)
			}
			r.b.Advance(frames[len(frames)-1].Mono + int64(time.Second))
			r.b.Flush()
			of := map[string]string{} // id to command
			for _, g := range r.recs {
				command, _ := g.json["command"].(string)
				switch text, _ := g.json["reply"].(string); {
				case g.json["failed"] != nil:
				case text == "" && g.json["ok"] == nil:
					of[g.primary] = command
					asked++
				case g.json["unpaired"] != nil:
					replies++
					ambiguous++
					if of[g.primary] != "" || command != "" || g.json["took_ms"] != nil {
						t.Fatalf("%s: said to be unpaired, and is not: %s", tt.name, g.raw)
					}
				default:
					replies++
					paired++
					if name := of[g.primary]; name == "" || !strings.Contains(text, name) || command != name {
						t.Fatalf("%s: a wrong pair: the reply %s to %q", tt.name, g.raw, name)
					}
					own++
				}
			}
			if s := &r.b.Stats.MI; s.Ambiguous.Load()+s.Replies.Load()+s.Strays.Load() != 8 {
				t.Fatalf("%s: %d ambiguous, %d paired, %d strays", tt.name, s.Ambiguous.Load(), s.Replies.Load(), s.Strays.Load())
			}
		}
		t.Logf("%s: %d commands, %d replies with records: %d paired, %d ambiguous", tt.name, asked, replies, paired, ambiguous)
		if asked != 2400 || paired < 600 || ambiguous == 0 || replies < 2300 {
			t.Errorf("%s: %d commands, %d replies with records: %d paired, %d ambiguous", tt.name, asked, replies, paired, ambiguous)
		}
	}
}

// Of commands that may have been meant, one is filtered, or has secrets: neither shows in a
// reply that may be its own.
func TestAmbiguousReply(t *testing.T) {
	tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
	for _, tt := range []struct {
		name, other, want string
	}{
		{"plain", "which", `"reply":"\"p4ssw0rd\""`},
		{"filtered", "uptime", ""},
		{"secret", "uac.reg_add", `"hidden":true`},
	} {
		r := newBench(t, func(c *beyond.Config) { c.Filters.OpenSIPS = filter(t, "b: uptime") })
		for _, method := range []string{tt.other, "dr_reload"} {
			r.send(capture.MI, tool, server, fmt.Sprintf(`{"jsonrpc":"2.0","method":"%s","params":["u"],"id":8}`, method))
		}
		r.send(capture.MI, server, tool, `{"jsonrpc":"2.0","result":"p4ssw0rd","id":8}`)
		var got string
		for _, g := range r.pass(time.Second) {
			got += g.raw
		}
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || tt.name == "secret" && strings.Contains(got, "p4ssw0rd") {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

// Replies that are held take no more room than there is: the oldest is told of at once.
func TestHeldRepliesAreBounded(t *testing.T) {
	r := newBench(t, nil)
	tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
	for i := range 65 {
		r.send(capture.MI, tool, server, fmt.Sprintf(`{"jsonrpc":"2.0","method":"which","id":%d}`, i))
		r.now -= int64(time.Millisecond)
	}
	for i := range 64 {
		if got := r.send(capture.MI, server, tool, fmt.Sprintf(`{"jsonrpc":"2.0","result":"%s","id":%d}`, strings.Repeat("x", 60000), i)); len(got) != 0 {
			t.Fatalf("the reply %d is not held", i)
		}
		r.now -= int64(time.Millisecond)
	}
	got := r.one(capture.MI, server, tool, `{"jsonrpc":"2.0","result":"OK","id":64}`)
	if !strings.HasSuffix(got.primary, "-0") || got.json["truncated"] != true {
		t.Errorf("%s, truncated %v", got.primary, got.json["truncated"])
	}
	if got := r.pass(time.Second); len(got) != 64 {
		t.Errorf("%d replies", len(got))
	}
}
