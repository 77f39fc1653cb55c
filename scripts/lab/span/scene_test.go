package span_test

import (
	"bytes"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/relay"
	"heptap/scripts/lab/sipp"
	"heptap/scripts/lab/traffic"
	"heptap/scripts/lab/wire"
)

const mediaFrom = 20000

// scene is a site with a probe and a witness at its mirror port.
type scene struct {
	*lab.Site
	box     *box.Box
	witness *wire.Witness
}

// newScene builds a site. prepare, which may be nil, changes it before the
// probe starts, which is configured by lines too.
func newScene(t *testing.T, cfg lab.SiteConfig, prepare func(*lab.Site), lines ...string) *scene {
	t.Helper()
	for _, program := range []string{"tcpdump", "tshark"} {
		_, err := exec.LookPath(program)
		need(t, err)
	}
	site, err := lab.OpenSite(cfg)
	need(t, err)
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	if prepare != nil {
		prepare(site)
	}
	s := &scene{Site: site}
	if s.witness, err = wire.WatchAll(within(t, 30*time.Second), site, site.Probe, "span0"); err != nil {
		t.Fatal(err)
	}
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	s.box, err = box.Start(within(t, 30*time.Second), site, box.Config{Binary: binary, Lines: append([]string{
		"set capture span0 interface span0", "set system board generic"}, lines...)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a program on a host.
func run(t *testing.T, s *lab.Site, h *lab.Host, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := h.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := s.Start(cmd)
	if err == nil {
		err = p.Wait(within(t, 20*time.Second))
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &said)
	}
}

// calls has the generator make n calls between two addresses of the phones.
func (s *scene) calls(t *testing.T, n int, a, b netip.Addr) traffic.Report {
	t.Helper()
	r, err := traffic.Run(within(t, 30*time.Second), traffic.Config{
		Caller: traffic.Side{Space: s.A, Addr: a}, Callee: traffic.Side{Space: s.B, Addr: b},
		Calls: n, Spread: 500 * time.Millisecond, Talk: time.Second, RTCPInterval: 400 * time.Millisecond,
		Twice: 3, FirstPort: mediaFrom, Seed: 77,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failed {
		t.Errorf("call failed: %s", f)
	}
	s.sound(t)
	return r
}

// sipp has two sipps make calls over TCP, and returns what they sent.
func (s *scene) sipp(t *testing.T, cfg sipp.Config) []box.Message {
	t.Helper()
	_, err := exec.LookPath("sipp")
	need(t, err)
	cfg.FirstPort = mediaFrom
	r, err := sipp.Start(s.Site, cfg)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Wait(within(t, 60*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if res.Successful != cfg.Calls || res.Failed != 0 {
		t.Errorf("sipp: %+v, want %d calls", res, cfg.Calls)
	}
	all, err := r.Received()
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	return all
}

// sound checks what must hold whatever the relays do.
func (s *scene) sound(t *testing.T) {
	t.Helper()
	for _, r := range []*relay.Relay{s.RelayA, s.RelayB} {
		for _, d := range []relay.Direction{r.Stats().Up, r.Stats().Down} {
			if d.Overruns != 0 || d.Refused != 0 {
				t.Errorf("relay: %d overruns, %d refused: this machine is too slow for the test", d.Overruns, d.Refused)
			}
		}
	}
	if s.Span == nil {
		return
	}
	if st := s.Span.Stats(); st.Overruns != 0 || st.Refused != 0 || st.FramesIn == 0 {
		t.Errorf("relay at the mirror: %+v", st)
	}
}

// seen ends the witness and returns the SIP that tshark finds.
func (s *scene) seen(t *testing.T, args ...string) []box.Message {
	t.Helper()
	all, err := s.witness.Stop(within(t, 30*time.Second), args...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// count returns how many frames on the mirror port a filter of tshark's lets
// through; the witness has ended.
func (s *scene) count(t *testing.T, filter string, args ...string) int {
	t.Helper()
	n, err := wire.Count(within(t, 30*time.Second), s.witness.File(), filter, args...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settle waits until the probe has reported on all calls and streams.
func (s *scene) settle(t *testing.T, streams int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		m := s.metrics(t)
		reports, calls := m.Sum("heptap_rtp_reports_total", `kind="final"`), m.Sum("heptap_calls")
		if reports >= float64(streams) && calls == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%v final reports, want %d; %v calls still followed", reports, streams, calls)
			return
		}
		time.Sleep(100 * time.Millisecond) // nothing tells when it is so
	}
}

func (s *scene) metrics(t *testing.T) box.Metrics {
	t.Helper()
	m, err := s.box.Metrics(within(t, 20*time.Second))
	if err != nil {
		select { // if it has ended, its last words are what we want
		case <-s.box.Probe().Done():
		case <-time.After(time.Second):
		}
		t.Fatalf("%v\n%s", err, s.box.Log())
	}
	return m
}

// finish waits until everything is delivered, ends the probe, and returns what
// the collector has.
func (s *scene) finish(t *testing.T) ([]box.Record, box.Metrics) {
	t.Helper()
	if err := s.box.Settled(within(t, 20*time.Second)); err != nil {
		t.Error(err)
	}
	m := s.metrics(t)
	for _, name := range []string{"heptap_frames_kernel_drops_total", "heptap_queue_drops_total", "heptap_stream_drops_total", "heptap_merge_late_total"} {
		if n := m.Sum(name); n != 0 {
			t.Errorf("%s: %v", name, n)
		}
	}
	records, err := s.box.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return records, m
}

// same compares lists of messages: each must come as often as in want.
func same(t *testing.T, who string, want, got []box.Message) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: no messages to compare with", who)
	}
	if d := box.Compare(want, got); len(d.Missing)+len(d.Extra)+len(d.Again) != 0 {
		t.Errorf("%s: %d messages, want %d\nmissing %v\ntoo many %v\nunknown %v", who, len(got), len(want), d.Missing, d.Again, d.Extra)
	}
}

// delivered returns the SIP messages of the collector, whose primary ids must
// be their Call-IDs.
func delivered(t *testing.T, records []box.Record) []box.Message {
	t.Helper()
	for i := range records {
		if r := &records[i]; r.Type == box.TypeSIP {
			if m, err := r.Message(); err != nil || r.Primary != m.CallID {
				t.Errorf("record %d: primary %q, Call-ID %q, %v", i, r.Primary, m.CallID, err)
			}
		}
	}
	all, err := box.Messages(records)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sent returns the messages of the generator.
func sent(r traffic.Report) (all []box.Message) {
	for _, m := range r.Messages {
		all = append(all, box.Message{CallID: m.CallID, CSeq: m.CSeq, What: m.What, Src: m.Src.String()})
	}
	return all
}

// portless returns messages without the port of their sender, which sipp does
// not tell.
func portless(all []box.Message) []box.Message {
	all = slices.Clone(all)
	for i := range all {
		all[i].Src, _, _ = strings.Cut(all[i].Src, ":")
	}
	return all
}

// stream is a stream of RTP as it was on the mirror.
type stream struct {
	src, dst      netip.AddrPort
	callID        string // "" where nobody tells
	packets, lost uint64
}

// generated are the streams of the generator, none of which lost anything.
func generated(r traffic.Report) (all []stream) {
	for _, st := range r.Streams {
		all = append(all, stream{src: st.Src, dst: st.Dst, callID: st.CallID, packets: st.Sent})
	}
	return all
}

// relayed are the streams that the phones sent through their relays.
func relayed(s *lab.Site) (all []stream) {
	for _, r := range []*relay.Relay{s.RelayA, s.RelayB} {
		for _, st := range r.Stats().Up.Streams {
			all = append(all, stream{src: st.Src, dst: st.Dst, packets: st.Delivered, lost: st.LostInner})
		}
	}
	return all
}

// checkReports compares the last report on each stream with what was on the
// mirror. It must belong to a call of which there is SIP.
func checkReports(t *testing.T, want []stream, records []box.Record) {
	t.Helper()
	calls, finals := map[string]bool{}, map[string][]box.Report{}
	for i := range records {
		switch records[i].Type {
		case box.TypeSIP:
			calls[records[i].Primary] = true
		case box.TypeReport:
			r, err := records[i].Report()
			if err != nil {
				t.Fatal(err)
			}
			if r.Type == "FINAL" {
				finals[records[i].Src+" "+records[i].Dst] = append(finals[records[i].Src+" "+records[i].Dst], r)
			}
		}
	}
	if len(finals) != len(want) || len(want) == 0 {
		t.Errorf("final reports on %d streams, want %d", len(finals), len(want))
	}
	for _, st := range want {
		f := finals[st.src.String()+" "+st.dst.String()]
		if len(f) != 1 {
			t.Errorf("%v to %v: %d final reports", st.src, st.dst, len(f))
			continue
		}
		if r := f[0]; r.Packets != st.packets || r.Lost != st.lost || !calls[r.CallID] || st.callID != "" && r.CallID != st.callID {
			t.Errorf("%+v: reported %+v", st, r)
		}
	}
}
