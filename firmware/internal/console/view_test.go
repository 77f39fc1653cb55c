package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
	clocks "heptap/firmware/internal/clock"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/recent"
	"heptap/firmware/internal/uplink"
)

// start is when the records of these tests begin.
func start() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// scene is a store with records, each a second after the one before.
type scene struct {
	store *recent.Store
	n     int
}

func newScene() *scene { return &scene{store: recent.New(recent.Config{Bytes: 1 << 20})} }

func (s *scene) add(t record.Type, from, to, id, payload string, links ...record.Link) {
	at := start().Add(time.Duration(s.n) * time.Second)
	s.n++
	s.store.Add(&record.Record{Type: t, Class: record.Call, Wall: at.UnixNano(), Mono: int64(s.n) * 1e9, Primary: []byte(id), Payload: []byte(payload), Links: links,
		Flow: capture.FiveTuple{Src: netip.MustParseAddrPort(from), Dst: netip.MustParseAddrPort(to), Proto: capture.ProtoUDP}})
}

func (s *scene) sip(from, to, id, first, cseq string, links ...record.Link) {
	s.add(record.SIP, from, to, id, first+"\r\nFrom: \"A\" <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: "+id+"\r\nCSeq: "+cseq+"\r\n\r\n", links...)
}

const (
	alice = "192.0.2.1:5060"
	proxy = "192.0.2.2:5060"
	bob   = "192.0.2.3:5060"
	api   = "192.0.2.9:80"
)

// twoCalls are one that is answered and ended, with what is linked with it, and one
// that is refused.
func twoCalls() *scene {
	s := newScene()
	net := record.Link{Type: record.Net, How: record.Flow, ID: []byte("77")}
	s.sip(alice, proxy, "one@a", "INVITE sip:bob@example.com SIP/2.0", "1 INVITE", net)
	s.sip(proxy, alice, "one@a", "SIP/2.0 100 Trying", "1 INVITE", net)
	s.add(record.REST, "192.0.2.2:4000", api, "q1", `{"event":"GET /route?to=bob","method":"GET","path":"/route","nested":{"n":5}}`, record.Link{Type: record.SIP, How: record.Seen, ID: []byte("one@a")})
	s.add(record.REST, api, "192.0.2.2:4000", "q1", `{"event":"GET /route?to=bob 200","status":200,"latency_ms":12.5}`, record.Link{Type: record.SIP, How: record.Seen, ID: []byte("one@a")})
	s.sip(proxy, bob, "one@a", "INVITE sip:bob@192.0.2.3 SIP/2.0", "1 INVITE")
	s.sip(bob, proxy, "one@a", "SIP/2.0 180 Ringing", "1 INVITE")
	s.sip(bob, proxy, "one@a", "SIP/2.0 200 OK", "1 INVITE")
	s.sip(proxy, alice, "one@a", "SIP/2.0 200 OK", "1 INVITE", net)
	s.add(record.Log, "192.0.2.2:514", "192.0.2.8:514", "one@a", `{"event":"kamailio: info","text":"call \u001b[31mone@a answered","severity":"info"}`)
	s.sip(alice, proxy, "two@a", "INVITE sip:bob@example.com SIP/2.0", "1 INVITE")
	s.sip(proxy, alice, "two@a", "SIP/2.0 486 Busy Here", "1 INVITE")
	s.sip(alice, proxy, "one@a", "BYE sip:bob@192.0.2.3 SIP/2.0", "2 BYE", net)
	s.sip(proxy, alice, "one@a", "SIP/2.0 200 OK", "2 BYE", net)
	s.sip(alice, proxy, "reg@a", "REGISTER sip:example.com SIP/2.0", "9 REGISTER")
	return s
}

