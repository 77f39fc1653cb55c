package assembly

import (
	"slices"
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/decode"
	"heptap/capture/defrag"
	"heptap/capture/dissect"
)

// Fragments puts IP datagrams together and decodes what was in them, which may
// be a fragment of an outer packet again. One goroutine calls its methods;
// Stats may be called from any.
type Fragments struct {
	table  *defrag.Table
	whole  func(p *capture.Packet, proto capture.Protocol)
	beside dissect.Beside
	nested capture.Packet // see keep
	room   []byte

	datagrams [capture.NumProtocols]atomic.Uint64
	dropped   [capture.NumDropReasons]atomic.Uint64
}

// FragmentStats are running totals.
type FragmentStats struct {
	defrag.Stats
	Datagrams [capture.NumProtocols]uint64   // of UDP, by what they carry
	Dropped   [capture.NumDropReasons]uint64 // packets that could not be read
}

// NewFragments returns a Fragments without any. whole gets every packet that
// was put together, with what dissect says of a UDP datagram, and what there is
// of those whose fragments did not all come, Truncated. It borrows the packet,
// and must not call the Fragments. beside is what dissect looks for besides
// signalling.
func NewFragments(c defrag.Config, beside dissect.Beside, whole func(p *capture.Packet, proto capture.Protocol)) *Fragments {
	f := &Fragments{whole: whole, beside: beside}
	c.Partial = f.partial
	f.table = defrag.New(c)
	return f
}

// Add takes in p, a fragment. It borrows p.
func (f *Fragments) Add(p *capture.Packet) {
	for p.Fragment.Valid {
		if p = f.table.Add(p); p == nil {
			return
		}
		if reason := decode.Resume(p); reason != capture.DropNone {
			f.dropped[reason].Add(1)
			return
		}
		if p.Fragment.Valid {
			p = f.keep(p) // the next Add may give up others, in the same place
		}
	}
	f.found(p)
}

// keep copies p, a fragment that came in fragments, into room of f's own.
func (f *Fragments) keep(p *capture.Packet) *capture.Packet {
	f.nested, f.room = *p, slices.Grow(f.room[:0], len(p.Src)+len(p.Dst)+len(p.Payload))
	for _, b := range [...]*[]byte{&f.nested.Src, &f.nested.Dst, &f.nested.Payload} {
		start := len(f.room)
		f.room = append(f.room, *b...)
		*b = f.room[start:len(f.room):len(f.room)]
	}
	return &f.nested
}

// partial takes what there is of a datagram whose fragments did not all come.
func (f *Fragments) partial(p *capture.Packet) {
	if decode.Resume(p) != capture.DropNone || p.Fragment.Valid || p.Protocol != capture.ProtoUDP {
		return // half a segment or chunk is a hole, which stream and sctp report by themselves
	}
	f.found(p)
}

func (f *Fragments) found(p *capture.Packet) {
	proto := capture.Unknown
	if p.Protocol == capture.ProtoUDP {
		if proto = dissect.Datagram(p, f.beside); proto == capture.STUN || proto == capture.TURN {
			if inner := dissect.Unwrap(p); inner != capture.Unknown {
				proto = inner
			}
		}
		f.datagrams[proto].Add(1)
	}
	f.whole(p, proto)
}

// Advance lets time pass to mono, by the packets' monotonic clock.
func (f *Fragments) Advance(mono int64) { f.table.Advance(mono) }

// Flush says that nothing more will come.
func (f *Fragments) Flush() { f.table.Flush() }

// Stats returns the totals as of the last Advance or Flush.
func (f *Fragments) Stats() FragmentStats {
	s := FragmentStats{Stats: f.table.Stats()}
	for i := range s.Datagrams {
		s.Datagrams[i] = f.datagrams[i].Load()
	}
	for i := range s.Dropped {
		s.Dropped[i] = f.dropped[i].Load()
	}
	return s
}
