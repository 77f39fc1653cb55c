package appliance

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"heptap/firmware/internal/config"
	"heptap/hal"
	"heptap/hal/haltest"
)

// fakeRouters say what they are told to.
type fakeRouters struct {
	mu    sync.Mutex
	heard map[string]func(Advert)
}

func (r *fakeRouters) Listen(ctx context.Context, device string, heard func(Advert)) error {
	r.mu.Lock()
	r.heard[device] = heard
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	delete(r.heard, device)
	r.mu.Unlock()
	return nil
}

// say returns the devices on which somebody listened.
func (r *fakeRouters) say(a Advert) (devices []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d, heard := range r.heard {
		devices = append(devices, d)
		heard(a)
	}
	return devices
}

// fakeDHCP6 is a server of IPv6.
type fakeDHCP6 struct{ fakeDHCP }

func (d *fakeDHCP6) Inform(context.Context, string) (dns, times []netip.Addr, err error) {
	_, _ = d.ask("inform", false)
	return []netip.Addr{netip.MustParseAddr("2001:db8::53")}, []netip.Addr{netip.MustParseAddr("2001:db8::123")}, nil
}

// uplinkRig is an uplink under test.
type uplinkRig struct {
	*uplink
	fake    *haltest.Addresses
	dhcp4   *fakeDHCP
	dhcp6   *fakeDHCP6
	routers *fakeRouters

	mu     sync.Mutex
	dns    []netip.Addr
	clocks []string // as they were told, one after the other
	shown  map[string]string
}

// told returns the name servers, and the time servers one after the other.
func (r *uplinkRig) told() (dns []netip.Addr, clocks []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.dns), slices.Compact(slices.Clone(r.clocks))
}

// says returns what is shown of something.
func (r *uplinkRig) says(what string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown[what]
}

func newUplinkRig(t *testing.T) *uplinkRig {
	r := &uplinkRig{fake: haltest.NewAddresses("eth0", "eth1", "eth2"), shown: map[string]string{}, routers: &fakeRouters{heard: map[string]func(Advert){}}}
	r.dhcp4 = &fakeDHCP{made: time.Now(), answer: func(bool) (Lease, error) {
		l := hour("192.0.2.9/24")
		l.Time = []netip.Addr{netip.MustParseAddr("192.0.2.123")}
		return l, nil
	}}
	r.dhcp6 = &fakeDHCP6{fakeDHCP{made: time.Now(), answer: func(bool) (Lease, error) {
		return Lease{Assignment: hal.Assignment{Address: netip.MustParsePrefix("2001:db8::9/128")}, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::54")},
			Renew: 30 * time.Minute, Rebind: 48 * time.Minute, Expire: time.Hour}, nil
	}}}
	r.uplink = &uplink{links: &fakeLinks{Addresses: r.fake}, dhcp: r.dhcp4, dhcp6: r.dhcp6, routers: r.routers, log: logTo(&text{}),
		resolve: func(s []netip.Addr) error { r.mu.Lock(); r.dns = s; r.mu.Unlock(); return nil },
		times: func(s []netip.Addr) {
			var all []string
			for _, a := range s {
				all = append(all, a.String())
			}
			r.mu.Lock()
			r.clocks = append(r.clocks, strings.Join(all, " "))
			r.mu.Unlock()
		},
		show: func(what, text string) { r.mu.Lock(); r.shown[what] = text; r.mu.Unlock() }}
	t.Cleanup(func() { r.stop() })
	return r
}

// is checks what an interface is like.
func (r *uplinkRig) is(t *testing.T, name string, want haltest.Interface) {
	t.Helper()
	got, ok := r.fake.Interface(name)
	if !ok || got != want {
		t.Errorf("%s is %+v, %v, want %+v", name, got, ok, want)
	}
}

func (r *uplinkRig) want(t *testing.T, c config.Uplink) {
	r.set(t.Context(), c)
	pass(time.Second)
}

var dhcp4 = hal.Assignment{Address: netip.MustParsePrefix("192.0.2.9/24"), Gateway: netip.MustParseAddr("192.0.2.1")}

