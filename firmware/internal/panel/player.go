package panel

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"heptap/hal"
)

// retryLED is how long an LED that failed is left alone.
const retryLED = 5 * time.Second

// Player shows a State on real LEDs.
type Player struct {
	log  *slog.Logger
	wake chan struct{} // holds a token when the state has changed

	mu    sync.Mutex
	state State // guarded by mu
}

// NewPlayer returns a Player that shows s once it runs. A nil log discards.
func NewPlayer(s State, log *slog.Logger) *Player {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Player{state: s, log: log, wake: make(chan struct{}, 1)}
}

// Update changes the state to show; f may run on any goroutine, gets the
// newest state and must not call the Player. It does not wait for the LEDs:
// states that come faster than they can be shown are skipped, the last is not.
func (p *Player) Update(f func(*State)) {
	p.mu.Lock()
	f(&p.state)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// String says what each LED does, and what that means.
func (p *Player) String() string {
	p.mu.Lock()
	all := shows(p.state)
	p.mu.Unlock()
	var out []string
	for role, s := range all {
		text := Role(role).String() + " " + s.pattern.String()
		if s.meaning != "" {
			text += " (" + s.meaning + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// light is one LED as Run drives it.
type light struct {
	led     hal.LED
	pattern Pattern
	meaning string
	start   time.Time // when the pattern began, for those that play once

	known bool // what is lit is known: the last Set succeeded
	lit   bool
	retry time.Time // not before, after an error
	fails int       // in a row
	since time.Time // of the first of them
}

// Run shows the state until ctx is done, darkens the LEDs and returns nil. It
// sets an LED only when it changes. Roles without an LED are left out. The LEDs
// stay the caller's, who closes them afterwards.
//
// An LED that fails does not stop the others: it is logged once, tried again,
// and logged once more when it works.
func (p *Player) Run(ctx context.Context, leds map[Role]hal.LED) error {
	begin := time.Now()
	var lights [NumRoles]*light
	for role, led := range leds {
		if role < NumRoles && led != nil {
			lights[role] = &light{led: led, meaning: "\x00"} // no meaning: the first is news
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		p.mu.Lock()
		want := shows(p.state)
		p.mu.Unlock()
		wait := Never
		for role, l := range lights {
			if l != nil {
				l.show(want[role], now)
				wait = min(wait, p.step(l, begin, now))
			}
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
	for _, l := range lights {
		if l != nil && (l.lit || !l.known) {
			p.set(l, false, time.Now())
		}
	}
	return nil
}

func (l *light) show(s show, now time.Time) {
	if l.pattern != s.pattern {
		l.pattern, l.start = s.pattern, now
	}
	if l.meaning != s.meaning {
		l.meaning = s.meaning
		if a, ok := l.led.(hal.Annotator); ok {
			a.Annotate(s.meaning)
		}
	}
}

// step brings l to what it shows now and returns how long that lasts. Patterns
// that repeat all count from begin, so that equal ones blink together.
func (p *Player) step(l *light, begin, now time.Time) time.Duration {
	if l.pattern.once {
		begin = l.start
	}
	at := now.Sub(begin)
	on, next := l.pattern.At(at)
	if !l.known || l.lit != on {
		if left := l.retry.Sub(now); left > 0 {
			return left
		}
		p.set(l, on, now)
	}
	if next != Never {
		next -= at
	}
	if !l.known {
		next = retryLED
	}
	return next
}

func (p *Player) set(l *light, on bool, now time.Time) {
	err := l.led.Set(on)
	if err != nil {
		l.known, l.retry = false, now.Add(retryLED)
		if l.fails++; l.fails == 1 {
			l.since = now
			p.log.Warn("led failed", "led", l.led.Name(), "err", err)
		}
		return
	}
	if l.fails > 0 {
		p.log.Info("led works again", "led", l.led.Name(), "failures", l.fails, "duration", now.Sub(l.since))
	}
	l.known, l.lit, l.fails, l.retry = true, on, 0, time.Time{}
}
