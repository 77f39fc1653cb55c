package span_test

import (
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/jssip"
	"heptap/scripts/lab/kamailio"
	"heptap/scripts/lab/relay"
	"heptap/scripts/lab/sipp"
)

// TestSIPOverTCP has sipp call over one TCP connection for all, and over one
// for each call, with media that lose packets.
func TestSIPOverTCP(t *testing.T) {
	for _, transport := range []string{"t1", "tn"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			bad := relay.Config{Seed: 5, MinPort: mediaFrom, MaxPort: mediaFrom + 999, Up: relay.Impairment{Loss: .05, Reorder: .02}}
			s := newScene(t, lab.SiteConfig{RelayA: bad, RelayB: bad}, nil)
			const n = 8
			said := s.sipp(t, sipp.Config{Calls: n, PerSecond: 8, Talk: 2 * time.Second, Transport: transport})
			s.settle(t, 2*n)
			records, m := s.finish(t)
			seen := s.seen(t)
			same(t, "tshark, of what sipp sent", said, portless(seen))
			if udp := s.count(t, "udp.port == 5060"); udp != 0 {
				t.Errorf("%d datagrams of SIP", udp)
			}
			same(t, "collector", seen, delivered(t, records))
			checkReports(t, relayed(s.Site), records)
			checkConnections(t, records, map[string]int{"t1": 1, "tn": n}[transport], n)
			unaccused(t, m)
		})
	}
}

// TestSIPOverWebSocket has two JsSIPs register at Kamailio and call each other.
func TestSIPOverWebSocket(t *testing.T) {
	t.Parallel()
	js, err := jssip.Open()
	need(t, err)
	s := newScene(t, lab.SiteConfig{}, nil)
	addr := s.B.Addr.String() + ":8080"
	server, err := kamailio.StartWeb(within(t, 30*time.Second), s.Lab, s.B, addr)
	need(t, err)
	if _, err := js.Callee(within(t, 20*time.Second), s.Lab, s.A, addr, "bob"); err != nil {
		t.Fatalf("%v\n%s", err, server.Log())
	}
	const n = 3
	caller, err := js.Caller(s.Lab, s.A, addr, "alice", "bob", n)
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Wait(within(t, 20*time.Second)); err != nil {
		t.Fatalf("%v\n%s\n%s", err, caller.Said(), server.Log())
	}
	s.settle(t, 0)
	records, m := s.finish(t)
	seen := s.seen(t)
	invites, long := 0, 0
	for _, m := range seen {
		switch m.What {
		case "INVITE":
			invites++
		case "MESSAGE":
			long++
		}
	}
	// Each is sent to the server and by it.
	if invites != 2*n || long != 2 {
		t.Errorf("tshark finds %d INVITE and %d MESSAGE, want %d and 2", invites, long, 2*n)
	}
	for filter, least := range map[string]int{`http.upgrade == "websocket"`: 4, "websocket.mask == 1 && sip": n, "websocket.opcode == 9": 1} {
		if got := s.count(t, filter); got < least {
			t.Errorf("tshark finds %d frames with %s, want %d at least", got, filter, least)
		}
	}
	same(t, "collector", seen, delivered(t, records))
	unaccused(t, m)
}
