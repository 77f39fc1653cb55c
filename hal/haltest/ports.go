package haltest

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"heptap/hal"
)

// Ports are network ports that can be looked at and told apart: a hal.Identifier, and
// of hal.Links what looks only.
type Ports struct {
	mu      sync.Mutex
	ports   []hal.LinkState
	made    map[string]hal.Hardware
	blinked map[string]time.Duration
	err     error // of Blink
	changes chan hal.LinkEvent
	watched chan struct{} // closed when who watches does no longer; nil when nobody does
}

var _ hal.Identifier = (*Ports)(nil)

// NewPorts returns ports that are up and have a carrier.
func NewPorts(names ...string) *Ports {
	p := &Ports{made: map[string]hal.Hardware{}, blinked: map[string]time.Duration{}, changes: make(chan hal.LinkEvent)}
	for i, n := range names {
		p.ports = append(p.ports, hal.LinkState{Name: n, Index: i + 1, Exists: true, Up: true, Carrier: true, SpeedMbit: 1000})
		p.made[n] = hal.Hardware{MAC: fmt.Sprintf("00:00:5e:00:53:%02x", i+1), Driver: "fake"}
	}
	return p
}

// Make has a port be made of something else.
func (p *Ports) Make(name string, h hal.Hardware) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[name] = h
}

// Fail has Blink fail from now on.
func (p *Ports) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Blinked returns for how long a port's LED has blinked so far.
func (p *Ports) Blinked(name string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blinked[name]
}

// Set changes a port, and returns when whoever watches has been told.
func (p *Ports) Set(after hal.LinkState) {
	p.mu.Lock()
	watched := p.watched
	var e hal.LinkEvent
	for i := range p.ports {
		if p.ports[i].Name == after.Name {
			e = hal.LinkEvent{Before: p.ports[i], After: after}
			p.ports[i] = after
		}
	}
	p.mu.Unlock()
	if watched == nil {
		return
	}
	select {
	case p.changes <- e:
	case <-watched:
	}
}

// List is as hal.Links has it.
func (p *Ports) List() ([]hal.LinkState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ports), nil
}

// State is as hal.Links has it.
func (p *Ports) State(name string) (hal.LinkState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.ports {
		if s.Name == name {
			return s, nil
		}
	}
	return hal.LinkState{Name: name}, nil
}

// Watch is as hal.Links has it. There is one at a time.
func (p *Ports) Watch(ctx context.Context, fn func(hal.LinkEvent)) error {
	p.mu.Lock()
	all, done := slices.Clone(p.ports), make(chan struct{})
	p.watched = done
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watched = nil
		close(done)
	}()
	for _, s := range all {
		fn(hal.LinkEvent{Before: hal.LinkState{Name: s.Name}, After: s})
	}
	for {
		select {
		case e := <-p.changes:
			fn(e)
		case <-ctx.Done():
			return nil
		}
	}
}

// Close is as hal.Links has it.
func (p *Ports) Close() error { return nil }

// Hardware implements hal.Identifier.
func (p *Ports) Hardware(name string) (hal.Hardware, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.made[name]; ok {
		return h, nil
	}
	return hal.Hardware{}, fmt.Errorf("link %q: %w", name, fs.ErrNotExist)
}

// Blink implements hal.Identifier.
func (p *Ports) Blink(name string, d time.Duration) error {
	p.mu.Lock()
	err := p.err
	if err == nil {
		p.blinked[name] += d
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	time.Sleep(d)
	return nil
}
