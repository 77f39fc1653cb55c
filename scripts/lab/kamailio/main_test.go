package kamailio_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/kamailio"
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
	missing := errors.Is(err, lab.ErrNotRoot) || errors.Is(err, kamailio.ErrMissing) || errors.Is(err, exec.ErrNotFound)
	if missing && os.Getenv("CI") != "true" {
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

// eventually waits for something that no program tells.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("after 30 s: %s", what)
			return
		}
	}
}

func newLab(t testing.TB) *lab.Lab {
	t.Helper()
	l, err := lab.Open()
	need(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func binaryPath(t testing.TB) string {
	t.Helper()
	path, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
