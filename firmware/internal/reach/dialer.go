package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"heptap/hep"
)

// Resolver finds addresses; net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
}

// Options say where a collector is and how it is reached. Zero fields get the
// defaults named.
type Options struct {
	Address  string   // "host:port", or the name of SRV records; several with commas between them
	Network  string   // "tcp" or "udp"
	TLS      *TLS     // nil is without
	Resolver Resolver // net.DefaultResolver
	// Trying is told of each address before a connection to it is tried; nil is not.
	Trying func(netip.AddrPort)
	Dial   hep.DialOptions // but for TLS

	Timeout time.Duration // of an attempt; 10 s
	Lookup  time.Duration // of its part that resolves names; 4 s
	Fresh   time.Duration // how long what was found is used while all is well; 60 s
}

// maxAddrs bounds what a name may stand for.
const maxAddrs = 16

// Dialer makes connections to one collector. Its methods may be called from any
// goroutine.
type Dialer struct {
	o Options

	mu     sync.Mutex
	addrs  []netip.AddrPort          // as found last, the best first
	names  map[netip.AddrPort]string // what the certificate of each has to name, if the configuration does not say
	found  time.Time                 // when
	well   bool                      // the last attempt succeeded
	status Status
	conns  map[*Conn]struct{} // of datagrams: their counters are asked
}

// Status is what there is to know of the way to a collector.
type Status struct {
	Address    netip.AddrPort   // of the last connection; invalid before the first
	Addresses  []netip.AddrPort // what its name stands for, in the order in which they are tried
	Resolve    string           // why its name could not be resolved last; empty when it could
	TLS        *hep.TLSState    // of the last connection; nil without
	ShownSince time.Time        // since when the certificate is valid that is shown to it; zero without
	Shown      time.Time        // and until when
	Fault      hep.TLSFault     // what the last attempt failed of, if it was TLS
	Offered    string           // the pin of the certificate that was refused then
	Fragmented uint64           // datagrams that were larger than the way takes whole
	MTU        int              // octets of an IP packet that it does take, 0 when not known
}

// New makes a Dialer. It checks no more than the form of the address.
func New(o Options) (*Dialer, error) {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Trying == nil {
		o.Trying = func(netip.AddrPort) {}
	}
	for _, d := range []struct {
		of  *time.Duration
		def time.Duration
	}{{&o.Timeout, 10 * time.Second}, {&o.Lookup, 4 * time.Second}, {&o.Fresh, time.Minute}} {
		if *d.of == 0 {
			*d.of = d.def
		}
	}
	d := &Dialer{o: o, conns: map[*Conn]struct{}{}}
	for _, address := range d.places() {
		if _, ok := srvDomain(address); ok {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("reach: %w", err)
		}
	}
	return d, nil
}

// Conn is a connection of a Dialer's, which takes note of how it ends.
type Conn struct {
	*hep.Conn
	d  *Dialer
	at netip.AddrPort
}

// Abort is hep.Conn's, for a connection that came to nothing.
func (c *Conn) Abort() error {
	c.d.over(c, true)
	return c.Conn.Abort()
}

// Close is hep.Conn's.
func (c *Conn) Close() error {
	c.d.over(c, false)
	return c.Conn.Close()
}

// Dial makes one attempt.
func (d *Dialer) Dial(ctx context.Context) (*Conn, error) {
	var made *Conn
	err := d.each(ctx, func(ctx context.Context, at netip.AddrPort, opts hep.DialOptions) error {
		c, err := hep.Dial(ctx, d.o.Network, at.String(), opts)
		if err == nil {
			made = d.made(&Conn{c, d, at})
		}
		return err
	})
	return made, err
}

// each makes one attempt: it calls try for one address after the other, until one will do, each with its share
// of the time that is left.
func (d *Dialer) each(ctx context.Context, try func(context.Context, netip.AddrPort, hep.DialOptions) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	opts := d.o.Dial
	var err error
	if d.o.TLS != nil {
		if opts.TLS, err = d.o.TLS.options(); err != nil {
			d.failed(err)
			return err
		}
		d.shows(opts.TLS)
	}
	addrs, err := d.resolve(ctx)
	if err != nil {
		d.failed(err)
		return err
	}
	var first error
	for i, at := range addrs {
		err := d.one(ctx, at, len(addrs)-i, opts, try)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(addrs) > 1 {
		first = fmt.Errorf("none of %d addresses: %w", len(addrs), first)
	}
	d.failed(first)
	return first
}

func (d *Dialer) one(ctx context.Context, at netip.AddrPort, share int, opts hep.DialOptions, try func(context.Context, netip.AddrPort, hep.DialOptions) error) error {
	if end, ok := ctx.Deadline(); ok && share > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(share))
		defer cancel()
	}
	if opts.TLS != nil && opts.TLS.ServerName == "" {
		named := *opts.TLS
		d.mu.Lock()
		named.ServerName = d.names[at]
		d.mu.Unlock()
		opts.TLS = &named
	}
	d.o.Trying(at)
	return try(ctx, at, opts)
}

// shows takes note of the certificate that a collector will be shown.
func (d *Dialer) shows(o *hep.TLSOptions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status.ShownSince, d.status.Shown = time.Time{}, time.Time{}
	if o.Certificate != nil && o.Certificate.Leaf != nil {
		d.status.ShownSince, d.status.Shown = o.Certificate.Leaf.NotBefore, o.Certificate.Leaf.NotAfter
	}
}

// made takes note of a connection.
func (d *Dialer) made(c *Conn) *Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reached(c.at, c.TLS())
	if d.o.Network == "udp" {
		d.conns[c] = struct{}{}
	}
	return c
}

// reached takes note of an address that answers as it should. The lock is held.
func (d *Dialer) reached(at netip.AddrPort, state *hep.TLSState) {
	d.well = true
	d.first(at)
	s := &d.status
	s.Address, s.TLS, s.Fault, s.Offered = at, state, 0, ""
}

// first has at tried first from now on.
func (d *Dialer) first(at netip.AddrPort) {
	if i := slices.Index(d.addrs, at); i > 0 {
		d.addrs = slices.Insert(slices.Delete(slices.Clone(d.addrs), i, i+1), 0, at)
	}
}

// over takes note of a connection's end.
func (d *Dialer) over(c *Conn, broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.conns[c]; ok {
		delete(d.conns, c)
		n, mtu := c.Fragmented()
		d.status.Fragmented += n
		d.status.MTU = mtu
	}
	if broken {
		d.last(c.at)
	}
}

// last has at tried last from now on. The lock is held.
func (d *Dialer) last(at netip.AddrPort) {
	d.well = false
	if i := slices.Index(d.addrs, at); i >= 0 {
		d.addrs = append(slices.Delete(slices.Clone(d.addrs), i, i+1), at)
	}
}

// failed takes note of an attempt that came to nothing.
func (d *Dialer) failed(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.well = false
	var t *hep.TLSError
	d.status.Fault, d.status.Offered = 0, ""
	if errors.As(err, &t) {
		d.status.Fault, d.status.Offered = t.Fault, t.Offered
	}
}

// Status returns what is known now.
func (d *Dialer) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Addresses = d.addrs
	for c := range d.conns {
		n, mtu := c.Fragmented()
		s.Fragmented += n
		s.MTU = mtu
	}
	return s
}
