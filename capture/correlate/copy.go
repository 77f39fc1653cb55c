package correlate

import (
	"hash/maphash"
	"time"
)

// sender is who sends a stream where: streams that agree in it are one stream
// seen in parts, as when the kernel moves a flow to another ring, or one seen
// more than once, as when two mirror ports show it.
type sender struct {
	src, dst place
	ssrc     uint32
}

// senderOf is the key of t's sender in Correlator.senders. Another sender with the same
// key and the same SSRC would be taken for it: once in 2^64.
func (c *Correlator) senderOf(t *stream) uint64 {
	ends := t.ends()
	return c.key(sender{ends.src, ends.dst, t.last.SSRC})
}

func (c *Correlator) key(s sender) uint64 { return maphash.Comparable(c.seed, s) }

// unsend takes t out of the list of its sender's streams.
func (c *Correlator) unsend(t *stream) {
	from := c.senderOf(t)
	first := c.senders[from]
	switch {
	case first != t:
		for o := first; o != nil; o = o.older {
			if o.older == t {
				o.older = t.older
				break
			}
		}
	case t.older == nil:
		delete(c.senders, from)
	default:
		c.senders[from] = t.older
	}
	t.older = nil
}

// isCopy reports whether another stream holds what t does and is fuller, or as
// full and was there first.
func (c *Correlator) isCopy(t *stream) bool {
	first := c.senders[c.senderOf(t)]
	if first == t && t.older == nil {
		return false
	}
	for o, n := first, 0; o != nil && n < maxCopies; o, n = o.older, n+1 {
		if o == t || o.last.SSRC != t.last.SSRC || !same(o, t) {
			continue
		}
		if o.last.Packets > t.last.Packets || o.last.Packets == t.last.Packets && o.last.ID < t.last.ID {
			return true
		}
	}
	return false
}

// same reports whether two streams of one sender hold the same packets rather
// than parts of one stream: they overlap in time by half of the shorter, and
// together they have clearly more packets than were sent.
func same(a, b *stream) bool {
	overlap := min(a.last.LastMono, b.last.LastMono) - max(a.last.FirstMono, b.last.FirstMono)
	shorter := min(a.last.LastMono-a.last.FirstMono, b.last.LastMono-b.last.FirstMono)
	sent := max(a.last.Expected, b.last.Expected)
	return overlap >= -int64(50*time.Millisecond) && 2*overlap >= shorter-int64(100*time.Millisecond) &&
		4*(a.last.Packets+b.last.Packets) > 5*sent
}

// coverOthers notes with the copies of t that it has made its report for all of
// them.
func (c *Correlator) coverOthers(t *stream) {
	first := c.senders[c.senderOf(t)]
	if first == t && t.older == nil {
		return
	}
	for o, n := first, 0; o != nil && n < maxCopies; o, n = o.older, n+1 {
		if o != t && o.last.SSRC == t.last.SSRC && same(o, t) {
			o.covered = max(o.covered, t.last.LastMono)
			c.rebase(o)
			c.countCopy(o)
		}
	}
}

// cover leaves out of the reports of t what a copy of it has reported already.
// The copy's last snapshot may be up to an interval older than that of t.
func (c *Correlator) cover(t *stream) {
	if t.covered == 0 {
		return
	}
	if t.last.LastMono-t.covered <= int64(3*time.Second) {
		c.rebase(t)
		return
	}
	t.covered = 0
}

func (c *Correlator) countCopy(t *stream) {
	if !t.copied {
		t.copied = true
		c.Stats.StreamsCopied.Add(1)
	}
}
