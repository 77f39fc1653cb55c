package main

import (
	"testing"
	"time"

	"heptap/capture"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

func TestHidden(t *testing.T) {
	h := newHidden([]config.Port{{Name: "span0", Filter: "udp port 5060", Rings: 2}, {Name: "span1", Rings: 1}, {Name: "span2", Filter: "tcp", Rings: 1}})
	start := time.Unix(1000, 0)
	var said []uint64
	count := func(sip, rtp uint64) []probe.InputStats {
		in := make([]probe.InputStats, 4)
		in[0].Hidden[capture.SIP], in[1].Hidden[capture.SIP] = sip/2, sip-sip/2
		in[1].Hidden[capture.RTP] = rtp
		return in
	}
	// 10 samples of RTP a second, one of SIP in ten seconds.
	for s := range 4000 {
		h.note(count(uint64(s/10), uint64(10*s)), start.Add(time.Duration(s)*time.Second), func(port, filter string, about uint64) {
			if port != "span0" || filter != "udp port 5060" {
				t.Errorf("warned of %s %q", port, filter)
			}
			said = append(said, about)
		})
	}
	// The first sample stands for 1024 messages; an hour later there are 360 more.
	if len(said) != 2 || said[0] != 1024 || said[1] != 361*1024 {
		t.Errorf("warned of %d", said)
	}
	// The oldest mark is of 3930 s, with 393 samples of SIP; now is 3999 s, with 399.
	want := "port span0: the filter hides about 10329 packets/s: rtp 10240, sip 89 (from 696 samples in 69 s)\n" +
		"port span2: what the filter hides gave no sample (one packet in 1024) in the last 69 s, and 0 before\n"
	if got := h.text(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
