package buffer

import "os"

// UpperPages returns the pages above the commits: those of the meta, the free ones, the buckets' and
// the log's tree, by what they are.
func UpperPages(path string) (map[uint64]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p, err := openPages(f, info.Size())
	if err != nil {
		return nil, err
	}
	newest := p.txid % 2 // bbolt writes them in turn
	pages := map[uint64]string{newest: "newest meta", 1 - newest: "older meta", p.freelist: "freelist"}
	name := "root"
	w := walker{p: p, page: func(id uint64, _ int64) error { pages[id] = name; return nil }}
	return pages, w.bucket(p.root, nil, func(e elem) error {
		root, inline, err := e.child()
		if err != nil {
			return err
		}
		name = string(e.key)
		return w.bucket(root, inline, func(elem) error { return nil })
	})
}
