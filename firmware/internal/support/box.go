package support

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"heptap/firmware/internal/config"
)

const (
	lastWords  = 12 // files of these, the newest
	kernelTail = 512 << 10
	kernelWait = 100 * time.Millisecond
	kernelLine = 8 << 10 // octets of a record (Documentation/ABI/testing/dev-kmsg)
	maxText    = 64 << 10
)

const about = `This is what a heptap probe says of itself, to find out what is wrong with it.
There is no content of calls in it: no records, no frames. Secrets of the
configuration are shown as ***.

  versions.txt        program, kernel, machine
  configuration.txt   the configuration file
  status.txt          what the console shows, if the probe runs
  health.txt          the conditions, which the LEDs show, and how they changed
  messages.txt        what the probe has logged last
  crashes/            last words of probes and kernels that died
  kernel.txt          the kernel's log
  system.txt          memory, disks, network devices
  heap.pprof          memory profile: go tool pprof heap.pprof
  goroutines.txt      what the program is at
  problems.txt        what could not be had
`

// Config is the part with a configuration file, without its secrets.
func Config(file string) Part {
	return Part{"configuration.txt", func(w io.Writer) error {
		if file == "" {
			return errors.New("not known which file it is")
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		d, err := config.ReadDraft(f, file, config.Draft{})
		if err != nil {
			return errors.New("it cannot be read, and may have secrets in it; heptap config -check says what is wrong") // err may have such a line in it
		}
		_, err = io.WriteString(w, d.Shown(nil))
		return err
	}}
}

// Box are the parts that any machine has. words is the directory of last words.
// The files are below root, empty for /.
func Box(root, version, words string) []Part {
	at := func(path string) string { return filepath.Join("/", root, path) }
	parts := []Part{
		Text("about.txt", about),
		{"versions.txt", func(w io.Writer) error {
			fmt.Fprintf(w, "heptap %s\n%s %s/%s, %d CPUs\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
			return files(w, at("/proc/version"), at("/proc/cmdline"), at("/etc/os-release"), at("/sys/class/dmi/id/product_name"), at("/proc/device-tree/model"))
		}},
	}
	parts = append(parts, crashes(words)...)
	return append(parts,
		Part{"kernel.txt", func(w io.Writer) error { return kernelLog(w, at("/dev/kmsg")) }},
		Part{"system.txt", func(w io.Writer) error {
			err := interfaces(w)
			return errors.Join(err, files(w, at("/proc/uptime"), at("/proc/loadavg"), at("/proc/meminfo"), at("/proc/self/status"), at("/proc/self/limits"),
				at("/proc/mounts"), at("/proc/partitions"), at("/proc/net/dev"), at("/proc/net/route"), at("/proc/net/packet"), at("/proc/net/softnet_stat"),
				at("/etc/resolv.conf"), at("/proc/interrupts"), at("/proc/modules")))
		}},
		Part{"heap.pprof", func(w io.Writer) error { return pprof.Lookup("heap").WriteTo(w, 0) }},
		Part{"goroutines.txt", func(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, 1) }},
	)
}

// files writes files one behind the other; those that are not there are left out.
func files(w io.Writer, paths ...string) (failed error) {
	for _, p := range paths {
		b, err := readMost(p, maxText)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		failed = errors.Join(failed, err)
		if b = bytes.TrimRight(b, "\x00\n"); len(b) > 0 {
			fmt.Fprintf(w, "\n== %s\n%s\n", p, b)
		}
	}
	return failed
}

// readMost reads the beginning of a file.
func readMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

func interfaces(w io.Writer) error {
	all, err := net.Interfaces()
	for _, i := range all {
		addrs, aerr := i.Addrs()
		err = errors.Join(err, aerr)
		fmt.Fprintf(w, "%s: %s, %v, MTU %d, %v\n", i.Name, i.HardwareAddr, i.Flags, i.MTU, addrs)
	}
	return err
}

// crashes are the newest last words.
func crashes(dir string) (parts []Part) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil
	}
	slices.Sort(names) // they begin with the time
	for _, name := range slices.Backward(names[max(0, len(names)-lastWords):]) {
		parts = append(parts, Part{"crashes/" + filepath.Base(name), func(w io.Writer) error {
			b, err := readMost(name, maxText)
			_, werr := w.Write(b)
			return errors.Join(err, werr)
		}})
	}
	return parts
}

// kernelLog writes the end of the kernel's log, a line for each record of kmsg. Reading
// kmsg waits for more at its end, so that has a deadline.
func kernelLog(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now().Add(kernelWait)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return err
	}
	var lines []string
	size, b := 0, make([]byte, kernelLine)
	for {
		n, err := f.Read(b)
		if n > 0 {
			line := kernelText(string(b[:n]))
			lines, size = append(lines, line), size+len(line)
			for size > kernelTail {
				size -= len(lines[0])
				lines = lines[1:]
			}
		}
		switch {
		case err == nil:
			continue
		case strings.Contains(err.Error(), "broken pipe"): // it was written over meanwhile: go on
			continue
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF):
			err = nil
		}
		_, werr := io.WriteString(w, strings.Join(lines, ""))
		return errors.Join(err, werr)
	}
}

// kernelText makes "priority,sequence,microseconds,flags;text\n KEY=value..." a line.
func kernelText(record string) string {
	head, text, ok := strings.Cut(record, ";")
	if !ok {
		return record
	}
	text, _, _ = strings.Cut(text, "\n")
	fields := strings.Split(head, ",")
	if len(fields) < 3 {
		return text + "\n"
	}
	var us int64
	if _, err := fmt.Sscan(fields[2], &us); err != nil {
		return text + "\n"
	}
	return fmt.Sprintf("[%5d.%06d] %s\n", us/1e6, us%1e6, text)
}