// look has a console over a scene.
func look(t testing.TB, sc *scene) *rig {
	t.Helper()
	r := newRig(t, startText)
	h, err := health.New()
	if err != nil {
		t.Fatal(err)
	}
	h.Set("uplink/c", health.Degraded, "connection refused")
	live := &Live{Node: "box", Started: time.Now(), Config: config.Config{Ports: []config.Port{{Name: "span0", Interface: "eth1", Rings: 1, RingSize: 64 << 20, Filter: "udp"}}},
		Links: func() []Link { return []Link{{"span0", "eth1", "up"}} },
		Stages: &metrics.Sources{Version: "1.2.3", Budget: 100 << 20, Health: h.Snapshot, Clock: func() clocks.State {
			return clocks.State{Right: true, Server: "ntp1", Offset: -1500 * time.Microsecond, At: time.Unix(0, 0), Next: time.Unix(64, 0), Steps: 1, Rounds: 3, Failed: 1}
		}, Hidden: func() string { return "span0: nothing\n" },
			Spool: func() buffer.Stats { return buffer.Stats{UsedBytes: 16 << 10, LimitBytes: 1 << 30} },
			Uplink: func() uplink.Stats {
				return uplink.Stats{Collectors: []uplink.CollectorStats{{Status: uplink.Status{Collector: "c", Reason: "connection refused"}, Counts: uplink.Counts{Made: 9, Spooled: 7, Confirmed: 2}}}}
			},
			Probe: func() probe.Stats {
				in := probe.InputStats{Name: "span0", Source: capture.Stats{Received: 12, KernelDrops: 2}, Decoded: 9}
				in.Dropped[1] = 1
				in.Encaps[0] = 4
				return probe.Stats{Inputs: []probe.InputStats{in}, Correlate: &correlate.Stats{}, Records: map[record.Type]uint64{record.SIP: 3, record.Log: 1}}
			}}}
	if sc != nil {
		live.Recent = sc.store
		live.Stages.Recent = sc.store.Stats
	}
	r.o.Live = func() *Live { return live }
	r.o.Messages = &Tail{}
	slog.New(slog.NewTextHandler(r.o.Messages, nil)).Info("hello")
	return r
}

