package hep_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"heptap/hep"
	"heptap/hep/heptest"
)

// secure returns a Conn over TLS and the server's end of it, below TLS and above.
func secure(t *testing.T, opts hep.DialOptions, server *tls.Config) (*hep.Conn, *net.TCPConn, *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type end struct {
		raw *net.TCPConn
		tls *tls.Conn
	}
	accepted := make(chan end, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			accepted <- end{}
			return
		}
		s := tls.Server(c, server)
		_ = s.HandshakeContext(t.Context()) // the Conn tells
		accepted <- end{c.(*net.TCPConn), s}
	}()
	c, err := hep.Dial(t.Context(), "tcp", l.Addr().String(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	far := <-accepted
	t.Cleanup(func() { _ = far.raw.Close() })
	return c, far.raw, far.tls
}

// trusted returns what a server and its client need of each other.
func trusted(t *testing.T) (hep.DialOptions, *tls.Config) {
	ca := heptest.NewAuthority(t, "our CA")
	return hep.DialOptions{TLS: &hep.TLSOptions{Roots: ca.Pool}}, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{})}}
}

func tlsFault(err error) hep.TLSFault {
	var e *hep.TLSError
	if errors.As(err, &e) {
		return e.Fault
	}
	return hep.TLSOther
}

// TestTLSBarrier: what the peer's process has read is confirmed, in both versions.
func TestTLSBarrier(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			for range 50 { // the peer may close before our FIN has come, or after
				opts, server := trusted(t)
				server.MaxVersion = version
				c, _, far := secure(t, opts, server)
				sent := bytes.Repeat([]byte("0123456789"), 20_000)
				read := make(chan []byte, 1)
				go func() {
					b, _ := io.ReadAll(far)
					_ = far.Close()
					read <- b
				}()
				mustWrite(t, c, sent)
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if err := peerErr(t, c); err != io.EOF || !c.Confirmed() {
					t.Fatalf("peer: %v, confirmed %v", err, c.Confirmed())
				}
				if got := <-read; !bytes.Equal(got, sent) {
					t.Fatalf("peer read %d octets of %d", len(got), len(sent))
				}
				if n := acked(t, c); n != c.Written() || n < uint64(len(sent)) {
					t.Errorf("acked %d of %d", n, c.Written())
				}
				s := c.TLS()
				if s.Version != tls.VersionName(version) || s.NotAfter.IsZero() || s.Pin != hep.PinOf(server.Certificates[0].Leaf) {
					t.Errorf("%+v", s)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestTLSNotConfirmed: ends that are no receipt.
func TestTLSNotConfirmed(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(raw *net.TCPConn, far *tls.Conn)
		want error // nil is any
	}{
		{"dies with all octets read by TLS", func(raw *net.TCPConn, far *tls.Conn) {
			_, _ = io.Copy(io.Discard, far)
			_ = raw.Close()
		}, io.ErrUnexpectedEOF},
		{"dies with octets unread", func(raw *net.TCPConn, far *tls.Conn) {
			_, _ = far.Read(make([]byte, 1))
			_ = raw.Close()
		}, nil},
		{"says goodbye with octets unread", func(raw *net.TCPConn, far *tls.Conn) { _ = far.Close() }, nil},
		{"says goodbye, and lingers", func(raw *net.TCPConn, far *tls.Conn) {
			_, _ = io.Copy(io.Discard, far)
			_ = far.CloseWrite()
			_ = raw.SetLinger(0)
			_ = raw.Close()
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts, server := trusted(t)
			c, raw, far := secure(t, opts, server)
			mustWrite(t, c, make([]byte, 100_000))
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all is in the peer's kernel", func() bool { return inqueue(t, raw) > 100_000 })
			tt.end(raw, far)
			err := peerErr(t, c)
			if c.Confirmed() || tt.want != nil && !errors.Is(err, tt.want) || errors.Is(err, io.EOF) && tt.want != nil {
				t.Errorf("peer: %v, confirmed %v", err, c.Confirmed())
			}
		})
	}
	t.Run("asked too late", func(t *testing.T) {
		opts, server := trusted(t)
		c, _, far := secure(t, opts, server)
		_ = far.Close()
		if err := peerErr(t, c); err != io.EOF || c.Confirmed() {
			t.Fatalf("peer: %v, confirmed %v", err, c.Confirmed())
		}
		_ = c.CloseWrite()
		if c.Confirmed() {
			t.Error("confirmed after the fact")
		}
	})
}

// TestTLSFrozenPeer: a half-close that waits for room holds up nobody else, and
// ends with the connection.
func TestTLSFrozenPeer(t *testing.T) {
	opts, server := trusted(t)
	opts.WriteTimeout, opts.SendBufferBytes = patience, 16<<10
	c, _, _ := secure(t, opts, server)
	wrote, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(wrote)
		for {
			if _, err := c.Write(make([]byte, 16<<10)); err != nil {
				return
			}
		}
	}()
	last := uint64(0)
	eventually(t, "the way is full", func() bool {
		n := c.Written()
		full := n == last && n > 64<<10
		last = n
		time.Sleep(20 * time.Millisecond)
		return full
	})
	go func() { closed <- c.CloseWrite() }()
	if n := acked(t, c); n >= c.Written() {
		t.Errorf("acked %d of %d", n, c.Written())
	}
	if err := c.Abort(); err != nil {
		t.Error(err)
	}
	<-wrote
	if err := <-closed; err == nil || c.Confirmed() {
		t.Errorf("half-close: %v, confirmed %v", err, c.Confirmed())
	}
}

// TestTLSCertificates: what is wrong with a collector's certificate, in words.
func TestTLSCertificates(t *testing.T) {
	ca, other := heptest.NewAuthority(t, "our CA"), heptest.NewAuthority(t, "their CA")
	now := time.Now()
	good := ca.Issue(t, heptest.Certificate{})
	old := ca.Issue(t, heptest.Certificate{NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour)})
	early := ca.Issue(t, heptest.Certificate{NotBefore: now.Add(24 * time.Hour), NotAfter: now.Add(48 * time.Hour)})
	named := ca.Issue(t, heptest.Certificate{Names: []string{"hep.example", "192.0.2.7"}})
	strange := other.Issue(t, heptest.Certificate{})
	pin := func(c tls.Certificate) []hep.Pin { return []hep.Pin{hep.PinOf(c.Leaf)} }
	at1970 := func() time.Time { return time.Unix(60, 0) }
	for _, tt := range []struct {
		name  string
		shown tls.Certificate
		o     hep.TLSOptions
		ok    bool
		fault hep.TLSFault
		text  string
	}{
		{"good", good, hep.TLSOptions{Roots: ca.Pool}, true, 0, ""},
		{"named", named, hep.TLSOptions{Roots: ca.Pool, ServerName: "hep.example"}, true, 0, ""},
		{"named by address", named, hep.TLSOptions{Roots: ca.Pool, ServerName: "192.0.2.7"}, true, 0, ""},
		{"other name", named, hep.TLSOptions{Roots: ca.Pool}, false, hep.TLSWrongName, "is for hep.example, 192.0.2.7, not for 127.0.0.1"},
		{"unknown", strange, hep.TLSOptions{Roots: ca.Pool}, false, hep.TLSUnknownAuthority, "signed by CN=their CA); the pin of its key is " + hep.PinOf(strange.Leaf).String()},
		{"system's roots", good, hep.TLSOptions{}, false, hep.TLSUnknownAuthority, "signed by CN=our CA"},
		{"expired", old, hep.TLSOptions{Roots: ca.Pool}, false, hep.TLSExpired, "has expired on " + old.Leaf.NotAfter.UTC().Format(time.DateOnly)},
		{"early", early, hep.TLSOptions{Roots: ca.Pool, ClockSet: func() bool { return true }}, false, hep.TLSNotYetValid, "is valid from " + early.Leaf.NotBefore.UTC().Format(time.DateOnly)},
		{"clock", good, hep.TLSOptions{Roots: ca.Pool, Now: at1970, ClockSet: func() bool { return false }}, false, hep.TLSClock, "clock says 1970-01-01 00:01:00 and has not been set"},
		{"pinned", strange, hep.TLSOptions{Pins: pin(strange)}, true, 0, ""},
		{"pinned, one of two", strange, hep.TLSOptions{Pins: append(pin(good), pin(strange)...)}, true, 0, ""},
		{"pinned, clock not set", old, hep.TLSOptions{Pins: pin(old), Now: at1970}, true, 0, ""},
		{"pinned another", good, hep.TLSOptions{Pins: pin(strange)}, false, hep.TLSWrongPin, "the pin of its key is " + hep.PinOf(good.Leaf).String()},
		{"pinned, and of the CA", good, hep.TLSOptions{Pins: pin(good), Roots: ca.Pool}, true, 0, ""},
		{"pinned, and not of the CA", strange, hep.TLSOptions{Pins: pin(strange), Roots: ca.Pool}, false, hep.TLSUnknownAuthority, "their CA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := heptest.New(t, heptest.Options{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{tt.shown}}})
			k, err := hep.Dial(t.Context(), "tcp", c.Addr(), hep.DialOptions{TLS: &tt.o})
			if err == nil {
				defer k.Close()
			}
			if tt.ok != (err == nil) {
				t.Fatal(err)
			}
			if !tt.ok && (tlsFault(err) != tt.fault || !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("%v: %v", tlsFault(err), err)
			}
		})
	}
}

