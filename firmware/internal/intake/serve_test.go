package intake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/hep"
)

const patient = 30 * time.Second

// serve runs an Intake on the loopback until the test ends.
func serve(t *testing.T, o Options) *Intake {
	t.Helper()
	begun := time.Now()
	o.Now = func() int64 { return int64(time.Since(begun)) }
	o.AgentID, o.Node = 2001, "box"
	in, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return in
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

// next takes the first item out of the queue.
func next(t *testing.T, in *Intake) string {
	t.Helper()
	wait(t, "an item", func() bool { return in.Queue.Peek() != nil })
	s := string(in.Queue.Peek().Record.Payload)
	in.Queue.Done()
	return s
}

func numbered(t *testing.T, i int) []byte { return frame(t, packet(100, "id", fmt.Sprint("line ", i))) }

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func write(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

const anywhere = "127.0.0.1:0"

func TestTransports(t *testing.T) {
	pki := newPKI(t)
	in := serve(t, Options{UDP: []string{anywhere, anywhere}, TCP: []string{anywhere, anywhere}, TLS: []string{anywhere}, Certificate: pki.cert, Key: pki.key})
	n := 0
	for _, tr := range []Transport{UDP, TCP} {
		for _, at := range in.Addrs(tr) {
			c := dial(t, tr.String(), at.String())
			write(t, c, numbered(t, n))
			if got, want := next(t, in), fmt.Sprint("line ", n); got != want {
				t.Errorf("%v: %q, want %q", at, got, want)
			}
			n++
		}
	}
	secure, err := tls.Dial("tcp", in.Addrs(TLS)[0].String(), &tls.Config{RootCAs: pki.pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	write(t, secure, append(numbered(t, n), numbered(t, n+1)...))
	for range 2 {
		if got, want := next(t, in), fmt.Sprint("line ", n); got != want {
			t.Errorf("TLS: %q, want %q", got, want)
		}
		n++
	}
	s := in.Stats()
	if s.Packets != [NumTransports]uint64{2, 2, 2} || s.Taken != 6 || s.OpenConns != 3 || len(s.Peers) != 1 || s.Peers[0].Taken != 6 {
		t.Errorf("%+v", s)
	}
}

// A client must show a certificate of the CA, if one is configured.
func TestClientCertificate(t *testing.T) {
	pki := newPKI(t)
	in := serve(t, Options{TLS: []string{anywhere}, Certificate: pki.cert, Key: pki.key, ClientCA: pki.ca})
	at := in.Addrs(TLS)[0].String()
	with := &tls.Config{RootCAs: pki.pool, ServerName: "localhost", Certificates: []tls.Certificate{pki.pair}}
	good, err := tls.Dial("tcp", at, with)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	write(t, good, numbered(t, 1))
	if got := next(t, in); got != "line 1" {
		t.Error(got)
	}
	without := with.Clone()
	without.Certificates = nil
	if bad, err := tls.Dial("tcp", at, without); err == nil { // TLS 1.3 tells the client later
		_, _ = bad.Write(numbered(t, 2))
		_, err = bad.Read(make([]byte, 1))
		if err == nil {
			t.Error("a client without a certificate is served")
		}
		bad.Close()
	}
	other := newPKI(t)
	stranger := with.Clone()
	stranger.Certificates = []tls.Certificate{other.pair}
	if bad, err := tls.Dial("tcp", at, stranger); err == nil {
		_, err = bad.Read(make([]byte, 1))
		if err == nil {
			t.Error("a client of another CA is served")
		}
		bad.Close()
	}
	plain := dial(t, "tcp", at)
	write(t, plain, numbered(t, 3))
	wait(t, "three refusals", func() bool { return in.Stats().Handshakes == 3 })
	if in.Queue.Peek() != nil {
		t.Error("something came in")
	}
}

func TestBadFiles(t *testing.T) {
	pki := newPKI(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"certificate and key":  {TLS: []string{anywhere}},
		"client CA":            {TLS: []string{anywhere}, Certificate: pki.cert, Key: pki.key, ClientCA: filepath.Join(t.TempDir(), "none")},
		"holds no certificate": {TLS: []string{anywhere}, Certificate: pki.cert, Key: pki.key, ClientCA: empty},
		"listen":               {UDP: []string{anywhere}, TCP: []string{"127.0.0.1:99999"}},
	} {
		if in, err := Listen(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %q", in, err, want)
		}
	}
}

// Who is not allowed is not heard, and not answered.
func TestAllow(t *testing.T) {
	in := serve(t, Options{UDP: []string{anywhere}, TCP: []string{anywhere}, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	u := dial(t, "udp", in.Addrs(UDP)[0].String())
	write(t, u, numbered(t, 1))
	c := dial(t, "tcp", in.Addrs(TCP)[0].String())
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("served")
	}
	wait(t, "both are counted", func() bool { s := in.Stats(); return s.Drops[DropAddress] == 1 && s.RefusedConns == 1 })
	if s := in.Stats(); len(s.Peers) != 0 || s.Taken != 0 {
		t.Errorf("%+v", s)
	}
}

func TestConnectionCap(t *testing.T) {
	in := serve(t, Options{TCP: []string{anywhere}, Connections: 2, Quiet: time.Hour})
	at := in.Addrs(TCP)[0].String()
	var conns []net.Conn
	for range 2 {
		conns = append(conns, dial(t, "tcp", at))
	}
	wait(t, "two connections", func() bool { return in.Stats().OpenConns == 2 })
	third := dial(t, "tcp", at)
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third is served")
	}
	conns[0].Close()
	wait(t, "one place is free", func() bool { return in.Stats().OpenConns == 1 })
	write(t, dial(t, "tcp", at), numbered(t, 1))
	if got := next(t, in); got != "line 1" {
		t.Error(got)
	}
	if s := in.Stats(); s.RefusedConns != 1 || s.Conns != 3 {
		t.Errorf("%+v", s)
	}
}

// TestMakesRoom fills all places with connections that send half a packet: who comes later, and has something to
// say, gets a place; one that has sent a packet keeps its own.
func TestMakesRoom(t *testing.T) {
	for _, tt := range []struct{ total, quiet int }{{3, 2}, {64, peerConns - 1}} { // of all, and of one address
		in := serve(t, Options{TCP: []string{anywhere}, Connections: tt.total, Quiet: time.Nanosecond})
		at := in.Addrs(TCP)[0].String()
		good := dial(t, "tcp", at)
		write(t, good, numbered(t, 1))
		if got := next(t, in); got != "line 1" {
			t.Fatal(got)
		}
		for range tt.quiet {
			write(t, dial(t, "tcp", at), numbered(t, 2)[:9])
		}
		wait(t, "all places are taken", func() bool { return in.Stats().OpenConns == tt.quiet+1 })
		write(t, dial(t, "tcp", at), numbered(t, 3))
		if got := next(t, in); got != "line 3" {
			t.Error(got)
		}
		write(t, good, numbered(t, 4))
		if got := next(t, in); got != "line 4" {
			t.Error(got)
		}
		if s := in.Stats(); s.Replaced != 1 || s.RefusedConns != 0 || s.BrokenConns != 0 || s.OpenConns != tt.quiet+1 {
			t.Errorf("%+v", s)
		}
	}
}

// Nobody empties the queue: it stays within its bounds, and every packet is
// counted. One sender gets half of it.
func TestOverload(t *testing.T) {
	in := serve(t, Options{UDP: []string{anywhere}, TCP: []string{anywhere}})
	c := dial(t, "tcp", in.Addrs(TCP)[0].String()).(*net.TCPConn)
	const full, more = queueItems / share, 3
	var b []byte
	for i := range full + more {
		b = append(b, numbered(t, i)...)
	}
	write(t, c, b)
	wait(t, "all is read", func() bool { return in.Stats().Packets[TCP] == full+more })
	wait(t, "the rest is dropped", func() bool { return in.Stats().Drops[DropShare] == more })
	s := in.Stats()
	if s.Taken != full || s.Queued != full || s.QueuedBytes > queueBytes || s.Peers[0].Drops[DropShare] != more {
		t.Errorf("%+v", s)
	}
	// Its end is not confirmed: a sender that keeps what is not would send it again.
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for i := range full {
		if got, want := next(t, in), fmt.Sprint("line ", i); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the end is answered with %v", err)
	}
	if s := in.Stats(); s.Queued != 0 || s.QueuedBytes != 0 {
		t.Errorf("%d octets of %d items are left", s.QueuedBytes, s.Queued)
	}
}

// Large packets meet the bound in octets.
func TestOverloadInOctets(t *testing.T) {
	in := serve(t, Options{UDP: []string{anywhere}})
	c := dial(t, "udp", in.Addrs(UDP)[0].String())
	big := frame(t, packet(100, "id", strings.Repeat("x", 60000)))
	for i := range 200 {
		write(t, c, big)
		wait(t, "it is read", func() bool { return in.Stats().Packets[UDP] == uint64(i+1) })
	}
	// A datagram is counted as read before what becomes of it is.
	wait(t, "all is queued or dropped", func() bool { s := in.Stats(); return s.Taken+s.Drops[DropShare] == 200 })
	if s := in.Stats(); s.QueuedBytes > queueBytes/share || s.Drops[DropShare] == 0 {
		t.Errorf("%+v", s)
	}
}

// The end of a connection is answered when all that came by it was taken out of
// the queue, not before.
func TestConfirmation(t *testing.T) {
	in := serve(t, Options{TCP: []string{anywhere}})
	k, err := hep.Dial(t.Context(), "tcp", in.Addrs(TCP)[0].String(), hep.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	write(t, k, append(numbered(t, 1), numbered(t, 2)...))
	if err := k.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	next(t, in)
	select {
	case err := <-k.Peer():
		t.Fatalf("answered while one is pending: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	next(t, in)
	select {
	case <-k.Peer():
	case <-time.After(patient):
		t.Fatal("not answered")
	}
	if !k.Confirmed() {
		t.Error("not confirmed")
	}
}

// What follows octets that are no HEP cannot be told apart.
func TestLostBoundary(t *testing.T) {
	in := serve(t, Options{TCP: []string{anywhere}})
	c := dial(t, "tcp", in.Addrs(TCP)[0].String())
	write(t, c, append(numbered(t, 1), "GET / HTTP/1.1\r\n\r\n"...))
	if got := next(t, in); got != "line 1" {
		t.Error(got)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("ended with %v", err)
	}
	if s := in.Stats(); s.Faults[hep.FaultMagic] != 1 || s.Drops[DropMalformed] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestIdle(t *testing.T) {
	in := serve(t, Options{TCP: []string{anywhere}, IdleTimeout: 10 * time.Millisecond})
	c := dial(t, "tcp", in.Addrs(TCP)[0].String())
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("still there")
	}
	wait(t, "it is counted", func() bool { return in.Stats().IdleConns == 1 })
}

// The law: what came was taken or dropped for a reason.
func TestLaw(t *testing.T) {
	in := serve(t, Options{UDP: []string{anywhere}, AuthKey: "k"})
	c := dial(t, "udp", in.Addrs(UDP)[0].String())
	p := packet(100, "x", "y")
	p.AuthKey = []byte("k")
	for _, b := range [][]byte{frame(t, p), numbered(t, 1), []byte("junk"), frame(t, packet(0, "", "x")), {1}, {}} {
		write(t, c, b)
	}
	wait(t, "all", func() bool { return in.Stats().Packets[UDP] == 6 })
	wait(t, "the sum", func() bool {
		s := in.Stats()
		n := s.Taken
		for _, d := range s.Drops {
			n += d
		}
		return n == 6 && s.Taken == 1 && s.Drops[DropKey] == 2 && s.Drops[DropMalformed] == 3
	})
}

// More senders than there is room for cost the one that was silent longest.
func TestPeers(t *testing.T) {
	p := peers{of: map[netip.Addr]*peer{}}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	if _, ok, _ := p.enter(addr(0), 1, 10, 1); !ok {
		t.Fatal("no place")
	}
	for i := 1; i < maxPeers+10; i++ {
		p.get(addr(i), int64(i+1))
	}
	s, conns := p.stats()
	if len(s) != maxPeers || conns != 1 || p.gone.Load() != 10 || s[0].Addr != addr(0) || s[1].Addr != addr(11) {
		t.Errorf("%d senders, %v, %v, %d gone", len(s), s[0].Addr, s[1].Addr, p.gone.Load())
	}
	if _, ok, _ := p.enter(addr(0), 9, 10, 1); ok {
		t.Error("a second connection of one sender")
	}
}

func TestDropNames(t *testing.T) {
	var names []string
	for d := range NumDrops {
		if s := d.String(); s == "" || slices.Contains(names, s) {
			t.Errorf("%d is %q", d, s)
		} else {
			names = append(names, s)
		}
	}
	if NumDrops.String() != "invalid" || TLS.String() != "tls" {
		t.Error("names")
	}
}

// Several goroutines put in what one takes out.
func TestQueue(t *testing.T) {
	q := newQueue()
	var wg sync.WaitGroup
	const senders, each = 4, 2000
	for range senders {
		p := new(peer)
		wg.Go(func() {
			for range each {
				it := q.item()
				it.peer = p
				it.keep([]byte("octets"))
				for q.put(t.Context(), it, true) != DropNone {
				}
			}
		})
	}
	for n := 0; n < senders*each; {
		if it := q.Peek(); it != nil {
			if string(it.buf) != "octets" {
				t.Fatalf("%q", it.buf)
			}
			q.Done()
			n++
		}
	}
	wg.Wait()
	if q.Len() != 0 || q.bytes.Load() != 0 {
		t.Errorf("%d items, %d octets", q.Len(), q.bytes.Load())
	}
}

// pki is a CA with one certificate, for server and client.
type pki struct {
	cert, key, ca string
	pool          *x509.CertPool
	pair          tls.Certificate
}

func newPKI(t *testing.T) pki {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	dir := t.TempDir()
	p := pki{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), ca: filepath.Join(dir, "cert.pem"), pool: x509.NewCertPool()}
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	must(os.WriteFile(p.cert, certPEM, 0o600))
	must(os.WriteFile(p.key, keyPEM, 0o600))
	p.pool.AppendCertsFromPEM(certPEM)
	p.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	return p
}
