package appliance

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/config"
	"heptap/hal"
	"heptap/hal/haltest"
)

// portRig is a port under test.
type portRig struct {
	*port
	addrs   *haltest.Addresses
	dhcp    *fakeDHCP
	changed chan struct{}
	state   hal.LinkState
	servers []netip.Addr
	time    []netip.Addr
	log     text
}

func newPort(cfg config.Uplink, answer func(renew bool) (Lease, error)) *portRig {
	u := &portRig{addrs: haltest.NewAddresses("eth0"), dhcp: &fakeDHCP{answer: answer, made: time.Now()}, changed: make(chan struct{}, 1)}
	u.state, _ = up()
	cfg.Interface = "eth0"
	found := &findings{dns: cfg.Servers(), resolve: func(s []netip.Addr) error { u.servers = s; return nil }, times: func(s []netip.Addr) { u.time = s }, log: logTo(&u.log)}
	u.port = &port{device: "eth0", static: hal.Assignment{Address: cfg.Address, Gateway: cfg.Gateway}, gateway: cfg.Gateway, addrs: u.addrs, dhcp: u.dhcp, log: logTo(&u.log), changed: u.changed,
		state: func() (hal.LinkState, error) { return u.state, nil },
		told:  func(l Lease) { found.note(byIPv4, l.DNS, l.Time) }}
	return u
}

// has checks the address, empty for none.
func (u *portRig) has(t *testing.T, address string) {
	t.Helper()
	i, _ := u.addrs.Interface("eth0")
	got := ""
	if i.IP4.Address.IsValid() {
		got = i.IP4.Address.String()
	}
	if got != address {
		t.Errorf("address %q, want %q; log:\n%s", got, address, u.log.String())
	}
}

func (u *portRig) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { u.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

func hour(address string) Lease {
	return Lease{Assignment: hal.Assignment{Address: netip.MustParsePrefix(address), Gateway: netip.MustParseAddr("192.0.2.1")},
		DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}, Renew: 30 * time.Minute, Rebind: 52 * time.Minute, Expire: time.Hour}
}

func TestPortStatic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPort(config.Uplink{Address: netip.MustParsePrefix("198.51.100.5/24"), Gateway: netip.MustParseAddr("198.51.100.1"), DNS: "198.51.100.53"}, nil)
		u.state.Exists = false
		u.start(t)
		u.has(t, "")
		u.state.Exists = true // a USB adapter that came late
		u.changed <- struct{}{}
		synctest.Wait()
		u.has(t, "198.51.100.5/24")
		i, _ := u.addrs.Interface("eth0")
		if !i.Up || i.IP4.Gateway != netip.MustParseAddr("198.51.100.1") || !reflect.DeepEqual(u.servers, []netip.Addr{netip.MustParseAddr("198.51.100.53")}) {
			t.Errorf("%+v, name servers %v", i, u.servers)
		}
	})
}

func TestPortLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPort(config.Uplink{}, func(bool) (Lease, error) { return hour("192.0.2.9/24"), nil })
		u.start(t)
		u.has(t, "192.0.2.9/24")
		pass(time.Hour + time.Minute)
		if want := []string{"acquire 0s", "renew 30m0s", "renew 1h0m0s"}; !reflect.DeepEqual(u.dhcp.sofar(), want) {
			t.Errorf("asked %q, want %q", u.dhcp.sofar(), want)
		}
		u.has(t, "192.0.2.9/24")
	})
}

// A server that is away: attempts at half of the time that is left, then any
// server, and the address goes when its time is over.
func TestPortExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		u := newPort(config.Uplink{}, func(bool) (Lease, error) {
			if gone.Load() {
				return Lease{}, errors.New("no answer")
			}
			return hour("192.0.2.9/24"), nil
		})
		u.start(t)
		gone.Store(true)
		pass(time.Hour - time.Second)
		u.has(t, "192.0.2.9/24")
		pass(2 * time.Second)
		u.has(t, "")
		renews := 0
		for _, a := range u.dhcp.sofar() {
			if strings.HasPrefix(a, "renew") {
				renews++
			}
		}
		// At 30, 41, 46.5, 49.25, 50.6 and 51.6 min: half of what is left to 52, at least a minute.
		if renews != 6 {
			t.Errorf("renewed %d times: %q", renews, u.dhcp.sofar())
		}
		gone.Store(false)
		pass(2 * time.Minute)
		u.has(t, "192.0.2.9/24")
	})
}

func TestPortRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := "192.0.2.9/24"
		u := newPort(config.Uplink{}, func(renew bool) (Lease, error) {
			if renew {
				next = "192.0.2.77/24"
				return Lease{}, ErrRefused
			}
			return hour(next), nil
		})
		u.start(t)
		pass(31 * time.Minute)
		u.has(t, "192.0.2.77/24")
		if !strings.Contains(u.log.String(), "address given up") {
			t.Error(u.log.String())
		}
	})
}

// After the cable was out the network may be another one: the address is asked
// for again, and used until then.
func TestPortReplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := "192.0.2.9/24"
		u := newPort(config.Uplink{}, func(bool) (Lease, error) { return hour(next), nil })
		u.start(t)
		next = "198.51.100.4/24"
		u.state.Carrier = false
		u.changed <- struct{}{}
		synctest.Wait()
		u.has(t, "192.0.2.9/24")
		u.state.Carrier = true
		u.changed <- struct{}{}
		synctest.Wait()
		u.has(t, "198.51.100.4/24")
		if want := []netip.Addr{{}, netip.MustParseAddr("192.0.2.9")}; !reflect.DeepEqual(u.dhcp.wishes, want) {
			t.Errorf("wished for %v, want %v", u.dhcp.wishes, want)
		}
	})
}

func TestPortWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPort(config.Uplink{}, func(bool) (Lease, error) { return Lease{}, errors.New("no answer") })
		u.start(t)
		pass(10 * time.Minute)
		// 0, 1, 3, 7, 15, 31, 63 s, then every minute.
		if n := len(u.dhcp.sofar()); n != 16 && n != 15 {
			t.Errorf("asked %d times: %q", n, u.dhcp.sofar())
		}
		if n := strings.Count(u.log.String(), "no address by DHCP yet"); n != 1 {
			t.Errorf("said so %d times", n)
		}
	})
}

// The configuration has the last word.
func TestPortOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPort(config.Uplink{Gateway: netip.MustParseAddr("192.0.2.254"), DNS: "192.0.2.99"}, func(bool) (Lease, error) { return hour("192.0.2.9/24"), nil })
		u.start(t)
		i, _ := u.addrs.Interface("eth0")
		if i.IP4.Gateway != netip.MustParseAddr("192.0.2.254") || len(u.servers) != 1 || u.servers[0] != netip.MustParseAddr("192.0.2.99") {
			t.Errorf("%+v, name servers %v", i.IP4, u.servers)
		}
	})
}

func TestResolver(t *testing.T) {
	if got := resolver([]netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}); got != "nameserver 192.0.2.53\nnameserver 2001:db8::53\n" {
		t.Errorf("%q", got)
	}
}
