package correlate

// heard are the Call-IDs of SIP messages that belong to no call that is followed: of a registration, a MESSAGE, or
// a call of which so far only an answer without SDP was seen. What names one of these names SIP, too.
type heard struct {
	ids [1 << heardBits]heardID
}

const (
	heardBits = 13
	heardWays = 4
	// heardStays is how long one counts after its last message.
	heardStays = int64(2 * 60 * 1e9)
	// minHeard is how long one must be, so that it is no word or extension.
	minHeard = 8
)

// heardID is one of them, as a hash.
type heardID struct {
	hash uint64
	seen int64 // mono plus one, times two; plus one if it is a call's; 0 for an empty slot
}

func (t *heard) at(h uint64, way int) *heardID {
	return &t.ids[(h+uint64(way))&(1<<heardBits-1)]
}

// note takes in that a message with this Call-ID was seen, in place of what was not for longest.
func (t *heard) note(h uint64, call bool, now int64) {
	s := t.at(h, 0)
	for way := range heardWays {
		switch o := t.at(h, way); {
		case o.seen != 0 && o.hash == h:
			s, call = o, call || o.seen&1 != 0
		case s.hash != h && o.seen < s.seen:
			s = o
		}
	}
	*s = heardID{hash: h, seen: max(now+1, 1) << 1}
	if call {
		s.seen++
	}
}

// has reports whether the Call-ID was heard of late, and whether as a call's.
func (t *heard) has(h uint64, now int64) (any, call bool) {
	for way := range heardWays {
		if s := t.at(h, way); s.seen != 0 && s.hash == h && now-s.seen>>1 <= heardStays {
			return true, s.seen&1 != 0
		}
	}
	return false, false
}
