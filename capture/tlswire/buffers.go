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

	free [][]byte
}

// get returns an empty buffer of bufferBytes. b may be nil.
func (b *Buffers) get() []byte {
	if b == nil || len(b.free) == 0 {
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
	keep := b.Keep
	if keep == 0 {
		keep = 16
	}
	if len(b.free) < keep {
		b.free = append(b.free, buf)
	}
}
