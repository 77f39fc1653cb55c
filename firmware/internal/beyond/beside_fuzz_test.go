package beyond_test

import (
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/beyond"
)

// Whatever a datagram holds, and whatever protocol it is taken for, the records
// made of it and of what comes back are JSON objects that a collector can take.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{`<165>1 2023-11-14T22:13:20.003Z sbc1 kamailio 1234 ID47 [x@1 call="c1@host.example"] password="a\b" ` + "\xff\x00",
		"<14>Nov 14 22:13:20 sbc1 opensips[77]: callid=a84b4c76e66710@pc33 dropped"} {
		f.Add(uint8(0), []byte(s), []byte(s))
	}
	f.Add(uint8(1), []byte("1_1 "+dict("call-id", "c1@host", "command", "offer", "from-tag", "ft", "sdp", sdp("192.0.2.1", 6000))), []byte("1_1 "+dict("result", "ok", "sdp", sdp("192.0.2.3", 1))))
	f.Add(uint8(1), []byte("12_1 Uc0,8 c1@host 192.0.2.1 6000 ft;1"), []byte("12_1 35000 192.0.2.3\n"))
	f.Add(uint8(2), []byte(question(2, "_sip._udp.example.com", typeSRV, -1)), []byte(question(2, "_sip._udp.example.com", typeSRV, 3)))
	f.Add(uint8(3), []byte(`{"jsonrpc":"2.0","method":"dr_reload","params":{"password":"one"},"id":7}`), []byte(`{"jsonrpc":"2.0","result":"OK","id":7}`))
	f.Add(uint8(3), []byte(":uptime:\n"), []byte("200 OK\nUp since:: 12\n"))
	f.Add(uint8(0), []byte(`<14>app: leg_id=dialog0001 {"legId":["a"]} leg-id: x`), []byte("leg_id=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
	f.Add(uint8(1), []byte("1_1 "+dict("call-id", "c1@host", "command", "query", "metadata", "leg_id=dialog0001", "leg_id", "dialog0002")), []byte("1_1 "+dict("result", "ok", "leg-id", "c1@host")))
	f.Add(uint8(2), []byte(question(2, "c1@host.dialog0001.example.com", typeNAPTR, -1)), []byte(question(2, "c1@host", typeNAPTR, 3)))
	f.Fuzz(func(t *testing.T, kind uint8, there, back []byte) {
		if len(there)+len(back) > 1<<17 {
			return
		}
		r := newBench(t, func(c *beyond.Config) { c.AllLogs, c.Keys = true, []string{"leg_id"} })
		r.call("c1@host")
		proto := [...]capture.Protocol{capture.Syslog, capture.NG, capture.DNS, capture.MI}[kind%4]
		for range 2 { // sent again
			r.send(proto, asks, resolver, string(there))
			r.send(proto, resolver, asks, string(back))
		}
		r.b.Advance(r.now + int64(time.Minute))
		r.b.Flush()
		if len(r.recs) > 5*17 {
			t.Fatalf("%d records", len(r.recs))
		}
		for _, g := range r.recs {
			if _, ok := g.json["event"].(string); !ok || len(g.raw) > record.MaxPayload || g.primary == "" {
				t.Fatalf("%q: %.200s", g.primary, g.raw)
			}
			g.want(t, g.primary, strings.Join(g.links, " "), nil)
		}
	})
}
