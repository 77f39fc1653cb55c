package heptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates for tests.
type Authority struct {
	Certificate *x509.Certificate
	Pool        *x509.CertPool // it alone
	key         *ecdsa.PrivateKey
}

// Certificate says what a certificate is to be like. What is zero gets a default.
type Certificate struct {
	Names               []string  // DNS names and IP addresses; 127.0.0.1 and localhost
	NotBefore, NotAfter time.Time // an hour ago, and in an hour
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// NewAuthority makes one with a key of its own.
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(tb)
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(1000 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der := must(x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key))(tb)
	a := &Authority{Certificate: must(x509.ParseCertificate(der))(tb), Pool: x509.NewCertPool(), key: key}
	a.Pool.AddCert(a.Certificate)
	return a
}

// Issue makes a certificate and its key.
func (a *Authority) Issue(tb testing.TB, c Certificate) tls.Certificate {
	tb.Helper()
	if c.Names == nil {
		c.Names = []string{"127.0.0.1", "localhost"}
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "heptest"}, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, n := range c.Names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(tb)
	der := must(x509.CreateCertificate(rand.Reader, t, a.Certificate, &key.PublicKey, a.key))(tb)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))(tb)}
}

// Files writes a certificate and its key to PEM files in dir.
func Files(tb testing.TB, dir string, c tls.Certificate) (certificate, key string) {
	tb.Helper()
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))(tb)
	return file(tb, filepath.Join(dir, "certificate.pem"), "CERTIFICATE", c.Certificate[0]), file(tb, filepath.Join(dir, "key.pem"), "PRIVATE KEY", der)
}

// File writes the authority's certificate to a PEM file in dir.
func (a *Authority) File(tb testing.TB, dir string) string {
	tb.Helper()
	return file(tb, filepath.Join(dir, "ca.pem"), "CERTIFICATE", a.Certificate.Raw)
}

func file(tb testing.TB, path, kind string, der []byte) string {
	tb.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
