package appliance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// filler is a file beside heptap's own that takes all that the data partition has left.
const filler = "/var/lib/heptap/filler"

// TestFullDisk: the data partition has not one block left, as the box captures and as it starts. It goes on in
// memory, says so, delivers, and takes to its disk again by itself once that has room; what it had meanwhile
// is then safe from a power cut.
func TestFullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	fullDisk(t, x86)
}

func TestFullDiskARM64(t *testing.T) {
	long(t)
	t.Parallel()
	fullDisk(t, arm)
}

func fullDisk(t *testing.T, b board) {
	x := newBox(t, b, imageMiB)
	socket := x.plugUSB()
	work := func(what string) (messages []string) {
		for i := range 50 {
			messages = append(messages, x.call(fmt.Sprintf("%s-%d@lab", what, i))...)
		}
		return messages
	}
	beside := x.bootBeside(false)
	c := newTerminal(t, socket)
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	c.enters(prompt)

	// What cannot be written is said, and runs all the same.
	if left := beside.does("fill %s 0", filler); left != "0 octets left" {
		t.Fatalf("the disk is not full: %s", left)
	}
	c.types("set system agent-id 77\r")
	c.sees("heptap*> ")
	c.types("commit\r")
	c.sees("it runs, but it is not in the configuration file")
	c.sees("no space left on device")
	c.sees("> ")
	x.arrive(work("full"))

	// Without the collector too, it is a fault. Nothing is lost as long as memory holds it.
	x.collector.Kill()
	kept := work("in-memory")
	c.fault()
	t.Logf("full:\n%s\n%s", c.does("show status"), c.does("show spool"))
	x.collector.Restart()
	x.arrive(kept)

	// Room comes back.
	x.collector.Kill()
	kept = work("until-there-was-room")
	c.fault()
	begun := time.Now()
	beside.does("free %s", filler)
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		out := c.does("show spool")
		if !strings.Contains(out, "error") && strings.Contains(c.does("show uplink"), " on disk") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("there is room, and it is not used:\n%s\n%s", out, c.does("show uplink"))
		}
	}
	t.Logf("records on the disk %.0f s after there was room:\n%s", time.Since(begun).Seconds(), c.does("show uplink"))
	if out := c.does("show uplink"); strings.Contains(out, "evicted") || strings.Contains(out, "shed") {
		t.Errorf("records are lost:\n%s", out)
	}
	c.types("set system agent-id 78\r")
	c.sees("*> ")
	c.types("commit\r")
	c.sees("committed")
	c.sees(prompt)
	time.Sleep(2 * time.Second) // a power cut may take the last second with it
	x.cut()

	// A box that starts on a full disk.
	x.collector.Restart()
	beside = x.bootBeside(false)
	x.expect("msg=capturing")
	x.arrive(kept)
	beside.does("fill %s 0", filler)
	x.cut()
	beside = x.bootBeside(false)
	c = newTerminal(t, socket)
	x.expect("msg=capturing")
	c.enters(prompt)
	if out := c.does("show running"); !strings.Contains(out, "set system agent-id 78") {
		t.Errorf("the configuration is not what it was:\n%s", out)
	}
	x.arrive(work("started-full"))
	x.collector.Kill()
	kept = work("started-full-and-kept")
	c.fault()
	x.collector.Restart()
	x.arrive(kept)
	beside.does("free %s", filler)
	if x.said("DESTROYED") || x.said("the probe ended") {
		t.Error("a full disk was too much for the box")
	}
	x.cut()
}

// fault waits until the box says that its disk has no room.
func (c *terminal) fault() {
	c.t.Helper()
	c.shows("show status", "! spool storage, fault for ", func() {})
	out := c.does("show status")
	for _, want := range []string{"health         fault: spool storage: ", "no space left on device", "LEDs           status fast (fault)"} {
		if !strings.Contains(out, want) {
			c.t.Errorf("no %q in\n%s", want, out)
		}
	}
}