// TestTLSNotSpoken: what is at the port is no TLS.
func TestTLSNotSpoken(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func(c net.Conn)
		text string
	}{
		{"answers", func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, `answers "HTTP/"`},
		{"closes", func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, "closed instead"},
		{"resets", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _ = c.(*net.TCPConn).SetLinger(0) }, "closed instead"},
		{"says nothing", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if c, err := l.Accept(); err == nil {
					tt.peer(c)
					_ = c.Close()
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err = hep.Dial(ctx, "tcp", l.Addr().String(), hep.DialOptions{TLS: &hep.TLSOptions{}})
			if tlsFault(err) != hep.TLSNotSpoken || !strings.Contains(err.Error(), tt.text) {
				t.Error(err)
			}
		})
	}
}

// TestTLSVersion: a server of another age.
func TestTLSVersion(t *testing.T) {
	ca := heptest.NewAuthority(t, "our CA")
	c := heptest.New(t, heptest.Options{Addr: "127.0.0.1:0", TLS: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{})}}})
	_, err := hep.Dial(t.Context(), "tcp", c.Addr(), hep.DialOptions{TLS: &hep.TLSOptions{Roots: ca.Pool}})
	if tlsFault(err) != hep.TLSVersion {
		t.Error(err)
	}
}

// TestTLSClientCertificate: in TLS 1.3 the server refuses it when the client has
// long been sending. Nothing of that is confirmed.
func TestTLSClientCertificate(t *testing.T) {
	ca, other := heptest.NewAuthority(t, "our CA"), heptest.NewAuthority(t, "their CA")
	good, strange := ca.Issue(t, heptest.Certificate{}), other.Issue(t, heptest.Certificate{})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			name  string
			shown *tls.Certificate
			fault hep.TLSFault
		}{{"good", &good, 0}, {"none", nil, hep.TLSNoClientCert}, {"strange", &strange, hep.TLSClientCert}} {
			t.Run(tls.VersionName(version)+" "+tt.name, func(t *testing.T) {
				c := heptest.New(t, heptest.Options{Addr: "127.0.0.1:0", TLS: &tls.Config{MaxVersion: version, ClientCAs: ca.Pool,
					ClientAuth: tls.RequireAndVerifyClientCert, Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{})}}})
				k, err := hep.Dial(t.Context(), "tcp", c.Addr(), hep.DialOptions{TLS: &hep.TLSOptions{Roots: ca.Pool, Certificate: tt.shown}})
				if err == nil {
					defer k.Close()
					_, _ = k.Write([]byte("HEP3\x00\x06"))
					_ = k.CloseWrite()
					if err = peerErr(t, k); err == io.EOF {
						err = nil
					}
					if confirmed := k.Confirmed(); confirmed != (tt.fault == 0) {
						t.Errorf("confirmed %v", confirmed)
					}
				}
				if tt.fault == 0 {
					if err != nil {
						t.Error(err)
					}
				} else if tlsFault(err) != tt.fault {
					t.Errorf("%v: %v", tlsFault(err), err)
				}
			})
		}
	}
}

