package stream

// The holes that are waited for are a binary heap by the time they are given
// up. buffer.place is the index plus one.

func (a *Assembler) arm(b *buffer, due int64) {
	b.due = due
	if b.place == 0 {
		a.holes = append(a.holes, b)
		b.place = len(a.holes)
	}
	a.sift(b)
}

func (a *Assembler) disarm(b *buffer) {
	if b.place == 0 {
		return
	}
	i, last := b.place-1, len(a.holes)-1
	b.place = 0
	moved := a.holes[last]
	a.holes[last] = nil
	a.holes = a.holes[:last]
	if moved != b {
		a.holes[i] = moved
		moved.place = i + 1
		a.sift(moved)
	}
}

// sift moves b to where its due time belongs.
func (a *Assembler) sift(b *buffer) {
	h, i := a.holes, b.place-1
	for i > 0 && b.due < h[(i-1)/2].due {
		h[i] = h[(i-1)/2]
		h[i].place = i + 1
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].due < h[child].due {
			child++
		}
		if child >= len(h) || h[child].due >= b.due {
			break
		}
		h[i] = h[child]
		h[i].place = i + 1
		i = child
	}
	h[i] = b
	b.place = i + 1
}
