package appliance

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal"
)

// talk is a probe and its supervisor, and what they say to each other.
func TestParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var mu sync.Mutex
		var heard, states []string
		n := &teller{}
		n.tell("a", "first")
		n.tell("b", "one\ntwo")
		n.tell("a", "second")
		s := &supervisor{news: n, lives: func(int) {}, alive: func([]string) {}, ended: func(string) {}, log: logTo(&text{}), vouch: func(string, time.Duration) {},
			state: func(text string) { mu.Lock(); states = append(states, text); mu.Unlock() },
			do: func(verb, text string) error {
				if verb == "refuse" {
					return errors.New("no: \"" + text + "\"")
				}
				return nil
			}}
		p := NewParent(theirs, func(kind, text string) { mu.Lock(); heard = append(heard, kind+" "+text); mu.Unlock() })
		go p.Run()
		n.attach(ours)
		go s.signsOfLife(&Child{Alive: ours})
		n.tell("b", "one\ntwo") // no news
		n.tell("b", "three")
		for _, err := range []error{p.Alive("healthy; spool: empty"), p.Ask(t.Context(), "do", "it\nall")} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := p.Ask(t.Context(), "refuse", "x y"); err == nil || err.Error() != `no: "x y"` {
			t.Errorf("%v", err)
		}
		if err := p.Alive("a line\nand another"); err == nil {
			t.Error("two lines went as one")
		}
		if err := p.Ask(t.Context(), "do", strings.Repeat("x", maxLine)); err == nil {
			t.Error("a line that is too long was sent")
		}
		synctest.Wait()
		mu.Lock()
		if want := []string{"a second", "b one\ntwo", "b three"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		if want := []string{"healthy; spool: empty"}; !slices.Equal(states, want) {
			t.Errorf("signs of life %q, want %q", states, want)
		}
		mu.Unlock()
		ours.Close()
		if err := p.Ask(t.Context(), "do", ""); err == nil {
			t.Error("nobody answered, and that was no error")
		}
		theirs.Close()
	})
}

// A PID 1 that does not answer is waited for no longer than the caller wants.
func TestParentSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() {
			for b := make([]byte, 100); ; {
				if _, err := ours.Read(b); err != nil {
					return
				}
			}
		}()
		p := NewParent(theirs, func(string, string) {})
		go p.Run()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Ask(ctx, "do", ""); !errors.Is(err, errNobody) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		ours.Close()
		theirs.Close()
	})
}

// What is no request is answered as such, and nothing comes of it.
func FuzzObey(f *testing.F) {
	f.Add(`restart ""`)
	f.Add(`uplink "set uplink interface eth0\n"`)
	f.Add("x")
	f.Fuzz(func(t *testing.T, request string) {
		done := ""
		s := &supervisor{do: func(verb, text string) error { done = verb; return nil }}
		if err := s.obey(request); err == nil && (done == "" && request[0] != ' ' || !strings.HasPrefix(request, done)) {
			t.Errorf("%q: did %q", request, done)
		}
	})
}

func TestLastReset(t *testing.T) {
	const none, dog = hal.ResetCause(0), hal.ResetByWatchdog
	for _, tt := range []struct {
		noted          string
		err            error
		kept, panicked bool
		dog            hal.ResetCause
		want           string
	}{
		{"", fs.ErrNotExist, true, false, none, "first-start"},
		{"", fs.ErrNotExist, false, false, none, "unknown"},
		{"", fs.ErrNotExist, false, false, dog, "watchdog: the system itself was stuck"},
		{"runs", nil, true, false, none, "power-cut"},
		{"runs", nil, true, false, dog, "watchdog: the system itself was stuck"},
		{"runs", nil, true, false, hal.ResetPowerLow, "power-cut: the watchdog says power low"},
		{"runs", nil, true, true, none, "kernel-panic: see crashes on the data partition"},
		{"power-off", nil, true, false, none, "power-off"},
		{"power-off", nil, true, false, dog, "power-off"}, // what it remembers is older
		{"restart", nil, true, false, none, "restart"},
		{"watchdog: boot was waited for in vain", nil, true, false, none, "watchdog: boot was waited for in vain"},
		{"watchdog: boot was waited for in vain", nil, true, false, dog, "watchdog: boot was waited for in vain"},
		{"nonsense", nil, true, false, none, "unknown"},
	} {
		if got := lastReset(tt.noted, tt.err, tt.kept, tt.panicked, tt.dog); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func TestHardwareClock(t *testing.T) {
	built := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // the clock's name
		set   string // what the clock is set to
	}{
		{"none", nil, "", ""},
		{"read by the kernel", map[string]string{"rtc0/name": "rtc_cmos rtc_cmos\n", "rtc0/hctosys": "1\n", "rtc0/since_epoch": "1800000000\n"}, "rtc_cmos rtc_cmos", ""},
		{"a module", map[string]string{"rtc0/name": "ds1307\n", "rtc0/hctosys": "0\n", "rtc0/since_epoch": "1800000000\n"}, "ds1307", "clock 2027-01-15T08:00:00Z"},
		{"before the build", map[string]string{"rtc0/name": "ds1307\n", "rtc0/hctosys": "0\n", "rtc0/since_epoch": "946684800\n"}, "ds1307", ""},
		{"far ahead", map[string]string{"rtc0/name": "ds1307\n", "rtc0/hctosys": "0\n", "rtc0/since_epoch": "4000000000\n"}, "ds1307", ""},
		{"no time", map[string]string{"rtc0/name": "ds1307\n", "rtc0/hctosys": "0\n"}, "ds1307", ""},
		{"the second", map[string]string{"rtc0/name": "efi\n", "rtc0/hctosys": "0\n", "rtc0/since_epoch": "1800000000\n", "rtc1/name": "pl031\n", "rtc1/hctosys": "1\n"}, "pl031", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := &fakeKernel{}
			b := &Box{Kernel: k, Root: t.TempDir(), Built: built, log: logTo(&text{})}
			for name, content := range tt.files {
				files(t, b.Root, map[string]string{"sys/class/rtc/" + name: content})
			}
			if got := b.hardwareClock(); got != tt.want || k.said() != tt.set {
				t.Errorf("%q, kernel: %q", got, k.said())
			}
		})
	}
}

func TestSocketPair(t *testing.T) {
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	p := NewParent(theirs, func(string, string) {})
	go p.Run()
	s := &supervisor{news: &teller{}, lives: func(int) {}, alive: func([]string) {}, do: func(string, string) error { return nil }}
	s.news.attach(prompt{ours})
	go s.signsOfLife(&Child{Alive: ours})
	if err := p.Ask(t.Context(), "do", ""); err != nil {
		t.Error(err)
	}
}
