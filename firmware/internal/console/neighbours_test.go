package console

import (
	"strings"
	"testing"
	"time"

	"heptap/capture/neighbour"
)

func TestShowLLDP(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	if out, done := r.script(t, "show lldp\n"); done || !strings.Contains(out, "nothing runs") {
		t.Errorf("%q", out)
	}
	live := &Live{}
	r.o.Live = func() *Live { return live }
	if out, done := r.script(t, "show lldp\n"); done || !strings.Contains(out, "not from here") {
		t.Errorf("%q", out)
	}
	ports := []Neighbours{
		{Port: "span0", Device: "eth1", Counters: neighbour.Counters{Frames: 9, Read: 4, Bad: 3, Over: 2, Evicted: 1}, Found: []neighbour.Neighbour{
			{Protocol: neighbour.LLDP, Source: [6]byte{0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc}, Chassis: "00:1b:21:aa:bb:c0", Port: "Gi1/0/7\x1b[2J", PortDescription: "to the\nprobe", System: "sw1\x1b[2J", VLAN: 100,
				TTL: 2 * time.Minute, Age: 12345 * time.Millisecond, Frames: 4},
			{Protocol: neighbour.CDP, Chassis: "sw2", Port: "Fa01", PortDescription: "Fa01", TTL: 3 * time.Minute}}},
		{Port: "span1", Device: "eth2"},
		{Port: "span2", Device: "eth3", Filter: "udp"},
	}
	live.Neighbours = func() []Neighbours { return ports }
	const mirrors = `span0 on eth1, a mirror port: 2 devices
  sw1.[2J, port Gi1/0/7.[2J, to the.probe
    chassis    00:1b:21:aa:bb:c0
    VLAN       100, untagged
    heard      12s ago by LLDP from 00:1b:21:aa:bb:cc, holds for 2m0s
  sw2, port Fa01
    chassis    sw2
    heard      0s ago by CDP from 00:00:00:00:00:00, holds for 3m0s
  frames       9, of which 3 cannot be read and 2 came too fast; 1 devices gave way to others
span1 on eth2, a mirror port: nobody has presented himself
  why          a switch sends LLDP every 30 s, CDP every 60 s, if it is told to: many do not on a mirror's destination
span2 on eth3, a mirror port: nobody has presented himself
  why          the port's filter hides such frames, unless it ends with: or ether dst host 01:80:c2:00:00:0e or ether dst host 01:00:0c:cc:cc:cc
`
	const anyPort = "A mirror port may have such frames from any port that is mirrored: a device there need not be\nthe one that the box's own cable leads to.\n"
	if out, _ := r.script(t, "show lldp\n"); out != mirrors+anyPort+"Which device the uplink is has not been said, so nobody listens there: set uplink interface DEVICE\n" {
		t.Errorf("%s", out)
	}
	ports = append(ports, Neighbours{Device: "eth0"}, Neighbours{Device: "eth4", Trouble: "no such network interface"})
	const uplinks = `uplink on eth0: nobody has presented himself
  why          a switch sends LLDP every 30 s, CDP every 60 s, if it is told to
uplink on eth4: nobody has presented himself
  not heard    no such network interface
`
	if out, _ := r.script(t, "show lldp\n"); out != mirrors+uplinks+anyPort {
		t.Errorf("%s", out)
	}
	ports = ports[3:4]
	if out, _ := r.script(t, "show lldp | match mirror | count\n"); out != "0 lines\n" {
		t.Errorf("%s", out)
	}
}
