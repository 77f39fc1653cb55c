package probe

import (
	"heptap/capture/record"
	"heptap/firmware/internal/trace"
)

// Reader is one of those that the records are for, and does not get all of them.
type Reader struct {
	Name   string
	Bit    uint8         // of record.Record's Skip, for what it does not get
	Filter *trace.Engine // what it denies is not for this one; nil denies nothing
	Share  bool          // it gets, of what belongs to a call, only its share: the others who do get the rest
}

// ReaderStats says what a reader's filter has decided.
type ReaderStats struct {
	Name   string
	Filter trace.Stats
}

// skip returns the bits of those that a record is not for.
func (p *Probe) skip(r *record.Record) (bits uint8) {
	whose := p.shares.whose(r)
	for i := range p.cfg.Readers {
		rd := &p.cfg.Readers[i]
		if allowed := rd.Filter.Allow(r); !allowed || rd.Share && whose != everybody && whose != i {
			bits |= rd.Bit
		}
	}
	return bits
}

func (p *Probe) readers() (out []ReaderStats) {
	for i := range p.cfg.Readers {
		out = append(out, ReaderStats{p.cfg.Readers[i].Name, p.cfg.Readers[i].Filter.Stats()})
	}
	return out
}
