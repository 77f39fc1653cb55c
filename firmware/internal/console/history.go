package console

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/durable"
)

// MaxHistory is how many configurations are kept that were running before.
const MaxHistory = 20

// maxSaved is how many drafts can be kept under a name.
const maxSaved = 20

const (
	historySuffix = ".history" // of the directory beside the configuration file
	entrySuffix   = ".conf"
	savedPrefix   = "saved-"
)

// history are the configurations beside the running one: those that ran before,
// by number, and drafts that were saved, by name.
type history struct {
	file string // the configuration file, links followed
	dir  string
}

// newHistory does not need the file to be there yet.
func newHistory(file string) (history, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return history{file: file, dir: file + historySuffix}, nil
	}
	file, err := filepath.EvalSymlinks(file)
	if st, serr := os.Stat(file); err == nil && serr == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: no regular file", file)
	}
	return history{file: file, dir: file + historySuffix}, err
}

// numbers are those of the entries, the newest first. They only grow.
func (h *history) numbers() ([]int, error) {
	names, err := h.names("")
	var out []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, err
}

// names are those of the files with a prefix, without it and the suffix.
func (h *history) names(prefix string) (out []string, err error) {
	entries, err := os.ReadDir(h.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), entrySuffix)
		name, has := strings.CutPrefix(name, prefix)
		if ok && has && name != "" {
			out = append(out, name)
		}
	}
	return out, err
}

// path is where the nth newest entry is, from 1.
func (h *history) path(n int) (string, error) {
	all, err := h.numbers()
	if err != nil {
		return "", err
	}
	if n < 1 || n > len(all) {
		return "", fmt.Errorf("the history has %d configurations; show history lists them", len(all))
	}
	return h.entry(all[n-1]), nil
}

func (h *history) entry(number int) string {
	return filepath.Join(h.dir, fmt.Sprintf("%08d", number)+entrySuffix)
}

func (h *history) savedPath(name string) (string, error) {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "", fmt.Errorf("%q: a name is 1 to 32 letters, digits, '-' or '_'", name)
	}
	return filepath.Join(h.dir, savedPrefix+name+entrySuffix), nil
}

// read returns what a file has, and its first line if that is a comment.
func read(path string) (text []byte, note string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, config.MaxText+1))
	if err == nil && len(text) > config.MaxText {
		err = fmt.Errorf("%s: more than %d octets", path, config.MaxText)
	}
	line, _, _ := bufio.NewReader(bytes.NewReader(text)).ReadLine()
	if bytes.HasPrefix(line, []byte("# ")) {
		note = string(line[2:])
	}
	return text, note, err
}

// keep makes the configuration file's content the newest entry, and lets go of the
// oldest.
func (h *history) keep(note string) error {
	text, _, err := read(h.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := h.numbers()
	if err != nil {
		return err
	}
	next := 1
	if len(all) > 0 {
		next = all[0] + 1
	}
	if err := durable.Write(h.entry(next), append([]byte("# "+note+"\n"), text...), 0o600); err != nil {
		return err
	}
	for _, n := range all[min(len(all), MaxHistory-1):] {
		if err := os.Remove(h.entry(n)); err != nil {
			return err
		}
	}
	return nil
}

// replace puts text into the configuration file, whose mode stays what it is.
func (h *history) replace(text string) error {
	mode := fs.FileMode(0o600)
	if st, err := os.Stat(h.file); err == nil {
		mode = st.Mode().Perm()
	}
	return durable.Write(h.file, []byte(text), mode)
}

// save keeps a draft under a name.
func (h *history) save(name, text string) error {
	path, err := h.savedPath(name)
	if err != nil {
		return err
	}
	have, err := h.names(savedPrefix)
	if err != nil {
		return err
	}
	if len(have) >= maxSaved && !slices.Contains(have, name) {
		return fmt.Errorf("%d drafts are saved, and no more can be: %s", len(have), strings.Join(have, ", "))
	}
	return durable.Write(path, []byte(text), 0o600)
}
