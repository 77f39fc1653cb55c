package appliance

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	statusQuiet = 2 * time.Second // a change is shown when no other followed it for so long,
	statusMost  = time.Minute     // and at the latest after this
)

// status is what the console says of the box: what it is, and where it stands.
type status struct {
	title string

	mu      sync.Mutex
	lines   map[string]string
	changed chan struct{}
}

func newStatus(title string) *status {
	return &status{title: title, lines: map[string]string{}, changed: make(chan struct{}, 1)}
}

// set makes a line say something else. An empty text removes it.
func (s *status) set(what, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines[what] == text {
		return
	}
	s.lines[what] = text
	if text == "" {
		delete(s.lines, what)
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// String returns all of it, several lines.
func (s *status) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", s.title)
	for _, what := range slices.Sorted(maps.Keys(s.lines)) {
		fmt.Fprintf(&b, "  %-14s %s\n", what, s.lines[what])
	}
	b.WriteByte('\n')
	return b.String()
}

// run shows the status, and again when it has changed, until ctx is done.
func (s *status) run(ctx context.Context, w io.Writer) {
	shown := ""
	for {
		if text := s.String(); text != shown {
			_, _ = io.WriteString(w, text) // a line's Write never fails
			shown = text
		}
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
		s.settle(ctx)
	}
}

// settle waits until nothing changes for a while.
func (s *status) settle(ctx context.Context) {
	most := time.After(statusMost)
	for {
		select {
		case <-ctx.Done():
			return
		case <-most:
			return
		case <-time.After(statusQuiet):
			return
		case <-s.changed:
		}
	}
}
