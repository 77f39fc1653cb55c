package ring

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/net/bpf"
)

// Defaults of Config.
const (
	DefaultRingBytes  = 64 << 20
	DefaultBlockBytes = 256 << 10 // small: a block is retired however little is in it, and a stalled reader has so many retire times
	DefaultRetire     = 10 * time.Millisecond
	DefaultPoll       = 100 * time.Millisecond
)

// Config says what to capture, and how. Only Interface is required; a zero
// field takes its default.
type Config struct {
	Interface  string        // name, as in `ip link`
	RingBytes  int           // size of the whole ring
	BlockBytes int           // size of one block; rounded up to whole pages
	Retire     time.Duration // how long a frame waits in a block that is not full; whole milliseconds
	Poll       time.Duration // how long a Read waits before it returns with nothing
	Fanout     *Fanout       // nil: this ring gets every frame
	Port       uint8         // Frame.Port of every frame
	Snaplen    int           // octets stored of each frame; 0: all of it
	Outgoing   bool          // also deliver frames that this host sends on Interface

	// HardwareTime has frames take their time from the card's clock, where it stamps all
	// frames and proves right. Otherwise they have the system's, see Ring.Timestamps.
	HardwareTime bool

	// Filter is the program the kernel runs on each frame, from
	// CompileFilter; nil passes everything. See SetFilter.
	Filter []bpf.RawInstruction
	// Sampled says that Filter, and each that SetFilter is given, is from
	// CompileSampling: the samples are marked as Frame.Hidden.
	Sampled bool

	// Logger hears of the interface going away and coming back; nil: nobody.
	Logger *slog.Logger
}

// Fanout spreads the frames of one interface over several rings, by a hash
// of the flow that is the same in both directions (PACKET_FANOUT_HASH). All
// rings of a group must be opened with the same Fanout. With Inner the flow is
// the innermost one: a tunnel is one flow to the kernel, and would all be on one
// ring. See the package's documentation.
type Fanout struct {
	Group    uint16 // the same for all rings of the group, unique in the network namespace
	Defrag   bool   // reassemble IPv4 fragments first, so that they find their flow
	Inner    bool   // by the flow inside of tunnels (PACKET_FANOUT_CBPF, Linux 4.3)
	Rollover bool   // when a ring is full, try the next one
}

// Geometry is the ring as the kernel granted it. It is smaller than asked for
// when memory is short or fragmented.
type Geometry struct {
	BlockBytes int
	Blocks     int
}

// Bytes returns the size of the whole ring.
func (g Geometry) Bytes() int { return g.BlockBytes * g.Blocks }

// State says what the interface is like.
type State uint8

// The states of an interface, as the reader saw it last.
const (
	StateUp        State = iota
	StateNoCarrier       // set up, but nothing is plugged in
	StateDown            // administratively down
	StateGone            // there is no interface of that name, or not yet bound to it again
)

// String returns the state as a status page prints it.
func (s State) String() string {
	switch s {
	case StateUp:
		return "up"
	case StateNoCarrier:
		return "no carrier"
	case StateDown:
		return "down"
	case StateGone:
		return "gone"
	}
	return "invalid"
}

// withDefaults checks c and fills in what is zero.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Interface == "":
		return c, fmt.Errorf("open ring: no interface named; there are: %s", interfaceNames())
	case c.RingBytes < 0 || c.BlockBytes < 0 || c.Retire < 0 || c.Poll < 0 || c.Snaplen < 0:
		return c, fmt.Errorf("open ring %s: a size or time is negative", c.Interface)
	}
	c.RingBytes = orDefault(c.RingBytes, DefaultRingBytes)
	c.BlockBytes = orDefault(c.BlockBytes, DefaultBlockBytes)
	c.Retire = orDefault(c.Retire, DefaultRetire)
	c.Poll = orDefault(c.Poll, DefaultPoll)
	c.Retire = max(c.Retire.Round(time.Millisecond), time.Millisecond)
	c.Poll = max(c.Poll.Round(time.Millisecond), time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("iface", c.Interface)
	return c, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// geometry returns what to ask the kernel for first: at least two blocks, so
// that it can fill one while we read the other.
func (c Config) geometry() Geometry {
	page := os.Getpagesize()
	block := (c.BlockBytes + page - 1) / page * page
	for block > page && c.RingBytes/block < 2 {
		block = halve(block, page)
	}
	return Geometry{BlockBytes: block, Blocks: max(c.RingBytes/block, 2)}
}

// halve returns half of n in whole pages, at least one.
func halve(n, page int) int { return max(n/2/page*page, page) }

// smaller returns the next thing to ask for when the kernel has not got g:
// smaller blocks with the same total, then half of the total in blocks of
// the wanted size. ok is false when there is nothing left to try.
func (c Config) smaller(g Geometry) (next Geometry, ok bool) {
	page := os.Getpagesize()
	total := g.Bytes()
	if g.BlockBytes > page {
		block := halve(g.BlockBytes, page)
		return Geometry{BlockBytes: block, Blocks: max(total/block, 2)}, true
	}
	if total <= 2*page {
		return g, false
	}
	c.RingBytes = total / 2
	return c.geometry(), true
}
