package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

// exchangeSwitch is a host that gets calls and asks others because of them, and what is seen of
// it, as frames. What belongs to what is known.
type exchangeSwitch struct {
	r      *rand.Rand
	at     netip.AddrPort
	web    netip.Addr // that it asks
	frames []capture.Frame
	loss   float64
	jitter int64
	pools  map[netip.AddrPort][]*pooled
	once   bool // a connection has one query
	port   uint16
	calls  int
	asked  int
	truth  map[string]string // Call-ID by number of query or Call-ID of a leg; empty: none
	named  map[string]string // likewise, of what has the Call-ID in it
}

// pooled is a connection of an HTTP client that keeps it.
type pooled struct {
	client, server netip.AddrPort
	seq, ack       uint32
	free           int64 // from when
}

const (
	msec = int64(time.Millisecond)
	sec  = int64(time.Second)
)

var switchSIP = netip.MustParseAddrPort("10.0.0.1:5060")

func newSwitch(seed uint64) *exchangeSwitch {
	return &exchangeSwitch{r: rand.New(rand.NewPCG(seed, 1)), loss: 0.01, jitter: msec, at: switchSIP, web: netip.MustParseAddr("10.9.0.1"),
		pools: map[netip.AddrPort][]*pooled{}, port: 20000, truth: map[string]string{}, named: map[string]string{}}
}

// show puts a frame on the wire, or loses it.
func (s *exchangeSwitch) show(at int64, data []byte) {
	if s.r.Float64() < s.loss {
		return
	}
	at += start.UnixNano() + s.r.Int64N(2*s.jitter+1)
	s.frames = append(s.frames, capture.Frame{Data: data, Length: len(data), Wall: at, Mono: at, Link: capture.LinkEthernet})
	if s.r.IntN(200) == 0 { // a mirrored copy
		at += s.r.Int64N(msec)
		s.frames = append(s.frames, capture.Frame{Data: data, Length: len(data), Wall: at, Mono: at, Link: capture.LinkEthernet})
	}
}

// ask shows a query over a connection of the pool, and its reply.
func (s *exchangeSwitch) ask(belongs string, server uint16, at, took int64, target, body string) {
	s.asked++
	s.truth[fmt.Sprint(s.asked)] = belongs
	s.exchange(server, at, took, target, "Content-Type: application/json\r\n", body)
}

// askNaming shows a query that names its call in a header field.
func (s *exchangeSwitch) askNaming(call string, server uint16, at, took int64, target string) {
	s.asked++
	s.named[fmt.Sprint(s.asked)] = call
	s.exchange(server, at, took, target, "X-Call-ID: "+call+"\r\n", "")
}

// exchange shows the request that was counted last, and its reply.
func (s *exchangeSwitch) exchange(server uint16, at, took int64, target, fields, body string) {
	p := s.connection(netip.AddrPortFrom(s.web, 8000+server), at)
	p.free = at + took + 4*msec // no request seems to come before the reply to the one before
	method := "GET"
	if body != "" {
		method = "POST"
	}
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: web\r\nX-Request-ID: %d\r\n%sContent-Length: %d\r\n\r\n%s", method, target, s.asked, fields, len(body), body)
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"route\":\"A1\"}")
	s.show(at, p.segment(0, capture.FlagACK|capture.FlagPSH, request))
	s.show(at+took, p.segment(1, capture.FlagACK|capture.FlagPSH, reply))
	if s.once {
		clear(s.pools)
		s.show(at+took+msec, p.segment(1, capture.FlagACK|capture.FlagFIN, nil))
		s.show(at+took+2*msec, p.segment(0, capture.FlagACK|capture.FlagFIN, nil))
	}
}

func (s *exchangeSwitch) connection(web netip.AddrPort, at int64) *pooled {
	for _, p := range s.pools[web] {
		if p.free < at {
			return p
		}
	}
	s.port++
	p := &pooled{client: netip.AddrPortFrom(s.at.Addr(), s.port), server: web, seq: 1000, ack: 5000}
	s.pools[web] = append(s.pools[web], p)
	s.show(at-3*msec, p.segment(0, capture.FlagSYN, nil))
	s.show(at-2*msec, p.segment(1, capture.FlagSYN|capture.FlagACK, nil))
	return p
}

