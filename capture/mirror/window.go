package mirror

// steps is how many full buckets a window has, beside the one being filled.
const steps = 60

// window sums the counters of the last 60 steps, and of the one that has begun.
// Sums are of whole numbers, so adding and taking away leaves nothing behind,
// however long it runs.
type window struct {
	ring [steps + 1]counts
	sum  counts
	step int64 // nanoseconds
	at   int   // the bucket being filled
}

func (w *window) reset() {
	w.ring, w.sum, w.at = [steps + 1]counts{}, counts{}, 0
}

// add counts d, which covers d[cTime] nanoseconds.
func (w *window) add(d *counts) {
	w.ring[w.at].add(d)
	w.sum.add(d)
	if int64(w.ring[w.at][cTime]) < w.step {
		return
	}
	w.at = (w.at + 1) % len(w.ring)
	w.sum.subtract(&w.ring[w.at])
	w.ring[w.at] = counts{}
}
