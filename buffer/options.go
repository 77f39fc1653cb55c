package buffer

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"
)

// Limits of a spool.
const (
	MaxClasses      = 8       // Options.Classes at most
	MinBytes        = 1 << 20 // Options.MaxBytes at least
	DefaultBytes    = 1 << 30 // Options.MaxBytes when it is zero
	MaxRead         = 1 << 20 // octets one Read copies at most, but for a single larger record
	MaxEntry        = 1 << 20 // octets of one record at most; one eighth of the cap when that is less
	MaxCursors      = 256     // named cursors
	MaxCursorName   = 256     // octets of a cursor's name
	MaxCursorValue  = 4096    // octets of a cursor's value
	MaxQuarantined  = 1000    // records in quarantine
	quarantineBytes = 8 << 20 // octets in quarantine; one sixteenth of the cap when that is less
	maxReason       = 1024    // octets of a quarantine reason that are kept
	keepDamaged     = 2       // damaged files kept beside the spool
	salvageBytes    = 256 << 20
	compactBytes    = 16 << 20 // an empty spool larger than this is written anew
	pageBytes       = 4096
	lockTimeout     = 300 * time.Millisecond
	noGrowTime      = time.Minute // after a full disk, how long the file does not try to grow
)

// Errors that callers branch on.
var (
	// ErrInUse says that another process, or another Spool, holds the file.
	ErrInUse = errors.New("in use by the probe")
	// ErrDamaged says that the file was found damaged. When a method of an open
	// Spool returns it the file has been set aside and replaced: repeat the call.
	ErrDamaged = errors.New("spool damaged")
	// ErrOrder says that sequence numbers do not ascend or are not above Last.
	ErrOrder = errors.New("sequence out of order")
	// ErrReadOnly says that the Spool came from OpenReadOnly.
	ErrReadOnly = errors.New("spool is read-only")
	// ErrFull says that the records cannot be stored even after evicting.
	ErrFull = errors.New("spool full")
)

// Options says how a spool is kept. The zero value means one class and the
// default cap.
type Options struct {
	MaxBytes int64        // cap of the file's size, MinBytes at least; 0 is DefaultBytes; at most 1 GiB on 32-bit
	Classes  int          // number of classes, 1 to MaxClasses
	Shed     []uint8      // classes that are shed when space runs short, the first first; the others are only evicted. nil is all but the highest, the lowest first
	Logger   *slog.Logger // nil discards
	// Tag, unless it is nil, says of a record that is lost what is to be told with its
	// number: one octet. It gets no more than nil when the file is rotten.
	Tag func(data []byte) uint8
	// Room, unless it is nil, says how many octets the file at a path may have, for
	// the sake of what else is on the medium. It is asked before each commit. A file
	// that is larger grows no more, and takes new records in place of the oldest; where it has
	// less than MinBytes it keeps the old ones, and Append's error wraps syscall.ENOSPC.
	Room func(path string) (int64, error)
	Now  func() time.Time // nil is time.Now; names damaged files and stamps quarantine
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultBytes
	}
	if o.MaxBytes < MinBytes {
		return o, fmt.Errorf("cap of %d octets is less than %d", o.MaxBytes, MinBytes)
	}
	if math.MaxInt == math.MaxInt32 {
		o.MaxBytes = min(o.MaxBytes, 1<<30)
	}
	o.MaxBytes -= o.MaxBytes % pageBytes
	if o.Classes == 0 {
		o.Classes = 1
	}
	if o.Classes < 0 || o.Classes > MaxClasses {
		return o, fmt.Errorf("%d classes, want 1 to %d", o.Classes, MaxClasses)
	}
	if o.Shed == nil {
		for c := range o.Classes - 1 {
			o.Shed = append(o.Shed, uint8(c))
		}
	}
	for i, c := range o.Shed {
		if int(c) >= o.Classes || slices.Contains(o.Shed[:i], c) {
			return o, fmt.Errorf("class %d to be shed: of %d, or twice", c, o.Classes)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// maxEntry is the largest record that the spool takes.
func (o *Options) maxEntry() int64 { return min(MaxEntry, o.txBytes()-pageBytes) }

// txBytes is how much one commit holds. A larger Append becomes several.
func (o *Options) txBytes() int64 { return min(4<<20, o.MaxBytes/8) }

// valueBytes is where packed values are split. Large values are fastest, but
// each needs its pages in one piece, which a small file may not have.
func (o *Options) valueBytes() int64 { return max(64<<10, min(1<<20, o.MaxBytes/64)) }

func (o *Options) quarantineBytes() int64 { return min(quarantineBytes, o.MaxBytes/16) }

// shedPercent is how full the file must be for a class to be shed, 0 for never.
func (o *Options) shedPercent(class uint8) int64 {
	i := slices.Index(o.Shed, class)
	if i < 0 {
		return 0
	}
	return 80 + 15*int64(i)/int64(max(len(o.Shed)-1, 1))
}
