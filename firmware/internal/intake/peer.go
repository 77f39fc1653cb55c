package intake

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// maxPeers is how many senders are told apart. One more makes room by the one
// that was silent longest and has no connection; what it had counted stays in the
// totals.
const maxPeers = 256

// peer is one sender's address.
type peer struct {
	addr        netip.Addr
	seen        atomic.Int64 // Unix nanoseconds
	packets     atomic.Uint64
	taken       atomic.Uint64
	drops       [NumDrops]atomic.Uint64
	queued      atomic.Int64
	queuedBytes atomic.Int64
	conns       int // guarded by peers.mu
}

type peers struct {
	mu    sync.Mutex
	of    map[netip.Addr]*peer // guarded by mu
	last  *peer                // guarded by mu: the one asked for last
	gone  atomic.Uint64
	conns int // guarded by mu: of all peers
}

// get returns the peer of an address.
func (p *peers) get(addr netip.Addr, now int64) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.find(addr, now)
}

// find is get with the lock held.
func (p *peers) find(addr netip.Addr, now int64) *peer {
	if p.last == nil || p.last.addr != addr {
		k := p.of[addr]
		if k == nil {
			if len(p.of) >= maxPeers {
				p.makeRoom()
			}
			k = &peer{addr: addr}
			p.of[addr] = k
		}
		p.last = k
	}
	p.last.seen.Store(now)
	return p.last
}

func (p *peers) makeRoom() {
	var oldest *peer
	for _, k := range p.of {
		if k.conns == 0 && (oldest == nil || k.seen.Load() < oldest.seen.Load()) {
			oldest = k
		}
	}
	if oldest != nil {
		delete(p.of, oldest.addr)
		p.gone.Add(1)
	}
}

// enter counts a connection, unless there are too many: of all, or of the address alone (crowded).
func (p *peers) enter(addr netip.Addr, now int64, most, mostOfOne int) (k *peer, ok, crowded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k = p.of[addr]; k != nil && k.conns >= mostOfOne {
		return nil, false, true
	}
	if p.conns >= most {
		return nil, false, false
	}
	k = p.find(addr, now)
	k.conns++
	p.conns++
	return k, true, false
}

func (p *peers) leave(k *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.conns--
	p.conns--
}

// PeerStats are what one sender has sent.
type PeerStats struct {
	Addr    netip.Addr
	Packets uint64
	Taken   uint64           // into the queue
	Drops   [NumDrops]uint64 // before and behind it
	Conns   int
}

// Dropped sums the packets dropped for any reason.
func (s *PeerStats) Dropped() (n uint64) {
	for _, d := range s.Drops {
		n += d
	}
	return n
}

func (p *peers) stats() (out []PeerStats, conns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.of {
		s := PeerStats{Addr: k.addr, Packets: k.packets.Load(), Taken: k.taken.Load(), Conns: k.conns}
		for i := range s.Drops {
			s.Drops[i] = k.drops[i].Load()
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PeerStats) int { return cmp.Or(a.Addr.Compare(b.Addr)) })
	return out, p.conns
}
