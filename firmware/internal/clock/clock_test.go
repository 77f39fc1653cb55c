package clock

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heptap/capture/record"
	"heptap/hal/haltest"
)

var (
	truth = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) // when the tests begin
	built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	boot  = Boot{1, 2, 3}
)

// world is a clock that may be wrong, and servers that know better.
type world struct {
	t      *testing.T
	clock  *haltest.Clock
	epochs *Epochs
	keeper *Keeper
	began  time.Time

	mu      sync.Mutex
	wrong   map[string]time.Duration // what a server is off by; those not in it do not answer
	servers []string
	lies    int // so many of the next answers are off by an hour
	asked   int
}

func newWorld(t *testing.T, wall time.Time, kept bool, change func(*Options), servers ...string) *world {
	w := &world{t: t, clock: haltest.NewClock(wall), wrong: map[string]time.Duration{}, servers: servers, began: time.Now()}
	if kept {
		if err := w.clock.Trust(0); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.epochs, err = OpenEpochs("", boot); err != nil {
		t.Fatal(err)
	}
	o := Options{Clock: w.clock, Epochs: w.epochs, Servers: func() []string { return w.servers }, Ask: w.ask, Hold: 5 * time.Minute, Built: built, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	w.keeper = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.keeper.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return w
}

func (w *world) ask(ctx context.Context, server string) (Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	off, ok := w.wrong[server]
	if !ok {
		return Answer{}, errors.New(server + ": timeout")
	}
	if w.lies > 0 {
		w.lies--
		off += time.Hour
	}
	wall, _ := w.clock.Read()
	right := truth.Add(time.Since(w.began)).UnixNano() + int64(off)
	return Answer{Server: server, Offset: time.Duration(right - wall), Distance: 10 * time.Millisecond}, nil
}

func (w *world) answer(server string, off time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong[server] = off
}

func (w *world) pass(d time.Duration) {
	for range d / time.Second {
		w.clock.Pass(time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// off is how far off the clock is.
func (w *world) off() time.Duration {
	wall, _ := w.clock.Read()
	return time.Duration(wall - truth.Add(time.Since(w.began)).UnixNano())
}

// stamp is that of a record made now, in the log of this boot.
func (w *world) stamp() record.Stamp {
	wall, mono := w.clock.Read()
	return record.Stamp{Wall: wall, Mono: mono, Epoch: w.epochs.Current(), Boot: boot}
}

func (w *world) leaves() bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return w.keeper.Wait(ctx) == nil
}

// A box without a battery begins in 1970. Nothing leaves before a server has
// answered; then what was captured before is put right by the monotonic clock.
func TestNoBattery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Unix(60, 0), false, nil, "ntp1")
		var stamps []record.Stamp
		var right []int64
		note := func() {
			stamps = append(stamps, w.stamp())
			right = append(right, truth.Add(time.Since(w.began)).UnixNano())
		}
		note()
		w.pass(30 * time.Second)
		note()
		if s := w.keeper.State(); w.leaves() || s.Right || !strings.Contains(s.Waiting, "1970-01-01") || s.Err == nil {
			t.Errorf("before an answer: %+v", s)
		}
		w.answer("ntp1", 0)
		w.pass(2 * time.Minute)
		note()
		if s := w.keeper.State(); !w.leaves() || !s.Right || s.Server != "ntp1" || s.Steps != 1 || s.Err != nil {
			t.Errorf("after an answer: %+v", s)
		}
		for i, s := range stamps {
			if d := time.Duration(w.epochs.Wall(s) - right[i]); d > time.Millisecond || d < -time.Millisecond {
				t.Errorf("record %d is off by %v", i, d)
			}
		}
		relayed := stamps[0]
		relayed.Relayed = true
		if w.epochs.Wall(relayed) != relayed.Wall {
			t.Error("what another agent stamped was changed")
		}
	})
}

// A clock that is a little off is slewed, and no epoch begins.
func TestSlew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth.Add(-40*time.Millisecond), false, nil, "ntp1")
		w.answer("ntp1", 0)
		epoch := w.epochs.Current()
		w.pass(5 * time.Minute)
		if off := w.off(); off > time.Millisecond || off < -time.Millisecond {
			t.Errorf("still off by %v", off)
		}
		if s := w.keeper.State(); s.Steps != 0 || !s.Right || w.epochs.Current() != epoch {
			t.Errorf("stepped: %+v", s)
		}
	})
}

