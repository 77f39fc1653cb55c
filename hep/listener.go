package hep

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Defaults of ListenOptions.
const (
	DefaultMaxConns    = 256
	DefaultIdleTimeout = time.Hour
)

// Handler takes one HEP3 frame that Parse accepts. frame is borrowed until the
// handler returns. It is called from several goroutines at once, but in order
// for one connection. HEP1 and HEP2 arrive as HEP3. An error means that the
// frame was not taken: a TCP connection is then reset, so that a sender that
// asks for confirmation does not get it.
type Handler func(network string, from netip.AddrPort, frame []byte) error

// ListenOptions say where a Listener listens and what it tolerates.
type ListenOptions struct {
	UDP, TCP    string        // "host:port"; empty means not at all
	TLS         string        // the same, for TLS over TCP
	TLSConfig   *tls.Config   // how TLS is served; needed with TLS
	MaxConns    int           // TCP and TLS connections at a time, more are closed at once; 0 is DefaultMaxConns
	IdleTimeout time.Duration // a TCP connection silent for so long is closed; 0 is DefaultIdleTimeout
	Log         *slog.Logger  // nil discards
}

// Listener is a HEP server: UDP, one frame a datagram, and TCP with and without
// TLS, frames back to back. Whatever arrives is a frame for the handler, or counted. A TCP
// connection with a bad magic or length is reset, as nothing after it can be
// told apart; a bad chunk costs only its frame. A half-close is answered, once
// all before it was handled, by closing (over TLS with close_notify).
type Listener struct {
	opts    ListenOptions
	handler Handler
	log     *slog.Logger
	udp     *net.UDPConn
	tcp     *net.TCPListener
	tls     *net.TCPListener
	count   counters

	mu    sync.Mutex
	conns map[*net.TCPConn]struct{} // guarded by mu
	ended bool                      // guarded by mu: no connection may be added
}

// Listen opens the sockets; Run serves them. Whoever does not call Run calls
// Close.
func Listen(opts ListenOptions, h Handler) (*Listener, error) {
	if opts.UDP == "" && opts.TCP == "" && opts.TLS == "" {
		return nil, errors.New("hep: listen: neither UDP nor TCP nor TLS address")
	}
	if opts.TLS != "" && opts.TLSConfig == nil {
		return nil, errors.New("hep: listen: TLS without a certificate")
	}
	if opts.MaxConns <= 0 {
		opts.MaxConns = DefaultMaxConns
	}
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = DefaultIdleTimeout
	}
	l := &Listener{opts: opts, handler: h, log: opts.Log, conns: map[*net.TCPConn]struct{}{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	if opts.UDP != "" {
		pc, err := lc.ListenPacket(context.Background(), "udp", opts.UDP)
		if err != nil {
			return nil, fmt.Errorf("hep: %w", err)
		}
		l.udp = pc.(*net.UDPConn)
		// A burst must fit while the handler writes; the kernel may grant less.
		_ = l.udp.SetReadBuffer(4 << 20)
	}
	for _, s := range []struct {
		at string
		to **net.TCPListener
	}{{opts.TCP, &l.tcp}, {opts.TLS, &l.tls}} {
		if s.at == "" {
			continue
		}
		nl, err := lc.Listen(context.Background(), "tcp", s.at)
		if err != nil {
			return nil, fmt.Errorf("hep: %w", errors.Join(err, l.Close()))
		}
		*s.to = nl.(*net.TCPListener)
	}
	return l, nil
}

// ServerTLS makes what TLS is served with from PEM files: TLS 1.2 at least, and with a
// client CA only clients that show a certificate of it.
func ServerTLS(certificate, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCA == "" {
		return c, nil
	}
	b, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("client CA: %s holds no certificate", clientCA)
	}
	return c, nil
}

// UDPAddr returns the UDP address listened on, invalid when there is none.
func (l *Listener) UDPAddr() netip.AddrPort {
	if l.udp == nil {
		return netip.AddrPort{}
	}
	return addrPort(l.udp.LocalAddr())
}

// TCPAddr returns the TCP address listened on, invalid when there is none.
func (l *Listener) TCPAddr() netip.AddrPort {
	if l.tcp == nil {
		return netip.AddrPort{}
	}
	return addrPort(l.tcp.Addr())
}

// TLSAddr returns the address listened on for TLS, invalid when there is none.
func (l *Listener) TLSAddr() netip.AddrPort {
	if l.tls == nil {
		return netip.AddrPort{}
	}
	return addrPort(l.tls.Addr())
}

// Close closes the sockets of a Listener that is not running.
func (l *Listener) Close() error {
	var err error
	if l.udp != nil {
		err = l.udp.Close()
	}
	if l.tcp != nil {
		err = errors.Join(err, l.tcp.Close())
	}
	if l.tls != nil {
		err = errors.Join(err, l.tls.Close())
	}
	return err
}

// Run serves until ctx is done, hands over the frames already read, closes
// everything and returns nil when all its goroutines have ended. Octets still
// in the kernel then make the connection's end a reset.
func (l *Listener) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	if l.udp != nil {
		wg.Go(func() { l.serveUDP(ctx) })
	}
	if l.tcp != nil {
		wg.Go(func() { l.serveTCP(ctx, l.tcp, nil, &wg) })
	}
	if l.tls != nil {
		wg.Go(func() { l.serveTCP(ctx, l.tls, l.opts.TLSConfig, &wg) })
	}
	<-ctx.Done()
	now := time.Now()
	if l.udp != nil {
		_ = l.udp.SetReadDeadline(now) // wakes the reader; an error means it is closed
	}
	if l.tcp != nil {
		_ = l.tcp.SetDeadline(now)
	}
	if l.tls != nil {
		_ = l.tls.SetDeadline(now)
	}
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		_ = c.SetReadDeadline(now)
	}
	l.mu.Unlock()
	wg.Wait()
	return l.Close()
}

