package correlate_test

import (
	"net/netip"
	"testing"
	"time"

	"heptap/capture/correlate"
)

// Streams that begin at once do not have their interval reports at once: the first ones
// come after 45 to 60 s, evenly, and each next one a minute later.
func TestIntervalsSpread(t *testing.T) {
	const streams = 300
	r := newRig(t, func(c *correlate.Config) { c.UnknownRTP = true })
	src, dst := ap("198.51.100.1:0"), ap("198.51.100.2:0")
	end := func(a netip.AddrPort, i int) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), uint16(10000+2*i)) }
	var at []int // second of each report
	for s := 1; s <= 121; s++ {
		r.pass(time.Second)
		before := len(r.reports())
		for i := range streams {
			r.stream(uint64(i+1), end(src, i), end(dst, i), uint64(50*s+50), 0, false)
		}
		for range len(r.reports()) - before {
			at = append(at, s)
		}
	}
	count := map[int]int{}
	for _, s := range at {
		count[s]++
	}
	if len(at) != 2*streams {
		t.Errorf("%d reports, want %d", len(at), 2*streams)
	}
	for s, n := range count {
		if (s < 45 || s > 61) && (s < 105 || s > 121) {
			t.Errorf("%d reports in second %d", n, s)
		}
		if n > 2*streams/15 {
			t.Errorf("%d reports in second %d: not spread", n, s)
		}
	}
}
