package hep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of DialOptions.
const (
	DefaultWriteTimeout = 10 * time.Second
	DefaultUserTimeout  = 30 * time.Second
)

// maxUnexpected is how many octets a collector may send before it is taken for
// something else. HEP servers send none; a TLS alert or an HTTP error is short.
const maxUnexpected = 1 << 20

// greetingBytes is how many of the peer's first octets Received keeps.
const greetingBytes = 64

// ErrUnexpectedData ends a TCP connection whose peer sends octets without end.
var ErrUnexpectedData = errors.New("hep: peer sends data, it is no collector")

// DialOptions say how to reach a collector. The zero value is usable.
type DialOptions struct {
	LocalAddr       netip.AddrPort // to send from; invalid means the kernel's choice
	WriteTimeout    time.Duration  // a Write without progress fails after it; 0 is DefaultWriteTimeout
	UserTimeout     time.Duration  // TCP: unacknowledged for so long ends the connection; 0 is DefaultUserTimeout
	SendBufferBytes int            // SO_SNDBUF; 0 leaves it to the kernel
	Interface       string         // network device to send by (SO_BINDTODEVICE); empty leaves it to the routes
	DSCP            int            // differentiated services code point (RFC 2474), 0 to 63
	TLS             *TLSOptions    // TLS over TCP; nil means without
}

// Conn is a connection to a collector over TCP, with or without TLS, or a
// connected UDP socket. A goroutine of its own reads all the time, so that the end
// of the connection is noticed at once; Close ends it. Write has one caller at a
// time, the other methods any number.
type Conn struct {
	sock   *socket
	tcp    *net.TCPConn // nil for UDP
	tls    *tls.Conn    // nil without TLS
	stream io.ReadWriter
	secret *tlsChecks // nil without TLS
	peer   chan error
	done   chan struct{} // closed when the reader has ended

	closing  sync.Once
	closeErr error // set within closing

	// Held by CloseWrite, which over TLS may wait for the peer's window, and taken
	// by the reader before it judges an end: it must not miss that this end is the
	// answer. It is taken before mu.
	ending sync.Mutex

	whole      int           // UDP: octets of a datagram that go undivided, 0 when not known; Write's own
	looked     time.Time     // UDP: when the kernel was asked for that last; Write's own
	packet     atomic.Int64  // UDP: octets of the packet that is
	fragmented atomic.Uint64 // UDP: datagrams that were larger

	refused atomic.Pointer[error] // UDP: an ICMP error no Write has reported yet

	mu        sync.Mutex // guards the rest
	finSent   bool       // CloseWrite succeeded
	confirmed bool
	acked     uint64
	received  uint64
	greeting  []byte
}

// Dial connects to addr, "host:port", over network, "tcp" or "udp".
func Dial(ctx context.Context, network, addr string, opts DialOptions) (*Conn, error) {
	if network != "tcp" && (network != "udp" || opts.TLS != nil) {
		return nil, fmt.Errorf("hep: dial: %w", net.UnknownNetworkError(network))
	}
	nc, err := opts.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c, err := newConn(ctx, nc, addr, opts)
	if err != nil {
		_ = nc.Close() // a handshake that timed out has closed it
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return c, nil
}

// connect makes a socket that leads to addr, and says in words why there is none. It sets what
// the options leave open.
func (o *DialOptions) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.UserTimeout <= 0 {
		o.UserTimeout = DefaultUserTimeout
	}
	if err := o.checkSource(addr); err != nil {
		return nil, err
	}
	nc, err := o.dialer(network).DialContext(ctx, network, addr)
	if err != nil {
		return nil, o.whyNotDialled(addr, err)
	}
	return nc, nil
}

// dialer makes sockets as the options want them.
func (o *DialOptions) dialer(network string) *net.Dialer {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	d.SetMultipathTCP(false) // SIOCOUTQ and half-close are to mean TCP's
	d.Control = o.control
	if o.LocalAddr.IsValid() {
		switch network {
		case "tcp":
			d.LocalAddr = net.TCPAddrFromAddrPort(o.LocalAddr)
		case "udp":
			d.LocalAddr = net.UDPAddrFromAddrPort(o.LocalAddr)
		}
	}
	return d
}

func newConn(ctx context.Context, nc net.Conn, addr string, opts DialOptions) (*Conn, error) {
	sock, err := newSocket(nc, opts.WriteTimeout)
	if err != nil {
		return nil, err
	}
	c := &Conn{sock: sock, stream: sock, peer: make(chan error, 1), done: make(chan struct{})}
	if tcp, ok := nc.(*net.TCPConn); ok {
		c.tcp = tcp
		if err := errors.Join(tcp.SetNoDelay(true), sock.setUserTimeout(opts.UserTimeout)); err != nil {
			return nil, err
		}
		if opts.TLS != nil {
			if err := c.startTLS(ctx, addr, opts.TLS); err != nil {
				return nil, err
			}
		}
		go c.readTCP()
	} else {
		c.look()
		go c.readUDP()
	}
	return c, nil
}

