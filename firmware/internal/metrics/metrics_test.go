package metrics_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture/correlate"
	"heptap/capture/record"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/recent"
	"heptap/firmware/internal/trace"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
)

func sources(t *testing.T) *metrics.Sources {
	h, err := health.New()
	if err != nil {
		t.Fatal(err)
	}
	h.Set("port/eth1", health.Fault, "no link")
	h.Set("uplink/central", health.Degraded, "not connected")
	stats := probe.Stats{Correlate: new(correlate.Stats), ISUP: new(beyond.ISUPStats), Beyond: new(beyond.Stats), Records: map[record.Type]uint64{record.SIP: 7},
		Inputs: []probe.InputStats{{Name: "span0/0"}, {Name: "span0/1", Decoded: 5}}}
	stats.Correlate.StreamsLost.Add(3)
	stats.ISUP.DualSeizures.Add(2)
	stats.Trace = trace.Stats{Rules: []trace.RuleStats{{Name: "pings", Action: trace.Deny, Records: 11}, {Name: trace.DefaultName, Action: trace.Allow, Octets: 12}},
		Denied: map[record.Type]uint64{record.SIP: 9, record.Log: 2}}
	return &metrics.Sources{Version: "1", Budget: 1 << 20,
		Probe: func() probe.Stats { return stats },
		Uplink: func() uplink.Stats {
			return uplink.Stats{Collectors: []uplink.CollectorStats{{Status: uplink.Status{Collector: "central"}}, {}}}
		},
		Ways: func() []metrics.Way {
			valid := reach.Status{Shown: time.Now().Add(49 * time.Hour), TLS: &hep.TLSState{NotAfter: time.Now().Add(-time.Hour)}, Fragmented: 7}
			return []metrics.Way{{Collector: "central", Status: valid}, {Collector: "second"}}
		},
		Spool: func() buffer.Stats { return buffer.Stats{} },
		Recent: func() recent.Stats {
			return recent.Stats{Records: 12, Octets: 3 << 19, Limit: 16 << 20, Span: 90*time.Second + 4e8, Added: 20, Evicted: 5, Aged: 3, Refused: 1}
		},
		Health: h.Snapshot}
}

// Prometheus refuses a whole page for one sample that is there twice, or whose
// metric has two help texts: every sample must be on it, once.
func TestPage(t *testing.T) {
	s := sources(t)
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	page := w.Body.String()
	lines := 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "heptap_") {
			lines++
		}
	}
	if samples := s.Read(); lines != len(samples) || lines < 50 {
		t.Errorf("%d lines for %d samples", lines, len(samples))
	}
	for _, want := range []string{`heptap_uplink_certificate_days{collector="central",whose="own"} 2`, `heptap_uplink_certificate_days{collector="central",whose="collector"} -1`,
		`heptap_uplink_fragmented_total{collector="central"} 7`, `heptap_frames_decoded_total{port="span0/1"} 5`, `heptap_records_made_total{type="sip"} 7`,
		`heptap_condition_level{condition="port/eth1"} 2`, `heptap_trace_records_total{action="deny",rule="pings"} 11`,
		`heptap_trace_octets_total{action="allow",rule="default"} 12`, `heptap_records_denied_total{type="log"} 2`, "heptap_streams_lost_total 3", `heptap_isup_calls_total{what="dual seizure"} 2`, "heptap_recent_records 12", "heptap_recent_span_seconds 90.4", `heptap_recent_gone_total{reason="room"} 5`, "heptap_memory_budget_bytes 1.048576e+06"} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("the page lacks %s", want)
		}
	}
	var text bytes.Buffer
	const held = "recent records: 12 over 1m30s, 1.5 of 16.0 MiB; 5 older ones were let go for want of room, 3 for their age; too large: 1\n"
	if err := s.WriteText(&text); err != nil || !strings.Contains(text.String(), "streams_lost_total") || !strings.HasSuffix(text.String(), held) ||
		!strings.Contains(text.String(), "rule=pings action=deny") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func TestServe(t *testing.T) {
	ln, err := metrics.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- sources(t).Serve(ctx, ln, slog.New(slog.DiscardHandler)) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !strings.Contains(string(body), "/metrics") {
		t.Errorf("%q %v", body, err)
	}
	if _, err := metrics.Listen(netip.MustParseAddrPort(ln.Addr().String())); err == nil {
		t.Error("two may listen on one port")
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
