// Package durable writes small files that a power cut leaves whole, and says what room there is for large ones.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write has the file at path hold text, or what it held before, whatever happens
// meanwhile: it is written beside it, synced and renamed. A folder that is missing
// is made, for its owner alone. Two writers of one path at a time are undefined.
func Write(path string, text []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	beside := path + ".new" // one name: what a power cut leaves is used again
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(beside))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
