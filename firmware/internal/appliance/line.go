package appliance

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lineRoom is how much may wait for the serial line: at 115200 baud that is half
// a minute.
const lineRoom = 256 << 10

// heldRoom is how much may wait while a session has the serial line.
const heldRoom = 8 << 10

// line is the console. Writing to it never waits for it: a line that is slow, or
// stopped by whoever is at its other end, holds up nothing. What finds no room is
// dropped, and how much is said when there is room again.
type line struct {
	mu      sync.Mutex
	queue   [][]byte
	size    int
	dropped int
	closed  bool
	held    bool // somebody works at it
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
	room := lineRoom
	if l.held {
		room = heldRoom
	}
	if l.closed || l.size+len(p) > room {
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
	l.wake()
	return len(p), nil
}

func (l *line) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// hold has what is written wait, or be written again.
func (l *line) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
	if !on && !l.closed {
		l.wake()
	}
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
			// The serial line is raw while a console is at it, and takes a CR too many otherwise.
			_, _ = w.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
		}
	}
}

func (l *line) next() ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return nil, false
	}
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
		b = append(b, "heptap: the console was too slow, or in use, for some lines, which are left out here\n"...)
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
