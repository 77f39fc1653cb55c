package appliance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// nursery is a supervisor under test.
type nursery struct {
	*supervisor
	born   chan *fakeChild
	out    text
	cancel func()
	result chan bool

	mu      sync.Mutex // guards what follows
	starts  []time.Duration
	states  []string
	vouched string
}

func (n *nursery) note(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// noted returns what was noted so far.
func (n *nursery) noted() (starts []time.Duration, states []string, vouched string) {
	n.note(func() { starts, states, vouched = slices.Clone(n.starts), slices.Clone(n.states), n.vouched })
	return
}

func newNursery(t *testing.T, fail error) *nursery {
	n := &nursery{born: make(chan *fakeChild, 16), result: make(chan bool, 1)}
	made := time.Now()
	n.supervisor = &supervisor{out: &n.out, words: filepath.Join(t.TempDir(), "crashes"), log: logTo(&n.out), now: time.Now, news: &teller{},
		lives: func(int) {}, alive: func([]string) {}, ended: func(string) {},
		do:    func(verb, text string) error { return errors.New(verb + " " + text) },
		vouch: func(what string, d time.Duration) { n.note(func() { n.vouched = what + " " + d.String() }) },
		state: func(text string) { n.note(func() { n.states = append(n.states, text) }) },
		start: func() (*Child, error) {
			n.note(func() { n.starts = append(n.starts, time.Since(made)) })
			if fail != nil {
				return nil, fail
			}
			f, c := newFakeChild()
			n.born <- f
			return c, nil
		}}
	ctx, cancel := context.WithCancel(t.Context())
	n.cancel = cancel
	go func() { n.result <- n.run(ctx) }()
	return n
}

func TestSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNursery(t, nil)
		c := <-n.born
		if _, err := c.out.Write([]byte("hello\nhalf")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.alive.Write([]byte("healthy; uplink: up\n")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, states, vouched := n.noted(); vouched != "sign of life of the probe 30s" || !reflect.DeepEqual(states, []string{"starting", "healthy; uplink: up"}) {
			t.Errorf("vouched %q, states %q", vouched, states)
		}
		c.end("exit status 2")
		synctest.Wait()
		if _, _, vouched := n.noted(); vouched != "restart of the probe 3m1s" {
			t.Errorf("vouched %q", vouched)
		}
		if got := n.out.String(); !strings.HasPrefix(got, "hello\nhalf\n") || !strings.Contains(got, `status="exit status 2" in=1s`) {
			t.Errorf("printed %q", got)
		}
		words, err := filepath.Glob(filepath.Join(n.words, "*.txt"))
		if err != nil || len(words) != 1 {
			t.Fatalf("last words %q, %v", words, err)
		}
		if b, err := os.ReadFile(words[0]); err != nil || string(b) != "ended: exit status 2\nhello\nhalf\n" {
			t.Errorf("last words %q, %v", b, err)
		}
		// Pauses are doubled up to a minute, and forgotten after a good run.
		for range 8 {
			(<-n.born).end("exit status 1")
		}
		c = <-n.born
		pass(5 * time.Minute)
		c.end("exit status 1")
		c = <-n.born
		synctest.Wait()
		s := time.Second
		want := []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 123 * s, 183 * s, 243 * s, 543*s + s}
		if starts, _, _ := n.noted(); !reflect.DeepEqual(starts, want) {
			t.Errorf("started at %v, want %v", starts, want)
		}
		n.cancel()
		if <-n.result {
			t.Error("a probe that was told to stop asked for a shutdown")
		}
		if !reflect.DeepEqual(c.signals, []os.Signal{unix.SIGTERM}) {
			t.Errorf("signals %v", c.signals)
		}
		if words, _ := filepath.Glob(filepath.Join(n.words, "*.txt")); len(words) != 10 {
			t.Errorf("%d last words", len(words))
		}
		for range 30 {
			n.keep(&lastWords{}, "again")
			pass(time.Second)
		}
		if words, _ := filepath.Glob(filepath.Join(n.words, "*.txt")); len(words) != 20 {
			t.Errorf("%d last words are kept", len(words))
		}
	})
}

func TestSupervisorKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNursery(t, nil)
		c := <-n.born
		c.ignores = true
		synctest.Wait()
		n.cancel()
		begun := time.Now()
		<-n.result
		if d := time.Since(begun); d != 30*time.Second || len(c.signals) != 2 || c.signals[1] != unix.SIGKILL {
			t.Errorf("ended after %v with %v", d, c.signals)
		}
	})
}

func TestSupervisorShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNursery(t, nil)
		(<-n.born).end("")
		if !<-n.result {
			t.Error("a probe that ended well, unasked, is no shutdown")
		}
	})
}

func TestSupervisorCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNursery(t, errors.New("no memory"))
		pass(time.Minute)
		if starts, _, _ := n.noted(); !strings.Contains(n.out.String(), "no memory") || len(starts) != 6 {
			t.Errorf("starts %v, log %s", starts, n.out.String())
		}
		n.cancel()
		if <-n.result {
			t.Error("asked for a shutdown")
		}
	})
}

// A line without an end, of any length, is cut, and does not hold the probe up.
func TestSupervisorLongLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNursery(t, nil)
		c := <-n.born
		if _, err := c.out.Write([]byte(strings.Repeat("x", 3*maxLine))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := n.out.String(); len(got) != 3*maxLine+3 {
			t.Errorf("%d octets", len(got))
		}
		n.cancel()
		<-n.result
	})
}
