package beyond_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// messages of ISUP by name, without the CIC; numbers tell IAMs apart.
var messages = map[string]string{
	"IAM": "01 00 20 01 0a 00 02 00 04 04 10 94", "IAM2": "01 00 20 01 0a 00 02 00 04 04 10 84",
	"SAM": "02 02 00 02 00 01", "COT+": "05 01", "COT-": "05 00", "ACM": "06 00 00 00", "CON": "07 00 00 00", "ANM": "09 00", "REL": "0c 02 00 02 80 90",
	"SUS": "0d 01 00", "RLC": "10 00", "RSC": "12", "BLO": "13", "BLA": "15", "CPG": "2c 02 00", "UCIC": "2e", "OLM": "30", "???": "fa",
	// of the circuits CIC to CIC+2
	"GRS": "17 01 01 02", "GRA": "29 01 02 02 00", "CGB hardware": "18 01 01 02 02 05", "CGB maintenance": "18 00 01 02 02 05",
	"CQM": "2a 01 01 02", "CQR": "2b 02 03 01 02 03 0c 03 00", // idle, unequipped, transient
}

// on sends a message between 101 (low) and 202 (high).
func (r *rig) on(cic uint16, high bool, name string) noted {
	r.t.Helper()
	text, ok := messages[name]
	if !ok {
		r.t.Fatal(name)
	}
	msu := append([]byte{byte(cic), byte(cic >> 8)}, octets(text)...)
	opc, dpc, src, dst := uint32(101), uint32(202), gateway, exchange
	if high {
		opc, dpc, src, dst = dpc, opc, dst, src
	}
	return r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Payload: m3ua(opc, dpc, 5, msu), Flow: capture.FiveTuple{Src: src, Dst: dst}})
}

