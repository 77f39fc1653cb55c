package appliance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/firmware/internal/slots"
)

// A system that an update has brought is on trial. It is committed when the probe has
// had no other troubles for trialGood than it had under the system before, and given up
// after trialMost; for each restart meanwhile a start is counted. The
// committed system whose probe crashes, or which is reset, crashMost times in crashTime
// is given up, too, as is one on trial; the factory system never.
const (
	trialGood  = 5 * time.Minute
	trialMost  = 20 * time.Minute
	trialStep  = time.Second
	signOld    = 10 * time.Second // a sign of life that is older is none
	crashMost  = 3
	crashTime  = time.Hour
	mostLength = 64 << 10 // of a file that PID 1 keeps
)

// trialTimes are how long a system on trial must be good without a break, and how long it has.
type trialTimes struct{ good, most time.Duration }

// alive takes in what troubles the probe has.
func (s *systems) alive(troubles []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles, s.seen = troubles, time.Now()
}

// keepTroubles writes down what troubles the probe has: those that the next system may
// have. Those of a system that is on trial are no measure.
func (s *systems) keepTroubles() {
	s.mu.Lock()
	text, measure := strings.Join(s.troubles, "\n"), !s.running.Counted && !s.seen.IsZero()
	s.mu.Unlock()
	if measure {
		s.note(beforeFile, text+"\n")
	}
}

// begin notes which system runs, and begins its trial if it is on trial.
func (s *systems) begin() {
	s.mu.Lock()
	running := s.running
	known := s.known == nil
	s.mu.Unlock()
	if !known || !running.Counted {
		return
	}
	s.log.Warn("THIS SYSTEM IS ON TRIAL", "system", running.Number, "version", running.Version, "starts_left", running.Left)
	var before []string
	if text, err := readAtMost(s.path(beforeFile), mostLength); err == nil {
		before = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	s.jobs.Go(func() { s.trial(s.ctx, before) })
}

// trial judges the running system.
func (s *systems) trial(ctx context.Context, before []string) {
	tick := time.NewTicker(trialStep)
	defer tick.Stop()
	end, good := time.Now().Add(s.times.most), time.Time{}
	why := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if why = s.unlike(before, now); why != "" {
			good = time.Time{}
		} else if good.IsZero() {
			good = now
		}
		switch {
		case !s.onTrial():
			return // somebody has committed it
		case !good.IsZero() && now.Sub(good) >= s.times.good:
			if err := s.keep(); err != nil {
				s.log.Error("the system that is on trial is good, and cannot be committed", "err", err)
			}
			return
		case now.After(end):
			_ = s.giveUp(fmt.Sprintf("not healthy in %v: %s", s.times.most, why)) // it has logged that it cannot
			return
		}
	}
}

func (s *systems) onTrial() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Counted && !s.leaving
}

// unlike says what is wrong that was not wrong before.
func (s *systems) unlike(before []string, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.IsZero() || now.Sub(s.seen) > signOld {
		return "the probe gives no sign of life"
	}
	var worse []string
	for _, t := range s.troubles {
		if !slices.Contains(before, t) {
			worse = append(worse, t)
		}
	}
	return strings.Join(worse, ", ")
}

// keep commits the running system.
func (s *systems) keep() error {
	number, err := s.runs()
	if err != nil {
		return err
	}
	if number == slots.Factory {
		return errors.New("the factory system runs: there is nothing to commit")
	}
	if err := s.change(s.ctx, func(l slots.Loader) error { return l.MarkGood(number) }); err != nil {
		return err
	}
	s.log.Info("THIS SYSTEM IS COMMITTED", "system", number)
	return nil
}

// back gives the running system up because somebody wants that.
func (s *systems) back() error {
	number, err := s.runs()
	if err == nil && number == slots.Factory {
		err = errors.New("the factory system runs: there is nothing behind it")
	}
	if err != nil {
		return err
	}
	return s.giveUp("somebody at the console wanted the one before")
}

// giveUp has the next start be one of the system before, and restarts.
func (s *systems) giveUp(why string) error {
	number, err := s.runs()
	if err != nil {
		return err
	}
	if number == slots.Factory {
		return nil
	}
	s.log.Error("THIS SYSTEM IS GIVEN UP", "system", number, "why", why)
	if err := s.change(s.ctx, func(l slots.Loader) error { return l.GiveUp(number) }); err != nil {
		s.log.Error("it cannot be given up", "err", err)
		return err
	}
	s.mu.Lock()
	s.leaving = true
	version := s.running.Version
	s.mu.Unlock()
	s.note(saidFile, fmt.Sprintf("system %d, %s, was given up: %s\n", number, version, why))
	s.restart()
	return nil
}

// crashed counts a crash of the running system, and gives it up if there were many of late.
func (s *systems) crashed(what string) {
	number, err := s.runs()
	if err != nil || number == slots.Factory {
		return
	}
	now := s.now()
	recent := append(s.crashes(number, now), now)
	var b strings.Builder
	fmt.Fprintln(&b, number)
	for _, t := range recent {
		fmt.Fprintln(&b, t.Unix())
	}
	s.note(crashFile, b.String())
	if len(recent) >= crashMost {
		_ = s.giveUp(fmt.Sprintf("it crashed %d times in %v; the last time: %s", len(recent), crashTime, what))
	}
}

// crashes returns when a system has crashed in the last crashTime, as far as it is known.
func (s *systems) crashes(number int, now time.Time) (out []time.Time) {
	text, err := readAtMost(s.path(crashFile), mostLength)
	if err != nil {
		return nil
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 || lines[0] != strconv.Itoa(number) {
		return nil
	}
	for _, l := range lines[1:] {
		n, err := strconv.ParseInt(l, 10, 64)
		if t := time.Unix(n, 0); err == nil && now.Sub(t) < crashTime && !t.After(now) {
			out = append(out, t)
		}
	}
	return out
}

// isCrash says whether a probe that ended so has crashed: by a signal, or as the Go
// runtime ends a program. One that says itself why it cannot run has not.
func isCrash(status string) bool {
	return strings.HasPrefix(status, "signal: ") || strings.HasPrefix(status, "exit status 2")
}
