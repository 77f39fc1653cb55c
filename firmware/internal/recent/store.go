package recent

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"

	"heptap/capture/record"
)

// Config bounds a store.
type Config struct {
	// Bytes is the size of the ring in octets, at least MinBytes and at most
	// 1 GiB where int has 32 bits. The index comes on top, see MemoryBytes.
	Bytes int64
	// Age is how much older than the newest a record may be; 0: as old as it likes.
	Age time.Duration
}

const (
	// MinBytes is the least a ring has.
	MinBytes = 4 << 10
	// MaxEntry is the most one record takes of the ring.
	MaxEntry = 256 << 10

	entryHeader = 32
	slotSize    = 24
	maxIDs      = record.MaxLinks + 1
	perBucket   = 256 // octets of the ring

	// formOverhead is more than the canonical form has besides ids and payload.
	formOverhead = 512
)

func (c Config) ring() int64 {
	n := max(c.Bytes, MinBytes)
	if math.MaxInt == math.MaxInt32 {
		n = min(n, 1<<30)
	}
	return n &^ 7
}

func (c Config) buckets() int { return 1 << (bits.Len64(uint64(c.ring()/perBucket)) - 1) }

func (c Config) maxEntry() int { return int(min(c.ring()/4, MaxEntry)) &^ 7 }

// MemoryBytes is what a store of c holds, in octets. An answer comes on top
// while somebody has it: Limits bounds it.
func (c Config) MemoryBytes() int64 {
	return c.ring() + 8*int64(c.buckets()) + int64(c.maxEntry()) + 4<<10
}

// Stats are what a store holds, and what became of the rest.
type Stats struct {
	Records uint64 // held now
	Octets  uint64 // of the ring, that these take
	Limit   uint64 // octets of the ring
	// Span is how much older than the newest record the oldest is.
	Span    time.Duration
	Added   uint64
	Evicted uint64 // to make room
	Aged    uint64 // too old
	Refused uint64 // too large
}

// Store holds the newest records. New makes it.
type Store struct {
	age  int64
	most int // octets that one record may take
	seed maphash.Seed
	mask uint64 // of hashes; all ones but in tests, which force collisions

	// Add's own.
	scratch []byte
	refs    []record.Ref
	hashes  [maxIDs]uint64

	mu      sync.Mutex
	ring    []byte
	heads   []uint64 // by bucket
	tail    uint64   // position of the oldest entry
	next    uint64   // position of the next one
	newest  int64    // the largest monotonic time so far
	records uint64
	stats   Stats // the counters
}

// New makes an empty store. Nothing in it grows later.
func New(c Config) *Store {
	n := c.ring()
	return &Store{
		age: int64(c.Age), most: c.maxEntry(), seed: maphash.MakeSeed(), mask: math.MaxUint64,
		scratch: make([]byte, 0, c.maxEntry()), refs: make([]record.Ref, 0, maxIDs),
		ring: make([]byte, n), heads: make([]uint64, c.buckets()),
		tail: uint64(n), next: uint64(n), newest: math.MinInt64,
	}
}

