package appliance

import (
	"net"
	"os"
	"strings"
	"testing"
)

// TestSettings changes the box's own network from its console: a commit that locks
// the box out is taken back, one that is right holds, and a factory reset leaves
// what the technician has put onto the system partition.
func TestSettings(t *testing.T) {
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.resets = true
	socket := x.plugUSB()
	x.boot()
	c := newTerminal(t, socket)
	x.expect("cause=first-start")
	x.expect("uplink         enp0s2, 10.0.2.15/24, gateway 10.0.2.2")
	x.arrive(x.call("first@lab"))
	c.enters(prompt)

	c.types("set uplink vlan 7\r") // there is no such VLAN
	c.types("commit confirmed 1\r")
	x.expect("uplink         uplink.7, no address")
	lost := x.call("lost@lab")
	if os.Getenv("HEPTAP_LONG") == "" {
		c.types("abort\r") // else it happens by itself, after a minute
	}
	x.expect("uplink         enp0s2, 10.0.2.15/24, gateway 10.0.2.2")
	x.arrive(lost)

	c.types("rollback\r")
	c.types("set uplink address 10.0.2.77/24\r")
	c.types("set uplink gateway 10.0.2.2\r")
	c.types("set system node elsewhere\r")
	c.types("commit\r")
	x.expect("node           elsewhere")
	x.expect("uplink         enp0s2, 10.0.2.77/24, gateway 10.0.2.2")
	x.arrive(x.call("static@lab"))
	x.silent()

	c.types("factory reset\r")
	c.sees("To do it: factory reset yes")
	c.types("factory reset yes\r")
	x.expect("FACTORY RESET: configuration, history and records are erased at the restart")
	x.started()
	x.expect("FACTORY RESET: the data partition is made anew")
	x.expect("cause=first-start")
	x.expect("configuration taken over from heptap.conf")
	x.expect("uplink         enp0s2, 10.0.2.15/24, gateway 10.0.2.2")
	x.arrive(x.call("anew@lab"))
	x.cut()
}

// TestWrongPort: a configuration with a port that is not there, as somebody may write who has
// not seen the box, leaves the box its console, which says so and where it is mended.
func TestWrongPort(t *testing.T) {
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.configure("set system node lab\nset uplink interface enp0s2\nset capture span0 interface enp9s9\nset collector c address 10.0.2.2:" + portOf(t, x.collector.Addr()) + "\n")
	socket := x.plugUSB()
	x.boot()
	c := newTerminal(t, socket)
	c.enters("Nothing is captured: capture span0: no device enp9s9; there are: ")
	c.sees(prompt)
	if out := c.does("show interfaces"); !strings.Contains(out, "uplink on enp0s2: link") || !strings.Contains(out, "10.0.2.15/24") || !strings.Contains(out, "gateways     10.0.2.2") ||
		!strings.Contains(out, "name servers   10.0.2.3") || !strings.Contains(out, "enp0s3: ") {
		t.Errorf("the ports:\n%s", out)
	}
	if out := c.does("show version"); !strings.Contains(out, "board          x86-64-uefi, PC with UEFI\r\n") || !strings.Contains(out, "kernel ") {
		t.Errorf("the version:\n%s", out)
	}
	c.types("set capture span0 interface enp0s3\r")
	c.types("set capture span0 ring-size 4MiB\r")
	c.types("commit\r")
	c.sees("committed")
	x.arrive(x.call("mended@lab"))
	x.cut()
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
