package heptest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"heptap/hep"
)

// Patience is how long the Wait methods wait for what takes milliseconds on an
// idle machine.
const Patience = 60 * time.Second

// Options of a Collector. The zero value is a TCP collector that behaves.
type Options struct {
	Network string // "tcp", which "" means, or "udp"
	Addr    string // "host:port"; empty is a free port of an address of this process's own

	// RecvBufferBytes sets SO_RCVBUF of each connection when it is accepted (of
	// the socket for UDP). The window offered in the handshake, 64 KiB, stays
	// offered.
	RecvBufferBytes int

	// TLS, with Network "tcp", is how TLS is served. nil is without.
	TLS *tls.Config

	// NoNotify has it answer TLS's close_notify with FIN alone.
	NoNotify bool

	// NeverAnswerHalfClose leaves a connection open after its peer's FIN.
	NeverAnswerHalfClose bool
}

// Record is one frame as the collector read it.
type Record struct {
	Conn  int    // number of the connection, from 0 in the order of acceptance
	Frame []byte // the caller may keep it, not change it
}

// ConnInfo is what the collector knows of one connection. Over UDP each source
// address is one.
type ConnInfo struct {
	Remote   netip.AddrPort
	Received uint64 // octets the process read
	Frames   int    // recorded
	FIN      bool   // the peer's FIN was read
	Ended    bool
	End      error  // how: io.EOF, a network error, a *hep.ParseError, or one of the Err values
	Tail     []byte // octets after the last whole frame
}

// Why the collector itself ended a connection.
var (
	ErrReset      = errors.New("heptest: Reset")
	ErrKilled     = errors.New("heptest: Kill")
	ErrCloseAfter = errors.New("heptest: CloseAfter")
	ErrPoisoned   = errors.New("heptest: CloseOn")
)

// Collector records what it is sent. Its methods may be called from any
// goroutine, those that wait only from the test's.
type Collector struct {
	tb   testing.TB
	opts Options
	addr string

	mu         sync.Mutex // guards the rest
	changed    chan struct{}
	listener   net.Listener
	udp        *net.UDPConn
	running    bool
	stalled    bool
	live       map[*conn]struct{}
	conns      []*ConnInfo
	sources    map[netip.AddrPort]int // UDP: number of a source address
	records    []Record
	faults     []error
	poisoned   int
	closeAfter int
	closeOn    func(frame []byte) bool

	wg sync.WaitGroup // accept loop and readers
}

// New starts a collector that ends with the test.
func New(tb testing.TB, opts Options) *Collector {
	tb.Helper()
	if opts.Network == "" {
		opts.Network = "tcp"
	}
	c := &Collector{tb: tb, opts: opts, addr: opts.Addr, changed: make(chan struct{}),
		live: map[*conn]struct{}{}, sources: map[netip.AddrPort]int{}}
	var err error
	if c.addr != "" {
		err = c.listen()
	} else {
		// Below the ports the kernel gives to outgoing connections, so that none
		// of them takes ours between Kill and Restart; on an address that no other
		// test process listens on, for the same reason.
		host := ownLoopback(os.Getpid())
		for range 100 {
			c.addr = net.JoinHostPort(host, strconv.Itoa(20000+rand.IntN(12000)))
			if err = c.listen(); err == nil {
				break
			}
		}
	}
	if err != nil {
		tb.Fatalf("heptest: %v", err)
	}
	tb.Cleanup(c.Kill)
	return c
}

// ownLoopback returns an address of 127.0.0.0/8 for a process, of which there are
// 2^22 on Linux at most. All of that network is the loopback interface's.
func ownLoopback(pid int) string {
	return netip.AddrFrom4([4]byte{127, 64 | byte(pid>>16&0x3f), byte(pid >> 8), byte(pid)}).String()
}

// Addr returns "host:port", the same after Restart.
func (c *Collector) Addr() string { return c.addr }

