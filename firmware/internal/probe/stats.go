package probe

import (
	"unsafe"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
)

// InputStats are the running totals of one input.
type InputStats struct {
	Name       string
	Source     capture.Stats
	Decoded    uint64
	Octets     uint64
	Dropped    [capture.NumDropReasons]uint64
	Protocols  [capture.NumProtocols]uint64
	QueueDrops uint64
	Truncated  uint64
	Unread     uint64 // frames that came after the probe was told to stop; 0 until it has ended
	Media      media.Stats
}

// DroppedTotal sums the frames dropped for any reason.
func (s *InputStats) DroppedTotal() (n uint64) {
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// InFlight is what the accounting law leaves over: frames the kernel has
// counted and the worker has not read yet. It is 0 once the probe has ended.
func (s *InputStats) InFlight() int64 {
	return int64(s.Source.Received - s.Source.KernelDrops - s.Decoded - s.DroppedTotal() - s.Unread)
}

// Stats are the running totals of a probe.
type Stats struct {
	Inputs    []InputStats
	Records   map[record.Type]uint64 // made, by type
	Oversize  uint64                 // records too large for any collector, not made
	Late      uint64                 // items that came later than the watermark
	Correlate *correlate.Stats
}

// Stats returns the totals. It may be called from any goroutine.
func (p *Probe) Stats() Stats {
	s := Stats{Records: map[record.Type]uint64{}, Oversize: p.oversize.Load(), Late: p.merge.late.Load(), Correlate: &p.correlator.Stats}
	for _, w := range p.workers {
		in := InputStats{Name: w.name, Source: w.source.Stats(), Media: w.table.Stats()}
		c := &w.counters
		in.Decoded, in.Octets = c.Decoded.Load(), c.Octets.Load()
		in.QueueDrops, in.Truncated, in.Unread = c.QueueDrops.Load(), c.Truncated.Load(), c.Unread.Load()
		for i := range in.Dropped {
			in.Dropped[i] = c.Dropped[i].Load()
		}
		for i := range in.Protocols {
			in.Protocols[i] = c.Protocols[i].Load()
		}
		// The kernel is asked now and then only: what was read was received.
		in.Source.Received = max(in.Source.Received, in.Source.KernelDrops+in.Decoded+in.DroppedTotal())
		s.Inputs = append(s.Inputs, in)
	}
	for t := range p.records {
		if n := p.records[t].Load(); n > 0 {
			s.Records[record.Type(t)] = n
		}
	}
	return s
}

// MemoryBytes is the most the pipeline of cfg holds, apart from the sources'
// rings.
func (cfg *Config) MemoryBytes() int64 {
	perInput := cfg.Media.MemoryBytes() + queueDepth*(batchArena+batchItems*itemBytes+batchSnaps*snapBytes)
	return int64(len(cfg.Inputs))*perInput + cfg.Correlate.MemoryBytes()
}

const (
	itemBytes = int64(unsafe.Sizeof(item{}))
	snapBytes = int64(unsafe.Sizeof(media.Snapshot{}))
)
