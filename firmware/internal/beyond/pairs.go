package beyond

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"

	"heptap/capture"
	"heptap/capture/dissect"
	"heptap/capture/rest"
	"heptap/capture/stream"
)

const (
	slots = 4096
	ways  = 4
	// patience is how long a request waits for its reply.
	patience = int64(30e9)
)

// pair is a request, and what was kept of it for its reply.
type pair[T any] struct {
	hash     uint64
	sum      uint64 // of its octets
	mono     int64  // of it, plus one; 0 for an empty slot
	wall     int64
	serial   uint64
	answered bool
	of       T
}

// slot is a place of one request, which may be among those that wait for a reply.
type slot[T any] struct {
	pair[T]
	waits      bool
	sent       uint32 // how often
	flow       capture.FiveTuple
	meta       stream.Meta // of the request
	next, prev *slot[T]    // of those that wait, the first being the oldest
}

// pairs are the requests of one protocol. It is a table without chains: of
// those that share a few places the oldest gives way. It takes its memory with the
// first request.
type pairs[T any] struct {
	slots       []slot[T]
	first, last *slot[T]
}

func (t *pairs[T]) at(hash uint64, way int) *slot[T] { return &t.slots[(hash+uint64(way))%slots] }

// wait has expire tell when no reply to the request m comes, which is in s.
func (t *pairs[T]) wait(s *slot[T], m *capture.Message) {
	t.leave(s)
	s.waits, s.flow, s.meta = true, m.Flow, metaOf(m)
	if s.prev = t.last; s.prev != nil {
		s.prev.next = s
	} else {
		t.first = s
	}
	t.last = s
}

// leave takes s out of those that wait.
func (t *pairs[T]) leave(s *slot[T]) {
	if !s.waits {
		return
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		t.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		t.last = s.prev
	}
	s.waits, s.next, s.prev = false, nil, nil
}

// expire gives up what has waited for longer than patience at mono, or all if nothing
// more will come, and tells of each.
func (t *pairs[T]) expire(b *Beyond, e *Exchanges, mono int64, all bool, tell func(*capture.Message, *slot[T], *failure)) {
	why := rest.Timeout
	if all {
		why = rest.NoReply
	}
	for s := t.first; s != nil && (all || mono-(s.mono-1) > patience); s = t.first {
		t.leave(s)
		e.Unanswered.Add(1)
		at := after((*dissect.At)(&s.meta), max(mono, s.meta.Mono))
		f := failure{why: why, at: at}
		tell(b.messageAt(&s.flow, 1, &at), s, &f)
	}
}

// find returns the request of that hash, nil when there is none that waits, or
// has waited, for no longer than patience.
func (t *pairs[T]) find(hash uint64, now int64) *slot[T] {
	if t.slots == nil {
		return nil
	}
	for way := range ways {
		if p := t.at(hash, way); p.mono != 0 && p.hash == hash && now-p.mono <= patience {
			return p
		}
	}
	return nil
}

// add makes room for a request. What T has of an older one is left in place, to
// be used again.
func (t *pairs[T]) add(hash uint64, now int64, e *Exchanges) *slot[T] {
	if t.slots == nil {
		t.slots = make([]slot[T], slots)
	}
	oldest := t.at(hash, 0)
	for way := range ways {
		p := t.at(hash, way)
		if p.mono != 0 && p.hash == hash {
			oldest = p
			break
		}
		if p.mono < oldest.mono {
			oldest = p
		}
	}
	if oldest.mono != 0 && !oldest.answered && now-oldest.mono <= patience {
		e.Crowded.Add(1)
	}
	t.leave(oldest)
	*oldest = slot[T]{pair: pair[T]{hash: hash, mono: max(now+1, 1), of: oldest.of}, sent: 1}
	return oldest
}

// request returns the place of the request m, whose id on its flow is id, and
// whether it is new rather than one that is sent again.
func request[T any](b *Beyond, t *pairs[T], e *Exchanges, m *capture.Message, id []byte) (p *slot[T], fresh bool) {
	hash, sum := b.key(&m.Flow, id), maphash.Bytes(b.seed, m.Payload)
	if p = t.find(hash, m.Mono); p != nil && p.sum == sum {
		p.sent++
		e.Again.Add(1)
		return p, false
	}
	p = t.add(hash, m.Mono, e)
	p.sum, p.wall, p.serial = sum, m.Wall, b.serial
	b.serial++
	e.Requests.Add(1)
	return p, true
}

// reply returns the request that m, whose id on its flow is id, replies to, or nil.
func reply[T any](b *Beyond, t *pairs[T], e *Exchanges, m *capture.Message, id []byte) *slot[T] {
	flow := m.Flow.Reverse()
	p := t.find(b.key(&flow, id), m.Mono)
	if p == nil {
		e.Strays.Add(1)
		return nil
	}
	t.leave(p)
	p.answered = true
	e.Replies.Add(1)
	return p
}

// key is the hash of a request's flow and its id there.
func (b *Beyond) key(f *capture.FiveTuple, id []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(b.seed)
	var k [45]byte
	src, dst := f.Src.Addr().As16(), f.Dst.Addr().As16()
	copy(k[:], src[:])
	copy(k[16:], dst[:])
	binary.BigEndian.PutUint16(k[32:], f.Src.Port())
	binary.BigEndian.PutUint16(k[34:], f.Dst.Port())
	binary.BigEndian.PutUint32(k[36:], f.Tunnel)
	k[40] = f.Proto
	h.Write(k[:])
	h.Write(id)
	return h.Sum64()
}

// name sets the note's primary id to that of an exchange.
func (b *Beyond) name(kind string, wall int64, serial uint64) {
	b.id = append(append(b.id[:0], kind...), '-')
	b.id = strconv.AppendInt(b.id, wall/1e3, 36)
	b.id = append(b.id, '-')
	b.id = strconv.AppendUint(b.id, serial, 36)
	b.note.Primary = b.id
}

// name sets the note's primary id to that of p, or to a new one when the
// request was not seen.
func (p *pair[T]) name(b *Beyond, kind string) {
	if p != nil {
		b.name(kind, p.wall, p.serial)
		return
	}
	b.name(kind, b.note.At.Wall, b.serial)
	b.serial++
}

// name does so of a slot, nil when the request was not seen.
func (s *slot[T]) name(b *Beyond, kind string) {
	var p *pair[T]
	if s != nil {
		p = &s.pair
	}
	p.name(b, kind)
}

// took is how long the reply took, in nanoseconds.
func (p *pair[T]) took(m *capture.Message) int64 { return max(m.Mono-(p.mono-1), 0) }
