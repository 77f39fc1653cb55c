package lab_test

import (
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/kamailio"
	"heptap/scripts/lab/sipp"
	"heptap/scripts/lab/traffic"
	"heptap/scripts/lab/wire"
)

// TestKamailioReadsWhatWasSent has a HEP server that is not ours take the
// records of 20 calls, and compares its reading with what was sent.
func TestKamailioReadsWhatWasSent(t *testing.T) {
	s := newSite(t, lab.SiteConfig{})
	server, err := kamailio.Start(within(t, 30*time.Second), s.Lab, s.Collector, box.CollectorAddr(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := box.Start(within(t, 30*time.Second), s, box.Config{Binary: built(t), Foreign: true,
		Lines: []string{"set capture span0 interface span0", "set system board generic"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := traffic.Run(within(t, 60*time.Second), calls(s, 20, time.Second, 3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s, r)
	finish(t, b, len(r.Streams))
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	packets, err := server.Packets()
	if err != nil {
		t.Fatal(err)
	}
	left, rtcp, reports := map[string]int{}, 0, 0
	for _, m := range r.Messages {
		left[m.CallID+" "+m.Src.String()+" "+m.Text]++
	}
	for _, p := range packets {
		if p.Version != 3 || p.Proto != 17 || p.Agent != 2001 || p.Correlation == "" {
			t.Errorf("packet: %+v", p)
		}
		switch p.Type {
		case box.TypeSIP:
			left[p.Correlation+" "+p.Src+" "+string(p.Payload)]--
		case box.TypeRTCP:
			rtcp++
		case box.TypeReport:
			reports++
		default:
			t.Errorf("type %d", p.Type)
		}
	}
	for text, n := range left {
		if n != 0 {
			t.Errorf("%d more sent than Kamailio has: %q", n, text)
		}
	}
	want := 0
	for _, st := range r.Streams {
		want += int(st.Reports)
	}
	if rtcp != want || reports != len(r.Streams) {
		t.Errorf("%d RTCP records and %d RTP reports, want %d and %d", rtcp, reports, want, len(r.Streams))
	}
}

// TestSippAndTshark has sipp make the calls and tshark count them.
func TestSippAndTshark(t *testing.T) {
	s := newSite(t, badSite(3, false))
	w, err := wire.Watch(within(t, 30*time.Second), s, s.Probe, "span0")
	if err != nil {
		t.Fatal(err)
	}
	b := startBox(t, s, "set capture span0 interface span0")
	const n = 10
	run, err := sipp.Start(s, sipp.Config{Calls: n, PerSecond: 5, Talk: 5 * time.Second, FirstPort: mediaFrom})
	if err != nil {
		t.Fatal(err)
	}
	res, err := run.Wait(within(t, 60*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if res.Successful != n || res.Failed != 0 {
		t.Errorf("sipp: %+v, want %d calls", res, n)
	}
	records, _ := finish(t, b, 2*n)
	seen, err := w.Stop(within(t, 60*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	got, err := box.Messages(records)
	if err != nil {
		t.Fatal(err)
	}
	// INVITE, 100, 180, 200, ACK, BYE, 200, and what was sent again.
	if len(seen) < 7*n {
		t.Errorf("tshark counts %d SIP messages, want %d at least", len(seen), 7*n)
	}
	if d := box.Compare(seen, got); len(d.Missing)+len(d.Extra)+len(d.Again) != 0 {
		t.Errorf("tshark counts %d, %d delivered: missing %v, too many %v, unknown %v", len(seen), len(got), d.Missing, d.Again, d.Extra)
	}
	lost := map[string]uint64{}
	for _, rec := range records {
		if rec.Type != box.TypeReport {
			continue
		}
		r, err := rec.Report()
		if err != nil {
			t.Fatal(err)
		}
		if r.Type == "FINAL" {
			lost[rec.Src+" "+rec.Dst] = r.Lost
		}
	}
	streams := append(s.RelayA.Stats().Up.Streams, s.RelayB.Stats().Up.Streams...)
	for _, st := range streams {
		if n, ok := lost[st.Src.String()+" "+st.Dst.String()]; !ok || n != st.LostInner {
			t.Errorf("%v to %v: %d lost (reported: %v), the relay says %d", st.Src, st.Dst, n, ok, st.LostInner)
		}
	}
	if len(streams) != 2*n {
		t.Errorf("%d RTP streams, want %d", len(streams), 2*n)
	}
}
