package appliance

import (
	"io"
	"sync"
	"time"
)

// lineRoom is how much may wait for the serial line: at 115200 baud that is half
// a minute.
const lineRoom = 256 << 10

// line is the console. Writing to it never waits for it: a line that is slow, or
// stopped by whoever is at its other end, holds up nothing. What finds no room is
// dropped, and how much is said when there is room again.
type line struct {
	mu      sync.Mutex
	queue   [][]byte
	size    int
	dropped int
	closed  bool
	more    chan struct{}
	idle    chan struct{} // closed when everything was written
}

func newLine() *line {
	l := &line{more: make(chan struct{}, 1), idle: make(chan struct{})}
	close(l.idle)
	return l
}

// Write implements io.Writer. It never fails.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.size+len(p) > lineRoom {
		l.dropped++
		return len(p), nil
	}
	select {
	case <-l.idle:
		l.idle = make(chan struct{})
	default:
	}
	l.queue = append(l.queue, append([]byte(nil), p...))
	l.size += len(p)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// run writes to w until close. That w fails is no reason to stop: a box without a
// serial port works, too.
func (l *line) run(w io.Writer) {
	for range l.more {
		for {
			b, ok := l.next()
			if !ok {
				break
			}
			_, _ = w.Write(b)
		}
	}
}

func (l *line) next() ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		select {
		case <-l.idle:
		default:
			close(l.idle)
		}
		return nil, false
	}
	b := l.queue[0]
	l.queue = l.queue[1:]
	l.size -= len(b)
	if l.dropped > 0 && l.size < lineRoom/2 {
		b = append(b, "heptap: the console was too slow for some lines, which are left out here\n"...)
		l.dropped = 0
	}
	return b, true
}

// drain waits until everything was written, at most d.
func (l *line) drain(d time.Duration) {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(d):
	}
}

// close takes nothing more, and ends run when it has written what it has.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.more)
	}
}