// Write sends b: over TCP part of a stream of frames, over UDP one frame. It
// blocks while the kernel's buffer is full. n counts the octets the kernel
// accepted (over TLS, in whole TLS records); when it is less than len(b) the stream may end inside a frame, and
// the connection is good for nothing but Close. A peer that accepts no octet
// for WriteTimeout makes the error os.ErrDeadlineExceeded (it is noticed after
// twice that at the latest). Over UDP an ICMP refusal of an earlier frame is
// reported once, b is then not sent, and the connection stays good.
func (c *Conn) Write(b []byte) (n int, err error) {
	if c.tcp == nil {
		if refusal := c.refused.Swap(nil); refusal != nil {
			return 0, fmt.Errorf("hep: earlier frame: %w", *refusal)
		}
		c.weigh(len(b))
	}
	n, err = c.stream.Write(b)
	if err != nil {
		return n, whyNotWritten(c.sock.RemoteAddr(), c.sock.timeout, err)
	}
	return n, nil
}

// look asks the kernel what goes undivided.
func (c *Conn) look() {
	whole, packet := c.sock.mtu()
	c.whole, c.looked = whole, time.Now()
	c.packet.Store(int64(packet))
}

// lookGap is how often it is asked: a router on the way may say later that a packet is too large for it.
const lookGap = time.Second

// weigh counts a datagram of n octets that is larger than the way takes in one packet.
func (c *Conn) weigh(n int) {
	if time.Since(c.looked) > lookGap {
		c.look()
	}
	if c.whole > 0 && n > c.whole {
		c.fragmented.Add(1)
	}
}

// Written returns how many octets the kernel has accepted: those of Write, and
// over TLS what these have become, and what TLS says besides.
func (c *Conn) Written() uint64 { return c.sock.written.Load() }

// Acked returns how many of the octets written the peer's kernel has
// acknowledged; its process may not have read them. The count never falls and
// never exceeds Written; the FIN of CloseWrite is not part of it. Over UDP the
// error is errors.ErrUnsupported. After Close it is net.ErrClosed beside the
// count as it was.
func (c *Conn) Acked() (uint64, error) {
	if c.tcp == nil {
		return 0, fmt.Errorf("hep: acknowledged octets over UDP: %w", errors.ErrUnsupported)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.measure()
	return c.acked, err
}

// measure updates acked and returns what is unacknowledged, the FIN included.
// The caller holds mu. Written is read first: a Write in between makes the
// result too small, never too large.
func (c *Conn) measure() (queued int, err error) {
	written := c.Written()
	queued, err = c.sock.unacked()
	if err != nil {
		return 0, fmt.Errorf("hep: unacknowledged octets: %w", err)
	}
	octets := uint64(queued)
	if c.finSent && octets > 0 {
		octets-- // the FIN comes last, so it is among what is missing
	}
	if written > octets {
		c.acked = max(c.acked, written-octets)
	}
	return queued, nil
}

// CloseWrite half-closes a TCP connection after what was written: a barrier.
// Over TLS close_notify comes first, and like Write it may have to wait for room.
// The peer's answer comes through Peer and Confirmed. Over UDP the error is
// errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	if c.tcp == nil {
		return fmt.Errorf("hep: half-close over UDP: %w", errors.ErrUnsupported)
	}
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.tls != nil {
		if err := c.tls.CloseWrite(); err != nil {
			return fmt.Errorf("hep: close_notify: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.tcp.CloseWrite(); err != nil {
		return fmt.Errorf("hep: half-close: %w", err)
	}
	c.finSent = true
	return nil
}

// Peer tells how the peer ended the connection.
//
// Over TCP it delivers exactly one value: io.EOF for FIN; an error that wraps
// ECONNRESET for RST, ETIMEDOUT for a peer that no longer answers, and so on;
// ErrUnexpectedData; a *TLSError that says what is wrong with TLS, or with its being
// absent; or net.ErrClosed when Close came first. Nothing follows. io.EOF alone
// does not mean that everything was read: see Confirmed.
//
// Over TLS io.EOF is close_notify and then, if it came after CloseWrite, FIN; a FIN
// without close_notify is io.ErrUnexpectedEOF.
//
// Over UDP each value is an ICMP refusal (ECONNREFUSED), and the connection goes
// on; refusals that come while one waits to be received are merged into it. After
// any other error (net.ErrClosed after Close) nothing follows.
func (c *Conn) Peer() <-chan error { return c.peer }

// Confirmed reports whether the peer's process has read everything: its FIN
// came after CloseWrite, and with every octet and our FIN acknowledged. A peer
// that closes with octets unread answers RST, and one that closed before our
// last octets arrived has not acknowledged them. It is decided when Peer
// delivers io.EOF. (A peer that half-closes its side beforehand and reads on
// is the exception TCP cannot show; no known HEP server does that.) Over TLS the
// peer's close_notify must have come before its FIN, which says that its TLS has
// accepted everything, the probe's own certificate among it; its kernel need not
// have acknowledged our FIN, since a peer may close on our close_notify.
func (c *Conn) Confirmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confirmed
}

