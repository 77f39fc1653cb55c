package console

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"heptap/capture/neighbour"
)

// Neighbours are the devices that presented themselves on a port.
type Neighbours struct {
	Port     string // of a mirror port; empty: the uplink
	Device   string
	Filter   string // of the mirror port
	Trouble  string // why nothing is heard
	Found    []neighbour.Neighbour
	Counters neighbour.Counters
}

func showNeighbours(l *Live, b *strings.Builder) error {
	if l.Neighbours == nil {
		return errNotHere
	}
	mirrors, uplinks := 0, 0
	for _, n := range l.Neighbours() {
		if n.Port == "" {
			uplinks++
		} else {
			mirrors++
		}
		b.WriteString(n.title())
		for i := range n.Found {
			neighbourRows(b, &n.Found[i])
		}
		silence(b, &n)
		if c := n.Counters; c.Bad+c.Over+c.Evicted > 0 {
			row(b, "  frames", "%d, of which %d cannot be read and %d came too fast; %d devices gave way to others", c.Frames, c.Bad, c.Over, c.Evicted)
		}
	}
	if mirrors > 0 {
		b.WriteString("A mirror port may have such frames from any port that is mirrored: a device there need not be\nthe one that the box's own cable leads to.\n")
	}
	if uplinks == 0 {
		b.WriteString("Which device the uplink is has not been said, so nobody listens there: set uplink interface DEVICE\n")
	}
	return nil
}

// title is the line over the devices of a port.
func (n *Neighbours) title() string {
	if n.Port == "" {
		return fmt.Sprintf("uplink on %s: %s\n", n.Device, devices(len(n.Found)))
	}
	return fmt.Sprintf("%s on %s, a mirror port: %s\n", n.Port, n.Device, devices(len(n.Found)))
}

func neighbourFields() []string {
	return []string{"use", "port", "device", "system", "chassis", "switch_port", "description", "vlan", "protocol", "source", "age"}
}

func neighbourItems(l *Live) (out []item, err error) {
	if l.Neighbours == nil {
		return nil, errNotHere
	}
	for _, n := range l.Neighbours() {
		use := useMirror
		if n.Port == "" {
			use = useUplink
		}
		for i := range n.Found {
			d, b := &n.Found[i], &strings.Builder{}
			neighbourRows(b, d)
			v := valuesOf("use", use, "port", n.Port, "device", n.Device, "system", d.System, "chassis", d.Chassis, "switch_port", d.Port, "description", d.PortDescription,
				"protocol", d.Protocol, "source", net.HardwareAddr(d.Source[:]), "age", int(d.Age.Seconds()))
			if d.VLAN != 0 {
				v["vlan"] = []string{strconv.Itoa(int(d.VLAN))}
			}
			out = append(out, item{above: n.title(), text: b.String(), values: v})
		}
	}
	return out, nil
}

func devices(n int) string {
	switch n {
	case 0:
		return "nobody has presented himself"
	case 1:
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

func neighbourRows(b *strings.Builder, d *neighbour.Neighbour) {
	port := printable(d.Port)
	if d.PortDescription != "" && d.PortDescription != d.Port {
		port += ", " + oneLine(d.PortDescription)
	}
	fmt.Fprintf(b, "  %s, port %s\n", oneLine(cmp.Or(d.System, d.Chassis)), port)
	row(b, "    chassis", "%s", printable(d.Chassis))
	if d.VLAN != 0 {
		row(b, "    VLAN", "%d, untagged", d.VLAN)
	}
	row(b, "    heard", "%v ago by %v from %v, holds for %v", d.Age.Round(time.Second), d.Protocol, net.HardwareAddr(d.Source[:]), d.TTL)
}

// silence says why nobody may have been heard, and what to do.
func silence(b *strings.Builder, n *Neighbours) {
	switch {
	case n.Trouble != "":
		row(b, "  not heard", "%s", printable(n.Trouble))
	case len(n.Found) > 0:
	case n.Filter != "":
		row(b, "  why", "the port's filter hides such frames, unless it ends with: or ether dst host 01:80:c2:00:00:0e or ether dst host 01:00:0c:cc:cc:cc")
	case n.Port != "":
		row(b, "  why", "a switch sends LLDP every 30 s, CDP every 60 s, if it is told to: many do not on a mirror's destination")
	default:
		row(b, "  why", "a switch sends LLDP every 30 s, CDP every 60 s, if it is told to")
	}
}

// oneLine has line ends shown as what else does not print.
func oneLine(s string) string { return strings.ReplaceAll(printable(s), "\n", ".") }
