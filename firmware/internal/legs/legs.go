// Package legs finds out which call a record belongs to when a call has several legs, each with a
// Call-ID of its own: all of them count as the first one's. It learns legs from the records
// that begin them, and remembers a bounded number.
package legs

import (
	"hash/fnv"

	"heptap/capture/record"
)

// Bytes is about what a leg takes.
const Bytes = 40

// Legs remembers the legs of calls. It is not for concurrent use.
type Legs struct {
	known [2]map[uint64]uint64 // by hash of a leg's Call-ID: the first leg's hash; newer and older ones
	max   int                  // of each
}

// New makes one that remembers so many legs; of more the oldest half is forgotten.
func New(most int) *Legs {
	return &Legs{known: [2]map[uint64]uint64{{}, {}}, max: max(most/2, 1)}
}

// Hash is the hash of an id.
func Hash(id []byte) uint64 {
	h := fnv.New64a()
	h.Write(id)
	return h.Sum64()
}

// Mix spreads the bits of x (the finalizer of MurmurHash3).
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Call returns the hash of the first leg of the one call that a record belongs to. ok is false when it
// belongs to none, or to several.
func (s *Legs) Call(r *record.Record) (call uint64, ok bool) {
	if r.Type == record.SIP {
		if len(r.Primary) == 0 {
			return 0, false
		}
		own := Hash(r.Primary)
		first, known := s.first(own)
		if known && first != own || r.Class != record.Call {
			return first, true
		}
		for i := range r.Links {
			if l := &r.Links[i]; l.Type == record.SIP && l.How != record.Inferred && first == own {
				first, _ = s.first(Hash(l.ID))
			}
		}
		if !known || first != own {
			s.learn(own, first)
		}
		return first, true
	}
	switch r.Type {
	case record.RTCP, record.RTPReport, record.ISUP, record.Log:
		call, ok = s.first(Hash(r.Primary)) // an id of its own when it belongs to no call
	}
	for i := range r.Links {
		if l := &r.Links[i]; l.Type == record.SIP {
			first, _ := s.first(Hash(l.ID))
			if ok && first != call {
				return 0, false
			}
			call, ok = first, true
		}
	}
	return call, ok
}

// first returns the first leg of a call, by any leg, and whether that leg is known.
func (s *Legs) first(leg uint64) (first uint64, known bool) {
	if first, known = s.known[0][leg]; known {
		return first, true
	}
	if first, known = s.known[1][leg]; known {
		s.learn(leg, first) // still in use
		return first, true
	}
	return leg, false
}

// learn takes note of a leg. The oldest half is forgotten when there is no more room.
func (s *Legs) learn(leg, first uint64) {
	if len(s.known[0]) >= s.max {
		s.known[0], s.known[1] = s.known[1], s.known[0]
		clear(s.known[0])
	}
	s.known[0][leg] = first
}
