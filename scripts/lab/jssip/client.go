package jssip

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

//go:embed client.js
var program []byte

// ErrMissing is wrapped by Open's error when Node or JsSIP is not installed.
var ErrMissing = errors.New("not installed")

// Programs is an installed JsSIP.
type Programs struct{ dir string }

// Open finds the installed JsSIP.
func Open() (*Programs, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return nil, fmt.Errorf("node (Debian package nodejs): %w", ErrMissing)
	}
	root, err := box.Root()
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(filepath.Join(root, "scripts", "lab", "jssip", "install.sh"), "-where").Output()
	if err != nil {
		return nil, fmt.Errorf("jssip/install.sh: %w", err)
	}
	p := &Programs{strings.TrimSpace(string(out))}
	if _, err := os.Stat(p.dir); err != nil {
		return nil, fmt.Errorf("jssip (scripts/lab/jssip/install.sh): %w", ErrMissing)
	}
	return p, nil
}

// Client is a running JsSIP.
type Client struct {
	*lab.Process

	mu   sync.Mutex // guards said
	said bytes.Buffer
	seen chan struct{} // closed when it has registered
}

// Write implements io.Writer for what the client says.
func (c *Client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := bytes.Contains(c.said.Bytes(), registered)
	n, err := c.said.Write(b)
	if !before && bytes.Contains(c.said.Bytes(), registered) {
		close(c.seen)
	}
	return n, err
}

var registered = []byte("registered\n")

// Said is what the client has said.
func (c *Client) Said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// Callee starts a client that registers at a server and answers every call. It
// returns when the client has registered.
func (p *Programs) Callee(ctx context.Context, l *lab.Lab, h *lab.Host, server, user string) (*Client, error) {
	c, err := p.start(l, h, "callee", server, user)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.seen:
		return c, nil
	case <-c.Done():
		return nil, fmt.Errorf("jssip has ended: %w\n%s", c.Wait(ctx), c.Said())
	case <-ctx.Done():
		return nil, fmt.Errorf("jssip does not register: %w\n%s", ctx.Err(), c.Said())
	}
}

// Caller starts a client that registers and calls somebody so many times. It
// ends by itself.
func (p *Programs) Caller(l *lab.Lab, h *lab.Host, server, user, target string, calls int) (*Client, error) {
	return p.start(l, h, "caller", server, user, target, strconv.Itoa(calls))
}

// start runs the client for a server at an address with a port.
func (p *Programs) start(l *lab.Lab, h *lab.Host, role, server, user string, more ...string) (*Client, error) {
	file := filepath.Join(l.Dir(), "jssip-client.js")
	if err := os.WriteFile(file, program, 0o644); err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(server, ":")
	c := &Client{seen: make(chan struct{})}
	cmd := h.Command("node", append([]string{file, role, "ws://" + server, user, host}, more...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(p.dir, "node_modules"))
	cmd.Stdout, cmd.Stderr = c, c
	var err error
	c.Process, err = l.Start(cmd)
	return c, err
}
