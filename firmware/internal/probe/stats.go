package probe

import (
	"unsafe"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/neighbour"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/legs"
	"heptap/firmware/internal/trace"
)

// InputStats are the running totals of one input.
type InputStats struct {
	Name                                                     string
	Source                                                   capture.Stats
	Decoded                                                  uint64
	Octets                                                   uint64
	Dropped                                                  [capture.NumDropReasons]uint64
	Protocols                                                [capture.NumProtocols]uint64 // see Counters for these
	Encaps                                                   [capture.NumEncaps]uint64
	Segments, Ignored, TLS, SIPTLS, SCTP, Fragments, Relayed uint64
	QueueDrops, StreamDrops                                  uint64
	Shed                                                     [record.NumClasses]uint64
	Truncated                                                uint64
	Unread                                                   uint64   // frames that came after the probe was told to stop; 0 until it has ended
	NotRead                                                  []Unread // what decode does not read, by name
	Hidden                                                   Hidden   // samples of what the port's filter hides, by what they carry
	Media                                                    media.Stats
	Timestamps                                               capture.Timestamps
}

// DroppedTotal sums the frames dropped for any reason.
func (s *InputStats) DroppedTotal() (n uint64) {
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// ShedTotal sums what was left out while the merge was behind.
func (s *InputStats) ShedTotal() (n uint64) {
	for _, d := range s.Shed {
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
	Ports     []PortStats
	Records   map[record.Type]uint64 // made, by type
	Oversize  uint64                 // records too large for any collector, not made
	LinesShed uint64                 // received lines that were left out while the merge was behind
	Late      uint64                 // items that came later than the watermark
	Cut       uint64                 // SIP records that were cut to what a collector can take
	Assembly  assembly.Stats
	Correlate *correlate.Stats
	ISUP      *beyond.ISUPStats // nil when it is not read
	Readers   []ReaderStats
	Trace     trace.Stats // decided = denied + made + oversize, when there are rules
	Beyond    *beyond.Stats
}

// Stats returns the totals. It may be called from any goroutine.
func (p *Probe) Stats() Stats {
	s := Stats{Records: map[record.Type]uint64{}, Oversize: p.oversize.Load(), Late: p.merge.late.Load(), LinesShed: p.merge.linesShed.Load(), Cut: p.cut.Load(),
		Assembly: p.assembly.Stats(p.portCount()), Correlate: &p.correlator.Stats, Beyond: &p.beyond.Stats, Trace: p.cfg.Trace.Stats(), Readers: p.readers()}
	if p.isup != nil {
		s.ISUP = &p.isup.Stats
	}
	for _, j := range p.ports {
		s.Ports = append(s.Ports, j.stats())
	}
	for _, w := range p.workers {
		in := InputStats{Name: w.name, Source: w.source.Stats(), Media: w.table.Stats()}
		c := &w.counters
		in.Decoded, in.Octets = c.Decoded.Load(), c.Octets.Load()
		in.QueueDrops, in.Truncated, in.Unread = c.QueueDrops.Load(), c.Truncated.Load(), c.Unread.Load()
		for i := range in.Dropped {
			in.Dropped[i] = c.Dropped[i].Load()
		}
		for i := range in.Shed {
			in.Shed[i] = c.Shed[i].Load()
		}
		for i := range in.Protocols {
			in.Protocols[i] = c.Protocols[i].Load()
		}
		for i := range in.Encaps {
			in.Encaps[i] = c.Encaps[i].Load()
		}
		in.Segments, in.Ignored, in.TLS, in.SIPTLS = c.Segments.Load(), c.Ignored.Load(), c.TLS.Load(), c.SIPTLS.Load()
		in.SCTP, in.Fragments, in.Relayed, in.StreamDrops = c.SCTP.Load(), c.Fragments.Load(), c.Relayed.Load(), c.StreamDrops.Load()
		in.NotRead, in.Hidden = w.unread.list(), w.hidden.stats()
		if w.timestamps != nil {
			in.Timestamps = w.timestamps()
		}
		if w.fragments != nil {
			s.Assembly.Fragments = w.fragments.Stats()
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
	perInput := cfg.Media.MemoryBytes() + mirror.TallyConfig{}.MemoryBytes() + queueDepth*(batchArena+batchItems*itemBytes+batchSnaps*snapBytes)
	perPort := mirror.Config{}.MemoryBytes() + neighbour.MemoryBytes() + 4<<10 // and its report
	assembly := cfg.Assembly                                                   // as New completes it
	assembly.Media = cfg.Media
	assembly.Stream.Ignore = stream.NewIgnore(assembly.Stream.Connections)
	total := int64(len(cfg.Inputs))*(perInput+perPort) + assembly.MemoryBytes() + cfg.Correlate.MemoryBytes() + cfg.Trace.MemoryBytes() + cfg.Privacy.MemoryBytes() +
		cfg.Beyond.MemoryBytes() + int64(unsafe.Sizeof(asked{}))
	sharing := false
	for i := range cfg.Readers {
		total += cfg.Readers[i].Filter.MemoryBytes()
		sharing = sharing || cfg.Readers[i].Share
	}
	if sharing {
		total += int64(cfg.Correlate.Calls) * legs.Bytes
	}
	if cfg.ISUP {
		total += beyond.ISUPConfig{}.MemoryBytes()
	}
	return total
}

const (
	itemBytes = int64(unsafe.Sizeof(item{}))
	snapBytes = int64(unsafe.Sizeof(media.Snapshot{}))
)
