package health

import (
	"slices"
	"time"
)

// MaxChanges is how many changes are remembered.
const MaxChanges = 256

// Change is a condition that came to another level.
type Change struct {
	At     time.Time
	Name   string
	From   Level
	To     Level
	Reason string // with To
}

// History returns the newest changes of levels, the oldest first. Reasons that change
// while a level stays are not among them.
func (h *Health) History() []Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.history)
}

// note remembers a change. It is called with mu held.
func (h *Health) note(name string, from, to Level, reason string) {
	if from == to {
		return
	}
	if len(h.history) == MaxChanges {
		h.history = slices.Delete(h.history, 0, 1)
	}
	h.history = append(h.history, Change{time.Now(), name, from, to, reason})
}
