package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"heptap/hal"
)

// StepAt is how far off the clock is when it is stepped and not slewed.
const StepAt = hal.MaxSlew

const (
	lookEvery = time.Second
	// jump is how much the clocks move against each other between two looks when
	// somebody has stepped one: slewing moves both.
	jump     = 100 * time.Millisecond
	shortest = 16 * time.Second // between two rounds
	longest  = 1024 * time.Second
	retry    = 4 * time.Second // after a round without an answer, doubled up to
	slowest  = 64 * time.Second
	well     = 20 * time.Millisecond // a clock that was off by less is asked about half as often
	stale    = 24 * time.Hour        // a clock that nobody confirmed for so long is not known to be right
)

// Options are what a Keeper works with.
type Options struct {
	Clock   hal.Clock
	Epochs  *Epochs
	Servers func() []string // to be asked; none: somebody else keeps the clock, and the kernel is asked whether
	Coming  func() bool     // there may be servers soon that nobody knows yet; nil: never
	Ask     func(ctx context.Context, server string) (Answer, error)
	Hold    time.Duration // records wait for the first answer for so long at most
	Built   time.Time     // no time is before it; zero: not known
	Log     *slog.Logger
}

// State is how right the time is.
type State struct {
	Right   bool          // known to be right
	Set     bool          // was known to be, since the start or when it began
	Waiting string        // why records do not leave yet, or empty
	Servers []string      // that are asked; none: somebody else keeps the clock, or nobody
	Server  string        // that was believed last
	Offset  time.Duration // how far off the clock was then
	At      time.Time     // when that was; zero: never
	Next    time.Time     // when the servers are asked again; zero: not
	Steps   uint64        // of the wall clock, since the start
	Rounds  uint64        // of questions
	Failed  uint64        // of these, those without an answer to believe
	Err     error         // of the last round
}

// Keeper watches the clock, and keeps it if there are servers.
type Keeper struct {
	o     Options
	ready chan struct{} // closed when records may leave

	// Of Run's goroutine.
	apart    int64 // wall clock less monotonic clock, at the last look
	began    int64 // monotonic
	due      int64 // when the servers are asked next
	interval time.Duration
	wait     time.Duration // after a failure
	doubt    time.Duration // a step that a second round has to confirm
	lastGood int64         // monotonic time of the last answer that was believed
	fileErr  bool          // said that the file cannot be written

	mu    sync.Mutex // guards what follows
	state State
}

// New returns a Keeper and begins an epoch.
func New(o Options) *Keeper {
	k := &Keeper{o: o, ready: make(chan struct{}), interval: shortest, wait: retry}
	wall, mono := o.Clock.Read()
	k.apart, k.began, k.due = wall-mono, mono, mono
	k.keep(o.Epochs.begin(k.apart, k.kept(), true))
	k.state.Right = o.Epochs.last().Right && k.kept()
	k.state.Set = k.state.Right
	k.decide(wall, mono)
	return k
}

// State returns how right the time is.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	s.Servers = k.o.Servers()
	return s
}

// Wait returns when records may leave, or with ctx's error.
func (k *Keeper) Wait(ctx context.Context) error {
	select {
	case <-k.ready:
		return nil
	default:
	}
	select {
	case <-k.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the time is not known yet: %w", ctx.Err())
	}
}

// Run looks at the clock, and asks the servers, until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	type result struct {
		answer Answer
		err    error
	}
	results := make(chan result, 1)
	asking := false
	for {
		wall, mono := k.look(false)
		if servers := k.o.Servers(); !asking && len(servers) > 0 && mono >= k.due {
			asking = true
			go func() {
				a, err := k.ask(ctx, servers)
				results <- result{a, err}
			}()
		}
		k.decide(wall, mono)
		select {
		case <-ctx.Done():
			if asking {
				<-results
			}
			return nil
		case r := <-results:
			asking = false
			k.heard(r.answer, r.err)
		case <-tick.C:
		}
	}
}