func TestShow(t *testing.T) {
	r := look(t, twoCalls())
	r.o.About = func() string { return "board x\n" }
	r.o.Live().LEDs = func() string { return "status heartbeat (healthy), capture on (calls seen)" }
	for _, c := range []struct{ in, want string }{
		{"show calls", `BEGUN (UTC)   FROM              TO                STATE          DURATION  CALL-ID
12:00:00.000  alice             bob               ended             5.0 s  one@a
12:00:09.000  alice             bob               failed 486            -  two@a
2 calls
`},
		{"show calls where status eq 486 | match two | count", "1 lines\n"},
		{"show calls where duration > 4.9 and from eq ALICE last 5", "BEGUN (UTC)   FROM              TO                STATE          DURATION  CALL-ID\n12:00:00.000  alice             bob               ended             5.0 s  one@a\n1 calls\n"},
		{"show rest", "3 12:00:02.000 192.0.2.2:4000 > 192.0.2.9:80 event=GET /route?to=bob method=GET path=/route\n" +
			"4 12:00:03.000 192.0.2.9:80 > 192.0.2.2:4000 event=GET /route?to=bob 200 status=200 latency_ms=12.5\n2 records\n"},
		{"show rest where latency_ms > 12 and call eq one@a", "4 12:00:03.000 192.0.2.9:80 > 192.0.2.2:4000 event=GET /route?to=bob 200 status=200 latency_ms=12.5\n1 records\n"},
		{"show rest where nested.n eq 5.0", "3 12:00:02.000 192.0.2.2:4000 > 192.0.2.9:80 event=GET /route?to=bob method=GET path=/route\n1 records\n"},
		{"show rest where latency_ms < 12", "0 records\n"},
		{"show log", "9 12:00:08.000 192.0.2.2:514 > 192.0.2.8:514 event=kamailio: info text=call .[31mone@a answered severity=info\n1 records\n"},
		{"show sip last 1", "14 12:00:13.000 192.0.2.1:5060 > 192.0.2.2:5060 REGISTER sip:example.com SIP/2.0\nthe newest 1 of 11 records; last N shows more\n"},
		{"show sip where method eq BYE or status eq 486", "11 12:00:10.000 192.0.2.2:5060 > 192.0.2.1:5060 SIP/2.0 486 Busy Here\n12 12:00:11.000 192.0.2.1:5060 > 192.0.2.2:5060 BYE sip:bob@192.0.2.3 SIP/2.0\n" +
			"13 12:00:12.000 192.0.2.2:5060 > 192.0.2.1:5060 SIP/2.0 200 OK\n3 records\n"},
		{"show records where type ne sip and src_ip eq 192.0.2.2", "3 12:00:02.000 rest 192.0.2.2:4000 > 192.0.2.9:80 event=GET /route?to=bob method=GET path=/route\n" +
			"9 12:00:08.000 log 192.0.2.2:514 > 192.0.2.8:514 event=kamailio: info text=call .[31mone@a answered severity=info\n2 records\n"},
		{"show record 3", "record 3, rest, 2026-11-26T12:00:02.000000Z, udp 192.0.2.2:4000 > 192.0.2.9:80\nid q1\nlinked with sip one@a (seen)\n{\n  \"event\": \"GET /route?to=bob\",\n  \"method\": \"GET\",\n" +
			"  \"path\": \"/route\",\n  \"nested\": {\n    \"n\": 5\n  }\n}\n"},
		{"show record 99", "error: record 99 is not held, or not any more\n"},
		{"show interfaces", "span0 on eth1: up\n  rings        1 of 64.0 MiB\n  frames       12, 2 dropped by the kernel, 0 B decoded\n  filter       udp\nspan0: nothing\n"},
		{"show encapsulations", "span0: 9 frames decoded\n  inside       4 vlan\n"},
		{"show status", "health         degraded: uplink/c: connection refused\nprobe          box, version 1.2.3, capturing for 0s\nLEDs           status heartbeat (healthy), capture on (calls seen)\nport span0     up (eth1): 12 frames, 2 dropped by the kernel\n" +
			"calls          0 now, 0 since the capture began, 0 answered; 0 SIP messages\nrecords        sip 3, log 1\nuplink c       down, 2 records confirmed, 0 waiting on disk: connection refused\n" +
			"spool          16.0 KiB of 1.0 GiB in use\n! uplink/c, degraded for 0s: connection refused\n"},
		{"show uplink", "c: down, 2 records confirmed, 0 waiting on disk: connection refused\n  9 made + 0 carried in =\n             2 confirmed\n             7 on disk\n" +
			"  sent once more 0, barriers 0, not answered 0, connections 0 of which broke 0\n"},
		{"show version", "heptap 1.2.3\nboard x\n"},
		{"show status | match LEDs", "LEDs           status heartbeat (healthy), capture on (calls seen)\n"},
		{"show messages | match hello | count", "1 lines\n"},
		{"show clock | match UTC | count", "2 lines\n"},
		{"show clock | match state", "state          right; stepped 1 times since the start\n"},
		{"show clock | match ntp1", "server         ntp1, at 00:00:00: the clock was off by 1.5ms\n"},
		{"show clock | match asked", "asked          3 times, 1 in vain; next at 00:01:04\n"},
		{"show memory | match resident | match MiB | count", "1 lines\n"},
		{"show memory | match budget", "budget         100.0 MiB at most, of these 64.0 MiB for rings\n"},
	} {
		if got, _ := r.script(t, c.in); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.in, got, c.want)
		}
	}
	for _, c := range []string{"show calls", "show record 1"} {
		if got, done := look(t, nil).script(t, c); done || !strings.Contains(got, "no records are held") {
			t.Errorf("%s without recent records: %s", c, got)
		}
		if got, done := newRig(t, startText).script(t, c); done || !strings.Contains(got, "nothing runs at this moment") {
			t.Errorf("%s without a probe: %s", c, got)
		}
	}
}

