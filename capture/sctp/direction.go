package sctp

// window is how many TSNs above the oldest one that is missing are told apart.
// A sender has as many in flight at most as the receiver's window has room for,
// and mirrors reorder less than that.
const window = 1024

// How far a TSN may be from what is expected before it is of another
// association: ahead, the mirror lost what is between; behind, it is a copy or
// a retransmission.
const (
	maxAhead  = 1 << 20
	maxBehind = 1 << 16
)

// verdict says what a TSN is to a direction.
type verdict uint8

const (
	fresh  verdict = iota
	repeat         // seen before, or too late
	alien          // of another association
)

// direction is what one end of an association sends.
type direction struct {
	association *association
	tag         uint32 // verification tag of its packets, 0 for not known
	oldTag      uint32 // the one before a restart
	tagged      bool   // in the tag index
	tagChain    *direction
	tagBefore   *direction // in that chain

	begun   bool
	dataTag bool   // tag is that of a DATA chunk
	gap     bool   // something is missing since the last message
	hasInit bool   // an INIT or INIT ACK was seen: the two below
	pending bool   // and d has not begun there
	port    uint8  // mirror port of its last data
	initTSN uint32 // where d begins
	initTag uint32 // tag of what the other end sends
	floor   uint32 // first TSN that counts as lost when it is missing; cum+1 once that is past it
	cum     uint32 // every TSN up to it was seen or is given up
	top     uint32 // highest TSN seen; cum if none above
	seen    [window / 64]uint64

	first, last *fragment // by TSN
	fragments   int
	octets      int

	// What the other end acknowledged: the older of the two is believed once it
	// is old enough (see settle).
	ack, newAck     uint32
	ackAt, newAckAt int64
	acks            uint8 // how many of the two there are

	sent Sent
}

// begin forgets everything but the tags: the next TSN is tsn, or, if the
// association is picked up midway, one like it: those before it may still come,
// and are not missed.
func (d *direction) begin(tsn uint32, midway bool) {
	d.begun, d.gap = true, false
	d.floor = tsn
	if midway {
		tsn -= window / 2
	}
	d.cum, d.top = tsn-1, tsn-1
	clear(d.seen[:])
	d.acks = 0
}

func (d *direction) has(tsn uint32) bool { return d.seen[tsn%window/64]>>(tsn%64)&1 != 0 }

// compare says what tsn is to d. It changes nothing.
func (d *direction) compare(tsn uint32) verdict {
	switch ahead := int32(tsn - d.cum); {
	case ahead > maxAhead || ahead < -maxBehind:
		return alien
	case ahead <= 0 || ahead <= window && d.has(tsn):
		return repeat
	}
	return fresh
}

// missed counts TSNs that were never seen.
type missed struct {
	lost   int // perhaps before the mirror
	proven int // the other end has them
}

// see notes that tsn, which is fresh, was seen, and returns what will not be
// waited for any longer: what the window has passed, and, since it went missing
// together, what is missing in sequence with it.
func (d *direction) see(tsn uint32) (m missed) {
	if int32(tsn-d.cum) > window {
		cum := tsn - window
		for n := window; n > 1 && (int32(cum-d.top) >= 0 || !d.has(cum+1)); n-- {
			cum++
		}
		m = d.move(cum)
	}
	d.seen[tsn%window/64] |= 1 << (tsn % 64)
	if int32(tsn-d.top) > 0 {
		d.top = tsn
	}
	d.advance()
	return m
}

// advance moves cum over what was seen.
func (d *direction) advance() {
	for d.cum != d.top && d.has(d.cum+1) {
		d.cum++
		d.forget(d.cum)
	}
	if int32(d.cum+1-d.floor) > 0 {
		d.floor = d.cum + 1
	}
}

func (d *direction) forget(tsn uint32) { d.seen[tsn%window/64] &^= 1 << (tsn % 64) }

// move makes cum, which is ahead, d.cum and returns what was never seen of
// the TSNs up to it.
func (d *direction) move(cum uint32) (m missed) {
	// What is further than the window from d.cum was not seen.
	near, acked := d.cum+1, d.acked()
	n := min(cum-d.cum, window)
	for ; n > 0; n-- {
		if d.has(near) {
			d.forget(near)
		} else {
			m.count(near, near, d.floor, acked)
		}
		near++
	}
	m.count(near, cum, d.floor, acked)
	d.cum = cum
	if int32(d.top-cum) < 0 {
		d.top = cum
	}
	d.advance()
	return m
}

// count counts the TSNs from to last, but none before floor. Those up to
// acked are proven.
func (m *missed) count(from, last, floor, acked uint32) {
	if int32(floor-from) > 0 {
		from = floor
	}
	n := max(0, int(int32(last-from))+1)
	proven := min(n, max(0, int(int32(acked-from))+1))
	m.proven += proven
	m.lost += n - proven
}

// acked returns the highest TSN that the other end has, as far as is known.
func (d *direction) acked() uint32 {
	switch d.acks {
	case 0:
		return d.cum
	case 1:
		return d.ack
	}
	return d.newAck
}

// acknowledge notes that the other end has everything up to cum.
func (d *direction) acknowledge(cum uint32, now int64) {
	if ahead := int32(cum - d.cum); !d.begun || ahead <= 0 || ahead > maxAhead {
		return
	}
	switch {
	case d.acks == 0:
		d.ack, d.ackAt, d.acks = cum, now, 1
	case d.acks == 1 && int32(cum-d.ack) > 0, d.acks == 2 && int32(cum-d.newAck) > 0:
		d.newAck, d.newAckAt, d.acks = cum, now, 2
	}
}

// settle believes the acknowledgements that are as old as before, and returns
// how many TSNs they cover that were never seen.
func (d *direction) settle(before int64) (proven int) {
	for d.acks > 0 && d.ackAt <= before {
		if int32(d.ack-d.cum) > 0 {
			proven += d.move(d.ack).proven
		}
		d.ack, d.ackAt = d.newAck, d.newAckAt
		d.acks--
	}
	return proven
}
