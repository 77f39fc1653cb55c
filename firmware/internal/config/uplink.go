package config

import (
	"fmt"
	"net/netip"
)

// Uplink is the port that the box itself talks over. Only the appliance, where
// heptap is all there is, sets it up; elsewhere somebody else has done so.
type Uplink struct {
	Interface string       // network device; empty means none
	Backup    string       // that takes over while Interface has no carrier; empty means none
	VLAN      int          // on which the box talks; 0 means none
	Address   netip.Prefix // the box's own; invalid means by DHCP
	Gateway   netip.Addr   // invalid means what DHCP says
	IPv6      IPv6
	IPv6Via   netip.Addr // default route of IPv6 beside an address of it; invalid means none
	DNS       List       // addresses of name servers; none means what DHCP and routers say
}

// IPv6 is where the box has its IPv6 address from, besides Uplink.Address.
type IPv6 struct {
	Auto    bool         // from routers (SLAAC), and by DHCPv6 where they say so
	Address netip.Prefix // this one; with neither, there is none
}

// Device is the name of what addresses are given to: the interface itself, or
// what is made of it.
func (u *Uplink) Device() string {
	switch {
	case u.Interface == "":
		return ""
	case u.VLAN != 0:
		return fmt.Sprintf("%s.%d", uplinkName, u.VLAN)
	case u.Backup != "":
		return uplinkName
	}
	return u.Interface
}

// Bond is the name of the bond of Interface and Backup, empty if there is none.
func (u *Uplink) Bond() string {
	if u.Interface == "" || u.Backup == "" {
		return ""
	}
	return uplinkName
}

const uplinkName = "uplink"

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
		if p.Interface != "" && (p.Interface == c.Uplink.Interface || p.Interface == c.Uplink.Backup) {
			return fmt.Errorf("%s: uplink interface %s: it is mirror port %s, which must never send", name, p.Interface, p.Name)
		}
	}
	switch u := &c.Uplink; {
	case u.Backup != "" && u.Interface == "":
		return fmt.Errorf("%s: uplink backup %s: of what? set uplink interface DEVICE", name, u.Backup)
	case u.Backup != "" && u.Backup == u.Interface:
		return fmt.Errorf("%s: uplink backup %s: it is the uplink interface itself", name, u.Backup)
	case u.Address.IsValid() && u.Address.Addr().Is6() && u.IPv6.Address.IsValid():
		return fmt.Errorf("%s: uplink address and uplink ipv6 are both of IPv6: set uplink address dhcp", name)
	case u.IPv6Via.IsValid() && !u.IPv6.Address.IsValid():
		return fmt.Errorf("%s: uplink ipv6-gateway goes with an address: set uplink ipv6 ADDRESS/LENGTH", name)
	case u.Gateway.IsValid() && u.Gateway.Is6() != (u.Address.IsValid() && u.Address.Addr().Is6()):
		return fmt.Errorf("%s: uplink gateway %s: not of the family of the uplink address; for IPv6: set uplink ipv6-gateway", name, u.Gateway)
	}
	return nil
}

func uplinkOptions() []Option {
	return []Option{
		single("uplink interface", "DEVICE", "none", "on the appliance: network device that the box itself talks over; elsewhere nothing is done with these", "enp1s0",
			func(c *Config) *string { return &c.Uplink.Interface }, device),
		single("uplink backup", "DEVICE", "none", "a second one: together they are a bond of which one is used, this one while the first has no link", "enp3s0",
			func(c *Config) *string { return &c.Uplink.Backup }, device),
		single("uplink vlan", "ID", "none", "the tagged VLAN in which the box talks, 1 to 4094", "100",
			func(c *Config) *int { return &c.Uplink.VLAN }, number[int](1, 4094)),
		single("uplink address", "dhcp|ADDRESS/LENGTH", "", "its address and the length of the network's prefix", "192.0.2.20/24",
			func(c *Config) *netip.Prefix { return &c.Uplink.Address }, hostOrDHCP),
		single("uplink gateway", "ADDRESS", "what DHCP says", "where the default route leads", "192.0.2.1",
			func(c *Config) *netip.Addr { return &c.Uplink.Gateway }, hostAddress),
		single("uplink ipv6", "auto|off|ADDRESS/LENGTH", "", "IPv6 beside that: from routers (SLAAC), and by DHCPv6 where they say so; none; or this address", "2001:db8::20/64",
			func(c *Config) *IPv6 { return &c.Uplink.IPv6 }, autoconf),
		single("uplink ipv6-gateway", "ADDRESS", "none", "where the default route of IPv6 leads, with uplink ipv6 ADDRESS/LENGTH", "2001:db8::1",
			func(c *Config) *netip.Addr { return &c.Uplink.IPv6Via }, hostAddress),
		single("uplink dns", "ADDRESS", "what DHCP and routers say", "name servers; several with commas between them", "192.0.2.53,2001:db8::53",
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
	autoconf = kind[IPv6]{
		parse: func(s string) (IPv6, error) {
			switch s {
			case "auto":
				return IPv6{Auto: true}, nil
			case "off":
				return IPv6{}, nil
			}
			p, err := netip.ParsePrefix(s)
			return IPv6{Address: p}, need(err == nil && usable(p.Addr()) && p.Addr().Is6(), "auto, off, or an address with the length of its network such as 2001:db8::20/64")
		},
		format: func(v IPv6) string {
			switch {
			case v.Auto:
				return "auto"
			case v.Address.IsValid():
				return v.Address.String()
			}
			return "off"
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
