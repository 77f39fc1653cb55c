package probe

import (
	"hash/fnv"

	"heptap/capture/record"
)

// shares deals calls out to those readers that get a share. A call, with all of
// its legs and whatever belongs to it, is one reader's; what belongs to no call, or
// to several, is everybody's. Whose a call is depends on its Call-ID and the readers'
// names alone (rendezvous hashing): when one joins or leaves, only its share moves.
type shares struct {
	readers []sharing
	legs    [2]map[uint64]uint64 // of calls, by hash of their Call-ID: the first leg's hash; newer and older ones
	max     int                  // of each
}

type sharing struct {
	reader int
	seed   uint64
}

// everybody stands for no particular reader.
const everybody = -1

// legBytes is about what a leg takes in a map.
const legBytes = 40

func newShares(readers []Reader, calls int) (s shares) {
	for i := range readers {
		if readers[i].Share {
			s.readers = append(s.readers, sharing{i, hashOf([]byte(readers[i].Name))})
		}
	}
	if s.max = max(calls/2, 1); len(s.readers) > 0 {
		s.legs = [2]map[uint64]uint64{{}, {}}
	}
	return s
}

func hashOf(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// mix spreads the bits of x (the finalizer of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// whose returns the index of the reader whose share a record is, or everybody.
func (s *shares) whose(r *record.Record) int {
	if len(s.readers) == 0 {
		return everybody
	}
	call, ok := s.call(r)
	if !ok {
		return everybody
	}
	best, most := everybody, uint64(0)
	for _, rd := range s.readers {
		if score := mix(call ^ rd.seed); best == everybody || score > most {
			best, most = rd.reader, score
		}
	}
	return best
}

// call returns the hash of the first leg of the one call that a record belongs to.
func (s *shares) call(r *record.Record) (call uint64, ok bool) {
	if r.Type == record.SIP {
		if len(r.Primary) == 0 {
			return 0, false
		}
		own := hashOf(r.Primary)
		first, known := s.first(own)
		if known && first != own || r.Class != record.Call {
			return first, true
		}
		for i := range r.Links {
			if l := &r.Links[i]; l.Type == record.SIP && l.How != record.Inferred && first == own {
				first, _ = s.first(hashOf(l.ID))
			}
		}
		if !known || first != own {
			s.learn(own, first)
		}
		return first, true
	}
	switch r.Type {
	case record.RTCP, record.RTPReport, record.ISUP, record.Log:
		call, ok = s.first(hashOf(r.Primary)) // an id of its own when it belongs to no call
	}
	for i := range r.Links {
		if l := &r.Links[i]; l.Type == record.SIP {
			first, _ := s.first(hashOf(l.ID))
			if ok && first != call {
				return 0, false
			}
			call, ok = first, true
		}
	}
	return call, ok
}

// first returns the first leg of a call, by any leg, and whether that leg is known.
func (s *shares) first(leg uint64) (first uint64, known bool) {
	if first, known = s.legs[0][leg]; known {
		return first, true
	}
	if first, known = s.legs[1][leg]; known {
		s.learn(leg, first) // still in use
		return first, true
	}
	return leg, false
}

// learn takes note of a leg. The oldest half is forgotten when there is no more room.
func (s *shares) learn(leg, first uint64) {
	if len(s.legs[0]) >= s.max {
		s.legs[0], s.legs[1] = s.legs[1], s.legs[0]
		clear(s.legs[0])
	}
	s.legs[0][leg] = first
}
