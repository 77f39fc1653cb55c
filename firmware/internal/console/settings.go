package console

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"heptap/firmware/internal/config"
)

var (
	errBusy    = errors.New("another commit is under way")
	errPending = errors.New("a commit waits to be confirmed: confirm, or abort it")
	errStale   = errors.New("the running configuration has changed since you began: update puts your changes on top of it")
	errNone    = errors.New("no commit waits to be confirmed")
)

// retryRevert is how long a roll-back that failed waits for the next attempt.
const retryRevert = time.Minute

// settings are the configurations that all sessions share.
type settings struct {
	o    Options
	tell func(but *session, text string)

	history history
	saving  sync.Mutex // held to save a draft: two of one name would share a file

	mu      sync.Mutex
	running config.Draft
	broken  error    // why the configuration file is not what runs, until the first commit
	at      uint64   // counts what has been running
	busy    bool     // somebody is changing what runs; without the lock
	pending *pending // a commit that waits to be confirmed
	closed  bool
}

// pending is what is rolled back unless it is confirmed.
type pending struct {
	by       string
	until    time.Time
	timer    *time.Timer
	previous config.Draft
}

func openSettings(o Options, tell func(*session, string)) (*settings, error) {
	h, err := newHistory(o.File)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	text, _, err := read(h.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("console: %w", err)
	}
	c := &settings{o: o, tell: tell, history: h}
	// A box whose file is no good runs with an empty one; elsewhere nothing runs.
	c.running, c.broken = config.ReadDraft(strings.NewReader(string(text)), o.File, config.Draft{})
	return c, nil
}

// current returns what runs, and its number.
func (c *settings) current() (config.Draft, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running, c.at
}

// begin takes the right to change what runs.
func (c *settings) begin(wantPending bool) (*pending, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errors.New("the probe is stopping")
	case c.busy:
		return nil, errBusy
	case c.pending != nil && !wantPending:
		return nil, errPending
	case c.pending == nil && wantPending:
		return nil, errNone
	}
	c.busy = true
	return c.pending, nil
}

func (c *settings) end() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
}

// commit puts d to work, which was made of the running configuration numbered
// base. Unless it has to be confirmed within some time, it is written to the file.
func (c *settings) commit(by *session, d config.Draft, base uint64, confirm time.Duration) error {
	cfg, err := d.Config("candidate")
	if err != nil {
		return err
	}
	if _, err := c.begin(false); err != nil {
		return err
	}
	defer c.end()
	previous, at := c.current()
	if at != base {
		return errStale
	}
	if err := c.o.Apply(cfg); err != nil {
		return fmt.Errorf("not committed, what ran before runs again: %w", err)
	}
	var werr error
	if confirm == 0 {
		werr = c.store(by.String(), d)
	}
	c.mu.Lock()
	c.running, c.at, c.broken = d, c.at+1, nil
	if confirm > 0 {
		p := &pending{by: by.String(), until: time.Now().Add(confirm), previous: previous}
		p.timer = time.AfterFunc(confirm, func() { c.expire(p) })
		c.pending = p
	}
	c.mu.Unlock()
	c.o.Log.Info("console: configuration committed", "by", by.String(), "confirm_within", confirm.String())
	if confirm > 0 {
		c.tell(by, fmt.Sprintf("%v has committed; it is rolled back in %v unless somebody confirms", by, confirm))
	} else {
		c.tell(by, fmt.Sprintf("%v has committed", by))
	}
	return werr
}

// store writes d to the configuration file, and what the file had to the history.
func (c *settings) store(by string, d config.Draft) error {
	err := c.history.keep("until " + time.Now().UTC().Format(time.RFC3339) + ", replaced by " + by)
	if err == nil {
		err = c.history.replace(d.Text())
	}
	if err != nil {
		return fmt.Errorf("it runs, but it is not in the configuration file, and the next start is without it: %w", err)
	}
	return nil
}

// confirm keeps what waits for it.
func (c *settings) confirm(by *session) error {
	p, err := c.begin(true)
	if err != nil {
		return err
	}
	defer c.end()
	d, _ := c.current()
	if err := c.store(p.by, d); err != nil {
		return err
	}
	p.timer.Stop() // if it has expired, it finds nothing pending
	c.mu.Lock()
	c.pending = nil
	c.mu.Unlock()
	c.o.Log.Info("console: commit confirmed", "by", by.String())
	c.tell(by, fmt.Sprintf("%v has confirmed the commit", by))
	return nil
}

// abort rolls back at once what waits to be confirmed.
func (c *settings) abort(by *session) error {
	p, err := c.begin(true)
	if err != nil {
		return err
	}
	defer c.end()
	p.timer.Stop()
	return c.revert(p, by, by.String()+" has aborted the commit: what ran before runs again")
}

// expire rolls back what was not confirmed in time.
func (c *settings) expire(p *pending) {
	c.mu.Lock()
	switch {
	case c.closed || c.pending != p:
		c.mu.Unlock()
		return
	case c.busy: // it is being confirmed, or aborted
		p.timer.Reset(time.Second)
		c.mu.Unlock()
		return
	}
	c.busy = true
	c.mu.Unlock()
	defer c.end()
	if err := c.revert(p, nil, "the commit was not confirmed in time: what ran before runs again"); err != nil {
		c.o.Log.Error("console: not rolled back", "err", err)
		c.tell(nil, "the commit was not confirmed, and cannot be rolled back: "+err.Error())
	}
}

// revert puts to work what ran before p. The caller has the right to.
func (c *settings) revert(p *pending, by *session, text string) error {
	cfg, err := p.previous.Config("previous")
	if err == nil {
		err = c.o.Apply(cfg)
	}
	c.mu.Lock()
	if err != nil {
		if !c.closed {
			p.until = time.Now().Add(retryRevert)
			p.timer.Reset(retryRevert)
		}
		c.mu.Unlock()
		return err
	}
	c.running, c.at, c.pending = p.previous, c.at+1, nil
	c.mu.Unlock()
	c.o.Log.Warn("console: " + text)
	c.tell(by, text)
	return nil
}

// brokenText says why the configuration file is not what runs; empty: it is.
func (c *settings) brokenText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		return ""
	}
	return "THE CONFIGURATION FILE CANNOT BE READ, and nothing of it holds: " + printable(c.broken.Error()) + "\nshow history lists those before; rollback N loads one, commit puts it to work"
}

// pendingText says what waits to be confirmed; empty: nothing does.
func (c *settings) pendingText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		return ""
	}
	return fmt.Sprintf("%s has committed; it is rolled back in %v unless somebody confirms", c.pending.by, time.Until(c.pending.until).Round(time.Second))
}

func (c *settings) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.pending != nil {
		c.pending.timer.Stop()
	}
}