// TestCalls plays what is seen of one circuit. Each step is a time since the step
// before, who sends (low or high), the message, and the call that its record is of:
// a, b, ... in the order in which they first appear, "-" for none. What stands
// behind it must be in the payload.
func TestCalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		cic   uint16
		steps string
		stats string // calls, picked up, ended, replaced, dual seizures, expired
	}{
		{"two calls", 5, `
			0s low IAM a; 1s high ACM a; 2s high CPG a; 3s high ANM a; 5m low REL a; 20ms high RLC a;
			10ms high IAM b; 1s low CON b; 1h high REL b; 20ms low RLC b`, "2 0 2 0 0 0"},
		{"the same numbers at once again", 5, `0s low IAM a; 1s high REL a; 10ms low RLC a; 10ms low IAM b; 1s high REL b; 10ms low RLC b`, "2 0 2 0 0 0"},
		{"a number in pieces, continuity", 5, `0s low IAM a; 1s low SAM a; 1s low COT+ a; 1s low SUS a`, "1 0 0 0 0 0"},
		{"continuity fails", 5, `0s low IAM a; 1s low COT- a; 1s low IAM2 b`, "2 0 1 0 0 0"},
		{"reset", 5, `0s low IAM a; 1s low RSC a; 10ms high RLC a; 2m low RSC -; 10ms high RLC -`, "1 0 1 0 0 0"},
		{"unequipped", 5, `0s low IAM a; 10ms high UCIC a; 1s high UCIC -`, "1 0 1 0 0 0"},
		{"of the circuit alone", 5, `0s low BLO -; 10ms high BLA -; 0s low IAM a; 1s low BLO -; 1s high OLM -; 1s high ACM a`, "1 0 0 0 0 0"},
		{"begins before the capture", 5, `0s high ANM a picked_up; 1s low REL a picked_up; 10ms high RLC a picked_up; 1s low IAM b`, "1 1 1 0 0 0"},
		{"only its end is seen", 5, `0s high REL a picked_up; 10ms low RLC a picked_up; 2m low RLC -`, "0 1 1 0 0 0"},
		{"of nothing known", 5, `0s low ??? -; 1s low IAM a; 1s low ??? a; 1s high CQM -`, "1 0 0 0 0 0"},
		{"the end is lost", 5, `0s low IAM a; 1s high ACM a; 1h low IAM2 b; 1s high ACM b`, "2 0 0 1 0 0"},
		{"the end is lost, the numbers are the same", 5, `0s low IAM a; 1h low IAM b`, "2 0 0 1 0 0"},
		{"the release is lost", 5, `0s low IAM a; 10s high RLC a; 5s low IAM b`, "2 0 1 0 0 0"},
		{"repeated releases", 5, `0s low IAM a; 1s low REL a; 15s low REL a; 15s high RLC a; 15s low REL a; 10ms high RLC a; 2m low REL b picked_up`, "1 1 2 0 0 0"},
		{"by two links", 5, `0s low IAM a; 1ms low IAM a; 1s high ACM a; 1ms high ACM a; 5s low REL a; 1ms low REL a; 10ms high RLC a; 1ms high RLC a;
			1ms high IAM b; 1ms high IAM b; 100ms low ACM b; 1ms low ACM b`, "2 0 1 0 0 0"},
		{"a confirmation by the slower link behind the next call", 5, `0s low IAM a; 9s low REL a; 10ms high RLC a; 1ms low IAM b; 1ms high RLC a; 1s high ACM b; 9s high RLC b`, "2 0 2 0 0 0"},
		{"late, behind the end", 5, `0s low IAM a; 9s low REL a; 1ms high ACM a; 10ms high RLC a; 1ms high ACM a; 30s high ACM b picked_up`, "1 1 1 0 0 0"},
		// Even: the high end has its way. Odd: the low one.
		{"dual seizure, even, the second one goes on", 4, `0s low IAM a; 50ms high IAM2 b dual_seizure; 1s low ACM b; 9s low REL b; 10ms high RLC b`, "2 0 1 0 1 0"},
		{"dual seizure, even, the first one goes on", 4, `0s high IAM a; 50ms low IAM2 b dual_seizure; 1s low ACM a; 9s low REL a; 10ms high RLC a`, "2 0 1 0 1 0"},
		{"dual seizure, odd, the first one goes on", 5, `0s low IAM a; 50ms high IAM2 b dual_seizure; 1s high ACM a`, "2 0 0 0 1 0"},
		{"dual seizure, odd, the second one goes on", 5, `0s high IAM a; 50ms low IAM2 b dual_seizure; 1s high ACM b`, "2 0 0 0 1 0"},
		{"no dual seizure: there was an answer", 4, `0s low IAM a; 50ms high ACM a; 50ms high IAM2 b`, "2 0 0 1 0 0"},
		{"no dual seizure: long before", 4, `0s low IAM a; 20s high IAM2 b`, "2 0 0 1 0 0"},
		{"silent for a day", 5, `0s low IAM a; 1s high ANM a; 23h low SUS a; 25h low REL b picked_up`, "1 1 1 0 0 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 0)
			labels := map[string]string{}
			for step := range strings.SplitSeq(c.steps, ";") {
				f := strings.Fields(step)
				d, err := time.ParseDuration(f[0])
				if err != nil {
					t.Fatal(err)
				}
				r.now += int64(d)
				got := r.on(c.cic, f[1] == "high", f[2])
				circuit := fmt.Sprintf("101:202:%d", c.cic)
				label := "-"
				if got.primary != circuit {
					if labels[got.primary] == "" {
						labels[got.primary] = string(rune('a' + len(labels)))
					}
					label = labels[got.primary]
				}
				if label != f[3] || len(got.links) > 0 || !strings.Contains(got.payload, `"circuit":"`+circuit+`"`) || (got.class == record.Call) != (label != "-") {
					t.Errorf("%s: is of %s (%s), class %v, links %v", step, label, got.primary, got.class, got.links)
				}
				for _, word := range []string{"picked_up", "dual_seizure"} {
					if strings.Contains(got.payload, `"`+word+`":true`) != slices.Contains(f, word) {
						t.Errorf("%s: %s", step, got.payload)
					}
				}
				if strings.Contains(got.payload, `"call":"`+got.primary+`"`) != (label != "-") {
					t.Errorf("%s: %s", step, got.payload)
				}
			}
			s := &r.u.Stats
			if got := fmt.Sprint(s.Calls.Load(), s.PickedUp.Load(), s.Ended.Load(), s.Replaced.Load(), s.DualSeizures.Load(), s.Expired.Load()); got != c.stats {
				t.Errorf("counts %s, want %s", got, c.stats)
			}
		})
	}
}

// A message about a group of circuits ends the calls on them, and links them.
func TestGroups(t *testing.T) {
	for _, c := range []struct{ ends, confirms string }{
		{"GRS", "GRA"}, {"CGB hardware", ""}, {"CGB maintenance", ""}, {"CQR", ""},
	} {
		r := newRig(t, 0)
		calls := map[uint16]string{}
		for cic := uint16(10); cic < 14; cic++ {
			r.now += int64(time.Second)
			calls[cic] = r.on(cic, false, "IAM").primary
		}
		var want []string // which calls it ends
		switch c.ends {
		case "GRS":
			want = []string{"isup 1 " + calls[10], "isup 1 " + calls[11], "isup 1 " + calls[12]}
		case "CGB hardware": // status bits 101
			want = []string{"isup 1 " + calls[10], "isup 1 " + calls[12]}
		case "CQR":
			want = []string{"isup 1 " + calls[10], "isup 1 " + calls[11]}
		}
		r.now += int64(time.Minute)
		for _, name := range []string{c.ends, c.confirms} {
			if name == "" {
				continue
			}
			got := r.on(10, true, name)
			if got.primary != "101:202:10" || !slices.Equal(got.links, want) || strings.Contains(got.payload, `"call"`) || (got.class == record.Call) != (len(want) > 0) {
				t.Errorf("%s: %+v, want links %q", name, got, want)
			}
		}
		r.now += int64(time.Minute)
		if got := r.on(13, true, "ACM"); got.primary != calls[13] {
			t.Errorf("%s: the circuit beside is of %s", c.ends, got.primary)
		}
		if n := r.u.Stats.Ended.Load(); n != uint64(len(want)) {
			t.Errorf("%s: %d ended", c.ends, n)
		}
	}
}

