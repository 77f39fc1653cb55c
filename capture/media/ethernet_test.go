package media

import (
	"testing"

	"heptap/capture"
)

// Streams between the same stations share a number, and what has none any more is
// not known.
func TestEthernets(t *testing.T) {
	var e ethernets
	at := func(i int) capture.Ethernet {
		return capture.Ethernet{Dst: [6]byte{2, byte(i >> 8), byte(i)}, Src: [6]byte{4}}
	}
	if n := e.number(capture.Ethernet{}); n != 0 || e.get(0) != (capture.Ethernet{}) {
		t.Errorf("none has number %d", n)
	}
	for i := range maxEthernets + 10 {
		n := e.number(at(i))
		if again := e.number(at(i)); again != n || (n == 0) != (i >= maxEthernets) {
			t.Fatalf("pair %d has number %d, then %d", i, n, again)
		}
		if n != 0 && e.get(n) != at(i) {
			t.Fatalf("number %d is %v", n, e.get(n))
		}
	}
}
