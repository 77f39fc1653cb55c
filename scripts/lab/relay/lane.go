package relay

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	turn     = 64                     // frames taken in before those that are due are sent
	pollStep = 20 * time.Millisecond  // how soon Close is noticed
	holdTime = 150 * time.Millisecond // a packet held back goes on at the latest then
)

// lane is one direction.
type lane struct {
	in, out *port
	cfg     Config
	imp     Impairment
	stop    atomic.Bool
	err     error // valid once run has returned

	mu      sync.Mutex // guards what follows; run holds it while it works
	streams map[streamID]*stream
	order   []*stream
	random  *rand.Rand // for what is no stream
	waiting queue      // delayed by jitter
	held    int        // packets held back in all streams
	count   Direction
}

// streamID tells RTP streams apart (RFC 3550 8).
type streamID struct {
	src, dst netip.AddrPort
	ssrc     uint32
}

func newLane(in, out *port, cfg Config, imp Impairment, number uint64) *lane {
	if imp.ReorderBy == 0 {
		imp.ReorderBy = 3
	}
	return &lane{in: in, out: out, cfg: cfg, imp: imp, streams: map[streamID]*stream{}, random: rand.New(rand.NewPCG(cfg.Seed, number))}
}

func (l *lane) run(cpu int) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its binding
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set) // a processor we may not have costs order, which Stats does not hide
	buf := make([]byte, 1<<17)
	for l.err == nil && !l.stop.Load() {
		l.wait()
		l.mu.Lock()
		l.err = l.work(buf)
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

// wait returns when a frame has come in or one is due.
func (l *lane) wait() {
	l.mu.Lock()
	d := pollStep
	now := time.Now()
	if at, ok := l.waiting.next(); ok {
		d = min(d, at.Sub(now))
	}
	if l.held > 0 {
		d = min(d, 5*time.Millisecond)
	}
	l.mu.Unlock()
	ts := unix.NsecToTimespec(max(int64(d), 0))
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(l.in.rx), Events: unix.POLLIN}}, &ts, nil)
}

func (l *lane) work(buf []byte) error {
	now := time.Now()
	for range turn {
		n, err := l.in.receive(buf)
		if err != nil {
			return fmt.Errorf("relay: receive: %w", err)
		}
		if n == 0 {
			break
		}
		l.count.FramesIn++
		l.count.BytesIn += uint64(n)
		l.take(buf[:n], now)
	}
	for {
		p, ok := l.waiting.pop(now)
		if !ok {
			break
		}
		l.pass(p)
	}
	if l.held > 0 {
		for _, s := range l.order {
			l.releaseHeld(s, 0, now)
		}
	}
	return nil
}

// take decides what becomes of a frame, which is borrowed.
func (l *lane) take(frame []byte, now time.Time) {
	id, seq, ok := l.impaired(frame)
	if !ok {
		if l.imp.Others > 0 && isIP(frame) && l.random.Float64() < l.imp.Others {
			l.count.Others++
			return
		}
		l.send(frame)
		return
	}
	s := l.streams[id]
	if s == nil {
		s = newStream(id, l.cfg.Seed, seq)
		l.streams[id] = s
		l.order = append(l.order, s)
	}
	number := s.arrive(seq)
	f := s.fate(&l.imp)
	if f.lost {
		s.lost = append(s.lost, number)
		return
	}
	p := packet{stream: s, number: number, frame: frame}
	if f.hold > 0 {
		p.frame = slices.Clone(frame)
		s.hold(p, f.hold, now.Add(holdTime))
		l.held++
		return
	}
	if f.copyAfter >= 0 {
		c := packet{stream: s, number: number, frame: slices.Clone(frame)}
		s.hold(c, f.copyAfter+1, now.Add(holdTime+f.delay)) // this packet itself is the first to pass
		l.held++
	}
	at := now.Add(f.delay)
	if at.Before(s.due) {
		at = s.due // jitter alone does not reorder
	}
	s.due = at
	if !at.After(now) && l.waiting.empty() {
		l.pass(p)
		return
	}
	p.frame = slices.Clone(frame)
	l.waiting.push(p, at)
}

func isIP(frame []byte) bool {
	return len(frame) >= 14 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IP
}

// pass sends a packet on in its turn, and those that waited for it to pass.
func (l *lane) pass(p packet) {
	l.deliver(p)
	l.releaseHeld(p.stream, 1, time.Time{})
}

// releaseHeld sends the held packets for which enough others have passed, or
// whose time is up.
func (l *lane) releaseHeld(s *stream, passed int, now time.Time) {
	if len(s.held) == 0 {
		return
	}
	kept := s.held[:0]
	for _, h := range s.held {
		h.wait -= passed
		if h.wait > 0 && (now.IsZero() || now.Before(h.until)) {
			kept = append(kept, h)
			continue
		}
		l.held--
		l.deliver(h.packet)
	}
	s.held = kept
}

func (l *lane) deliver(p packet) {
	if l.send(p.frame) {
		p.stream.depart(p.number)
	} else {
		p.stream.lost = append(p.stream.lost, p.number)
	}
}

func (l *lane) send(frame []byte) bool {
	if err := l.out.send(frame); err != nil {
		l.count.Refused++
		return false
	}
	l.count.FramesOut++
	return true
}

// flush sends everything that is still here.
func (l *lane) flush() {
	for {
		p, ok := l.waiting.pop(time.Now().Add(time.Hour))
		if !ok {
			break
		}
		l.pass(p)
	}
	for _, s := range l.order {
		l.releaseHeld(s, 1<<20, time.Time{})
	}
	l.count.Overruns += l.in.drops()
}

func (l *lane) stats() Direction {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.Overruns += l.in.drops()
	d := l.count
	d.Streams = make([]Stream, 0, len(l.order))
	for _, s := range l.order {
		d.Streams = append(d.Streams, s.stats())
	}
	slices.SortFunc(d.Streams, func(a, b Stream) int {
		return cmp.Or(a.Src.Compare(b.Src), a.Dst.Compare(b.Dst), cmp.Compare(a.SSRC, b.SSRC))
	})
	return d
}
