package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrNotRoot is wrapped by Open's error when the process may not make
// network namespaces.
var ErrNotRoot = errors.New("the lab makes network namespaces: run it as root (sudo)")

// labs numbers the labs of this process. It never decides anything: names
// must differ, that is all.
var labs atomic.Uint32

// Lab is a set of namespaces and what runs in them.
type Lab struct {
	name string
	dir  string

	mu      sync.Mutex // guards what follows
	spaces  []string
	running []*Process
	closers []func() error
	closed  bool
}

// Open starts an empty lab, after having removed what dead labs left. Close
// must be called.
func Open() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	if err := checkTools(); err != nil {
		return nil, err
	}
	if _, err := Sweep(); err != nil {
		return nil, fmt.Errorf("remove leftovers: %w", err)
	}
	me, err := self()
	if err != nil {
		return nil, err
	}
	l := &Lab{name: fmt.Sprintf("%s-%d", me, labs.Add(1))}
	l.dir = filepath.Join(os.TempDir(), l.name)
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return nil, err
	}
	return l, nil
}

// Dir is a directory that goes with the lab.
func (l *Lab) Dir() string { return l.dir }

// OnClose has Close call f before the namespaces go, the last one first.
func (l *Lab) OnClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// Close ends every process that was started in the lab and removes all of it.
// Closing twice does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	running, closers, spaces := l.running, l.closers, l.spaces
	l.mu.Unlock()

	var errs []error
	for _, p := range slices.Backward(running) {
		p.Kill()
	}
	for _, f := range slices.Backward(closers) {
		errs = append(errs, f())
	}
	for _, name := range slices.Backward(spaces) {
		errs = append(errs, removeNamespace(name))
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}
