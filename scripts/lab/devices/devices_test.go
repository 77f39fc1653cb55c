package devices

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab/guest"
)

// machine is a guest with a set of devices.
type machine struct {
	arch    string
	phases  []string // patterns of onboard's tests, run one after the other
	modules []string
	devices []string
	sim     bool // with the GPIO simulator
	usb     bool // with a serial port on USB
	links   bool // with the tests of hal/links
	front   bool // with the program itself
}

// run boots a machine and reports each test inside as one here.
func run(t *testing.T, m machine) {
	need(t, m)
	dir, err := os.MkdirTemp("", "htg") // short: paths of sockets are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	kernel, err := guest.FetchKernel(m.arch)
	if err != nil {
		t.Fatal(err)
	}
	modules := m.modules
	if m.sim {
		ko, err := kernel.GPIOSimulator()
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, "configfs", "gpio-simulated="+ko)
	}
	tests := filepath.Join(dir, "tests")
	if err := guest.BuildTests(m.arch, "heptap/scripts/lab/devices/onboard", tests); err != nil {
		t.Fatal(err)
	}
	files := map[string]guest.Content{
		"/init":   {Path: tests, Mode: 0o755},
		"/phases": {Text: strings.Join(m.phases, "\n") + "\n", Mode: 0o644},
	}
	if m.links {
		links := filepath.Join(dir, "links")
		if err := guest.BuildTests(m.arch, "heptap/hal/links", links); err != nil {
			t.Fatal(err)
		}
		files["/links"] = guest.Content{Path: links, Mode: 0o755}
	}
	memory := 0
	if m.front {
		files["/heptap"], memory = guest.Content{Path: program(t, m.arch, dir), Mode: 0o755}, 512
		if os.Getenv("HEPTAP_LONG") != "" {
			files["/long"] = guest.Content{Mode: 0o644}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	cable := &usbCable{socket: filepath.Join(dir, "usb")}
	defer cable.close()
	devices := m.devices
	if m.usb {
		devices = append(devices, cable.devices()...)
	}
	g, err := guest.Boot(ctx, guest.Config{
		Kernel:  kernel,
		Dir:     dir,
		Modules: modules,
		Memory:  memory,
		Devices: devices,
		Files:   files,
		Answer: func(g *guest.Guest, question string) (string, error) {
			if order, ok := strings.CutPrefix(question, "usb "); ok {
				return cable.obey(g, order)
			}
			return answer(g, question)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Kill()
	if err := g.Wait(ctx); err != nil {
		t.Errorf("the guest: %v", err)
	}
	report(t, g.Output(), len(m.phases))
}

// program builds heptap for the guest, as it ships.
func program(t *testing.T, arch, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "heptap")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "heptap/firmware")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build heptap: %v\n%s", err, out)
	}
	return file
}

// report makes a subtest of every test inside.
func report(t *testing.T, output string, phases int) {
	results := guest.Results(output)
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			switch r.How {
			case "FAIL":
				t.Error(r.Log)
			case "SKIP":
				t.Error("skipped: ", r.Log)
			}
		})
	}
	if n := strings.Count(output, "guest: exit 0"); n != phases || len(results) == 0 {
		t.Errorf("%d of %d phases passed, %d tests:\n%s", n, phases, len(results), output)
	}
}

// need skips the test where QEMU is missing; in CI that is a failure.
func need(t *testing.T, m machine) {
	t.Helper()
	for _, program := range []string{map[string]string{"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}[m.arch], "dpkg-deb", "depmod"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// long skips what scripts/test -long runs.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("HEPTAP_LONG") == "" {
		t.Skip("HEPTAP_LONG is not set")
	}
}

// Addresses of the PL061 on QEMU's arm64 machine: the data register with all
// lines unmasked, and the controller itself (hw/arm/virt.c, ARM DDI 0190).
const pl061Data = "0x90303fc"

func answer(g *guest.Guest, question string) (string, error) {
	words := strings.Fields(question)
	switch {
	case question == "bite":
		return "watching", nil
	case len(words) == 3 && strings.HasPrefix(question, "pl061 level "):
		return pl061Level(g, words[2])
	case len(words) == 4 && strings.HasPrefix(question, "pl061 drive "):
		line, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		device, err := object(g, "pl061")
		if err != nil {
			return "", err
		}
		return "done", g.SetLine(device, line, words[3] == "1")
	}
	return "", fmt.Errorf("unknown question %q", question)
}

func pl061Level(g *guest.Guest, line string) (string, error) {
	n, err := strconv.ParseUint(line, 10, 3)
	if err != nil {
		return "", err
	}
	text, err := g.Human("xp /1wx " + pl061Data) // "00000000090303fc: 0x00000001"
	if err != nil {
		return "", err
	}
	_, value, _ := strings.Cut(text, ": ")
	bits, err := strconv.ParseUint(strings.TrimSpace(value), 0, 32)
	if err != nil {
		return "", fmt.Errorf("data register %q: %w", text, err)
	}
	return strconv.FormatUint(bits>>n&1, 10), nil
}
