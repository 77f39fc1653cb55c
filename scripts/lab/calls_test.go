package lab_test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/traffic"
)

func built(t testing.TB) string {
	t.Helper()
	path, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func startBox(t testing.TB, s *lab.Site, lines ...string) *box.Box {
	t.Helper()
	b, err := box.Start(within(t, 60*time.Second), s, box.Config{Binary: built(t), Lines: append(lines, "set system board generic")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// finish waits until the probe has reported on all calls and delivered
// everything, and returns what the collector has.
func finish(t testing.TB, b *box.Box, streams int) ([]box.Record, box.Metrics) {
	t.Helper()
	ctx := within(t, 60*time.Second)
	for {
		m, err := b.Metrics(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Log())
		}
		if m.Sum("heptap_rtp_reports_total", `kind="final"`) >= float64(streams) && m.Sum("heptap_calls") == 0 {
			break
		}
		select {
		case <-ctx.Done():
			t.Errorf("%v final reports, %v calls still followed", m.Sum("heptap_rtp_reports_total", `kind="final"`), m.Sum("heptap_calls"))
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	if err := b.Settled(within(t, 30*time.Second)); err != nil {
		t.Error(err)
	}
	m, err := b.Metrics(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"heptap_frames_kernel_drops_total", "heptap_queue_drops_total", "heptap_merge_late_total"} {
		if n := m.Sum(name); n != 0 {
			t.Errorf("%s: %v", name, n)
		}
	}
	records, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return records, m
}

// checkSIP compares the SIP records with what was sent, message by message
// and octet by octet.
func checkSIP(t *testing.T, sent []traffic.Message, records []box.Record) {
	t.Helper()
	var want []box.Message
	texts := map[string]int{}
	for _, m := range sent {
		want = append(want, box.Message{CallID: m.CallID, CSeq: m.CSeq, What: m.What, Src: m.Src.String()})
		texts[m.Src.String()+m.Text]++
	}
	got, err := box.Messages(records)
	if err != nil {
		t.Fatal(err)
	}
	d := box.Compare(want, got)
	if len(d.Missing)+len(d.Extra)+len(d.Again) != 0 {
		t.Errorf("SIP: %d sent, %d delivered; missing %v, too many %v, unknown %v", len(want), len(got), d.Missing, d.Again, d.Extra)
	}
	for i, r := range records {
		if r.Type != box.TypeSIP {
			continue
		}
		texts[r.Src+r.Payload]--
		if m, err := r.Message(); err != nil || r.Primary != m.CallID {
			t.Errorf("record %d: primary %q, Call-ID %q, %v", i, r.Primary, m.CallID, err)
		}
	}
	for text, n := range texts {
		if n != 0 {
			t.Errorf("%d times more sent than delivered: %q", n, text)
		}
	}
}

// checkReports compares each stream's last report with what the relay did.
func checkReports(t *testing.T, s *lab.Site, sent []traffic.Stream, records []box.Record) {
	t.Helper()
	relayed := upward(s)
	finals := map[string][]box.Report{}
	for i := range records {
		if records[i].Type != box.TypeReport {
			continue
		}
		r, err := records[i].Report()
		if err != nil {
			t.Fatal(err)
		}
		if records[i].Primary != r.CallID {
			t.Errorf("report with primary %q and id %q", records[i].Primary, r.CallID)
		}
		if r.Type == "FINAL" {
			finals[r.SSRC] = append(finals[r.SSRC], r)
		}
	}
	for _, st := range sent {
		key := fmt.Sprintf("0x%08x", st.SSRC)
		did := relayed[st.SSRC]
		if len(finals[key]) != 1 {
			t.Errorf("%s: %d final reports", key, len(finals[key]))
			continue
		}
		r := finals[key][0]
		got := []uint64{r.Lost, r.Twice(), r.Reordered, r.Delivered()}
		want := []uint64{did.LostInner, did.Duplicated, did.Reordered, did.Delivered}
		if !slices.Equal(got, want) {
			t.Errorf("%s: lost, duplicated, reordered, packets: %v, the relay says %v: %+v", key, got, want, did)
		}
		if r.CallID != st.CallID || r.SrcIP != st.Src.Addr().String() || r.SrcPort != st.Src.Port() ||
			r.DstIP != st.Dst.Addr().String() || r.DstPort != st.Dst.Port() {
			t.Errorf("%s: %+v, want %+v", key, r, st)
		}
		if src, err := net.ParseMAC(r.SrcMAC); err != nil || r.DstMAC == r.SrcMAC || len(src) != 6 {
			t.Errorf("%s: from station %q to %q: %v", key, r.SrcMAC, r.DstMAC, err)
		}
		if !strings.EqualFold(r.Codec, st.Codec) || r.MOS < 1 || r.MOS > 4.5 {
			t.Errorf("%s: codec %s, MOS %v, want %s", key, r.Codec, r.MOS, st.Codec)
		}
	}
	if len(finals) != len(sent) {
		t.Errorf("final reports for %d streams, want %d", len(finals), len(sent))
	}
}

// checkCounts compares the probe's own counts with what was sent.
func checkCounts(t *testing.T, s *lab.Site, r traffic.Report, m box.Metrics) {
	t.Helper()
	var rtp, rtcp uint64
	for _, st := range upward(s) {
		rtp += st.Delivered
	}
	for _, st := range r.Streams {
		rtcp += st.Control
	}
	for name, want := range map[string]uint64{
		"heptap_sip_messages_total": uint64(len(r.Messages)), "heptap_rtp_packets_total": rtp, "heptap_rtcp_packets_total": rtcp,
	} {
		if got := m.Sum(name); got != float64(want) {
			t.Errorf("%s: %v, want %d", name, got, want)
		}
	}
	received, kept := m.Sum("heptap_frames_received_total"), m.Sum("heptap_frames_decoded_total")+m.Sum("heptap_frames_dropped_total")
	if received != kept || received == 0 {
		t.Errorf("%v frames received, %v decoded or dropped", received, kept)
	}
}

// checkRTCP compares the RTCP records, one for each sender report, with what
// was sent, call by call.
func checkRTCP(t *testing.T, sent []traffic.Stream, records []box.Record) {
	t.Helper()
	left := map[string]int{}
	for _, st := range sent {
		left[st.CallID] += int(st.Reports)
	}
	for _, r := range records {
		if r.Type == box.TypeRTCP {
			left[r.Primary]--
		}
	}
	for id, n := range left {
		if n != 0 {
			t.Errorf("RTCP of %s: %d more sent than delivered", id, n)
		}
	}
}

// TestCallsThroughTheProbe is the main job: 50 calls over a bad network.
func TestCallsThroughTheProbe(t *testing.T) {
	s := newSite(t, badSite(11, false))
	b := startBox(t, s, "set capture span0 interface span0", "set media report-interval 5s")
	r, err := traffic.Run(within(t, 60*time.Second), calls(s, 50, 3*time.Second, 6*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s, r)
	if len(r.Messages) < 50*7 || len(r.Streams) != 100 {
		t.Fatalf("%d messages and %d streams sent", len(r.Messages), len(r.Streams))
	}
	records, m := finish(t, b, len(r.Streams))
	checkSIP(t, r.Messages, records)
	checkReports(t, s, r.Streams, records)
	checkRTCP(t, r.Streams, records)
	checkCounts(t, s, r, m)
	for i, rec := range records {
		if rec.Agent != 2001 || rec.Node != "lab" {
			t.Fatalf("record %d: agent %d, node %q", i, rec.Agent, rec.Node)
		}
	}
}

// TestPortsAndRings has a TAP's two ports, and two rings on one port, see
// what one port sees.
func TestPortsAndRings(t *testing.T) {
	for _, c := range []struct {
		name  string
		tap   bool
		lines []string
	}{
		{"tap", true, []string{"set capture out interface span0", "set capture in interface span1"}},
		{"fanout", false, []string{"set capture span0 interface span0", "set capture span0 rings 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, badSite(12, c.tap))
			b := startBox(t, s, c.lines...)
			r, err := traffic.Run(within(t, 60*time.Second), calls(s, 20, 2*time.Second, 3*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			sound(t, s, r)
			checkSpread(t, b)
			records, m := finish(t, b, len(r.Streams))
			checkSIP(t, r.Messages, records)
			checkReports(t, s, r.Streams, records)
			checkRTCP(t, r.Streams, records)
			checkCounts(t, s, r, m)
		})
	}
}

// checkSpread makes sure that the test tests something: both inputs had frames.
func checkSpread(t *testing.T, b *box.Box) {
	t.Helper()
	m, err := b.Metrics(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var inputs []string
	for key, v := range m {
		if strings.HasPrefix(key, "heptap_frames_decoded_total{") && v > 100 {
			inputs = append(inputs, key+" "+strconv.Itoa(int(v)))
		}
	}
	if len(inputs) != 2 {
		t.Errorf("inputs with frames: %v, want two", inputs)
	}
}
