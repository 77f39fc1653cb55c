package clock

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"heptap/capture/record"
	"heptap/firmware/internal/durable"
)

// maxEpochs is how many epochs are remembered, the last ones.
const maxEpochs = 64

// maxFile bounds what is read of the file.
const maxFile = 64 << 10

// Boot is the kernel's id of a boot.
type Boot [16]byte

// MarshalText implements encoding.TextMarshaler.
func (b Boot) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Boot) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(b) {
		return fmt.Errorf("boot id of %d digits, want %d", len(text), hex.EncodedLen(len(b)))
	}
	_, err := hex.Decode(b[:], text)
	return err
}

// epoch is a time in which nobody stepped the wall clock.
type epoch struct {
	Boot   Boot   `json:"boot"`
	Number uint32 `json:"number"`
	Apart  int64  `json:"apart"` // wall clock less monotonic clock, ns
	Right  bool   `json:"right"` // as far as is known
}

// Epochs remembers epochs. Wall and Current may be called from any goroutine.
type Epochs struct {
	path string // of the file, empty for none
	boot Boot

	mu   sync.Mutex // one change at a time
	list atomic.Pointer[[]epoch]
}

// OpenEpochs reads the file, if there is one; without a path nothing is kept. A
// file that cannot be read is an error, and yet e can be used: it begins anew.
func OpenEpochs(path string, boot Boot) (e *Epochs, err error) {
	e = &Epochs{path: path, boot: boot}
	var list []epoch
	if path != "" {
		if list, err = load(path); err != nil {
			err = fmt.Errorf("what is known of the clock's steps: %w", err)
		}
	}
	e.list.Store(&list)
	return e, err
}

func load(path string) (list []epoch, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxFile)).Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list[:min(len(list), maxEpochs)], nil
}

// Boot is the kernel's id of this boot.
func (e *Epochs) Boot() Boot { return e.boot }

// Current is the number of the epoch that it is.
func (e *Epochs) Current() uint32 {
	if l := e.last(); l != nil {
		return l.Number
	}
	return 0
}

// last is the last epoch of this boot, or nil.
func (e *Epochs) last() *epoch {
	list := *e.list.Load()
	if n := len(list); n > 0 && list[n-1].Boot == e.boot {
		return &list[n-1]
	}
	return nil
}

// begin begins an epoch, unless the last one was of this boot and the same: then
// the program was only started again.
func (e *Epochs) begin(apart int64, right, again bool) error {
	l := e.last()
	switch {
	case l == nil:
		return e.add(epoch{Boot: e.boot, Number: 1, Apart: apart, Right: right})
	case again && abs(apart-l.Apart) < int64(jump):
		return e.settle(apart, l.Right || right)
	}
	return e.add(epoch{Boot: e.boot, Number: l.Number + 1, Apart: apart, Right: right})
}

// settle says how the current epoch is.
func (e *Epochs) settle(apart int64, right bool) error {
	if l := e.last(); l == nil || l.Right == right && l.Apart == apart {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(*e.list.Load())
	l := &list[len(list)-1]
	l.Right, l.Apart = right, apart
	return e.store(list)
}

func (e *Epochs) add(n epoch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := *e.list.Load()
	list := append(slices.Clone(old[max(0, len(old)-maxEpochs+1):]), n)
	return e.store(list)
}

// store makes list what is known, and writes it to the file.
func (e *Epochs) store(list []epoch) error {
	e.list.Store(&list)
	if e.path == "" {
		return nil
	}
	b, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := durable.Write(e.path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep what is known of the clock's steps: %w", err)
	}
	return nil
}

// Wall returns the wall time of a record, in ns since 1970: what it says, unless
// that was stamped by a clock that is known better by now.
func (e *Epochs) Wall(s record.Stamp) int64 {
	if s.Relayed {
		return s.Wall
	}
	known := false
	for _, p := range *e.list.Load() {
		switch {
		case p.Boot != s.Boot:
		case p.Number == s.Epoch:
			if p.Right {
				return s.Wall
			}
			known = true
		case known && p.Right:
			return s.Mono + p.Apart
		}
	}
	return s.Wall
}

func abs(n int64) int64 { return max(n, -n) }
