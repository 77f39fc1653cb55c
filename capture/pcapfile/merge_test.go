package pcapfile_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
)

func at(seconds ...int64) (frames []capture.Frame) {
	for _, s := range seconds {
		frames = append(frames, capturetest.Frames(time.Unix(s, 0), 0, []byte{byte(s)})...)
	}
	return frames
}

func TestMergeOrder(t *testing.T) {
	open := func(batch int, seconds ...int64) *capturetest.FakeSource {
		s := capturetest.NewFakeSource(at(seconds...))
		s.Batch, s.Idle = batch, 2
		return s
	}
	for _, batch := range []int{1, 2, 0} {
		all, err := readAll(t, pcapfile.Merge(open(batch, 1, 4, 7, 7), open(batch), open(batch, 2, 4, 5, 9, 10), open(batch, 8, 3)), 4)
		var order, ports []int
		for _, g := range all {
			order, ports = append(order, int(g.data[0])), append(ports, int(g.port))
		}
		if !errors.Is(err, io.EOF) || !slices.Equal(order, []int{1, 2, 4, 4, 5, 7, 7, 8, 3, 9, 10}) ||
			!slices.Equal(ports, []int{0, 2, 0, 2, 2, 0, 0, 3, 3, 2, 2}) {
			t.Errorf("batch %d: %v of %v, %v", batch, order, ports, err)
		}
	}
}

func TestMergeOfNothing(t *testing.T) {
	if all, err := readAll(t, pcapfile.Merge(), 4); len(all) != 0 || !errors.Is(err, io.EOF) {
		t.Error(all, err)
	}
}

// TestMergeDamage: one damaged file does not cost the frames of the others.
func TestMergeDamage(t *testing.T) {
	cut := pcapOf(t, at(1, 3, 5))
	m := pcapfile.Merge(mustNew(t, pcapOf(t, at(2, 4, 6, 8))), mustNew(t, cut[:len(cut)-1]))
	all, err := readAll(t, m, 64)
	var order []byte
	for _, g := range all {
		order = append(order, g.data[0])
	}
	damage, ok := errors.AsType[*pcapfile.DamageError](err)
	if !slices.Equal(order, []byte{1, 2, 3, 4, 6, 8}) || !ok || damage.Offset != 24+2*17 || errors.Is(err, io.EOF) {
		t.Errorf("%v, %v", order, err)
	}
}
