package ring_test

import (
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/ring"
)

func TestSourceConformance(t *testing.T) {
	capturetest.TestSource(t, func(t *testing.T, frames []capture.Frame) capture.Source {
		l := newLab(t)
		r := l.open(ring.Config{})
		for i := range frames {
			l.send(frames[i].Data)
		}
		return r
	})
}