// segment is one of a direction, which it moves on.
func (p *pooled) segment(dir int, flags uint8, b []byte) []byte {
	from, to, seq, ack := p.client, p.server, &p.seq, &p.ack
	if dir == 1 {
		from, to, seq, ack = p.server, p.client, &p.ack, &p.seq
	}
	t := capture.TCP{Seq: *seq, Ack: *ack, Flags: flags, Window: 65535}
	if *seq += uint32(len(b)); flags&(capture.FlagSYN|capture.FlagFIN) != 0 {
		*seq++
	}
	return capturetest.TCP(from, to, t, b)
}

// sip shows messages of a call, one at each of the times.
func (s *exchangeSwitch) sip(ds []capturetest.Datagram, times ...int64) {
	for i, at := range times {
		s.show(at, capturetest.UDP(ds[i].Src, ds[i].Dst, ds[i].Payload))
	}
}

func (s *exchangeSwitch) between(lo, hi int64) int64 { return lo + s.r.Int64N(hi-lo+1) }

func (s *exchangeSwitch) took() int64 {
	return 3*msec + min(int64(s.r.ExpFloat64()*float64(15*msec)), 250*msec)
}

// call shows one, with its queries and, of every other one, the leg that leaves the switch. Every tenth
// has a query more, which names it.
func (s *exchangeSwitch) call(at int64, called, caller string) {
	s.calls++
	id := fmt.Sprintf("call-%d@phones.example", s.calls)
	if s.calls%20 == 0 { // as many phones make them
		id = fmt.Sprintf("%08x-1dd2-11b2-a105-0123456789ab", s.calls)
	}
	phone := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(s.calls >> 8), byte(s.calls)}), 5060)
	media := netip.AddrPortFrom(phone.Addr(), 6000)
	ds := capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: switchSIP, CallerMedia: media, CalleeMedia: netip.AddrPortFrom(switchSIP.Addr(), 7000),
		CallID: id, From: caller, To: called})
	s.sip(ds[:2], at, at+msec/2)
	t := at + s.between(msec, 5*msec)
	n := s.took()
	s.ask(id, 1, t, n, "/route?to="+strings.TrimPrefix(called, "+"), "")
	t += n + s.between(msec/2, 3*msec)
	if s.r.IntN(2) == 0 {
		n = s.took()
		s.ask(id, 2, t, n, "/cnam/0"+caller[3:], "")
		t += n + s.between(msec/2, 3*msec)
	}
	n = s.took()
	s.ask(id, 1, t, n, "/credit", fmt.Sprintf(`{"from":"%s","to":"%s"}`, caller, called))
	t += n + s.between(msec/2, 3*msec)
	if s.calls%10 == 0 {
		s.askNaming(id, 5, t, s.took(), "/cdr/open?to="+caller[1:])
	}
	if s.r.IntN(2) == 0 {
		s.leg(id, t, called, caller, s.calls%10 == 1)
		t += 20 * msec
	}
	s.sip(ds[2:], t, t+s.between(500*msec, 5*sec), t+6*sec, t+9*sec, t+9*sec+10*msec)
}

// leg shows a call that the switch makes because of another, which it names or not.
func (s *exchangeSwitch) leg(of string, at int64, called, caller string, names bool) {
	gateway := netip.MustParseAddrPort("10.2.0.1:5060")
	id := "out-" + of
	ds := capturetest.SIPCall(capturetest.Call{Caller: s.at, Callee: gateway, CallerMedia: netip.AddrPortFrom(s.at.Addr(), 7002), CalleeMedia: netip.AddrPortFrom(gateway.Addr(), 8000),
		CallID: id, From: caller, To: called})
	fields := "Max-Forwards: 69"
	if names {
		fields += "\r\nX-CID: " + of
		s.named[id] = of
	} else {
		s.truth[id] = of
	}
	ds[0].Payload = bytes.Replace(ds[0].Payload, []byte("Max-Forwards: 70"), []byte(fields), 1)
	s.sip(ds, at, at+2*msec, at+10*msec, at+2*sec, at+6*sec, at+8*sec, at+8*sec+5*msec)
}

// every calls f at random times, so many in a second.
func (s *exchangeSwitch) every(perSecond float64, seconds int64, f func(at int64)) {
	for at := int64(0); ; {
		if at += int64(s.r.ExpFloat64() * float64(sec) / perSecond); at > seconds*sec {
			return
		}
		f(at + sec)
	}
}

