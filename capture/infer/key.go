package infer

import (
	"encoding/binary"
	"math/bits"
)

// A key is what a request is found by, in 64 bits.
//
//	number   its significant digits, four bits each: no +, no zeros in front.
//	         5 to 15 digits, so the top four bits are 0
//	word     a hash with the top bit set: user part, domain or SDP session
type key uint64

const (
	word      key = 1 << 63
	minDigits     = 5
	maxDigits     = 15
	sureTail      = 7 // digits that a number and its longer form must share
	maxExtra      = 4 // digits that the longer form may have more: country code, carrier prefix
	tailBits      = 24
	minWord       = 4 // characters of a user part
	maxWord       = 64
)

// role says what a key is to its request. Roles are a set.
type role uint8

const (
	called role = 1 << iota
	caller
	other // the domain, or the SDP's session: the one is asked for by queries, the other by legs
	numRoles
)

func (k key) digits() int {
	n := 0
	for ; k != 0; k >>= 4 {
		n++
	}
	return n
}

// place is where the key is looked up. The forms of one number share it: it is
// made of the last six digits.
func (k key) place() uint64 {
	if k&word == 0 && k >= 1<<(tailBits-4) {
		k &= 1<<tailBits - 1
	}
	return uint64(k)
}

// matches reports whether two keys may name the same: they are equal, or the
// shorter of two numbers is the end of the longer.
func (k key) matches(l key) bool {
	if k == l {
		return true
	}
	if (k|l)&word != 0 {
		return false
	}
	if k > l {
		k, l = l, k
	}
	n := k.digits()
	return n >= sureTail && l&(1<<(4*n)-1) == k && l.digits()-n <= maxExtra
}

// FNV-1a (64 bits), and the finalizer of MurmurHash3. Nothing secret is needed:
// look-ups are bounded whatever falls together, and the same input must give the same links.
const (
	hashBasis = 14695981039346656037
	hashPrime = 1099511628211

	multiplier = 0x9e3779b97f4a7c15 // the golden ratio, odd
)

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func hashString[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return h
}

// hashOctets is quicker than hashString, eight octets at a time: the products are folded
// as in wyhash.
func hashOctets(h uint64, s []byte) uint64 {
	h ^= uint64(len(s))
	for ; len(s) >= 8; s = s[8:] {
		hi, lo := bits.Mul64(h^binary.LittleEndian.Uint64(s), multiplier)
		h = hi ^ lo
	}
	var last uint64
	for i, c := range s {
		last |= uint64(c) << (8 * i)
	}
	hi, lo := bits.Mul64(h^last, multiplier)
	return mix(hi ^ lo)
}

// exact is a word whose letters' case counts.
func exact[T string | []byte](s T) key { return word | key(mix(hashString(hashBasis, s))) }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// folded is a word in which the case of letters does not count.
func folded(s []byte) key {
	h := uint64(hashBasis)
	for _, c := range s {
		h = (h ^ uint64(lower(c))) * hashPrime
	}
	return word | key(mix(h))
}

func (h Host) hash() uint64 {
	a := h.Addr.Unmap().As16()
	return hashOctets(hashBasis^uint64(h.Tunnel)<<1, a[:])
}

// userKey is the key of a user part as it is on the wire, or 0. A number may hold
// visual separators (RFC 3966 3) and parameters behind it.
func userKey(u []byte) key {
	for i, c := range u {
		if c == ';' {
			u = u[:i]
			break
		}
	}
	var n key
	digits := 0
	for i, c := range u {
		switch {
		case '0' <= c && c <= '9':
			if n != 0 || c != '0' {
				n = n<<4 | key(c-'0')
				if digits++; digits > maxDigits {
					return 0
				}
			}
		case c == '+' && i == 0, isSeparator(c):
		default:
			if len(u) < minWord || len(u) > maxWord {
				return 0
			}
			return folded(u)
		}
	}
	// The lowest digits may be zeros, the highest are not: digits counts those kept.
	if digits < minDigits {
		return 0
	}
	return n
}

func isSeparator(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' }

func domainKey(d []byte) key {
	if len(d) < minWord || len(d) > maxWord {
		return 0
	}
	return folded(d)
}
