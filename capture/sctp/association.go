package sctp

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"heptap/capture"
)

// key names an association: its two ends, the lower first (addresses of IPv4
// in the first four octets), the ports after the addresses, tunnel and IP
// version.
type key [16 + 2 + 16 + 2 + 4 + 1]byte

// set fills in k and returns which end p is from, 0 or 1.
func (k *key) set(p *capture.Packet) (side int, ok bool) {
	n := len(p.Src)
	if n != len(p.Dst) || n != 4 && n != 16 {
		return 0, false
	}
	low, high := k[:18], k[18:36]
	copy(low, p.Src)
	binary.BigEndian.PutUint16(low[16:], p.SrcPort)
	copy(high, p.Dst)
	binary.BigEndian.PutUint16(high[16:], p.DstPort)
	if bytes.Compare(low, high) > 0 {
		var swap [18]byte
		copy(swap[:], low)
		copy(low, high)
		copy(high, swap[:])
		side = 1
	}
	binary.BigEndian.PutUint32(k[36:], p.Tunnel)
	k[40] = byte(n)
	return side, true
}

func (k *key) port(side int) uint16 { return binary.BigEndian.Uint16(k[18*side+16:]) }
func (k *key) tunnel() uint32       { return binary.BigEndian.Uint32(k[36:]) }
func (k *key) addr(side int) []byte { return k[18*side:][:k[40]] }
func (k *key) end(side int) netip.AddrPort {
	a, _ := netip.AddrFromSlice(k.addr(side))
	return netip.AddrPortFrom(a, k.port(side))
}

// association is what is known of one. directions[i] is what end i sends.
type association struct {
	key        key
	directions [2]direction
	chain      *association
	prev, next *association // in the list of its state
	last       At           // of its last packet, but for the time, which never goes back
	packets    uint32       // since it began, or was opened again
	opener     uint8        // end that began, as far as was seen
	opened     bool
	closed     bool
	initiated  bool  // an INIT was seen
	data       bool  // and data
	lossy      bool  // in PortStats.UnseenAssociations
	restarts   uint8 // directions of a restart that is half seen, a bit each

	name   uint64 // the caller's
	shake  shake
	anew   shake // of the ends that begin anew, perhaps
	ending ending
}

// flow returns a's addresses as end side sends.
func (a *association) flow(side int) capture.FiveTuple {
	return capture.FiveTuple{Src: a.key.end(side), Dst: a.key.end(1 - side), Proto: capture.ProtoSCTP, Tunnel: a.key.tunnel()}
}

// side returns which end of its association d is what is sent by.
func (d *direction) side() int {
	if d == &d.association.directions[1] {
		return 1
	}
	return 0
}

// list is a list of associations, the one longest silent first.
type list struct {
	head, tail *association
	n          int
}

func (l *list) push(a *association) {
	a.prev, a.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = a
	} else {
		l.head = a
	}
	l.tail = a
	l.n++
}

func (l *list) remove(a *association) {
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		l.head = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	} else {
		l.tail = a.prev
	}
	l.n--
}

func (t *Table) bucket(k *key) **association {
	return &t.buckets[maphash.Bytes(t.seed, k[:])&uint64(len(t.buckets)-1)]
}

// tagBucket is where a direction is found by what all its paths share.
func (t *Table) tagBucket(tunnel, tag uint32, from, to uint16) **direction {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], tunnel)
	binary.BigEndian.PutUint32(b[4:], tag)
	binary.BigEndian.PutUint16(b[8:], from)
	binary.BigEndian.PutUint16(b[10:], to)
	return &t.tagBuckets[maphash.Bytes(t.seed, b[:])&uint64(len(t.tagBuckets)-1)]
}

func (t *Table) tagBucketOf(d *direction) **direction {
	k, side := &d.association.key, d.side()
	return t.tagBucket(k.tunnel(), d.tag, k.port(side), k.port(1-side))
}

