package buffer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// A bbolt file read with ordinary reads. bbolt itself trusts what it has
// mapped: a page that points to itself makes it loop, a length that is wrong
// makes it fault, and its own check runs in a goroutine where nobody can
// recover. What must survive a damaged file therefore looks here first.
//
// bbolt writes integers in the byte order of the machine.

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	pageBranch  = 0x01
	pageLeaf    = 0x02
	pageMeta    = 0x04
	pageFree    = 0x10
	pageHeader  = 16
	elemSize    = 16
	bucketSize  = 16
	leafBucket  = 0x01
	maxDepth    = 16
	noFreelist  = ^uint64(0)
	maxPageSize = 64 << 10
)

var errPage = errors.New("damaged page")

// pageFile is one committed version of a bbolt file.
type pageFile struct {
	r        io.ReaderAt
	size     int64
	page     int64
	root     uint64
	freelist uint64
	pages    uint64 // high-water mark
	txid     uint64
	strays   strays // commits that no page leads to any more; nil: those are in the tree
}

// versions returns what the valid meta pages say, the newest first: bbolt keeps two, and
// leaves what the older one leads to until the newer one is safe.
func versions(r io.ReaderAt, size int64) (all []*pageFile) {
	buf := make([]byte, pageHeader+64)
	offsets := []int64{0}
	for p := int64(1024); p <= maxPageSize; p *= 2 {
		offsets = append(offsets, p)
	}
	for _, off := range offsets {
		if _, err := r.ReadAt(buf, off); err != nil {
			continue
		}
		p, ok := parseMeta(buf)
		if !ok || off != 0 && off != p.page || p.pages < 4 {
			continue
		}
		p.r, p.size = r, size
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b *pageFile) int { return cmp.Compare(b.txid, a.txid) })
	return all
}

// openPages finds the newest valid meta page, as bbolt does.
func openPages(r io.ReaderAt, size int64) (*pageFile, error) {
	all := versions(r, size)
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%w: no valid meta page", errPage)
	case all[0].pages > uint64(size/all[0].page):
		return nil, fmt.Errorf("%w: %d pages in %d octets", errPage, all[0].pages, size)
	}
	return all[0], nil
}

// salvagePages returns the version of a damaged file that leads to the most: the newest, unless
// the pages above its commits are damaged and those of the one before are not, which lacks one
// commit. When they are in both, the commits are looked for by themselves. The file may have been
// cut off. nil: there is none.
func salvagePages(r io.ReaderAt, size int64) (best *pageFile) {
	most := -1
	for _, p := range versions(r, size) {
		if p.pages = min(p.pages, uint64(size/p.page)); p.pages < 4 { // which also bounds how long a loop is followed
			continue
		}
		commits, whole := p.reach()
		if commits > most {
			best, most = p, commits
		}
		if whole {
			return best
		}
	}
	if best != nil {
		if found := best.stray(); len(found) > most {
			best.strays = found
		}
	}
	return best
}

// reach counts the commits that a version leads to whose first page has a sound header, and
// says whether all pages above them were read.
func (p *pageFile) reach() (commits int, whole bool) {
	w := walker{p: p, tolerant: true}
	known := false
	err := w.bucket(p.root, nil, func(e elem) error {
		root, inline, err := e.child()
		if err != nil || string(e.key) != string(bucketLog) {
			return w.tolerate(err)
		}
		known = true
		return w.bucket(root, inline, func(e elem) error {
			id, inline, err := e.child()
			if err != nil {
				return w.tolerate(err)
			}
			if id == 0 && len(inline) > 0 || p.header(id) == nil {
				commits++
			}
			return nil
		})
	})
	return commits, known && err == nil && w.damaged == 0
}

func parseMeta(b []byte) (*pageFile, bool) {
	ne := binary.NativeEndian
	m := b[pageHeader:]
	if ne.Uint16(b[8:])&pageMeta == 0 || ne.Uint32(m) != metaMagic || ne.Uint32(m[4:]) != metaVersion {
		return nil, false
	}
	h := fnv.New64a()
	h.Write(m[:56])
	p := &pageFile{page: int64(ne.Uint32(m[8:])), root: ne.Uint64(m[16:]), freelist: ne.Uint64(m[32:]), pages: ne.Uint64(m[40:]), txid: ne.Uint64(m[48:])}
	ok := h.Sum64() == ne.Uint64(m[56:]) && p.page >= 1024 && p.page <= maxPageSize && p.page&(p.page-1) == 0
	return p, ok
}

// header looks at the header of page id.
func (p *pageFile) header(id uint64) error {
	_, err := p.extent(id)
	return err
}

