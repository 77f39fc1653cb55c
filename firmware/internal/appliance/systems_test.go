package appliance

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"heptap/firmware/internal/bundle"
	"heptap/hal"
)

// key is a private key of so many.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// upgradable has the boot loader have started a system of those that there are beside
// the factory system.
func upgradable(t *testing.T, r *rig, started string, systems ...string) {
	t.Helper()
	r.d.partition(t, "sda", "sda2", slotPartition, "2")
	r.Release = Release{bundle.Release{Version: "v1.0.0", Built: 100}, 2}
	r.Watchdog = func() (hal.Watchdog, error) { return nil, os.ErrNotExist }
	pub, err := bundle.FormatPublic(bundle.PublicOf(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	value := []byte{7, 0, 0, 0}
	for _, u := range utf16.Encode([]rune(started + "\x00")) {
		value = binary.LittleEndian.AppendUint16(value, u)
	}
	tree := map[string]string{TrustedKeys: string(pub), filepath.Join(efiVariables, entrySelected): string(value)}
	for _, name := range systems {
		tree[filepath.Join(slotsAt, slotsDir, name)] = "the system of " + name
	}
	files(t, r.d.root, tree)
}

// names are the systems that there are.
func (r *rig) names(t *testing.T) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(r.path(filepath.Join(slotsAt, slotsDir)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// lives gives signs of life, one a second.
func (f *fakeChild) lives(t *testing.T, d time.Duration, sign string) {
	t.Helper()
	for range d / time.Second {
		if _, err := f.alive.Write([]byte(sign + "\n")); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
	}
}

// asks asks PID 1 for something, and returns what it has told then.
func (f *fakeChild) asks(t *testing.T, request string) string {
	t.Helper()
	before := len(f.told.String())
	if _, err := f.alive.Write([]byte(isRequest + request + "\n")); err != nil {
		t.Fatal(err)
	}
	pass(time.Second)
	return f.told.String()[before:]
}

// update signs an update that brings system.
func update(t *testing.T, h bundle.Header, system string, keys ...ed25519.PrivateKey) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := bundle.Sign(&out, h, strings.NewReader(system), keys...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var newer = bundle.Header{Board: "test-board", Version: "v1.1.0", Built: 200, Data: 2}

func (r *rig) stop(t *testing.T) {
	t.Helper()
	r.requests <- Off
	<-r.ended
}

func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		upgradable(t, r, factoryEntry, "heptap_1_v0.9.efi", "heptap_2_v0.9.1+0-3.efi")
		const why = "system 2, v0.9.1, was given up: it crashed"
		files(t, r.d.root, map[string]string{filepath.Join(systemDir, saidFile): why + "\n"})
		r.start(t)
		c := <-r.born
		if want := `!systems "  1        v0.9                     committed\n  2        v0.9.1                   given up\n* factory                           never changes\nsystem 2, v0.9.1, was given up: it crashed\n"`; !strings.Contains(c.told.String(), want) {
			t.Errorf("told %s", c.told.String())
		}
		if !strings.Contains(c.told.String(), `!why "`+why+`"`) || !strings.Contains(c.told.String(), `!given-up "v0.9.1"`) {
			t.Errorf("told %s", c.told.String())
		}
		c.lives(t, 3*time.Second, "well\tuplink/c")
		files(t, r.d.root, map[string]string{DownloadFile: update(t, newer, "the new system", key(2), key(1))})
		told := c.asks(t, `upgrade ""`)
		// That it began is told before the answer; how it goes on may overtake the answer.
		if !strings.HasPrefix(told, `!upgrade "writing nothing yet"`+"\n") {
			t.Errorf("told first what it is not: %s", told)
		}
		for _, want := range []string{"\n=ok\n", `!upgrade "writing 100 % of 0.0 MiB"`, `!upgrade "done system 3, v1.1.0"`, `  3        v1.1.0                   new\n* factory`} {
			if !strings.Contains(told, want) {
				t.Errorf("no %s in\n%s", want, told)
			}
		}
		if got := r.names(t); !slices.Equal(got, []string{"heptap_3_v1.1.0+3-0.efi"}) {
			t.Errorf("systems %q", got)
		}
		if text, err := os.ReadFile(r.path(filepath.Join(slotsAt, slotsDir, "heptap_3_v1.1.0+3-0.efi"))); err != nil || string(text) != "the new system" {
			t.Errorf("%q, %v", text, err)
		}
		if !strings.Contains(told, `!why ""`) {
			t.Errorf("what was before is still said: %s", told)
		}
		if text, err := os.ReadFile(r.path(filepath.Join(systemDir, beforeFile))); err != nil || string(text) != "uplink/c\n" {
			t.Errorf("troubles before: %q, %v", text, err)
		}
		// What was written was read from the disk, which nothing is left mounted of.
		said := r.d.kernel.said()
		if mounts, unmounts := strings.Count(said, "mount sda2 vfat "+r.path(slotsAt)), strings.Count(said, "unmount "+r.path(slotsAt)); mounts < 4 || mounts != unmounts {
			t.Errorf("%d mounts, %d unmounts", mounts, unmounts)
		}
		r.stop(t)
	})
}

// What is not for this box changes nothing.
func TestUpgradeRefused(t *testing.T) {
	with := func(change func(*bundle.Header)) bundle.Header {
		h := newer
		change(&h)
		return h
	}
	const system = "the new system"
	good := update(t, newer, system, key(1))
	for _, c := range []struct {
		name, update, want string
		force              bool // it is taken then
	}{
		{"a stranger's", update(t, newer, system, key(2)), "not signed by a key", false},
		{"another board's", update(t, with(func(h *bundle.Header) { h.Board = "other" }), system, key(1)), "for the board other, this one is test-board", false},
		{"the same again", update(t, with(func(h *bundle.Header) { h.Version, h.Built = "v1.0.0", 100 }), system, key(1)), "not newer than v1.0.0", true},
		{"an older one", update(t, with(func(h *bundle.Header) { h.Version, h.Built = "v0.9", 90 }), system, key(1)), "not newer", true},
		{"one that cannot read the data", update(t, with(func(h *bundle.Header) { h.Data = 1 }), system, key(1)), "does not read this box's data", true},
		{"a damaged one", strings.Replace(good, "new system", "gnu system", 1), "damaged", false},
		{"a short one", good[:len(good)-1], "1 octets are missing", false},
		{"a long one", good + "x", "something follows", false},
		{"something else", "<html>", "not an update", false},
		{"nothing", "", "no such file", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				upgradable(t, r, factoryEntry)
				if c.update != "" {
					files(t, r.d.root, map[string]string{DownloadFile: c.update})
				}
				r.start(t)
				f := <-r.born
				if told := f.asks(t, `upgrade ""`); !strings.Contains(told, "!upgrade \"failed ") || !strings.Contains(told, c.want) {
					t.Errorf("told %s", told)
				}
				if got := r.names(t); len(got) != 0 {
					t.Errorf("systems %q", got)
				}
				if told := f.asks(t, `upgrade "force"`); strings.Contains(told, "done system 1") != c.force {
					t.Errorf("by force: %s", told)
				}
				r.stop(t)
			})
		})
	}
}

