package neighbour_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/capture/neighbour"
)

const second = int64(time.Second)

// device is a frame of a device named by a number, that holds for ttl seconds.
func device(n, ttl uint16) []byte {
	return unhex(nearest + fmt.Sprintf("0203 07 %04x 0403 05 6131 0602 %04x 0000", n, ttl))
}

func TestTable(t *testing.T) {
	var table neighbour.Table
	described := unhex(nearest + mandatory + "0806 75706c6e6b00  0a03 737731  fe06 0080c201 0064 0000")
	table.Add(described, 10*second)
	table.Add(described, 40*second)
	table.Add(unhex(cisco+"0021 aaaa03 00000c 2000  02 b4 0000  0001 0007 737731  0003 0008 46613031  000a 0006 0002"), 41*second)
	table.Add(unhex(nearest+"0000"), 41*second)
	table.Add(unhex("0180c2000000 001b21aabbcc 0026 424203 00000000"), 41*second)
	l, c := table.Snapshot(45 * second)
	mac := [6]byte{0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc}
	want := []string{
		fmt.Sprint("LLDP ", mac, " 00:1b:21:aa:bb:c0 Gi1/0/7 uplnk sw1 100 2m0s 5s 2"),
		fmt.Sprint("CDP ", mac, " sw1 Fa01   2 3m0s 4s 1"),
	}
	for i, n := range l {
		if got := fmt.Sprint(n.Protocol, n.Source, n.Chassis, " ", n.Port, n.PortDescription, n.System, n.VLAN, n.TTL, n.Age, n.Frames); len(l) != 2 || strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want[i], " ", "") {
			t.Errorf("%d: %s, want %s", i, got, want[i])
		}
	}
	if len(l) != 2 || c != (neighbour.Counters{Frames: 4, Read: 3, Bad: 1}) {
		t.Errorf("%d neighbours, %+v", len(l), c)
	}
	// The one that was heard at 40 s holds until 160 s.
	if l, _ := table.Snapshot(160 * second); len(l) != 2 {
		t.Errorf("%+v", l)
	}
	if l, c := table.Snapshot(161 * second); len(l) != 1 || l[0].Protocol != neighbour.CDP || c.Expired != 1 {
		t.Errorf("%+v, %+v", l, c)
	}
}

func TestTableLeaves(t *testing.T) {
	var table neighbour.Table
	table.Add(device(1, 100), second)
	table.Add(device(2, 0), second)
	table.Add(device(1, 0), 2*second)
	if l, c := table.Snapshot(2 * second); len(l) != 0 || c != (neighbour.Counters{Frames: 3, Read: 3, Expired: 1}) {
		t.Errorf("%+v, %+v", l, c)
	}
}

// TestTableFull has more devices than there is room for: those that were not heard
// for longest give way.
func TestTableFull(t *testing.T) {
	var table neighbour.Table
	for n := range uint16(40) {
		table.Add(device(n, 65535), int64(n)*second)
	}
	table.Add(device(8, 65535), 50*second) // the oldest one is heard again
	table.Add(device(41, 65535), 51*second)
	l, c := table.Snapshot(51 * second)
	if len(l) != neighbour.MaxNeighbours || c.Evicted != 9 || c.Expired != 0 {
		t.Fatalf("%d, %+v", len(l), c)
	}
	have := map[string]bool{}
	for _, n := range l {
		have[n.Chassis] = true
	}
	if !have["00:08"] || have["00:09"] || !have["00:0a"] || !have["00:29"] {
		t.Errorf("%v", have)
	}
}

// TestTableFlood has more frames in a second than are read.
func TestTableFlood(t *testing.T) {
	var table neighbour.Table
	for range 1000 {
		table.Add(device(1, 100), second)
	}
	table.Add(device(1, 100), 2*second)
	if l, c := table.Snapshot(2 * second); len(l) != 1 || l[0].Frames != 51 || c != (neighbour.Counters{Frames: 1001, Read: 51, Over: 950}) {
		t.Errorf("%+v, %+v", l, c)
	}
}

// TestTableTexts has texts as long as the protocol has them, and a clock that is
// behind, as of another ring of the port.
func TestTableTexts(t *testing.T) {
	var table neighbour.Table
	long := strings.Repeat("61", 255)
	table.Add(unhex(nearest+"0300 07"+long+" 0500 07"+long+" 0602 0078 08ff"+long+" 0aff"+long+"0000"), 9*second)
	table.Add(unhex(nearest+"0300 07"+long+" 0500 07"+long+" 0602 0078 08ff"+long+" 0aff"+long+"0000"), 8*second)
	l, c := table.Snapshot(10 * second)
	if len(l) != 1 || c.Read != 2 || l[0].Age != time.Second {
		t.Fatalf("%+v, %+v", l, c)
	}
	for _, s := range []string{l[0].Chassis, l[0].Port, l[0].PortDescription, l[0].System} {
		if s != strings.Repeat("a", 128) {
			t.Errorf("%q", s)
		}
	}
}

// TestTableAllocates asserts that what is heard again costs nothing.
func TestTableAllocates(t *testing.T) {
	var table neighbour.Table
	frame, now := unhex(nearest+mandatory+"0805 75706c6e6b  0a03 737731 0000"), second
	if n := testing.AllocsPerRun(100, func() {
		now += second
		table.Add(frame, now)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if got := neighbour.MemoryBytes(); got < 16<<10 || got > 64<<10 {
		t.Errorf("%d octets", got)
	}
}
