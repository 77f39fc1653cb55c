package relay

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// OneWay is a cable between a mirror and a probe that changes what passes.
// Nothing goes back.
type OneWay struct {
	in, out *port
	change  func(frame []byte) [][]byte
	stop    atomic.Bool
	wg      sync.WaitGroup
	once    sync.Once
	err     error

	framesIn, framesOut, none, overruns, refused atomic.Uint64
}

// OneWayStats is what a OneWay did so far.
type OneWayStats struct {
	FramesIn  uint64
	FramesOut uint64
	None      uint64 // frames of which nothing was sent on
	Overruns  uint64 // frames the kernel dropped because the relay was too slow: must be 0
	Refused   uint64 // frames the far interface did not take: must be 0
}

// OpenOneWay starts a relay from one interface of the current network
// namespace to another; both are up. change returns what is sent for a frame, which
// it borrows. It is called by one goroutine. Close must be called.
func OpenOneWay(from, to string, change func(frame []byte) [][]byte) (*OneWay, error) {
	r := &OneWay{change: change}
	for _, end := range []struct {
		name string
		port **port
	}{{from, &r.in}, {to, &r.out}} {
		dev, err := net.InterfaceByName(end.name)
		if err == nil {
			*end.port, err = openPort(dev.Index)
		}
		if err != nil {
			if r.in != nil {
				r.in.close()
			}
			return nil, fmt.Errorf("relay interface %s: %w", end.name, err)
		}
	}
	r.wg.Go(r.run)
	return r, nil
}

func (r *OneWay) run() {
	runtime.LockOSThread() // and never unlocked: the thread ends with its binding
	var set unix.CPUSet
	set.Set(processor(1))
	_ = unix.SchedSetaffinity(0, &set) // what is sent from two processors may change its order
	buf := make([]byte, 1<<17)
	for r.err == nil && !r.stop.Load() {
		ts := unix.NsecToTimespec(int64(pollStep / time.Nanosecond))
		_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(r.in.rx), Events: unix.POLLIN}}, &ts, nil)
		for r.err == nil {
			n, err := r.in.receive(buf)
			if r.err = err; n == 0 || err != nil {
				break
			}
			r.pass(buf[:n])
		}
		r.overruns.Add(r.in.drops())
	}
}

func (r *OneWay) pass(frame []byte) {
	r.framesIn.Add(1)
	out := r.change(frame)
	if len(out) == 0 {
		r.none.Add(1)
	}
	for _, f := range out {
		if r.out.send(f) != nil {
			r.refused.Add(1)
			continue
		}
		r.framesOut.Add(1)
	}
}

// Close stops forwarding.
func (r *OneWay) Close() error {
	r.once.Do(func() {
		r.stop.Store(true)
		r.wg.Wait()
		r.in.close()
		r.out.close()
	})
	return r.err
}

// Stats returns what was done so far.
func (r *OneWay) Stats() OneWayStats {
	return OneWayStats{FramesIn: r.framesIn.Load(), FramesOut: r.framesOut.Load(), None: r.none.Load(),
		Overruns: r.overruns.Load(), Refused: r.refused.Load()}
}
