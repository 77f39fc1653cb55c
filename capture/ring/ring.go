package ring

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"heptap/capture"
)

// Ring is a capture.Source over one interface. Read and Close belong to one
// goroutine, the reader; every other method may be called from anywhere.
type Ring struct {
	cfg Config
	sys kernel

	received, drops, freezes, reopens atomic.Uint64
	state                             atomic.Uint32

	// Owned by the reader.
	clk     clock
	walk    walker
	next    int   // the block the kernel fills next
	holding bool  // walk's block is ours to give back
	checked int64 // monotonic time of the last count
	rested  bool  // wait has slept since a frame was handed out
	away    away
	stamps  stamping
	closed  bool

	mu     sync.Mutex // held by the reader to write, by others to use:
	sock   *socket    // nil while a fanout ring is away, and once closed
	filter []bpf.RawInstruction
}

var _ capture.Source = (*Ring)(nil)

// Open starts capturing. It must be called in the network namespace of the
// interface, and so must Read while the interface is away, if the ring is one
// of a fanout group. The error says what to do: which interfaces there are,
// or which capability is missing. An interface that exists but is down, or
// without carrier, is no error.
func Open(cfg Config) (*Ring, error) { return open(cfg, realKernel()) }

func open(cfg Config, sys kernel) (*Ring, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, sys: sys, filter: cfg.Filter, clk: clock{read: sys.clocks}}
	r.clk.drained(0) // no frame is older than this
	r.sock, err = openSocket(&r.cfg, r.filter, sys)
	if err != nil {
		return nil, fmt.Errorf("open ring %s: %w", cfg.Interface, err)
	}
	if err := r.look(); err != nil {
		return nil, errors.Join(fmt.Errorf("open ring %s: %w", cfg.Interface, err), r.Close())
	}
	r.startStamping()
	return r, nil
}

// Read implements capture.Source. A Read hands out frames of one block at
// most. An error other than os.ErrClosed means that the interface is back but
// the ring cannot be had again, for want of a capability: the process has to
// be started anew.
func (r *Ring) Read(frames []capture.Frame) (int, error) {
	if r.closed {
		return 0, os.ErrClosed
	}
	if len(frames) == 0 {
		return 0, nil
	}
	var deadline time.Time
	for {
		if r.sock != nil {
			if n := r.deliver(frames); n > 0 {
				r.rested = false
				return n, nil
			}
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(r.cfg.Poll)
		}
		left := deadline.Sub(now)
		if left <= 0 {
			return 0, r.idle()
		}
		if err := r.wait(left); err != nil {
			return 0, err
		}
	}
}

// deliver hands out frames of the current block, or of the next one if it is
// ours. 0 means that the ring is empty.
func (r *Ring) deliver(frames []capture.Frame) int {
	for {
		if r.walk.left > 0 {
			n := r.walk.fill(frames, &r.clk, r.sock.link, r.cfg.Port)
			if n < len(frames) && r.walk.left > 0 {
				r.drops.Add(uint64(r.walk.left)) // a header that contradicts its block
				r.walk.left = 0
			}
			if n > 0 {
				if r.cfg.Sampled {
					markHidden(frames[:n], r.cfg.Snaplen)
				}
				return n
			}
		}
		r.release()
		if !r.sock.ours(r.next) {
			return 0
		}
		r.clk.measure()
		r.mindStamping()
		r.walk.start(r.sock.block(r.next))
		r.clk.opened(r.walk.block)
		r.holding = true
		if r.clk.now-r.checked >= int64(r.cfg.Poll) {
			r.count()
		}
	}
}

// release gives the current block back to the kernel.
func (r *Ring) release() {
	if !r.holding {
		return
	}
	atomic.StoreUint32(statusWord(r.walk.block), unix.TP_STATUS_KERNEL)
	r.walk, r.holding = walker{}, false
	r.next++
	if r.next == r.sock.geo.Blocks {
		r.next = 0
	}
}

// wait waits for a block while the ring is empty.
func (r *Ring) wait(timeout time.Duration) error {
	if r.sock == nil {
		time.Sleep(timeout)
		return nil
	}
	// A block the kernel has not closed yet holds frames no older than the
	// retire time; the timer that closes it is late now and then.
	r.clk.drained(2*r.cfg.Retire + 50*time.Millisecond)
	// On a busy port poll would return for each block, and each return costs far
	// more than the block's frames. A port that has just had frames will have
	// more within the time a block is retired: that can be slept through, and
	// poll is left for a port that has fallen silent.
	if !r.rested {
		r.rested = true
		time.Sleep(min(timeout, r.rest()))
		return nil
	}
	events, err := r.sock.wait(timeout)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("read ring %s: poll: %w", r.cfg.Interface, err)
	case events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return r.socketError()
	}
	return nil
}

// rest is how long the reader may sleep when the ring is empty. The ring bridges
// much more than that: 10 ms of a gigabit are 1.25 MB.
func (r *Ring) rest() time.Duration {
	const bytesPerSecond = 1 << 30
	full := time.Duration(int64(r.sock.geo.Bytes()) * int64(time.Second) / bytesPerSecond)
	return min(r.cfg.Retire, full/4)
}

// idle is called when nothing has arrived for the poll interval.
func (r *Ring) idle() error {
	r.count()
	r.mindStamping()
	if err := r.look(); err != nil {
		return fmt.Errorf("read ring %s: %w", r.cfg.Interface, err)
	}
	return nil
}

// count adds the kernel's counters to ours.
func (r *Ring) count() {
	r.checked = r.clk.now
	if r.sock == nil {
		return
	}
	st, err := r.sock.statistics()
	if err != nil {
		return // nothing was reset, so nothing is lost
	}
	r.received.Add(uint64(st.Packets))
	r.drops.Add(uint64(st.Drops))
	r.freezes.Add(uint64(st.Freeze_q_cnt))
}

// Stats implements capture.Source. The kernel's counters are fetched by Read,
// at each poll interval and whenever it returns with nothing.
func (r *Ring) Stats() capture.Stats {
	return capture.Stats{
		Received: r.received.Load(), KernelDrops: r.drops.Load(),
		Freezes: r.freezes.Load(), Reopens: r.reopens.Load(),
	}
}

// State returns what the interface was like when the reader last looked,
// which it does when nothing arrives for the poll interval.
func (r *Ring) State() State { return State(r.state.Load()) }

// Geometry returns the ring the kernel granted; zero while there is none.
func (r *Ring) Geometry() Geometry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sock == nil {
		return Geometry{}
	}
	return r.sock.geo
}

// SetFilter replaces the kernel's filter at once, and for every later
// reopening; nil passes everything. Frames already in the ring have passed
// the old one and are still delivered. On an error the old one stays.
func (r *Ring) SetFilter(prog []bpf.RawInstruction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sock != nil {
		if err := r.sock.attach(withSnaplen(prog, r.cfg.Snaplen)); err != nil {
			return fmt.Errorf("ring %s: %w", r.cfg.Interface, err)
		}
	}
	r.filter = prog
	return nil
}

// Close implements capture.Source. It unmaps the ring: frames handed out
// before must not be touched any more. Closing twice is no error.
func (r *Ring) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.count()
	r.countStamps()
	r.endStamping()
	return r.closeSocket()
}

func (r *Ring) closeSocket() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sock
	if s == nil {
		return nil
	}
	r.sock, r.walk, r.holding, r.next = nil, walker{}, false, 0
	if err := s.close(); err != nil {
		return fmt.Errorf("close ring %s: %w", r.cfg.Interface, err)
	}
	return nil
}
