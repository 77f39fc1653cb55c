package buffertest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"heptap/buffer"
)

// Path returns the path of a spool file in a directory of the test's own. When
// the test has ended, and everything it opened later with a Cleanup of its own
// is closed, the file is checked.
func Path(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "spool")
	t.Cleanup(func() { Check(t, path) })
	return path
}

// Check runs bbolt's own integrity check and buffer.Verify on a closed file.
// A missing file passes.
func Check(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return
	}
	r, err := buffer.Verify(path)
	if err != nil {
		t.Errorf("verify: %v", err)
		return
	}
	if !r.OK() {
		t.Errorf("verify: %q", r.Problems)
		return // bbolt's check does not survive every damage
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second, PreLoadFreelist: true})
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("tx.Check: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("check: %v", err)
	}
}
