package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab/box"
)

// TestTLSRefused has OpenSSL's client refuse certificates, its server refuse clients,
// and clients leave without a word.
func TestTLSRefused(t *testing.T) {
	s := newScene(t, []string{"openssl"})
	certs := newCertificates(t, s.Dir())
	servers := map[string][]string{
		"5061":  {"-cert", "good.pem", "-key", "good.key"},
		"15061": {"-cert", "expired.pem", "-key", "expired.key"},
		"25061": {"-cert", "good.pem", "-key", "good.key", "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"},
		"35061": {"-cert", "good.pem", "-key", "good.key", "-tls1_3"},
	}
	for port, args := range servers {
		cmd := s.B.Command("openssl", append([]string{"s_server", "-accept", net.JoinHostPort(s.B.Addr.String(), port), "-quiet"}, args...)...)
		cmd.Dir = certs
		if _, err := s.Start(cmd); err != nil {
			t.Fatal(err)
		}
		s.options(port) // SIP is asked for there
		for conn := net.Conn(nil); conn == nil; time.Sleep(50 * time.Millisecond) {
			_ = s.A.Do(func() error {
				conn, _ = net.DialTimeout("tcp", net.JoinHostPort(s.B.Addr.String(), port), time.Second)
				return nil
			})
			if conn != nil {
				conn.Close()
				break
			}
			if t.Context().Err() != nil {
				t.Fatal("no server")
			}
		}
	}
	const wrongName, noCert, stranger = "-verify_hostname other.example.net", "-ign_eof", "-ign_eof -cert stranger.pem -key stranger.key"
	const flight13 = "aborted by the server after the client's flight (inferred)"
	cases := []struct {
		name, port, version, args string
		how                       leave  // a client of ours, when it is not OpenSSL's
		failed                    string // "" when it does not
		faults                    any    // of the server's certificate
	}{
		{"good", "5061", "1.2", "-CAfile ca.pem", openssl, "", nil},
		{"good", "5061", "1.3", "-CAfile ca.pem", openssl, "", nil},
		{"unknown CA", "5061", "1.2", "-CAfile other.pem", openssl, "unknown_ca (fatal) from the client after server's flight", nil},
		{"unknown CA", "5061", "1.3", "-CAfile other.pem", openssl, "unknown_ca (fatal) from the client after server's flight", nil},
		{"wrong name", "5061", "1.2", "-CAfile ca.pem " + wrongName, openssl, "bad_certificate (fatal) from the client after server's flight", nil},
		{"wrong name", "5061", "1.3", "-CAfile ca.pem " + wrongName, openssl, "bad_certificate (fatal) from the client after server's flight", nil},
		{"expired", "15061", "1.2", "-CAfile ca.pem", openssl, "certificate_expired (fatal) from the client after server's flight", "expired"},
		{"expired", "15061", "1.3", "-CAfile ca.pem", openssl, "certificate_expired (fatal) from the client after server's flight", nil},
		{"no certificate", "25061", "1.2", "-CAfile ca.pem " + noCert, openssl, "handshake_failure (fatal) from the server after one finished", nil},
		{"no certificate", "25061", "1.3", "-CAfile ca.pem " + noCert, openssl, flight13, nil},
		{"a stranger's certificate", "25061", "1.2", "-CAfile ca.pem " + stranger, openssl, "unknown_ca (fatal) from the server after one finished", nil},
		{"a stranger's certificate", "25061", "1.3", "-CAfile ca.pem " + stranger, openssl, flight13, nil},
		{"no version in common", "35061", "1.2", "-CAfile ca.pem", openssl, "protocol_version (fatal) from the server after client hello", nil},
		{"an alert", "5061", "1.2", "", alerts, "bad_certificate (fatal) from the client after server's flight", nil},
		{"an encrypted alert", "5061", "1.3", "", alerts, "aborted by the client after the server's flight (inferred)", nil},
		{"a FIN", "5061", "1.2", "", closes, "closed during the handshake by the client (fin) after server's flight", nil},
		{"a FIN", "5061", "1.3", "", closes, "aborted by the client after the server's flight (inferred)", nil},
		{"an RST", "5061", "1.2", "", resets, "closed during the handshake by the client (rst) after server's flight", nil},
		{"an RST", "5061", "1.3", "", resets, "aborted by the client after the server's flight (inferred)", nil},
	}
	ports := make([]float64, len(cases)) // of the clients
	for i, c := range cases {
		if c.how != openssl {
			ports[i] = s.leaves(c.port, map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[c.version], c.how)
			continue
		}
		from := 20100 + i // no port that the kernel gives to others
		ports[i] = float64(from)
		args := append([]string{"s_client", "-connect", net.JoinHostPort(s.B.Addr.String(), c.port), "-bind", net.JoinHostPort(s.A.Addr.String(), fmt.Sprint(from)),
			"-servername", "sip.example.net", "-verify_return_error", "-tls" + strings.Replace(c.version, ".", "_", 1)}, strings.Fields(c.args)...)
		_, err := s.runIn(certs, s.A, "openssl", args...)
		if (err != nil) != (c.failed != "") && c.failed != flight13 { // in TLS 1.3 a client is done before the server says no
			t.Errorf("%s: %v", strings.Join(args, " "), err)
		}
	}
	records := s.finish()
	for i, c := range cases {
		t.Run(c.name+", TLS "+c.version, func(t *testing.T) {
			opened, ended := ofClient(t, records, ports[i])
			state, message := "opened", "Connection opened"
			if c.failed != "" {
				state, message = "failed", "TLS handshake failed: "+c.failed
			}
			if opened.says["state"] != state || opened.says["Message"] != message || opened.says["server_certificate_faults"] != c.faults || opened.says["sni"] != "sip.example.net" {
				t.Errorf("%s", opened.Payload)
			}
			if alert, by, ok := strings.Cut(c.failed, " (fatal) from the "); ok {
				by, _, _ = strings.Cut(by, " ")
				if ended.says["Message"] != "Closed after the TLS alert "+alert+" from the "+by {
					t.Errorf("%s", ended.Payload)
				}
			} else if c.how == closes || c.how == resets {
				if ended.says["ended_by"] != "client" {
					t.Errorf("%s", ended.Payload)
				}
			}
		})
	}
}