// look finds out whether somebody has stepped the clock: we, if we did just now.
func (k *Keeper) look(we bool) (wall, mono int64) {
	wall, mono = k.o.Clock.Read()
	apart := wall - mono
	moved := time.Duration(apart - k.apart)
	k.apart = apart
	stepped := moved >= jump || moved <= -jump
	if stepped && !we {
		k.lastGood = 0 // what we were told does not hold any more
		k.due = mono
	}
	right := k.kept()
	switch {
	case stepped:
		k.o.Log.Info("the wall clock was stepped", "by", moved.Round(time.Millisecond), "by_us", we, "right", right)
		k.keep(k.o.Epochs.begin(apart, right, false))
		k.update(func(s *State) { s.Steps++ })
	case right && !k.o.Epochs.last().Right:
		k.keep(k.o.Epochs.settle(apart, true))
	}
	k.update(func(s *State) { s.Right, s.Set = right, s.Set || right })
	return wall, mono
}

// kept reports whether the time is known to be right now.
func (k *Keeper) kept() bool {
	if len(k.o.Servers()) > 0 {
		_, mono := k.o.Clock.Read()
		return k.lastGood != 0 && mono-k.lastGood < int64(stale)
	}
	kept, err := k.o.Clock.Kept()
	return err == nil && kept
}

// heard takes the result of a round.
func (k *Keeper) heard(a Answer, err error) {
	wall, mono := k.o.Clock.Read()
	if err == nil && !k.o.Built.IsZero() && time.Unix(0, wall).Add(a.Offset).Before(k.o.Built) {
		err = fmt.Errorf("%s says that it is %s, before this program was built", a.Server, time.Unix(0, wall).Add(a.Offset).UTC().Format(time.RFC3339))
	}
	if err == nil {
		err = k.move(a)
	}
	if err == nil {
		k.lastGood, k.wait = mono, retry
		k.look(true)
		k.pace(a.Offset)
	}
	again := k.interval
	switch {
	case errors.Is(err, errDoubt):
		again = retry
	case err != nil:
		again = k.wait
		k.wait = min(2*k.wait, slowest)
	}
	again += time.Duration(rand.Int64N(int64(again/8) + 1)) // many probes do not ask at once
	wall, mono = k.o.Clock.Read()
	k.due = mono + int64(again)
	k.update(func(s *State) {
		s.Rounds++
		s.Next = time.Unix(0, wall).Add(again)
		if s.Err = err; err != nil {
			s.Failed++
			return
		}
		s.Server, s.Offset, s.At = a.Server, a.Offset, time.Unix(0, wall)
	})
}

// errDoubt says that a step waits for a second round.
var errDoubt = errors.New("asked again before the clock is stepped")

// move puts the clock right.
func (k *Keeper) move(a Answer) error {
	off := a.Offset
	if off < StepAt && off > -StepAt {
		k.doubt = 0
		if err := k.o.Clock.Slew(off); err != nil {
			return err
		}
		return k.o.Clock.Trust(a.Distance)
	}
	if again := off - k.doubt; k.kept() && (k.doubt == 0 || again > StepAt || again < -StepAt) {
		k.doubt = off
		return fmt.Errorf("%w by %v, which %s says", errDoubt, off, a.Server)
	}
	k.doubt = 0
	if err := k.o.Clock.Step(off); err != nil {
		return err
	}
	return k.o.Clock.Trust(a.Distance)
}

// pace says how long until the next round, after one that found the clock off.
func (k *Keeper) pace(off time.Duration) {
	if off < well && off > -well {
		k.interval = min(2*k.interval, longest)
	} else {
		k.interval = max(k.interval/2, shortest)
	}
}

// decide lets records leave, if they may.
func (k *Keeper) decide(wall, mono int64) {
	select {
	case <-k.ready:
		return
	default:
	}
	waiting := ""
	switch servers := k.o.Servers(); {
	case !k.o.Built.IsZero() && time.Unix(0, wall).Before(k.o.Built):
		waiting = "the clock says " + time.Unix(0, wall).UTC().Format(time.DateOnly) + ", which is before this program was built"
	case len(servers) > 0 && !k.kept() && mono-k.began < int64(k.o.Hold):
		waiting = "no time server has answered yet"
	case len(servers) == 0 && k.o.Coming != nil && k.o.Coming() && mono-k.began < int64(k.o.Hold):
		waiting = "whether there is a time server is not known yet: DHCP has not answered"
	}
	k.update(func(s *State) { s.Waiting = waiting })
	if waiting == "" {
		close(k.ready)
	}
}

func (k *Keeper) update(f func(*State)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.state)
}

// keep says once that the file cannot be written.
func (k *Keeper) keep(err error) {
	if err != nil && !k.fileErr {
		k.o.Log.Warn("the steps of the clock are remembered in memory only", "err", err)
	}
	k.fileErr = err != nil
}