// listen opens the socket and starts its goroutine.
func (c *Collector) listen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.opts.Network {
	case "tcp":
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(c.tb.Context(), "tcp", c.addr)
		if err != nil {
			return err
		}
		c.listener, c.addr = l, l.Addr().String()
		c.wg.Go(func() { c.accept(l) })
	case "udp":
		ap, err := netip.ParseAddrPort(c.addr)
		if err != nil {
			return err
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ap))
		if err != nil {
			return err
		}
		if c.opts.RecvBufferBytes > 0 {
			if err := u.SetReadBuffer(c.opts.RecvBufferBytes); err != nil {
				return errors.Join(err, u.Close())
			}
		}
		c.udp, c.addr = u, u.LocalAddr().String()
		k := &conn{c: c, nc: u}
		c.live[k] = struct{}{}
		c.wg.Go(func() { k.readUDP(u) })
	default:
		return net.UnknownNetworkError(c.opts.Network)
	}
	c.running, c.stalled = true, false
	return nil
}

func (c *Collector) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return // closed by Kill
		}
		t := nc.(*net.TCPConn)
		if c.opts.RecvBufferBytes > 0 {
			_ = t.SetReadBuffer(c.opts.RecvBufferBytes) // the connection may be gone already
		}
		if !c.add(t) {
			_ = t.Close()
		}
	}
}

// add registers an accepted connection and starts its reader.
func (c *Collector) add(t *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return false
	}
	info := &ConnInfo{Remote: t.RemoteAddr().(*net.TCPAddr).AddrPort()}
	k := &conn{c: c, nc: t, tcp: t, info: info, number: len(c.conns)}
	if c.opts.TLS != nil {
		k.nc = tls.Server(t, c.opts.TLS)
	}
	c.conns = append(c.conns, info)
	c.live[k] = struct{}{}
	c.notify()
	c.wg.Go(k.read)
	return true
}

// notify wakes all who wait for a change. The caller holds mu.
func (c *Collector) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// record keeps frame, unless it is one to close on. It returns why the
// connection must end, or nil. The caller holds mu.
func (c *Collector) record(number int, frame []byte) error {
	if c.closeOn != nil && c.closeOn(frame) {
		c.poisoned++
		return ErrPoisoned
	}
	if _, err := hep.Parse(frame); err != nil {
		c.faults = append(c.faults, fmt.Errorf("connection %d, frame %d: %w", number, c.conns[number].Frames, err))
	}
	c.records = append(c.records, Record{Conn: number, Frame: bytes.Clone(frame)})
	c.conns[number].Frames++
	if c.closeAfter > 0 && c.conns[number].Frames >= c.closeAfter {
		return ErrCloseAfter
	}
	return nil
}

// Records returns all records in the order they were read.
func (c *Collector) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Record(nil), c.records...)
}

// Frames returns the frames of Records.
func (c *Collector) Frames() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := make([][]byte, len(c.records))
	for i, r := range c.records {
		frames[i] = r.Frame
	}
	return frames
}

// Conns returns the connections so far, by number.
func (c *Collector) Conns() []ConnInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	infos := make([]ConnInfo, len(c.conns))
	for i, info := range c.conns {
		infos[i] = *info
		infos[i].Tail = bytes.Clone(info.Tail)
	}
	return infos
}

// Faults returns an error for every frame recorded whose chunks hep.Parse
// refuses, and for every stream that stopped being frames.
func (c *Collector) Faults() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error(nil), c.faults...)
}

// Poisoned returns how often CloseOn closed a connection.
func (c *Collector) Poisoned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.poisoned
}

// WaitFrames waits until n frames are recorded and returns the records.
func (c *Collector) WaitFrames(n int) []Record {
	c.tb.Helper()
	c.Wait(strconv.Itoa(n)+" frames", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.records) >= n
	})
	return c.Records()
}

// WaitConns waits until n connections have been accepted and returns them.
func (c *Collector) WaitConns(n int) []ConnInfo {
	c.tb.Helper()
	c.Wait(strconv.Itoa(n)+" connections", func() bool { return len(c.Conns()) >= n })
	return c.Conns()
}

// WaitEnded waits until connection number exists and has ended.
func (c *Collector) WaitEnded(number int) ConnInfo {
	c.tb.Helper()
	c.Wait("the end of connection "+strconv.Itoa(number), func() bool {
		conns := c.Conns()
		return number < len(conns) && conns[number].Ended
	})
	return c.Conns()[number]
}

// Wait waits until ok, asked again whenever the collector has noticed something,
// and fails the test when that takes longer than Patience.
func (c *Collector) Wait(what string, ok func() bool) {
	c.tb.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			c.tb.Fatalf("heptest: no %s in %v; %d frames over %d connections", what, Patience, len(c.Records()), len(c.Conns()))
		}
	}
}
