package console

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/trace"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
)

func TestShowUplink(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.10:9060")
	held := buffer.Counts{}
	held[0] = buffer.Count{Records: 100, Bytes: 51200}
	l := &Live{
		Config: config.Config{Collector: []config.Collector{{Name: "a", Address: "hep.example:9060", Transport: config.TCP, Profile: config.OpenSIPS}}},
		Ways: func() map[string]reach.Status {
			return map[string]reach.Status{"a": {Address: at, Addresses: []netip.AddrPort{at, netip.MustParseAddrPort("192.0.2.11:9060")}, Resolve: "no such name", Fragmented: 3, MTU: 1500,
				TLS: &hep.TLSState{Version: "TLS 1.3", Cipher: "AES", Subject: "CN=a", NotAfter: time.Unix(86400, 0)}}}
		},
		Stages: &metrics.Sources{
			Spool: func() buffer.Stats { return buffer.Stats{Held: held} },
			Probe: func() probe.Stats {
				return probe.Stats{Readers: []probe.ReaderStats{{Name: "a", Filter: trace.Stats{Rules: []trace.RuleStats{{Name: "pings", Action: trace.Deny, Records: 3}}}}}}
			},
			Uplink: func() uplink.Stats {
				return uplink.Stats{Unsaved: uplink.Unsaved{Records: 12, For: 300 * time.Millisecond, Most: time.Second}, CommitMost: 70 * time.Millisecond, Collectors: []uplink.CollectorStats{
					{Status: uplink.Status{Collector: "a", State: uplink.Draining, Rate: 500, Backlog: 1000, Most: 4000, Left: 2300 * time.Millisecond, Waiting: time.Now().Add(-time.Minute), Next: time.Now().Add(-time.Second),
						Members: []uplink.MemberStatus{{Member: "a", Failed: true, Since: time.Now().Add(-time.Hour), Reason: "connection refused"}, {Member: "b", Active: true, Confirmed: 2048}}},
						Past: uplink.Past{Trouble: "it was frozen", TroubleAt: time.Now().Add(-time.Minute), Oldest: time.Now().Add(-2 * time.Hour)}},
					{Status: uplink.Status{Collector: "old", Removed: true, Reason: "not configured any more"}, Counts: uplink.Counts{CarriedIn: 7, Spooled: 7}},
				}}
			},
		},
	}
	var b strings.Builder
	if err := showUplink(l, &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a: draining, 0 records confirmed, 1000 waiting on disk\n",
		"  to           hep.example:9060, tcp, profile opensips\n",
		"  connected    last with 192.0.2.10:9060\n",
		"  addresses    [192.0.2.10:9060 192.0.2.11:9060], tried in this order\n",
		"  name         no such name\n",
		"  TLS          TLS 1.3, AES, CN=a, pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		"  certificate  the collector's certificate, or one that signed it, has expired on 1970-01-02\n",
		"  fragmented   3 datagrams were larger than the 1500 octets of a packet\n",
		"  rate         500.0 records/s\n",
		"  waiting      1000 records of 4000 (75% drained), about 500.0 KiB, for 1m0s; about 2s left\n",
		"  next attempt in 0s\n",
		" UTC, 2h0m0s ago\n",
		"  last error   1m0s ago: it was frozen\n",
		"  a: has failed for 1h0m0s: connection refused; 0 B confirmed\n",
		"  b: in use; 2.0 KiB confirmed\n",
		"  filter pings, deny: 3 records\n",
		"power cut: would cost 12 records now, not acknowledged and not on disk for 300ms; for 1s at most so far, and a commit took 70ms at most\n",
		"old: removed, 7 records waiting on disk: not configured any more\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}