// Which address the box has is asked before anything runs, too.
func TestShowInterfaces(t *testing.T) {
	r := look(t, nil)
	r.o.Ports = func() ([]NetworkPort, error) {
		return []NetworkPort{{Name: "eth0", State: "link", Addresses: []string{"192.0.2.20/24", "2001:db8::20/64"}, Gateways: []string{"192.0.2.1"}}, {Name: "eth1", State: "link"}, {Name: "eth2", State: "not in use yet"}}, nil
	}
	r.o.NameServers = func() []string { return []string{"192.0.2.53"} }
	if _, done := r.script(t, "set uplink interface eth0\nset uplink backup eth2\ncommit"); !done {
		t.Fatal("not committed")
	}
	const rest = "part of the uplink, eth0: link\n  addresses    192.0.2.20/24, 2001:db8::20/64\n  gateways     192.0.2.1\n"
	const last = "part of the uplink, eth2: not in use yet\nname servers   192.0.2.53\n"
	if got, _ := r.script(t, "show interfaces"); !strings.HasPrefix(got, "span0 on eth1: up\n") || !strings.HasSuffix(got, rest+last) {
		t.Errorf("%s", got)
	}
	r.o.Live = func() *Live { return nil }
	if got, done := r.script(t, "show interfaces"); !done || got != rest+"eth1: link\n"+last {
		t.Errorf("of a box that does nothing: %s", got)
	}
	r.o.Trouble = func() string { return "capture span0: no device eth1" }
	if got, done := r.script(t, "show status"); done || !strings.Contains(got, "nothing runs at this moment: capture span0: no device eth1") {
		t.Errorf("%s", got)
	}
	if got := r.say(t, "\x1b[8;24;80texit\r"); !strings.Contains(got, "Nothing is captured: capture span0: no device eth1") {
		t.Errorf("%s", got)
	}
}

func TestMark(t *testing.T) {
	r := look(t, nil)
	var marks []string
	l := r.o.Live()
	l.Mark = func(text, by string) error { marks = append(marks, text+", "+by); return nil }
	if out, done := r.script(t, "mark the phone | rang\nmark\n"); done || out != "marked\nerror: want: mark TEXT\n" || len(marks) != 1 || marks[0] != "the phone | rang, session 1 (test)" {
		t.Errorf("%s%q", out, marks)
	}
}

func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := look(t, nil)
		l := r.o.Live()
		stats := l.Stages.Probe
		n := uint64(0)
		l.Stages.Probe = func() probe.Stats {
			st := stats()
			n += 10
			st.Inputs[0].Source.Received += n
			return st
		}
		const head = "FRAMES/s   DROPS  MBIT/s  SIP/s  RECORDS/s   CALLS  UPLINK       ON DISK      SPOOL  HEALTH\n"
		const line = "      10       0     0.0      0          0       0  down              7   16.0 KiB  degraded\n"
		if out, done := r.script(t, "monitor 2"); !done || out != head+line+line {
			t.Errorf("%s", out)
		}
		lit := "uplink slow (connecting)"
		l.LEDs = func() string { return lit }
		if out, done := r.script(t, "monitor 2"); !done || out != head+line+"  LEDs: "+lit+"\n"+line {
			t.Errorf("%s", out)
		}
		l.LEDs = nil
		if out, done := r.script(t, "monitor\nmonitor 0\nmonitor 1 2\n"); done || out != "error: say how many lines: monitor N\nerror: want: monitor [N]\nerror: want: monitor [N]\n" {
			t.Errorf("%s", out)
		}
		ctx, cancel := context.WithCancel(context.Background())
		y := r.sit(ctx)
		y.types("monitor\r")
		time.Sleep(3500 * time.Millisecond)
		if got := y.types("q"); strings.Count(got, strings.ReplaceAll(line, "\n", "\r\n")) != 3 || !strings.HasSuffix(got, "heptap> ") {
			t.Errorf("%q", got)
		}
		cancel()
		y.PipeReader.Close()
		synctest.Wait()
	})
}

func TestSpan(t *testing.T) {
	r := look(t, nil)
	l := r.o.Live()
	stats := l.Stages.Probe
	l.Stages.Probe = func() probe.Stats {
		st := stats()
		st.Ports = []probe.PortStats{{Name: "span0", Report: "port span0: link up\n"}}
		return st
	}
	if out, done := r.script(t, "test span"); !done || out != "port span0: link up\nspan0: nothing\nThere was not enough to judge by; ask again when there have been some calls.\n" {
		t.Error(out)
	}
}

