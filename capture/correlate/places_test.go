package correlate

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPlaces holds the table against lists, with a hash by which many places want the
// same slot, and with one that wraps around the end.
func TestPlaces(t *testing.T) {
	for name, hash := range map[string]func(place) uint64{
		"same": func(p place) uint64 { return p.lo % 7 },
		"end":  func(p place) uint64 { return ^uint64(0) - p.lo%5 },
		"even": func(p place) uint64 { return p.lo * 0x9e3779b97f4a7c15 >> 20 },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			table := newPlaces(hash)
			want := map[place][]*binding{} // the newest first
			var all []*binding
			most := 3 * firstPlaces
			for range 20_000 {
				if len(all) < most && (len(all) == 0 || r.IntN(3) > 0) {
					b := &binding{place: place{lo: r.Uint64N(2500)}}
					table.push(b)
					want[b.place] = slices.Insert(want[b.place], 0, b)
					all = append(all, b)
				} else {
					i := r.IntN(len(all))
					b := all[i]
					all[i] = all[len(all)-1]
					all = all[:len(all)-1]
					table.remove(b)
					b.anext, b.aprev = nil, nil
					k := slices.Index(want[b.place], b)
					if want[b.place] = slices.Delete(want[b.place], k, k+1); len(want[b.place]) == 0 {
						delete(want, b.place)
					}
					if len(all) == most-1 {
						most = 1 + r.IntN(3*firstPlaces)
					}
				}
				p := place{lo: r.Uint64N(2500)}
				var have []*binding
				e := table.at(p)
				for b := e.head; b != nil; b = b.anext {
					have = append(have, b)
				}
				if !slices.Equal(have, want[p]) || e.n != len(have) || table.used != len(want) {
					t.Fatalf("%d bindings (says %d), want %d; %d places, want %d", len(have), e.n, len(want[p]), table.used, len(want))
				}
			}
			if len(table.slots) == firstPlaces {
				t.Error("it did not grow")
			}
		})
	}
}
