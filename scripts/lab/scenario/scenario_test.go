package scenario_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/jssip"
	"heptap/scripts/lab/kamailio"
	"heptap/scripts/lab/scenario"
)

func TestMain(m *testing.M) {
	code := m.Run()
	box.RemoveBuilt()
	os.Exit(code)
}

// need skips a test that cannot run here. In CI, not being able to is a failure.
func need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	missing := errors.Is(err, lab.ErrNotRoot) || errors.Is(err, kamailio.ErrMissing) || errors.Is(err, jssip.ErrMissing) || errors.Is(err, exec.ErrNotFound)
	if missing && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// TestScenario plays it once, and compares all that was found of it with what
// the parts know.
func TestScenario(t *testing.T) {
	for _, program := range []string{"tcpdump", "tshark", "sipp", "openssl", "logger"} {
		_, err := exec.LookPath(program)
		need(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	r, err := scenario.Run(ctx, binary)
	need(t, err)
	t.Run("the messages", func(t *testing.T) {
		if d := box.Compare(r.Seen, r.Delivered); len(d.Missing)+len(d.Extra)+len(d.Again) != 0 || len(r.Seen) == 0 {
			t.Errorf("%d messages, want %d\nmissing %v\ntoo many %v\nunknown %v", len(r.Delivered), len(r.Seen), d.Missing, d.Again, d.Extra)
		}
	})
	t.Run("the ladder on the console", func(t *testing.T) {
		t.Logf("\n%s", r.Ladder)
		for _, want := range []string{"ended", "--- INVITE", "--- 180 Ringing", "--- 200 OK", "--- ACK", "--- BYE", ".. GET /route?number=15550101", ".. 200, ", "=== TCP opened ===", " * kamailio: "} {
			if !strings.Contains(r.Ladder, want) {
				t.Errorf("no %q in it", want)
			}
		}
	})
	t.Run("the graph of the collector", func(t *testing.T) {
		same(t, r.Expected.With(r.Live).Untold(), r.Live)
	})
	t.Run("the graph of the replay", func(t *testing.T) {
		same(t, r.Expected.With(r.Replayed), r.Replayed)
	})
	t.Run("following", func(t *testing.T) {
		known := r.Expected.With(r.Replayed)
		for n := range known.Nodes {
			if n.Kind == scenario.Line {
				continue // it has no id of its own
			}
			want, got := known.Within(n), r.Reached[n]
			var wrong []string
			for to := range want {
				if !got[to] {
					wrong = append(wrong, "does not reach "+to.String())
				}
			}
			for to := range got {
				if !want[to] {
					wrong = append(wrong, "reaches "+to.String())
				}
			}
			slices.Sort(wrong)
			for _, w := range wrong {
				t.Errorf("%v %s", n, w)
			}
		}
	})
	t.Run("the picture", func(t *testing.T) {
		drawn, err := scenario.Drawn()
		if err != nil {
			t.Fatal(err)
		}
		if want := scenario.Solid(r.Replayed.Mermaid()); scenario.Solid(drawn) != want {
			t.Errorf("README.md shows another graph: go run ./scripts/lab/scenario/draw; want\n%s", want)
		}
	})
	for _, name := range []string{"heptap_frames_kernel_drops_total", "heptap_queue_drops_total", "heptap_stream_drops_total", "heptap_merge_late_total"} {
		if n := r.Metrics.Sum(name); n != 0 {
			t.Errorf("%s: %v", name, n)
		}
	}
	t.Run("what no id says", func(t *testing.T) {
		for who, got := range map[string]*scenario.Graph{"the collector": r.Live, "the replay": r.Replayed} {
			n := 0
			for e := range got.Edges {
				if r.Expected.Unsaid[scenario.Edge{From: e.From, To: e.To, How: "inferred"}] {
					t.Logf("%s: %v", who, e)
					n++
				}
			}
			if n == 0 { // which ones, the machine's pace decides
				t.Errorf("%s: nothing was inferred", who)
			}
		}
	})
	if t.Failed() || testing.Verbose() {
		t.Logf("the run:\n%s", r.Replayed.Mermaid())
	}
}

func same(t *testing.T, want, got *scenario.Graph) {
	t.Helper()
	for _, d := range want.Differences(got) {
		t.Error(d)
	}
}
