package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says what to boot.
type Config struct {
	Kernel  Kernel             // with Disk only its Arch counts
	Disk    string             // a disk to boot by UEFI in place of the kernel; it is written to
	Writes  string             // a file that is to have all that is written to Disk, see package writelog; empty: none
	Secure  bool               // UEFI Secure Boot, with Debian's snakeoil key; x86-64 only
	DiskAt  []string           // QEMU's options for what it is plugged into, as "drive=disk"; nil: virtio
	Dir     string             // for sockets and the initramfs; short, since paths of sockets are
	Base    string             // an initramfs, not compressed, that Files are added to, and replace what is there; empty: none
	Files   map[string]Content // in the guest, by absolute path; /init is what runs
	Modules []string           // to be at hand under /modules; "name=/path/x.ko" is a file of this machine
	Append  string             // more for the kernel's command line
	Devices []string           // more for QEMU's
	Memory  int                // MiB; 0: 256

	// Answer answers what the guest asks in lines that begin with "@". It is
	// called on one goroutine, and may use the guest.
	Answer func(g *Guest, question string) (string, error)
}

// Guest is a machine that has been started.
type Guest struct {
	cmd     *exec.Cmd
	qemu    *monitor
	qtest   *qtest
	console io.Writer
	done    chan struct{} // closed when QEMU has ended
	err     error         // how; valid once done is closed

	mu      sync.Mutex // guards what follows
	lines   []string
	changed chan struct{} // closed at the next line
}

// Boot starts a machine. It is killed when ctx is done.
func Boot(ctx context.Context, cfg Config) (*Guest, error) {
	g := &Guest{done: make(chan struct{}), changed: make(chan struct{})}
	args, console := machine(cfg.Kernel.Arch)
	boot, err := cfg.boot(console)
	if err != nil {
		return nil, err
	}
	memory := cfg.Memory
	if memory == 0 {
		memory = 256
	}
	qmp, control := filepath.Join(cfg.Dir, "qmp"), filepath.Join(cfg.Dir, "qtest")
	args = append(args, "-accel", "tcg", "-m", fmt.Sprint(memory), "-nographic", "-nodefaults", "-serial", "stdio",
		"-chardev", "socket,id=qmp,server=on,wait=off,path="+qmp, "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=qtest,server=on,wait=off,path="+control, "-qtest", "chardev:qtest", "-qtest-log", "none")
	args = append(args, boot...)
	if cfg.Secure {
		args = append(args, "-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")
	}
	g.cmd = exec.CommandContext(ctx, args[0], append(args[1:], cfg.Devices...)...)
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	g.console = stdin
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	g.cmd.Stdout, g.cmd.Stderr = writer, writer
	err = g.cmd.Start()
	writer.Close()
	if err != nil {
		reader.Close()
		return nil, fmt.Errorf("qemu: %w", err)
	}
	go g.read(reader, cfg.Answer)
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	if err := g.connect(ctx, qmp, control); err != nil {
		g.Kill()
		return nil, fmt.Errorf("qemu: %w\n%s", err, g.Output())
	}
	return g, nil
}

// machine returns how QEMU is started for an architecture, and the console's
// name there.
func machine(arch string) (args []string, console string) {
	if arch == "arm64" { // -cpu max is six times slower: pointer authentication
		return []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"}, "ttyAMA0"
	}
	return []string{"qemu-system-x86_64", "-M", "q35", "-cpu", "max"}, "ttyS0"
}

// boot returns what QEMU is told of what it boots.
func (cfg *Config) boot(console string) ([]string, error) {
	if cfg.Disk == "" {
		initrd := filepath.Join(cfg.Dir, "initrd")
		if err := cfg.writeInitrd(initrd); err != nil {
			return nil, fmt.Errorf("initramfs: %w", err)
		}
		return []string{"-kernel", cfg.Kernel.Image, "-initrd", initrd,
			"-append", "console=" + console + " loglevel=1 panic=-1 net.ifnames=0 " + cfg.Append}, nil
	}
	code, vars := "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
	if cfg.Kernel.Arch == "arm64" {
		code, vars = "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"
	}
	if cfg.Secure {
		code, vars = "/usr/share/OVMF/OVMF_CODE_4M.snakeoil.fd", "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
	}
	b, err := os.ReadFile(vars)
	if err != nil {
		return nil, fmt.Errorf("firmware: %w", err)
	}
	own := filepath.Join(cfg.Dir, "vars")
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) { // else of an earlier boot in that directory
		if err := os.WriteFile(own, b, 0o600); err != nil {
			return nil, err
		}
	}
	at := cfg.DiskAt
	if at == nil {
		at = []string{"-device", "virtio-blk-pci,drive=disk,addr=5"}
	}
	disk := "driver=raw,node-name=disk,file.driver=file,file.filename=" + cfg.Disk
	if cfg.Writes != "" {
		disk = "driver=blklogwrites,node-name=disk,file.driver=raw,file.file.driver=file,file.file.filename=" + cfg.Disk +
			",log.driver=file,log.filename=" + cfg.Writes + ",log-super-update-interval=64"
		if err := os.WriteFile(cfg.Writes, nil, 0o600); err != nil {
			return nil, err
		}
	}
	return append([]string{"-drive", "if=pflash,unit=0,readonly=on,format=raw,file=" + code, "-drive", "if=pflash,unit=1,format=raw,file=" + own,
		"-blockdev", disk}, at...), nil
}

