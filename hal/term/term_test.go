package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
)

func lights() []Light {
	return []Light{{"status", "green"}, {"capture", "yellow"}, {"uplink", "blue"}, {"spool", "red"}}
}

// screen is an output that can be read while it is written.
type screen struct {
	mu     sync.Mutex
	writes []string
	err    error
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

// fail makes every Write from now on return err.
func (s *screen) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *screen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes
	s.writes = nil
	return w
}

// start runs p; the result ends it and returns its error.
func start(t *testing.T, p *Panel) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error { once.Do(func() { cancel(); err = <-done }); return err }
	t.Cleanup(func() { _ = stop() })
	return stop
}

func open(t *testing.T, p *Panel, name string) hal.LED {
	t.Helper()
	l, err := p.LED(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLED looks for the light where it is drawn.
func TestLED(t *testing.T) {
	p := New(Config{Lights: lights(), Out: io.Discard, Live: true})
	haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
		return haltest.LEDUnderTest{LED: open(t, p, "uplink"), Lit: func() bool {
			_, right, _ := strings.Cut(p.frame(), "CAPTURE")
			left, _, _ := strings.Cut(right, "UPLINK")
			return strings.Contains(left, "\x1b[94m●")
		}}
	})
}

func TestButton(t *testing.T) {
	haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
		in, typist := io.Pipe()
		p := New(Config{Button: "button", Out: io.Discard, In: in})
		start(t, p)
		t.Cleanup(func() { _ = typist.Close() }) // before Run is to end
		b, err := p.Button()
		if err != nil {
			t.Fatal(err)
		}
		key := func() {
			// The second write is read once the first has been acted upon.
			for _, s := range []string{"h", "."} {
				if _, err := io.WriteString(typist, s); err != nil {
					t.Error(err)
				}
			}
		}
		return haltest.ButtonUnderTest{Button: b, Press: key, Release: key}
	})
}

// typed returns the changes that keys make, as d and u, and how Run ended.
func typed(t *testing.T, keys string) (changes string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in, typist := net.Pipe() // has deadlines, so Run can end by itself
		p := New(Config{Button: "b", Out: io.Discard, In: in})
		stop := start(t, p)
		b, _ := p.Button()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var got []byte
		go func() {
			done <- b.Run(ctx, func(ev hal.ButtonEvent) { got = append(got, map[bool]byte{true: 'd', false: 'u'}[ev.Pressed]) })
		}()
		synctest.Wait()
		for i := range len(keys) { // one at a time: sequences may arrive in parts
			if _, err := typist.Write([]byte{keys[i]}); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if err := stop(); err != nil { // without the typist's help
			t.Error(err)
		}
		synctest.Wait()
		cancel()
		changes, err = string(got), <-done
		_, _ = typist.Close(), in.Close()
	})
	return changes, err
}

func TestKeys(t *testing.T) {
	tests := []struct{ keys, want string }{
		{"", "u"},
		{"b", "udu"},
		{" b", "ududu"},
		{"hh", "udu"},
		{"h b h", "udu"}, // held: short presses mean nothing
		{"xyzBH\r\n\t", "u"},
		{"\x1b[A\x1b[B\x1bOH\x1b[1;5h\x1bb", "u"}, // arrows, Home, an odd one, Alt-b
		{"\x1b[Ab", "udu"},
		{strings.Repeat("b", queued/2), "u" + strings.Repeat("du", queued/2)},
	}
	for _, tt := range tests {
		got, err := typed(t, tt.keys)
		if got != tt.want || err != nil {
			t.Errorf("%q: %s, %v, want %s", tt.keys, got, err, tt.want)
		}
	}
}

func TestKeysEndWhileHeld(t *testing.T) {
	got, err := typed(t, "bh")
	if got != "udud" || !errors.Is(err, errKeysEnded) {
		t.Errorf("%s, %v: a press that nobody can end must be void", got, err)
	}
}

