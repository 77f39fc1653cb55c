package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
	"heptap/hal"
	"heptap/hal/links"
)

// inside is set where the test runs in the box's network namespace.
const inside = "HEPTAP_TEST_IN_NAMESPACE"

// TestUplinkDnsmasq has a server of somebody else's give out addresses by DHCP, by
// DHCPv6 and as a router, each in a network namespace of its own.
func TestUplinkDnsmasq(t *testing.T) {
	if os.Getenv(inside) != "" {
		boxSide(t)
		return
	}
	refuse := t.Skipf
	if os.Getenv("CI") == "true" {
		refuse = t.Fatalf
	}
	for _, program := range []string{"ip", "dnsmasq"} {
		if _, err := exec.LookPath(program); err != nil {
			refuse("%v", err)
		}
	}
	if os.Getuid() != 0 {
		refuse("not root")
	}
	box, far := fmt.Sprintf("htub%d", os.Getpid()), fmt.Sprintf("htuf%d", os.Getpid())
	for _, ns := range []string{box, far} {
		command(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { command(t, "ip", "netns", "del", ns) })
	}
	in := func(ns string, args ...string) []string { return append([]string{"ip", "netns", "exec", ns}, args...) }
	command(t, "ip", "-n", box, "link", "add", "uplink0", "type", "veth", "peer", "name", "far0", "netns", far)
	command(t, in(box, "sysctl", "-qw", "net.ipv6.conf.uplink0.disable_ipv6=1")...)
	for _, line := range []string{"addr add 192.0.2.1/24 dev far0", "-6 addr add 2001:db8::1/64 dev far0 nodad", "link set far0 up", "link set lo up"} {
		command(t, append([]string{"ip", "-n", far}, strings.Fields(line)...)...)
	}
	dir := t.TempDir()
	server := exec.Command("ip", in(far, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=far0", "--bind-dynamic",
		"--user=root", "--pid-file="+dir+"/pid", "--dhcp-leasefile="+dir+"/leases", "--log-dhcp", "--log-facility=-", "--enable-ra", "--ra-param=far0,10",
		"--dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,1h", "--dhcp-option=option:dns-server,192.0.2.53", "--dhcp-option=option:ntp-server,192.0.2.123",
		"--dhcp-range=2001:db8::50,2001:db8::5f,slaac,64,1h", "--dhcp-option=option6:dns-server,[2001:db8::53]", "--dhcp-option=option6:sntp-server,[2001:db8::123]")[1:]...)
	var log text
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ip", in(box, self, "-test.run=^TestUplinkDnsmasq$", "-test.v")[1:]...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// boxSide is what runs in the box's namespace.
func boxSide(t *testing.T) {
	l, err := links.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dns, times := make(chan []netip.Addr, 64), make(chan []netip.Addr, 64)
	u := &uplink{links: l, dhcp: &Client{Hostname: func() string { return "box" }}, dhcp6: Client6{}, routers: ICMPv6{}, log: logTo(os.Stderr),
		resolve: func(s []netip.Addr) error { dns <- s; return nil }, times: func(s []netip.Addr) { times <- s }, show: func(string, string) {}}
	go func() { _ = l.Watch(ctx, func(hal.LinkEvent) { u.poke() }) }()
	auto := config.Uplink{Interface: "uplink0", IPv6: config.IPv6{Auto: true}}
	u.set(ctx, auto)
	defer func() { u.stop() }()
	iface, err := net.InterfaceByName("uplink0")
	if err != nil {
		t.Fatal(err)
	}
	mac := iface.HardwareAddr
	own := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}) // RFC 4291, appendix A
	lease := netip.MustParsePrefix("2001:db8::50/124")
	eventually(t, "addresses of both families", func() bool {
		var by4, bySLAAC, by6 bool
		for _, a := range addresses(t) {
			by4 = by4 || netip.MustParsePrefix("192.0.2.48/28").Contains(a)
			bySLAAC = bySLAAC || a == own
			by6 = by6 || lease.Contains(a)
		}
		return by4 && bySLAAC && by6
	})
	settled(t, "name servers", dns, "192.0.2.53", "2001:db8::53")
	settled(t, "time servers", times, "192.0.2.123", "2001:db8::123")
	for _, family := range []string{"-4", "-6"} {
		if out, err := exec.Command("ip", family, "route", "show", "default").CombinedOutput(); err != nil || !strings.Contains(string(out), "uplink0") {
			t.Errorf("no default route %s: %v %s", family, err, out)
		}
	}

	six, err := Client6{}.Acquire(ctx, "uplink0", netip.Addr{})
	if err == nil {
		var again Lease
		if again, err = (Client6{}).Renew(ctx, "uplink0", six); again.Address != six.Address {
			t.Errorf("renewed %v as %v", six.Address, again.Address)
		}
	}
	if err != nil {
		t.Error(err)
	}

	u.set(ctx, config.Uplink{Interface: "uplink0", Address: netip.MustParsePrefix("192.0.2.77/24"), DNS: "192.0.2.99"})
	eventually(t, "one address", func() bool {
		got := addresses(t)
		return len(got) == 1 && got[0] == netip.MustParseAddr("192.0.2.77")
	})
	settled(t, "name servers", dns, "192.0.2.99")
	u.set(ctx, auto)
	eventually(t, "addresses again", func() bool { return len(addresses(t)) == 3 })
	u.set(ctx, config.Uplink{})
	eventually(t, "no addresses", func() bool { return len(addresses(t)) == 0 })
}

// addresses are those of the uplink, without link-local ones.
func addresses(t *testing.T) (out []netip.Addr) {
	t.Helper()
	iface, err := net.InterfaceByName("uplink0")
	if err != nil {
		t.Fatal(err)
	}
	all, err := iface.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no %s: %v", what, addresses(t))
}

// settled waits until a list is told that has exactly these.
func settled(t *testing.T, what string, told <-chan []netip.Addr, want ...string) {
	t.Helper()
	last := errors.New("nothing was told")
	for {
		select {
		case got := <-told:
			var text []string
			for _, a := range got {
				text = append(text, a.String())
			}
			if slices.Equal(text, want) {
				return
			}
			last = fmt.Errorf("%q", text)
		case <-time.After(time.Minute):
			t.Fatalf("%s: %v, want %q", what, last, want)
		}
	}
}