// ofClient returns the two records of the connection of a client's port.
func ofClient(t *testing.T, records []found, port float64) (opened, ended found) {
	t.Helper()
	var all []found
	for _, r := range records {
		if r.Type == box.TypeNet && r.says["client_port"] == port {
			all = append(all, r)
		}
	}
	if len(all) != 2 || all[0].Primary != all[1].Primary {
		t.Fatalf("%d records of the connection of port %v: %+v", len(all), port, all)
	}
	return all[0], all[1]
}

// options has host a ask for SIP at a port of host b.
func (s *scene) options(port string) {
	s.t.Helper()
	err := s.A.Do(func() error {
		conn, err := net.Dial("udp", net.JoinHostPort(s.B.Addr.String(), port))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "OPTIONS sip:x SIP/2.0\r\n"+sipHead)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

const sipHead = "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1@x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// leave is how a client ends a handshake when it has the server's certificate.
type leave int

const (
	openssl leave = iota // as OpenSSL does
	alerts               // by an alert
	closes               // without a word
	resets
)

// leaves connects and leaves, and returns the client's port.
func (s *scene) leaves(port string, version uint16, how leave) float64 {
	s.t.Helper()
	conn := s.dial(port)
	defer conn.Close()
	var c net.Conn = conn
	if how != alerts {
		c = &muted{TCPConn: conn}
	}
	err := tls.Client(c, &tls.Config{ServerName: "sip.example.net", MinVersion: version, MaxVersion: version, RootCAs: x509.NewCertPool()}).HandshakeContext(s.t.Context())
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		s.t.Errorf("the handshake ended with %v", err)
	}
	if how == resets {
		_ = conn.SetLinger(0)
	}
	return float64(conn.LocalAddr().(*net.TCPAddr).Port)
}

// muted writes only once: the alert is not sent.
type muted struct {
	*net.TCPConn
	wrote bool
}

func (m *muted) Write(b []byte) (int, error) {
	if m.wrote {
		return 0, io.ErrClosedPipe
	}
	m.wrote = true
	return m.TCPConn.Write(b)
}

// newCertificates makes a folder of them, as OpenSSL reads them.
func newCertificates(t *testing.T, dir string) string {
	dir = filepath.Join(dir, "certs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca, caKey := issue(t, dir, "ca", "Lab CA", now, now.Add(time.Hour), nil, nil)
	issue(t, dir, "other", "Other CA", now, now.Add(time.Hour), nil, nil)
	issue(t, dir, "good", "sip.example.net", now.Add(-time.Hour), now.Add(time.Hour), ca, caKey)
	issue(t, dir, "expired", "sip.example.net", now.Add(-2*time.Hour), now.Add(-time.Hour), ca, caKey)
	issue(t, dir, "stranger", "stranger.example.net", now.Add(-2*time.Hour), now.Add(time.Hour), nil, nil)
	return dir
}

// issue makes one and its key; ca is nil for one that signs itself.
func issue(t *testing.T, dir, file, name string, from, to time.Time, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		DNSNames: []string{name}, BasicConstraintsValid: true, IsCA: ca == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	parent, signer := ca, caKey
	if ca == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for f, b := range map[string]*pem.Block{file + ".pem": {Type: "CERTIFICATE", Bytes: der}, file + ".key": {Type: "PRIVATE KEY", Bytes: k}} {
		if err := os.WriteFile(filepath.Join(dir, f), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
