package kamailio

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"heptap/scripts/lab"
)

//go:embed hep.cfg
var config string

// ErrMissing is wrapped by the errors of Start and StartStore when Kamailio,
// or a module of it that they need, is not installed.
var ErrMissing = errors.New("not installed")

// Packet is a HEP packet as Kamailio read it.
type Packet struct {
	Version, Proto  int
	Family          int    // 2 for IPv4, 10 for IPv6
	Src, Dst        string // ip:port
	Seconds, Micros int64
	Type            int
	Agent           int64
	Auth            string // empty when there was none
	Correlation     string
	Payload         []byte
}

// Server is a running Kamailio.
type Server struct {
	proc *lab.Process
	also io.Writer // may be nil

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

// Write implements io.Writer for Kamailio's log.
func (s *Server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.also != nil {
		if _, err := s.also.Write(b); err != nil {
			return 0, err
		}
	}
	return s.log.Write(b)
}

// Log is what Kamailio has said.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Start starts Kamailio on a host of a lab and returns when it listens at
// addr over TCP and UDP.
func Start(ctx context.Context, l *lab.Lab, h *lab.Host, addr string) (*Server, error) {
	modules, err := module("sipcapture", "kamailio")
	if err != nil {
		return nil, err
	}
	return launch(ctx, l, h, addr, instance{config: config, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}

// StartTLS is Start with TLS in place of TCP. certificate is a file with the server's
// certificate, key one with its private key, both in PEM.
func StartTLS(ctx context.Context, l *lab.Lab, h *lab.Host, addr, certificate, key string) (*Server, error) {
	modules, err := module("sipcapture", "kamailio")
	if err == nil {
		_, err = module("tls", "kamailio-tls-modules")
	}
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("listen=tcp:@ADDR@", "enable_tls=yes\nlisten=tls:@ADDR@", `loadmodule "pv.so"`, `loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "`+certificate+`")
modparam("tls", "private_key", "`+key+`")
loadmodule "pv.so"`).Replace(config)
	return launch(ctx, l, h, addr, instance{config: text, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}

// module returns the directory of Kamailio's modules, if it has that one.
func module(name, pkg string) (dir string, err error) {
	if _, err := exec.LookPath("kamailio"); err != nil {
		return "", fmt.Errorf("kamailio (Debian package kamailio): %w", ErrMissing)
	}
	found, err := filepath.Glob("/usr/lib/*/kamailio/modules/" + name + ".so")
	if err == nil && len(found) == 0 {
		err = ErrMissing
	}
	if err != nil {
		return "", fmt.Errorf("kamailio's module %s (Debian package %s): %w", name, pkg, err)
	}
	return filepath.Dir(found[0]) + "/", nil
}

// instance is what one Kamailio is started with.
type instance struct {
	config  string // with places to fill in
	modules string
	dir     string       // its own; made here
	prepare func() error // runs once dir is there; may be nil
	log     io.Writer    // gets what Kamailio says, too; may be nil
}

// launch starts Kamailio and waits until it listens.
func launch(ctx context.Context, l *lab.Lab, h *lab.Host, addr string, i instance) (*Server, error) {
	err := os.MkdirAll(i.dir, 0o755)
	if err == nil && i.prepare != nil {
		err = i.prepare()
	}
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("@ADDR@", addr, "@MODULES@", i.modules, "@DIR@", i.dir).Replace(i.config)
	file := filepath.Join(i.dir, "kamailio.cfg")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	s := &Server{also: i.log}
	dir := i.dir
	cmd := h.Command("kamailio", "-DD", "-E", "-f", file, "-P", filepath.Join(dir, "pid"), "-Y", dir, "-m", "32", "-M", "64")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, s, s
	if s.proc, err = l.Start(cmd); err != nil {
		return nil, err
	}
	for {
		up := false
		_ = h.Do(func() error {
			conn, err := net.DialTimeout("tcp", addr, time.Second)
			if up = err == nil; up {
				conn.Close()
			}
			return nil
		})
		if up {
			return s, nil
		}
		select {
		case <-s.proc.Done():
			return nil, fmt.Errorf("%w\n%s", errors.Join(errors.New("kamailio has ended"), s.proc.Wait(ctx)), s.Log())
		case <-ctx.Done():
			return nil, fmt.Errorf("kamailio does not listen: %w\n%s", ctx.Err(), s.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends Kamailio, which first reads what has arrived.
func (s *Server) Stop() error { return s.proc.Stop(syscall.SIGTERM, 20*time.Second) }

// Packets returns what Kamailio has read so far.
func (s *Server) Packets() (all []Packet, err error) {
	for line := range strings.Lines(s.Log()) {
		_, fields, ok := strings.Cut(line, "HEP|")
		if !ok || !strings.HasSuffix(line, "\n") {
			continue
		}
		p, err := parse(strings.SplitN(strings.TrimSuffix(fields, "\n"), "|", 15)) // what is not there is empty
		if err != nil {
			return nil, fmt.Errorf("kamailio: %q: %w", line, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// parse reads the fields of hep.cfg's line.
func parse(f []string) (p Packet, err error) {
	if len(f) != 15 {
		return p, fmt.Errorf("%d fields, want 15", len(f))
	}
	if f[1] == "10" { // AF_INET6: the addresses are in chunks 5 and 6
		f[3], f[4] = f[5], f[6]
	}
	number := func(s string) int64 {
		n, nerr := strconv.ParseInt(s, 10, 64)
		err = errors.Join(err, nerr)
		return n
	}
	p = Packet{
		Version: int(number(f[0])), Family: int(number(f[1])), Proto: int(number(f[2])),
		Src: net.JoinHostPort(f[3], f[7]), Dst: net.JoinHostPort(f[4], f[8]),
		Seconds: number(f[9]), Micros: number(f[10]), Type: int(number(f[11])), Agent: number(f[12]),
	}
	payload, berr := base64.StdEncoding.DecodeString(f[13])
	p.Payload = payload
	p.Correlation, p.Auth, _ = strings.Cut(f[14], "\t")
	return p, errors.Join(err, berr)
}