// busySwitch is the first workload of capture/infer, as frames: 20 calls and 100 queries a second over pooled
// connections times so much, half of the queries for calls, and the other half alike. The numbers are few.
func busySwitch(seed uint64, times float64, seconds int64) *exchangeSwitch {
	s := newSwitch(seed)
	numbers := int(400 * times)
	number := func() string { return fmt.Sprintf("+4930%07d", 1000000+s.r.IntN(numbers)*1999) }
	busy := number()
	// That the switch is one shows before anything else.
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("10.1.0.0:5060"), Callee: switchSIP, CallID: "first@phones.example"}) {
		s.show(0, capturetest.UDP(d.Src, d.Dst, d.Payload))
	}
	type event struct {
		at int64
		do func()
	}
	var all []event
	add := func(perSecond float64, f func(at int64)) {
		s.every(perSecond*times, seconds, func(at int64) { all = append(all, event{at, func() { f(at) }}) })
	}
	add(20, func(at int64) {
		to := number()
		if s.r.IntN(10) == 0 {
			to = busy
		}
		s.call(at, to, number())
	})
	add(10, func(at int64) { s.ask("", 1, at, s.took(), "/route?to="+number()[1:], "") })
	add(5, func(at int64) { s.ask("", 2, at, s.took(), "/cnam/0"+number()[3:], "") })
	add(5, func(at int64) {
		s.ask("", 1, at, s.took(), "/credit", fmt.Sprintf(`{"from":"%s","to":"%s"}`, number(), number()))
	})
	add(20, func(at int64) { s.ask("", 3, at, s.took(), "/contacts/"+number()[1:], "") })
	add(10, func(at int64) { s.ask("", 4, at, s.took(), "/session/renew", `{"ttl":3600}`) })
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, e := range all {
		e.do()
	}
	slices.SortStableFunc(s.frames, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
	return s
}

// linksFound are those that the pipeline made of frames: by number of query or line, or Call-ID of a leg.
type linksFound struct {
	inferred, named map[string]string
	records         map[string]bool // what there are records of
}

// numbered are how queries and lines of the workloads say which they are.
var numbered = regexp.MustCompile(`"x-request-id":"(\d+)"|"name":"([\d.]+)\.e164\.arpa"|line (\d+):`)

// pipelineLinks runs frames through the pipeline as it is by default.
func pipelineLinks(t *testing.T, frames []capture.Frame) linksFound {
	t.Helper()
	cfg := config.Default()
	cfg.Media.Streams, cfg.Records.RESTHeaders = 1024, "X-Request-ID"
	c := probe.Config{Replay: true, Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Correlate: correlateConfig(cfg, 1), Beyond: beyondConfig(cfg),
		Inputs: []probe.Input{{Name: "mirror", Source: capturetest.NewFakeSource(frames)}}}
	found := linksFound{map[string]string{}, map[string]string{}, map[string]bool{}}
	number := map[string]string{} // by primary id
	var r record.Record
	c.Deliver = func(b []byte) error {
		record.Seal(b, 1, 0, [16]byte{})
		if err := record.Parse(b, &r); err != nil {
			return err
		}
		id := string(r.Primary)
		switch r.Type {
		case record.SIP:
			if !bytes.HasPrefix(r.Payload, []byte("INVITE")) {
				return nil
			}
		case record.REST, record.DNS, record.Log:
			m := numbered.FindSubmatch(r.Payload)
			if m == nil && number[id] == "" {
				return nil
			}
			if m != nil {
				number[id] = string(slices.Concat(m[1:]...))
			}
			id = number[id]
		case record.Control:
			if n := number[id]; n != "" {
				id = n
			}
			if _, ok := found.inferred[id]; ok {
				t.Errorf("%s is linked twice", id)
			}
			found.inferred[id] = string(r.Links[0].ID)
			return nil
		default:
			return nil
		}
		found.records[id] = true
		for _, l := range r.Links {
			if have, ok := found.named[id]; l.Type == record.SIP && l.How == record.Seen && (!ok || have == string(l.ID)) {
				found.named[id] = string(l.ID)
			} else if l.Type == record.SIP && l.How == record.Seen {
				t.Errorf("%s is linked to %s and to %s", id, have, l.ID)
			}
		}
		return nil
	}
	if err := probe.New(c).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return found
}

// found says how many links belong there, are there, and are right.
type found struct{ belong, linked, right int }

