package hep

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Pin is the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469, 2.4): it
// outlives a renewed certificate, if the key stays.
type Pin [sha256.Size]byte

// PinOf returns the pin of a certificate.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

const pinPrefix = "sha256//"

// String returns the pin as curl has it, "sha256//" and base64.
func (p Pin) String() string { return pinPrefix + base64.StdEncoding.EncodeToString(p[:]) }

// ParsePin reads what String prints.
func ParsePin(s string) (p Pin, err error) {
	text, ok := strings.CutPrefix(s, pinPrefix)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) != len(p) {
		return p, fmt.Errorf("hep: pin %q: want sha256// and 44 characters of base64", s)
	}
	return Pin(b), nil
}

// TLSOptions say how a collector proves who it is, and what it is shown. TLS 1.2
// is the least. With pins and no Roots the pin alone decides: neither who signed the
// certificate, nor the names and dates in it.
type TLSOptions struct {
	ServerName  string           // what the certificate must name, and SNI; empty is the host that is dialled
	Roots       *x509.CertPool   // who may have signed it; nil is the system's
	Pins        []Pin            // one of them must be its; none asks for none
	Certificate *tls.Certificate // shown to a collector that asks for one; nil shows none
	Now         func() time.Time // nil is time.Now
	ClockSet    func() bool      // whether the clock of Now was ever set; nil trusts it
}

// TLSFault says what is wrong.
type TLSFault uint8

// The faults.
const (
	TLSOther            TLSFault = iota
	TLSNotSpoken                 // the peer answers something else, or nothing
	TLSMissing                   // the peer speaks TLS, and we do not
	TLSUnknownAuthority          // nobody that is trusted has signed the certificate
	TLSWrongName                 // it is for another name
	TLSExpired                   // it is too old
	TLSNotYetValid               // it is for later
	TLSClock                     // it is for later, or so it seems: the own clock is not set
	TLSWrongPin                  // its key is another than those pinned
	TLSVersion                   // no version of TLS in common
	TLSNoClientCert              // the peer wants a certificate, and we have none
	TLSClientCert                // the peer does not accept ours
)

var faultNames = [...]string{"other", "not spoken", "missing", "unknown authority", "wrong name", "expired", "not yet valid", "clock not set",
	"wrong pin", "version", "no client certificate", "client certificate refused"}

// String returns the fault's name.
func (f TLSFault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return "invalid"
}

// TLSError says what is wrong with TLS in words for who has to mend it.
type TLSError struct {
	Fault   TLSFault
	Text    string
	Offered string // the pin of the certificate that was refused, as Pin.String; empty when there was none
	Err     error  // what it was made from; may be nil
}

// Error implements error.
func (e *TLSError) Error() string { return "TLS: " + e.Text }

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// TLSState is what a handshake came to.
type TLSState struct {
	Version, Cipher string
	Subject         string    // of the collector's certificate
	NotBefore       time.Time // since when it is valid
	NotAfter        time.Time // until when it is with all who signed it; zero when a pin alone decides
	Pin             Pin
}

// TLS returns what the handshake came to; nil without TLS.
func (c *Conn) TLS() *TLSState {
	if c.tls == nil {
		return nil
	}
	s := c.secret.state
	return &s
}

// startTLS makes the handshake with the peer at addr.
func (c *Conn) startTLS(ctx context.Context, addr string, o *TLSOptions) error {
	k, err := newChecks(addr, o)
	if err != nil {
		return err
	}
	c.tls = tls.Client(c.sock, k.config())
	c.stream, c.secret = c.tls, k
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return k.explainHandshake(ctx, err)
	}
	return nil
}

func newChecks(addr string, o *TLSOptions) (*tlsChecks, error) {
	k := &tlsChecks{o: *o, name: o.ServerName}
	if k.o.Now == nil {
		k.o.Now = time.Now
	}
	if k.name == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		k.name = host
	}
	k.name, _, _ = strings.Cut(k.name, "%") // no certificate has a zone
	return k, nil
}

func (k *tlsChecks) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: k.name, Time: k.o.Now,
		InsecureSkipVerify:   true, // verify does it, for it can say what is wrong and knows pins
		VerifyConnection:     k.verify,
		GetClientCertificate: k.show,
	}
}

// tlsChecks judge a peer, and keep what is needed to explain what it does.
type tlsChecks struct {
	o     TLSOptions
	name  string
	asked atomic.Bool // the peer wants a certificate
	state TLSState    // set by verify, within the handshake
}

func (k *tlsChecks) show(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	k.asked.Store(true)
	if k.o.Certificate == nil {
		return &tls.Certificate{}, nil
	}
	return k.o.Certificate, nil
}

// verify judges the certificates that the peer shows.
func (k *tlsChecks) verify(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return &TLSError{Fault: TLSOther, Text: "the collector shows no certificate"}
	}
	leaf := cs.PeerCertificates[0]
	k.state = TLSState{Version: tls.VersionName(cs.Version), Cipher: tls.CipherSuiteName(cs.CipherSuite),
		Subject: leaf.Subject.String(), NotBefore: leaf.NotBefore, Pin: PinOf(leaf)}
	pool := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		pool.AddCert(c)
	}
	if len(k.o.Pins) > 0 {
		if !k.pinned() {
			return k.refuse(TLSWrongPin, nil, "the collector's key is not the one that is pinned; the pin of its key is %v", k.state.Pin)
		}
		if k.o.Roots == nil {
			return nil
		}
	}
	now := k.o.Now()
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: k.o.Roots, Intermediates: pool, DNSName: k.name, CurrentTime: now})
	if err != nil {
		return k.explainCertificate(leaf, now, err)
	}
	for _, chain := range chains {
		if end := ends(chain); end.After(k.state.NotAfter) {
			k.state.NotAfter = end
		}
	}
	return nil
}

