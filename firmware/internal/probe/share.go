package probe

import (
	"heptap/capture/record"
	"heptap/firmware/internal/legs"
)

// shares deals calls out to those readers that get a share. A call, with all of
// its legs and whatever belongs to it, is one reader's; what belongs to no call, or
// to several, is everybody's. Whose a call is depends on its Call-ID and the readers'
// names alone (rendezvous hashing): when one joins or leaves, only its share moves.
type shares struct {
	readers []sharing
	legs    *legs.Legs // of calls; nil when nobody gets a share
}

type sharing struct {
	reader int
	seed   uint64
}

// everybody stands for no particular reader.
const everybody = -1

func newShares(readers []Reader, calls int) (s shares) {
	for i := range readers {
		if readers[i].Share {
			s.readers = append(s.readers, sharing{i, legs.Hash([]byte(readers[i].Name))})
		}
	}
	if len(s.readers) > 0 {
		s.legs = legs.New(calls)
	}
	return s
}

// whose returns the index of the reader whose share a record is, or everybody.
func (s *shares) whose(r *record.Record) int {
	if len(s.readers) == 0 {
		return everybody
	}
	call, ok := s.legs.Call(r)
	if !ok {
		return everybody
	}
	best, most := everybody, uint64(0)
	for _, rd := range s.readers {
		if score := legs.Mix(call ^ rd.seed); best == everybody || score > most {
			best, most = rd.reader, score
		}
	}
	return best
}
