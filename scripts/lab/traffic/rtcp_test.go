package traffic

import (
	"testing"

	"heptap/capture/rtcp"
)

// TestCompoundsAreSound has the probe's walker take the compounds apart.
func TestCompoundsAreSound(t *testing.T) {
	b := appendSR(nil, 1, 160, 50, 8000, 2, 49)
	b = appendSDES(b, 1)
	b = appendXR(b, 1, 2)
	b = appendBYE(b, 1)
	if !rtcp.Valid(b) {
		t.Error("not taken for RTCP")
	}
	n := 0
	for w := rtcp.Walk(b); ; n++ {
		if _, ok := w.Next(); !ok {
			break
		}
	}
	if n != 4 {
		t.Errorf("%d packets, want 4", n)
	}
}
