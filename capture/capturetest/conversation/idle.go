package conversation

import "time"

// sleep moves everything from a fresh message on by up to three hours.
func (w *work) sleep() {
	w.idle = true
	shift := int64(0)
	media := 0
	for i := range w.c.Messages {
		m := &w.c.Messages[i]
		if m.Fresh && i > 0 && w.chance(70) {
			media = w.shiftMedia(media, int64(m.At), shift)
			if w.chance(50) {
				shift += w.between(time.Minute, 10*time.Minute)
			} else {
				shift += w.between(10*time.Minute, 3*time.Hour)
			}
		}
		w.times[i] += shift
	}
	w.shiftMedia(media, 1<<62, shift)
}

// shiftMedia moves the datagrams from number n on that come before a time, and
// returns the next one.
func (w *work) shiftMedia(n int, until, shift int64) int {
	for ; n < len(w.media) && int64(w.c.Media[n].At) < until; n++ {
		w.media[n] += shift
	}
	return n
}

// probes adds TCP's own keep-alives to long silences.
func (w *work) probes() {
	w.sortSegments()
	var high [2]int64
	for i, s := range w.segments[:len(w.segments):len(w.segments)] {
		high[s.from] = max(high[s.from], s.end)
		if i+1 == len(w.segments) {
			break
		}
		const every = int64(75 * time.Second)
		from := Side(w.r.IntN(2))
		at := s.at + every
		for n := 0; n < 5 && at < w.segments[i+1].at && high[from] > 0; n++ {
			w.segments = append(w.segments, segment{at: at, from: from, start: high[from] - 1, end: high[from], probe: true})
			at += every
		}
	}
	w.sortSegments()
}