// Received returns how many octets the peer has sent, which a collector never
// does, and the first of them, at most 64: enough to tell a TLS alert or an
// HTTP server. The caller owns them.
func (c *Conn) Received() (n uint64, first []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received, append([]byte(nil), c.greeting...)
}

// Fragmented returns how many frames were larger than fits one packet on the way
// to a UDP peer, as the kernel knew it a second before at most, and the size of such a
// packet, 0 when not known. IP sends such frames in fragments; one that is on its way when a router
// says for the first time that it is too large is lost.
func (c *Conn) Fragmented() (n uint64, packet int) { return c.fragmented.Load(), int(c.packet.Load()) }

// LocalAddr returns the own address.
func (c *Conn) LocalAddr() netip.AddrPort { return addrPort(c.sock.LocalAddr()) }

// RemoteAddr returns the collector's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return addrPort(c.sock.RemoteAddr()) }

// Close closes the connection and returns when its reader has ended. The kernel
// goes on sending what it has accepted. Closing again returns the same.
func (c *Conn) Close() error { return c.close(false) }

// Abort is Close with RST: what the kernel has not yet sent is discarded. It is
// for a connection whose records will be sent again on another one.
func (c *Conn) Abort() error { return c.close(true) }

func (c *Conn) close(reset bool) error {
	c.closing.Do(func() {
		if c.tcp != nil {
			_, _ = c.Acked() // the last moment to ask; Acked returns it from now on
			if reset {
				c.closeErr = c.tcp.SetLinger(0)
			}
		}
		c.closeErr = errors.Join(c.closeErr, c.sock.Close())
		<-c.done
	})
	return c.closeErr
}

// readTCP reads and discards until the connection ends, and says how.
func (c *Conn) readTCP() {
	defer close(c.done)
	c.peer <- c.readToEnd()
}

func (c *Conn) readToEnd() error {
	in := io.Reader(c.stream)
	notified := false
	buf := make([]byte, 2048)
	for {
		n, err := in.Read(buf)
		switch total := c.note(buf[:n]); {
		case err == io.EOF && c.tls != nil && !notified && c.sock.ended:
			return fmt.Errorf("hep: no close_notify before the FIN: %w", io.ErrUnexpectedEOF) // at a record's boundary crypto/tls lets that pass
		case err == io.EOF && c.tls != nil && !notified:
			notified = true
			if !c.asked() {
				return io.EOF // whatever it still reads, it wants no more
			}
			in = c.sock // the answer is whole with the FIN
		case err == io.EOF:
			if err := c.greeted(io.EOF); err != io.EOF {
				return err
			}
			c.judge()
			return io.EOF
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case err != nil && c.tls != nil && isAlert(err):
			return c.secret.explain(err)
		case err != nil:
			return c.greeted(inWords(c.sock.RemoteAddr().String(), err))
		case total > maxUnexpected:
			return ErrUnexpectedData
		}
	}
}

// asked reports whether CloseWrite has been called, and was not in vain.
func (c *Conn) asked() bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finSent
}

// judge decides at the peer's FIN whether it confirms.
func (c *Conn) judge() {
	c.ending.Lock()
	defer c.ending.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	queued, err := c.measure()
	if c.tls != nil {
		queued = max(queued-1, 0) // our FIN, see Confirmed
	}
	c.confirmed = err == nil && c.finSent && queued == 0
}

// readUDP reads and discards datagrams, and passes refusals on.
func (c *Conn) readUDP() {
	defer close(c.done)
	buf := make([]byte, 2048)
	for {
		n, err := c.sock.Read(buf)
		c.note(buf[:n])
		if err == nil {
			continue
		}
		refusal := transientUDP(err)
		if errors.Is(err, net.ErrClosed) {
			err = net.ErrClosed
		} else {
			err = inWords(c.sock.RemoteAddr().String(), err)
		}
		if refusal {
			c.refused.Store(&err)
		}
		select {
		case c.peer <- err:
		default: // one waits already
		}
		if !refusal {
			return
		}
	}
}

// transientUDP tells the errors that ICMP causes. Reading one clears it, so the
// reader cannot spin on it.
func transientUDP(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, syscall.ENOPROTOOPT, syscall.EPROTO, syscall.EACCES, syscall.EMSGSIZE, syscall.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// note counts octets from the peer and keeps the first.
func (c *Conn) note(b []byte) (total uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received += uint64(len(b))
	if room := greetingBytes - len(c.greeting); room > 0 {
		c.greeting = append(c.greeting, b[:min(room, len(b))]...)
	}
	return c.received
}

func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
