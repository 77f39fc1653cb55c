package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// ErrFiltered is what an Encoder returns for a record its collector does not
// want. Any other error sets the record aside.
var ErrFiltered = errors.New("filtered")

// Encoder makes what goes to a collector from a neutral record. It appends to
// dst, keeps nothing of rec, and makes the same octets from the same record
// every time. On an error dst comes back unchanged in length.
type Encoder interface {
	Encode(dst, rec []byte) ([]byte, error)
}

// Conn is one connection to a collector; hep.Conn is one. Write has one caller at
// a time, the other methods any number.
type Conn interface {
	// Write writes all of b, or returns an error once nothing has moved for
	// the connection's stall time. A datagram connection sends b as one datagram.
	Write(b []byte) (int, error)
	Written() uint64        // octets the own kernel has taken
	Acked() (uint64, error) // of these, octets the peer's kernel has acknowledged
	CloseWrite() error      // half-close
	// Peer says how the peer ended the connection: io.EOF is a FIN, and over TLS
	// close_notify before it; io.ErrUnexpectedEOF a FIN alone; for datagrams every
	// refusal.
	Peer() <-chan error
	Confirmed() bool // the FIN came after CloseWrite, with nothing unacknowledged
	Close() error    // the kernel goes on sending what it has
	Abort() error    // the kernel discards what it has
}

// Receipts is a Conn to a collector that answers for what it has stored. What Acked counts is then
// confirmed, in sequence, and no barrier is needed. CloseWrite asks for what is still missing: Peer
// says io.EOF when all has come, and Confirmed is true then. Whatever else ends such a connection is an
// error that says so in plain words.
type Receipts interface {
	Conn
	Progress() <-chan struct{} // is poked when Acked has grown, or a record was refused
	// Refused returns, once, a record that the collector has refused for good, by its number. It does
	// not have it, and wants no more of it; Acked counts it as done with.
	Refused() (seq uint64, why error, ok bool)
	Window() int // records that may be unanswered at a time
	// Duplicates returns how many messages of this connection the collector had already, as it says, and has once.
	Duplicates() uint64
}

// Spool is the disk tier; buffer.Spool is one. Stats does not wait for the disk,
// the other methods may. With ErrDamaged the spool has replaced itself.
type Spool interface {
	Commit(buffer.Batch) (buffer.AppendResult, error)
	Read(from uint64, maxBytes int, buf []byte) ([]buffer.Entry, []byte, error)
	Stats() buffer.Stats
	Cursor(name string) ([]byte, bool, error)
	Cursors() []string // the names of all that there are
	Quarantine(e buffer.Entry, reason string) error
	Close() error
}

// Collector says how one collector is fed.
type Collector struct {
	Name       string                                  // names the cursor; unique, not empty
	Dial       func(ctx context.Context) (Conn, error) // one attempt, with its own time limit
	NewEncoder func() Encoder                          // called once per lane
	Beside     func(ctx context.Context)               // runs for as long as the lanes do; nil is nothing
	Members    func() []MemberStatus                   // of the Failover that Dial is; nil: of none
	Datagram   bool                                    // UDP: no acknowledgement of any kind
	Secure     bool                                    // TLS, for the words in which an early end is reported
	Filtered   bool                                    // a record's Skip may say that it is not for this one; Log.Bit says by which bit
	Strict     bool                                    // everything in sequence, one connection at a time
	DrainRate  int                                     // records per second, live ones included, above which the backlog waits; 0 is unlimited (5,000 for datagrams)
	DrainLive  float64                                 // the backlog may raise the rate to so many times that of live records, if that is more than DrainRate
	// Hold says that a record on disk is not to be sent, for it is too old, nor
	// forgotten: it stays on disk until it is evicted. It is asked about the oldest
	// ones, by several goroutines. nil holds none back.
	Hold func(rec []byte) bool
	// Packets is how many packets an Encoder makes of one record at most; 0 is one.
	// Over a stream they are back to back, and the collector has the record
	// when it has them all. A datagram carries one: First, which must then be there, says
	// how many octets the first of those in b has.
	Packets int
	First   func(b []byte) int
}

