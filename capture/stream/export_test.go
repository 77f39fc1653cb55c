package stream

import (
	"fmt"
	"unsafe"
)

// ConnSize is what a connection without buffers costs.
const ConnSize = unsafe.Sizeof(Conn{})

// OpeningSize is what a handshake costs.
const OpeningSize = unsafe.Sizeof(opening{})

// Next is the number of the octet after the last one shown, while Data runs.
func (c *Conn) Next(dir int) uint32 { return c.half[dir].next }

// FixSeeds makes a, which is new, do the same in each run: what a fuzzer finds must be
// found again.
func (a *Assembler) FixSeeds() {
	a.seed = [4]uint64{1 << 63, 1 << 50, 1 << 40, 1 << 30}
	if a.config.Ignore != nil {
		a.config.Ignore.seed = a.seed
	}
}

// Check compares a's books with what is there.
func (a *Assembler) Check() error {
	used, buffers := 0, 0
	for b := a.oldest; b != nil; b = b.next {
		buffers++
		used += overhead + cap(b.data)
		c := b.conn
		if c.half[b.dir].buf != b {
			return fmt.Errorf("a buffer is not its connection's")
		}
		if len(b.data) == 0 && b.held == nil {
			return fmt.Errorf("a buffer is empty")
		}
		if (b.held != nil) != (b.place > 0) || b.place > 0 && a.holes[b.place-1] != b {
			return fmt.Errorf("a hole is not waited for, or nothing is: place %d", b.place)
		}
		if b.place > 1 && a.holes[b.place/2-1].due > b.due {
			return fmt.Errorf("the heap is none")
		}
		s := &c.half[b.dir]
		var last *segment
		for g := b.held; g != nil; g = g.next {
			used += overhead + cap(g.data)
			if last != nil && distance(g.seq, last.end()) < 0 || s.is(started) && distance(g.seq, s.next) <= 0 {
				return fmt.Errorf("held segments overlap")
			}
			last = g
		}
		if last != b.last {
			return fmt.Errorf("the last held segment is not the last")
		}
	}
	if used != a.pool.used {
		return fmt.Errorf("%d octets in use, %d in the books", used, a.pool.used)
	}
	idle := 0
	for i, l := range a.pool.free {
		idle += len(l) * (minClass << i)
	}
	if idle != a.pool.idle {
		return fmt.Errorf("%d octets idle, %d in the books", idle, a.pool.idle)
	}
	if used+idle > a.pool.limit+overhead {
		return fmt.Errorf("%d octets used and %d idle, over %d", used, idle, a.pool.limit)
	}
	conns := 0
	for q := range a.queues {
		n := 0
		for i := a.queues[q].head; i != 0; i = a.entry(i).next {
			c := a.entry(i)
			n++
			held := 0
			for d := range c.half {
				if b := c.half[d].buf; b != nil {
					buffers--
					held += cap(b.data)
					for g := b.held; g != nil; g = g.next {
						held += overhead + cap(g.data)
					}
				}
			}
			if held != int(c.held) || held > a.config.BytesPerConnection {
				return fmt.Errorf("connection holds %d, books say %d, cap %d", held, c.held, a.config.BytesPerConnection)
			}
			if c.gone() && (held > 0 || c.handler != nil) || !c.gone() && c.handler == nil {
				return fmt.Errorf("connection in queue %d has handler %v", q, c.handler)
			}
			if a.find(&c.key, uint32(c.key.hash(&a.seed)>>32)) != c {
				return fmt.Errorf("connection is not found")
			}
		}
		if n != a.queues[q].n {
			return fmt.Errorf("queue %d: %d entries, books say %d", q, n, a.queues[q].n)
		}
		conns += n
	}
	if buffers != 0 {
		return fmt.Errorf("%d buffers are on the list only", buffers)
	}
	if conns > a.config.Connections {
		return fmt.Errorf("%d connections", conns)
	}
	return nil
}
