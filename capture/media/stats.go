package media

import (
	"sync/atomic"
	"unsafe"
)

// Stats are a table's running totals and sizes. Packets + NotRTP + Full is
// how often Add was called.
type Stats struct {
	Packets            uint64 // counted in a stream, strays included
	NotRTP             uint64 // seen by Add, but no RTP
	Full               uint64 // would have begun a stream, but there was no place
	Created            uint64 // streams begun
	Ended              uint64 // confirmed streams that ended
	CandidatesExpired  uint64 // candidates that ended unconfirmed
	CandidatesRecycled uint64 // candidates that gave way, without a last snapshot
	Candidates         uint64 // streams in the table that are not confirmed
	Confirmed          uint64 // streams in the table that are
	Copies             uint64 // of Packets, those that were mirrored copies
	CopyLag            uint64 // sum over those of Copies whose lag is known, ns ...
	CopiesTimed        uint64 // ... which are so many
	CopyLagMax         uint64 // ns
	MemoryBytes        uint64 // held now; it does not shrink
}

// counters are the published Stats.
type counters struct {
	seen Stats // what was stored last; the worker's

	packets, notRTP, full, created, ended, expired, recycled, candidates, confirmed, memory atomic.Uint64
	copies, copyLag, copiesTimed, copyLagMax                                                atomic.Uint64
}

// publish makes the worker's totals visible to Stats. They are plain integers
// until then: an atomic add per packet would cost more than the hash.
func (t *Table) publish() {
	t.count.MemoryBytes = uint64(len(t.slabs))*uint64(unsafe.Sizeof(slab{})) + uint64(t.watching)*uint64(unsafe.Sizeof(watchSlab{})) + 8*uint64(len(t.index.slots))
	p := &t.published
	if p.seen == t.count {
		return
	}
	p.seen = t.count
	p.packets.Store(t.count.Packets)
	p.notRTP.Store(t.count.NotRTP)
	p.full.Store(t.count.Full)
	p.created.Store(t.count.Created)
	p.ended.Store(t.count.Ended)
	p.expired.Store(t.count.CandidatesExpired)
	p.recycled.Store(t.count.CandidatesRecycled)
	p.candidates.Store(t.count.Candidates)
	p.confirmed.Store(t.count.Confirmed)
	p.memory.Store(t.count.MemoryBytes)
	p.copies.Store(t.count.Copies)
	p.copyLag.Store(t.count.CopyLag)
	p.copiesTimed.Store(t.count.CopiesTimed)
	p.copyLagMax.Store(t.count.CopyLagMax)
}

// Stats returns the totals as of the last Snapshot or Flush. It may be called
// from any goroutine.
func (t *Table) Stats() Stats {
	p := &t.published
	return Stats{
		Packets: p.packets.Load(), NotRTP: p.notRTP.Load(), Full: p.full.Load(),
		Created: p.created.Load(), Ended: p.ended.Load(),
		CandidatesExpired: p.expired.Load(), CandidatesRecycled: p.recycled.Load(),
		Candidates: p.candidates.Load(), Confirmed: p.confirmed.Load(), MemoryBytes: p.memory.Load(),
		Copies: p.copies.Load(), CopyLag: p.copyLag.Load(), CopiesTimed: p.copiesTimed.Load(), CopyLagMax: p.copyLagMax.Load(),
	}
}