// A clock that was right is not stepped for one answer, but for two that say the same.
func TestOneWrongAnswer(t *testing.T) {
	for _, lies := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, truth, false, nil, "ntp1")
			w.answer("ntp1", 0)
			w.pass(time.Minute)
			w.mu.Lock()
			w.lies = lies
			w.mu.Unlock()
			w.pass(10 * time.Minute)
			steps := []uint64{1: 0, 2: 2}[lies] // there and back
			if s := w.keeper.State(); w.lies != 0 || s.Steps != steps || w.off().Abs() > time.Millisecond || !s.Right {
				t.Errorf("%d wrong answers: %+v, off by %v", lies, s, w.off())
			}
		})
	}
}

// Of three servers two that agree are believed, of two that differ none.
func TestFalseTicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth.Add(time.Minute), false, nil, "good", "false", "fair")
		w.answer("good", 0)
		w.answer("false", time.Hour)
		w.answer("fair", 5*time.Millisecond)
		w.pass(time.Minute)
		if off := w.off().Abs(); off > 10*time.Millisecond || !w.keeper.State().Right {
			t.Errorf("off by %v: %+v", off, w.keeper.State())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth, false, nil, "a", "b")
		w.answer("a", 0)
		w.answer("b", time.Hour)
		w.pass(time.Minute)
		s := w.keeper.State()
		if !errors.Is(s.Err, errDisagree) || s.Right || w.off() != 0 || !strings.Contains(s.Err.Error(), "b says +3600.000 s") {
			t.Errorf("%+v, off by %v", s, w.off())
		}
		w.pass(5 * time.Minute)
		if !w.leaves() {
			t.Error("records wait for longer than they may")
		}
	})
}

// Without servers the kernel is asked whether somebody keeps the clock; a step that
// another program makes begins an epoch all the same.
func TestKeptByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth.Add(-time.Hour), false, nil)
		if !w.leaves() {
			t.Error("records wait for nothing")
		}
		early := w.stamp()
		w.pass(10 * time.Second)
		w.clock.Jump(time.Hour)
		w.pass(2 * time.Second)
		if w.epochs.Wall(early) != early.Wall {
			t.Error("put right by a clock that nobody keeps")
		}
		if err := w.clock.Trust(0); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Second)
		if d := time.Duration(w.epochs.Wall(early) - truth.UnixNano()); d.Abs() > time.Millisecond {
			t.Errorf("off by %v", d)
		}
		if s := w.keeper.State(); !s.Right || s.Steps != 1 || w.asked != 0 {
			t.Errorf("%+v, %d questions", s, w.asked)
		}
	})
}

// While the clock is before the day of the build nothing leaves, whatever Hold says.
func TestBeforeBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, built.Add(-24*time.Hour), false, func(o *Options) { o.Hold = 0 }, "ntp1")
		w.answer("ntp1", -60*24*time.Hour)
		w.pass(10 * time.Minute)
		if s := w.keeper.State(); w.leaves() || s.Steps != 0 || !strings.Contains(s.Err.Error(), "before this program was built") {
			t.Errorf("%+v", s)
		}
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth.Add(-time.Hour), false, nil, "ntp1")
		w.clock.Err = os.ErrPermission
		w.answer("ntp1", 0)
		w.pass(time.Minute)
		if s := w.keeper.State(); s.Right || !errors.Is(s.Err, os.ErrPermission) {
			t.Errorf("%+v", s)
		}
	})
}

// A clock that runs well is asked about seldom.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth, false, nil, "ntp1")
		w.answer("ntp1", 0)
		w.pass(24 * time.Hour)
		if w.asked < 70 || w.asked > 100 {
			t.Errorf("asked %d times a day", w.asked)
		}
	})
}

