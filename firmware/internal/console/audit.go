package console

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"heptap/firmware/internal/config"
)

const (
	auditRoom  = 128 << 10 // octets of a file; the one before is kept, too
	auditLine  = 1000      // octets of a line
	auditShown = 50        // lines
)

// audit is who has done what, in two files of auditRoom octets at most.
type audit struct {
	file string
	log  *slog.Logger

	mu sync.Mutex
}

// note writes a line down. What it says is printable, and has no secrets.
func (a *audit) note(where, who, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	line := strings.ReplaceAll(printable(fmt.Sprintf("%s %s %s: %s", time.Now().UTC().Format(time.RFC3339), where, who, what)), "\n", "; ")
	if err := a.write(line[:min(len(line), auditLine)] + "\n"); err != nil && a.log != nil {
		a.log.Warn("audit", "err", err, "line", line)
	}
}

func (a *audit) write(line string) error {
	if st, err := os.Stat(a.file); err == nil && st.Size()+int64(len(line)) > auditRoom {
		if err := os.Rename(a.file, a.file+".old"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(a.file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(a.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Sync(), f.Close())
}

// lines returns the newest n lines.
func (a *audit) lines(n int) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, file := range []string{a.file + ".old", a.file} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			all = append(all, printable(line))
		}
	}
	return all[max(len(all)-n, 0):], nil
}

// audited notes what this session does.
func (s *session) audited(what string) {
	who := s.user
	if who == "" {
		who = "-"
	}
	s.c.audit.note(fmt.Sprintf("%s/%d", s.name, s.id), who, what)
}

// changesText is what a commit changes.
func changesText(from, to config.Draft) string {
	text := ""
	for _, ch := range config.Changes(from, to) {
		sign := " | - "
		if ch.Added {
			sign = " | + "
		}
		text += sign + ch.Line
	}
	return text
}

// auditText is a command as it is written down: without what may be a secret.
func (s *session) auditText(c *command, args []string) string {
	text := strings.Join(c.path, " ")
	switch {
	case c.path[0] == "set":
		d, err := config.Draft{}.Set(args)
		if err == nil {
			return strings.TrimSpace(d.Shown(nil))
		}
		if len(args) > 0 {
			text += " " + args[0] + " ..." // which of the rest is a secret cannot be known
		}
		return text
	case text == "file send":
		return text + " " + strings.Join(args[:min(len(args), 1)], " ") // an address may have a password in it
	case text == "upgrade" && len(args) > 0:
		return strings.Join(append([]string{text, withoutPassword(args[0])}, args[1:]...), " ")
	}
	return strings.Join(append([]string{text}, args...), " ")
}

func (s *session) showAudit(typed []string) (string, error) {
	n := uint64(auditShown)
	if len(typed) == 1 {
		var err error
		if n, err = strconv.ParseUint(typed[0], 10, 16); err != nil {
			return "", errUsage
		}
	}
	if len(typed) > 1 {
		return "", errUsage
	}
	lines, err := s.c.audit.lines(int(n))
	if err != nil || len(lines) > 0 {
		return strings.Join(lines, ""), err
	}
	return "# nothing has been done yet\n", nil
}
