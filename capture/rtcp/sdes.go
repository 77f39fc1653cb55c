package rtcp

// SDES item types (RFC 3550 6.5).
const (
	ItemEnd   = 0
	ItemCNAME = 1
	ItemPRIV  = 8
)

// Item is one item of a source description.
type Item struct {
	SSRC uint32 // of the chunk it stands in
	Type uint8
	Text []byte // UTF-8 by RFC 3550, anything in practice
}

// Items goes through the items of an SDES packet, chunk after chunk.
type Items struct {
	data   []byte
	off    int
	ssrc   uint32
	chunks int // not begun yet
	inside bool
}

// Items returns an iterator over p's items; it is empty when p is no SDES.
func (p Packet) Items() Items {
	if p.Type != SDES {
		return Items{}
	}
	return Items{data: p.Data, off: headerSize, chunks: int(p.Count)}
}

// Next returns the next item; false after the last, or where the packet is
// malformed.
func (it *Items) Next() (Item, bool) {
	for {
		if !it.inside {
			if it.chunks == 0 || it.off+4 > len(it.data) {
				return Item{}, false
			}
			it.ssrc = word(it.data[it.off:], 0)
			it.off += 4
			it.chunks--
			it.inside = true
		}
		if it.off >= len(it.data) {
			it.chunks = 0
			return Item{}, false
		}
		typ := it.data[it.off]
		if typ == ItemEnd {
			it.off = it.off&^3 + 4 // one to four octets, up to the next word
			it.inside = false
			continue
		}
		if it.off+2 > len(it.data) || it.off+2+int(it.data[it.off+1]) > len(it.data) {
			it.off = len(it.data)
			continue
		}
		start := it.off + 2
		it.off = start + int(it.data[it.off+1])
		return Item{SSRC: it.ssrc, Type: typ, Text: it.data[start:it.off]}, true
	}
}

// split returns the prefix and the value of a PRIV item (RFC 3550 6.5.8).
func (i Item) split() (prefix, value []byte) {
	if len(i.Text) == 0 {
		return nil, nil
	}
	n := min(int(i.Text[0]), len(i.Text)-1)
	return i.Text[1 : 1+n], i.Text[1+n:]
}
