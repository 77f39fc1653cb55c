package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
)

// TestLosses: every place where something goes is named, with what went since the last time.
func TestLosses(t *testing.T) {
	st := probe.Stats{Inputs: []probe.InputStats{{Name: "a", Source: capture.Stats{Received: 100, KernelDrops: 7}, QueueDrops: 2, StreamDrops: 3}, {Name: "b", QueueDrops: 1}}, LinesShed: 9}
	st.Inputs[0].Shed[record.KeepAlive], st.Inputs[1].Shed[record.KeepAlive] = 20, 1
	up := uplink.Stats{Collectors: []uplink.CollectorStats{{Status: uplink.Status{Collector: "central"}}}}
	n := &up.Collectors[0].Counts
	n.Shed[record.Periodic], n.Evicted[record.Call], n.Expired[record.Call], n.Damaged, n.Quarantined = 50, 4, 8, 5, 6
	last := map[string]uint64{}
	want := []loss{
		{"ring/a", "frames", "the capture ring was full", 7, 7},
		{"queue", "messages", "keepalive left out, as worth least, while the CPU was short", 21, 21},
		{"queue", "messages", "log left out, as worth least, while the CPU was short", 9, 9},
		{"queue", "messages", "more signalling than the CPU can take", 3, 3},
		{"reassembly", "segments", "more TCP, SCTP and fragments than the CPU can take", 3, 3},
		{"spool/central", "records", "periodic shed for want of space", 50, 50},
		{"spool/central", "records", "call evicted, the oldest, for want of space", 4, 4},
		{"spool/central", "records", "call older than spool max-age", 8, 8},
		{"spool/central", "records", "the spool was damaged", 5, 5},
		{"socket/central", "records", "set aside: the collector does not take them", 6, 6},
	}
	if got := losses(&st, &up, last); !slices.Equal(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	n.Shed[record.Periodic], st.Inputs[0].Source.KernelDrops = 60, 7
	for i := range want {
		want[i].Count = 0
	}
	want[5].Count, want[5].Total = 10, 60
	if got := losses(&st, &up, last); !slices.Equal(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	b, err := json.Marshal(statusRecord{Event: "status", Lost: want[5:6]})
	if err != nil || !strings.Contains(string(b), `"lost":[{"where":"spool/central","what":"records","why":"periodic shed for want of space","count":10,"total":60}]`) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestUplinkOf: of each collector it is said how much waits and since when, and what went wrong last.
func TestUplinkOf(t *testing.T) {
	now := time.Now()
	c := uplink.CollectorStats{Status: uplink.Status{Collector: "(failover)", State: uplink.Draining, Since: now.Add(-time.Minute), Rate: 12.34, Backlog: 5, Next: now.Add(3 * time.Second),
		Members: []uplink.MemberStatus{{Member: "a", Failed: true}, {Member: "b", Active: true}}},
		Past: uplink.Past{Trouble: "nobody listens", TroubleAt: now.Add(-70 * time.Second), Oldest: now.Add(-time.Hour)}}
	b, err := json.Marshal(uplinkOf(&c, buffer.Count{Records: 10, Bytes: 1000}, now))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"rate":12.3,"waiting":5,"waiting_bytes":500,"oldest_s":3600,"last_error":"nobody listens","last_error_s":70,"next_attempt_s":3,"uses":"b"`, `"state":"draining","since_s":60`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
	if b, err = json.Marshal(uplinkOf(&uplink.CollectorStats{}, buffer.Count{}, now)); err != nil || strings.Contains(string(b), "oldest_s") || strings.Contains(string(b), "last_error") {
		t.Errorf("%s, %v", b, err)
	}
}

// TestStatusRecord has a running probe say how it is: the record is stored and numbered as any other.
func TestStatusRecord(t *testing.T) {
	needRoot(t)
	conf, spool := loopbackConfig(t, 9, "set system status-interval 10s\n")
	b := launch(t, nil, "run", "-config", conf)
	b.says("msg=capturing")
	b.until("^uplink_made_total.* 1$")
	b.stop(0)
	hep := filepath.Join(t.TempDir(), "rest.hep")
	heptap(t, nil, "spool", "export", "-o", hep, spool).want(t, 0)
	out := heptap(t, nil, "decode", hep).want(t, 0).stdout
	for _, want := range []string{`"type":100,"type_name":"log"`, `"primary":"status@box"`, `\"event\":\"status\"`, `\"interval_s\":10`, `\"health\":\"`, `\"clock\":{`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nis not in\n%s", want, out)
		}
	}
}