// ends returns until when a whole chain is valid.
func ends(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

func (k *tlsChecks) pinned() bool {
	for _, p := range k.o.Pins {
		if p == k.state.Pin {
			return true
		}
	}
	return false
}

func (k *tlsChecks) refuse(f TLSFault, cause error, format string, args ...any) *TLSError {
	return &TLSError{Fault: f, Text: fmt.Sprintf(format, args...), Offered: k.state.Pin.String(), Err: cause}
}

// explainCertificate says why x509 refuses a certificate.
func (k *tlsChecks) explainCertificate(leaf *x509.Certificate, now time.Time, err error) error {
	const day = time.DateOnly
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		c := leaf
		if invalid.Cert != nil {
			c = invalid.Cert
		}
		which := "the collector's certificate"
		if c != leaf {
			which = fmt.Sprintf("the certificate of %s, which signed the collector's,", c.Subject)
		}
		switch {
		case now.Before(c.NotBefore) && k.o.ClockSet != nil && !k.o.ClockSet():
			return k.refuse(TLSClock, err, "no certificate can be judged: this probe's clock says %s and has not been set", now.UTC().Format(time.DateTime))
		case now.Before(c.NotBefore):
			return k.refuse(TLSNotYetValid, err, "%s is valid from %s on, and this probe's clock says %s", which, c.NotBefore.UTC().Format(day), now.UTC().Format(time.DateTime))
		}
		return k.refuse(TLSExpired, err, "%s has expired on %s; this probe's clock says %s", which, c.NotAfter.UTC().Format(day), now.UTC().Format(time.DateTime))
	case errors.As(err, &name):
		return k.refuse(TLSWrongName, err, "the collector's certificate is for %s, not for %s", names(leaf), k.name)
	case errors.As(err, &authority):
		return k.refuse(TLSUnknownAuthority, err, "nobody who is trusted has signed the collector's certificate (%s, signed by %s); the pin of its key is %v",
			leaf.Subject, leaf.Issuer, k.state.Pin)
	}
	return k.refuse(TLSOther, err, "the collector's certificate: %v", err)
}

// names lists whom a certificate is for.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	const most = 8
	if len(all) > most {
		all = append(all[:most], "...")
	}
	return strings.Join(all, ", ")
}

// explainHandshake says why a handshake failed.
func (k *tlsChecks) explainHandshake(ctx context.Context, err error) error {
	var header tls.RecordHeaderError
	var own *TLSError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &header):
		return &TLSError{Fault: TLSNotSpoken, Text: fmt.Sprintf("the collector answers %q, which is not TLS: wrong port, or one without TLS?", header.RecordHeader[:]), Err: err}
	case isAlert(err):
		return k.explain(err)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return &TLSError{Fault: TLSNotSpoken, Text: "the collector does not answer the handshake: wrong port, or one without TLS?", Err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return &TLSError{Fault: TLSNotSpoken, Text: "the collector closed instead of answering the handshake: wrong port, or one without TLS?", Err: err}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &TLSError{Fault: TLSOther, Text: err.Error(), Err: err}
}

// isAlert reports whether err is an alert of the peer's.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// explain says how the peer ended a connection with TLS.
func (k *tlsChecks) explain(err error) error {
	if !isAlert(err) {
		return fmt.Errorf("hep: %w", err)
	}
	var op *net.OpError
	errors.As(err, &op)
	what := strings.TrimPrefix(op.Err.Error(), "tls: ")
	ask := k.asked.Load()
	switch what {
	case "protocol version not supported":
		return &TLSError{Fault: TLSVersion, Text: "the collector knows no version of TLS from 1.2 on", Err: err}
	case "certificate required", "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate",
		"unknown certificate authority", "access denied", "handshake failure":
		switch {
		case ask && k.o.Certificate == nil:
			return &TLSError{Fault: TLSNoClientCert, Text: fmt.Sprintf("the collector wants a client certificate (its alert: %s)", what), Err: err}
		case ask:
			return &TLSError{Fault: TLSClientCert, Text: fmt.Sprintf("the collector does not accept the client certificate (its alert: %s)", what), Err: err}
		}
	}
	return &TLSError{Fault: TLSOther, Text: fmt.Sprintf("the collector says: %s", what), Err: err}
}

// alertType is the type of a TLS record with an alert (RFC 8446, 5.1).
const alertType = 0x15

// greeted returns how a connection without TLS ended: err, or what the peer's
// first octets say of it. A peer that has said such a thing is no collector, and
// its FIN no receipt.
func (c *Conn) greeted(err error) error {
	if c.tls != nil {
		return err
	}
	_, first := c.Received()
	switch {
	case len(first) >= 7 && first[0] == alertType && first[1] == 3:
		return &TLSError{Fault: TLSMissing, Text: "the collector expects TLS at this port"}
	case strings.HasPrefix(string(first), "HTTP/"):
		return errHTTP
	}
	return err
}

var errHTTP = errors.New("hep: an HTTP server answers at this port")
