package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
)

// looking is an identifier on ports of a test, and what it has told so far.
type looking struct {
	*identifier
	mu    sync.Mutex
	lines []string
}

func look(ports *haltest.Ports) *looking {
	return &looking{identifier: &identifier{one: make(chan struct{}, 1), open: func() (sockets, error) { return ports, nil }}}
}

func (l *looking) tell(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *looking) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.lines, "\n")
	l.lines = nil
	return s
}

// began starts to look for eth1; the channel has how that ended.
func (l *looking) began(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx, "eth1", l.tell) }()
	time.Sleep(time.Second)
	synctest.Wait()
	return ended
}

func TestIdentifyBlinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports := haltest.NewPorts("eth0", "eth1", "bond0")
		ports.Make("bond0", hal.Hardware{MAC: "00:00:5e:00:53:01", Driver: "bonding"})
		l := look(ports)
		began := time.Now()
		ended := l.began(t.Context())
		if got := l.told(); got != "eth1, MAC 00:00:5e:00:53:02, driver fake: link, 1000 Mbit/s\nits LED blinks now, for 30s, or until a key is pressed\nor pull its cable: what the links do is shown here" {
			t.Error(got)
		}
		if err := l.run(t.Context(), "eth0", l.tell); err == nil || !strings.Contains(err.Error(), "one at a time") {
			t.Errorf("two at once: %v", err)
		}
		for _, name := range []string{"bond0", "eth0", "eth1"} {
			ports.Set(hal.LinkState{Name: name, Exists: true, Up: true})
		}
		ports.Set(hal.LinkState{Name: "eth1", Exists: true, Up: true, Carrier: true, SpeedMbit: 100})
		ports.Set(hal.LinkState{Name: "eth1", Exists: true, Up: true, Carrier: true, SpeedMbit: 100, MTU: 9000})
		synctest.Wait()
		if got := l.told(); got != "eth0: no link any more. If you pulled a cable, it is that of another port, eth0\neth1: no link any more. If you pulled a cable, it is this one\neth1: link, 100 Mbit/s" {
			t.Error(got)
		}
		if err := <-ended; err != nil || time.Since(began) < identifyFor || time.Since(began) > identifyFor+blinkStep {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		blinked := ports.Blinked("eth1") // and perhaps once more, when one ends just in time
		if blinked < identifyFor || blinked > identifyFor+blinkStep || ports.Blinked("eth0") != 0 {
			t.Errorf("blinked for %v", blinked)
		}
		if got := l.told(); got != "" {
			t.Error(got)
		}
		// The next one may be looked for, and a key ends it.
		ctx, cancel := context.WithCancel(t.Context())
		ended = l.began(ctx)
		cancel()
		again, stop := context.WithCancel(t.Context())
		next := l.began(again) // waits until that one has ended
		if err := <-ended; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		stop()
		if err := <-next; err != nil {
			t.Error(err)
		}
		if n := ports.Blinked("eth1"); n != blinked+2*blinkStep {
			t.Errorf("blinked for %v", n)
		}
	})
}

func TestIdentifyCannotBlink(t *testing.T) {
	const cable = "\npull the cable now: if it is the one in this port, it is said here; for 30s, or until a key is pressed"
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("blink: %w", syscall.EOPNOTSUPP), "its driver cannot make the LED blink"},
		{fmt.Errorf("blink: %w", syscall.EPERM), "this program may not make the LED blink: that takes root, or CAP_NET_ADMIN"},
		{errors.New("another port blinks"), "the LED does not blink: another port blinks"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ports := haltest.NewPorts("eth0", "eth1")
			ports.Fail(c.err)
			ports.Make("eth1", hal.Hardware{MAC: "00:00:5e:00:53:02"})
			l := look(ports)
			began := time.Now()
			ended := l.began(t.Context())
			if got := l.told(); got != "eth1, MAC 00:00:5e:00:53:02: link, 1000 Mbit/s\n"+c.want+cable {
				t.Error(got)
			}
			ports.Set(hal.LinkState{Name: "eth1", Exists: true, Up: true})
			synctest.Wait()
			if got := l.told(); got != "eth1: no link any more. If you pulled a cable, it is this one" {
				t.Error(got)
			}
			if err := <-ended; err != nil || time.Since(began) != identifyFor {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	}
}

// TestIdentifyDown has a port that nobody has set up: on the box it is woken, and put
// back.
func TestIdentifyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports := haltest.NewPorts("eth1", "eth0")
		ports.Set(hal.LinkState{Name: "eth1", Exists: true})
		ports.Fail(syscall.EOPNOTSUPP)
		l := look(ports)
		<-l.began(t.Context())
		if got := l.told(); got != "eth1, MAC 00:00:5e:00:53:01, driver fake: not set up\nits driver cannot make the LED blink\na port that is not set up does not see its cable: ip link set eth1 up, and ask again" {
			t.Error(got)
		}
		var woken []string
		l.wake = func(name string) (func(), error) {
			woken = append(woken, name)
			ports.Set(hal.LinkState{Name: name, Exists: true, Up: true, Carrier: true, SpeedMbit: 100}) // before anybody watches
			return func() {
				woken = append(woken, "and back")
				ports.Set(hal.LinkState{Name: name, Exists: true})
			}, nil
		}
		<-l.began(t.Context())
		if got := l.told(); !strings.Contains(got, "\npull the cable now") || strings.Count(got, "eth1: link, 100 Mbit/s") != 1 || strings.Join(woken, " ") != "eth1 and back" {
			t.Errorf("%s, %v", got, woken)
		}
		l.wake = func(string) (func(), error) { return nil, hal.ErrInUse }
		<-l.began(t.Context())
		if got := l.told(); !strings.Contains(got, "\nit cannot be set up: "+hal.ErrInUse.Error()+"\n") {
			t.Error(got)
		}
	})
}

func TestIdentifyNone(t *testing.T) {
	ports := haltest.NewPorts("eth0", "bond0", "lo")
	ports.Make("bond0", hal.Hardware{MAC: "00:00:5e:00:53:01", Driver: "bonding"})
	ports.Make("lo", hal.Hardware{})
	l := look(ports)
	if err := l.run(t.Context(), "eth9", l.tell); err == nil || err.Error() != "there is no port eth9; there are: eth0" {
		t.Errorf("%v", err)
	}
	l.open = func() (sockets, error) { return nil, fs.ErrPermission }
	if err := l.run(t.Context(), "eth0", l.tell); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}
