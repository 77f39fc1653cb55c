package correlate

// places is where there are bindings: a hash table of the first binding at each
// place, without gaps between a binding and where its hash would have it. It doubles
// when it is three quarters full.
type places struct {
	slots []*binding
	used  int
	hash  func(place) uint64
}

const firstPlaces = 1024

func newPlaces(hash func(place) uint64) places {
	return places{slots: make([]*binding, firstPlaces), hash: hash}
}

// slot returns where the first binding at p is, or would be put.
func (t *places) slot(p place) int {
	mask := len(t.slots) - 1
	i := int(t.hash(p)) & mask
	for ; t.slots[i] != nil && t.slots[i].place != p; i = (i + 1) & mask {
	}
	return i
}

// at returns the endpoint at p.
func (t *places) at(p place) endpoint {
	if b := t.slots[t.slot(p)]; b != nil {
		return endpoint{b, int(b.here)}
	}
	return endpoint{}
}

// push makes b the first binding at its place.
func (t *places) push(b *binding) {
	i := t.slot(b.place)
	if first := t.slots[i]; first != nil {
		b.anext, b.here, first.aprev = first, first.here+1, b
		t.slots[i] = b
		return
	}
	if b.here = 1; 4*t.used >= 3*len(t.slots) {
		t.grow()
		i = t.slot(b.place)
	}
	t.slots[i] = b
	t.used++
}

// remove takes b away from its place.
func (t *places) remove(b *binding) {
	i := t.slot(b.place)
	n := t.slots[i].here - 1
	if b.anext != nil {
		b.anext.aprev = b.aprev
	}
	if b.aprev != nil {
		b.aprev.anext = b.anext
	} else {
		t.slots[i] = b.anext
	}
	if n == 0 {
		t.used--
		t.closeGap(i)
		return
	}
	t.slots[i].here = n
}

// closeGap moves up what may stand in the empty slot i, so that it is found.
func (t *places) closeGap(i int) {
	mask := len(t.slots) - 1
	for k := (i + 1) & mask; t.slots[k] != nil; k = (k + 1) & mask {
		if home := int(t.hash(t.slots[k].place)) & mask; (k-home)&mask >= (k-i)&mask {
			t.slots[i], t.slots[k] = t.slots[k], nil
			i = k
		}
	}
}

func (t *places) grow() {
	old := t.slots
	t.slots = make([]*binding, 2*len(old))
	for _, b := range old {
		if b != nil {
			t.slots[t.slot(b.place)] = b
		}
	}
}