// pause waits a little, longer the more often in a row, so that an error that
// stays (no descriptors, say) does not become a loop.
func pause(ctx context.Context, failures int) {
	t := time.NewTimer(min(time.Second, 5*time.Millisecond<<min(failures, 10)))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (l *Listener) serveUDP(ctx context.Context) {
	buf := make([]byte, 64<<10)
	var upgraded []byte
	failures := 0
	for ctx.Err() == nil {
		n, from, err := l.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.count.receiveErrors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		frame := buf[:n]
		if Legacy(frame) {
			if upgraded, err = upgrade(upgraded[:0], frame, time.Now()); err != nil {
				l.count.bad[FaultOf(err)].Add(1)
				continue
			}
			l.count.legacy.Add(1)
			frame = upgraded
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if l.take("udp", from, frame) == nil {
			l.count.udpFrames.Add(1)
		}
	}
}

// upgrade appends the HEP1 or HEP2 datagram b to dst as a HEP3 frame.
func upgrade(dst, b []byte, arrival time.Time) ([]byte, error) {
	p, err := ParseAny(b)
	if err != nil {
		return dst, err
	}
	if p.Wall == 0 {
		p.Wall = arrival.UnixNano()
	}
	if dst, err = p.AppendBinary(dst); err != nil {
		return dst, FaultTooLarge
	}
	return dst, nil
}

// errRefused is what take returns for a frame the handler did not take.
var errRefused = errors.New("hep: frame not taken")

// take checks a frame and hands it over. A frame that Parse refuses is counted
// and its *ParseError returned.
func (l *Listener) take(network string, from netip.AddrPort, frame []byte) error {
	if _, err := Parse(frame); err != nil {
		l.count.bad[FaultOf(err)].Add(1)
		return err
	}
	if err := l.handler(network, from, frame); err != nil {
		l.count.refusedFrames.Add(1)
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil
}

// serveTCP accepts; each connection gets a goroutine of wg. secure is nil without
// TLS.
func (l *Listener) serveTCP(ctx context.Context, at *net.TCPListener, secure *tls.Config, wg *sync.WaitGroup) {
	failures := 0
	for ctx.Err() == nil {
		c, err := at.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.count.acceptErrors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		if !l.add(c) {
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			l.serveConn(ctx, c, secure)
			l.remove(c)
		})
	}
}

// add registers c, unless there are too many or Run is ending.
func (l *Listener) add(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if len(l.conns) >= l.opts.MaxConns {
		l.count.refusedConns.Add(1)
		return false
	}
	l.conns[c] = struct{}{}
	l.count.conns.Add(1)
	return true
}

func (l *Listener) remove(c *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// serveConn reads c to its end. After a fault or a frame not taken the close is
// a reset, so that nothing before it passes for confirmed; otherwise the kernel
// decides: FIN when all octets were read, RST when not. Over TLS only an orderly end
// is not a reset.
func (l *Listener) serveConn(ctx context.Context, c *net.TCPConn, secure *tls.Config) {
	from := addrPort(c.RemoteAddr())
	stream, network := net.Conn(c), "tcp"
	if secure != nil {
		t := tls.Server(c, secure)
		handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
		err := t.HandshakeContext(handshake)
		cancel()
		if err != nil {
			l.count.handshakes.Add(1)
			l.log.Warn("TLS handshake failed", "from", from, "err", err)
			_ = c.Close()
			return
		}
		stream, network = t, "tls"
	}
	err := l.readConn(ctx, stream, network, from)
	if err != io.EOF && secure != nil {
		// What TLS has read ahead is no longer the kernel's to refuse.
		_ = c.SetLinger(0)
		stream = c
	}
	switch {
	case err == io.EOF:
	case FaultOf(err) != FaultNone:
		l.count.bad[FaultOf(err)].Add(1)
		_ = c.SetLinger(0)
		l.log.Debug("hep connection reset", "from", from, "err", err)
	case errors.Is(err, errRefused):
		_ = c.SetLinger(0)
		l.log.Error("hep connection reset", "from", from, "err", err)
	case ctx.Err() != nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.count.idleConns.Add(1)
	default:
		l.count.brokenConns.Add(1)
	}
	_ = stream.Close()
}

// handshakeTimeout bounds a handshake of TLS.
const handshakeTimeout = 10 * time.Second

// readConn hands over c's frames until an error, io.EOF at an orderly end.
func (l *Listener) readConn(ctx context.Context, c net.Conn, network string, from netip.AddrPort) error {
	r := NewReader(idleReader{ctx, c, l.opts.IdleTimeout})
	count := &l.count.tcpFrames
	if network == "tls" {
		count = &l.count.tlsFrames
	}
	for {
		frame, err := r.Next()
		if err != nil {
			return err
		}
		switch err := l.take(network, from, frame); {
		case err == nil:
			count.Add(1)
		case errors.Is(err, errRefused):
			return err
		}
	}
}

// idleReader gives every Read the idle time-out. Run wakes a Read by a deadline
// in the past, which must not be overwritten: hence the second look at ctx.
type idleReader struct {
	ctx  context.Context
	c    net.Conn
	idle time.Duration
}

func (r idleReader) Read(b []byte) (int, error) {
	if err := r.c.SetReadDeadline(time.Now().Add(r.idle)); err != nil {
		return 0, err
	}
	if r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	return r.c.Read(b)
}
