package health

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Condition is one condition as a Snapshot shows it.
type Condition struct {
	Name   string
	Level  Level
	Reason string
	Since  time.Time // since when Level has held; use time.Since, which a stepped clock does not disturb
	Cause  string    // name of the condition that explains this one, empty for a root
}

// Snapshot is the state at one instant. It belongs to the caller.
type Snapshot struct {
	Level   Level     // the worst of all conditions
	Since   time.Time // since when Level has held
	Refused uint64    // how often a condition found no room

	// Conditions holds the troubles first: each root, the one with the worst
	// consequences leading, followed by what it explains. Then come the OK
	// ones by name.
	Conditions []Condition
}

// Snapshot returns the state now.
func (h *Health) Snapshot() Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Snapshot{Level: h.level, Since: h.since, Refused: h.refused,
		Conditions: make([]Condition, 0, len(h.conditions))}
	for name, c := range h.conditions {
		s.Conditions = append(s.Conditions, Condition{Name: name, Level: c.level, Reason: c.reason, Since: c.since})
	}
	h.order(s.Conditions)
	return s
}

// order fills in the causes and sorts. With a cause named for each condition
// the troubles are a forest; each is sorted by its root and then its depth.
func (h *Health) order(all []Condition) {
	slices.SortFunc(all, func(a, b Condition) int { // makes all that follows deterministic
		return cmp.Or(-cmp.Compare(a.Level, b.Level), a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name))
	})
	at := make(map[string]*Condition, len(all))
	for i := range all {
		c := &all[i]
		at[c.Name] = c
		if c.Level == OK {
			continue
		}
		if i := slices.IndexFunc(all, func(d Condition) bool { return d.Level != OK && h.explains(d.Name, c.Name) }); i >= 0 {
			c.Cause = all[i].Name
		}
	}
	type place struct {
		root  string
		depth int
		rank  int // in the first order
	}
	places, worst := make(map[string]place, len(all)), map[string]Level{}
	for i, c := range all {
		p := place{root: c.Name, rank: i}
		for r := at[c.Name]; r.Cause != ""; r = at[r.Cause] {
			p.root = r.Cause
			p.depth++
		}
		places[c.Name] = p
		worst[p.root] = max(worst[p.root], c.Level)
	}
	slices.SortFunc(all, func(a, b Condition) int {
		p, q := places[a.Name], places[b.Name]
		if a.Level == OK && b.Level == OK {
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(
			-cmp.Compare(worst[p.root], worst[q.root]),
			cmp.Compare(places[p.root].rank, places[q.root].rank),
			cmp.Compare(p.depth, q.depth),
			cmp.Compare(p.rank, q.rank))
	})
}

func (h *Health) explains(cause, effect string) bool {
	return slices.Contains(h.effects[kind(cause)], kind(effect))
}

func kind(name string) string {
	k, _, _ := strings.Cut(name, "/")
	return k
}

// Root returns the condition to look at first, or false when all is well.
func (s Snapshot) Root() (Condition, bool) {
	if len(s.Conditions) == 0 || s.Conditions[0].Level == OK {
		return Condition{}, false
	}
	return s.Conditions[0], true
}

// Summary says in one line how things are, the first root first:
// "fault: uplink/home: connection refused (explains spool); 1 more".
func (s Snapshot) Summary() string {
	root, ok := s.Root()
	if !ok {
		return OK.String()
	}
	var explained []string
	more := 0
	under := map[string]bool{root.Name: true}
	for _, c := range s.Conditions[1:] {
		switch {
		case c.Level == OK:
		case under[c.Cause]: // causes come before their effects
			under[c.Name] = true
			explained = append(explained, c.Name)
		default:
			more++
		}
	}
	line := s.Level.String() + ": " + root.Name
	if root.Reason != "" {
		line += ": " + root.Reason
	}
	if len(explained) > 0 {
		line += " (explains " + strings.Join(explained, ", ") + ")"
	}
	if more > 0 {
		line += fmt.Sprintf("; %d more", more)
	}
	return line
}

// Watch calls f with the state now and after every change, until ctx is done;
// then it returns nil. f runs on Watch's goroutine and may take its time: while
// it does, changes are merged, and it is then called once with the newest.
// The error is that MaxWatchers are watching.
func (h *Health) Watch(ctx context.Context, f func(Snapshot)) error {
	wake := make(chan struct{}, 1)
	h.mu.Lock()
	if len(h.watchers) >= MaxWatchers {
		h.mu.Unlock()
		return fmt.Errorf("health: watch: %d are watching already", MaxWatchers)
	}
	h.watchers[wake] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, wake)
		h.mu.Unlock()
	}()
	for ctx.Err() == nil {
		f(h.Snapshot())
		select {
		case <-ctx.Done():
		case <-wake:
		}
	}
	return nil
}
