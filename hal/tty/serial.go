package tty

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

const (
	// pause is how long a port is left alone before it is looked for again.
	pause = time.Second
	// longestWait is how long it may take to notice a hangup that no Read sees.
	longestWait = 500 * time.Millisecond
)

// Config describes a port.
type Config struct {
	Wanted Wanted
	Baud   int // speed at which a session begins; 0: as it is
}

// Serial implements hal.Serial.
type Serial struct {
	name string
	cfg  Config
	find func(Wanted) (hal.SerialPort, error)
}

var _ hal.Serial = (*Serial)(nil)

// New returns the port that cfg describes, which need not be there.
func New(name string, cfg Config) (*Serial, error) {
	_, err := path.Match(cfg.Wanted.Path, "")
	_, err2 := path.Match(cfg.Wanted.Location, "")
	if err = errors.Join(err, err2); err == nil && (cfg.Baud < 0 || cfg.Baud > maxBaud) {
		err = fmt.Errorf("speed %d", cfg.Baud)
	}
	if err != nil {
		return nil, fmt.Errorf("serial %s: %w", name, err)
	}
	return &Serial{name: name, cfg: cfg, find: kernel().find}, nil
}

// Name implements hal.Serial.
func (s *Serial) Name() string { return s.name }

// Serve implements hal.Serial.
func (s *Serial) Serve(ctx context.Context, session func(ctx context.Context, line hal.SerialLine)) error {
	for ctx.Err() == nil {
		if err := s.once(ctx, session); err != nil && !absent(err) {
			return fmt.Errorf("serial %s: %w", s.name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// absent says whether an error is of a port that is not there, not yet ready,
// or on its way out.
func absent(err error) bool {
	for _, e := range []error{fs.ErrNotExist, unix.ENXIO, unix.ENODEV, unix.EIO, unix.EBUSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// once serves one session.
func (s *Serial) once(ctx context.Context, session func(ctx context.Context, line hal.SerialLine)) error {
	port, err := s.find(s.cfg.Wanted)
	if err != nil {
		return err
	}
	l, err := openLine(port, s.cfg.Baud)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	l.gone = cancel
	interrupted := context.AfterFunc(inner, l.interrupt)
	var watch sync.WaitGroup
	watch.Go(func() { l.watch(inner) })
	session(inner, l)
	cancel()
	watch.Wait()
	interrupted() // it has run, or will not
	return l.close()
}
