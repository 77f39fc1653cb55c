package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	labbox "heptap/scripts/lab/box"
	"heptap/scripts/lab/writelog"
)

// updates are those that a box may be offered, by a server beside it.
type updates struct {
	t    *testing.T
	x    *box
	dir  string
	url  string
	tool string // heptap, for this machine
}

func newUpdates(x *box) *updates {
	x.t.Helper()
	tool, err := labbox.Binary()
	if err != nil {
		x.t.Fatal(err)
	}
	u := &updates{t: x.t, x: x, dir: filepath.Join(x.dir, "updates"), tool: tool}
	if err := os.Mkdir(u.dir, 0o755); err != nil {
		x.t.Fatal(err)
	}
	run(x.t, "mcopy", "-i", x.disk+"@@1M", "::EFI/Linux/heptap_factory.efi", filepath.Join(x.dir, "system"))
	server := httptest.NewServer(http.FileServer(http.Dir(u.dir)))
	x.t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		x.t.Fatal(err)
	}
	u.url = "http://" + net.JoinHostPort("10.0.2.2", port) + "/"
	return u
}

// trusted is the key that the image was built with.
func trusted() string { return filepath.Join(built.dir, "key") }

// sign makes an update of a system.
func (u *updates) sign(name, system, key, board, version string, built int64) {
	u.t.Helper()
	run(u.t, u.tool, "bundle", "sign", "-key", key, "-board", board, "-version", version, "-built", strconv.FormatInt(built, 10), "-o", filepath.Join(u.dir, name), system)
}

// with returns the box's system with another word on the kernel's command line, in place
// of a longer one: objcopy makes no section larger.
func (u *updates) with(name, old, word string) (system string) {
	u.t.Helper()
	system, cmdline := filepath.Join(u.x.dir, name), filepath.Join(u.x.dir, name+".cmdline")
	run(u.t, objcopy(u.x.board), "-O", "binary", "--only-section=.cmdline", filepath.Join(u.x.dir, "system"), cmdline)
	text, err := os.ReadFile(cmdline)
	if err != nil {
		u.t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte(old), []byte(word), 1)
	if bytes.Equal(changed, text) || len(changed) > len(text) {
		u.t.Fatalf("%q in place of %q in %q", word, old, text)
	}
	if err := os.WriteFile(cmdline, changed, 0o600); err != nil {
		u.t.Fatal(err)
	}
	run(u.t, objcopy(u.x.board), "-p", "--update-section", ".cmdline="+cmdline, filepath.Join(u.x.dir, "system"), system)
	return system
}

func objcopy(b board) string {
	return map[string]string{x86.arch: "x86_64-linux-gnu-objcopy", arm.arch: "aarch64-linux-gnu-objcopy"}[b.arch]
}

// Later than any release.
const builtLater = int64(4_000_000_000)

// TestUpgrade: an update is installed from the console and committed, the next one
// has no driver for its network and gives way to it, and what is not for this box, or
// not whole, changes nothing.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	upgrade(t, x86)
}

func TestUpgradeARM64(t *testing.T) {
	long(t)
	t.Parallel()
	upgrade(t, arm)
}