// Add puts a copy of r into the store. It retains nothing of r, allocates
// nothing, and is for one goroutine.
func (s *Store) Add(r *record.Record) {
	b, ok := s.encode(r)
	if !ok {
		s.mu.Lock()
		s.stats.Refused++
		s.mu.Unlock()
		return
	}
	s.refs = s.distinct(record.Refs(s.refs[:0], b), b)
	size := (entryHeader + len(s.refs)*slotSize + len(b) + 7) &^ 7
	if size > s.most {
		s.mu.Lock()
		s.stats.Refused++
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	s.newest = max(s.newest, r.Mono)
	s.expire()
	s.put(b, s.place(size), size, r.Mono)
	s.expire() // what came late may have become the oldest
	s.mu.Unlock()
}

// encode makes r's canonical form, in memory that the next call uses again.
func (s *Store) encode(r *record.Record) ([]byte, bool) {
	least := len(r.Payload) + len(r.Primary)
	for i := range r.Links {
		least += len(r.Links[i].ID)
	}
	if least > s.most-formOverhead { // scratch must not grow
		return nil, false
	}
	b, err := r.AppendBinary(s.scratch)
	return b, err == nil
}

// distinct leaves of refs, which are those of b, each id once, the first time
// it is named but as trustworthy as it is anywhere, and notes its hash. An empty id
// is none.
func (s *Store) distinct(refs []record.Ref, b []byte) []record.Ref {
	kept := refs[:0]
next:
	for _, f := range refs {
		if f.Len == 0 || f.Primary && f.Type == record.Control {
			continue
		}
		if f.Primary {
			f.How = primaryHow(f.Type)
		}
		f.Type = Under(f.Type)
		id := b[f.Off : f.Off+f.Len]
		h := s.hash(id)
		for j, k := range kept {
			if s.hashes[j] == h && k.Type == f.Type && string(b[k.Off:k.Off+k.Len]) == string(id) {
				if weaker(Trust{k.How, k.Score}, Trust{f.How, f.Score}) > 0 {
					kept[j].How, kept[j].Score = f.How, f.Score
				}
				continue next
			}
		}
		s.hashes[len(kept)] = h
		kept = append(kept, f)
	}
	return kept
}

func (s *Store) hash(id []byte) uint64 { return maphash.Bytes(s.seed, id) & s.mask }

// expire lets go of what is too old. The lock is held.
func (s *Store) expire() {
	if s.age <= 0 {
		return
	}
	for s.tail != s.next {
		h := s.at(s.tail)
		if binary.LittleEndian.Uint32(h[4:]) != 0 {
			if s.newest-int64(binary.LittleEndian.Uint64(h[8:])) <= s.age {
				return
			}
			s.records--
			s.stats.Aged++
		}
		s.tail += uint64(binary.LittleEndian.Uint32(h))
	}
}

// place makes room for an entry, in one piece, at the position next. The lock
// is held.
func (s *Store) place(size int) []byte {
	left := len(s.ring) - int(s.next%uint64(len(s.ring)))
	if left < size {
		s.room(left)
		h := s.at(s.next)
		binary.LittleEndian.PutUint32(h, uint32(left))
		binary.LittleEndian.PutUint32(h[4:], 0)
		s.next += uint64(left)
	}
	s.room(size)
	return s.at(s.next)[:size]
}

// room evicts until there is room for size octets. The lock is held.
func (s *Store) room(size int) {
	for s.next+uint64(size)-s.tail > uint64(len(s.ring)) {
		h := s.at(s.tail)
		if binary.LittleEndian.Uint32(h[4:]) != 0 {
			s.records--
			s.stats.Evicted++
		}
		s.tail += uint64(binary.LittleEndian.Uint32(h))
	}
}

// at returns the ring from a position to its end. The lock is held.
func (s *Store) at(pos uint64) []byte { return s.ring[pos%uint64(len(s.ring)):] }

// put writes the entry of the record b, whose ids are s.refs, to e, which is at
// the position next, and puts its slots at the heads of their chains. The lock is
// held.
func (s *Store) put(b, e []byte, size int, mono int64) {
	s.stats.Added++
	le := binary.LittleEndian
	le.PutUint32(e, uint32(size))
	le.PutUint32(e[4:], uint32(len(b)))
	le.PutUint64(e[8:], uint64(mono))
	le.PutUint64(e[16:], s.stats.Added)
	le.PutUint64(e[24:], uint64(len(s.refs)))
	for i := range s.refs {
		f, o := &s.refs[i], entryHeader+i*slotSize
		head := &s.heads[s.hashes[i]&uint64(len(s.heads)-1)]
		h := e[o : o+slotSize]
		le.PutUint64(h, *head)
		le.PutUint32(h[8:], uint32(s.hashes[i]>>32))
		le.PutUint32(h[12:], f.Off)
		le.PutUint16(h[16:], uint16(f.Len))
		h[18], h[19], h[20], h[21], h[22], h[23] = byte(f.Type), byte(f.How), f.Score, byte(i), 0, 0
		if f.Primary {
			h[22] = 1
		}
		*head = s.next + uint64(o)
	}
	copy(e[entryHeader+len(s.refs)*slotSize:], b)
	s.next += uint64(size)
	s.records++
}

// Stats returns what the store holds. It may be called from any goroutine.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Records, st.Octets, st.Limit = s.records, s.next-s.tail, uint64(len(s.ring))
	if s.records == 0 {
		st.Octets = 0
		return st
	}
	oldest := s.at(s.tail)
	if binary.LittleEndian.Uint32(oldest[4:]) == 0 { // a filler: the ring goes on at its beginning
		oldest = s.ring
	}
	st.Span = time.Duration(s.newest - int64(binary.LittleEndian.Uint64(oldest[8:])))
	return st
}

// Under returns the type that the ids of records of type t are found under. See
// the package comment.
func Under(t record.Type) record.Type {
	switch t {
	case record.RTCP, record.RTPReport, record.Log:
		return record.SIP
	}
	return t
}

// primaryHow says how a record of type t came to its primary id.
func primaryHow(t record.Type) record.How {
	if Under(t) != t {
		return record.Flow
	}
	return record.Seen
}