// A configuration that changes while the box runs: what is not in the new one goes.
func TestUplinkChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUplinkRig(t)
		auto := config.IPv6{Auto: true}
		r.want(t, config.Uplink{Interface: "eth0", IPv6: auto})
		r.is(t, "eth0", haltest.Interface{Up: true, IP4: dhcp4, Auto: true})
		asked := len(r.dhcp4.sofar())
		r.want(t, config.Uplink{Interface: "eth0", IPv6: auto})
		if n := len(r.dhcp4.sofar()); n != asked {
			t.Error("the same configuration asked for an address again")
		}

		r.want(t, config.Uplink{Interface: "eth0", VLAN: 7, IPv6: auto})
		r.is(t, "eth0", haltest.Interface{Up: true})
		r.is(t, "uplink.7", haltest.Interface{Up: true, Parent: "eth0", VLAN: 7, IP4: dhcp4, Auto: true})

		static := hal.Assignment{Address: netip.MustParsePrefix("198.51.100.5/24"), Gateway: netip.MustParseAddr("198.51.100.1")}
		r.want(t, config.Uplink{Interface: "eth0", VLAN: 8, Address: static.Address, Gateway: static.Gateway})
		if _, ok := r.fake.Interface("uplink.7"); ok {
			t.Error("the old VLAN is still there")
		}
		r.is(t, "uplink.8", haltest.Interface{Up: true, Parent: "eth0", VLAN: 8, IP4: static})

		r.want(t, config.Uplink{Interface: "eth0", Backup: "eth1", VLAN: 8, Address: static.Address})
		r.is(t, "uplink", haltest.Interface{Up: true, Members: "eth0 eth1"})
		r.is(t, "uplink.8", haltest.Interface{Up: true, Parent: "uplink", VLAN: 8, IP4: hal.Assignment{Address: static.Address}})

		six := hal.Assignment{Address: netip.MustParsePrefix("2001:db8::5/64"), Gateway: netip.MustParseAddr("2001:db8::1")}
		r.want(t, config.Uplink{Interface: "eth1", IPv6: config.IPv6{Address: six.Address}, IPv6Via: six.Gateway})
		for _, gone := range []string{"uplink", "uplink.8"} {
			if _, ok := r.fake.Interface(gone); ok {
				t.Errorf("%s is still there", gone)
			}
		}
		r.is(t, "eth0", haltest.Interface{Up: true})
		r.is(t, "eth1", haltest.Interface{Up: true, IP4: dhcp4, IP6: six})

		r.want(t, config.Uplink{Interface: "eth1", Address: six.Address})
		r.is(t, "eth1", haltest.Interface{Up: true, IP6: hal.Assignment{Address: six.Address}})
		r.want(t, config.Uplink{Interface: "eth1"})
		r.is(t, "eth1", haltest.Interface{Up: true, IP4: dhcp4})

		r.want(t, config.Uplink{})
		r.is(t, "eth1", haltest.Interface{Up: true})
		if i, _ := r.fake.Interface("eth2"); i != (haltest.Interface{}) {
			t.Errorf("what is none of its business was touched: %+v", i)
		}
		if got := r.says("uplink"); !strings.HasPrefix(got, "none configured") {
			t.Errorf("shown: %q", got)
		}
	})
}

// An adapter that comes late becomes part of the bond.
func TestUplinkLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUplinkRig(t)
		r.want(t, config.Uplink{Interface: "usb0", Backup: "usb1"})
		if _, ok := r.fake.Interface("uplink"); ok {
			t.Fatal("a bond of nothing")
		}
		if err := r.fake.Rename("eth2", "usb1"); err != nil {
			t.Fatal(err)
		}
		r.poke()
		pass(time.Second)
		r.poke() // the bond has come
		pass(time.Second)
		r.is(t, "uplink", haltest.Interface{Up: true, Members: "usb1", IP4: dhcp4})
	})
}

// Routers say where there is more to be had.
func TestUplinkRouters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUplinkRig(t)
		r.want(t, config.Uplink{Interface: "eth0", IPv6: config.IPv6{Auto: true}})
		own := netip.MustParseAddr("2001:db8::1")
		if got := r.routers.say(Advert{DNS: []netip.Addr{own}}); !slices.Equal(got, []string{"eth0"}) {
			t.Fatalf("listened on %q", got)
		}
		pass(time.Second)
		dns, _ := r.told()
		if want := []netip.Addr{netip.MustParseAddr("192.0.2.53"), own}; !slices.Equal(dns, want) || len(r.dhcp6.sofar()) != 0 {
			t.Errorf("name servers %v, want %v; asked %q", dns, want, r.dhcp6.sofar())
		}
		r.routers.say(Advert{Other: true})
		pass(time.Second)
		_, clocks := r.told()
		if want := []string{"192.0.2.123", "192.0.2.123 2001:db8::123"}; !slices.Equal(clocks, want) {
			t.Errorf("time servers %q, want %q", clocks, want)
		}
		r.routers.say(Advert{Managed: true, Other: true})
		r.routers.say(Advert{Managed: true})
		pass(time.Second)
		r.is(t, "eth0", haltest.Interface{Up: true, IP4: dhcp4, Auto: true, IP6: hal.Assignment{Address: netip.MustParsePrefix("2001:db8::9/128")}})
		dns, _ = r.told()
		if want := []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::54")}; !slices.Equal(dns, want) {
			t.Errorf("name servers %v, want %v", dns, want)
		}
		pass(31 * time.Minute)
		asked := r.dhcp6.sofar()
		for i := range asked {
			asked[i], _, _ = strings.Cut(asked[i], " ")
		}
		if want := []string{"inform", "acquire", "renew"}; !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
		r.want(t, config.Uplink{Interface: "eth0", IPv6: config.IPv6{}})
		r.is(t, "eth0", haltest.Interface{Up: true, IP4: dhcp4})
		if got := r.routers.say(Advert{}); len(got) != 0 {
			t.Errorf("still listened on %q", got)
		}
	})
}

