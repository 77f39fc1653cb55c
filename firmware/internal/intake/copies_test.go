package intake

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// side is an agent, or the tap.
type side struct {
	name string
	addr string
	id   uint64
}

var (
	mirror = side{"tap", "", 0}
	kam    = side{"kamailio", "10.0.0.1", 1}
	osips  = side{"opensips", "10.0.0.2", 1} // the same default id
)

// sight is one message as one side shows it.
type sight struct {
	at   time.Duration
	by   side
	text string
	cut  int // octets left, 0 for all
	want string
}

func TestCopies(t *testing.T) {
	long := "INVITE sip:b@example.com SIP/2.0\r\n" + strings.Repeat("X-Filler: 0123456789\r\n", 20)
	changed := long + "X"
	for name, sights := range map[string][]sight{
		"tap first":    {{0, mirror, long, 0, "made"}, {time.Second, kam, long, 0, "dropped"}},
		"agent first":  {{0, kam, long, 0, "made"}, {time.Second, mirror, long, 0, "dropped"}},
		"two agents":   {{0, kam, long, 0, "made"}, {time.Millisecond, osips, long, 0, "dropped"}, {2 * time.Millisecond, mirror, long, 0, "dropped"}},
		"too late":     {{0, mirror, long, 0, "made"}, {6 * time.Second, kam, long, 0, "made"}},
		"another one":  {{0, mirror, long, 0, "made"}, {time.Second, kam, changed, 0, "made"}},
		"sent again":   {{0, mirror, long, 0, "made"}, {500 * time.Millisecond, mirror, long, 0, "made"}, {600 * time.Millisecond, kam, long, 0, "dropped"}, {700 * time.Millisecond, kam, long, 0, "dropped"}, {800 * time.Millisecond, kam, long, 0, "made"}},
		"agent alone":  {{0, kam, long, 0, "made"}, {500 * time.Millisecond, kam, long, 0, "made"}},
		"cut tap":      {{0, mirror, long, 200, "made"}, {time.Second, kam, long, 0, "flagged"}, {2 * time.Second, osips, long, 0, "dropped"}},
		"cut tap last": {{0, kam, long, 0, "made"}, {time.Second, mirror, long, 200, "dropped"}},
		"cut agent":    {{0, kam, long, 250, "made"}, {time.Second, mirror, long, 0, "kept"}},
	} {
		in := &Intake{copies: new(copies), Queue: newQueue()}
		in.copies.seed = testDecoder(nil).seed
		peers := map[string]*peer{}
		for i, s := range sights {
			m := capture.Message{Protocol: capture.SIP, Mono: int64(time.Hour + s.at), Flow: flowOf(phone, proxy, 17), Payload: []byte(s.text)}
			if s.cut > 0 {
				m.Payload, m.Flags = m.Payload[:s.cut], capture.CutShort
			}
			var got string
			if s.by == mirror {
				got = map[Verdict]string{Fresh: "made", Copied: "dropped", CutCopy: "kept"}[in.Tap(&m)]
			} else {
				if peers[s.by.addr] == nil {
					peers[s.by.addr] = &peer{addr: netip.MustParseAddr(s.by.addr)}
				}
				it := &Item{Mono: m.Mono, Message: m, agent: s.by.id, peer: peers[s.by.addr], stamped: true,
					Record: record.Record{Type: record.SIP, Wall: m.Mono + 5, Flow: m.Flow, Payload: m.Payload}}
				it.Record.Wall += int64(len(s.by.name)) // no two clocks are the same
				switch {
				case !in.Relay(it):
					got = "dropped"
				case it.Message.Flags&capture.Duplicate != 0:
					got = "flagged"
				default:
					got = "made"
				}
			}
			if got != s.want {
				t.Errorf("%s: sight %d of %s was %s, want %s", name, i, s.by.name, got, s.want)
			}
		}
	}
}

