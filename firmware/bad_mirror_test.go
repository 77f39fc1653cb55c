package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
)

// linked is what was said of one thing on the wire: the calls it is linked to.
type linked struct {
	what  string
	calls []string
}

// seenLinks replays frames, and returns what is linked to which calls by ids and flows. That a record names a
// connection which goes between other ends than its own is an error.
func seenLinks(t *testing.T, frames []capture.Frame) (out []linked) {
	t.Helper()
	type ends [2]netip.AddrPort
	endsOf := func(r *record.Record) ends {
		if r.Flow.Src.Compare(r.Flow.Dst) < 0 {
			return ends{r.Flow.Src, r.Flow.Dst}
		}
		return ends{r.Flow.Dst, r.Flow.Src}
	}
	conns, named := map[string]ends{}, map[string]ends{}
	_, err := replay(context.Background(), config.Default(), io.Discard, []string{"test"}, capturetest.NewFakeSource(frames), func(r *record.Record) {
		var m struct{ Event, Text string }
		_ = json.Unmarshal(r.Payload, &m)
		k := linked{what: fmt.Sprint(kindOf(r), " ", endsOf(r), " ", m.Event, " ", m.Text)}
		switch r.Type {
		case record.SIP:
			k.what, k.calls = "sip "+string(r.Payload), []string{string(r.Primary)}
		case record.Net:
			conns[string(r.Primary)] = endsOf(r)
			k.what = fmt.Sprint("net ", endsOf(r))
		case record.Log, record.RTCP, record.RTPReport:
			k.calls = []string{string(r.Primary)}
		}
		for _, l := range r.Links {
			switch {
			case l.How == record.Inferred:
			case l.Type == record.SIP:
				k.calls = append(k.calls, string(l.ID))
			case l.Type == record.Net:
				named[string(l.ID)] = endsOf(r)
			}
		}
		if r.Type != record.Control {
			out = append(out, k)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, e := range named {
		if conns[id] != e {
			t.Errorf("a record between %v names the connection %s, which is between %v", e, id, conns[id])
		}
	}
	return out
}

// TestLinksFromABadMirror asserts that late, missing, repeated and reordered frames make no link that the same
// frames in order would not, and that the sums hold.
func TestLinksFromABadMirror(t *testing.T) {
	frames := everyKind(t)
	truth := map[string][]string{}
	whole := 0
	for _, l := range seenLinks(t, frames) {
		truth[l.what] = append(truth[l.what], l.calls...)
		whole += len(l.calls)
	}
	for i, tt := range []struct {
		by          int64
		lost, twice float64
		least       int // links that are found, of a hundred
	}{
		{5 * msec, 0, 0, 90}, {50 * msec, 0, 0, 60}, {0, 0, 1, 100}, {0, 0.05, 0, 75}, {50 * msec, 0.05, 1, 50},
	} {
		for seed := range uint64(10) {
			t.Run(strconv.Itoa(i)+"/"+strconv.Itoa(int(seed)), func(t *testing.T) {
				bad := disturbed(rand.New(rand.NewPCG(uint64(i), seed)), frames, tt.by, tt.lost, tt.twice)
				try(t, config.Default(), bad, false, "a bad mirror")
				found, unknown := 0, 0
				for _, l := range seenLinks(t, bad) {
					calls, ok := truth[l.what]
					if !ok {
						unknown++
						continue
					}
					for _, c := range l.calls {
						if found++; !slices.Contains(calls, c) {
							t.Errorf("%.200q is linked to %q, not to %q", l.what, c, calls)
						}
					}
				}
				t.Logf("%d of %d links, %d records of what is not there otherwise", found, whole, unknown)
				if found < whole*tt.least/100 {
					t.Errorf("%d of %d links are found", found, whole)
				}
			})
		}
	}
}
