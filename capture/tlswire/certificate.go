package tlswire

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"net"
	"strings"
	"time"
)

// Limits of what is kept of a certificate.
const (
	maxLeaf     = 16 << 10 // octets of a leaf that is read
	maxText     = 128      // octets of a name's attribute
	maxNames    = 100      // subject alternative names
	maxNameText = 4 << 10  // octets of all of them
)

// Certificate is what is kept of a chain (RFC 5246 7.4.2): its length, and
// its leaf (RFC 5280). Signatures are not verified. It does not borrow.
type Certificate struct {
	Chain    int  // certificates there were; 0: the side was asked, and has none
	ChainCut bool // there were more, in what is beyond the limit
	Hashed   bool // the leaf was whole: SHA256 says something
	SHA256   [32]byte

	// Understood says that the leaf could be parsed and that the rest counts.
	Understood bool
	SubjectCN  string // the first of each, at most 128 octets
	SubjectO   string
	IssuerCN   string
	IssuerO    string
	DNSNames   []string // subject alternative names, 100 and 4 KiB at most
	Addresses  []net.IP
	URIs       []string // SIP identities (RFC 5922 7.1) are among them
	NamesCut   bool     // there were more
	NotBefore  time.Time
	NotAfter   time.Time
	SelfSigned bool // its issuer is its subject
}

// parseChain reads a Certificate message up to TLS 1.2. cut says that its end
// is missing. It never returns nil.
func parseChain(b cursor, cut bool) *Certificate {
	c := new(Certificate)
	list, whole := b.front(3)
	c.ChainCut = cut || !whole
	for len(list) >= 3 { // less is a part of a length
		der, whole := list.front(3)
		if !whole && !c.ChainCut {
			break // lengths that do not fit: what follows is none
		}
		c.Chain++
		if c.Chain == 1 && whole {
			c.parseLeaf(der)
		}
	}
	return c
}

func (c *Certificate) parseLeaf(der []byte) {
	if len(der) > maxLeaf {
		return
	}
	c.SHA256, c.Hashed = sha256.Sum256(der), true
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return
	}
	c.Understood = true
	c.SubjectCN, c.IssuerCN = clean(leaf.Subject.CommonName, maxText), clean(leaf.Issuer.CommonName, maxText)
	c.SubjectO, c.IssuerO = first(leaf.Subject.Organization), first(leaf.Issuer.Organization)
	c.NotBefore, c.NotAfter = leaf.NotBefore, leaf.NotAfter
	c.SelfSigned = bytes.Equal(leaf.RawSubject, leaf.RawIssuer) &&
		(len(leaf.AuthorityKeyId) == 0 || len(leaf.SubjectKeyId) == 0 || bytes.Equal(leaf.AuthorityKeyId, leaf.SubjectKeyId))

	room := names{left: maxNames, octets: maxNameText}
	for _, s := range leaf.DNSNames {
		if room.fits(len(s)) {
			c.DNSNames = append(c.DNSNames, clean(s, maxName))
		}
	}
	for _, u := range leaf.URIs {
		if s := u.String(); room.fits(len(s)) {
			c.URIs = append(c.URIs, clean(s, maxName))
		}
	}
	for _, ip := range leaf.IPAddresses {
		if room.fits(len(ip)) {
			c.Addresses = append(c.Addresses, bytes.Clone(ip))
		}
	}
	c.NamesCut = room.cut
}

// names bounds what is kept of a certificate's names.
type names struct {
	left, octets int
	cut          bool
}

func (r *names) fits(octets int) bool {
	if octets > maxName || r.left == 0 || octets > r.octets {
		r.cut = true
		return false
	}
	r.left--
	r.octets -= octets
	return true
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return clean(list[0], maxText)
}

// Faults are what a client may hold against a certificate, of what can be seen
// from outside: whether it is trusted is not.
type Faults uint8

// The faults.
const (
	NotUnderstood Faults = 1 << iota // no X.509, or beyond the limits: nothing else is known
	NotYetValid
	Expired
	WrongName // none of its names is the one asked for
	NameInCN  // no alternative name, but the common name is it: new clients refuse that (RFC 9525 2)
	SelfSigned
	numFaults = iota
)

var faultNames = [numFaults]string{"certificate not understood", "not yet valid", "expired", "wrong name", "name only in the common name", "self-signed"}

// String lists the faults: "expired, wrong name". Without any it is empty.
func (f Faults) String() string {
	var list []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// Check holds the leaf against the time of the packet and the name that the
// client asked for, its SNI; with an empty one, names are not checked. What
// matches is what x509's VerifyHostname says, and a SIP URI with that host
// (RFC 5922 7.2). Where names were cut off and none of the others matches,
// WrongName is not said.
func (c *Certificate) Check(at time.Time, name string) (f Faults) {
	if c.Chain == 0 {
		return 0
	}
	if !c.Understood {
		return NotUnderstood
	}
	if at.Before(c.NotBefore) {
		f |= NotYetValid
	}
	if at.After(c.NotAfter) {
		f |= Expired
	}
	if c.SelfSigned {
		f |= SelfSigned
	}
	switch {
	case name == "" || c.named(name):
	case c.NamesCut:
	case len(c.DNSNames)+len(c.URIs)+len(c.Addresses) == 0 && matches(name, c.SubjectCN):
		f |= NameInCN
	default:
		f |= WrongName
	}
	return f
}

func (c *Certificate) named(name string) bool {
	for _, u := range c.URIs {
		scheme, host, _ := strings.Cut(u, ":")
		if (strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips")) && strings.EqualFold(host, name) {
			return true
		}
	}
	x := x509.Certificate{DNSNames: c.DNSNames, IPAddresses: c.Addresses}
	return x.VerifyHostname(name) == nil
}

func matches(name, pattern string) bool {
	x := x509.Certificate{DNSNames: []string{pattern}}
	return pattern != "" && x.VerifyHostname(name) == nil
}
