package correlate

import (
	"bytes"
	"hash/maphash"
	"strings"
)

// locals lead from the part of a Call-ID before its @ (RFC 3261 25.1) to the newest
// calls: a label of a DNS name has no room for the rest, or it is the zone. It is a
// table without chains; what it says has to be looked up.
type locals struct {
	slots [1 << localBits][localWays]uint64 // hashes of Call-IDs, the newest first
}

const (
	localBits = 12
	localWays = 4
	minLocal  = 8
	minDigits = 16 // of one that is a number: a shorter one may be anybody's
)

// rememberLocal takes in a new call.
func (c *Correlator) rememberLocal(k *call) {
	if at := bytes.IndexByte(k.id, '@'); at >= minLocal {
		s := c.localSlot(k.id[:at])
		copy(s[1:], s[:])
		s[0] = k.hash
	}
}

func (c *Correlator) localSlot(local []byte) *[localWays]uint64 {
	return &c.locals.slots[maphash.Bytes(c.seed, local)&(1<<localBits-1)]
}

// localPart returns the call that is alive whose Call-ID is local and something behind
// an @; nil when there are several, or when local is a word or a telephone number.
func (c *Correlator) localPart(local []byte) (found *call) {
	if !likelyLocal(local) {
		return nil
	}
	for _, h := range c.localSlot(local) {
		for k := c.calls[h]; k != nil; k = k.chain {
			if k == found || len(k.id) <= len(local) || k.id[len(local)] != '@' || !bytes.HasPrefix(k.id, local) {
				continue
			}
			if found != nil {
				return nil
			}
			found = k
		}
	}
	return found
}

func likelyLocal(local []byte) bool {
	const digits = "0123456789"
	n := 0
	for _, c := range local {
		if strings.IndexByte(digits, c) >= 0 {
			n++
		}
	}
	return len(local) >= minLocal && n > 0 && (n < len(local) || n >= minDigits)
}