// Options says how a Log works. Zero fields get the defaults named.
type Options struct {
	Collectors []Collector
	Spool      Spool          // the Log owns and closes it; nil keeps records in memory only
	Boot       [16]byte       // boot id that records are sealed with
	ClockEpoch func() uint32  // how often the wall clock has been stepped; nil is never
	Logger     *slog.Logger   // nil discards
	Shed       []record.Class // what is shed when memory runs short, the first first; nil is record.ShedOrder. The Spool has its own
	// Expired says that a record on disk has waited for longer than it is to be kept, and known
	// is false where the record cannot tell: it then goes with those around it. nil keeps all.
	Expired func(rec []byte) (expired, known bool)
	// Made says when a record was made, and known is false where that is not known. nil never knows.
	Made func(rec []byte) (at time.Time, known bool)
	// Late opens the spool that did not work when the Log was opened without one: for what is left in memory at the end.
	Late func() (Spool, error)

	Memory         int           // octets of the memory tier, 1 MiB at least; 32 MiB
	SpillAfter     time.Duration // how long a record may be unacknowledged and only in memory; 1 s
	BarrierBytes   int           // octets between barriers; 2 MiB
	BarrierGap     time.Duration // time between them at least; 2 s
	BarrierAge     time.Duration // a barrier when something is unconfirmed that long; 60 s
	UnconfirmedMax int           // unconfirmed octets of a lane that make a barrier at once; 16 MiB, at most half of Memory
	HandOver       time.Duration // how long a barrier waits for the next connection before it half-closes without; 1 s
	FINTimeout     time.Duration // how long a barrier waits for the FIN; 10 s
	Tail           int           // octets to send again for a collector that never answers; 8 MiB
	RefusalWindow  time.Duration // how long after it was written a datagram may be refused; 1 s
	BackoffMin     time.Duration // pause after the first failure; 0.1 s
	BackoffMax     time.Duration // and after many; 30 s
	Linger         time.Duration // how long an idle live lane lets a batch grow; 2 ms
	TrimGap        time.Duration // time between trims of the spool, at least; 2 s
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (o Options) withDefaults() (Options, error) {
	or(&o.Memory, 32<<20)
	or(&o.SpillAfter, time.Second)
	or(&o.BarrierBytes, 2<<20)
	or(&o.BarrierGap, 2*time.Second)
	or(&o.BarrierAge, time.Minute)
	or(&o.UnconfirmedMax, 16<<20)
	or(&o.HandOver, time.Second)
	or(&o.FINTimeout, 10*time.Second)
	or(&o.Tail, 8<<20)
	or(&o.RefusalWindow, time.Second)
	or(&o.BackoffMin, 100*time.Millisecond)
	or(&o.BackoffMax, 30*time.Second)
	or(&o.Linger, 2*time.Millisecond)
	or(&o.TrimGap, 2*time.Second)
	if o.Shed == nil {
		o.Shed = record.ShedOrder()
	}
	o.UnconfirmedMax = min(o.UnconfirmedMax, o.Memory/2)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ClockEpoch == nil {
		o.ClockEpoch = func() uint32 { return 0 }
	}
	if o.Memory < 1<<20 {
		return o, fmt.Errorf("memory of %d octets is less than %d", o.Memory, 1<<20)
	}
	seen := map[string]bool{logCursor: true, "": true}
	for _, c := range o.Collectors {
		if seen[c.Name] {
			return o, fmt.Errorf("collector name %q: empty, reserved or twice", c.Name)
		}
		seen[c.Name] = true
		if c.Dial == nil || c.NewEncoder == nil {
			return o, fmt.Errorf("collector %s: no dialer or encoder", c.Name)
		}
		if c.Packets > 1 && c.First == nil {
			return o, fmt.Errorf("collector %s: packets that nobody can tell apart", c.Name)
		}
	}
	return o, nil
}

// What one lane holds besides the memory tier: a batch, its encoding, and a
// piece of the spool.
const (
	batchBytes = 64 << 10
	chunkBytes = 1 << 20
	laneBytes  = 4*batchBytes + chunkBytes
	spillBytes = 4 << 20 // octets in one commit
	spillCount = 8192    // records in one commit
)

// MemoryBudget returns how many octets a Log with these options uses at most,
// the spool's own apart.
func (o Options) MemoryBudget() (int, error) {
	o, err := o.withDefaults()
	if err != nil {
		return 0, err
	}
	// Pages that are pinned outlive their place in the tier: a commit's worth,
	// and a few per lane. Offsets cost 4 octets per record of 128 at least.
	n := o.Memory + o.Memory/8 + o.Memory/32 + spillBytes + spillCount*64
	if len(o.Collectors) > 1 {
		n += chunkBytes // what one that is far behind gives up is read
	}
	for _, c := range o.Collectors {
		n += 2 * (laneBytes + 2*(256<<10) + max(c.Packets-1, 0)*batchBytes)
	}
	return n, nil
}
