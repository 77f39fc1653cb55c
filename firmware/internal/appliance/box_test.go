package appliance

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/haltest"
)

// fakeLinks are the interfaces lo, eth0 and eth1.
type fakeLinks struct {
	*haltest.Addresses
	hal.Links
	hal.Identifier
}

func (l *fakeLinks) State(name string) (hal.LinkState, error) {
	i, ok := l.Interface(name)
	return hal.LinkState{Name: name, Index: 2, Exists: ok, Up: i.Up, Carrier: i.Up}, nil
}

func (l *fakeLinks) Watch(ctx context.Context, fn func(hal.LinkEvent)) error {
	for _, name := range []string{"lo", "eth0", "eth1"} {
		fn(hal.LinkEvent{Before: hal.LinkState{Name: name}, After: hal.LinkState{Name: name, Exists: true}})
	}
	<-ctx.Done()
	return nil
}

func (l *fakeLinks) Close() error { return nil }

// rig is a box under test.
type rig struct {
	*Box
	d        *disk
	dog      *haltest.Watchdog
	links    *fakeLinks
	born     chan *fakeChild
	started  [][]string
	requests chan Power
	console  text
	ended    chan Power
}

// newRig makes a box whose root has what an image brings, and a configuration on its
// system partition.
func newRig(t *testing.T, config string) *rig {
	r := &rig{d: newDisk(t), dog: haltest.NewWatchdog("dog", hal.ResetByWatchdog), requests: make(chan Power, 1), born: make(chan *fakeChild, 4), ended: make(chan Power, 1),
		links: &fakeLinks{Addresses: haltest.NewAddresses("lo", "eth0", "eth1")}}
	files(t, r.d.root, map[string]string{
		"lib/modules/watchdog": "dog.ko\n", "lib/modules/order": "disk.ko\nnet.ko\n", "etc/hosts": "",
		"proc/sys/net/ipv6/conf/default/disable_ipv6": "0", "proc/sys/kernel/sysrq": "438\n", "lib/data.ext4.gz": "", "var/lib/heptap/x": "",
	})
	if config != "" {
		files(t, r.d.root, map[string]string{"boot/heptap.conf": config})
	}
	r.Box = &Box{Kernel: r.d.kernel, OpenNet: func() (Links, error) { return r.links, nil },
		DHCP:     &fakeDHCP{made: time.Now(), answer: func(bool) (Lease, error) { return hour("192.0.2.9/24"), nil }},
		Watchdog: func() (hal.Watchdog, error) { return r.dog, nil },
		Start: func(args ...string) (*Child, error) {
			r.started = append(r.started, args)
			f, c := newFakeChild()
			r.born <- f
			return c, nil
		},
		Console: &r.console, Title: Title("1.2.3", "test-board"), Board: "test-board", Root: r.d.root, Requests: r.requests}
	return r
}

func (r *rig) start(t *testing.T) {
	go func() { r.ended <- r.Run(t.Context()) }()
	synctest.Wait()
}

const boxConfig = "set system node lab\nset uplink interface eth0\nset capture span0 interface eth1\n"

func TestBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		r.Built = time.Now().Add(time.Hour)
		r.start(t)
		c := <-r.born
		if _, err := c.alive.Write([]byte("healthy\n")); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		at := filepath.Join(r.d.root, "var/lib/heptap")
		for _, want := range []string{
			"mount devtmpfs devtmpfs", "module dog.ko", "module disk.ko\nmodule net.ko", "clock ", "check sda3 -p", "mount sda3 ext4 " + at, "mount sda1 vfat", "hostname lab", "random",
		} {
			if !strings.Contains(r.d.kernel.said(), want) {
				t.Errorf("no %q in\n%s", want, r.d.kernel.said())
			}
		}
		if strings.Index(r.d.kernel.said(), "module dog.ko") > strings.Index(r.d.kernel.said(), "module disk.ko") {
			t.Error("the watchdog is not first")
		}
		if i, _ := r.links.Interface("eth0"); !i.Up || i.IP4.Address.String() != "192.0.2.9/24" {
			t.Errorf("uplink: %+v", i)
		}
		if i, _ := r.links.Interface("eth1"); i != (haltest.Interface{}) {
			t.Errorf("the mirror port was touched: %+v", i)
		}
		if b, err := os.ReadFile(filepath.Join(r.d.root, "etc/resolv.conf")); err != nil || string(b) != "nameserver 192.0.2.53\n" {
			t.Errorf("resolv.conf %q, %v", b, err)
		}
		if b, err := os.ReadFile(filepath.Join(r.d.root, "proc/sys/net/ipv6/conf/default/disable_ipv6")); err != nil || !bytes.HasPrefix(b, []byte("1")) {
			t.Errorf("IPv6 is on: %q, %v", b, err)
		}
		if b, err := os.ReadFile(filepath.Join(r.d.root, "proc/sys/kernel/sysrq")); err != nil || !bytes.HasPrefix(b, []byte("0")) {
			t.Errorf("a break is an order: %q, %v", b, err)
		}
		if want := "run -config " + at + "/config/heptap.conf -board test-board -lines " + filepath.Join(r.d.root, "run/heptap/lines"); len(r.started) != 1 || strings.Join(r.started[0], " ") != want {
			t.Errorf("started %q, want %q", r.started, want)
		}
		for _, want := range []string{"heptap 1.2.3 on test-board", "last end       watchdog: the system itself was stuck", "mirror span0   eth1", "node           lab", "probe          healthy", "uplink         eth0, 192.0.2.9/24, gateway 192.0.2.1"} {
			if !strings.Contains(r.console.String(), want) {
				t.Errorf("no %q on the console:\n%s", want, r.console.String())
			}
		}

		r.requests <- Off
		if how := <-r.ended; how != Off {
			t.Errorf("ended by %v", how)
		}
		if len(c.signals) != 1 || c.signals[0] != unix.SIGTERM {
			t.Errorf("the probe got %v", c.signals)
		}
		if !strings.HasSuffix(r.d.kernel.said(), "sync\nunmount "+at) {
			t.Errorf("the end:\n%s", r.d.kernel.said())
		}
		if r.dog.Running() {
			t.Error("the watchdog would switch the box on again")
		}
	})
}