func upgrade(t *testing.T, b board) {
	x := newBox(t, b, 1024)
	x.resets = true
	x.put("heptap.test", "trial 5s 45s\n")
	socket := x.plugUSB()
	x.writes = filepath.Join(x.dir, "writes")
	before := x.copy("before", slotsPart)
	u := newUpdates(x)
	system, stranger := filepath.Join(x.dir, "system"), filepath.Join(x.dir, "stranger")
	run(t, u.tool, "bundle", "key", stranger)
	u.sign("good", system, trusted(), b.name, "v9.9.1", builtLater)
	u.sign("sick", u.with("sick", "quiet gpt panic=5 oops=panic", "module_blacklist=virtio_net"), trusted(), b.name, "v9.9.2", builtLater+1)
	u.sign("strange", system, stranger, b.name, "v9.9.3", builtLater)
	u.sign("board", system, trusted(), map[string]string{x86.name: arm.name, arm.name: x86.name}[b.name], "v9.9.3", builtLater)
	u.sign("old", system, trusted(), b.name, "v9.9.3", 1)
	damaged, err := os.ReadFile(filepath.Join(u.dir, "good"))
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(filepath.Join(u.dir, "damaged"), damaged, 0o600); err != nil {
		t.Fatal(err)
	}

	x.boot()
	c := newTerminal(t, socket)
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	c.enters(prompt)
	if out := c.does("show systems"); !strings.Contains(out, "* factory") {
		t.Errorf("systems:\n%s", out)
	}
	for name, want := range map[string]string{"strange": "not signed by a key that this box trusts", "board": "for the board", "old": "not newer",
		"damaged": "damaged: what it brings is not what was signed", "none": "404"} {
		if out := c.does("upgrade " + u.url + name); !strings.Contains(out, want) || strings.Contains(out, "Installed") {
			t.Errorf("the update %s:\n%s", name, out)
		}
	}
	if files := x.systems(); files != "" {
		t.Errorf("installed: %s", files)
	}

	x.upgrades(c, u.url+"good", "system 1, v9.9.1")
	x.expect("THIS SYSTEM IS COMMITTED")
	x.arrive(x.call("second@lab"))
	c.enters(prompt)
	if out := c.does("show systems"); !strings.Contains(out, "* 1        v9.9.1                   committed") {
		t.Errorf("systems:\n%s", out)
	}

	x.upgrades(c, u.url+"sick", "system 2, v9.9.2")
	x.expect("THIS SYSTEM IS GIVEN UP")
	x.started()
	c.skip()
	x.expect("msg=capturing")
	x.arrive(x.call("third@lab"))
	c.enters(prompt)
	out := c.does("show systems")
	for _, want := range []string{"* 1        v9.9.1                   committed", "  2        v9.9.2                   given up", "system 2, v9.9.2, was given up: not healthy in 45s: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	x.cut()
	if files := x.systems(); !strings.Contains(files, "heptap_1_v9.9.1.efi") || !strings.Contains(files, "heptap_2_v9.9.2+0-") {
		t.Errorf("installed: %s", files)
	}
	x.cuts(before, map[string]string{"1": system, "2": filepath.Join(x.dir, "sick")})
}

// cuts has the power be cut at random moments of all that was written, each with a disk that
// then loses a random half of what was not flushed: the system that is started next is one
// of those, whole, or the factory system.
func (x *box) cuts(before string, systems map[string]string) {
	x.t.Helper()
	l, err := writelog.Open(x.writes)
	if err != nil {
		x.t.Fatal(err)
	}
	defer l.Close()
	moments := momentsOf(l, slotsPart)
	if n := len(momentsOf(l, systemPart)); n > 0 {
		x.t.Errorf("%d of %d writes go to the system partition", n, l.Len())
	}
	n := 60
	if os.Getenv("HEPTAP_LONG") != "" {
		n = 1000
	}
	random, started := rand.New(rand.NewPCG(4, 2)), map[string]int{}
	for range n {
		at := moments[random.IntN(len(moments))]
		file := x.replay(l, before, slotsPart, at, func() bool { return random.IntN(2) == 0 })
		started[x.starts(file, at, systems)]++
	}
	x.t.Logf("%d power cuts among %d writes to the slots, of %d in all; started next: %v", n, len(moments), l.Len(), started)
	for name := range systems {
		if started[name] == 0 {
			x.t.Errorf("system %s was never the next", name)
		}
	}
}

// starts says which system systemd-boot would start from slots in that file, after it
// has compared it with what it should be.
func (x *box) starts(file string, at int, systems map[string]string) (number string) {
	x.t.Helper()
	best, name := 0, ""
	for f := range strings.Lines(run(x.t, "mdir", "-b", "-i", file, "::EFI/Linux")) {
		f = strings.TrimSpace(strings.TrimPrefix(f, "::/EFI/Linux/"))
		var n int
		if _, err := fmt.Sscanf(f, "heptap_%d_", &n); err != nil || strings.Contains(f, "+0") || n < best {
			continue
		}
		best, name = n, f
	}
	if name == "" {
		return "factory"
	}
	number = strconv.Itoa(best)
	got := filepath.Join(x.dir, "got")
	run(x.t, "mcopy", "-n", "-i", file, "::EFI/Linux/"+name, got)
	have, err := os.ReadFile(got)
	want, werr := os.ReadFile(systems[number])
	if err := errors.Join(err, werr); err != nil {
		x.t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		x.t.Errorf("after write %d: %s is not what it was signed as: %d octets of %d", at, name, len(have), len(want))
	}
	return number
}

// systems are the files on the slots' partition.
func (x *box) systems() string {
	x.t.Helper()
	return strings.TrimSpace(run(x.t, "mdir", "-b", "-i", x.disk+"@@129M", "::EFI/Linux"))
}

// upgrades installs an update and restarts into it.
func (x *box) upgrades(c *terminal, url, what string) {
	x.t.Helper()
	if out := c.does("upgrade " + url); !strings.Contains(out, "Installed: "+what) {
		x.t.Fatalf("not installed:\n%s", out)
	}
	x.silent()
	c.types("reboot yes\r")
	x.expect("data partition unmounted")
	x.started()
	c.skip()
	x.expect("THIS SYSTEM IS ON TRIAL")
}

// TestUpgradePowerCuts pulls the plug at random moments of updates. The box always
// comes back with a whole system and its data.
func TestUpgradePowerCuts(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.put("heptap.test", "trial 1s 90s\n")
	socket := x.plugUSB()
	u := newUpdates(x)
	u.sign("good", filepath.Join(x.dir, "system"), trusted(), x86.name, "v9.9.1", builtLater)
	random := rand.New(rand.NewPCG(9, 9))
	for i := range 10 {
		x.boot()
		c := newTerminal(t, socket)
		x.expect("msg=capturing")
		if x.said("THIS SYSTEM IS ON TRIAL") {
			x.expect("THIS SYSTEM IS COMMITTED")
		}
		if i > 0 && x.said("configuration taken over") || x.said("DESTROYED") {
			t.Error("the data partition was lost")
		}
		c.enters(prompt)
		c.types("upgrade %sgood force\r", u.url)
		c.sees([]string{"signed by key", "writing"}[i%2])
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		x.cut()
		t.Logf("cut %d left: %s", i, x.systems())
	}
	x.boot()
	x.expect("msg=capturing")
	x.arrive(x.call("last@lab"))
	x.cut()
}

// TestSecureBoot has firmware that starts only what is signed, as the image is; the box then
// takes no system that is not.
func TestSecureBoot(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	config := filepath.Join(x.dir, "heptap.conf")
	run(t, "mcopy", "-n", "-i", x.disk+"@@1M", "::heptap.conf", config)
	run(t, "../need.sh", "sbsign:sbsigntool", "openssl:openssl")
	const snakeoil = "/usr/share/ovmf/PkKek-1-snakeoil"
	key := filepath.Join(x.dir, "key")
	run(t, "openssl", "rsa", "-in", snakeoil+".key", "-passin", "pass:snakeoil", "-out", key)
	t.Log(build(t, x86, x.dir, "-secure-boot", key, snakeoil+".pem", "-config", config))
	x.disk, x.secure, x.resets = filepath.Join(x.dir, "heptap-"+x86.name+".img"), true, true
	x.put("heptap.test", "trial 5s 45s\n")
	socket := x.plugUSB()
	u := newUpdates(x)
	signed, unsigned := filepath.Join(x.dir, "system"), filepath.Join(x.dir, "unsigned")
	run(t, "cp", signed, unsigned)
	run(t, "sbattach", "--remove", unsigned)
	u.sign("good", signed, trusted(), x86.name, "v9.9.1", builtLater)
	u.sign("unsigned", unsigned, trusted(), x86.name, "v9.9.1", builtLater)

	x.boot()
	c := newTerminal(t, socket)
	x.expect("msg=capturing")
	c.enters(prompt)
	if out := c.does("upgrade " + u.url + "unsigned"); !strings.Contains(out, "UEFI Secure Boot") || strings.Contains(out, "Installed") {
		t.Errorf("not signed:\n%s", out)
	}
	x.upgrades(c, u.url+"good", "system 1, v9.9.1")
	x.expect("THIS SYSTEM IS COMMITTED")
	x.cut()

	// What is not signed does not even start; the firmware then tries the network.
	run(t, "mcopy", "-o", "-i", x.disk+"@@129M", unsigned, "::EFI/Linux/heptap_2_v9.9.2.efi")
	x.switchOn()
	x.expect("Access Denied")
	x.guest.Kill()
	x.guest = nil
}

// TestUpgradeCrashes: the kernel of an update dies soon after each start. The system before
// returns by itself, and what the kernel said last is kept and told of.
func TestUpgradeCrashes(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.resets = true
	x.put("heptap.test", "trial 10m 20m\n")
	socket := x.plugUSB()
	u := newUpdates(x)
	u.sign("nervous", u.with("nervous", "quiet gpt panic=5 oops=panic", "unknown_nmi_panic panic=5"), trusted(), x86.name, "v9.9.1", builtLater)
	x.boot()
	c := newTerminal(t, socket)
	x.expect("msg=capturing")
	c.enters(prompt)
	x.upgrades(c, u.url+"nervous", "system 1, v9.9.1")
	for i := range 3 {
		if i > 0 {
			x.started()
			x.expect("THE KERNEL DIED BEFORE THIS START")
			x.expect("cause=\"kernel-panic: ")
			x.expect("THIS SYSTEM IS ON TRIAL")
		}
		x.expect("msg=capturing")
		if _, err := x.guest.QMP("inject-nmi", nil); err != nil {
			t.Fatal(err)
		}
	}
	x.started()
	x.expect("THE KERNEL DIED BEFORE THIS START")
	x.expect("msg=capturing")
	x.arrive(x.call("returned@lab"))
	c.enters(prompt)
	out := c.does("show systems")
	for _, want := range []string{"* factory", "1        v9.9.1                   given up"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := c.does("show sensors"); !strings.Contains(out, "kernel-panic") {
		t.Errorf("the cause is not shown:\n%s", out)
	}
	x.cut()
	if files := run(t, "debugfs", "-R", "ls -p /crashes", x.copy("data", dataPart)); !strings.Contains(files, "-kernel-") {
		t.Errorf("what the kernel said last is not kept: %s", files)
	}
}