// A group reaches to the last circuit and no further, and a record names as many
// calls as it has links.
func TestLargeGroup(t *testing.T) {
	r := newRig(t, 0)
	for cic := uint16(4050); cic <= 4095; cic++ {
		r.on(cic, false, "IAM")
	}
	r.on(0, false, "IAM")
	messages := octets("17 01 01 ff")
	got := r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Flow: capture.FiveTuple{Src: gateway, Dst: exchange},
		Payload: m3ua(101, 202, 5, append([]byte{0xd2, 0x0f}, messages...))}) // 4050 to 4305
	s := &r.u.Stats
	if len(got.links) != record.MaxLinks || s.Ended.Load() != 46 || s.CallsUnnamed.Load() != 46-record.MaxLinks {
		t.Errorf("%d links, %d ended, %d unnamed", len(got.links), s.Ended.Load(), s.CallsUnnamed.Load())
	}
}

// The table is bounded: idle circuits give way first, then those longest silent.
func TestBounds(t *testing.T) {
	r := newRig(t, 3)
	step := func(cic uint16, name string) string {
		r.now += int64(time.Second)
		return r.on(cic, false, name).primary
	}
	one := step(1, "IAM")
	step(2, "IAM")
	three := step(3, "IAM")
	step(2, "RLC")
	four := step(4, "IAM") // takes 2's place
	if got := step(1, "SUS"); got != one {
		t.Errorf("1 is of %s", got)
	}
	five := step(5, "IAM") // takes 3's: it is silent for longest
	for cic, want := range map[uint16]string{1: one, 4: four, 5: five} {
		if got := step(cic, "SUS"); got != want {
			t.Errorf("%d is of %s, want %s", cic, got, want)
		}
	}
	if got := step(3, "SUS"); got == three {
		t.Error("3 is still known")
	}
	if s := &r.u.Stats; s.Evicted.Load() != 2 || s.Circuits.Load() != 3 {
		t.Errorf("%d evicted, %d circuits", s.Evicted.Load(), s.Circuits.Load())
	}
	r.now += int64(48 * time.Hour)
	if step(9, "BLO"); r.u.Stats.Circuits.Load() != 0 || r.u.Stats.Expired.Load() != 3 {
		t.Errorf("%d circuits, %d expired", r.u.Stats.Circuits.Load(), r.u.Stats.Expired.Load())
	}
}

// Networks that have the same point codes have other circuits.
func TestNetworks(t *testing.T) {
	r := newRig(t, 0)
	national := r.on(1, false, "IAM").primary
	r.now += int64(time.Second)
	b := m3ua(101, 202, 5, append([]byte{1, 0}, octets(messages["IAM"])...))
	const ni = 8 + 4 + 9
	b[ni] = 0
	international := r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Payload: b, Flow: capture.FiveTuple{Src: gateway, Dst: exchange}}).primary
	if got := r.on(1, true, "ACM").primary; got != national || national == international {
		t.Errorf("%s, %s, %s", national, international, got)
	}
}

// Whatever comes in whatever order: every call that began is over in one way, or on.
func TestCallsAddUp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	names := []string{}
	for name := range messages {
		names = append(names, name)
	}
	slices.Sort(names)
	r := newRig(t, 16)
	for range 200_000 {
		r.now += rnd.Int64N(int64(2 * time.Second))
		if rnd.IntN(2000) == 0 {
			r.now += int64(25 * time.Hour)
		}
		r.on(uint16(rnd.IntN(24)), rnd.IntN(2) == 0, names[rnd.IntN(len(names))])
	}
	s := &r.u.Stats
	began := s.Calls.Load() + s.PickedUp.Load()
	over := s.Ended.Load() + s.Replaced.Load() + s.DualSeizures.Load() + s.Expired.Load() + s.Evicted.Load()
	if on := began - over; on > 16 || s.Circuits.Load() > 16 {
		t.Errorf("%d began, %d over, %d circuits", began, over, s.Circuits.Load())
	}
	for _, n := range []uint64{s.Calls.Load(), s.PickedUp.Load(), s.Ended.Load(), s.Replaced.Load(), s.DualSeizures.Load(), s.Expired.Load(), s.Evicted.Load()} {
		if n == 0 {
			t.Error("something was not tried")
		}
	}
}
