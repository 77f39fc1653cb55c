package mirror

import (
	"math"
	"math/bits"
)

// hosts estimates how many distinct addresses it has been shown (HyperLogLog,
// Flajolet and others 2007): the number of leading zeros of the best hash in
// each of 256 registers. Its standard error is 1.04/sqrt(256), 6.5 %; below
// some 600 it counts empty registers instead and is better than that. Eight
// registers share a word, so that it can be published in few stores.
type hosts [hostRegisters / 8]uint64

const hostRegisters = 256

// add shows h the hash of an address.
func (h *hosts) add(hash uint64) {
	i := hash >> 56
	rank := uint64(bits.LeadingZeros64(hash<<8|0x80)) + 1 // at most 57
	w, shift := &h[i/8], i%8*8
	if *w>>shift&0xff < rank {
		*w = *w&^(0xff<<shift) | rank<<shift
	}
}

// merge makes h what it would be had it been shown what o was, too.
func (h *hosts) merge(o *hosts) {
	for i, w := range o {
		for shift := 0; shift < 64; shift += 8 {
			if r := w >> shift & 0xff; h[i]>>shift&0xff < r {
				h[i] = h[i]&^(0xff<<shift) | r<<shift
			}
		}
	}
}

// count returns the estimate.
func (h *hosts) count() uint64 {
	const m = float64(hostRegisters)
	sum, empty := 0.0, 0
	for _, w := range h {
		for shift := 0; shift < 64; shift += 8 {
			r := w >> shift & 0xff
			sum += math.Ldexp(1, -int(r))
			if r == 0 {
				empty++
			}
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 {
		estimate = m * math.Log(m/float64(empty))
	}
	return uint64(estimate + .5)
}
