package capturetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Captures returns the directory of the shared capture files, which lie beside
// the repository and are not part of it. Without them the test is skipped, but
// with CI=true in the environment it fails.
func Captures(t testing.TB) string {
	t.Helper()
	root, err := os.Getwd() // of a test: its package
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("shared captures: not inside a module")
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared", "captures")
	if _, err = os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("shared captures: %v", err)
		}
		t.Skipf("shared captures: %v", err)
	}
	return dir
}

// CaptureFiles returns the paths of all capture files under Captures, each
// relative to it.
func CaptureFiles(t testing.TB) (dir string, files []string) {
	t.Helper()
	dir = Captures(t)
	for _, pattern := range []string{"*/*.pcap", "*/*.pcapng", "*/*.cap", "*/*.gz"} {
		matches, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			rel, err := filepath.Rel(dir, m)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, rel)
		}
	}
	return dir, files
}
