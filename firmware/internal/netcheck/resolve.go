package netcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const (
	resolvConf  = "/etc/resolv.conf"
	resolveTime = 15 * time.Second
)

// Resolve tells whom name is, one line after the other: the addresses of a host, the
// servers of a service (_sip._udp.example.org, RFC 2782), or the names of an address. It asks the
// name servers of the system, and says which these are. The error says what to do.
func Resolve(ctx context.Context, name string, tell func(line string)) error {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	servers, err := NameServers()
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		tell("no name server is known: set uplink dns ADDRESS, or have DHCP say one")
	} else {
		tell("asking " + strings.Join(servers, ", "))
	}
	began := time.Now()
	found, err := lookup(ctx, name)
	took := time.Since(began).Round(100 * time.Microsecond)
	if err != nil {
		return fmt.Errorf("after %s: %w", took, plain(err))
	}
	for _, l := range found {
		tell(l)
	}
	tell(fmt.Sprintf("%d found in %s", len(found), took))
	return nil
}

func lookup(ctx context.Context, name string) (found []string, err error) {
	var r net.Resolver
	if a, err := netip.ParseAddr(name); err == nil {
		names, err := r.LookupAddr(ctx, a.String())
		for _, n := range names {
			found = append(found, fmt.Sprintf("%s is %s", a, strings.TrimSuffix(n, ".")))
		}
		return found, err
	}
	if strings.HasPrefix(name, "_") {
		_, servers, err := r.LookupSRV(ctx, "", "", name)
		for _, s := range servers {
			found = append(found, fmt.Sprintf("%s port %d, priority %d, weight %d", strings.TrimSuffix(s.Target, "."), s.Port, s.Priority, s.Weight))
		}
		return found, err
	}
	addrs, err := r.LookupNetIP(ctx, "ip", name)
	for _, a := range addrs {
		found = append(found, fmt.Sprintf("%s is %s", name, a.Unmap()))
	}
	return found, err
}

// plain says in words what may be done about an answer that is none.
func plain(err error) error {
	var d *net.DNSError
	switch {
	case !errors.As(err, &d):
		return err
	case d.IsNotFound:
		return fmt.Errorf("%s: no such name, or none of that kind", d.Name)
	case d.IsTimeout:
		return fmt.Errorf("%s: no name server answers: are they reached? (ping, test uplink)", d.Name)
	}
	return err
}

// NameServers are those that the system asks.
func NameServers() ([]string, error) { return nameServers(resolvConf) }

// nameServers reads resolv.conf(5). A file that is not there names none.
func nameServers(path string) (servers []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	return servers, nil
}