// A probe is not to have PID 1 read what is not its own.
func TestUpgradeLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		upgradable(t, r, factoryEntry)
		files(t, r.d.root, map[string]string{"secret": update(t, newer, "x", key(1)), filepath.Join(filepath.Dir(DownloadFile), "x"): ""})
		if err := os.Symlink(r.path("secret"), r.path(DownloadFile)); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		if told := (<-r.born).asks(t, `upgrade ""`); !strings.Contains(told, "too many levels of symbolic links") {
			t.Errorf("told %s", told)
		}
		r.stop(t)
	})
}

func TestTrial(t *testing.T) {
	const onTrial = "heptap_2_v1.1.0+2-1.efi"
	for _, c := range []struct {
		name, before string
		signs        []string // each for ten minutes
		want         string   // the system's name then
		restart      bool
	}{
		{"good", "", []string{"well"}, "heptap_2_v1.1.0.efi", false},
		{"with the troubles of before", "uplink/c\nport/a b\n", []string{"well\tport/a b\tuplink/c"}, "heptap_2_v1.1.0.efi", false},
		{"good in the end", "", []string{"ill\tuplink/c", "well"}, "heptap_2_v1.1.0.efi", false},
		{"never good", "port/a b\n", []string{"ill\tuplink/c", "ill\tuplink/c", "ill\tuplink/c"}, "heptap_2_v1.1.0+0-1.efi", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				upgradable(t, r, onTrial, "heptap_1_v1.0.0.efi", onTrial)
				files(t, r.d.root, map[string]string{filepath.Join(systemDir, beforeFile): c.before})
				r.start(t)
				f := <-r.born
				f.lives(t, 4*time.Minute, c.signs[0])
				if got := r.names(t); !slices.Contains(got, onTrial) {
					t.Fatalf("systems too early: %q", got)
				}
				f.lives(t, 6*time.Minute, c.signs[0])
				for _, s := range c.signs[1:] {
					for range 600 {
						if f.ends() {
							break
						}
						f.lives(t, time.Second, s)
					}
				}
				if !c.restart {
					r.requests <- Off
				}
				if how := <-r.ended; (how == Restart) != c.restart {
					t.Errorf("ended by %v", how)
				}
				r.stopVigil()
				if got := r.names(t); !slices.Equal(got, []string{"heptap_1_v1.0.0.efi", c.want}) && !slices.Equal(got, []string{c.want, "heptap_1_v1.0.0.efi"}) {
					t.Errorf("systems %q", got)
				}
				if text, err := os.ReadFile(r.path(filepath.Join(systemDir, beforeFile))); err != nil || c.restart && string(text) != c.before {
					t.Errorf("the troubles of a system on trial became the measure: %q, %v", text, err)
				}
				said, _ := os.ReadFile(r.path(filepath.Join(systemDir, saidFile)))
				if want := "system 2, v1.1.0, was given up: not healthy in 20m0s: uplink/c\n"; c.restart && string(said) != want {
					t.Errorf("said %q", said)
				}
			})
		})
	}
}

