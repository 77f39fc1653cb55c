package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	magic = "heptap update 1\n"

	MaxHeader     = 1024      // octets
	MaxSystem     = 192 << 20 // octets
	MaxSignatures = 8
	maxName       = 48 // octets of a board or version
)

// Header is what is known of a system before it is there.
type Header struct {
	Board   string // 1 to 48 letters, digits, dots, dashes; so is
	Version string
	Built   int64 // seconds since 1970
	Data    int   // the newest format of the data partition that it reads, 1 to 9999
	Size    int64 // octets
	SHA256  [sha256.Size]byte
}

// ErrHeader says that a header is not one of this format.
var ErrHeader = errors.New("header of an update")

// keys are the header's, in their order.
var keys = [...]string{"board", "version", "built", "data", "size", "sha256"}

// Text is the header as it is signed.
func (h Header) Text() []byte {
	return fmt.Appendf(nil, "board %s\nversion %s\nbuilt %d\ndata %d\nsize %d\nsha256 %x\n", h.Board, h.Version, h.Built, h.Data, h.Size, h.SHA256)
}

// Check says what is wrong with a header.
func (h Header) Check() error {
	switch {
	case !named(h.Board):
		return fmt.Errorf("%w: board %q: want 1 to %d letters, digits, dots and dashes", ErrHeader, h.Board, maxName)
	case !named(h.Version):
		return fmt.Errorf("%w: version %q: want 1 to %d letters, digits, dots and dashes", ErrHeader, h.Version, maxName)
	case h.Built < 0:
		return fmt.Errorf("%w: built %d: want seconds since 1970", ErrHeader, h.Built)
	case h.Data < 1 || h.Data > 9999:
		return fmt.Errorf("%w: data %d: want 1 to 9999", ErrHeader, h.Data)
	case h.Size < 1 || h.Size > MaxSystem:
		return fmt.Errorf("%w: size %d: want 1 to %d octets", ErrHeader, h.Size, MaxSystem)
	}
	return nil
}

// named says whether a text can be part of a file's name on any file system, and
// of a line on any terminal.
func named(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// parseHeader reads a header's text. There is one text for each header.
func parseHeader(text []byte) (h Header, err error) {
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) != len(keys)+1 || lines[len(keys)] != "" {
		return h, fmt.Errorf("%w: want %d lines", ErrHeader, len(keys))
	}
	var values [len(keys)]string
	for i, key := range keys {
		name, value, _ := strings.Cut(strings.TrimSuffix(lines[i], "\n"), " ")
		if name != key {
			return h, fmt.Errorf("%w: %.20q: want %q", ErrHeader, name, key)
		}
		values[i] = value
	}
	h.Board, h.Version = values[0], values[1]
	var derr error
	h.Built, err = strconv.ParseInt(values[2], 10, 64)
	if h.Data, derr = strconv.Atoi(values[3]); err == nil {
		err = derr
	}
	if h.Size, derr = strconv.ParseInt(values[4], 10, 64); err == nil {
		err = derr
	}
	sum, derr := hex.DecodeString(values[5])
	if err == nil {
		err = derr
	}
	if err != nil {
		return h, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	copy(h.SHA256[:], sum)
	if err := h.Check(); err != nil {
		return h, err
	}
	if !bytes.Equal(h.Text(), text) {
		return h, fmt.Errorf("%w: not written in the one way that there is", ErrHeader)
	}
	return h, nil
}