// TestPressesQueue types while the button's user is busy.
func TestPressesQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, typist := net.Pipe()
		p := New(Config{Button: "b", Out: io.Discard, In: in})
		stop := start(t, p)
		b, _ := p.Button()
		ctx, cancel := context.WithCancel(t.Context())
		busy, done := make(chan struct{}), make(chan error, 1)
		var got []bool
		go func() {
			done <- b.Run(ctx, func(ev hal.ButtonEvent) { <-busy; got = append(got, ev.Pressed) })
		}()
		synctest.Wait()
		for range 3 * queued {
			_, _ = io.WriteString(typist, "b")
		}
		_, _ = io.WriteString(typist, "h")
		synctest.Wait() // all keys are dealt with
		close(busy)
		synctest.Wait()
		if len(got) != 1+queued || got[len(got)-1] {
			t.Errorf("%d events, the last %t", len(got), got[len(got)-1])
		}
		for i, pressed := range got {
			if pressed != (i%2 == 1) {
				t.Fatalf("event %d: pressed %t", i, pressed)
			}
		}
		cancel()
		if err := errors.Join(<-done, stop()); err != nil {
			t.Error(err)
		}
	})
}

func TestLiveDrawing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		in, typist := net.Pipe()
		p := New(Config{Lights: lights(), Button: "b", Out: &s, In: in, Live: true})
		stop := start(t, p)
		l := open(t, p, "status")
		synctest.Wait()
		first := strings.Join(s.take(), "")
		if !strings.HasPrefix(first, hideCursor) || strings.Contains(first, "\n") || strings.Contains(first, "●") ||
			!strings.Contains(first, "STATUS") || !strings.Contains(first, "[b] press") {
			t.Errorf("first frame %q", first)
		}
		for i := range 1000 { // 1 kHz for a second
			_ = l.Set(i%2 == 0)
			time.Sleep(time.Millisecond)
		}
		if n := len(s.take()); n > 11 {
			t.Errorf("%d drawings in a second", n)
		}
		_ = l.Set(true)
		l.(hal.Annotator).Annotate("fault\x1b[31m\n")
		_, _ = io.WriteString(typist, "h")
		time.Sleep(time.Second)
		last := strings.Join(s.take(), "")
		if !strings.Contains(last, "\x1b[92m●") || !strings.Contains(last, "fault [31m ") || !strings.Contains(last, "[h] let go") {
			t.Errorf("frame %q", last)
		}
		time.Sleep(time.Minute)
		_ = l.Set(true)
		time.Sleep(time.Second)
		if w := s.take(); len(w) != 0 {
			t.Errorf("drawn without a change: %q", w)
		}
		if n, err := io.WriteString(p.Writer(), "a log line\n"); n != 11 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if w := s.take(); len(w) != 1 || !strings.HasPrefix(w[0], clear+"a log line\n"+clear) || !strings.Contains(w[0], "STATUS") {
			t.Errorf("log line: %q", w)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if w := s.take(); len(w) != 1 || w[0] != clear+showCursor {
			t.Errorf("end: %q", w)
		}
		_, _ = io.WriteString(p.Writer(), "after\n")
		if w := s.take(); len(w) != 1 || w[0] != "after\n" {
			t.Errorf("after the end: %q", w)
		}
	})
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := New(Config{Lights: lights(), Out: &s})
		stop := start(t, p)
		status, uplink := open(t, p, "status"), open(t, p, "uplink")
		for i := range 100 { // blinks are not told
			_ = status.Set(i%2 == 0)
			time.Sleep(100 * time.Millisecond)
		}
		if w := s.take(); len(w) != 0 {
			t.Errorf("%q", w)
		}
		status.(hal.Annotator).Annotate("healthy")
		uplink.(hal.Annotator).Annotate("connecting")
		time.Sleep(time.Second)
		uplink.(hal.Annotator).Annotate("up")
		time.Sleep(time.Second)
		uplink.(hal.Annotator).Annotate("up")
		time.Sleep(time.Second)
		_, _ = io.WriteString(p.Writer(), "log\n")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := "panel: STATUS healthy, UPLINK connecting\npanel: STATUS healthy, UPLINK up\nlog\n"
		if got := strings.Join(s.take(), ""); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestOutputFails fails the output while the reader of keys waits: Run must
// interrupt it by itself, since nobody has cancelled its context.
func TestOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken pipe")
		s := &screen{}
		in, typist := net.Pipe()
		p := New(Config{Lights: lights(), Button: "b", Out: s, In: in, Live: true})
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		synctest.Wait() // drawn once, and reading
		s.fail(broken)
		if err := open(t, p, "status").Set(true); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("err %v", err)
		}
		_, _ = typist.Close(), in.Close()
	})
}

func TestNotOnThisPanel(t *testing.T) {
	p := New(Config{Lights: lights(), Out: &bytes.Buffer{}})
	if _, err := p.LED("power"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	if _, err := p.Button(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
}
