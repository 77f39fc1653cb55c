package wire

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// Witness is a running tcpdump.
type Witness struct {
	proc *lab.Process
	file string
	said bytes.Buffer // valid once it has ended
}

// Watch starts to write the SIP (UDP port 5060) that passes an interface, on
// a socket of its own. It returns when tcpdump listens.
func Watch(ctx context.Context, s *lab.Site, h *lab.Host, dev string) (*Witness, error) {
	return watch(ctx, s, h, dev, "udp port 5060")
}

// WatchAll is Watch for everything.
func WatchAll(ctx context.Context, s *lab.Site, h *lab.Host, dev string) (*Witness, error) {
	return watch(ctx, s, h, dev, "")
}

func watch(ctx context.Context, s *lab.Site, h *lab.Host, dev, filter string) (*Witness, error) {
	w := &Witness{file: filepath.Join(s.Dir(), "witness-"+dev+".pcap")}
	cmd := h.Command("tcpdump", "-i", dev, "-w", w.file, "-U", "-s", "0", "-B", "16384", "-Z", "root", "-p", filter)
	listening := make(chan struct{})
	cmd.Stderr = &firstLine{w: &w.said, seen: listening, mark: "listening on"}
	var err error
	if w.proc, err = s.Start(cmd); err != nil {
		return nil, err
	}
	select {
	case <-listening:
		return w, nil
	case <-w.proc.Done():
		return nil, fmt.Errorf("tcpdump: %w: %s", w.proc.Wait(ctx), &w.said)
	case <-ctx.Done():
		return nil, fmt.Errorf("tcpdump: %w", ctx.Err())
	}
}

// firstLine tells when a mark has been written.
type firstLine struct {
	w    *bytes.Buffer
	seen chan struct{}
	mark string
}

func (f *firstLine) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if f.mark != "" && strings.Contains(f.w.String(), f.mark) {
		f.mark = ""
		close(f.seen)
	}
	return n, err
}

var dropped = regexp.MustCompile(`(\d+) packets? dropped by kernel`)

// Stop ends tcpdump and has tshark read what it wrote, see Read. A witness that
// missed something is an error.
func (w *Witness) Stop(ctx context.Context, args ...string) ([]box.Message, error) {
	if err := w.proc.Stop(syscall.SIGINT, 20*time.Second); err != nil {
		return nil, fmt.Errorf("%w: %s", err, &w.said)
	}
	m := dropped.FindStringSubmatch(w.said.String())
	if m == nil || m[1] != "0" {
		return nil, fmt.Errorf("tcpdump missed packets: %s", &w.said)
	}
	return Read(ctx, w.file, args...)
}

// File is what it writes to, complete once Stop has returned.
func (w *Witness) File() string { return w.file }
