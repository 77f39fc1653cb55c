package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/uplink"
	"heptap/hal/links"
)

const (
	addressWithin = 20 * time.Second // for DHCP, just after a commit
	gatewayWithin = 3 * time.Second
	confirmWithin = 90 * time.Second // longer than a barrier is waited for; a backlog takes its time
	testStep      = 200 * time.Millisecond
)

// errNotConfirmed says that a record was not confirmed in time.
var errNotConfirmed = errors.New("not confirmed")

// testUplink takes each step of the way to the collectors, as the console shows
// them. After one that fails, those that depend on it are left out.
func (r *runner) testUplink(ctx context.Context, name string, tell func(console.Step)) error {
	if len(r.ways) == 0 {
		return errors.New("no collector is configured: set collector central address HOST:PORT")
	}
	known := false
	for i := range r.ways {
		w := &r.ways[i]
		if name != "" && w.Name != name {
			continue
		}
		known = true
		t := &uplinkTest{r: r, w: w, tell: func(s console.Step) { s.Collector = w.Name; tell(s) }}
		t.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if !known {
		return fmt.Errorf("no collector %s", name)
	}
	return nil
}

// uplinkTest is a test of the way to one collector.
type uplinkTest struct {
	r    *runner
	w    *way
	tell func(console.Step)
}

func (t *uplinkTest) ok(name, format string, args ...any) bool {
	t.tell(console.Step{Name: name, Text: fmt.Sprintf(format, args...)})
	return true
}

func (t *uplinkTest) fail(name, format string, args ...any) bool {
	t.tell(console.Step{Name: name, Text: fmt.Sprintf(format, args...), Failed: true})
	return false
}

func (t *uplinkTest) run(ctx context.Context) {
	// Elsewhere than on a box, which device it is only the routes know.
	if device := t.r.cfg.Uplink.Device(); device != "" && t.r.host.parent != nil {
		if !t.link(device) || !t.address(ctx, device) {
			return
		}
		t.gateway(ctx, device) // one that answers no ARP may pass packets on
	}
	if t.connect(ctx) {
		t.confirm(ctx)
	}
}

func (t *uplinkTest) link(device string) bool {
	l, err := links.Open()
	if err != nil {
		return t.fail("link", "%v", err)
	}
	defer l.Close()
	s, err := l.State(device)
	switch {
	case err != nil:
		return t.fail("link", "%v", err)
	case !s.Exists:
		return t.fail("link", "there is no device %s: set uplink interface DEVICE", device)
	case !s.Carrier:
		return t.fail("link", "%s has no link: is the cable plugged in at both ends?", device)
	case s.SpeedMbit == 0:
		return t.ok("link", "%s is up", device)
	}
	return t.ok("link", "%s is up, %d Mbit/s", device, s.SpeedMbit)
}

// address waits for one: just after a commit, DHCP may not have answered yet.
func (t *uplinkTest) address(ctx context.Context, device string) bool {
	for end := time.Now().Add(addressWithin); ; {
		have := addressesOf(device)
		if len(have) > 0 {
			return t.ok("address", "%s", strings.Join(have, ", "))
		}
		if time.Now().After(end) || !pauseFor(ctx, testStep) {
			break
		}
	}
	if t.r.cfg.Uplink.Address.IsValid() {
		return t.fail("address", "%s has none yet, show messages may say why", device)
	}
	return t.fail("address", "no DHCP server answers on %s: set uplink address ADDRESS/LENGTH, or ask whose network it is", device)
}

// addressesOf are a device's own, without those that lead nowhere else.
func addressesOf(device string) (out []string) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return nil
	}
	all, err := i.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			out = append(out, p.String())
		}
	}
	return out
}

// gateway has the kernel ask for the gateway's hardware address, and waits for the
// answer.
func (t *uplinkTest) gateway(ctx context.Context, device string) bool {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return t.fail("gateway", "%v", err)
	}
	gateway, ok := defaultRoute(string(routes), device)
	if !ok {
		return t.ok("gateway", "none by IPv4: only hosts of the same network are reached, or those by IPv6")
	}
	// The discard port: what arrives there is of no interest to anybody.
	if conn, err := net.Dial("udp4", netip.AddrPortFrom(gateway, 9).String()); err == nil {
		_, _ = conn.Write([]byte{0})
		conn.Close()
	}
	for end := time.Now().Add(gatewayWithin); ; {
		table, err := os.ReadFile("/proc/net/arp")
		if err != nil {
			return t.fail("gateway", "%v", err)
		}
		if mac, ok := arpEntry(string(table), gateway, device); ok {
			return t.ok("gateway", "%s answers, it is %s", gateway, mac)
		}
		if time.Now().After(end) || !pauseFor(ctx, testStep) {
			return t.fail("gateway", "%s does not answer on %s: is it the right one, and the right network (VLAN)?", gateway, device)
		}
	}
}

// defaultRoute finds the gateway of a device in /proc/net/route (Linux's
// net/ipv4/fib_trie.c: addresses are numbers of the machine's byte order, in hex).
func defaultRoute(table, device string) (gateway netip.Addr, ok bool) {
	const flagGateway = "2"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[0] != device || f[1] != "00000000" || f[7] != "00000000" || len(f[3]) != 4 || !strings.ContainsAny(f[3][3:], flagGateway+"367") {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil && len(b) == 4 {
			slices.Reverse(b) // all that we run on are little-endian
			a, ok := netip.AddrFromSlice(b)
			return a, ok
		}
	}
	return netip.Addr{}, false
}

