package onboard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heptap/scripts/lab/guest/inside"
)

func TestMain(m *testing.M) { os.Exit(inside.Main(m)) }

// put writes a file of sysfs or configfs.
func put(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// take reads one.
func take(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func makeDir(t testing.TB, elem ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(elem...), 0o755); err != nil {
		t.Fatal(err)
	}
}
