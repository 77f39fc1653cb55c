package config

import (
	"fmt"
	"net/netip"
)

// Uplink is the port that the box itself talks over. Only the appliance, where
// heptap is all there is, sets it up; elsewhere somebody else has done so.
type Uplink struct {
	Interface string       // network device; empty means none
	Address   netip.Prefix // the box's own; invalid means by DHCP
	Gateway   netip.Addr   // invalid means what DHCP says
	DNS       List         // addresses of name servers; none means what DHCP says
}

// Servers returns the name servers.
func (u *Uplink) Servers() (out []netip.Addr) {
	for _, s := range u.DNS.Items() {
		if a, err := netip.ParseAddr(s); err == nil { // checked when it was read
			out = append(out, a)
		}
	}
	return out
}

func (c *Config) checkUplink(name string) error {
	for _, p := range c.Ports {
		if c.Uplink.Interface != "" && p.Interface == c.Uplink.Interface {
			return fmt.Errorf("%s: uplink interface %s: it is mirror port %s, which must never send", name, p.Interface, p.Name)
		}
	}
	return nil
}

func uplinkOptions() []Option {
	return []Option{
		single("uplink interface", "DEVICE", "none", "on the appliance: network device that the box itself talks over; elsewhere nothing is done with these four", "enp1s0",
			func(c *Config) *string { return &c.Uplink.Interface }, device),
		single("uplink address", "dhcp|ADDRESS/LENGTH", "", "its address and the length of the network's prefix", "192.0.2.20/24",
			func(c *Config) *netip.Prefix { return &c.Uplink.Address }, hostOrDHCP),
		single("uplink gateway", "ADDRESS", "what DHCP says", "where the default route leads", "192.0.2.1",
			func(c *Config) *netip.Addr { return &c.Uplink.Gateway }, hostAddress),
		single("uplink dns", "ADDRESS", "what DHCP says", "name servers; several with commas between them", "192.0.2.53,2001:db8::53",
			func(c *Config) *List { return &c.Uplink.DNS }, hostAddresses),
	}
}

var (
	hostOrDHCP = kind[netip.Prefix]{
		parse: func(s string) (netip.Prefix, error) {
			if s == "dhcp" {
				return netip.Prefix{}, nil
			}
			p, err := netip.ParsePrefix(s)
			return p, need(err == nil && usable(p.Addr()), "dhcp, or an address with the length of its network such as 192.0.2.20/24")
		},
		format: func(p netip.Prefix) string {
			if !p.IsValid() {
				return "dhcp"
			}
			return p.String()
		},
	}
	hostAddress = kind[netip.Addr]{
		parse: func(s string) (netip.Addr, error) {
			a, err := netip.ParseAddr(s)
			return a, need(err == nil && usable(a), "an address such as 192.0.2.1")
		},
		format: func(a netip.Addr) string {
			if !a.IsValid() {
				return ""
			}
			return a.String()
		},
	}
	hostAddresses = str[List](func(s string) error {
		return checkList(s, 4, func(item string) error {
			a, err := netip.ParseAddr(item)
			return need(err == nil && usable(a), "addresses such as 192.0.2.53")
		})
	})
)

// usable says whether a host may have that address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == "" && !a.Is4In6()
}