// defaultRoute6 finds the gateway of a device in /proc/net/ipv6_route (Linux's
// net/ipv6/ip6_fib.c: addresses are in the order of the network, in hex).
func defaultRoute6(table, device string) (gateway netip.Addr, ok bool) {
	const nothing = "00000000000000000000000000000000"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[9] != device || f[0] != nothing || f[1] != "00" || f[4] == nothing {
			continue
		}
		if b, err := hex.DecodeString(f[4]); err == nil && len(b) == 16 {
			a, ok := netip.AddrFromSlice(b)
			return a, ok
		}
	}
	return netip.Addr{}, false
}

// arpEntry finds an address's hardware address in /proc/net/arp.
func arpEntry(table string, a netip.Addr, device string) (mac string, ok bool) {
	for s := bufio.NewScanner(strings.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) == 6 && f[0] == a.String() && f[5] == device && f[2] != "0x0" && f[3] != "00:00:00:00:00:00" {
			return f[3], true
		}
	}
	return "", false
}

// connect makes a connection of its own, beside the log's.
func (t *uplinkTest) connect(ctx context.Context) bool {
	c := &t.w.Collector
	d, err := reach.New(t.r.reachOptions(*c))
	if err != nil {
		return t.fail("name", "%v", err)
	}
	conn, err := t.dial(ctx, d)
	st := d.Status()
	if err == nil {
		defer conn.Abort()
	}
	if host, _, herr := net.SplitHostPort(c.Address); herr != nil || !isAddress(host) {
		if st.Resolve != "" {
			return t.fail("name", "%s; the name servers: show interfaces, set uplink dns ADDRESS", st.Resolve)
		}
		var found []string
		for _, a := range st.Addresses {
			found = append(found, a.String())
		}
		t.ok("name", "%s is %s", c.Address, strings.Join(found, ", "))
	}
	if err != nil {
		return t.refused(t.w.cure(err), &st)
	}
	if c.Transport == config.UDP {
		return t.ok("udp", "to %s; nobody answers datagrams, so that only the server can say whether they arrive", st.Address)
	}
	t.ok("tcp", "%s to %s", conn.LocalAddr(), st.Address)
	if c.Transport.NATS() {
		t.ok("nats", "the NATS server lets this probe in")
	}
	if s := st.TLS; s != nil {
		until := "taken for its key"
		if !s.NotAfter.IsZero() {
			until = "valid until " + s.NotAfter.UTC().Format("2006-01-02")
		}
		t.ok("tls", "%s, %s, certificate of %s %s, key %s", s.Version, s.Cipher, s.Subject, until, s.Pin)
	}
	return true
}

// tried is a connection that a test makes.
type tried interface {
	LocalAddr() netip.AddrPort
	Abort() error
}

func (t *uplinkTest) dial(ctx context.Context, d *reach.Dialer) (tried, error) {
	if t.w.Transport.NATS() {
		return natsConn(ctx, d, &t.w.Collector, t.w.node)
	}
	return d.Dial(ctx)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// refused tells of a connection that came to nothing. What TLS says is no fault of
// TCP's.
func (t *uplinkTest) refused(err error, st *reach.Status) bool {
	if st.Fault == 0 && st.Offered == "" {
		return t.fail(string(config.TCP), "%v", err)
	}
	t.ok(string(config.TCP), "somebody answers at %s", t.w.Address)
	t.tell(console.Step{Name: string(config.TLS), Text: err.Error(), Failed: true, Pin: st.Offered})
	return false
}

// confirm sends a record, asks for a barrier, and waits until the collector has confirmed
// all that there was.
func (t *uplinkTest) confirm(ctx context.Context) bool {
	if t.w.Transport == config.UDP {
		return true
	}
	if s, ok := t.stats(); ok {
		if gets := taking(&s); gets != t.w.Name {
			return t.turn(ctx, gets)
		}
	}
	if err := t.r.mark("test uplink", "test"); err != nil {
		return t.fail("record", "%v", err)
	}
	t.ok("record", "made; the collector is asked whether it has it")
	before, ok := t.stats()
	if !ok {
		return t.fail("record", "the log does not know this collector")
	}
	begun := time.Now()
	for end := begun.Add(confirmWithin); ; {
		t.r.uplink.Prove(before.Collector)
		now, _ := t.stats()
		done, how := confirmed(&before, &now, t.w.Transport.NATS())
		switch {
		case done:
			return t.ok("record", "%s, after %v", how, time.Since(begun).Round(100*time.Millisecond))
		case time.Now().After(end):
			return t.fail("record", "%v in %v: %s", errNotConfirmed, confirmWithin, how)
		case !pauseFor(ctx, testStep):
			return false
		}
	}
}

// stats returns the books of what the collector's records are booked in: its own, or
// those of all that take each other's place.
func (t *uplinkTest) stats() (uplink.CollectorStats, bool) {
	for _, c := range t.r.uplink.Stats().Collectors {
		if (c.Collector == t.w.Name || c.Collector == groupName) && !c.Removed {
			return c, true
		}
	}
	return uplink.CollectorStats{}, false
}

// confirmed says whether as many records as waited before have been settled since, or are
// in the tail, and how that looks.
func confirmed(before, now *uplink.CollectorStats, stream bool) (done bool, how string) {
	waited := before.InMemory + before.Spooled
	settled := now.Confirmed - before.Confirmed + now.Released - before.Released + now.Filtered - before.Filtered + now.Tail
	switch {
	case settled < waited && now.Reason != "":
		return false, now.Reason
	case settled < waited:
		return false, fmt.Sprintf("%d of %d records that waited are confirmed; a backlog takes its time", settled, waited)
	case stream:
		return true, "sent, and acknowledged: the stream has it"
	case now.Fallback:
		return true, "sent; this server answers no barrier, so that only its kernel has acknowledged it"
	}
	return true, "sent, and confirmed by a barrier: the server has read it"
}

// pauseFor waits, and says whether ctx still holds.
func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
