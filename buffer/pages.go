package buffer

import (
	"bytes"
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
func versions(r io.ReaderAt, size int64) []*pageFile {
	offsets := []int64{0}
	for p := int64(1024); p <= maxPageSize; p *= 2 {
		offsets = append(offsets, p)
	}
	return metas(r, size, offsets...)
}

// metas is versions of meta pages at these offsets.
func metas(r io.ReaderAt, size int64, offsets ...int64) (all []*pageFile) {
	buf := make([]byte, pageHeader+64)
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
	return p.octets(id, n)
}

// octets returns the first n of the page id.
func (p *pageFile) octets(id uint64, n int64) ([]byte, error) {
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
	page func(id uint64, size int64) error
	// tolerant goes on behind a damaged page and counts it. It does not mind the order of
	// keys.
	tolerant bool
	damaged  int
	// heads has no more of a page read than its first pageBytes. Of the elements of a leaf
	// fn learns what kind they are, and no key or value.
	heads bool
	// from is the key to begin at, not for a tolerant walker: the last element that is not
	// above it, or the first one. errBetween: the leaf in which it should be has none, and
	// there are others before.
	from []byte
	// next has a walk that ends by errStop look at the next page of each that it has gone through.
	next   bool
	most   uint64 // pages that there may be; 0 is more than a sound file can have
	steps  uint64
	leaves int // so far
}

// errBetween says that a walk cannot begin at a key, but at the first one.
var errBetween = fmt.Errorf("%w: nothing below the key", errPage)

// bucket calls fn for each element of the bucket at root, or in inline.
func (w *walker) bucket(root uint64, inline []byte, fn func(elem) error) error {
	if root == 0 {
		return w.leaf(inline, int64(len(inline)), keys{first: true}, fn)
	}
	return w.walk(root, 0, keys{first: true}, fn)
}

// keys are those that may be below a page: from low on, not nil unless they begin anywhere, up to
// but not including high.
type keys struct {
	low, high []byte
	first     bool // no page is before this one
}

func (k *keys) has(key []byte) bool {
	return bytes.Compare(key, k.low) >= 0 && (k.high == nil || bytes.Compare(key, k.high) < 0)
}

// newTxid is the highest of the two with which bbolt begins a file.
const newTxid = 1

func (w *walker) walk(id uint64, depth int, k keys, fn func(elem) error) error {
	// A sound file has no more pages than this; a loop has.
	most := w.most
	if most == 0 {
		most = 4 * w.p.pages
	}
	if w.steps++; depth > maxDepth || w.steps > most {
		return w.tolerate(fmt.Errorf("%w: pages form a loop", errPage))
	}
	b, size, err := w.load(id)
	if err != nil {
		return w.tolerate(err)
	}
	if kind(b) == pageBranch {
		return w.branch(b, size, depth, k, fn)
	}
	return w.leaf(b, size, k, fn)
}

// load returns what a walk needs of a page, and its size. It is a branch or a leaf.
func (w *walker) load(id uint64) (b []byte, size int64, err error) {
	size, err = w.p.extent(id)
	if err == nil && w.page != nil {
		err = w.page(id, size)
	}
	if err == nil {
		n := size
		if w.heads {
			n = min(n, pageBytes)
		}
		b, err = w.p.octets(id, n)
	}
	switch {
	case err != nil:
	case kind(b) != pageBranch && kind(b) != pageLeaf:
		err = fmt.Errorf("%w: page %d is neither branch nor leaf", errPage, id)
	case count(b) == 0 && (id != w.p.root || w.p.txid > newTxid):
		// An empty bucket is inside its parent's page; all of a new file is an empty one.
		err = fmt.Errorf("%w: page %d is empty", errPage, id)
	}
	return b, size, err
}

func kind(b []byte) uint16 { return binary.NativeEndian.Uint16(b[8:]) }
func count(b []byte) int   { return int(binary.NativeEndian.Uint16(b[10:])) }

// alone looks at a page, and at none of those that it leads to.
func (w *walker) alone(id uint64, k keys) error {
	b, size, err := w.load(id)
	if err != nil {
		return err
	}
	if kind(b) == pageBranch {
		_, err = w.ranges(b, size, k)
	} else {
		_, err = w.elems(b, size, k)
	}
	return err
}

func (w *walker) tolerate(err error) error {
	if w.tolerant && errors.Is(err, errPage) {
		w.damaged++
		return nil
	}
	return err
}

func (w *walker) branch(b []byte, size int64, depth int, k keys, fn func(elem) error) error {
	all, err := w.ranges(b, size, k)
	if err != nil {
		return w.tolerate(err)
	}
	child := func(i int) uint64 { return binary.NativeEndian.Uint64(b[pageHeader+i*elemSize+8:]) }
	for i := range all {
		last := i == len(all)-1
		if w.from != nil && !last && bytes.Compare(all[i+1].low, w.from) <= 0 {
			continue
		}
		err := w.walk(child(i), depth+1, all[i], fn)
		if err == errStop && w.next && !last {
			if err := w.alone(child(i+1), all[i+1]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ranges returns which keys may be below each of a branch's elements. For a tolerant walker
// that is any.
func (w *walker) ranges(b []byte, size int64, k keys) ([]keys, error) {
	n := count(b)
	if n == 0 || pageHeader+n*elemSize > len(b) || size != w.p.page && !w.tolerant { // our keys are too short for more
		return nil, fmt.Errorf("%w: branch of %d in %d octets", errPage, n, size)
	}
	ne := binary.NativeEndian
	all, used := make([]keys, n), uint64(pageHeader+n*elemSize) // bbolt leaves no gaps
	if w.tolerant {
		return all, nil
	}
	for i := range all {
		at := pageHeader + i*elemSize
		from := uint64(at) + uint64(ne.Uint32(b[at:]))
		end := from + uint64(ne.Uint32(b[at+4:]))
		if from != used || end > uint64(len(b)) {
			return nil, fmt.Errorf("%w: branch element out of its place", errPage)
		}
		used = end
		// What is below the first key of all is below the first element.
		if all[i] = (keys{low: b[from:end:end], high: k.high, first: k.first && i == 0}); i > 0 {
			all[i-1].high = all[i].low
		}
		if i > 0 && bytes.Compare(all[i-1].low, all[i].low) >= 0 || !all[i].first && !k.has(all[i].low) {
			return nil, fmt.Errorf("%w: branch out of order", errPage)
		}
	}
	all[0].low = k.low
	return all, nil
}

// fits says whether a page of so many octets has no more overflow pages than what it holds
// needs. Deleting it frees them.
func (p *pageFile) fits(size int64, used uint64) error {
	if size/p.page > (int64(used)+p.page-1)/p.page {
		return fmt.Errorf("%w: %d octets in %d pages", errPage, used, size/p.page)
	}
	return nil
}

func (w *walker) leaf(b []byte, size int64, k keys, fn func(elem) error) error {
	if len(b) < pageHeader || kind(b) != pageLeaf {
		return w.tolerate(fmt.Errorf("%w: bad leaf", errPage))
	}
	w.leaves++
	all, err := w.elems(b, size, k)
	if err != nil {
		return w.tolerate(err)
	}
	if w.from != nil {
		if all, err = since(all, w.from, k.first); err != nil {
			return err
		}
		w.from = nil
	}
	for _, el := range all {
		if err := fn(el); err != nil {
			return err
		}
	}
	return nil
}

// elems returns the elements of a leaf.
func (w *walker) elems(b []byte, size int64, k keys) ([]elem, error) {
	n := count(b)
	if pageHeader+n*elemSize > len(b) {
		return nil, fmt.Errorf("%w: leaf of %d", errPage, n)
	}
	ne := binary.NativeEndian
	all, used := make([]elem, 0, n), uint64(pageHeader+n*elemSize)
	for i := range n {
		at := pageHeader + i*elemSize
		e := b[at:]
		el := elem{bucket: ne.Uint32(e)&leafBucket != 0}
		pos, ksize, vsize := uint64(at)+uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
		if pos+ksize+vsize > uint64(size) || pos != used && !w.tolerant {
			if err := w.tolerate(fmt.Errorf("%w: leaf element out of its place", errPage)); err != nil {
				return nil, err
			}
			continue
		}
		used = pos + ksize + vsize
		if !w.heads {
			el.key, el.value = b[pos:pos+ksize], b[pos+ksize:pos+ksize+vsize]
			if !w.tolerant && (!k.has(el.key) || len(all) > 0 && bytes.Compare(all[len(all)-1].key, el.key) >= 0) {
				return nil, fmt.Errorf("%w: leaf out of order", errPage)
			}
		}
		all = append(all, el)
	}
	if w.tolerant {
		return all, nil
	}
	return all, w.p.fits(size, used)
}

// since cuts off what is before the last element that is not above from.
func since(all []elem, from []byte, first bool) ([]elem, error) {
	i, found := slices.BinarySearchFunc(all, from, func(e elem, key []byte) int { return bytes.Compare(e.key, key) })
	switch {
	case found:
		return all[i:], nil
	case i > 0:
		return all[i-1:], nil
	case !first:
		return nil, errBetween
	}
	return all, nil
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
	n, at, err := p.freeIDs(b, int64(len(b)))
	if err != nil {
		return nil, err
	}
	free := make([]uint64, n)
	for i := range free {
		free[i] = binary.NativeEndian.Uint64(b[at+8*i:])
		if free[i] < 2 || free[i] >= p.pages || i > 0 && free[i] <= free[i-1] {
			return nil, fmt.Errorf("%w: freelist is not in order", errPage)
		}
	}
	return free, nil
}

// checkFree looks at the head of the freelist's page, which the next commit frees.
func (p *pageFile) checkFree() error {
	n, err := p.extent(p.freelist)
	if err != nil {
		return err
	}
	b, err := p.octets(p.freelist, pageHeader+8)
	if err != nil {
		return err
	}
	ids, at, err := p.freeIDs(b, n)
	if err != nil {
		return err
	}
	if n/p.page > (int64(at)+8*(int64(ids)+n/p.page))/p.page+1 { // it was made before its own pages were taken from it
		return fmt.Errorf("%w: a freelist of %d in %d octets", errPage, ids, n)
	}
	return nil
}

// freeIDs returns how many ids there are in the freelist's page, of which b is the head and size
// are the octets, and where they begin.
func (p *pageFile) freeIDs(b []byte, size int64) (n uint64, at int, err error) {
	if kind(b) != pageFree {
		return 0, 0, fmt.Errorf("%w: page %d is no freelist", errPage, p.freelist)
	}
	if n, at = uint64(count(b)), pageHeader; n == 0xffff { // the first of them is the count
		n, at = binary.NativeEndian.Uint64(b[at:]), at+8
	}
	if n > min(p.pages, uint64(size-int64(at))/8) {
		return 0, 0, fmt.Errorf("%w: freelist of %d", errPage, n)
	}
	return n, at, nil
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
	w.page = func(id uint64, size int64) error {
		for i := range uint64(size / p.page) {
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

// checkTree walks a commit's pages by their heads: they must come to an end, and hold values
// and nothing else.
func (p *pageFile) checkTree(root uint64) error {
	w := walker{p: p, heads: true, most: maxCommitPages}
	return w.walk(root, 0, keys{}, isValue)
}

func (p *pageFile) checkCommit(e elem) error {
	root, _, err := e.child()
	if err == nil && root == 0 {
		err = p.checkValues(e)
	}
	if err == nil && (len(e.key) != 8 || root == 1 || root >= p.pages) {
		err = fmt.Errorf("%w: bad commit bucket", errPage)
	}
	return err
}