// ends says whether the probe was told to end.
func (f *fakeChild) ends() bool { return len(f.signals) > 0 }

// TestCrashes counts those of an hour.
func TestCrashes(t *testing.T) {
	const committed = "heptap_2_v1.1.0.efi"
	for _, c := range []struct {
		name, started, status string
		every                 time.Duration
		dog                   hal.ResetCause // before the start
		crashes               int
		gone                  bool
	}{
		{"three", committed, "exit status 2", 10 * time.Minute, 0, 3, true},
		{"three by a signal", committed, "signal: segmentation fault", time.Minute, 0, 3, true},
		{"two", committed, "exit status 2", time.Minute, 0, 2, false},
		{"two, and a reset", committed, "exit status 2", time.Minute, hal.ResetByWatchdog, 2, true},
		{"seldom", committed, "exit status 2", 31 * time.Minute, 0, 5, false},
		{"it says why", committed, "exit status 1", time.Minute, 0, 5, false},
		{"the factory system", factoryEntry, "exit status 2", time.Minute, 0, 5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				upgradable(t, r, c.started, committed)
				if c.dog != 0 {
					r.Watchdog = func() (hal.Watchdog, error) { return r.dog, nil }
				}
				r.start(t)
				for range c.crashes {
					f := <-r.born
					f.lives(t, c.every, "well")
					f.end(c.status)
					pass(2 * time.Minute)
				}
				select {
				case how := <-r.ended:
					if !c.gone || how != Restart {
						t.Errorf("ended by %v", how)
					}
				default:
					if c.gone {
						t.Errorf("goes on:\n%s", r.console.String())
					}
					r.stop(t)
				}
				want := committed
				if c.gone {
					want = "heptap_2_v1.1.0+0-0.efi"
				}
				if got := r.names(t); !slices.Equal(got, []string{want}) {
					t.Errorf("systems %q", got)
				}
				if r.stopVigil(); c.gone && !strings.Contains(r.console.String(), "THIS SYSTEM IS GIVEN UP") {
					t.Error("not said")
				}
			})
		})
	}
}

func TestKeepAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		upgradable(t, r, "heptap_2_v1.1.0.efi", "heptap_1_v1.0.0.efi", "heptap_2_v1.1.0+2-1.efi")
		r.start(t)
		f := <-r.born
		files(t, r.d.root, map[string]string{DownloadFile: update(t, bundle.Header{Board: "test-board", Version: "v1.2.0", Built: 300, Data: 2}, "x", key(1))})
		if told := f.asks(t, `upgrade ""`); !strings.Contains(told, "on trial itself") {
			t.Errorf("an update of a system on trial: %s", told)
		}
		if told := f.asks(t, `upgrade-keep ""`); !strings.Contains(told, "=ok") || !strings.Contains(told, "* 2        v1.1.0                   committed") {
			t.Errorf("keep: %s", told)
		}
		if told := f.told.String(); !strings.Contains(told, `!why ""`) {
			t.Errorf("nothing was given up: %s", told)
		}
		if told := f.asks(t, `upgrade-back ""`); !strings.Contains(told, "=ok") {
			t.Errorf("back: %s", told)
		}
		if how := <-r.ended; how != Restart {
			t.Errorf("ended by %v", how)
		}
		r.stopVigil()
		if got := r.names(t); !slices.Equal(got, []string{"heptap_1_v1.0.0.efi", "heptap_2_v1.1.0+0-0.efi"}) {
			t.Errorf("systems %q", got)
		}
	})
}

// A box whose boot loader does not say what it has started, or whose slots are gone,
// runs, and says that it takes no updates.
func TestUnknownSystem(t *testing.T) {
	for name, spoil := range map[string]func(r *rig) error{
		"no variable": func(r *rig) error { return os.Remove(r.path(filepath.Join(efiVariables, entrySelected))) },
		"half of one": func(r *rig) error { return os.Truncate(r.path(filepath.Join(efiVariables, entrySelected)), 7) },
		"another name": func(r *rig) error {
			return os.WriteFile(r.path(filepath.Join(efiVariables, entrySelected)), []byte("\x07\x00\x00\x00x\x00"), 0o600)
		},
		"not there":    func(r *rig) error { return os.RemoveAll(r.path(slotsAt)) },
		"no partition": func(r *rig) error { return os.Remove(filepath.Join(r.d.root, "sys/class/block/sda2")) },
		"no file system": func(r *rig) error {
			r.d.kernel.fail = map[string]error{"mount sda2": errors.New("no FAT")}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				upgradable(t, r, "heptap_1_v1.efi", "heptap_1_v1.efi")
				if err := spoil(r); err != nil {
					t.Fatal(err)
				}
				r.start(t)
				pass(time.Minute)
				f := <-r.born
				for _, verb := range []string{"upgrade", "upgrade-keep", "upgrade-back"} {
					if told := f.asks(t, verb+` ""`); !strings.Contains(told, "=error \"it is not known which system runs") {
						t.Errorf("%s: %s", verb, told)
					}
				}
				f.end("exit status 2")
				pass(time.Minute)
				r.stop(t)
				if !strings.Contains(r.console.String(), "no updates") {
					t.Errorf("not said:\n%s", r.console.String())
				}
			})
		})
	}
}

// A partition of slots that is none any more is made anew: nothing is lost by it while
// the factory system runs.
func TestSlotsAnew(t *testing.T) {
	d := newDisk(t)
	d.partition(t, "sda", "sda2", slotPartition, "2")
	files(t, d.root, map[string]string{"dev/sda2": "damaged, and more than the template"})
	fails := 1
	kernel := &failing{d.kernel, &fails}
	s := &slotDisk{kernel: kernel, find: d.store.find, template: d.template, at: filepath.Join(d.root, "slots")}
	f := &systems{log: logTo(&text{}), disk: s, dir: d.root, news: &teller{}, state: func(string) {}, ctx: t.Context()}
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(d.root, "dev/sda2")); err != nil || !strings.HasPrefix(string(text), "an empty file system") {
		t.Errorf("%q, %v", text, err)
	}
}

// failing is a kernel whose first mounts fail.
type failing struct {
	*fakeKernel
	left *int
}

func (k *failing) Mount(source, target, kind string, flags uintptr, options string) error {
	if *k.left--; *k.left >= 0 {
		return fmt.Errorf("mount %s: no %s", source, kind)
	}
	return k.fakeKernel.Mount(source, target, kind, flags, options)
}

