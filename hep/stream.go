package hep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// Stream is a TCP connection, reached as a collector is, that something else than HEP goes
// over: whoever has it reads and writes it, and makes TLS of it when the protocol says so.
type Stream struct {
	net.Conn
	checks *tlsChecks // nil without TLS
}

// DialStream connects to addr, "host:port". With opts.TLS the stream knows how to make
// TLS of itself, and has not done so.
func DialStream(ctx context.Context, addr string, opts DialOptions) (*Stream, error) {
	nc, err := opts.connect(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s, err := newStream(nc, addr, &opts)
	if err != nil {
		return nil, fmt.Errorf("hep: dial %s: %w", addr, errors.Join(err, nc.Close()))
	}
	return s, nil
}

func newStream(nc net.Conn, addr string, opts *DialOptions) (*Stream, error) {
	sock, err := newSocket(nc, opts.WriteTimeout)
	if err != nil {
		return nil, err
	}
	if err := sock.setUserTimeout(opts.UserTimeout); err != nil {
		return nil, err
	}
	s := &Stream{Conn: sock}
	if opts.TLS != nil {
		s.checks, err = newChecks(addr, opts.TLS)
	}
	return s, err
}

// TLSConfig is what a client of crypto/tls over this stream works with, nil without TLS. It
// judges the peer as Conn does.
func (s *Stream) TLSConfig() *tls.Config {
	if s.checks == nil {
		return nil
	}
	return s.checks.config()
}

// TLS returns what the handshake came to; nil without TLS.
func (s *Stream) TLS() *TLSState {
	if s.checks == nil {
		return nil
	}
	state := s.checks.state
	return &state
}

// Explain says in plain words why a handshake failed, or a connection ended just after it: with
// TLS 1.3 that is when a client certificate is refused, and a write may notice before the alert is read. Other errors it returns as
// they are.
func (s *Stream) Explain(ctx context.Context, err error) error {
	var own *TLSError
	var header tls.RecordHeaderError
	switch {
	case s.checks == nil:
		return err
	case errors.As(err, &own), errors.As(err, &header):
		return s.checks.explainHandshake(ctx, err)
	case isAlert(err):
		return s.checks.explain(err)
	case (isReset(err) || errors.Is(err, io.EOF)) && s.checks.asked.Load():
		if s.checks.o.Certificate == nil {
			return &TLSError{Fault: TLSNoClientCert, Text: "the collector wants a client certificate, and closed without one", Err: err}
		}
		return &TLSError{Fault: TLSClientCert, Text: "the collector closed when it had seen the client certificate", Err: err}
	}
	return err
}
