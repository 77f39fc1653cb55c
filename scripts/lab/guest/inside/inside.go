package inside

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// environment is set for the tests that process 1 starts.
const environment = "HEPTAP_GUEST"

// Main is for TestMain: os.Exit(inside.Main(m)).
func Main(m *testing.M) int {
	if os.Getpid() == 1 {
		err := boot()
		fmt.Printf("guest: end, %v\n", err)
		unix.Sync()
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		return 1
	}
	if os.Getenv(environment) == "" {
		fmt.Println("these tests run in a guest only")
		return 0
	}
	return m.Run()
}

func boot() error {
	for _, fs := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(fs.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fs.kind, fs.dir, fs.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", fs.dir, err)
		}
	}
	// Answers from outside must not be written back at it.
	if t, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		t.Lflag &^= unix.ECHO
		if err := unix.IoctlSetTermios(0, unix.TCSETS, t); err != nil {
			return fmt.Errorf("echo: %w", err)
		}
	}
	if err := LoadModule("i6300esb"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text, err := os.ReadFile("/phases")
	if err != nil {
		return err
	}
	phases := strings.Split(strings.TrimSpace(string(text)), "\n")
	if wasReset() {
		phases = phases[len(phases)-1:]
	}
	for _, p := range phases {
		fmt.Printf("guest: phase %s\n", p)
		code, err := run("-test.v", "-test.run", p, "-test.timeout=10m")
		if err != nil {
			return err
		}
		fmt.Printf("guest: exit %d\n", code)
	}
	return nil
}

// wasReset says whether a watchdog reset the machine.
func wasReset() bool {
	files, _ := filepath.Glob("/sys/class/watchdog/*/bootstatus") // the pattern is well formed
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(text)) != "0" {
			return true
		}
	}
	return false
}

// run starts this program again and returns its exit status.
func run(args ...string) (int, error) {
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{"/init"}, args...), &syscall.ProcAttr{
		Env:   []string{environment + "=1", "PATH=/", "TMPDIR=/tmp", "HOME=/"},
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		switch got, err := syscall.Wait4(-1, &status, 0, nil); {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case got == pid:
			return status.ExitStatus(), nil
		} // else an orphan
	}
}

// Load loads a module of the guest's Config.Modules and what it depends on.
func Load(t testing.TB, name string) {
	t.Helper()
	if err := LoadModule(name); err != nil {
		t.Fatal(err)
	}
}

// Has says whether the guest was given a module.
func Has(name string) bool {
	_, err := os.Stat("/modules/" + name)
	return err == nil
}

// Long says whether the guest was given the file /long: there is time for everything.
func Long() bool {
	_, err := os.Stat("/long")
	return err == nil
}

// LoadModule is Load for what is no test.
func LoadModule(name string) error {
	order, err := os.ReadFile("/modules/" + name)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	for _, file := range strings.Fields(string(order)) {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("module %s: %w", file, err)
		}
	}
	return nil
}

// conversation is the one with whoever started the guest.
var conversation struct {
	mu sync.Mutex
	in *bufio.Reader
}

// Ask asks whoever started the guest for something, and returns the answer.
func Ask(t testing.TB, question string) string {
	t.Helper()
	c := &conversation
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == nil {
		c.in = bufio.NewReader(os.Stdin)
	}
	fmt.Printf("\n@%s\n", question)
	answer, err := c.in.ReadString('\n')
	answer = strings.TrimSpace(answer)
	if err != nil || strings.HasPrefix(answer, "error: ") {
		t.Fatalf("asked %q: %s %v", question, answer, err)
	}
	return answer
}