// TLS and WebSocket have numbers of their own in HEP; the tap sees TCP.
func TestCopyOverTLS(t *testing.T) {
	c := new(copies)
	c.seed = testDecoder(nil).seed
	m := capture.Message{Protocol: capture.SIP, Mono: 1, Flow: flowOf(phone, proxy, 6), Payload: []byte(options)}
	if v := c.see(&m, tap); v != Fresh {
		t.Error(v)
	}
	m.Flow.Proto, m.Flow.Tunnel = 22, 0
	if v := c.see(&m, 9); v != Copied {
		t.Error(v)
	}
	m.Flow.Proto = 17
	if v := c.see(&m, 9); v != Fresh {
		t.Error("UDP is TCP", v)
	}
	m.Flow = m.Flow.Reverse()
	if v := c.see(&m, 9); v != Fresh {
		t.Error("one direction is the other", v)
	}
}

// A record that comes again, to the microsecond and the octet, is the same.
func TestRepeated(t *testing.T) {
	in := &Intake{copies: new(copies), Queue: newQueue()}
	in.copies.seed = testDecoder(nil).seed
	p := &peer{addr: netip.MustParseAddr("10.0.0.1")}
	item := func(wall int64, payload string, mono time.Duration) *Item {
		return &Item{Mono: int64(mono), peer: p, stamped: wall != 0, agent: 1, Record: record.Record{Type: record.Log, Wall: wall, Payload: []byte(payload), Flow: flowOf(phone, proxy, 6)}}
	}
	for i, s := range []struct {
		it   *Item
		want bool
	}{
		{item(1000, "a", time.Second), true}, {item(1000, "a", 2*time.Second), false}, {item(1000, "b", 2*time.Second), true},
		{item(2000, "a", 2*time.Second), true}, {item(1000, "a", 3*time.Minute), true},
		{item(0, "a", time.Second), true}, {item(0, "a", time.Second), true}, // HEP1 has no time
	} {
		if got := in.Relay(s.it); got != s.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if n := in.Stats().Drops[DropRepeated]; n != 1 || p.drops[DropRepeated].Load() != 1 {
		t.Errorf("%d counted", n)
	}
}

// The tables hold what they hold, whatever comes.
func TestCopiesBounded(t *testing.T) {
	c := new(copies)
	c.seed = testDecoder(nil).seed
	m := capture.Message{Protocol: capture.SIP, Mono: 1, Flow: flowOf(phone, proxy, 17), Payload: []byte(options)}
	payload := m.Payload
	allocs := testing.AllocsPerRun(20000, func() {
		m.Mono += int64(time.Millisecond)
		payload[20]++
		payload[21] += payload[20] % 3
		c.see(&m, tap)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a message", allocs)
	}
	if copiesBytes > 4<<20 {
		t.Errorf("%d octets", copiesBytes)
	}
}

// Of what went over a connection of TCP that it made an agent names the port where it listens.
func TestCopiesOverTCP(t *testing.T) {
	from := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(proxy.Addr(), port) }
	for _, tt := range []struct {
		name       string
		seen, told capture.FiveTuple
		want       Verdict
	}{
		{"TCP", flowOf(from(43210), phone, 6), flowOf(from(5060), phone, 6), Copied},
		{"TLS", flowOf(from(43210), phone, 6), flowOf(from(5061), phone, 22), Copied},
		{"the other direction", flowOf(phone, from(43210), 6), flowOf(phone, from(5060), 6), Copied},
		{"another receiver", flowOf(from(43210), phone, 6), flowOf(from(5060), netip.AddrPortFrom(phone.Addr().Next().Next(), phone.Port()), 6), Fresh},
		{"UDP", flowOf(from(43210), phone, 17), flowOf(from(5060), phone, 17), Fresh},
	} {
		in := &Intake{copies: new(copies), Queue: newQueue()}
		in.copies.seed = testDecoder(nil).seed
		m := capture.Message{Protocol: capture.SIP, Mono: 1, Flow: tt.told, Payload: []byte("BYE sip:b@example.com SIP/2.0\r\n")}
		it := &Item{Mono: 1, Message: m, agent: 1, peer: &peer{addr: proxy.Addr()}, Record: record.Record{Type: record.SIP, Flow: m.Flow, Payload: m.Payload}}
		if !in.Relay(it) {
			t.Errorf("%s: it was told of before", tt.name)
		}
		m.Flow = tt.seen
		if got := in.Tap(&m); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
