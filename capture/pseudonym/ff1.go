package pseudonym

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
	"math/big"
)

// maxLength is how many characters are encrypted at once: the most whose half
// fits the block that a round draws (see newRounds).
const maxLength = 48

// ff1 is FF1 of NIST SP 800-38G 5.1, ten Feistel rounds over numerals of one
// radix and at most maxLength of them. Of a single one, which the standard leaves
// out, there is little to hide: it is shifted by a number that the key gives.
type ff1 struct {
	block cipher.Block
	radix uint64
	tweak []byte
}

// encrypt replaces x, of at most maxLength.
func (f *ff1) encrypt(x numerals) {
	if len(x) < 2 {
		f.shift(x, 1)
		return
	}
	r := f.newRounds(len(x))
	a, b := f.num(x[:r.u]), f.num(x[r.u:])
	for i := range 10 {
		y := r.draw(i, b)
		y.Add(y, a)
		y.Mod(y, r.modulus(i))
		a, b = b, y
	}
	f.str(x[:r.u], a)
	f.str(x[r.u:], b)
}

// decrypt undoes encrypt.
func (f *ff1) decrypt(x numerals) {
	if len(x) < 2 {
		f.shift(x, f.radix-1)
		return
	}
	r := f.newRounds(len(x))
	a, b := f.num(x[:r.u]), f.num(x[r.u:])
	for i := 9; i >= 0; i-- {
		y := r.draw(i, a)
		y.Sub(b, y)
		y.Mod(y, r.modulus(i))
		a, b = y, a
	}
	f.str(x[:r.u], a)
	f.str(x[r.u:], b)
}

func (f *ff1) shift(x numerals, times uint64) {
	if len(x) == 0 {
		return
	}
	var s [16]byte
	copy(s[:], f.tweak)
	f.block.Encrypt(s[:], s[:])
	x[0] = byte((uint64(x[0]) + times*(binary.BigEndian.Uint64(s[:])%f.radix)) % f.radix)
}

// rounds is what the rounds over texts of one length share.
type rounds struct {
	f            *ff1
	u            int // characters in the first half
	modU, modV   *big.Int
	octets, size int    // b and d of the standard
	input        []byte // P || T || zeros, then the round and NUM(B)
}

func (f *ff1) newRounds(n int) *rounds {
	u := n / 2
	v := n - u
	b := (int(math.Ceil(float64(v)*math.Log2(float64(f.radix)))) + 7) / 8
	r := &rounds{f: f, u: u, modU: f.power(u), modV: f.power(v), octets: b, size: 4*((b+3)/4) + 4}
	p := []byte{1, 2, 1, 0, 0, byte(f.radix), 10, byte(u)}
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	p = binary.BigEndian.AppendUint32(p, uint32(len(f.tweak)))
	p = append(p, f.tweak...)
	for (len(p)+1+b)%16 != 0 {
		p = append(p, 0)
	}
	r.input = append(p, make([]byte, 1+b)...)
	return r
}

func (f *ff1) power(n int) *big.Int {
	return new(big.Int).Exp(new(big.Int).SetUint64(f.radix), big.NewInt(int64(n)), nil)
}

// modulus is how many values the half has that round i replaces.
func (r *rounds) modulus(i int) *big.Int {
	if i%2 == 0 {
		return r.modU
	}
	return r.modV
}

// draw returns the number y of steps 6.i to 6.iv for the half that round i
// leaves alone.
func (r *rounds) draw(i int, half *big.Int) *big.Int {
	tail := r.input[len(r.input)-r.octets-1:]
	tail[0] = byte(i)
	half.FillBytes(tail[1:])
	var s [32]byte
	mac := s[:16]
	for q := r.input; len(q) > 0; q = q[16:] { // PRF: CBC-MAC
		for j := range mac {
			mac[j] ^= q[j]
		}
		r.f.block.Encrypt(mac, mac)
	}
	if r.size > 16 {
		copy(s[16:], mac)
		s[31] ^= 1
		r.f.block.Encrypt(s[16:], s[16:])
	}
	return new(big.Int).SetBytes(s[:r.size])
}

func (f *ff1) num(x numerals) *big.Int {
	n, radix, digit := new(big.Int), new(big.Int).SetUint64(f.radix), new(big.Int)
	for _, c := range x {
		n.Mul(n, radix)
		n.Add(n, digit.SetUint64(uint64(c)))
	}
	return n
}

func (f *ff1) str(x numerals, n *big.Int) {
	radix, digit := new(big.Int).SetUint64(f.radix), new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		x[i] = byte(digit.Uint64())
	}
}