func (n found) precision() float64 { return float64(n.right) / float64(max(n.linked, 1)) }
func (n found) recall() float64    { return float64(n.right) / float64(max(n.belong, 1)) }

func (n found) String() string {
	return fmt.Sprintf("%d belong to calls, %d linked, precision %.2f %%, recall %.2f %%", n.belong, n.linked, 100*n.precision(), 100*n.recall())
}

// add counts the links that are there against those that should be, of what there are records of.
func (n *found) add(truth, links map[string]string, records map[string]bool, of func(id string) bool) (known int) {
	for id, call := range truth {
		if !records[id] || !of(id) {
			continue
		}
		known++
		if call != "" {
			n.belong++
		}
		if have, ok := links[id]; ok {
			n.linked++
			if have == call {
				n.right++
			}
		}
	}
	return known
}

func isLeg(id string) bool   { return strings.HasPrefix(id, "out-") }
func isQuery(id string) bool { return !isLeg(id) }

// compare counts the inferred links of queries and of legs.
func (s *exchangeSwitch) compare(got linksFound) (of [2]found, known int) {
	known = of[0].add(s.truth, got.inferred, got.records, isQuery)
	return of, known + of[1].add(s.truth, got.inferred, got.records, isLeg)
}

// checkNamed asserts that what has a Call-ID in it is linked to this call, and nothing else to any.
func (s *exchangeSwitch) checkNamed(t *testing.T, got linksFound) {
	t.Helper()
	var n found
	n.add(s.named, got.named, got.records, func(string) bool { return true })
	t.Logf("seen: %v", n)
	if n.belong < 100 || n.linked != n.belong || n.right != n.belong {
		t.Errorf("seen: %v", n)
	}
	for id, call := range got.named {
		if _, ok := s.named[id]; !ok {
			t.Errorf("%s names no call, and has a link to %s", id, call)
		}
	}
}

// TestInferredThroughThePipeline measures how many of the links are right, and how many of
// the true ones are found, from frames with 1 % lost, 1 ms of jitter and some mirrored twice. The first
// and the last workload have 200 calls a second.
func TestInferredThroughThePipeline(t *testing.T) {
	for _, tt := range []struct {
		name          string
		build         func(seed uint64, seconds int64) *exchangeSwitch
		seconds       int64
		perSecond     int     // queries and legs, at least
		queries, legs float64 // least recall
	}{
		{"1,000 queries a second", func(seed uint64, seconds int64) *exchangeSwitch { return busySwitch(seed, 10, seconds) }, 60, 1050, 0.9, 0.95},
		{"100 queries a second", func(seed uint64, seconds int64) *exchangeSwitch { return busySwitch(seed, 1, seconds) }, 90, 105, 0.9, 0.95},
		{"other shapes", otherShapes, 60, 530, 0.9, 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if testing.Short() || raceDetector {
				tt.seconds /= 2
			}
			s := tt.build(1, tt.seconds)
			got := pipelineLinks(t, s.frames)
			of, known := s.compare(got)
			if shown := len(s.truth); known < shown*97/100 || shown < tt.perSecond*int(tt.seconds) {
				t.Errorf("%d of %d queries and legs have records", known, shown)
			}
			for i, least := range []float64{tt.queries, tt.legs} {
				what := []string{"queries", "legs"}[i]
				t.Logf("%s: %v", what, of[i])
				if of[i].precision() < 0.99 || of[i].recall() < least {
					t.Errorf("%s: %v", what, of[i])
				}
			}
			s.checkNamed(t, got)
		})
	}
}

