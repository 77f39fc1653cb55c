package stream

import (
	"time"
	"unsafe"
)

// Config says how an Assembler works. Zero values mean the defaults.
type Config struct {
	// New makes the handler of a connection whose first octets have come. nil,
	// as the field or from the call, releases the connection at once. It must
	// not call the Assembler.
	New func(*Conn) Handler

	Connections        int // most connections at a time, 65536; at most MaxConnections
	Openings           int // most handshakes without data that are remembered, Connections / 4
	BytesPerConnection int // buffered for one connection, both directions, 256 KiB
	TotalBytes         int // buffered for all, 32 MiB; at least 64 KiB

	Reorder     time.Duration // how long what was acknowledged may still be on its way to us, 100 ms
	GapTimeout  time.Duration // how long a hole is waited for, 1 s; see the package comment
	Handshake   time.Duration // how long a SYN is waited with for its answer, 10 s
	Idle        time.Duration // a known connection without a segment for so long has ended, 4 h
	IdleUnknown time.Duration // the same for one that is not known, and the life of a released one, 2 min
	Linger      time.Duration // how long late segments of an ended connection are told from new ones, 5 s

	// Unopened, when not nil, is told of every handshake of which the opener's SYN
	// was seen and that led to no octet, but for those that gave way to others
	// (OpeningsRecycled). One that is tried again Handshake after it was given up is
	// another one. It borrows u, and must not call the Assembler.
	Unopened func(u *Unopened)

	// Ignore, when not nil, is told of released connections.
	Ignore *Ignore
}

// MaxConnections bounds Config.Connections.
const MaxConnections = 1 << 22

const (
	minBytesPerConnection = 8 << 10
	minTotalBytes         = 64 << 10
)

func (c Config) withDefaults() Config {
	for _, n := range []struct {
		have         *int
		usual, least int
	}{
		{&c.Connections, 65536, 1},
		{&c.BytesPerConnection, 256 << 10, minBytesPerConnection},
		{&c.TotalBytes, 32 << 20, minTotalBytes},
	} {
		if *n.have <= 0 {
			*n.have = n.usual
		}
		*n.have = max(*n.have, n.least)
	}
	c.Connections = min(c.Connections, MaxConnections)
	if c.Openings <= 0 {
		c.Openings = c.Connections / 4
	}
	c.Openings = min(max(c.Openings, 16), MaxConnections)
	c.TotalBytes = min(c.TotalBytes, 1<<30)
	// A buffer that grows is there twice for a moment, and others must be left
	// to give way.
	c.BytesPerConnection = min(c.BytesPerConnection, c.TotalBytes/4)
	for _, d := range []struct {
		have  *time.Duration
		usual time.Duration
	}{
		{&c.Reorder, 100 * time.Millisecond}, {&c.GapTimeout, time.Second}, {&c.Handshake, 10 * time.Second},
		{&c.Idle, 4 * time.Hour}, {&c.IdleUnknown, 2 * time.Minute}, {&c.Linger, 5 * time.Second},
	} {
		if *d.have <= 0 {
			*d.have = d.usual
		}
	}
	return c
}

// MemoryBytes returns the most memory an Assembler made from c will ever hold,
// its handlers and the Ignore table not included.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	up := func(n, unit int) int64 { return int64((n + unit - 1) / unit) }
	total := up(c.Connections, slabSize) * int64(unsafe.Sizeof(slab{}))
	total += up(c.Openings, slabSize) * int64(unsafe.Sizeof(openingSlab{}))
	total += 8 * int64(indexSlots(c.Connections)+indexSlots(c.Openings))
	// What is in use is paid for out of TotalBytes, books included; but books
	// that were needed once are kept when others take the octets.
	total += int64(c.TotalBytes)
	total += int64(c.TotalBytes/(minClass+overhead)) * int64(unsafe.Sizeof(segment{}))
	// The free lists name each idle buffer, and are kept as well, in each of the
	// classes: twice what the smallest needs, and half of it again for growth.
	total += 3 * int64(c.TotalBytes/minClass) * int64(unsafe.Sizeof([]byte{}))
	buffers := min(2*c.Connections, c.TotalBytes/overhead)
	return total + int64(buffers)*int64(unsafe.Sizeof(buffer{})+unsafe.Sizeof(&buffer{}))
}
