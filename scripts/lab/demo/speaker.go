package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// clearLine wipes a panel that is drawn on the last line of a terminal
// (ECMA-48 CR, EL).
const clearLine = "\r\x1b[K"

// speaker prints lines with the time since the calls began, above the panel.
type speaker struct {
	terminal bool

	mu    sync.Mutex // guards what follows; held while writing
	out   io.Writer
	begin time.Time
	last  time.Time // due returned true
}

func newSpeaker(out io.Writer, terminal bool) *speaker {
	return &speaker{terminal: terminal, out: out}
}

// restart makes now the beginning of time.
func (s *speaker) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin, s.last = time.Now(), time.Now()
}

// elapsed is the time since restart, 0 before it.
func (s *speaker) elapsed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin.IsZero() {
		return 0
	}
	return time.Since(s.begin)
}

// due returns true once in every step.
func (s *speaker) due(step time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) < step {
		return false
	}
	s.last = time.Now()
	return true
}

func (s *speaker) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := "      "
	if !s.begin.IsZero() {
		head = fmt.Sprintf("%3.0f s ", time.Since(s.begin).Seconds())
	}
	if s.terminal {
		head = clearLine + head
	}
	fmt.Fprintf(s.out, head+format+"\n", args...)
}

// raw passes on what the probe drew.
func (s *speaker) raw(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.out.Write(b)
}
