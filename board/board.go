package board

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// files is read only.
//
//go:embed boards/*.board
var files embed.FS

const (
	dir    = "boards"
	suffix = ".board"
)

// Names lists the boards that are built in, sorted.
func Names() []string {
	entries, err := files.ReadDir(dir)
	if err != nil {
		panic("board: " + err.Error()) // the directory is part of the binary
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Lookup returns the built-in board of a name. The Description is the
// caller's. For an unknown name the error wraps fs.ErrNotExist and lists the
// known ones.
func Lookup(name string) (Description, error) {
	if names := Names(); !slices.Contains(names, name) {
		return Description{}, fmt.Errorf("board %q: have %s: %w", name, strings.Join(names, ", "), fs.ErrNotExist)
	}
	text, err := files.ReadFile(dir + "/" + name + suffix)
	if err != nil {
		return Description{}, fmt.Errorf("board %s: %w", name, err)
	}
	d, err := Parse(text)
	if err != nil {
		return Description{}, fmt.Errorf("board %s: %w", name, err)
	}
	return d, nil
}
