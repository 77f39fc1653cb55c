// Package tlstalk plays TLS handshakes between real ends, for tests of what
// watches them: what both write is recorded in the order in which it was written.
package tlstalk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Event is what an observer sees: octets of a direction, or its end. Direction 0
// is the client's.
type Event struct {
	Dir    int
	Octets []byte
	FIN    bool
}

// wire records what two ends write, in order.
type wire struct {
	mu     sync.Mutex
	events []Event
}

func (w *wire) add(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// end is one end of a connection whose writes never block.
type end struct {
	net.Conn // nil: nothing but the methods below is called
	w        *wire
	dir      int
	in, out  *pipe
}

func (e *end) Read(b []byte) (int, error) { return e.in.read(b) }

func (e *end) Write(b []byte) (int, error) {
	e.w.add(Event{Dir: e.dir, Octets: bytes.Clone(b)})
	return e.out.write(b)
}

func (e *end) Close() error {
	e.w.add(Event{Dir: e.dir, FIN: true}) // before the peer can see it
	e.out.close()
	return nil
}

// afterYou lets the side that sent an alert, close_notify too, close first.
func (e *end) afterYou(err error) {
	if op, ok := errors.AsType[*net.OpError](err); err == io.EOF || ok && op.Op == "remote error" {
		io.Copy(io.Discard, e)
	}
}

func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{} }

// pipe is one direction.
type pipe struct {
	mu     sync.Mutex
	cond   *sync.Cond
	b      []byte
	closed bool
}

func newPipe() *pipe {
	p := new(pipe)
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.b) == 0 {
		if p.closed {
			return 0, io.EOF
		}
		p.cond.Wait()
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	p.b = append(p.b, b...)
	p.cond.Broadcast()
	return len(b), nil
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
}

// Converse has a client ask and a server answer, and returns what was on the
// wire. Errors of either end are part of the play.
func Converse(client, server *tls.Config) []Event {
	w, up, down := new(wire), newPipe(), newPipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		e := &end{w: w, dir: 1, in: up, out: down}
		c := tls.Server(e, server)
		defer c.Close()
		b := make([]byte, 64)
		n, err := c.Read(b)
		if err == nil {
			c.Write(bytes.Repeat(b[:n], 40))
			_, err = c.Read(b)
		}
		e.afterYou(err)
	})
	wg.Go(func() {
		e := &end{w: w, dir: 0, in: down, out: up}
		c := tls.Client(e, client)
		defer c.Close()
		_, err := c.Write([]byte("OPTIONS sip:a SIP/2.0"))
		if err == nil {
			_, err = c.Read(make([]byte, 64))
		}
		e.afterYou(err)
	})
	wg.Wait()
	return w.events
}

// Issue makes a certificate, signed by itself without a parent.
func Issue(t testing.TB, template *x509.Certificate, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(7)
	signer, by := any(key), template
	var chain [][]byte
	if parent != nil {
		signer, by, chain = parent.PrivateKey, parent.Leaf, parent.Certificate
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key, Leaf: leaf}
}

// The times of the play. The expired certificate is good until Old, the others
// until To.
var (
	Now  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	From = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	To   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	Old  = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
)

// Cast are the certificates of the play.
type Cast struct {
	Roots                      *x509.CertPool
	CA, Server, Expired, Phone tls.Certificate
}

// NewCast makes them anew.
func NewCast(t testing.TB) (p Cast) {
	t.Helper()
	p.CA = Issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Root", Organization: []string{"Heptap"}}, NotBefore: From, NotAfter: To,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	p.Server = Issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "pbx", Organization: []string{"Example"}}, NotBefore: From, NotAfter: To,
		DNSNames: []string{"pbx.example.com", "*.voip.example.com"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1).To4()},
		URIs: []*url.URL{{Scheme: "sip", Opaque: "example.com"}}}, &p.CA)
	p.Expired = Issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "pbx"}, NotBefore: From, NotAfter: Old, DNSNames: []string{"pbx.example.com"}}, &p.CA)
	p.Phone = Issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "phone"}, NotBefore: From, NotAfter: To,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, &p.CA)
	p.Roots = x509.NewCertPool()
	p.Roots.AddCert(p.CA.Leaf)
	return p
}

// Client is a phone's configuration: it asks for pbx.example.com, and speaks one
// version.
func (p *Cast) Client(version uint16) *tls.Config {
	return &tls.Config{ServerName: "pbx.example.com", RootCAs: p.Roots, MinVersion: version, MaxVersion: version, NextProtos: []string{"sip", "h2"},
		Time: func() time.Time { return Now }}
}

// Serve is the server's.
func (p *Cast) Serve(version uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.Server}, ClientCAs: p.Roots, MinVersion: version, MaxVersion: version, NextProtos: []string{"sip"},
		Time: func() time.Time { return Now }}
}
