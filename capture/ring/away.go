package ring

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Attempts to come back start this far apart and double.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = time.Second
)

// away is what the reader knows of an interface that is down or gone.
type away struct {
	since   time.Time     // zero: it is there and up
	retry   time.Time     // next attempt, while gone
	backoff time.Duration // after that
}

// socketError clears the error that made poll return. ENETDOWN, the usual
// one, says that the interface went down or away.
func (r *Ring) socketError() error {
	errno, err := unix.GetsockoptInt(r.sock.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("read ring %s: socket error: %w", r.cfg.Interface, err)
	}
	if errno != 0 && unix.Errno(errno) != unix.ENETDOWN {
		r.cfg.Logger.Warn("ring socket error", "err", unix.Errno(errno))
	}
	if r.away.since.IsZero() {
		r.leave(StateDown) // look says whether it is gone, or up again already
	}
	if err := r.look(); err != nil {
		return fmt.Errorf("read ring %s: %w", r.cfg.Interface, err)
	}
	return nil
}

// look finds out what the interface is like and acts on it.
func (r *Ring) look() error {
	if r.sock == nil {
		return r.comeBack()
	}
	dev, err := lookupOn(r.sock.fd, r.cfg.Interface)
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	if err != nil || dev.index != r.sock.bound() {
		r.leave(StateGone)
		return r.comeBack()
	}
	r.settle(dev)
	return nil
}

// settle takes over the state of the interface the socket is bound to.
func (r *Ring) settle(dev device) {
	if s := dev.state(); s == StateDown {
		r.leave(s)
	} else {
		r.arrive(s)
	}
}

// leave notes that the interface is down or gone.
func (r *Ring) leave(s State) {
	if r.away.since.IsZero() {
		r.away = away{since: time.Now()}
	}
	if old := State(r.state.Swap(uint32(s))); old != s {
		r.cfg.Logger.Info("mirror port left", "state", s.String())
	}
}

// arrive notes that the interface is up, with carrier or without.
func (r *Ring) arrive(s State) {
	if !r.away.since.IsZero() {
		r.reopens.Add(1)
		r.cfg.Logger.Info("mirror port is back", "duration", time.Since(r.away.since))
		r.away = away{}
	}
	if old := State(r.state.Swap(uint32(s))); old != s {
		r.cfg.Logger.Info("mirror port state", "state", s.String())
	}
}

// comeBack tries to bind to the interface again, if it is time for that.
func (r *Ring) comeBack() error {
	now := time.Now()
	if now.Before(r.away.retry) {
		return nil
	}
	r.away.backoff = min(max(2*r.away.backoff, retryFirst), retryMost)
	r.away.retry = now.Add(r.away.backoff)
	err := r.bindAgain(now)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return err
	}
	r.cfg.Logger.Debug("mirror port is still away", "err", err)
	return nil
}

func (r *Ring) bindAgain(now time.Time) error {
	if r.sock == nil {
		return r.reopen()
	}
	dev, err := lookupOn(r.sock.fd, r.cfg.Interface)
	if err != nil {
		return err
	}
	if r.cfg.Fanout == nil && dev.cooked == r.sock.cooked {
		if err := r.sock.bind(dev.index); err != nil {
			return err
		}
		r.settle(dev)
		r.startStamping()
		return nil
	}
	// A new socket it must be. The kernel still closes the block it was
	// filling, so the ring is empty only some time after the interface went.
	drained := r.away.since.Add(3*r.cfg.Retire + 50*time.Millisecond)
	if r.ready() || now.Before(drained) {
		r.away.retry = now
		return nil
	}
	r.count()
	if err := r.closeSocket(); err != nil {
		return err
	}
	return r.reopen()
}

// ready says whether there is something in the ring to deliver first.
func (r *Ring) ready() bool { return r.holding || r.sock.ours(r.next) }

func (r *Ring) reopen() error {
	r.mu.Lock()
	s, err := openSocket(&r.cfg, r.filter, r.sys)
	r.sock = s
	r.mu.Unlock()
	if err != nil {
		return err
	}
	dev, err := lookupOn(s.fd, r.cfg.Interface)
	if err != nil {
		return err // gone again already: the next look sees it
	}
	r.settle(dev)
	r.startStamping()
	return nil
}