// The file has the last epochs after a restart, and a program that starts again
// in the same boot goes on with the same one.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock.json")
	open := func(b Boot) *Epochs {
		t.Helper()
		e, err := OpenEpochs(path, b)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open(boot)
	for _, err := range []error{e.begin(1000, false, true), e.begin(int64(time.Hour), true, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if e.Current() != 2 {
		t.Errorf("epoch %d", e.Current())
	}
	stamp := record.Stamp{Wall: 5000, Mono: 4000, Epoch: 1, Boot: boot}
	e = open(boot)
	if err := e.begin(int64(time.Hour)+1000, false, true); err != nil || e.Current() != 2 || !e.last().Right {
		t.Errorf("the same boot again: %v, epoch %d", err, e.Current())
	}
	next := Boot{9}
	e = open(next)
	if e.Current() != 0 {
		t.Errorf("epoch %d of another boot", e.Current())
	}
	for i := range 2 * maxEpochs {
		if got, want := e.Wall(stamp), int64(time.Hour)+1000+4000; i < maxEpochs-2 && got != want {
			t.Fatalf("after %d epochs more: %d, want %d", i, got, want)
		}
		if err := e.begin(int64(i)*int64(time.Hour), false, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(*e.list.Load()); n != maxEpochs {
		t.Errorf("%d epochs are remembered", n)
	}
	if got := e.Wall(stamp); got != stamp.Wall {
		t.Errorf("of an epoch that is forgotten: %d", got)
	}
	if err := os.WriteFile(path, []byte(`[{"boot":"zz"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := OpenEpochs(path, boot); err == nil || e.Current() != 0 {
		t.Errorf("a damaged file: %v", err)
	} else if err := e.begin(1, true, true); err != nil || e.Current() != 1 {
		t.Errorf("cannot be used: %v", err)
	}
}

func TestChoose(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		name    string
		answers []Answer
		want    time.Duration
		fails   bool
	}{
		{"one", []Answer{{"a", ms(5), ms(1)}}, ms(5), false},
		{"the certain one", []Answer{{"a", ms(0), ms(50)}, {"b", ms(20), ms(5)}}, ms(20), false},
		{"moved into what they share", []Answer{{"a", ms(0), ms(10)}, {"b", ms(15), ms(8)}}, ms(10), false},
		{"they touch", []Answer{{"a", ms(0), ms(10)}, {"b", ms(20), ms(10)}}, ms(10), false},
		{"two of three", []Answer{{"a", ms(0), ms(10)}, {"b", ms(1000), ms(1)}, {"c", ms(2), ms(3)}}, ms(2), false},
		{"none of two", []Answer{{"a", ms(0), ms(10)}, {"b", ms(21), ms(10)}}, 0, true},
		{"two and two", []Answer{{"a", 0, ms(1)}, {"b", 0, ms(1)}, {"c", ms(9), ms(1)}, {"d", ms(9), ms(1)}}, 0, true},
	} {
		got, err := choose(c.answers)
		if (err != nil) != c.fails || got.Offset != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, got.Offset, err, c.want)
		}
	}
}

func TestWallAllocs(t *testing.T) {
	e, err := OpenEpochs("", boot)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxEpochs {
		if err := e.begin(int64(i)*int64(time.Hour), i%2 == 1, false); err != nil {
			t.Fatal(err)
		}
	}
	s := record.Stamp{Boot: boot, Epoch: 3}
	if n := testing.AllocsPerRun(100, func() { e.Wall(s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// On a box by DHCP it is not known at first whether there are servers: records
// wait for that, too, and for the answer of those that come; but not for ever.
func TestServersComing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		come  func(w *world)
		after time.Duration // until records leave
	}{
		{"none", func(*world) {}, 0},
		{"one", func(w *world) { w.servers = []string{"ntp1"} }, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				coming := true
				w := newWorld(t, truth, false, func(o *Options) { o.Coming = func() bool { return coming } })
				w.pass(time.Minute)
				if s := w.keeper.State(); w.leaves() || !strings.Contains(s.Waiting, "DHCP has not answered") {
					t.Errorf("before a lease: %+v", s)
				}
				coming = false
				tt.come(w)
				w.pass(2 * time.Second)
				if tt.after > 0 {
					if s := w.keeper.State(); w.leaves() || s.Waiting != "no time server has answered yet" || len(s.Servers) != 1 {
						t.Errorf("before an answer: %+v", s)
					}
					w.answer("ntp1", 0)
					w.pass(tt.after)
				}
				if !w.leaves() {
					t.Errorf("still waiting: %+v", w.keeper.State())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth, false, func(o *Options) { o.Coming = func() bool { return true } })
		w.pass(5*time.Minute + 2*time.Second)
		if !w.leaves() {
			t.Error("held for ever")
		}
	})
}