// The oldest calls give way, and lists say how much more there is.
func TestManyCalls(t *testing.T) {
	s := newScene()
	s.store = recent.New(recent.Config{Bytes: 16 << 20})
	for i := range maxCalls + 10 {
		s.sip(alice, proxy, fmt.Sprintf("%d@a", i), "INVITE sip:b@example.com SIP/2.0", "1 INVITE")
	}
	out, done := look(t, s).script(t, "show calls last 2")
	if !done || !strings.HasSuffix(out, fmt.Sprintf("%d@a\nthe newest 2 of %d calls; last N shows more\n", maxCalls+9, maxCalls)) {
		t.Error(out)
	}
}

func TestParseQuery(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // the query as it was understood; empty: an error
	}{
		{"", "[] 20"},
		{"last 5", "[] 5"},
		{"where A eq b", "[[{a eq b}]] 20"},
		{"where a > 1 and b < 2 or c contains x last 7", "[[{a > 1} {b < 2}] [{c contains x}]] 7"},
		{"last 7 where a ne b", "[[{a ne b}]] 7"},
		{"where where eq and and or eq last", "[[{where eq and} {or eq last}]] 20"},
		{"where a eq", ""}, {"where", ""}, {"where a like b", ""}, {"where a eq b and", ""}, {"where a eq b c", ""}, {"where a eq b where c eq d", ""},
		{"last", ""}, {"last 0", ""}, {"last 1001", ""}, {"last x", ""}, {"x", ""},
		{"where a eq b" + strings.Repeat(" or a eq b", maxTerms-1), "16"},
		{"where a eq b" + strings.Repeat(" or a eq b", maxTerms), ""},
	} {
		q, err := parseQuery(strings.Fields(c.in))
		got := fmt.Sprint(q.where, " ", q.last)
		if (err != nil) != (c.want == "") || err == nil && c.want != "16" && got != c.want {
			t.Errorf("%q: %s, %v, want %s", c.in, got, err, c.want)
		}
	}
}

func TestNewest(t *testing.T) {
	for total := range 10 {
		n := newest[int]{most: 3}
		var want []int
		for i := range total {
			n.add(i)
			want = append(want, i)
		}
		if got := n.list(); !slices.Equal(got, want[max(0, total-3):]) {
			t.Errorf("of %d: %v", total, got)
		}
	}
}

func TestTail(t *testing.T) {
	var tail Tail
	fmt.Fprintln(&tail, "first")
	if got := tail.String(); got != "first\n" {
		t.Errorf("%q", got)
	}
	for i := range 10000 {
		fmt.Fprintf(&tail, "line %d\n", i)
	}
	fmt.Fprint(&tail, strings.Repeat("x", 100))
	got := tail.String()
	if len(got) > tailSize || !strings.HasPrefix(got, "line ") || !strings.HasSuffix(got, "line 9999\n"+strings.Repeat("x", 100)) {
		t.Errorf("%d octets, %q", len(got), got[:20])
	}
	fmt.Fprint(&tail, strings.Repeat("y", 2*tailSize))
	if got := tail.String(); got != "" { // no line is whole
		t.Errorf("%d octets", len(got))
	}
}

