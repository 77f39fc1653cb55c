package infer

import (
	"math"
	"math/bits"
	"time"
	"unsafe"
)

// Config says how a Matcher works. The zero value means the defaults.
type Config struct {
	Starts    int           // most requests remembered, 32768: three horizons of 1,300 a second; fewer if Call-IDs are longer than 64 octets
	Pending   int           // most queries and placed requests that wait for a decision, 8192
	Templates int           // most kinds of query learned about, 1024
	Horizon   time.Duration // how long after a request's arrival a query may belong to it, 8 s
	Settle    time.Duration // how late an input may come, 150 ms
	Wait      time.Duration // how long a reply is waited for, 2 s
	Skew      time.Duration // how far the times of two inputs may be wrong against each other, 10 ms
	MinScore  int           // the lowest score of a link, 98; from 50 to 99
}

func (c Config) withDefaults() Config {
	for _, n := range []struct {
		have           *int
		usual, lo, top int
	}{
		{&c.Starts, 32768, 16, 1 << 24}, {&c.Pending, 8192, 16, 1 << 20},
		{&c.Templates, 1024, 4 * ways, 1 << 16}, {&c.MinScore, 98, 50, 99},
	} {
		if *n.have <= 0 {
			*n.have = n.usual
		}
		*n.have = min(max(*n.have, n.lo), n.top)
	}
	for _, d := range []struct {
		have             *time.Duration
		usual, low, high time.Duration
	}{
		{&c.Horizon, 8 * time.Second, time.Second, time.Minute},
		{&c.Settle, 150 * time.Millisecond, time.Millisecond, time.Second},
		{&c.Wait, 2 * time.Second, time.Millisecond, 30 * time.Second},
		{&c.Skew, 10 * time.Millisecond, time.Microsecond, time.Second},
	} {
		if *d.have <= 0 {
			*d.have = d.usual
		}
		*d.have = min(max(*d.have, d.low), d.high)
	}
	return c
}

// MemoryBytes returns the most memory that a Matcher made from c will ever hold.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	return int64(unsafe.Sizeof(Matcher{})) +
		int64(c.Starts)*(int64(unsafe.Sizeof(start{}))+idOctets) + 4*int64(buckets(4*c.Starts)) +
		int64(c.Pending)*(int64(unsafe.Sizeof(pending{}))+2*int64(unsafe.Sizeof(due{}))) + 4*int64(buckets(c.Pending)) +
		int64(sets(c.Templates))*ways*int64(unsafe.Sizeof(template{}))
}

func buckets(n int) int { return 1 << bits.Len(uint(n-1)) }

func sets(templates int) int { return buckets(templates / ways) }

// Stats counts since the Matcher was made. Every query and every placed request
// that was taken ends as Linked, as one of None, as Passed, or waits: Taken = Linked + sum of None + Passed + Waiting.
type Stats struct {
	Arrived    uint64 // requests remembered
	Repeated   uint64 // requests that were known: retransmissions, duplicates of the mirror
	Evicted    uint64 // requests that gave way before their time, the table full
	Sent       uint64 // next steps of a request that is known, legs of it included
	SentEarly  uint64 // Sent: came before its request, and was kept for it
	Queries    uint64 // queries taken
	Placed     uint64 // placed requests taken
	Duplicates uint64 // queries and placed requests that were known
	Orphans    uint64 // replies whose query never came, or was decided before
	Refused    uint64 // inputs without an address, a time or a Call-ID of at most MaxCallID octets
	Linked     uint64
	None       [NumOutcomes]uint64
	Passed     uint64 // placed requests with a Call-ID that had arrived at the same host: a proxy's
	Waiting    uint64
	Cut        uint64 // texts that were longer than MaxText, or held more than could be looked up
	Hot        uint64 // keys that more requests share than are looked at
	Held       uint64 // requests remembered now
}

// Taken returns how many queries and placed requests were taken.
func (s *Stats) Taken() uint64 { return s.Queries + s.Placed }

// Bounds of inputs.
const (
	MaxCallID = 256  // octets of a Call-ID
	MaxText   = 4096 // octets of one text that are read
	MaxTexts  = 4    // texts of one query that are read
)

const never = math.MinInt64
