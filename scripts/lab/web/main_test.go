package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

func TestMain(m *testing.M) {
	code := m.Run()
	box.RemoveBuilt()
	os.Exit(code)
}

// need skips a test that cannot run here. In CI, not being able to is a failure.
func need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if (errors.Is(err, lab.ErrNotRoot) || errors.Is(err, exec.ErrNotFound)) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// within is a context for what must happen at some time.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// scene is a site with a probe at its mirror.
type scene struct {
	*lab.Site
	t   *testing.T
	box *box.Box

	records []found
}

// newScene builds one; the probe is configured by lines.
func newScene(t *testing.T, programs []string, lines ...string) *scene {
	t.Helper()
	for _, program := range programs {
		_, err := exec.LookPath(program)
		need(t, err)
	}
	site, err := lab.OpenSite(lab.SiteConfig{})
	need(t, err)
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Site: site, t: t}
	s.box, err = box.Start(within(t, 30*time.Second), site, box.Config{Binary: binary, Lines: append([]string{
		"set capture span0 interface span0", "set system board generic"}, lines...)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listen opens a port on host b.
func (s *scene) listen(port string) (in net.Listener) {
	s.t.Helper()
	err := s.B.Do(func() (err error) {
		in, err = net.Listen("tcp", net.JoinHostPort(s.B.Addr.String(), port))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.OnClose(func() error { return ignoreClosed(in.Close()) })
	return in
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// dial connects host a to a port of host b.
func (s *scene) dial(port string) (conn *net.TCPConn) {
	s.t.Helper()
	err := s.A.Do(func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(s.B.Addr.String(), port), 5*time.Second)
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(20 * time.Second))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// run runs a program on a host, and returns what it says and how it ended.
func (s *scene) run(h *lab.Host, name string, args ...string) (string, error) {
	s.t.Helper()
	return s.runIn("", h, name, args...)
}

// runIn does so in a folder.
func (s *scene) runIn(dir string, h *lab.Host, name string, args ...string) (string, error) {
	s.t.Helper()
	var said bytes.Buffer
	cmd := h.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &said, &said, dir
	p, err := s.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	err = p.Wait(within(s.t, 20*time.Second))
	return said.String(), err
}

// found is a record with its payload.
type found struct {
	box.Record
	says map[string]any
}

// finish ends the probe and returns its records of a type.
func (s *scene) finish() (all []found) {
	s.t.Helper()
	time.Sleep(time.Second) // a tap learns of it when it has passed by
	records, err := s.box.Finish()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range records {
		f := found{Record: r}
		if err := json.Unmarshal([]byte(r.Payload), &f.says); err != nil && r.Type != box.TypeSIP {
			s.t.Errorf("%v: %s", err, r.Payload)
		}
		all = append(all, f)
	}
	return all
}

// short is a text for reports.
func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return strings.TrimSpace(s)
}