// FuzzQuery: whatever is asked for, what is listed fits, and both halves of a
// question together are the whole.
func FuzzQuery(f *testing.F) {
	f.Add("where type eq sip")
	f.Add("where latency_ms > 12 or nested.n eq 5 last 3")
	f.Add("where src contains 192.0.2 and status ne 200")
	f.Add("where \"\" eq \"\" and nested. < x")
	sc := twoCalls()
	f.Fuzz(func(t *testing.T, text string) {
		typed, err := split(text)
		if err != nil {
			return
		}
		queryHints(typed, commonFields)
		q, err := parseQuery(typed)
		if err != nil {
			return
		}
		if q.last < 1 || q.last > lastMost || len(q.where) > maxTerms {
			t.Fatalf("%+v", q)
		}
		sc.store.Each(func(r *record.Record) bool {
			fits := false
			for _, all := range q.where {
				every := true
				for _, c := range all {
					every = every && c.fits((&recordFields{r: r}).field(c.field))
					if c.op == "eq" || c.op == "ne" {
						other := c
						other.op = map[string]string{"eq": "ne", "ne": "eq"}[c.op]
						if v := (&recordFields{r: r}).field(c.field); c.fits(v) == other.fits(v) {
							t.Fatalf("%+v and its opposite", c)
						}
					}
				}
				fits = fits || every
			}
			if q.where != nil && fits != q.fits(&recordFields{r: r}) {
				t.Fatalf("%+v", q)
			}
			return true
		})
	})
}