// setTag gives d's packets a verification tag.
func (t *Table) setTag(d *direction, tag uint32) {
	if tag == d.tag {
		return
	}
	t.clearTag(d)
	if d.tag = tag; tag != 0 {
		b := t.tagBucketOf(d)
		if *b != nil {
			(*b).tagBefore = d
		}
		d.tagChain, d.tagBefore, *b = *b, nil, d
		d.tagged = true
	}
}

func (t *Table) clearTag(d *direction) {
	if !d.tagged {
		return
	}
	if d.tagBefore != nil {
		d.tagBefore.tagChain = d.tagChain
	} else {
		*t.tagBucketOf(d) = d.tagChain
	}
	if d.tagChain != nil {
		d.tagChain.tagBefore = d.tagBefore
	}
	d.tagChain, d.tagBefore = nil, nil
	d.tagged, d.tag = false, 0
}

// sameTag is how many of the newest directions with one tag and the same ports are
// looked at. Tags are random; that many are alike only when somebody wants it.
const sameTag = 16

// find returns the direction that p belongs to: by its addresses, or, on
// another path of a multi-homed association (RFC 9260 6.4), by ports and
// verification tag, if its TSN is one that may come. nil means it is not known.
func (t *Table) find(p *capture.Packet, k *key, side int) *direction {
	for a := *t.bucket(k); a != nil; a = a.chain {
		if a.key == *k {
			return &a.directions[side]
		}
	}
	if p.SCTP.VTag == 0 {
		return nil
	}
	d := *t.tagBucket(p.Tunnel, p.SCTP.VTag, p.SrcPort, p.DstPort)
	for n := 0; d != nil && n < sameTag; d, n = d.tagChain, n+1 {
		k, side := &d.association.key, d.side()
		if d.tag != p.SCTP.VTag || k.tunnel() != p.Tunnel || k.port(side) != p.SrcPort || k.port(1-side) != p.DstPort {
			continue
		}
		tsn, ok := firstTSN(p.Payload)
		if ahead := int32(tsn - d.cum); !ok || d.begun && ahead <= window && ahead > -window {
			t.count.OtherPath++
			return d
		}
	}
	return nil
}

// begin returns a new association, whose first packet is from end side.
func (t *Table) begin(k *key, side int) *association {
	if t.free == nil {
		if t.made < t.config.Associations {
			t.made++
			t.free = new(association)
		} else {
			t.count.Evicted++
			a := t.brief.head
			for _, l := range []*list{&t.trying, &t.settled} {
				if a == nil {
					a = l.head
				}
			}
			t.forget(a, Evicted)
		}
	}
	a := t.free
	t.free = a.chain
	*a = association{key: *k, opener: uint8(side)}
	a.directions[0].association, a.directions[1].association = a, a
	b := t.bucket(k)
	a.chain, *b = *b, a
	t.brief.push(a)
	t.count.Begun++
	return a
}

// list returns the list that a is in: associations that are open for sure
// are kept longer, and not given up for others that may never be. Those that somebody
// tries to open are kept until an INIT would have been repeated.
func (t *Table) list(a *association) *list {
	switch {
	case a.closed:
		return &t.brief
	case a.opened:
		return &t.settled
	case a.initiated:
		return &t.trying
	}
	return &t.brief
}

// forget ends what is left of a, for a reason that the handler hears if a was
// open. An attempt that nobody answered, or completed, is told of when its time is over.
func (t *Table) forget(a *association, why EventKind) {
	switch {
	case a.closed:
	case a.opened:
		t.event(a, int(a.opener), why, 0)
	case a.initiated && !a.data && why == Expired:
		t.count.Unanswered++
		t.event(a, int(a.opener), Unanswered, 0)
	}
	for i := range a.directions {
		d := &a.directions[i]
		t.drop(d)
		t.clearTag(d)
	}
	t.list(a).remove(a)
	b := t.bucket(&a.key)
	for *b != a {
		b = &(*b).chain
	}
	*b = a.chain
	a.chain, t.free = t.free, a
}