// extent returns how many octets page id has with its overflow pages.
func (p *pageFile) extent(id uint64) (octets int64, err error) {
	if id < 2 || id >= p.pages {
		return 0, fmt.Errorf("%w: page %d of %d", errPage, id, p.pages)
	}
	var h [pageHeader]byte
	if _, err := p.r.ReadAt(h[:], int64(id)*p.page); err != nil {
		return 0, fmt.Errorf("%w: page %d: %w", errPage, id, err)
	}
	overflow := uint64(binary.NativeEndian.Uint32(h[12:]))
	if binary.NativeEndian.Uint64(h[:]) != id || overflow >= p.pages-id {
		return 0, fmt.Errorf("%w: page %d has a wrong header", errPage, id)
	}
	if octets = int64(overflow+1) * p.page; octets > p.size-int64(id)*p.page {
		return 0, fmt.Errorf("%w: page %d ends behind the file", errPage, id)
	}
	return octets, nil
}

// read returns the page id with its overflow pages.
func (p *pageFile) read(id uint64) ([]byte, error) {
	n, err := p.extent(id)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil {
		return nil, fmt.Errorf("%w: page %d: %w", errPage, id, err)
	}
	return b, nil
}

// elem is one element of a leaf. Its slices borrow from the page.
type elem struct {
	key, value []byte
	bucket     bool
}

// child returns where the bucket that an element holds begins: a page, or an
// inline page.
func (e *elem) child() (root uint64, inline []byte, err error) {
	if !e.bucket || len(e.value) < bucketSize {
		return 0, nil, fmt.Errorf("%w: bad bucket", errPage)
	}
	root = binary.NativeEndian.Uint64(e.value)
	if root == 0 {
		return 0, e.value[bucketSize:], nil
	}
	return root, nil, nil
}

// walker goes through buckets in key order.
type walker struct {
	p *pageFile
	// page is told of every page before its elements are; may be nil.
	page func(id uint64, size int) error
	// tolerant goes on behind a damaged page and counts it.
	tolerant bool
	damaged  int
	steps    uint64
}

// bucket calls fn for each element of the bucket at root, or in inline.
func (w *walker) bucket(root uint64, inline []byte, fn func(elem) error) error {
	if root == 0 {
		return w.leaf(inline, fn)
	}
	return w.walk(root, 0, fn)
}

func (w *walker) walk(id uint64, depth int, fn func(elem) error) error {
	// A sound file has no more pages than this; a loop has.
	if w.steps++; depth > maxDepth || w.steps > 4*w.p.pages {
		return w.tolerate(fmt.Errorf("%w: pages form a loop", errPage))
	}
	b, err := w.p.read(id)
	if err == nil && w.page != nil {
		err = w.page(id, len(b))
	}
	if err != nil {
		return w.tolerate(err)
	}
	switch binary.NativeEndian.Uint16(b[8:]) {
	case pageLeaf:
		return w.leaf(b, fn)
	case pageBranch:
		return w.branch(b, depth, fn)
	}
	return w.tolerate(fmt.Errorf("%w: page %d is neither branch nor leaf", errPage, id))
}

func (w *walker) tolerate(err error) error {
	if w.tolerant && errors.Is(err, errPage) {
		w.damaged++
		return nil
	}
	return err
}