func TestLadder(t *testing.T) {
	const want = `call one@a, from alice to bob, ended, 5.0 s
                           192.0.2.1               192.0.2.2               192.0.2.3               192.0.2.9
     1 12:00:00.000             |------- INVITE ------->|                       |                       |
     2 12:00:01.000             |<----- 100 Trying -----|                       |                       |
     3 12:00:02.000             |                       |............. GET /route?to=bob ..............>|
     4 12:00:03.000             |                       |<................ 200, 12.5 ms ................|
     5 12:00:04.000             |                       |------- INVITE ------->|                       |
     6 12:00:05.000             |                       |<---- 180 Ringing -----|                       |
     7 12:00:06.000             |                       |<------- 200 OK -------|                       |
     8 12:00:07.000             |<------- 200 OK -------|                       |                       |
     9 12:00:08.000             |                       | * call .[31mone@a answered                    |
    12 12:00:11.000             |-------- BYE --------->|                       |                       |
    13 12:00:12.000             |<------- 200 OK -------|                       |                       |
`
	r := look(t, twoCalls())
	if got, done := r.script(t, "show call one@a"); got != want || !done {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got, _ := r.script(t, "show call two@a"); !strings.HasPrefix(got, "call two@a, from alice to bob, failed 486\n") || strings.Count(got, "\n") != 4 {
		t.Error(got)
	}
	if got, done := r.script(t, "show call zzz\nfollow zzz\nshow call\nfollow\nfollow x y"); done || got != "error: no recent record names \"zzz\"\nerror: no recent record names \"zzz\"\n"+
		"error: want: show call ID\nerror: want: follow ID [N]\nerror: want: follow ID [N]\n" {
		t.Error(got)
	}
	if got, _ := r.script(t, "follow q1 0"); got != "3 12:00:02.000 rest 192.0.2.2:4000 > 192.0.2.9:80 [seen] event=GET /route?to=bob method=GET path=/route\n"+
		"4 12:00:03.000 rest 192.0.2.9:80 > 192.0.2.2:4000 [seen] event=GET /route?to=bob 200 status=200 latency_ms=12.5\n2 records\n" {
		t.Error(got)
	}
	if got, _ := r.script(t, "follow q1 1 | match via"); strings.Count(got, "via sip one@a]") != 9 {
		t.Error(got)
	}
	s := &session{c: r.Console, t: &terminal{width: 80}}
	if _, text := s.more("show call ", true); !strings.Contains(text, "one@a") || !strings.Contains(text, "from alice to bob, ended") {
		t.Error(text)
	}
}

// Legs, connections, reports and what was inferred; more hosts than there is room
// for; one address for all.
func TestLadderKinds(t *testing.T) {
	s := newScene()
	leg := record.Link{Type: record.SIP, How: record.Inferred, Score: 87, ID: []byte("b@x")}
	net := record.Link{Type: record.Net, How: record.Flow, ID: []byte("77")}
	s.add(record.Net, "[2001:db8::1]:6000", "[2001:db8::2]:5060", "77", `{"event":"TCP opened"}`)
	s.sip("[2001:db8::1]:6000", "[2001:db8::2]:5060", "a@x", "INVITE sip:b@x SIP/2.0", "1 INVITE", net, leg)
	s.sip("[2001:db8::2]:5060", "[2001:db8:ffff:ffff:ffff:ffff:ffff:3]:5060", "b@x", "INVITE sip:b@x SIP/2.0", "1 INVITE")
	s.add(record.RTPReport, "[2001:db8::2]:7000", "[2001:db8::1]:7000", "a@x", `{"TYPE":"PERIODIC","CODEC_NAME":"PCMA"}`)
	s.add(record.RTPReport, "[2001:db8::2]:7000", "[2001:db8::1]:7000", "a@x", `{"TYPE":"FINAL","CODEC_NAME":"PCMA","MEAN_MOS":4.3,"PACKET_LOSS_PERCENT":0.5}`)
	s.add(record.Log, "[2001:db8::2]:9", "[2001:db8::9]:2223", "a@x", `{"event":"NG offer","command":"offer"}`)
	s.add(record.RTCP, "[2001:db8::2]:7001", "[2001:db8::1]:7001", "a@x", `{}`)
	got, _ := look(t, s).script(t, "show call a@x")
	for _, want := range []string{"leg A a@x, from alice to bob, trying\nleg B b@x, from alice to bob, trying\n(3) 2001:db8:ffff:ffff:ffff:ffff:ffff:3\n", "|===== TCP opened =====>|", "|----- A: INVITE ------>|",
		"B: INVITE ?87 ", "<~ RTP PCMA MOS 4.3 ", ".. NG offer ..", "not drawn: 1 rtcp, 1 rtp; follow lists them\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	one := newScene()
	for i := range 12 {
		one.sip(fmt.Sprintf("127.0.0.1:%d", 5060+i), fmt.Sprintf("127.0.0.1:%d", 5061+i), "l@x", "INVITE sip:b@x SIP/2.0", "1 INVITE")
	}
	got, _ = look(t, one).script(t, "show call l@x")
	if !strings.Contains(got, "127.0.0.1:5061") || !strings.Contains(got, "127.0.0.1:5071 > 127.0.0.1:5072: INVITE") && !strings.Contains(got, "127.0.0.1:5060 > 127.0.0.1:5061: INVITE") {
		t.Error(got)
	}
	for line := range strings.Lines(got) {
		if len([]rune(line)) > batchWidth {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
}

// FuzzLadder: whatever records say, a ladder is printable and fits.
func FuzzLadder(f *testing.F) {
	f.Add(uint8(1), []byte("INVITE sip:b@x SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n"), uint8(80), "a")
	f.Add(uint8(88), []byte(`{"event":"GET /\u001b[2J","status":200,"latency_ms":1}`), uint8(20), "a\x1b")
	f.Add(uint8(34), []byte(`{"TYPE":"FINAL","MEAN_MOS":"x"}`), uint8(200), "\xff")
	f.Add(uint8('H'), []byte("0"), uint8(27), "0")
	f.Add(uint8(100), []byte(`{"text":"\n\n"}`), uint8(0), "")
	f.Fuzz(func(t *testing.T, typ uint8, payload []byte, width uint8, id string) {
		s := newScene()
		link := record.Link{Type: record.SIP, How: record.Inferred, Score: typ, ID: []byte(id)}
		s.sip(alice, proxy, id, "INVITE sip:bob@example.com SIP/2.0", "1 INVITE")
		s.add(record.Type(typ), proxy, "[2001:db8::1]:1", string(payload[:min(len(payload), 9)]), string(payload), link)
		s.add(record.Type(typ), api, api, id, string(payload), link)
		if id == "" {
			return
		}
		w := max(int(width), leastWidth, leastLadder)
		a := s.store.Follow(record.SIP, []byte(id), recent.Limits{Depth: 1, Records: maxFollowed})
		for line := range strings.Lines(drawLadder(&a, id, map[string]*call{}, int(width))) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.HasPrefix(line, "     ") && len([]rune(line)) > w {
				t.Fatalf("width %d: %q", w, line)
			}
		}
	})
}
