package tlswire

// bufferBytes is the most of a handshake message that is put together: a chain
// of certificates seldom has more, and its front is what counts.
const bufferBytes = 20 << 10

// Buffers keeps the buffers that sessions of one goroutine put messages
// together in. The zero Buffers is ready.
type Buffers struct {
	// Keep is the most buffers that are kept while nobody uses them, 20 KiB
	// each. 0 means 16.
	Keep int
	// Max is the most buffers that are lent at once, 0 for any number. While
	// there are no more, a message in pieces is passed over, as after a gap.
	Max int

	free [][]byte
	lent int
}

// get returns an empty buffer of bufferBytes, nil when there are too many. b
// may be nil.
func (b *Buffers) get() []byte {
	if b == nil {
		return make([]byte, 0, bufferBytes)
	}
	if b.Max > 0 && b.lent >= b.Max {
		return nil
	}
	b.lent++
	if len(b.free) == 0 {
		return make([]byte, 0, bufferBytes)
	}
	last := len(b.free) - 1
	buf := b.free[last]
	b.free[last] = nil
	b.free = b.free[:last]
	return buf[:0]
}

// put takes a buffer back. It keeps octets, but nobody reads them.
func (b *Buffers) put(buf []byte) {
	if b == nil || buf == nil {
		return
	}
	b.lent--
	keep := b.Keep
	if keep == 0 {
		keep = 16
	}
	if len(b.free) < keep {
		b.free = append(b.free, buf)
	}
}
