package appliance

import (
	"os"
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
