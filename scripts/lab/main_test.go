package lab_test

import (
	"context"
	"errors"
	"os"
	"slices"
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
	if errors.Is(err, lab.ErrNotRoot) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

func newSite(t testing.TB, cfg lab.SiteConfig) *lab.Site {
	t.Helper()
	s, err := lab.OpenSite(cfg)
	need(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// within is a context for what must happen at some time.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// labNamespaces are the namespaces whose names begin like a lab's.
func labNamespaces(t testing.TB, begin string) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), begin) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}