func FuzzEntryNumber(f *testing.F) {
	f.Add([]byte("\x07\x00\x00\x00h\x00e\x00p\x00t\x00a\x00p\x00_\x001\x00_\x00v\x00.\x00e\x00f\x00i\x00\x00\x00"))
	f.Add([]byte("\x07\x00\x00\x00x\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		if n, err := entryNumber(value); n < 0 || err != nil && n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestTrialSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		upgradable(t, r, "heptap_1_v1.efi", "heptap_1_v1+2-1.efi")
		files(t, r.d.root, map[string]string{"boot/heptap.test": "trial 3s\ntrial x y\ntrial 10s 1m\n"})
		r.start(t)
		(<-r.born).lives(t, 15*time.Second, "well")
		r.stop(t)
		if got := r.names(t); !slices.Equal(got, []string{"heptap_1_v1.efi"}) || !strings.Contains(r.console.String(), "THIS IS A TEST") {
			t.Errorf("systems %q", got)
		}
	})
}

// TestSecureBoot is a box whose firmware starts only what is signed.
func TestSecureBoot(t *testing.T) {
	pe := func(signed bool) string {
		b := make([]byte, 8000)
		binary.LittleEndian.PutUint32(b[0x3c:], 0x80)
		copy(b[0x80:], "PE\x00\x00")
		binary.LittleEndian.PutUint16(b[0x98:], 0x20b)
		if signed {
			binary.LittleEndian.PutUint32(b[0x98+112+36:], 1500)
		}
		return string(b)
	}
	for _, c := range []struct {
		name, system string
		secure, ok   bool
	}{
		{"signed", pe(true), true, true},
		{"not signed", pe(false), true, false},
		{"something else", "the new system", true, false},
		{"not signed, and it need not be", pe(false), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				upgradable(t, r, factoryEntry)
				state := "\x06\x00\x00\x00\x00"
				if c.secure {
					state = "\x06\x00\x00\x00\x01"
				}
				files(t, r.d.root, map[string]string{DownloadFile: update(t, newer, c.system, key(1)), filepath.Join(efiVariables, secureBoot): state})
				r.start(t)
				if told := (<-r.born).asks(t, `upgrade ""`); strings.Contains(told, "done system 1") != c.ok || strings.Contains(told, "Secure Boot") == c.ok {
					t.Errorf("told %s", told)
				}
				r.stop(t)
			})
		})
	}
}

func FuzzPESigned(f *testing.F) {
	f.Add(make([]byte, 0x40))
	f.Add(append(make([]byte, 0x3c), 0xff, 0xff, 0xff, 0xff, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if peSigned(b) && len(b) < 0x40 {
			t.Error("of nothing")
		}
	})
}

func TestUpgradeUSB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		upgradable(t, r, factoryEntry)
		r.start(t)
		f := <-r.born
		if told := f.asks(t, `upgrade-usb "x"`); !strings.Contains(told, `!upgrade "failed no USB stick is plugged in"`) {
			t.Errorf("no stick: %s", told)
		}
		dir := filepath.Join(r.d.root, "sys/devices", usbDisk, "sdb")
		files(t, dir, map[string]string{"size": "100\n"})
		if err := os.Symlink(dir, filepath.Join(r.d.root, "sys/class/block/sdb")); err != nil {
			t.Fatal(err)
		}
		stick := strings.TrimPrefix(stickDir, "/")
		files(t, r.d.root, map[string]string{stick + "/a.update": update(t, newer, "the new system", key(1)), stick + "/old.update": update(t, bundle.Header{Board: "test-board", Version: "v0.9", Built: 1, Data: 2}, "x", key(1))})
		for request, want := range map[string]string{
			`upgrade-usb "b.update"`:    "the stick has no b.update; its updates are: a.update old.update",
			`upgrade-usb "../a.update"`: "in no folder",
			`upgrade-usb ""`:            "in no folder",
			`upgrade-usb "old.update"`:  "add force",
			`upgrade-usb "a.update"`:    "done system",
		} {
			if told := f.asks(t, request); !strings.Contains(told, want) {
				t.Errorf("%s: %s", request, told)
			}
		}
		if told := f.asks(t, `upgrade-usb "old.update force"`); !strings.Contains(told, "done system") || !strings.Contains(told, "v0.9") {
			t.Errorf("by force: %s", told)
		}
		said := r.d.kernel.said()
		if mounts, unmounts := strings.Count(said, "mount sdb vfat "), strings.Count(said, "unmount "+r.path(stickDir)); mounts != 4 || unmounts != 4 {
			t.Errorf("%d mounts, %d unmounts of the stick", mounts, unmounts)
		}
		r.stop(t)
	})
}