// writeInitrd makes the initramfs. The module NAME is described by the file
// /modules/NAME: what to load for it, one file a line.
func (cfg *Config) writeInitrd(file string) error {
	files := map[string]Content{}
	for name, c := range cfg.Files {
		files[name] = c
	}
	for _, module := range cfg.Modules {
		name, file, given := strings.Cut(module, "=")
		paths := []string{file}
		if !given {
			var err error
			if paths, err = cfg.Kernel.Modules(name); err != nil {
				return err
			}
		}
		var order strings.Builder
		for _, p := range paths {
			to := "/modules/" + filepath.Base(p)
			files[to] = Content{Path: p, Mode: 0o644}
			order.WriteString(to + "\n")
		}
		files["/modules/"+name] = Content{Text: order.String(), Mode: 0o644}
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if cfg.Base != "" {
		base, err := os.ReadFile(cfg.Base)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		_, _ = w.Write(append(base, make([]byte, -len(base)&3)...)) // Flush has the error
	}
	return errors.Join(writeInitramfs(w, files), w.Flush(), f.Close())
}

// connect reaches QEMU's sockets, which are there before the machine runs.
func (g *Guest) connect(ctx context.Context, qmp, control string) error {
	dial := func(path string) (net.Conn, error) {
		for {
			c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
			if err == nil {
				return c, nil
			}
			select {
			case <-g.done:
				return nil, fmt.Errorf("ended: %w", g.err)
			case <-ctx.Done():
				return nil, err
			case <-time.After(10 * time.Millisecond): // it has not come so far
			}
		}
	}
	c, err := dial(qmp)
	if err != nil {
		return err
	}
	if g.qemu, err = newMonitor(c); err != nil {
		return err
	}
	if c, err = dial(control); err != nil {
		return err
	}
	g.qtest = newQtest(c)
	return nil
}

// read takes the guest's lines and has its questions answered.
func (g *Guest) read(r io.ReadCloser, answer func(*Guest, string) (string, error)) {
	defer r.Close()
	questions := make(chan string, 64)
	defer close(questions)
	go func() {
		for q := range questions {
			text, err := "error: nobody answers here", error(nil)
			if answer != nil {
				if text, err = answer(g, q); err != nil {
					text = "error: " + err.Error()
				}
			}
			_, _ = fmt.Fprintf(g.console, "%s\n", strings.ReplaceAll(text, "\n", " "))
		}
	}()
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := strings.TrimRight(s.Text(), "\r")
		g.mu.Lock()
		g.lines = append(g.lines, line)
		close(g.changed)
		g.changed = make(chan struct{})
		g.mu.Unlock()
		if q, ok := strings.CutPrefix(line, "@"); ok {
			questions <- q
		}
	}
}

// Expect waits for the next line, from line number from on, that contains the
// marker, and returns it and the number of the line after it.
func (g *Guest) Expect(ctx context.Context, from int, marker string) (line string, next int, err error) {
	for {
		g.mu.Lock()
		changed := g.changed
		for ; from < len(g.lines); from++ {
			if strings.Contains(g.lines[from], marker) {
				line = g.lines[from]
				g.mu.Unlock()
				return line, from + 1, nil
			}
		}
		g.mu.Unlock()
		select {
		case <-changed:
		case <-g.done:
			return "", from, fmt.Errorf("guest: ended without %q: %w\n%s", marker, g.err, g.Output())
		case <-ctx.Done():
			return "", from, fmt.Errorf("guest: no %q: %w\n%s", marker, ctx.Err(), g.Output())
		}
	}
}

// Output is what the guest has written so far.
func (g *Guest) Output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.lines, "\n")
}

// Type writes to the guest's serial line.
func (g *Guest) Type(text string) error {
	_, err := io.WriteString(g.console, text)
	return err
}

// QMP has QEMU carry out a command of its machine protocol and returns what it
// answers (QEMU QMP Reference Manual). args is marshalled; nil for none.
func (g *Guest) QMP(command string, args any) ([]byte, error) { return g.qemu.command(command, args) }

// Human has QEMU carry out a command of its human monitor.
func (g *Guest) Human(command string) (string, error) { return g.qemu.human(command) }

// SetLine sets an input line of a device in the machine, by its path in QEMU's
// tree of objects.
func (g *Guest) SetLine(device string, line int, high bool) error {
	level := 0
	if high {
		level = 1
	}
	return g.qtest.command(fmt.Sprintf("set_irq_in %s unnamed-gpio-in %d %d", device, line, level))
}

// Wait waits until the guest has ended by itself.
func (g *Guest) Wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return fmt.Errorf("guest: still runs: %w\n%s", ctx.Err(), g.Output())
	}
}

// Kill ends the guest at once, as a power cut does. It may have ended before.
func (g *Guest) Kill() {
	_ = g.cmd.Process.Kill()
	<-g.done
}
