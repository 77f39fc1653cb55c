package buffer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// strays are commits that are found by their own pages, because those that lead to them
// are damaged.
type strays []stray

type stray struct {
	first   uint64 // sequence number
	records uint64
	root    uint64 // page
}

// stray looks for commits in all pages, if those that lead to them are damaged and the state
// is not. A page that was given back still holds what it did, so as many records as the state
// says are taken, the newest: those that were trimmed or evicted are the oldest.
func (p *pageFile) stray() (found strays) {
	w := walker{p: p, tolerant: true}
	held := uint64(0)
	_ = w.top(bucketState, func(e elem) error {
		if st, ok := parseState(e.value); ok && string(e.key) == string(keyState) {
			held = st.held.Total().Records
		}
		return nil
	})
	if held == 0 {
		return nil
	}
	above := map[uint64]uint64{} // of a branch: the first page below -> it
	for id := uint64(2); id < p.pages; {
		n, err := p.extent(id)
		if err != nil {
			id++
			continue
		}
		switch key, below := p.peek(id); {
		case below != 0 && len(above) < maxStrays:
			above[below] = id
		case bytes.Equal(key, keyIndex):
			if x, ok := p.indexIn(id); ok {
				found = append(found, stray{x.first, x.held.Total().Records, id})
			}
		}
		if id += uint64(n / p.page); len(found) >= 2*maxStrays {
			found = found.newest()
		}
	}
	found = found.newest()
	for i := range found {
		if found[i].records > held {
			found = found[:i]
			break
		}
		held -= found[i].records
		if root := above[found[i].root]; root != 0 {
			found[i].root = root
		}
	}
	slices.Reverse(found)
	return found
}

// maxStrays is how many are known at most, and 2 times as many while they are looked for.
const maxStrays = 1 << 18

// newest returns the newest of s, the first one first, each once.
func (s strays) newest() strays {
	slices.SortStableFunc(s, func(a, b stray) int { return cmp.Compare(b.first, a.first) })
	s = slices.CompactFunc(s, func(a, b stray) bool { return a.first == b.first })
	return s[:min(len(s), maxStrays)]
}

// peek returns the first key of a leaf, if it is as short as an index's, or the first page
// below a branch.
func (p *pageFile) peek(id uint64) (key []byte, below uint64) {
	ne := binary.NativeEndian
	b := make([]byte, pageHeader+elemSize)
	if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil || count(b) == 0 {
		return nil, 0
	}
	e := b[pageHeader:]
	switch kind(b) {
	case pageBranch:
		return nil, ne.Uint64(e[8:])
	case pageLeaf:
		if ne.Uint32(e[8:]) != uint32(len(keyIndex)) || ne.Uint32(e)&leafBucket != 0 {
			return nil, 0
		}
		key = make([]byte, len(keyIndex))
		if _, err := p.r.ReadAt(key, int64(id)*p.page+pageHeader+int64(ne.Uint32(e[4:]))); err != nil {
			return nil, 0
		}
	}
	return key, 0
}

// indexIn returns the index that a leaf begins with.
func (p *pageFile) indexIn(id uint64) (x summary, ok bool) {
	b, err := p.read(id)
	if err != nil {
		return x, false
	}
	w := walker{p: p, tolerant: true}
	_ = w.leaf(b, int64(len(b)), keys{}, func(e elem) error {
		if i, err := parseIndex(e.value); err == nil && bytes.Equal(e.key, keyIndex) {
			x, ok = i.summary, true
		}
		return nil
	})
	return x, ok
}

// each calls fn with the commits as if a bucket led to them.
func (s strays) each(fn func(elem) error) error {
	for i := range s {
		bucket := make([]byte, bucketSize)
		binary.NativeEndian.PutUint64(bucket, s[i].root)
		if err := fn(elem{key: seqKey(s[i].first), value: bucket, bucket: true}); err != nil {
			return err
		}
	}
	return nil
}
