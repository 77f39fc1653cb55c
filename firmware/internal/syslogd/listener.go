package syslogd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"heptap/capture"
)

// Options say where a Listener listens and whom it hears.
type Options struct {
	UDP, TCP []string       // "host:port" each
	Allow    []netip.Prefix // senders; none means all
	Now      func() int64   // monotonic clock of the pipeline, ns
	Log      *slog.Logger   // nil discards
	Idle     time.Duration  // a connection without a line for so long is closed; 0 means 4 h
}

const (
	maxConns     = 64
	maxConnsEach = 16 // of one address
	lineBytes    = 16 << 10

	// idle is long: a daemon with nothing to say may lose the line that it writes to
	// a connection that was closed.
	idle = 4 * time.Hour
	// spare is how long a connection has been idle, in nanoseconds, that gives its
	// place to a new one.
	spare = int64(time.Minute)

	// Hold is how much later than its arrival a line counts as seen: the message
	// that it is about, seen on a mirror port, comes first.
	Hold = 20 * time.Millisecond
)

// Stats are running totals.
type Stats struct {
	UDP, TCP  uint64 // lines
	Taken     uint64 // of them, into the queue
	Full      uint64 // dropped for want of room
	Forbidden uint64 // datagrams and connections of addresses that are not allowed
	Cut       uint64 // lines longer than what is read of one
	NotSyslog uint64 // connections that did not begin as syslog does
	Conns     uint64 // connections served
	Open      int    // of them, now
	Idle      uint64 // of them, those closed because no line came for too long
	Replaced  uint64 // likewise, because a new one needed the place
	Refused   uint64 // connections beyond what there may be
	Errors    uint64 // of receiving and accepting
}

type counters struct {
	udp, tcp, taken, full, forbidden, cut, notSyslog, conns, idle, replaced, refused, errors atomic.Uint64
}

// Listener receives lines. Peek and Done are for one goroutine.
type Listener struct {
	queue
	o     Options
	log   *slog.Logger
	udp   []*net.UDPConn
	tcp   []*net.TCPListener
	count counters

	mu    sync.Mutex
	conns map[*net.TCPConn]*sender // guarded by mu
	ended bool                     // guarded by mu
}

// sender is who opened a connection.
type sender struct {
	addr netip.Addr
	last atomic.Int64 // when its last line came, by Options.Now; at first, when it was accepted
}

// Listen opens the sockets; Run serves them. Whoever does not call Run calls
// Close.
func Listen(o Options) (*Listener, error) {
	l := &Listener{queue: newQueue(), o: o, log: o.Log, conns: map[*net.TCPConn]*sender{}}
	if l.o.Idle <= 0 {
		l.o.Idle = idle
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("syslog: %w", errors.Join(err, l.Close()))
	}
	return l, nil
}

func (l *Listener) open() error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	for _, at := range l.o.UDP {
		pc, err := lc.ListenPacket(context.Background(), "udp", at)
		if err != nil {
			return err
		}
		c := pc.(*net.UDPConn)
		l.udp = append(l.udp, c)
		_ = c.SetReadBuffer(2 << 20) // a burst must fit; the kernel may grant less
	}
	for _, at := range l.o.TCP {
		nl, err := lc.Listen(context.Background(), "tcp", at)
		if err != nil {
			return err
		}
		l.tcp = append(l.tcp, nl.(*net.TCPListener))
	}
	return nil
}

// Addrs returns the addresses listened on, in the order of Options.
func (l *Listener) Addrs() (udp, tcp []netip.AddrPort) {
	for _, c := range l.udp {
		udp = append(udp, addrOf(c.LocalAddr()))
	}
	for _, s := range l.tcp {
		tcp = append(tcp, addrOf(s.Addr()))
	}
	return udp, tcp
}

// addrOf returns a socket's address, IPv4 as such.
func addrOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return clean(ap)
}

func clean(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Close closes the sockets of a Listener that is not running.
func (l *Listener) Close() error {
	var err error
	for _, c := range l.udp {
		err = errors.Join(err, c.Close())
	}
	for _, s := range l.tcp {
		err = errors.Join(err, s.Close())
	}
	return err
}

// Stats returns the totals. Any goroutine may call it.
func (l *Listener) Stats() Stats {
	c := &l.count
	l.mu.Lock()
	open := len(l.conns)
	l.mu.Unlock()
	return Stats{UDP: c.udp.Load(), TCP: c.tcp.Load(), Taken: c.taken.Load(), Full: c.full.Load(), Forbidden: c.forbidden.Load(),
		Cut: c.cut.Load(), NotSyslog: c.notSyslog.Load(), Conns: c.conns.Load(), Open: open,
		Idle: c.idle.Load(), Replaced: c.replaced.Load(), Refused: c.refused.Load(), Errors: c.errors.Load()}
}

// MemoryBytes is the most a Listener made of o holds.
func (o *Options) MemoryBytes() int64 {
	return queueBytes + queueItems*(keptBuffer+itemBytes) + maxConns*lineBytes + int64(len(o.UDP))*(64<<10)
}

func (l *Listener) allowed(a netip.Addr) bool {
	if len(l.o.Allow) == 0 {
		return true
	}
	for _, p := range l.o.Allow {
		if p.Contains(a) {
			return true
		}
	}
	l.count.forbidden.Add(1)
	return false
}

// take hands over one line.
func (l *Listener) take(flow capture.FiveTuple, line []byte, cut bool) {
	m := capture.Message{Protocol: capture.Syslog, Flow: flow, Payload: line, Wall: time.Now().UnixNano(), Mono: l.o.Now() + int64(Hold)}
	if cut {
		l.count.cut.Add(1)
		m.Flags |= capture.CutShort
	}
	if l.put(&m) {
		l.count.taken.Add(1)
	} else {
		l.count.full.Add(1)
	}
}
