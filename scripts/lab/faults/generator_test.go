package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"heptap/scripts/lab"
)

// generator sends the numbered messages as frames on one end of a veth pair.
type generator struct {
	fd   int
	all  []template
	stop context.CancelFunc
	done chan error // what ended the sending

	mu   sync.Mutex  // guards sent
	sent []time.Time // when each message was sent, by number
}

func openGenerator(n *lab.Namespace, dev string) (*generator, error) {
	g := &generator{fd: -1, all: makeTemplates()}
	err := n.Do(func() error {
		iface, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		// Protocol 0: it sends only.
		if g.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("generator: %w", err)
		}
		return unix.Bind(g.fd, &unix.SockaddrLinklayer{Ifindex: iface.Index})
	})
	return g, err
}

func (g *generator) close() error {
	if g.stop != nil {
		_ = g.pause()
	}
	return unix.Close(g.fd)
}

// start begins to send at a rate, in messages per second.
func (g *generator) start(rate int) {
	ctx, cancel := context.WithCancel(context.Background())
	g.stop, g.done = cancel, make(chan error, 1)
	go func() { g.done <- g.run(ctx, rate, math.MaxInt) }()
}

// pause ends sending and returns when the last message is on the wire.
func (g *generator) pause() error {
	g.stop()
	g.stop = nil
	return <-g.done
}

// burst sends count messages at a rate.
func (g *generator) burst(rate, count int) error { return g.run(context.Background(), rate, count) }

// count is how many messages have been sent: numbers 0 to count-1.
func (g *generator) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sent)
}

// when returns the time message n was sent.
func (g *generator) when(n int) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent[n]
}

// run sends on one processor only: the kernel keeps frames in order per
// processor, and order is what is tested.
func (g *generator) run(ctx context.Context, rate, count int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if was.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &was) }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for n := 0; n < count; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due := min(count, int(time.Since(begin).Seconds()*float64(rate)))
		// After a pause that the machine made, catch up by degrees.
		for due = min(due, n+200); n < due; n++ {
			if err := g.send(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *generator) send() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	frame := of(g.all, len(g.sent)).frame
	now := time.Now()
	for {
		_, err := unix.Write(g.fd, frame)
		switch {
		case err == nil:
			g.sent = append(g.sent, now)
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
			time.Sleep(time.Millisecond) // nothing was sent; the queue empties by itself
		default:
			return fmt.Errorf("generator: %w", err)
		}
	}
}
