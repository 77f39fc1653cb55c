package config_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"heptap/firmware/internal/config"
)

func TestUplink(t *testing.T) {
	c := parse(t, "set uplink interface eth0\n")
	if want := (config.Uplink{Interface: "eth0", IPv6: config.IPv6{Auto: true}}); c.Uplink != want {
		t.Errorf("DHCP: %+v, want %+v", c.Uplink, want)
	}
	c = parse(t, "set uplink interface enp1s0\nset uplink address 192.0.2.20/24\nset uplink gateway 192.0.2.1\nset uplink dns 192.0.2.53,2001:db8::53\n")
	if c.Uplink.Address != netip.MustParsePrefix("192.0.2.20/24") || c.Uplink.Gateway != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("static: %+v", c.Uplink)
	}
	if got, want := c.Uplink.Servers(), []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}; !reflect.DeepEqual(got, want) {
		t.Errorf("name servers %v, want %v", got, want)
	}
	for _, text := range []string{
		"set uplink address 192.0.2.20", "set uplink address 0.0.0.0/0", "set uplink address dhcpv6", "set uplink address ::ffff:192.0.2.1/120",
		"set uplink gateway 224.0.0.1", "set uplink gateway fe80::1%eth0", "set uplink dns 192.0.2.53,ns.example.com",
		"set capture span0 interface eth1\nset uplink interface eth1",
		"set capture span0 interface eth1\nset uplink interface eth0\nset uplink backup eth1",
		"set uplink backup eth1", "set uplink interface eth0\nset uplink backup eth0", "set uplink vlan 0", "set uplink vlan 4095",
		"set uplink ipv6 192.0.2.1/24", "set uplink ipv6 2001:db8::1", "set uplink ipv6-gateway 2001:db8::1",
		"set uplink address 2001:db8::1/64\nset uplink ipv6 2001:db8::2/64", "set uplink gateway 2001:db8::1",
		"set uplink address 2001:db8::2/64\nset uplink gateway 192.0.2.1",
	} {
		if _, err := config.Parse(strings.NewReader(text), "test"); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestUplinkDevice(t *testing.T) {
	for text, want := range map[string][2]string{ // device, bond
		"":                          {"", ""},
		"set uplink interface eth0": {"eth0", ""},
		"set uplink vlan 7":         {"", ""},
		"set uplink interface eth0\nset uplink vlan 7":                                                 {"uplink.7", ""},
		"set uplink interface eth0\nset uplink backup eth1":                                            {"uplink", "uplink"},
		"set uplink interface eth0\nset uplink backup eth1\nset uplink vlan 4094\nset uplink ipv6 off": {"uplink.4094", "uplink"},
	} {
		c := parse(t, text+"\n")
		if got := [2]string{c.Uplink.Device(), c.Uplink.Bond()}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	c := parse(t, "set uplink interface eth0\nset uplink ipv6 2001:db8::20/64\nset uplink ipv6-gateway 2001:db8::1\n")
	if c.Uplink.IPv6 != (config.IPv6{Address: netip.MustParsePrefix("2001:db8::20/64")}) || c.Uplink.IPv6Via != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("%+v", c.Uplink)
	}
}