// Whether there are time servers is not said before it is known.
func TestFindingsTimes(t *testing.T) {
	var told [][]netip.Addr
	a := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	f := &findings{waits: true, resolve: func([]netip.Addr) error { return nil }, times: func(s []netip.Addr) { told = append(told, s) }, log: logTo(&text{})}
	f.note("", nil, nil)
	f.note(byRouters, a, nil)
	if len(told) != 0 {
		t.Errorf("told %v", told)
	}
	f.note(byIPv6, nil, a)
	f.note(byIPv4, a, nil)
	f.note(byIPv4, a, a)
	if want := [][]netip.Addr{a, a, a}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// advert is the message of RFC 4861, 4.2 with flags and options.
func advert(flags byte, options ...[]byte) []byte {
	b := []byte{134, 0, 0xab, 0xcd, 64, flags, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, o := range options {
		b = append(b, o...)
	}
	return b
}

// rdnss is the option of RFC 8106, 5.1.
func rdnss(life uint32, addrs ...string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{25, byte(1 + 2*len(addrs)), 0, 0}, life)
	for _, a := range addrs {
		x := netip.MustParseAddr(a).As16()
		b = append(b, x[:]...)
	}
	return b
}

func TestParseAdvert(t *testing.T) {
	mtu := []byte{5, 1, 0, 0, 0, 0, 5, 0xdc}
	addr := netip.MustParseAddr
	for _, tt := range []struct {
		name string
		in   []byte
		want Advert
		err  bool
	}{
		{"plain", advert(0), Advert{}, false},
		{"managed", advert(0x80, mtu), Advert{Managed: true}, false},
		{"other, home agent", advert(0x60), Advert{Other: true}, false},
		{"name servers", advert(0, mtu, rdnss(600, "2001:db8::53", "fe80::1")), Advert{DNS: []netip.Addr{addr("2001:db8::53"), addr("fe80::1")}}, false},
		{"not any more", advert(0, rdnss(0, "2001:db8::53")), Advert{}, false},
		{"no hosts", advert(0, rdnss(9, "::", "ff02::1", "::1", "::ffff:192.0.2.1")), Advert{}, false},
		{"too many", advert(0, rdnss(9, "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4")), Advert{DNS: []netip.Addr{addr("2001:db8::1"), addr("2001:db8::2"), addr("2001:db8::3")}}, false},
		{"half an address", advert(0, []byte{25, 2, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8}), Advert{}, false},
		{"solicitation", append([]byte{133}, advert(0)[1:]...), Advert{}, true},
		{"code", []byte{134, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Advert{}, true},
		{"option of nothing", advert(0, []byte{5, 0, 0, 0, 0, 0, 0, 0}), Advert{}, true},
		{"short", advert(0)[:15], Advert{}, true},
		{"option cut", advert(0, rdnss(9, "2001:db8::1"))[:39], Advert{}, true},
		{"option's head cut", advert(0, []byte{5, 1, 0}), Advert{}, true},
	} {
		got, err := parseAdvert(tt.in)
		if !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.err {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	whole := advert(0xc0, mtu, rdnss(600, "2001:db8::53"))
	for n := range whole {
		if _, err := parseAdvert(whole[:n]); (err == nil) != (n == 16 || n == 24) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
}

func FuzzAdvert(f *testing.F) {
	f.Add(advert(0xc0, []byte{5, 1, 0, 0, 0, 0, 5, 0xdc}, rdnss(600, "2001:db8::53")))
	f.Add([]byte{134})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAdvert(b)
		if err != nil && !reflect.DeepEqual(a, Advert{}) {
			t.Error("something with an error")
		}
		if len(a.DNS) > dnsKept {
			t.Error("too many name servers")
		}
		for _, d := range a.DNS {
			if !d.Is6() || d.IsMulticast() || d.IsUnspecified() || d.IsLoopback() {
				t.Errorf("%v", d)
			}
		}
	})
}

func TestLeaseOf6(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	address := func(a string, valid time.Duration) *dhcpv6.OptIAAddress {
		return &dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(a), PreferredLifetime: valid, ValidLifetime: valid}
	}
	ia := func(t1, t2 time.Duration, options ...dhcpv6.Option) *dhcpv6.OptIANA {
		return &dhcpv6.OptIANA{T1: t1, T2: t2, Options: dhcpv6.IdentityOptions{Options: options}}
	}
	status := func(c iana.StatusCode) dhcpv6.Option { return &dhcpv6.OptStatusCode{StatusCode: c} }
	for _, tt := range []struct {
		name                  string
		options               []dhcpv6.Option
		address               string
		renew, rebind, expire time.Duration
		refused               bool
	}{
		{"full", []dhcpv6.Option{ia(1000*time.Second, 2000*time.Second, address("2001:db8::5", time.Hour))}, "2001:db8::5/128", 1000 * time.Second, 2000 * time.Second, time.Hour, false},
		{"without times", []dhcpv6.Option{ia(0, 0, address("2001:db8::5", time.Hour))}, "2001:db8::5/128", 30 * time.Minute, 48 * time.Minute, time.Hour, false},
		{"for ever", []dhcpv6.Option{ia(forever, forever, address("2001:db8::5", forever))}, "2001:db8::5/128", forever, forever, forever, false},
		{"very short", []dhcpv6.Option{ia(time.Second, 2*time.Second, address("2001:db8::5", 3*time.Second))}, "2001:db8::5/128", time.Second, 2 * time.Second, 2 * time.Minute, false},
		{"over", []dhcpv6.Option{ia(0, 0, address("2001:db8::5", 0))}, "", 0, 0, 0, true},
		{"no addresses", []dhcpv6.Option{ia(0, 0, status(iana.StatusNoAddrsAvail))}, "", 0, 0, 0, true},
		{"no binding", []dhcpv6.Option{status(iana.StatusNoBinding)}, "", 0, 0, 0, true},
		{"nothing", nil, "", 0, 0, 0, false},
		{"an empty association", []dhcpv6.Option{ia(0, 0)}, "", 0, 0, 0, false},
		{"link-local", []dhcpv6.Option{ia(0, 0, address("fe80::5", time.Hour))}, "", 0, 0, 0, false},
		{"multicast", []dhcpv6.Option{ia(0, 0, address("ff02::5", time.Hour))}, "", 0, 0, 0, false},
		{"IPv4", []dhcpv6.Option{ia(0, 0, address("192.0.2.1", time.Hour))}, "", 0, 0, 0, false},
	} {
		m, err := dhcpv6.NewMessage()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range tt.options {
			m.AddOption(o)
		}
		l, err := leaseOf6(m, now)
		if tt.address == "" {
			if err == nil || errors.Is(err, ErrRefused) != tt.refused {
				t.Errorf("%s: %+v, %v", tt.name, l, err)
			}
			continue
		}
		if err != nil || l.Address.String() != tt.address || l.Renew != tt.renew || l.Rebind != tt.rebind || l.Expire != tt.expire || !l.Granted.Equal(now) {
			t.Errorf("%s: %+v, %v", tt.name, l, err)
		}
	}
	m, _ := dhcpv6.NewMessage(dhcpv6.WithDNS(net.ParseIP("2001:db8::53"), net.ParseIP("ff02::1")))
	sub := dhcpv6.NTPSuboptionSrvAddr(net.ParseIP("2001:db8::123"))
	m.AddOption(&dhcpv6.OptNTPServer{Suboptions: dhcpv6.Options{&sub}})
	dns, times := servers6(m)
	if len(dns) != 1 || dns[0] != netip.MustParseAddr("2001:db8::53") || len(times) != 1 || times[0] != netip.MustParseAddr("2001:db8::123") {
		t.Errorf("servers %v, %v", dns, times)
	}
}

func TestBoxSettings(t *testing.T) {
	cfg := config.Default()
	cfg.System.Node, cfg.System.AgentID = "box 1", 7
	cfg.Uplink.Interface, cfg.Uplink.VLAN = "eth0", 7
	if got, want := Settings(cfg), "set system node \"box 1\"\nset uplink interface eth0\nset uplink vlan 7\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