// disturbed are frames as a bad mirror delivers them: each at most so much later or earlier, a share
// of them missing, a share of them twice, the copy up to 100 ms later. They come in the order of their new times.
func disturbed(r *rand.Rand, frames []capture.Frame, by int64, lost, twice float64) (out []capture.Frame) {
	for _, f := range frames {
		if r.Float64() < lost {
			continue
		}
		shift := r.Int64N(2*by+1) - by
		f.Wall, f.Mono = f.Wall+shift, f.Mono+shift
		out = append(out, f)
		if r.Float64() < twice {
			shift = r.Int64N(100 * msec)
			f.Wall, f.Mono = f.Wall+shift, f.Mono+shift
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
	return out
}

// TestInferredFromABadMirror asserts that late, missing, repeated and reordered frames cost links and make
// hardly a wrong one: at the worst, 100 ms out of order with 5 % missing, 98 of 100 queries' links are right.
func TestInferredFromABadMirror(t *testing.T) {
	for _, tt := range []struct {
		name        string
		by          int64
		lost, twice float64
		records     int // at least, of a hundred queries and legs
	}{
		{"twice", 0, 0, 1, 98},
		{"5 % missing", 0, 0.05, 0, 80},
		{"within 5 ms", 5 * msec, 0, 0, 98},
		{"within 100 ms", 50 * msec, 0, 0, 98},
		{"all of it", 50 * msec, 0.05, 1, 92},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := busySwitch(9, 1, 40)
			of, known := s.compare(pipelineLinks(t, disturbed(rand.New(rand.NewPCG(5, 6)), s.frames, tt.by, tt.lost, tt.twice)))
			t.Logf("%d of %d have records; queries: %v; legs: %v", known, len(s.truth), of[0], of[1])
			all := found{of[0].belong + of[1].belong, of[0].linked + of[1].linked, of[0].right + of[1].right}
			if all.precision() < 0.99 || of[0].precision() < 0.98 || all.linked < 100 || known < len(s.truth)*tt.records/100 {
				t.Errorf("%d of %d have records, %v", known, len(s.truth), all)
			}
		})
	}
}

var restID = regexp.MustCompile(`rest-[0-9a-z]+-[0-9a-z]+`)

// linkScene is one call with a query and a leg, which are linked to it by what is in them.
func linkScene() []capture.Frame {
	s := newSwitch(1)
	s.loss, s.jitter = 0, 0
	for i, d := range capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("10.1.0.0:5060"), Callee: switchSIP, CallID: "first@phones.example"}) {
		s.show(int64(i)*msec, capturetest.UDP(d.Src, d.Dst, d.Payload))
	}
	const called, caller = "+493012345678", "+494087654321"
	phone := netip.MustParseAddrPort("10.1.0.1:5060")
	ds := capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: switchSIP, CallID: "a@phones.example", From: caller, To: called})
	s.sip(ds[:2], sec, sec+msec)
	s.ask("a@phones.example", 1, sec+5*msec, 4*msec, "/credit", `{"from":"`+caller+`","to":"`+called+`"}`)
	s.leg("a@phones.example", sec+12*msec, called, caller, false)
	s.sip(ds[2:], sec+40*msec, 2*sec, 2*sec+msec)
	slices.SortStableFunc(s.frames, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
	return s.frames
}

// TestReplayLinks replays one call with a query and a leg: a link's record has both ids in
// chunk 101, and there is none when only ids that were seen count.
func TestReplayLinks(t *testing.T) {
	file := writeCapture(t, "links.pcap", linkScene())
	for _, tt := range []struct {
		name, lines string
		want        []string
	}{
		{"default", "", []string{
			`96 out-a@phones.example {"sip":["a@phones.example","out-a@phones.example"]}`, `96 rest {"sip":"a@phones.example","rest":"rest"}`}},
		{"seen", "set records links seen\n", nil},
		{"homer7", "set collector c address 127.0.0.1:9060\nset collector c profile homer7\n", []string{
			`100 out-a@phones.example {"sip":["a@phones.example","out-a@phones.example"]}`, `100 control@vm {"sip":"a@phones.example","rest":"rest"}`}},
		{"homer7 with inferred links", "set collector c address 127.0.0.1:9060\nset collector c profile homer7\nset collector c inferred-links on\n", []string{
			`100 a@phones.example {"sip":["a@phones.example","out-a@phones.example"]}`, `100 out-a@phones.example {"sip":["a@phones.example","out-a@phones.example"]}`,
			`100 a@phones.example {"sip":"a@phones.example","rest":"rest"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := heptap(t, nil, "replay", "-o", "-", "-config", write(t, "c.conf", "set system node vm\n"+tt.lines), file).want(t, 0)
			var got []string
			for line := range strings.Lines(heptap(t, []byte(out.stdout), "decode", "-").want(t, 0).stdout) {
				var p struct {
					Type             int
					Primary, Payload string
					Extra            json.RawMessage
				}
				if err := json.Unmarshal([]byte(line), &p); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if strings.Contains(p.Payload, `"event":"link"`) {
					got = append(got, restID.ReplaceAllString(fmt.Sprintf("%d %s %s", p.Type, p.Primary, p.Extra), "rest"))
				}
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