func (w *walker) branch(b []byte, depth int, fn func(elem) error) error {
	n := int(binary.NativeEndian.Uint16(b[10:]))
	if n == 0 || pageHeader+n*elemSize > len(b) {
		return w.tolerate(fmt.Errorf("%w: branch of %d", errPage, n))
	}
	for i := range n {
		e := b[pageHeader+i*elemSize:]
		if err := w.walk(binary.NativeEndian.Uint64(e[8:]), depth+1, fn); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) leaf(b []byte, fn func(elem) error) error {
	ne := binary.NativeEndian
	if len(b) < pageHeader || ne.Uint16(b[8:]) != pageLeaf {
		return w.tolerate(fmt.Errorf("%w: bad leaf", errPage))
	}
	n := int(ne.Uint16(b[10:]))
	if pageHeader+n*elemSize > len(b) {
		return w.tolerate(fmt.Errorf("%w: leaf of %d", errPage, n))
	}
	for i := range n {
		at := pageHeader + i*elemSize
		e := b[at:]
		pos, ksize, vsize := uint64(at)+uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
		if pos+ksize+vsize > uint64(len(b)) {
			if err := w.tolerate(fmt.Errorf("%w: leaf element out of its page", errPage)); err != nil {
				return err
			}
			continue
		}
		el := elem{key: b[pos : pos+ksize], value: b[pos+ksize : pos+ksize+vsize], bucket: ne.Uint32(e)&leafBucket != 0}
		if err := fn(el); err != nil {
			return err
		}
	}
	return nil
}

// freePages reads the synced freelist: ascending page ids.
func (p *pageFile) freePages() ([]uint64, error) {
	if p.freelist == noFreelist {
		return nil, fmt.Errorf("%w: the freelist is not synced", errPage)
	}
	b, err := p.read(p.freelist)
	if err != nil {
		return nil, err
	}
	if binary.NativeEndian.Uint16(b[8:]) != pageFree {
		return nil, fmt.Errorf("%w: page %d is no freelist", errPage, p.freelist)
	}
	n, ids := uint64(binary.NativeEndian.Uint16(b[10:])), b[pageHeader:]
	if n == 0xffff {
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return nil, fmt.Errorf("%w: freelist of %d", errPage, n)
	}
	free := make([]uint64, n)
	for i := range free {
		free[i] = binary.NativeEndian.Uint64(ids[8*i:])
		if free[i] < 2 || free[i] >= p.pages || i > 0 && free[i] <= free[i-1] {
			return nil, fmt.Errorf("%w: freelist is not in order", errPage)
		}
	}
	return free, nil
}

// check walks the meta page, the freelist, the root and the tree of the log,
// but not the commits' own pages: what a cold open can afford. It returns
// whether the file holds a spool at all: a bbolt file that was just made does not.
func (p *pageFile) check() (ours bool, err error) {
	free, err := p.freePages()
	if err != nil {
		return false, err
	}
	seen := map[uint64]bool{p.freelist: true}
	w := walker{p: p}
	w.page = func(id uint64, size int) error {
		for i := range uint64(int64(size) / p.page) {
			if _, isFree := slices.BinarySearch(free, id+i); isFree || seen[id+i] {
				return fmt.Errorf("%w: page %d is used twice", errPage, id+i)
			}
			seen[id+i] = true
		}
		return nil
	}
	names, empty := map[string]bool{}, true
	err = w.bucket(p.root, nil, func(e elem) error {
		empty = false
		root, inline, err := e.child()
		if err != nil {
			return err
		}
		names[string(e.key)] = true
		if string(e.key) == string(bucketLog) {
			return w.bucket(root, inline, p.checkCommit)
		}
		return w.bucket(root, inline, func(elem) error { return nil })
	})
	if err != nil || empty {
		return false, err
	}
	for _, name := range [][]byte{bucketLog, bucketCursor, bucketQuarantine, bucketState} {
		if !names[string(name)] {
			return false, fmt.Errorf("%w: bucket %q is missing", errPage, name)
		}
	}
	return true, nil
}

// maxCommitPages is more than a commit has of pages, overflow pages not counted: a page holds
// a value of 64 KiB at least, or the last of a class, and a commit has 4 MiB.
const maxCommitPages = 512

// checkTree walks a commit's branch pages and looks at the head of its leaves: they must come to an
// end, and hold values and nothing else. left is how many pages there may still be.
func (p *pageFile) checkTree(id uint64, depth int, left *int) error {
	if *left--; *left < 0 || depth > maxDepth {
		return fmt.Errorf("%w: pages of a commit form a loop", errPage)
	}
	octets, err := p.extent(id)
	if err != nil {
		return err
	}
	ne := binary.NativeEndian
	b := make([]byte, min(octets, pageBytes))
	if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil {
		return fmt.Errorf("%w: page %d: %w", errPage, id, err)
	}
	kind, n := ne.Uint16(b[8:]), int(ne.Uint16(b[10:]))
	if kind != pageBranch && kind != pageLeaf || n == 0 || pageHeader+n*elemSize > len(b) {
		return fmt.Errorf("%w: page %d of a commit is neither branch nor leaf", errPage, id)
	}
	for i := range n {
		switch e := b[pageHeader+i*elemSize:]; {
		case kind == pageBranch:
			if err := p.checkTree(ne.Uint64(e[8:]), depth+1, left); err != nil {
				return err
			}
		case ne.Uint32(e)&leafBucket != 0:
			return fmt.Errorf("%w: page %d: a bucket in a commit", errPage, id)
		}
	}
	return nil
}

func (p *pageFile) checkCommit(e elem) error {
	root, _, err := e.child()
	if err == nil && (len(e.key) != 8 || root == 1 || root >= p.pages) {
		err = fmt.Errorf("%w: bad commit bucket", errPage)
	}
	return err
}
