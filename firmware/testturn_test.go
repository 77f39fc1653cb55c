package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/uplink"
	"heptap/hep/heptest"
)

// TestUplinkOfSeveral: of collectors that take each other's place the one in use confirms a
// record, and of the others it is said whether they could.
func TestUplinkOfSeveral(t *testing.T) {
	first, second, third := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{})
	text := "set delivery arrangement failover\n"
	for i, c := range []*heptest.Collector{first, second, third} {
		text += fmt.Sprintf("set collector c%d address %s\n", i+1, c.Addr())
	}
	third.Kill()
	box := newCollectorBox(t, t.TempDir(), text, func(o *uplink.Options) { o.BarrierAge = time.Hour }) // the test asks for its own
	waitFor(t, "a connection", func() bool { c := box.of(groupName); return taking(&c) == "c1" })
	says := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := box.r.testUplink(ctx, "", func(s console.Step) { says[s.Collector+" "+s.Name] = fmt.Sprint(s.Failed, " ", s.Text) }); err != nil {
		t.Fatal(err)
	}
	for step, want := range map[string]string{
		"c1 record": "false sent, and confirmed by a barrier", "c2 turn": "false records go to c1; this one answers", "c3 tcp": "true ",
	} {
		if !strings.HasPrefix(says[step], want) {
			t.Errorf("%s: %q", step, says[step])
		}
	}
	second.Stall()
	x := &uplinkTest{r: box.r, w: &box.r.ways[1]}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := x.answers(short); err == nil {
		t.Error("a collector that is frozen can take its turn")
	}
	x.w.Transport = config.UDP
	x.tell = func(s console.Step) { says[s.Name] = s.Text }
	if !x.turn(ctx, "") || says["turn"] != "records go to nobody yet, and to this one when its turn comes" {
		t.Errorf("%q", says["turn"])
	}
}

// TestUplinkMute: of a collector that answers no barrier it is said that its kernel has the
// record, without waiting for the 8 MiB behind which it would be released.
func TestUplinkMute(t *testing.T) {
	c := heptest.New(t, heptest.Options{NeverAnswerHalfClose: true})
	box := newCollectorBox(t, t.TempDir(), "set collector c1 address "+c.Addr()+"\n", func(o *uplink.Options) {
		o.FINTimeout, o.BarrierAge, o.BarrierGap = 50*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
	})
	waitFor(t, "fallback", func() bool {
		if err := box.r.mark("one", "test"); err != nil {
			t.Fatal(err)
		}
		return box.of("c1").Fallback
	})
	var last console.Step
	ctx, cancel := context.WithTimeout(t.Context(), confirmWithin/2)
	defer cancel()
	if err := box.r.testUplink(ctx, "", func(s console.Step) { last = s }); err != nil {
		t.Fatal(err)
	}
	if st := box.of("c1"); last.Name != "record" || last.Failed || !strings.Contains(last.Text, "answers no barrier") || st.Released != 0 || st.Tail == 0 {
		t.Errorf("%+v; released %d, tail %d", last, st.Released, st.Tail)
	}
}
