package health_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"heptap/firmware/internal/health"
)

func open(t testing.TB, rules ...health.Rule) *health.Health {
	t.Helper()
	h, err := health.New(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// show prints a snapshot as "name level<cause" in order.
func show(s health.Snapshot) string {
	var parts []string
	for _, c := range s.Conditions {
		p := c.Name + " " + c.Level.String()
		if c.Cause != "" {
			p += "<" + c.Cause
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, ", ")
}

func TestLevels(t *testing.T) {
	h := open(t)
	check := func(want health.Level) {
		t.Helper()
		if got := h.Level(); got != want || h.Snapshot().Level != want {
			t.Errorf("level %v, snapshot %v, want %v", got, h.Snapshot().Level, want)
		}
	}
	check(health.OK)
	h.Set("a", health.OK, "")
	check(health.OK)
	h.Set("b", health.Degraded, "slow")
	check(health.Degraded)
	h.Set("c", health.Fault, "gone")
	h.Set("a", health.Degraded, "x")
	check(health.Fault)
	h.Clear("c")
	h.Clear("never set")
	check(health.Degraded)
	h.Set("a", health.OK, "")
	h.Clear("b")
	check(health.OK)
	h.Set("d", health.Level(200), "an invalid level is the worst")
	check(health.Fault)
	if s := health.Level(200).String(); s != "invalid" {
		t.Error(s)
	}
}

func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		start := time.Now()
		at := func(name string) time.Duration {
			for _, c := range h.Snapshot().Conditions {
				if c.Name == name {
					return c.Since.Sub(start)
				}
			}
			return -1
		}
		time.Sleep(time.Second)
		h.Set("a", health.Degraded, "one")
		time.Sleep(time.Second)
		h.Set("a", health.Degraded, "two")
		if got := at("a"); got != time.Second {
			t.Errorf("since %v: a new reason is not a new level", got)
		}
		h.Set("b", health.Degraded, "")
		if got := h.Snapshot().Since.Sub(start); got != time.Second {
			t.Errorf("overall since %v", got)
		}
		time.Sleep(time.Second)
		h.Set("a", health.Fault, "two")
		if a, all := at("a"), h.Snapshot().Since.Sub(start); a != 3*time.Second || all != 3*time.Second {
			t.Errorf("since %v, overall %v", a, all)
		}
		time.Sleep(time.Second)
		h.Clear("a")
		if got := h.Snapshot().Since.Sub(start); got != 4*time.Second {
			t.Errorf("overall since %v", got)
		}
	})
}

var rules = []health.Rule{
	{Cause: "port", Effect: "capture"},
	{Cause: "link", Effect: "uplink"},
	{Cause: "uplink", Effect: "spool"},
	{Cause: "disk", Effect: "spool"},
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name, set, want, summary string
	}{
		{"empty", "", "", "ok"},
		{"all ok", "b=ok a=ok", "a ok, b ok", "ok"},
		{"worst first", "a=degraded b=fault c=ok", "b fault, a degraded, c ok", "fault: b: why b; 1 more"},
		{"older first", "b=fault a=fault", "b fault, a fault", "fault: b: why b; 1 more"},
		{"cause before a worse effect", "spool=fault uplink/home=degraded",
			"uplink/home degraded, spool fault<uplink/home", "fault: uplink/home: why uplink/home (explains spool)"},
		{"chain", "spool=degraded uplink/home=degraded link=fault",
			"link fault, uplink/home degraded<link, spool degraded<uplink/home", "fault: link: why link (explains uplink/home, spool)"},
		{"a cause that is well explains nothing", "uplink/home=ok spool=degraded",
			"spool degraded, uplink/home ok", "degraded: spool: why spool"},
		{"the worse of two causes", "uplink/a=degraded uplink/b=fault spool=degraded",
			"uplink/b fault, spool degraded<uplink/b, uplink/a degraded", "fault: uplink/b: why uplink/b (explains spool); 1 more"},
		{"a middle one missing breaks the chain", "spool=degraded link=degraded",
			"spool degraded, link degraded", "degraded: spool: why spool; 1 more"},
		{"the tree with the worst consequence first", "port/eth1=degraded uplink/a=degraded spool=fault capture=degraded",
			"uplink/a degraded, spool fault<uplink/a, port/eth1 degraded, capture degraded<port/eth1",
			"fault: uplink/a: why uplink/a (explains spool); 2 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, rules...)
				levels := map[string]health.Level{"ok": health.OK, "degraded": health.Degraded, "fault": health.Fault}
				for _, f := range strings.Fields(tt.set) {
					name, level, _ := strings.Cut(f, "=")
					h.Set(name, levels[level], "why "+name)
					time.Sleep(time.Second)
				}
				s := h.Snapshot()
				if got := show(s); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if got := s.Summary(); got != tt.summary {
					t.Errorf("got  %s\nwant %s", got, tt.summary)
				}
			})
		})
	}
}

