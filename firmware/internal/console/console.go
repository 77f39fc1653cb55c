package console

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"heptap/firmware/internal/config"
)

// MaxSessions is how many sessions there are at once.
const MaxSessions = 8

// ErrFull says that there are MaxSessions already.
var ErrFull = errors.New("console: there are as many sessions as there may be")

// Options are what a console needs of the program around it.
type Options struct {
	// File is the configuration file.
	File string
	// Version is the program's.
	Version string
	// About says more of what runs where, in lines; nil: nothing.
	About func() string
	// Apply has a configuration replace the one that runs, and returns when it
	// does. On an error the one before runs again.
	Apply func(config.Config) error
	// Live returns what runs, nil while nothing does.
	Live  func() *Live
	Ports func() ([]NetworkPort, error)
	// NameServers are those that the machine asks; nil: not known.
	NameServers func() []string
	Pressed     func() bool // whether the box's button is held; nil: it has none
	// Trouble says why nothing runs, empty where that is as it should be; nil: it does.
	Trouble  func() string
	Box      *Box  // nil: another system runs on the machine
	Messages *Tail // what the probe logs; nil: it is not kept
	// End has the box restart, say (Restart and so on), and returns when it
	// begins to; nil: there is no box to end.
	End func(what string) error
	// Ping sends so many echo requests to a host, and Resolve asks for a name: both tell
	// of each step in a line. nil: not from where the console is.
	Ping    func(ctx context.Context, host string, count int, tell func(line string)) error
	Resolve func(ctx context.Context, name string, tell func(line string)) error
	Systems *Systems // nil: the machine has another system, which heptap does not change
	// Identify tells which socket of the machine a device is, until ctx is done or the
	// time is over. nil: not from where the console is.
	Identify func(ctx context.Context, device string, tell func(line string)) error
	Log      *slog.Logger
}

// Console is the shell of one probe. Its methods may be called from any goroutine.
type Console struct {
	o        Options
	settings *settings
	users    *users
	audit    audit

	mu   sync.Mutex
	open []*session // by id
}

// New reads the configuration file that is running.
func New(o Options) (*Console, error) {
	c := &Console{o: o}
	var err error
	if c.settings, err = openSettings(o, c.tell); err != nil {
		return c, err
	}
	c.users = openUsers(c.settings.history.usersFile())
	c.audit.file, c.audit.log = c.settings.history.auditFile(), o.Log
	return c, nil
}

// Close forgets a commit that waits to be confirmed: the configuration file still
// has the one before.
func (c *Console) Close() { c.settings.close() }

// Serve is a session over rw, which it does not close, until the user leaves, rw
// fails or ctx is done. It can end before its last Read of rw has: to close rw ends
// that too. wait is how long the other side is given to say how large it is.
func (c *Console) Serve(ctx context.Context, rw io.ReadWriter, name string, wait time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{c: c, name: name, rights: rightsOf(name), since: time.Now(), ctx: ctx, notices: make(chan string, 8)}
	if err := c.enter(s); err != nil {
		_, werr := io.WriteString(rw, "error: there are as many sessions as there may be\r\n\x15")
		return errors.Join(err, werr)
	}
	defer c.leave(s)
	s.t = newTerminal(ctx, rw, s.notices)
	if wait > 0 {
		s.t.greet(wait)
	}
	return s.run()
}

// enter gives a session the lowest number that is free.
func (c *Console) enter(s *session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) == MaxSessions {
		return ErrFull
	}
	s.id = 1
	for _, o := range c.open {
		if o.id == s.id {
			s.id++
		}
	}
	c.open = append(c.open, s)
	slices.SortFunc(c.open, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return nil
}

func (c *Console) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(o *session) bool { return o == s })
}

// edits notes whether s has a candidate, and returns the other sessions that have.
func (c *Console) edits(s *session, editing bool) (others []*session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.editing = editing
	for _, o := range c.open {
		if o != s && o.editing {
			others = append(others, o)
		}
	}
	return others
}

// known notes who has logged in to a session.
func (c *Console) known(s *session, name string) {
	c.mu.Lock()
	s.user = name
	c.mu.Unlock()
}

// known is what sessions know of each other.
type known struct {
	id      int
	name    string
	since   time.Time
	editing bool
	user    string
}

func (c *Console) sessions() (out []known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.open {
		out = append(out, known{o.id, o.name, o.since, o.editing, o.user})
	}
	return out
}

// tell has every session but one shown a line.
func (c *Console) tell(but *session, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.open {
		if o != but {
			o.notify(text)
		}
	}
}
