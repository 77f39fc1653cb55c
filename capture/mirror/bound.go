package mirror

import "math"

// z99 is the 99 % point of the normal distribution, one-sided.
const z99 = 2.326

// wilson returns the bounds of the share that k of n shows, at z standard
// deviations (E. B. Wilson, 1927). Unlike the share plus and minus its
// deviation they hold for small n, and for 0 of n and n of n.
func wilson(k, n uint64, z float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, f, zz := float64(min(k, n))/float64(n), float64(n), z*z
	mid := (p + zz/(2*f)) / (1 + zz/f)
	half := z / (1 + zz/f) * math.Sqrt(p*(1-p)/f+zz/(4*f*f))
	return max(0, mid-half), min(1, mid+half)
}

// sure returns in percent how sure k of n makes it that the true share is
// above p: the one-sided level at which Wilson's lower bound is p. It never
// claims 100.
func sure(k, n uint64, p float64) uint8 {
	if n == 0 {
		return 0
	}
	share := float64(min(k, n)) / float64(n)
	z := (share - p) / math.Sqrt(p*(1-p)/float64(n))
	switch { // nearly always: spares Erfc, and gives what it would
	case z < -3:
		return 0
	case z > 3:
		return 99
	}
	return uint8(min(99, 50*math.Erfc(-z/math.Sqrt2)))
}

// atLeast returns how likely k or more of n happen when each has chance q.
func atLeast(k, n int, q float64) float64 {
	if q <= 0 {
		return 0
	}
	if q >= 1 {
		return 1
	}
	sum := 0.0
	ln, _ := math.Lgamma(float64(n + 1))
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(i + 1))
		b, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(ln - a - b + float64(i)*math.Log(q) + float64(n-i)*math.Log1p(-q))
	}
	return min(1, sum)
}
