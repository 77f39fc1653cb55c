package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"heptap/hal"
)

// queued is how many events may wait for the button's user. Presses that find
// no room for both their events are ignored.
const queued = 64

// errKeysEnded says that nobody can let go of the button any more.
var errKeysEnded = errors.New("keys ended while the button was held")

// keys is what turns octets into presses. There is one per panel.
type keys struct {
	panel  *Panel
	events chan hal.ButtonEvent // sent to with panel.mu held, by one sender
	lost   chan struct{}        // holds a token when a held button was lost

	watched bool   // a Run takes events; guarded by panel.mu
	escape  escape // owned by read
}

// escape is how far an escape sequence has come: the keys that send one contain
// letters which are not meant.
type escape uint8

const (
	plain    escape = iota
	escaped         // after ESC
	sequence        // after ESC [ or ESC O
)

// next takes an octet and says whether it is a key by itself.
func (e *escape) next(c byte) bool {
	switch {
	case c == 0x1b:
		*e = escaped
	case *e == escaped && (c == '[' || c == 'O'):
		*e = sequence
	case *e == sequence && (c < 0x40 || c > 0x7e):
	case *e != plain:
		*e = plain // this octet ends it
	default:
		return true
	}
	return false
}

// read takes keys until in or ctx ends.
func (k *keys) read(ctx context.Context, in io.Reader) {
	defer k.end()
	var b [64]byte
	for ctx.Err() == nil {
		n, err := in.Read(b[:])
		for _, c := range b[:n] {
			if !k.escape.next(c) {
				continue
			}
			switch c {
			case ' ', 'b':
				k.press()
			case 'h':
				k.hold()
			}
		}
		if err != nil {
			return
		}
	}
}

func (k *keys) press() {
	k.panel.mu.Lock()
	defer k.panel.mu.Unlock()
	if k.panel.held || !k.room() {
		return
	}
	k.send(true)
	k.send(false)
}

func (k *keys) hold() {
	k.panel.mu.Lock()
	defer k.panel.mu.Unlock()
	if !k.panel.held && !k.room() {
		return
	}
	k.panel.held = !k.panel.held
	k.send(k.panel.held)
	k.panel.touch()
}

// room says whether a press and its release can be queued. While the button is
// held nothing but the release is sent, so its place stays free.
func (k *keys) room() bool { return cap(k.events)-len(k.events) >= 2 }

func (k *keys) send(pressed bool) {
	if k.watched {
		k.events <- hal.ButtonEvent{Pressed: pressed, At: time.Now()}
	}
}

func (k *keys) end() {
	k.panel.mu.Lock()
	defer k.panel.mu.Unlock()
	if !k.panel.held {
		return
	}
	k.panel.held = false
	k.panel.touch()
	if k.watched {
		select {
		case k.lost <- struct{}{}:
		default:
		}
	}
}

// button is the panel's button, opened.
type button struct {
	name   string
	keys   *keys
	closed bool // guarded by keys.panel.mu
}

var _ hal.Button = (*button)(nil)

func (b *button) Name() string { return b.name }

func (b *button) Run(ctx context.Context, emit func(hal.ButtonEvent)) error {
	found, err := b.watch()
	if err != nil {
		return err
	}
	defer b.unwatch()
	emit(found)
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-b.keys.events:
			emit(ev)
		case <-b.keys.lost:
			for len(b.keys.events) > 0 {
				emit(<-b.keys.events)
			}
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("button %s: %w", b.name, errKeysEnded)
		}
	}
}

// watch begins to take events, leaving behind those that nobody took.
func (b *button) watch() (found hal.ButtonEvent, err error) {
	k := b.keys
	k.panel.mu.Lock()
	defer k.panel.mu.Unlock()
	if b.closed {
		return found, fmt.Errorf("button %s: %w", b.name, os.ErrClosed)
	}
	for len(k.events) > 0 {
		<-k.events
	}
	for len(k.lost) > 0 {
		<-k.lost
	}
	k.watched = true
	return hal.ButtonEvent{Pressed: k.panel.held, At: time.Now()}, nil
}

func (b *button) unwatch() {
	b.keys.panel.mu.Lock()
	defer b.keys.panel.mu.Unlock()
	b.keys.watched = false
}

func (b *button) Close() error {
	b.keys.panel.mu.Lock()
	defer b.keys.panel.mu.Unlock()
	b.closed = true
	return nil
}
