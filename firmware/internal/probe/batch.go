package probe

import (
	"heptap/capture"
	"heptap/capture/media"
	"heptap/capture/mirror"
)

// Sizes of a batch, and how many of them a worker's queue has.
const (
	batchItems = 128
	batchArena = 68 << 10 // holds 128 messages of 540 octets, or at least one payload of the largest size
	batchSnaps = 64
	queueDepth = 128
	fewWaiting = 4 // as long as no more wait, a batch is handed over before it is full
)

// item is one thing a worker hands over: a packet, the snapshot of a stream, or
// what is known of the port at a moment of a replay.
type item struct {
	mono     int64
	snap     int32            // index into the batch's snaps, isPacket or isSample
	protocol capture.Protocol // of a UDP datagram, as dissect says
	packet   capture.Packet
}

const (
	isPacket = -1
	isSample = -2 // the batch's sample
)

// batch carries items in the order in which a worker made them. What packets
// point to lies in the arena, which is never reallocated while it is in use.
type batch struct {
	items []item
	snaps []media.Snapshot
	arena []byte

	sample    *mirror.Sample // made when it is needed
	hasSample bool
}

func newBatch() *batch {
	return &batch{
		items: make([]item, 0, batchItems),
		arena: make([]byte, 0, batchArena),
	}
}

func (b *batch) reset() {
	b.items, b.snaps, b.arena, b.hasSample = b.items[:0], b.snaps[:0], b.arena[:0], false
}

// addSample makes room for a sample, or reports that there is none.
func (b *batch) addSample(now int64) (s *mirror.Sample, ok bool) {
	if len(b.items) == cap(b.items) || b.hasSample {
		return nil, false
	}
	if b.sample == nil {
		b.sample = new(mirror.Sample)
	}
	b.hasSample = true
	b.items = append(b.items, item{mono: now, snap: isSample})
	return b.sample, true
}

// addPacket copies the packet into the batch, or reports that there is no room.
// now is when it is handed over, which is later than the packet when its other
// fragments were waited for in vain.
func (b *batch) addPacket(p *capture.Packet, proto capture.Protocol, now int64) bool {
	if len(b.items) == cap(b.items) || cap(b.arena)-len(b.arena) < len(p.Payload)+len(p.Src)+len(p.Dst) {
		return false
	}
	b.items = b.items[:len(b.items)+1]
	it := &b.items[len(b.items)-1]
	it.mono, it.snap, it.protocol, it.packet = now, isPacket, proto, *p
	it.packet.Src, it.packet.Dst, it.packet.Payload = b.copy(p.Src), b.copy(p.Dst), b.copy(p.Payload)
	return true
}

func (b *batch) copy(octets []byte) []byte {
	start := len(b.arena)
	b.arena = append(b.arena, octets...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

func (b *batch) addSnapshot(now int64, s *media.Snapshot) bool {
	if len(b.items) == cap(b.items) || len(b.snaps) == batchSnaps {
		return false
	}
	if b.snaps == nil {
		b.snaps = make([]media.Snapshot, 0, batchSnaps)
	}
	b.snaps = append(b.snaps, *s)
	b.items = append(b.items, item{mono: now, snap: int32(len(b.snaps) - 1)})
	return true
}
