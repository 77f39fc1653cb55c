package console

import (
	"errors"
	"strconv"
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

var errNoMessages = errors.New("no messages are kept")

func (s *session) showMessages() (string, error) {
	if s.c.o.Messages == nil {
		return "", errNoMessages
	}
	return printable(s.c.o.Messages.String()), nil
}

func messageFields() []string { return []string{"line", "time", "level", "msg"} }

// messageItems are the lines of the log. What they say of whom are fields.
func (s *session) messageItems() (out []item, err error) {
	if s.c.o.Messages == nil {
		return nil, errNoMessages
	}
	for line := range strings.Lines(s.c.o.Messages.String()) {
		v := attributes(line)
		v["line"] = []string{strings.TrimSuffix(line, "\n")}
		out = append(out, item{text: printable(line), values: v})
	}
	return out, nil
}

// attributes reads key=value, as slog.TextHandler writes it: a value may be quoted as in Go. What is not like
// that, as the last words of a process, is passed over.
func attributes(line string) values {
	v := values{}
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		key, rest, found := strings.Cut(line, "=")
		if blank := strings.LastIndexByte(key, ' '); blank >= 0 {
			key = key[blank+1:]
		}
		if !found {
			break
		}
		value := ""
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
			value, _ = strconv.Unquote(quoted)
			line = rest[len(quoted):]
		} else {
			value, line, _ = strings.Cut(rest, " ")
		}
		if key = strings.ToLower(key); key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == "" {
			v[key] = append(v[key], value)
		}
	}
	return v
}
