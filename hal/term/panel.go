package term

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"heptap/hal"
)

// interval is the least time between two drawings.
const interval = 100 * time.Millisecond

// Light is one LED of a panel.
type Light struct {
	Name   string
	Colour string // red, green, yellow, amber, blue, white; anything else is the terminal's own
}

// Config says what a panel is made of.
type Config struct {
	Lights []Light
	Button string // its name; empty means that there is none

	// Out takes the drawing. A write that blocks delays the drawing, Run's end and
	// the users of Writer, never the LEDs.
	Out  io.Writer
	Live bool // Out is a terminal

	// In delivers keys; nil means that there are none. Run ends only when a
	// Read under way does: the reader either has SetReadDeadline, or returns by
	// itself now and then (0 octets and no error will do).
	In io.Reader
}

// Panel is a simulated panel. Its methods may be called from any goroutine.
type Panel struct {
	cfg   Config
	dirty chan struct{} // holds a token when there is something to draw
	keys  keys

	restore sync.Once
	undo    func() error // puts the terminal back; may be nil

	mu     sync.Mutex // guards what follows; never held while writing
	lights []light
	held   bool

	out   sync.Mutex // held while writing; guards what follows
	drawn string     // the last frame
}

type light struct {
	Light
	on   bool
	text string
}

// New returns a panel that Run will draw. It touches no terminal.
func New(cfg Config) *Panel {
	p := &Panel{cfg: cfg, dirty: make(chan struct{}, 1)}
	for _, l := range cfg.Lights {
		p.lights = append(p.lights, light{Light: l})
	}
	p.keys = keys{panel: p, events: make(chan hal.ButtonEvent, queued), lost: make(chan struct{}, 1)}
	p.touch()
	return p
}

// LED returns the light of a name, or an error that wraps fs.ErrNotExist.
func (p *Panel) LED(name string) (hal.LED, error) {
	for i := range p.cfg.Lights {
		if p.cfg.Lights[i].Name == name {
			return &led{panel: p, index: i}, nil
		}
	}
	return nil, fmt.Errorf("led %s: not on this panel: %w", name, fs.ErrNotExist)
}

// Button returns the button, or an error that wraps fs.ErrNotExist. It reports
// only while Run runs.
func (p *Panel) Button() (hal.Button, error) {
	if p.cfg.Button == "" {
		return nil, fmt.Errorf("button: not on this panel: %w", fs.ErrNotExist)
	}
	return &button{name: p.cfg.Button, keys: &p.keys}, nil
}

func (p *Panel) touch() {
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

// Run draws the panel and reads its keys until ctx is done, and then returns
// nil; or until the output fails. An In that has SetReadDeadline is left with a
// deadline that has passed. Run leaves an empty line where the panel was,
// and puts the terminal back into the mode it was in. A panel runs once.
func (p *Panel) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer func() {
		cancel()
		reader.Wait()
		p.erase()
		if cerr := p.Close(); err == nil {
			err = cerr
		}
	}()
	if p.cfg.In != nil && p.cfg.Button != "" {
		reader.Go(func() { p.keys.read(ctx, p.cfg.In) })
		if d, ok := p.cfg.In.(interface{ SetReadDeadline(time.Time) error }); ok {
			// Whatever ends Run, the deadline must be set: the reader is waited for.
			reader.Go(func() {
				<-ctx.Done()
				_ = d.SetReadDeadline(time.Unix(1, 0))
			})
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.dirty:
		}
		if err := p.draw(); err != nil {
			return fmt.Errorf("panel: %w", err)
		}
		timer.Reset(interval)
	}
}

// Close puts the terminal back into the mode it was in before Open. Closing
// twice does nothing.
func (p *Panel) Close() (err error) {
	p.restore.Do(func() {
		if p.undo != nil {
			err = p.undo()
		}
	})
	return err
}

// led is one opened light.
type led struct {
	panel  *Panel
	index  int
	closed bool // guarded by panel.mu
}

var (
	_ hal.LED       = (*led)(nil)
	_ hal.Annotator = (*led)(nil)
)

func (l *led) Name() string { return l.panel.cfg.Lights[l.index].Name }

func (l *led) Set(on bool) error {
	l.panel.mu.Lock()
	defer l.panel.mu.Unlock()
	if l.closed {
		return fmt.Errorf("led %s: %w", l.Name(), os.ErrClosed)
	}
	l.panel.lights[l.index].on = on
	l.panel.touch()
	return nil
}

func (l *led) Annotate(text string) {
	l.panel.mu.Lock()
	defer l.panel.mu.Unlock()
	if !l.closed {
		l.panel.lights[l.index].text = clean(text)
		l.panel.touch()
	}
}

func (l *led) Close() error {
	l.panel.mu.Lock()
	defer l.panel.mu.Unlock()
	if !l.closed {
		l.closed = true
		li := &l.panel.lights[l.index]
		li.on, li.text = false, ""
		l.panel.touch()
	}
	return nil
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// Writer returns a writer for others who write to the panel's output, such as
// the log: on a terminal it writes above the panel's line. Each write is one or
// more whole lines; the rest of one that is not goes when the panel is drawn next.
func (p *Panel) Writer() io.Writer { return writer{p} }

type writer struct{ p *Panel }

func (w writer) Write(b []byte) (int, error) {
	p := w.p
	p.out.Lock()
	defer p.out.Unlock()
	if !p.cfg.Live || p.drawn == "" {
		return p.cfg.Out.Write(b)
	}
	text := append([]byte(clear), b...)
	if bytes.HasSuffix(b, []byte("\n")) {
		text = append(text, p.drawn...)
	}
	if _, err := p.cfg.Out.Write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}
