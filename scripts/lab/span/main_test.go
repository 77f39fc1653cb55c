package span_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/jssip"
	"heptap/scripts/lab/kamailio"
)

func TestMain(m *testing.M) {
	code := m.Run()
	box.RemoveBuilt()
	os.Exit(code)
}

func long() bool { return os.Getenv("HEPTAP_LONG") == "1" }

// need skips a test that cannot run here. In CI, not being able to is a failure.
func need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	missing := errors.Is(err, lab.ErrNotRoot) || errors.Is(err, kamailio.ErrMissing) || errors.Is(err, jssip.ErrMissing) || errors.Is(err, exec.ErrNotFound)
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
