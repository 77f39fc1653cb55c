package health

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Level says how bad a condition is.
type Level uint8

// The levels, the best first.
const (
	OK       Level = iota
	Degraded       // works, but not as it should, or not for long
	Fault          // does not work
	numLevels
)

var levelNames = [numLevels]string{"ok", "degraded", "fault"}

// String returns the level as the console prints it.
func (l Level) String() string {
	if l < numLevels {
		return levelNames[l]
	}
	return "invalid"
}

// Bounds of what is kept.
const (
	MaxConditions  = 128
	MaxNameBytes   = 80
	MaxReasonBytes = 300
	MaxWatchers    = 32
)

// overflow is the condition that stands for those that found no room.
const overflow = "health"

// Rule says that conditions of the kind Cause explain those of the kind
// Effect. The kind is a condition's name up to the first slash.
type Rule struct{ Cause, Effect string }

// Health holds the conditions. All methods may be called from any goroutine,
// and none blocks.
type Health struct {
	effects map[string][]string // immutable: kind of the cause -> kinds of the effects

	mu         sync.Mutex // guards what follows
	conditions map[string]*condition
	since      time.Time // when the overall level last changed
	level      Level
	refused    uint64
	watchers   map[chan struct{}]struct{}
	history    []Change
}

type condition struct {
	level  Level
	reason string
	since  time.Time
}

// New returns a Health without conditions, which is OK. Rules that run in a
// circle are an error: something would explain itself.
func New(rules ...Rule) (*Health, error) {
	h := &Health{
		effects:    map[string][]string{},
		conditions: map[string]*condition{},
		since:      time.Now(),
		watchers:   map[chan struct{}]struct{}{},
	}
	for _, r := range rules {
		if r.Cause == "" || r.Effect == "" || strings.Contains(r.Cause+r.Effect, "/") {
			return nil, fmt.Errorf("health: rule %q explains %q: a rule is about two kinds", r.Cause, r.Effect)
		}
		if r.Cause == r.Effect || h.reaches(r.Effect, r.Cause) {
			return nil, fmt.Errorf("health: rule %q explains %q: runs in a circle", r.Cause, r.Effect)
		}
		h.effects[r.Cause] = append(h.effects[r.Cause], r.Effect)
	}
	return h, nil
}

func (h *Health) reaches(from, to string) bool {
	for _, k := range h.effects[from] {
		if k == to || h.reaches(k, to) {
			return true
		}
	}
	return false
}

// Set states a condition: its level now and why. The time since when it holds
// is kept while the level stays the same. OK conditions are listed too. Reasons
// are cut to MaxReasonBytes, and control characters in them become spaces.
//
// A new name beyond MaxConditions pushes out the OK condition that has stood
// longest. When there is none, or the name is empty or too long, the condition
// is refused: counted, and shown as "health" if it is worse than OK.
func (h *Health) Set(name string, level Level, reason string) {
	level = min(level, Fault)
	reason = clean(reason)
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.conditions[name]; c != nil {
		if c.level == level && c.reason == reason {
			return
		}
		if c.level != level {
			h.note(name, c.level, level, reason)
			c.level, c.since = level, time.Now()
		}
		c.reason = reason
		h.changed()
		return
	}
	if name == "" || len(name) > MaxNameBytes || name == overflow || !h.makeRoom() {
		h.refuse(name, level, reason)
		return
	}
	h.conditions[name] = &condition{level: level, reason: reason, since: time.Now()}
	h.note(name, OK, level, reason)
	h.changed()
}

// makeRoom leaves room for one condition, and one more for overflow.
func (h *Health) makeRoom() bool {
	if len(h.conditions) < MaxConditions-1 {
		return true
	}
	oldest := ""
	for name, c := range h.conditions {
		if c.level == OK && (oldest == "" || c.since.Before(h.conditions[oldest].since)) {
			oldest = name
		}
	}
	delete(h.conditions, oldest)
	return oldest != ""
}

func (h *Health) refuse(name string, level Level, reason string) {
	h.refused++
	if level == OK {
		return
	}
	c := h.conditions[overflow]
	if c == nil {
		c = &condition{since: time.Now()}
		h.conditions[overflow] = c
	}
	if level > c.level {
		c.level, c.since = level, time.Now()
		c.reason = clean(fmt.Sprintf("no room for condition %.40q: %s", name, reason))
		h.changed()
	}
}

// Clear forgets a condition. Clearing an unknown one does nothing, and so does
// clearing "health".
func (h *Health) Clear(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.conditions[name]; ok && name != overflow {
		h.note(name, c.level, OK, "")
		delete(h.conditions, name)
		h.changed()
	}
}

// changed settles the overall level and wakes the watchers. It is called with
// mu held.
func (h *Health) changed() {
	worst := OK
	for _, c := range h.conditions {
		worst = max(worst, c.level)
	}
	if worst != h.level {
		h.level, h.since = worst, time.Now()
	}
	for w := range h.watchers {
		select {
		case w <- struct{}{}:
		default: // a wake-up is waiting already, and will find the newest
		}
	}
}

func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= MaxReasonBytes {
		return s
	}
	cut := MaxReasonBytes
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// Level returns the overall level, without the work a Snapshot is.
func (h *Health) Level() Level {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.level
}