// A restart leaves the watchdog running: if it hangs, that is what it is for.
func TestBoxRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		r.start(t)
		r.requests <- Restart
		if how := <-r.ended; how != Restart || !r.dog.Running() {
			t.Errorf("ended by %v, watchdog running: %v", how, r.dog.Running())
		}
		r.stopVigil()
	})
}

// A probe that gives no sign of life any more is not covered by anything else.
func TestBoxWedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		r.start(t)
		c := <-r.born
		for range 60 {
			if _, err := c.alive.Write([]byte("healthy\n")); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		if r.dog.Bitten() {
			t.Fatal("reset while there were signs of life")
		}
		pass(aliveAtMost + feedEvery + hurry)
		if b, err := os.ReadFile(r.endFile()); err != nil || string(b) != "watchdog: sign of life of the probe was waited for in vain\n" {
			t.Errorf("written down: %q, %v", b, err)
		}
		if !slices.Contains(c.signals, os.Signal(unix.SIGQUIT)) {
			t.Errorf("the probe was not asked what it does: %v", c.signals)
		}
		if !r.dog.Bitten() || !strings.Contains(r.console.String(), "the box will be reset") {
			t.Errorf("not reset:\n%s", r.console.String())
		}
		r.requests <- Restart
		<-r.ended
	})
}

// Whatever is missing, the box goes on, and stays alive.
func TestBoxWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "")
		r.Watchdog = func() (hal.Watchdog, error) { return nil, fs.ErrNotExist }
		r.OpenNet = func() (Links, error) { return nil, errors.New("no netlink") }
		r.d.kernel.fail = map[string]error{"module": errors.New("bad module"), "mount": errors.New("cannot"), "hostname": errors.New("no")}
		if err := os.RemoveAll(filepath.Join(r.d.root, "var")); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		c := <-r.born
		for range 3600 { // the probe has nothing to capture, and a console
			if _, err := c.alive.Write([]byte("waits to be set up\n")); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		for _, want := range []string{"no watchdog", "NO DATA PARTITION", "NO NETWORK", "no configuration: press Enter"} {
			if !strings.Contains(r.console.String(), want) {
				t.Errorf("no %q on the console:\n%s", want, r.console.String())
			}
		}
		r.requests <- Off
		<-r.ended
	})
}

// A shutdown by the button ends the box, too.
func TestBoxButton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		r.start(t)
		(<-r.born).end("")
		if how := <-r.ended; how != Off {
			t.Errorf("ended by %v", how)
		}
	})
}

// What outlives the power: the time, and what a kernel said last.
func TestBoxRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		r.Built = time.Now().Add(-time.Hour)
		kept := time.Now().Add(24 * time.Hour) // the clock is behind the time that was kept
		files(t, r.d.root, map[string]string{"var/lib/heptap/clock": "", "sys/fs/pstore/dmesg-efi-1": "Oops\n", "sys/fs/pstore/dmesg-efi-2": "Panic\n"})
		if err := os.Chtimes(filepath.Join(r.d.root, "var/lib/heptap/clock"), kept, kept); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		if want := "clock " + kept.UTC().Format(time.RFC3339); !strings.Contains(r.d.kernel.said(), want) {
			t.Errorf("no %q in\n%s", want, r.d.kernel.said())
		}
		words, err := filepath.Glob(filepath.Join(r.crashes(), "*-kernel-*.txt"))
		left, lerr := filepath.Glob(filepath.Join(r.d.root, "sys/fs/pstore/*"))
		if err != nil || lerr != nil || len(words) != 2 || len(left) != 0 {
			t.Fatalf("kept %q, left %q", words, left)
		}
		if b, err := os.ReadFile(words[1]); err != nil || string(b) != "Panic\n" {
			t.Errorf("kept %q, %v", b, err)
		}
		r.requests <- Restart
		<-r.ended
		if b, err := os.ReadFile(r.endFile()); err != nil || string(b) != "restart\n" {
			t.Errorf("written down: %q, %v", b, err)
		}
		if info, err := os.Stat(r.clockFile()); err != nil || info.ModTime().After(kept.Add(-time.Hour)) {
			t.Errorf("the time at the end was not kept: %v, %v", info.ModTime(), err)
		}
		r.stopVigil()
	})
}

// A probe may have the box end, and erase what it has kept: that happens at the
// next start, whatever happens before.
func TestBoxEndsAsAsked(t *testing.T) {
	for verb, want := range map[string]Power{VerbRestart: Restart, VerbPowerOff: Off, VerbFactoryReset: Restart} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, boxConfig)
			r.start(t)
			c := <-r.born
			if _, err := c.alive.Write([]byte("?" + verb + " \"\"\n")); err != nil {
				t.Fatal(err)
			}
			if how := <-r.ended; how != want {
				t.Errorf("%s: ended by %v", verb, how)
			}
			if !strings.HasSuffix(c.told.String(), "=ok\n") {
				t.Errorf("%s: told %q", verb, c.told.String())
			}
			_, err := os.Stat(filepath.Join(r.d.root, dataDir, resetFile))
			if (err == nil) != (verb == VerbFactoryReset) {
				t.Errorf("%s: the mark: %v", verb, err)
			}
			if want == Restart {
				r.stopVigil()
			}
		})
	}
}
