package intake

import (
	"sync/atomic"

	"heptap/hep"
)

// Transport is how packets come.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS
	NumTransports
)

// String returns the transport's name as the configuration has it.
func (t Transport) String() string { return [NumTransports]string{"udp", "tcp", "tls"}[t] }

// counters are the running totals.
type counters struct {
	packets                                         [NumTransports]atomic.Uint64
	taken                                           atomic.Uint64
	drops                                           [NumDrops]atomic.Uint64
	faults                                          [hep.NumFaults]atomic.Uint64
	legacy, inflated, repaired, skewed, ids, notSIP atomic.Uint64
	copies                                          atomic.Uint64
	both                                            atomic.Uint64
	chunks, chunksLost                              atomic.Uint64

	conns, refused, replaced, handshakes, idle, broken, receiveErrors, acceptErrors atomic.Uint64
}

// Stats are the running totals of an Intake. It holds that
// Packets = Taken + Drops before the queue.
type Stats struct {
	Packets  [NumTransports]uint64
	Taken    uint64 // into the queue
	Drops    [NumDrops]uint64
	Faults   [hep.NumFaults]uint64 // of DropMalformed
	Legacy   uint64                // HEP1 and HEP2
	Inflated uint64
	Repaired uint64 // of what was wrong
	Skewed   uint64 // whose time is more than five minutes off ours
	IDs      uint64 // correlation ids that were not understood
	NotSIP   uint64 // type 1, and no SIP
	Chunks   uint64 // that no record has a field for, and that were kept as they are
	Lost     uint64 // of those, the ones that were not: for want of room, or as they may hold a key
	Copies   uint64 // messages on a mirror port that an agent had shown before
	Both     uint64 // messages kept beside the tap's own copy, which was cut short

	Conns         uint64 // connections served since the start
	OpenConns     int
	RefusedConns  uint64 // not allowed, or too many
	Replaced      uint64 // that had sent nothing, and made room for others
	Handshakes    uint64 // of TLS, failed
	IdleConns     uint64 // closed for silence
	BrokenConns   uint64
	ReceiveErrors uint64
	AcceptErrors  uint64

	Queued      int
	QueuedBytes int64
	Peers       []PeerStats
	PeersGone   uint64 // that made room for others
}

// Stats returns the totals. Any goroutine may call it.
func (in *Intake) Stats() Stats {
	c := &in.count
	s := Stats{
		Taken: c.taken.Load(), Legacy: c.legacy.Load(), Inflated: c.inflated.Load(), Repaired: c.repaired.Load(), Skewed: c.skewed.Load(),
		IDs: c.ids.Load(), NotSIP: c.notSIP.Load(), Chunks: c.chunks.Load(), Lost: c.chunksLost.Load(), Copies: c.copies.Load(), Both: c.both.Load(),
		Conns: c.conns.Load(), RefusedConns: c.refused.Load(), Replaced: c.replaced.Load(), Handshakes: c.handshakes.Load(), IdleConns: c.idle.Load(), BrokenConns: c.broken.Load(),
		ReceiveErrors: c.receiveErrors.Load(), AcceptErrors: c.acceptErrors.Load(),
		Queued: in.Queue.Len(), QueuedBytes: in.Queue.bytes.Load(), PeersGone: in.peers.gone.Load(),
	}
	for i := range s.Packets {
		s.Packets[i] = c.packets[i].Load()
	}
	for i := range s.Drops {
		s.Drops[i] = c.drops[i].Load()
	}
	for i := range s.Faults {
		s.Faults[i] = c.faults[i].Load()
	}
	s.Peers, s.OpenConns = in.peers.stats()
	return s
}
