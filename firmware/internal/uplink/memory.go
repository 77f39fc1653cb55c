package uplink

import (
	"math/bits"
	"sort"

	"heptap/capture/record"
)

// page holds consecutive records of the memory tier. Its octets are written
// once and never moved, so that a lane may read them without the lock for as
// long as it has the page pinned.
type page struct {
	first uint64   // sequence number of the first record
	offs  []uint32 // where each record begins
	buf   []byte   // the records, one after the other; the capacity is fixed
	skips [8]int   // how many records are not for the reader of that bit
	pins  int      // readers outside the lock
	out   bool     // no longer part of the tier: recycle at the last unpin
}

func (p *page) end() uint64 { return p.first + uint64(len(p.offs)) }

// record returns the octets of the record numbered seq.
func (p *page) record(seq uint64) []byte {
	i := int(seq - p.first)
	end := len(p.buf)
	if i+1 < len(p.offs) {
		end = int(p.offs[i+1])
	}
	return p.buf[p.offs[i]:end:end]
}

// count returns how many records have the bit.
func (p *page) count(bit uint8) uint64 { return uint64(p.skips[bits.TrailingZeros8(bit)]) }

// memory is the memory tier: pages in sequence order, in total at most limit
// octets (and what readers still have pinned). The log's lock guards it.
type memory struct {
	limit    int // octets
	pageSize int
	pages    []*page
	free     []*page
	used     int // octets of pages, by capacity
	most     int // octets of them that were in use not long ago, see recycle
}

const (
	mostDecay = 16 // pages come back for each that is no longer kept for reuse
	keptShare = 8  // the part of the limit that those in use and those kept come to, where fewer are in use
)

func newMemory(limit int) memory {
	return memory{limit: limit, pageSize: min(max(limit/64, 16<<10), 256<<10)}
}

// room reports whether n more octets fit, into a new page if need be.
func (m *memory) room(n int) bool {
	if m.fits(n) {
		return true
	}
	return m.used+max(n, m.pageSize) <= m.limit
}

func (m *memory) fits(n int) bool {
	if len(m.pages) == 0 {
		return false
	}
	p := m.pages[len(m.pages)-1]
	return len(p.buf)+n <= cap(p.buf)
}

// push copies rec to the end of the tier as the record numbered seq, and
// returns the copy. Numbers are consecutive within a page.
func (m *memory) push(seq uint64, rec []byte) []byte {
	if !m.fits(len(rec)) || m.pages[len(m.pages)-1].end() != seq {
		m.grow(seq, len(rec))
	}
	p := m.pages[len(m.pages)-1]
	at := len(p.buf)
	p.offs = append(p.offs, uint32(at))
	p.buf = append(p.buf, rec...)
	for skip := record.SkipOf(rec); skip != 0; skip &= skip - 1 {
		p.skips[bits.TrailingZeros8(skip)]++
	}
	return p.buf[at:]
}

func (m *memory) grow(seq uint64, n int) {
	var p *page
	if k := len(m.free); k > 0 && n <= m.pageSize {
		p = m.free[k-1]
		m.free = m.free[:k-1]
	} else {
		p = &page{buf: make([]byte, 0, max(n, m.pageSize))}
	}
	p.first = seq
	m.used += cap(p.buf)
	m.most = max(m.most, m.used)
	m.pages = append(m.pages, p)
}

// find returns the page that holds seq, nil if none does.
func (m *memory) find(seq uint64) *page {
	i := sort.Search(len(m.pages), func(i int) bool { return m.pages[i].end() > seq })
	if i == len(m.pages) || m.pages[i].first > seq {
		return nil
	}
	return m.pages[i]
}

// drop takes the pages out of the tier for which gone says so.
func (m *memory) drop(gone func(*page) bool) {
	kept := m.pages[:0]
	for _, p := range m.pages {
		if !gone(p) {
			kept = append(kept, p)
			continue
		}
		m.used -= cap(p.buf)
		p.out = true
		m.recycle(p)
	}
	clear(m.pages[len(kept):])
	m.pages = kept
}

func (m *memory) pin(p *page) { p.pins++ }

func (m *memory) unpin(p *page) {
	p.pins--
	m.recycle(p)
}

// recycle keeps a page for reuse once nobody reads it, as long as there were as many pages
// in use not long ago, and an eighth of the limit at most: what passes between two
// barriers. Each page that comes back makes that a little less.
func (m *memory) recycle(p *page) {
	if !p.out || p.pins > 0 {
		return
	}
	m.most = max(min(m.most, m.limit/keptShare)-m.pageSize/mostDecay, m.used)
	for len(m.free) > 0 && m.used+len(m.free)*m.pageSize > m.most {
		m.free[len(m.free)-1] = nil
		m.free = m.free[:len(m.free)-1]
	}
	if cap(p.buf) != m.pageSize || m.used+(len(m.free)+1)*m.pageSize > m.most {
		return
	}
	p.buf, p.offs, p.skips, p.out = p.buf[:0], p.offs[:0], [8]int{}, false
	m.free = append(m.free, p)
}
