package reach_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/firmware/internal/reach"
	"heptap/hep"
	"heptap/hep/heptest"
)

// book is a name server.
type book struct {
	mu    sync.Mutex
	hosts map[string][]netip.Addr
	srv   map[string][]*net.SRV
	err   error
	asked int
}

func (b *book) set(f func()) { b.mu.Lock(); defer b.mu.Unlock(); f() }

func (b *book) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.err != nil {
		return nil, b.err
	}
	if all := b.hosts[host]; all != nil && network == "ip" {
		return all, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (b *book) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.err != nil {
		return "", nil, b.err
	}
	if all := b.srv[name]; all != nil && service == "" && proto == "" {
		return name, all, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// collectors starts n of them at one port of different addresses.
func collectors(t *testing.T, n int, o heptest.Options) (all []*heptest.Collector, addrs []netip.Addr, port uint16) {
	t.Helper()
	first := heptest.New(t, o)
	at := netip.MustParseAddrPort(first.Addr())
	all, addrs = append(all, first), append(addrs, at.Addr())
	next := at.Addr()
	for len(all) < n {
		b := next.As4()
		b[1] ^= 0x80 // nobody else's
		b[3] += byte(len(all))
		o.Addr = netip.AddrPortFrom(netip.AddrFrom4(b), at.Port()).String()
		all = append(all, heptest.New(t, o))
		addrs = append(addrs, netip.AddrFrom4(b))
	}
	return all, addrs, at.Port()
}

func dial(t *testing.T, d *reach.Dialer) *reach.Conn {
	t.Helper()
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newDialer(t *testing.T, o reach.Options) *reach.Dialer {
	t.Helper()
	if o.Network == "" {
		o.Network = "tcp"
	}
	d, err := reach.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestAddresses: the address that works is kept to, one whose connection breaks is
// tried last, and what was found last serves while nobody answers.
func TestAddresses(t *testing.T) {
	cs, addrs, port := collectors(t, 3, heptest.Options{})
	b := &book{hosts: map[string][]netip.Addr{"hep.example": addrs}}
	var tried []netip.AddrPort
	d := newDialer(t, reach.Options{Address: fmt.Sprintf("hep.example:%d", port), Resolver: b, Trying: func(a netip.AddrPort) { tried = append(tried, a) }})
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(addrs[i], port) }
	expect := func(what string, c *reach.Conn, i, asked int, want ...netip.AddrPort) {
		t.Helper()
		if c.RemoteAddr() != at(i) || b.asked != asked || !reflect.DeepEqual(tried, want) || d.Status().Address != at(i) {
			t.Errorf("%s: at %v, asked %d times, tried %v", what, c.RemoteAddr(), b.asked, tried)
		}
		tried = nil
	}
	expect("at first", dial(t, d), 0, 1, at(0))
	cs[0].Kill()
	expect("the first dead", dial(t, d), 1, 1, at(0), at(1))
	c := dial(t, d)
	expect("the one that works", c, 1, 1, at(1))
	_ = c.Abort()
	expect("one that broke off", dial(t, d), 0+2, 2, at(0), at(2))
	b.set(func() { b.err = &net.DNSError{Err: "no answer", Name: "hep.example", IsTimeout: true} })
	_ = dial(t, d).Abort()
	tried = nil
	expect("no name server", dial(t, d), 1, 3, at(0), at(1))
	if s := d.Status().Resolve; !strings.Contains(s, "no name server answers when asked for hep.example") {
		t.Error(s)
	}
	b.set(func() { b.err, b.hosts["hep.example"] = nil, addrs[2:] })
	_ = dial(t, d).Abort()
	tried = nil
	expect("another answer", dial(t, d), 2, 4, at(2))
	if s := d.Status(); s.Resolve != "" || len(s.Addresses) != 1 {
		t.Errorf("%+v", s)
	}
	cs[2].Kill()
	if _, err := d.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestUnknownName(t *testing.T) {
	b := &book{}
	for address, want := range map[string]string{
		"hep.example:9060":           "the name hep.example is not known to the name server",
		"_hep._tcp.example.net":      "the name _hep._tcp.example.net is not known",
		"_none._tcp.example.net":     "the service is not offered there",
		"_nowhere._tcp.example.net.": "the name nowhere.example is not known",
	} {
		b.srv = map[string][]*net.SRV{"_none._tcp.example.net": {{Target: "."}}, "_nowhere._tcp.example.net.": {{Target: "nowhere.example.", Port: 1}}}
		if _, err := newDialer(t, reach.Options{Address: address, Resolver: b}).Dial(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestSRV: records are tried by priority, and over TLS the certificate must name
// the domain, not the host that the records lead to.
func TestSRV(t *testing.T) {
	ca := heptest.NewAuthority(t, "CA")
	dir := t.TempDir()
	roots := ca.File(t, dir)
	for _, tt := range []struct {
		name string
		ok   bool
	}{{"example.net", true}, {"b.example.net", false}} {
		cs, addrs, port := collectors(t, 2, heptest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{Names: []string{tt.name}})}}})
		cs[0].Kill()
		b := &book{hosts: map[string][]netip.Addr{"a.example.net": addrs[:1], "b.example.net": addrs[1:]},
			srv: map[string][]*net.SRV{"_hep._tls.example.net": {{Target: "a.example.net.", Port: port, Priority: 1}, {Target: "b.example.net.", Port: port, Priority: 2}}}}
		d := newDialer(t, reach.Options{Address: "_hep._tls.example.net", Resolver: b, TLS: &reach.TLS{CA: roots}})
		c, err := d.Dial(t.Context())
		if tt.ok {
			if err != nil {
				t.Fatal(err)
			}
			if s := d.Status(); c.RemoteAddr().Addr() != addrs[1] || s.TLS == nil || s.TLS.NotAfter.IsZero() {
				t.Errorf("%v, %+v", c.RemoteAddr(), s)
			}
			_ = c.Close()
		} else if err == nil {
			t.Error("the host that the records lead to is as good as the domain")
		}
	}
}

// TestTLSFiles: they are read for each connection.
func TestTLSFiles(t *testing.T) {
	ca, other := heptest.NewAuthority(t, "CA"), heptest.NewAuthority(t, "another CA")
	leaf := ca.Issue(t, heptest.Certificate{})
	c := heptest.New(t, heptest.Options{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{leaf}, ClientAuth: tls.RequireAnyClientCert}})
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	d := newDialer(t, reach.Options{Address: c.Addr(), TLS: &reach.TLS{CA: filepath.Join(dir, "ca.pem"), Certificate: certificate, Key: key}})
	fails := func(want string) {
		t.Helper()
		if _, err := d.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	fails("tls-ca: open")
	other.File(t, dir)
	fails("tls-certificate and tls-key: open")
	heptest.Files(t, dir, other.Issue(t, heptest.Certificate{}))
	fails("the pin of its key is " + hep.PinOf(leaf.Leaf).String())
	if s := d.Status(); s.Fault != hep.TLSUnknownAuthority || s.Offered != hep.PinOf(leaf.Leaf).String() {
		t.Errorf("%+v", s)
	}
	ca.File(t, dir)
	shown := ca.Issue(t, heptest.Certificate{NotAfter: time.Now().Add(48 * time.Hour)})
	heptest.Files(t, dir, shown)
	dial(t, d)
	if s := d.Status(); !s.Shown.Equal(shown.Leaf.NotAfter) || !s.TLS.NotAfter.Equal(leaf.Leaf.NotAfter) || s.Fault != 0 {
		t.Errorf("%+v", s)
	}
}

// TestSlow: one address that does not answer leaves time for the next.
func TestSlow(t *testing.T) {
	ca := heptest.NewAuthority(t, "CA")
	cs, addrs, port := collectors(t, 2, heptest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{Names: []string{"hep.example"}})}}})
	cs[0].Kill()
	mute, err := net.Listen("tcp", cs[0].Addr()) // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	b := &book{hosts: map[string][]netip.Addr{"hep.example": addrs}}
	d := newDialer(t, reach.Options{Address: fmt.Sprintf("hep.example:%d", port), Resolver: b, TLS: &reach.TLS{CA: ca.File(t, t.TempDir())}, Timeout: 2 * time.Second})
	if c := dial(t, d); c.RemoteAddr().Addr() != addrs[1] {
		t.Error(c.RemoteAddr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestUDPFragmented: what does not fit one packet is counted.
func TestUDPFragmented(t *testing.T) {
	c := heptest.New(t, heptest.Options{Network: "udp"})
	d := newDialer(t, reach.Options{Address: c.Addr(), Network: "udp", Dial: hep.DialOptions{DSCP: 10}})
	k := dial(t, d)
	for _, n := range []int{100, 65507} { // the loopback takes packets of any size
		if _, err := k.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if s := d.Status(); s.Fragmented != 0 || s.MTU != 65535 {
		t.Errorf("%+v", s)
	}
	_ = k.Close()
	if s := d.Status(); s.MTU != 65535 {
		t.Errorf("%+v", s)
	}
}

func TestCheckAddress(t *testing.T) {
	for address, ok := range map[string]bool{"192.0.2.1:9060": true, "[2001:db8::1]:9060": true, "hep.example:1": true, "_hep._tcp.example.net": true, "_hep._tcp.example.net.": true,
		"": false, "hep.example": false, "_hep._tcp": false, "_hep._tcp.": false, "_hep.example.net": false, "_._tcp.example": false, "_hep._tcp.example.net:9060": false, "hep.example:0": false, "a b:1": false} {
		if reach.CheckAddress(address) != ok {
			t.Errorf("%q: %v", address, !ok)
		}
	}
}
