package appliance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPorts has a technician find out which socket is which: by a LED that blinks, by the
// cable that is pulled, also out of a port that nobody has set up; what is at the other
// end of it; and has a USB stick take a file away, and bring an update.
func TestPorts(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.nic = "e1000" // has a LED, says its driver
	x.more = append(x.more, "-netdev", "user,id=spare,restrict=on", "-device", "e1000,netdev=spare,addr=4")
	stick := filepath.Join(x.dir, "stick")
	run(t, "truncate", "-s", "64M", stick)
	run(t, "/usr/sbin/mkfs.vfat", stick)
	u := newUpdates(x)
	u.sign("new", filepath.Join(x.dir, "system"), trusted(), x86.name, "v9.9.1", builtLater)
	run(t, "mcopy", "-i", stick, filepath.Join(u.dir, "new"), "::heptap-"+x86.name+".update")
	x.more = append(x.more, "-drive", "if=none,id=stick,format=raw,file="+stick)
	second := filepath.Join(x.dir, "2")
	if err := os.Mkdir(second, 0o700); err != nil {
		t.Fatal(err)
	}
	backup := newMirror(t, second) // of the uplink, in a bond and not in use
	x.more = append(x.more, "-netdev", "dgram,id=backup,local.type=unix,local.path="+backup.box+",remote.type=unix,remote.path="+backup.ours,
		"-device", "virtio-net-pci,netdev=backup,addr=0x10")
	x.configure("set system node lab\nset uplink interface enp0s2\nset uplink backup enp0s16\nset capture span0 interface enp0s3\nset capture span0 ring-size 4MiB\n")
	socket := x.plugUSB()
	x.boot()
	c := newTerminal(t, socket)
	c.enters(prompt)
	link := func(name string, up bool) {
		t.Helper()
		if _, err := x.guest.QMP("set_link", map[string]any{"name": name, "up": up}); err != nil {
			t.Fatal(err)
		}
	}
	c.shows("show interfaces", "span0 on enp0s3: up", func() {})
	c.skip()
	c.types("identify port span0\r")
	c.sees("enp0s3, MAC ")
	c.sees("driver e1000: link, 1000 Mbit/s")
	c.sees("its LED blinks now")
	link("span", false)
	c.sees("enp0s3: no link any more. If you pulled a cable, it is this one")
	link("span", true)
	c.sees("enp0s3: link")
	c.types("x")
	c.sees(prompt)

	c.types("identify port enp0s4\r")
	c.sees("driver e1000: not set up")
	c.sees("enp0s4: link") // it comes up by itself, after what is said of the LED or before
	for i, pulled := 0, "enp0s4: no link any more. If you pulled a cable, it is this one"; !c.has(pulled); i++ {
		if i == 10 {
			t.Fatal("a cable was pulled ten times, and nobody saw it")
		}
		link("spare", true)
		time.Sleep(time.Second)
		link("spare", false) // QEMU's e1000 may lose this while it still agrees on a speed
		time.Sleep(time.Second)
	}
	c.types("x")
	c.sees(prompt)
	if out := c.does("identify port enp0s9"); !strings.Contains(out, "there is no port enp0s9; there are: ") || !strings.Contains(out, "enp0s16") {
		t.Errorf("a port that does not exist:\n%s", out)
	}

	frame := []byte("\x01\x80\xc2\x00\x00\x0e\x00\x1b\x21\xaa\xbb\xcc\x88\xcc\x02\x07\x04\x00\x1b\x21\xaa\xbb\xc0\x04\x08\x05Gi1/0/7\x06\x02\x00\x78\x0a\x03sw1\x00\x00")
	c.shows("show lldp", "sw1, port Gi1/0/7", func() { x.mirror.send(t, frame) })
	frame[len(frame)-3] = '2'
	c.shows("show lldp", "uplink on enp0s16: 1 device\r\n  sw2, port Gi1/0/7", func() { backup.send(t, frame) })
	if out := c.does("show lldp"); !strings.Contains(out, "uplink on enp0s2: nobody") || strings.Contains(out, "not heard") {
		t.Errorf("the uplink:\n%s", out)
	}

	c.does("support bundle state")
	name := regexp.MustCompile(`state\.\S+`).FindString(c.does("show files"))
	if out := c.does("file send " + name + " usb"); !strings.Contains(out, "no USB stick is plugged in") {
		t.Errorf("without a stick:\n%s", out)
	}
	if _, err := x.guest.QMP("device_add", map[string]any{"driver": "usb-storage", "id": "plugged", "drive": "stick"}); err != nil {
		t.Fatal(err)
	}
	c.shows("file send "+name+" usb", "copied; the stick may be pulled out", func() {}) // it takes a moment until it is there
	if out := c.does("upgrade usb other.update"); !strings.Contains(out, "its updates are: heptap-"+x86.name+".update") {
		t.Errorf("an update that is not there:\n%s", out)
	}
	if out := c.does("upgrade usb"); !strings.Contains(out, "Installed: system 1, v9.9.1") {
		t.Errorf("an update from the stick:\n%s", out)
	}
	x.cut()
	run(t, "mcopy", "-i", stick, "::"+name, x.dir)
	if out := run(t, "tar", "-tf", filepath.Join(x.dir, name)); !strings.Contains(out, "\n") {
		t.Errorf("%s on the stick has %q", name, out)
	}
}
