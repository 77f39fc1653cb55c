package console

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
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
		Stages: &metrics.Sources{Version: "1.2.3", Budget: 100 << 20, Health: h.Snapshot, Hidden: func() string { return "span0: nothing\n" },
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
		{"show status", "health         degraded: uplink/c: connection refused\nprobe          box, version 1.2.3, capturing for 0s\nport span0     up (eth1): 12 frames, 2 dropped by the kernel\n" +
			"calls          0 now, 0 since the capture began, 0 answered; 0 SIP messages\nrecords        sip 3, log 1\nuplink c       down, 2 records confirmed, 0 waiting on disk: connection refused\n" +
			"spool          16.0 KiB of 1.0 GiB in use\n! uplink/c, degraded for 0s: connection refused\n"},
		{"show uplink", "c: down, 2 records confirmed, 0 waiting on disk: connection refused\n  9 made + 0 carried in =\n             2 confirmed\n             7 on disk\n" +
			"  sent once more 0, barriers 0, not answered 0, connections 0 of which broke 0\n"},
		{"show messages | match hello | count", "1 lines\n"},
		{"show clock | match UTC | count", "2 lines\n"},
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