// TestTLSOpenSSL: barriers hold against OpenSSL's server, too, and so does what is
// said of a client certificate that it refuses.
func TestTLSOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	ca, other := heptest.NewAuthority(t, "our CA"), heptest.NewAuthority(t, "their CA")
	cert, key := heptest.Files(t, dir, ca.Issue(t, heptest.Certificate{}))
	roots := ca.File(t, dir)
	good, strange := ca.Issue(t, heptest.Certificate{}), other.Issue(t, heptest.Certificate{})
	for _, tt := range []struct {
		name  string
		args  []string
		shown *tls.Certificate
		fault hep.TLSFault
		bad   bool
	}{
		{"TLS 1.3", []string{"-tls1_3"}, nil, 0, false},
		{"TLS 1.2", []string{"-tls1_2"}, nil, 0, false},
		{"TLS 1.3, client certificate", []string{"-tls1_3", "-CAfile", roots, "-Verify", "1", "-verify_return_error"}, &good, 0, false},
		{"TLS 1.3, none", []string{"-tls1_3", "-CAfile", roots, "-Verify", "1", "-verify_return_error"}, nil, hep.TLSNoClientCert, true},
		{"TLS 1.3, strange", []string{"-tls1_3", "-CAfile", roots, "-Verify", "1", "-verify_return_error"}, &strange, hep.TLSClientCert, true},
		{"TLS 1.2, none", []string{"-tls1_2", "-CAfile", roots, "-Verify", "1", "-verify_return_error"}, nil, hep.TLSNoClientCert, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			_ = l.Close()
			cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_server", "-accept", addr, "-cert", cert, "-key", key, "-quiet", "-naccept", "1"}, tt.args...)...)
			var got bytes.Buffer
			cmd.Stdout = &got
			stdin, err := cmd.StdinPipe() // open: s_server ends with it
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var k *hep.Conn
			opts := hep.DialOptions{TLS: &hep.TLSOptions{Roots: ca.Pool, Certificate: tt.shown}}
			eventually(t, "openssl listens", func() bool {
				k, err = hep.Dial(t.Context(), "tcp", addr, opts)
				return err == nil || tlsFault(err) != hep.TLSOther
			})
			sent := bytes.Repeat([]byte("0123456789"), 20_000)
			if err == nil {
				defer k.Close()
				_, _ = k.Write(sent)
				_ = k.CloseWrite()
				err = peerErr(t, k)
				if k.Confirmed() == tt.bad {
					t.Errorf("confirmed %v: %v", k.Confirmed(), err)
				}
			}
			if tt.bad {
				if tlsFault(err) != tt.fault {
					t.Errorf("%v: %v", tlsFault(err), err)
				}
				return
			}
			if err != io.EOF {
				t.Errorf("peer: %v", err)
			}
			_ = cmd.Wait() // its status is that of the last session
			if !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("openssl read %d octets of %d", got.Len(), len(sent))
			}
		})
	}
}

