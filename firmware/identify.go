package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"heptap/hal"
	"heptap/hal/links"
)

const (
	identifyFor = 30 * time.Second
	blinkStep   = 2 * time.Second        // of one call, which cannot be ended
	beforeEnds  = 5 * time.Second        // within which one ends that its user has ended
	blinkFails  = 300 * time.Millisecond // within which a driver says that it cannot
)

// sockets are a machine's network ports, as far as telling them apart takes.
type sockets interface {
	hal.Identifier
	List() ([]hal.LinkState, error)
	State(name string) (hal.LinkState, error)
	Watch(ctx context.Context, fn func(hal.LinkEvent)) error
	Close() error
}

// identifier finds out which socket of the machine a port is: by its LED, and by what
// its link does when somebody pulls the cable.
type identifier struct {
	open  func() (sockets, error)
	blink func(ctx context.Context, name string) error // nil: the ports' own
	// wake has a port that is down watch its cable, and say nothing; the returned function
	// undoes it. nil: whether a port is up is not ours to say.
	wake func(name string) (undo func(), err error)

	one chan struct{} // has room for whoever identifies a port: the kernel has one blink at a time
}

// newIdentifier has PID 1, where there is one, do what takes its rights.
func (s *service) newIdentifier() *identifier {
	i := &identifier{one: make(chan struct{}, 1), open: func() (sockets, error) { return links.Open() }}
	p := s.host.parent
	if p == nil {
		return i
	}
	i.blink = p.Blink
	i.wake = func(name string) (func(), error) {
		ctx, cancel := context.WithTimeout(context.Background(), settingsAtMost)
		defer cancel()
		if err := p.MirrorUp(ctx, name, hal.MirrorOptions{}); err != nil {
			return nil, err
		}
		return func() {
			if s.inUse(name) {
				return // by now
			}
			ctx, cancel := context.WithTimeout(context.Background(), settingsAtMost)
			defer cancel()
			if err := p.RestoreMirror(ctx, name); err != nil {
				s.log.Warn("port not restored", "iface", name, "err", err)
			}
		}, nil
	}
	return i
}

// inUse says whether what runs captures on a device.
func (s *service) inUse(device string) bool {
	if l := s.live.Load(); l != nil {
		for _, p := range l.Config.Ports {
			if p.Interface == device {
				return true
			}
		}
	}
	return false
}

// run tells of a port until ctx is done or the time is over.
func (i *identifier) run(ctx context.Context, name string, tell func(line string)) error {
	select {
	case i.one <- struct{}{}:
	case <-time.After(beforeEnds):
		return errors.New("another session identifies a port: one at a time")
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-i.one }()
	l, err := i.open()
	if err != nil {
		return err
	}
	defer l.Close()
	w := &watched{l: l, name: name, tell: tell}
	up, err := w.describe()
	if err != nil {
		return err
	}
	if !up && i.wake != nil {
		undo, err := i.wake(name)
		if err == nil {
			defer undo()
			up = true
		} else {
			tell("it cannot be set up: " + err.Error())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, identifyFor)
	defer cancel()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	tasks.Go(func() {
		if err := l.Watch(ctx, w.event); err != nil && ctx.Err() == nil {
			tell("what the links do is not seen: " + err.Error())
		}
	})
	blink := i.blink
	if blink == nil {
		blink = func(_ context.Context, name string) error { return l.Blink(name, blinkStep) }
	}
	failed := make(chan error, 1)
	tasks.Go(func() {
		for ctx.Err() == nil {
			if err := blink(context.WithoutCancel(ctx), name); err != nil {
				failed <- err
				return
			}
		}
	})
	select {
	case err = <-failed:
	case <-time.After(blinkFails):
		tell(fmt.Sprintf("its LED blinks now, for %v, or until a key is pressed", identifyFor))
		if up {
			tell("or pull its cable: what the links do is shown here")
		}
		select {
		case err = <-failed:
		case <-ctx.Done():
		}
	}
	if err != nil && ctx.Err() == nil {
		w.instead(err, up)
		<-ctx.Done()
	}
	return nil
}

// watched is the port that is looked for, and who looks.
type watched struct {
	l    sockets
	name string
	tell func(line string)
	was  hal.LinkState // as it was described
}

// describe tells what the port is, and says whether it is up.
func (w *watched) describe() (up bool, err error) {
	h, err := w.l.Hardware(w.name)
	if errors.Is(err, fs.ErrNotExist) {
		all, lerr := w.l.List()
		if lerr != nil {
			return false, err
		}
		var names []string
		for _, s := range all {
			if h, err := w.l.Hardware(s.Name); err == nil && isSocket(h) {
				names = append(names, s.Name)
			}
		}
		return false, fmt.Errorf("there is no port %s; there are: %s", w.name, strings.Join(names, ", "))
	}
	if err != nil {
		return false, err
	}
	s, err := w.l.State(w.name)
	if err != nil {
		return false, err
	}
	line := w.name
	if h.MAC != "" {
		line += ", MAC " + h.MAC
	}
	if h.Driver != "" {
		line += ", driver " + h.Driver
	}
	w.tell(line + ": " + linkText(s))
	w.was = s
	return s.Up, nil
}

// isSocket says whether a cable can be plugged into it.
func isSocket(h hal.Hardware) bool {
	switch h.Driver {
	case "bonding", "802.1Q VLAN Support", "bridge", "dummy", "tun":
		return false
	}
	return h.MAC != ""
}

func linkText(s hal.LinkState) string {
	switch {
	case !s.Up:
		return "not set up"
	case !s.Carrier:
		return "no link"
	case s.SpeedMbit == 0:
		return "link"
	}
	return fmt.Sprintf("link, %d Mbit/s", s.SpeedMbit)
}

// instead tells what to do when no LED blinks.
func (w *watched) instead(err error, up bool) {
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		w.tell("its driver cannot make the LED blink")
	case errors.Is(err, fs.ErrPermission):
		w.tell("this program may not make the LED blink: that takes root, or CAP_NET_ADMIN")
	default:
		w.tell("the LED does not blink: " + err.Error())
	}
	if up {
		w.tell(fmt.Sprintf("pull the cable now: if it is the one in this port, it is said here; for %v, or until a key is pressed", identifyFor))
	} else {
		w.tell(fmt.Sprintf("a port that is not set up does not see its cable: ip link set %s up, and ask again", w.name))
	}
}

// event tells of links that come and go.
func (w *watched) event(e hal.LinkEvent) {
	before, after := e.Before, e.After
	if !before.Exists && after.Name == w.name {
		before = w.was // a port that was woken may have had its link before anybody watched
	}
	if !before.Exists || before.Carrier == after.Carrier {
		return
	}
	if after.Name != w.name {
		if h, err := w.l.Hardware(after.Name); err != nil || !isSocket(h) {
			return
		}
	}
	switch {
	case after.Carrier:
		w.tell(fmt.Sprintf("%s: %s", after.Name, linkText(after)))
	case after.Name == w.name:
		w.tell(fmt.Sprintf("%s: no link any more. If you pulled a cable, it is this one", after.Name))
	default:
		w.tell(fmt.Sprintf("%s: no link any more. If you pulled a cable, it is that of another port, %s", after.Name, after.Name))
	}
}
