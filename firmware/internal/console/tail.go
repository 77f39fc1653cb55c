package console

import (
	"errors"
	"strings"
	"sync"
)

// tailSize is how much a Tail keeps.
const tailSize = 32 << 10

// Tail keeps the end of what is written to it, in whole lines. The zero Tail is
// empty. Any goroutine may use it.
type Tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if len(b) > tailSize {
		b = b[len(b)-tailSize:]
	}
	if over := len(t.b) + len(b) - tailSize; over > 0 {
		t.b = t.b[:copy(t.b, t.b[over:])]
	}
	t.b = append(t.b, b...)
	return n, nil
}

// String returns what is kept, from the first line that is whole.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := string(t.b)
	if len(t.b) == tailSize {
		_, s, _ = strings.Cut(s, "\n")
	}
	return s
}

func (s *session) showMessages() (string, error) {
	if s.c.o.Messages == nil {
		return "", errors.New("no messages are kept")
	}
	return printable(s.c.o.Messages.String()), nil
}