// TestTLSListener: our own server answers a half-close when it has handed over
// everything, and no other end of a connection is taken for that.
func TestTLSListener(t *testing.T) {
	opts, server := trusted(t)
	frames := make(chan int, 100)
	l, err := hep.Listen(hep.ListenOptions{TLS: "127.0.0.1:0", TLSConfig: server}, func(network string, _ netip.AddrPort, f []byte) error {
		if network != "tls" {
			t.Errorf("over %s", network)
		}
		frames <- len(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	dial := func() *hep.Conn {
		c, err := hep.Dial(t.Context(), "tcp", l.TLSAddr().String(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	frame := mustAppend(t, hep.Packet{Type: hep.TypeLog, Payload: []byte("x"), Src: netip.MustParseAddrPort("192.0.2.1:1"), Dst: netip.MustParseAddrPort("192.0.2.2:2")})
	c := dial()
	for range 10 {
		mustWrite(t, c, frame)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := peerErr(t, c); err != io.EOF || !c.Confirmed() || len(frames) != 10 {
		t.Errorf("peer: %v, confirmed %v, %d frames", err, c.Confirmed(), len(frames))
	}
	c = dial()
	mustWrite(t, c, []byte("no HEP at all"))
	_ = c.CloseWrite()
	if err := peerErr(t, c); errors.Is(err, io.EOF) || c.Confirmed() {
		t.Errorf("peer: %v, confirmed %v", err, c.Confirmed())
	}
	c = dial()
	mustWrite(t, c, frame)
	eventually(t, "the frame is taken", func() bool { return len(frames) == 11 })
	stop()
	if err := peerErr(t, c); errors.Is(err, io.EOF) || c.Confirmed() {
		t.Errorf("peer: %v, confirmed %v", err, c.Confirmed())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if st := l.Stats(); st.TLSFrames != 11 || st.TCPFrames != 0 || st.BadFrames() != 1 {
		t.Errorf("%+v", st)
	}
}

func TestPin(t *testing.T) {
	leaf := heptest.NewAuthority(t, "x").Certificate
	p := hep.PinOf(leaf)
	if got, err := hep.ParsePin(p.String()); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "sha256//", "sha256//AAAA", "sha1//" + strings.Repeat("A", 43) + "=", p.String() + "=", p.String()[8:]} {
		if _, err := hep.ParsePin(bad); err == nil {
			t.Errorf("%q is a pin", bad)
		}
	}
}