func TestBadRules(t *testing.T) {
	for _, rs := range [][]health.Rule{
		{{Cause: "a", Effect: "a"}},
		{{Cause: "a", Effect: "b"}, {Cause: "b", Effect: "c"}, {Cause: "c", Effect: "a"}},
		{{Cause: "", Effect: "a"}},
		{{Cause: "a/b", Effect: "c"}},
	} {
		if _, err := health.New(rs...); err == nil {
			t.Errorf("%v: no error", rs)
		}
	}
}

func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		for i := range 2 * health.MaxConditions {
			h.Set(fmt.Sprintf("ok/%d", i), health.OK, "")
			time.Sleep(time.Millisecond)
		}
		s := h.Snapshot()
		if n := len(s.Conditions); n != health.MaxConditions-1 || s.Refused != 0 {
			t.Fatalf("%d conditions, %d refused", n, s.Refused)
		}
		for i := range health.MaxConditions - 1 {
			h.Set(fmt.Sprintf("bad/%d", i), health.Degraded, "x")
		}
		if s = h.Snapshot(); s.Refused != 0 || s.Conditions[len(s.Conditions)-1].Level != health.Degraded {
			t.Fatalf("OK conditions did not give way: %d refused", s.Refused)
		}
		h.Set("late", health.OK, "")
		if s = h.Snapshot(); s.Refused != 1 || s.Level != health.Degraded {
			t.Fatalf("%d refused, %v", s.Refused, s.Level)
		}
		h.Set("late", health.Fault, "the disk is gone")
		h.Clear("health")
		s = h.Snapshot()
		root, _ := s.Root()
		if s.Level != health.Fault || root.Name != "health" || !strings.Contains(root.Reason, `"late": the disk is gone`) ||
			len(s.Conditions) != health.MaxConditions || s.Refused != 2 {
			t.Fatalf("%+v, %d conditions, %d refused", root, len(s.Conditions), s.Refused)
		}
	})
}

func TestStrangeText(t *testing.T) {
	h := open(t)
	h.Set("a", health.Degraded, "line\nbreak \x1b[31m \xff "+strings.Repeat("ü", health.MaxReasonBytes))
	r := h.Snapshot().Conditions[0].Reason
	if len(r) > health.MaxReasonBytes || !utf8.ValidString(r) || strings.ContainsAny(r, "\n\x1b") || !strings.HasPrefix(r, "line break") {
		t.Errorf("%q", r)
	}
	h.Set("", health.Degraded, "no name")
	h.Set(strings.Repeat("n", health.MaxNameBytes+1), health.Degraded, "long name")
	if s := h.Snapshot(); s.Refused != 2 || len(s.Conditions) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestWatchLatestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var seen []string
		busy := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- h.Watch(ctx, func(s health.Snapshot) {
				seen = append(seen, s.Summary())
				if len(seen) == 2 {
					<-busy
				}
			})
		}()
		synctest.Wait()
		h.Set("a", health.Degraded, "1")
		synctest.Wait()
		h.Set("a", health.Degraded, "1") // no change
		for i := 2; i <= 50; i++ {
			h.Set("a", health.Degraded, fmt.Sprint(i))
		}
		close(busy)
		synctest.Wait()
		h.Set("a", health.Degraded, "50") // no change
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(seen, "|"); got != "ok|degraded: a: 1|degraded: a: 50" {
			t.Errorf("seen %s", got)
		}
		h.Set("a", health.Fault, "after") // nobody watches
	})
}

func TestWatchersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range health.MaxWatchers {
			wg.Go(func() {
				if err := h.Watch(ctx, func(health.Snapshot) {}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if h.Watch(ctx, func(health.Snapshot) {}) == nil {
			t.Error("one too many watches")
		}
		cancel()
		wg.Wait()
		if err := h.Watch(ctx, func(health.Snapshot) { t.Error("called after the context was done") }); err != nil {
			t.Errorf("the watchers did not leave: %v", err)
		}
	})
}

func TestConcurrent(t *testing.T) {
	h := open(t, rules...)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = h.Watch(ctx, func(s health.Snapshot) {
			for _, c := range s.Conditions {
				if c.Level > s.Level {
					t.Errorf("%s is %v, overall %v", c.Name, c.Level, s.Level)
				}
			}
		})
	})
	var setters sync.WaitGroup
	for i := range 4 {
		setters.Go(func() {
			names := []string{"spool", "uplink/a", "link", "port/eth1"}
			for j := range 200 {
				h.Set(names[(i+j)%4], health.Level(j%3), "x")
				if j%7 == 0 {
					h.Clear(names[j%4])
				}
			}
		})
	}
	setters.Wait()
	cancel()
	wg.Wait()
}

func BenchmarkSetUnchanged(b *testing.B) {
	h := open(b)
	h.Set("spool", health.Degraded, "filling")
	b.ReportAllocs()
	for b.Loop() {
		h.Set("spool", health.Degraded, "filling")
	}
}
