package panel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heptap/hal"
)

// Intent is what somebody at the button wants.
type Intent uint8

// The intents.
const (
	NoIntent     Intent = iota
	Mark                // something happened now
	SafeShutdown        // close the spool and stop
	FactoryReset        // erase configuration and spool
)

var intentNames = [...]string{"none", "mark", "safe shutdown", "factory reset"}

// String returns the intent as the log prints it.
func (i Intent) String() string {
	if int(i) < len(intentNames) {
		return intentNames[i]
	}
	return "invalid"
}

// Phase is how far a press has come, for the LEDs to show.
type Phase uint8

// The phases.
const (
	PhaseIdle      Phase = iota // not pressed, or a press that is ignored
	PhasePressed                // letting go now marks
	PhaseShutdown               // letting go now shuts down
	PhaseCountdown              // letting go now does nothing, holding on resets
	PhaseReset                  // the reset is decided; lasts until the button is let go
)

// When a press becomes what, from its beginning.
const (
	ShutdownAfter  = 5 * time.Second
	CountdownAfter = 15 * time.Second
	ResetAfter     = CountdownAfter + CountdownTime
)

const (
	// A release is reported a little after it happened. Holding through the
	// countdown is believed only when no release has come this much later.
	releaseLatency = 250 * time.Millisecond

	// A deadline noticed this much too late says that the process was stopped
	// meanwhile. Nobody knows what the button did, so the press is void.
	maxLate = 2 * time.Second
)

// Gesture is the state machine behind the button: events and the passing of
// time go in, intents come out. It knows no clock. The zero Gesture waits for
// the first event, which tells the state the button is found in.
type Gesture struct {
	started bool // the first event has come
	phase   Phase
	since   time.Time // of the press, while phase is neither PhaseIdle nor PhaseReset
}

// Phase returns how far the press under way has come.
func (g *Gesture) Phase() Phase { return g.phase }

// Event takes the next event of a hal.Button and returns what it means. It is
// the time of the release that counts, not the time of the call.
func (g *Gesture) Event(ev hal.ButtonEvent) Intent {
	first := !g.started
	g.started = true
	if ev.Pressed {
		if !first && g.phase == PhaseIdle {
			g.phase, g.since = PhasePressed, ev.At
		}
		return NoIntent
	}
	phase := g.phase
	g.phase = PhaseIdle
	if phase == PhaseIdle || phase == PhaseReset {
		return NoIntent
	}
	switch held := ev.At.Sub(g.since); {
	case held < ShutdownAfter:
		return Mark
	case held < CountdownAfter:
		return SafeShutdown
	case held < ResetAfter:
		return NoIntent
	case held < ResetAfter+maxLate && phase == PhaseCountdown:
		return FactoryReset // held to the end of a countdown that was seen, and let go before Tick was due
	}
	return NoIntent
}

// Next returns when Tick is due if no event comes before; false for never.
func (g *Gesture) Next() (time.Time, bool) {
	switch g.phase {
	case PhasePressed:
		return g.since.Add(ShutdownAfter), true
	case PhaseShutdown:
		return g.since.Add(CountdownAfter), true
	case PhaseCountdown:
		return g.since.Add(ResetAfter + releaseLatency), true
	}
	return time.Time{}, false
}

// Tick lets time pass while nothing else happens, and returns what that means.
func (g *Gesture) Tick(now time.Time) Intent {
	due, ok := g.Next()
	if !ok || now.Before(due) {
		return NoIntent
	}
	if now.Sub(due) > maxLate {
		g.phase = PhaseIdle // and the button is held: ignored until let go
		return NoIntent
	}
	g.phase++
	if g.phase == PhaseReset {
		return FactoryReset
	}
	return NoIntent
}

// Gestures watches a button.
type Gestures struct {
	// Phase, when not nil, is called whenever the phase changes.
	Phase func(Phase)
}

// Run watches b and calls do for each intent, until ctx is done; then it
// returns nil. It returns an error when the button can no longer be watched; a
// press under way is then void, and the caller may run it again. do and Phase
// are called on Run's goroutine and must not block for long: 16 events wait
// for them, and then the button does.
func (g Gestures) Run(ctx context.Context, b hal.Button, do func(Intent)) error {
	events, done := make(chan hal.ButtonEvent, 16), make(chan error, 1)
	go func() {
		done <- b.Run(ctx, func(ev hal.ButtonEvent) {
			select {
			case events <- ev:
			case <-ctx.Done():
			}
		})
	}()
	w := watch{Gestures: g, ctx: ctx, do: do}
	defer w.tell(PhaseIdle)
	timer := time.NewTimer(Never)
	defer timer.Stop()
	for {
		timer.Reset(w.wait(time.Now()))
		select {
		case ev := <-events:
			w.event(ev)
		case <-timer.C:
			select {
			case ev := <-events: // it came first, however late it is taken
				w.event(ev)
			default:
				w.intend(w.gesture.Tick(time.Now()))
			}
		case err := <-done:
			for len(events) > 0 {
				w.event(<-events)
			}
			if err == nil && ctx.Err() == nil {
				err = errors.New("stopped watching by itself")
			}
			if err != nil {
				return fmt.Errorf("button %s: %w", b.Name(), err)
			}
			return nil
		}
	}
}

// watch is one Run of Gestures.
type watch struct {
	Gestures
	ctx     context.Context // of the Run that this value lives in
	do      func(Intent)
	gesture Gesture
	told    Phase
}

// wait returns how long the gesture has nothing to do.
func (w *watch) wait(now time.Time) time.Duration {
	if next, ok := w.gesture.Next(); ok {
		return next.Sub(now)
	}
	return Never
}

func (w *watch) event(ev hal.ButtonEvent) { w.intend(w.gesture.Event(ev)) }

// intend acts on an intent, unless Run is to end, and on a change of phase.
func (w *watch) intend(i Intent) {
	if w.ctx.Err() != nil {
		return
	}
	w.tell(w.gesture.Phase())
	if i != NoIntent {
		w.do(i)
	}
}

func (w *watch) tell(p Phase) {
	if p != w.told {
		w.told = p
		if w.Phase != nil {
			w.Phase(p)
		}
	}
}
