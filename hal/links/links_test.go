package links_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/links"
)

// lab is a network namespace of the test's own with a veth pair m and p. The
// test's goroutine is locked to a thread inside of it.
type lab struct {
	t  *testing.T
	nl *netlink.Handle
	l  *links.Links
}

func newLab(t *testing.T) *lab {
	t.Helper()
	enterNamespace(t)
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nl.Close)
	l, err := links.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	})
	lab := &lab{t, nl, l}
	lab.addVeth()
	return lab
}

func enterNamespace(t *testing.T) {
	t.Helper()
	refuse := t.Skipf
	if os.Getenv("CI") == "true" {
		refuse = t.Fatalf
	}
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Unshare(unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		refuse("no network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Setns(home, unix.CLONE_NEWNET), unix.Close(home)); err != nil {
			t.Error(err)
			return // the thread stays locked and dies with the goroutine
		}
		runtime.UnlockOSThread()
	})
}

func (l *lab) addVeth() {
	l.t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "p"}
	veth.Name = "m"
	if err := l.nl.LinkAdd(veth); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) link(name string) netlink.Link {
	l.t.Helper()
	link, err := l.nl.LinkByName(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return link
}

func (l *lab) up(name string) {
	l.t.Helper()
	if err := l.nl.LinkSetUp(l.link(name)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) addr(name, cidr string) {
	l.t.Helper()
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		l.t.Fatal(err)
	}
	a.Flags |= unix.IFA_F_NODAD
	if err := l.nl.AddrAdd(l.link(name), a); err != nil {
		l.t.Fatal(err)
	}
}

// all returns the addresses of an interface.
func (l *lab) all(name string) []netlink.Addr {
	l.t.Helper()
	list, err := l.nl.AddrList(l.link(name), netlink.FAMILY_ALL)
	if err != nil {
		l.t.Fatal(err)
	}
	return list
}

// addrs returns them as text, without those of the link.
func (l *lab) addrs(name string) string {
	l.t.Helper()
	var out []string
	for _, a := range l.all(name) {
		if !a.IP.IsLinkLocalUnicast() {
			out = append(out, a.IPNet.String())
		}
	}
	return strings.Join(out, " ")
}

func (l *lab) sysctl(name, key string) string {
	l.t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/" + key)
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (l *lab) noARP(name string) bool { return l.link(name).Attrs().RawFlags&unix.IFF_NOARP != 0 }

func (l *lab) state(name string) hal.LinkState {
	l.t.Helper()
	s, err := l.l.State(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func TestMirrorUpAndRestore(t *testing.T) {
	l := newLab(t)
	l.up("p")
	l.addr("m", "192.0.2.1/24")
	l.addr("m", "2001:db8::1/64")
	l.l.SetMerging(t, "m", true)
	genMode := l.sysctl("m", "addr_gen_mode")
	up := func() {
		t.Helper()
		if err := l.l.MirrorUp("m", hal.MirrorOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	silent := func() {
		t.Helper()
		if got := l.addrs("m"); got != "" {
			t.Errorf("addresses %s", got)
		}
		s := l.state("m")
		if !s.Up || !s.Carrier || !l.noARP("m") || l.link("m").Attrs().Promisc != 0 {
			t.Errorf("%+v, no ARP %v", s, l.noARP("m"))
		}
		if l.sysctl("m", "disable_ipv6") != "1" || l.sysctl("m", "accept_ra") != "0" {
			t.Error("IPv6 is on")
		}
		if on := l.l.Merging(t, "m"); len(on) != 0 {
			t.Errorf("merging: %v", on)
		}
	}
	up()
	silent()
	up() // again
	silent()
	for range 2 { // the second time there is nothing to do
		if err := l.l.RestoreMirror("m"); err != nil {
			t.Fatal(err)
		}
		if got := l.addrs("m"); got != "192.0.2.1/24 2001:db8::1/64" {
			t.Errorf("addresses %q", got)
		}
		if l.state("m").Up || l.noARP("m") || l.sysctl("m", "disable_ipv6") != "0" || l.sysctl("m", "addr_gen_mode") != genMode {
			t.Errorf("%+v, no ARP %v", l.state("m"), l.noARP("m"))
		}
		if on := l.l.Merging(t, "m"); len(on) == 0 {
			t.Error("GRO did not come back")
		}
	}
}

// TestNoLinkLocal waits until the other end, an ordinary interface, has the
// link-local address that the mirror port must not get.
func TestNoLinkLocal(t *testing.T) {
	l := newLab(t)
	if err := l.l.MirrorUp("m", hal.MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	l.up("p")
	for deadline := time.Now().Add(20 * time.Second); len(l.all("p")) == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("p has no link-local address either")
		}
	}
	if list := l.all("m"); len(list) != 0 {
		t.Errorf("addresses %v", list)
	}
}

func TestRefusesWhatTheBoxNeeds(t *testing.T) {
	l := newLab(t)
	l.up("m")
	l.up("p")
	l.up("lo")
	l.addr("m", "192.0.2.1/24")
	l.addr("m", "2001:db8::1/64")
	refused := func(what, name string, opts hal.MirrorOptions) {
		t.Helper()
		err := l.l.MirrorUp(name, opts)
		if !errors.Is(err, hal.ErrInUse) {
			t.Errorf("%s: %v", what, err)
		}
		if l.addrs("m") == "" || l.noARP(name) {
			t.Errorf("%s: it was touched", what)
		}
	}
	refused("loopback", "lo", hal.MirrorOptions{})
	for _, a := range []string{"192.0.2.77", "::ffff:192.0.2.77", "2001:db8::77"} {
		refused("collector", "m", hal.MirrorOptions{Collectors: []netip.Addr{netip.MustParseAddr(a)}})
	}
	for _, via := range []string{"192.0.2.254", "2001:db8::fe"} {
		route := &netlink.Route{LinkIndex: l.link("m").Attrs().Index, Gw: net.ParseIP(via)}
		if err := l.nl.RouteAdd(route); err != nil {
			t.Fatal(err)
		}
		refused("default route via "+via, "m", hal.MirrorOptions{})
		if err := l.nl.RouteDel(route); err != nil {
			t.Fatal(err)
		}
	}
	collector := []netip.Addr{netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("203.0.113.9")}
	if err := l.l.MirrorUp("p", hal.MirrorOptions{Collectors: collector}); err != nil {
		t.Errorf("the other port: %v", err)
	}
	if err := l.l.MirrorUp("m", hal.MirrorOptions{Collectors: collector, Force: true}); err != nil {
		t.Errorf("force: %v", err)
	}
	if err := l.l.MirrorUp("eth9", hal.MirrorOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such interface: %v", err)
	}
}

func TestRestoreAfterRecreation(t *testing.T) {
	l := newLab(t)
	if err := l.l.MirrorUp("m", hal.MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.nl.LinkDel(l.link("m")); err != nil {
		t.Fatal(err)
	}
	l.addVeth()
	l.up("m")
	if err := l.l.RestoreMirror("m"); err != nil {
		t.Fatal(err)
	}
	if !l.state("m").Up {
		t.Error("a new interface was changed")
	}
	if err := l.l.RestoreMirror("never"); err != nil {
		t.Error(err)
	}
}

// TestOtherThread calls from a thread in another namespace.
func TestOtherThread(t *testing.T) {
	l := newLab(t)
	l.up("p")
	done := make(chan error, 1)
	go func() { done <- l.l.MirrorUp("m", hal.MirrorOptions{}) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := l.state("m"); !s.Carrier || l.sysctl("m", "disable_ipv6") != "1" {
		t.Errorf("%+v, disable_ipv6 %s", s, l.sysctl("m", "disable_ipv6"))
	}
}

func TestListAndState(t *testing.T) {
	l := newLab(t)
	list, err := l.l.List()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		if s != l.state(s.Name) || !s.Exists || s.Index == 0 {
			t.Errorf("%+v in the list, %+v alone", s, l.state(s.Name))
		}
		names = append(names, s.Name)
	}
	if got := " " + strings.Join(names, " ") + " "; !strings.HasPrefix(got, " lo ") || !strings.Contains(got, " m ") || !strings.Contains(got, " p ") {
		t.Errorf("list:%s", got)
	}
	if s := l.state("eth9"); s != (hal.LinkState{Name: "eth9"}) {
		t.Errorf("absent: %+v", s)
	}
	l.up("m")
	if s := l.state("m"); !s.Up || s.Carrier || s.SpeedMbit != 0 || s.MTU != 1500 {
		t.Errorf("without carrier: %+v", s)
	}
	l.up("p")
	if s := l.state("m"); !s.Carrier || s.SpeedMbit != 10000 { // what veth says it has
		t.Errorf("with carrier: %+v", s)
	}
	if err := l.l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.l.List(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("List after Close: %v", err)
	}
	if err := l.l.MirrorUp("m", hal.MirrorOptions{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("MirrorUp after Close: %v", err)
	}
	if err := l.l.RestoreMirror("m"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("RestoreMirror after Close: %v", err)
	}
}

func TestWatch(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// Watch makes its socket in this thread's namespace, so it runs here, and
	// what it reports drives the test: do is done when seen is.
	steps := []struct {
		name string
		seen func(hal.LinkEvent) bool
		do   func()
	}{
		{"new", func(e hal.LinkEvent) bool { return !e.Before.Exists && e.After.Exists && !e.After.Up }, func() { l.up("m") }},
		{"up", func(e hal.LinkEvent) bool { return e.After.Up && !e.After.Carrier }, func() { l.up("p") }},
		{"carrier", func(e hal.LinkEvent) bool { return !e.Before.Carrier && e.After.Carrier }, func() {
			if err := l.nl.LinkSetDown(l.link("p")); err != nil {
				t.Error(err)
			}
		}},
		{"carrier lost", func(e hal.LinkEvent) bool { return e.Before.Carrier && e.After.Up && !e.After.Carrier }, func() {
			if err := l.nl.LinkDel(l.link("m")); err != nil {
				t.Error(err)
			}
		}},
		{"gone", func(e hal.LinkEvent) bool { return e.Before.Exists && !e.After.Exists }, l.addVeth},
		{"again", func(e hal.LinkEvent) bool { return !e.Before.Exists && e.After.Exists }, cancel},
	}
	step := 0
	err := l.l.Watch(ctx, func(e hal.LinkEvent) {
		if e.Before.Name != e.After.Name {
			t.Errorf("names %q and %q", e.Before.Name, e.After.Name)
		}
		if e.After.Name == "m" && step < len(steps) && steps[step].seen(e) {
			step++
			steps[step-1].do()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if step < len(steps) {
		t.Errorf("never saw %q", steps[step].name)
	}
}

// TestWatchWays: what may be a way out again is told of, and what is skipped is not.
func TestWatchWays(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	l.up("m")
	m, p := l.link("m"), l.link("p")
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(32, 32)}}
	route := &netlink.Route{LinkIndex: m.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4(198, 51, 100, 0), Mask: net.CIDRMask(24, 32)}}
	steps := []struct {
		want     string
		undo, do func() error
	}{
		{"carrier of m", func() error { return l.nl.LinkSetDown(p) }, func() error { return l.nl.LinkSetUp(p) }},
		{"an address", func() error { return l.nl.AddrDel(m, addr) }, func() error { return l.nl.AddrAdd(m, addr) }},
		{"a route", func() error { return l.nl.RouteDel(route) }, func() error { return l.nl.RouteAdd(route) }},
	}
	told, done := make(chan string, 100), make(chan int, 1)
	go func() { // WatchWays is called from this thread; each step is done again until it is told of
		n := 0
		defer func() { done <- n; cancel() }()
		for ; n < len(steps); n++ {
			for seen := false; !seen; {
				_ = steps[n].undo()
				time.Sleep(200 * time.Millisecond) // what is undone and done again between two looks is no change
				if err := steps[n].do(); err != nil {
					t.Error(err)
					return
				}
				for wait := time.After(time.Second); !seen; {
					select {
					case what := <-told:
						seen = what == steps[n].want
						continue
					case <-wait:
					case <-ctx.Done():
						return
					}
					break
				}
			}
		}
	}()
	err := l.l.WatchWays(ctx, func(name string) bool { return name == "p" }, func(what string) {
		if what == "carrier of p" {
			t.Error("told of what is skipped")
		}
		select {
		case told <- what:
		default:
		}
	})
	if n := <-done; err != nil || n < len(steps) {
		t.Errorf("%v, after %d steps", err, n)
	}
}
