package tlswire

// cursor reads the vectors of RFC 8446 3 from the front of what is left of a
// message. A read beyond the end gives nothing, and false.
type cursor []byte

func (c *cursor) take(n int) ([]byte, bool) {
	if n > len(*c) {
		return nil, false
	}
	b := (*c)[:n]
	*c = (*c)[n:]
	return b, true
}

// number reads an integer of n octets, 3 at most.
func (c *cursor) number(n int) (v int, ok bool) {
	b, ok := c.take(n)
	for _, o := range b {
		v = v<<8 | int(o)
	}
	return v, ok
}

// vector reads octets behind their number, which has n octets.
func (c *cursor) vector(n int) (cursor, bool) {
	save := *c
	if v, ok := c.number(n); ok {
		if b, ok := c.take(v); ok {
			return b, true
		}
	}
	*c = save
	return nil, false
}

// front is vector, but gives what there is when the end is missing.
func (c *cursor) front(n int) (cursor, bool) {
	v, ok := c.number(n)
	if !ok {
		return nil, false
	}
	whole := v <= len(*c)
	b, _ := c.take(min(v, len(*c)))
	return b, whole
}
