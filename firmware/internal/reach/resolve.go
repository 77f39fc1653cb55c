package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// srvDomain returns the domain of a name of SRV records, "_service._proto.domain".
func srvDomain(address string) (domain string, ok bool) {
	service, rest, a := strings.Cut(address, ".")
	proto, domain, b := strings.Cut(rest, ".")
	return domain, a && b && domain != "" && len(service) > 1 && service[0] == '_' && len(proto) > 1 && proto[0] == '_'
}

// places returns the addresses as they were given.
func (d *Dialer) places() []string {
	return strings.FieldsFunc(d.o.Address, func(r rune) bool { return r == ',' || r == ' ' })
}

// CheckAddress reports whether an address has the form that New wants.
func CheckAddress(address string) bool {
	if _, ok := srvDomain(address); ok {
		return !strings.ContainsAny(address, ":/ ")
	}
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.ParseUint(port, 10, 16)
	return err == nil && perr == nil && n > 0 && host != "" && !strings.ContainsAny(host, " /")
}

// resolve returns the addresses to try, the best first.
func (d *Dialer) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(d.o.Address); err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.names = map[netip.AddrPort]string{a: a.Addr().String()}
		return []netip.AddrPort{a}, nil
	}
	d.mu.Lock()
	known, fresh := d.addrs, d.well && time.Since(d.found) < d.o.Fresh
	d.mu.Unlock()
	if fresh {
		return known, nil
	}
	lookup, cancel := context.WithTimeout(ctx, d.o.Lookup)
	found, names, err := d.lookupAll(lookup)
	cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = time.Now() // also when it failed: an answer that does not come is waited for once in Fresh
	if err != nil {
		d.status.Resolve = err.Error()
		if len(d.addrs) > 0 && ctx.Err() == nil {
			return d.addrs, nil
		}
		return nil, err
	}
	d.status.Resolve = ""
	d.addrs, d.names = order(found, d.addrs), names
	return d.addrs, nil
}

// order returns the addresses found: those known before in the order that they
// had, unless something new is there, which has not failed yet.
func order(found, known []netip.AddrPort) []netip.AddrPort {
	if len(known) == len(found) && !slices.ContainsFunc(found, func(a netip.AddrPort) bool { return !slices.Contains(known, a) }) {
		return known
	}
	if len(known) > 0 {
		if i := slices.Index(found, known[0]); i > 0 {
			return slices.Insert(slices.Delete(slices.Clone(found), i, i+1), 0, known[0])
		}
	}
	return found
}

// lookupAll finds the addresses of all places, and what the certificate of each has to name. One place
// that cannot be found does not hinder the others.
func (d *Dialer) lookupAll(ctx context.Context) (out []netip.AddrPort, names map[netip.AddrPort]string, err error) {
	names = map[netip.AddrPort]string{}
	for _, address := range d.places() {
		found, lerr := d.lookup(ctx, address)
		if lerr != nil && err == nil {
			err = lerr
		}
		name, srv := srvDomain(address)
		if !srv {
			name, _, _ = net.SplitHostPort(address)
		}
		for _, at := range found {
			if names[at] == "" && len(out) < maxAddrs {
				out, names[at] = append(out, at), name
			}
		}
	}
	if len(out) > 0 {
		err = nil
	}
	return out, names, err
}

func (d *Dialer) lookup(ctx context.Context, address string) (out []netip.AddrPort, err error) {
	if _, ok := srvDomain(address); !ok {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", port, err)
		}
		return d.host(ctx, host, uint16(n))
	}
	_, records, err := d.o.Resolver.LookupSRV(ctx, "", "", address)
	if err != nil {
		return nil, plain(address, err)
	}
	var last error
	for _, r := range records { // by priority and weight
		if r.Target == "." {
			last = fmt.Errorf("%s: the service is not offered there", address) // RFC 2782
			continue
		}
		all, err := d.host(ctx, strings.TrimSuffix(r.Target, "."), r.Port)
		if err != nil {
			last = err
		}
		out = append(out, all...)
		if len(out) >= maxAddrs {
			break
		}
	}
	if len(out) == 0 {
		if last == nil {
			last = fmt.Errorf("%s has no SRV records", address)
		}
		return nil, last
	}
	return out[:min(len(out), maxAddrs)], nil
}

func (d *Dialer) host(ctx context.Context, host string, port uint16) (out []netip.AddrPort, err error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	all, err := d.o.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, plain(host, err)
	}
	for _, a := range all[:min(len(all), maxAddrs)] {
		if at := netip.AddrPortFrom(a.Unmap(), port); !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	return out, nil
}

// nameError says in plain words why a name was not resolved, without those of package net, which it wraps.
type nameError struct {
	text string
	err  error
}

func (e *nameError) Error() string { return e.text }
func (e *nameError) Unwrap() error { return e.err }

// plain says in plain words why a name was not resolved.
func plain(name string, err error) error {
	var e *net.DNSError
	dns := errors.As(err, &e)
	server := "the name server"
	if dns && e.Server != "" {
		server += " " + strings.TrimSuffix(e.Server, ":53")
	}
	is := func(errno syscall.Errno) bool { // package net keeps no more than its words
		return errors.Is(err, errno) || dns && strings.HasSuffix(e.Err, errno.Error())
	}
	text := ""
	switch {
	case dns && e.IsNotFound:
		text = fmt.Sprintf("the name %s is not known to %s", name, server)
	case is(syscall.ECONNREFUSED):
		text = fmt.Sprintf("nobody answers names where %s is said to be, when asked for %s", server, name)
	case is(syscall.ENETUNREACH), is(syscall.EHOSTUNREACH):
		text = fmt.Sprintf("no route leads to %s, to be asked for %s", server, name)
	case dns && e.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		text = fmt.Sprintf("no name server answers when asked for %s", name)
		if dns && e.Server != "" {
			text += ", " + strings.TrimSuffix(e.Server, ":53") + " was the last"
		}
	case dns && e.IsTemporary:
		text = fmt.Sprintf("%s cannot say now what the name %s stands for: it has trouble itself, or those it asks", server, name)
	default:
		return fmt.Errorf("the name %s could not be resolved: %w", name, err)
	}
	return &nameError{text, err}
}
