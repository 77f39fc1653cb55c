package main

import (
	"testing"
	"time"

	"heptap/firmware/internal/clock"
	"heptap/hep"
)

func TestClockChunk(t *testing.T) {
	r := &runner{}
	if got := r.clockKnown(); got.State != hep.ClockNever {
		t.Errorf("before the first look: %+v", got)
	}
	for _, c := range []struct {
		state clock.State
		want  hep.Clock
	}{
		{clock.State{}, hep.Clock{State: hep.ClockNever}},
		{clock.State{Set: true, Offset: time.Second}, hep.Clock{State: hep.ClockWas, Offset: time.Second}},
		{clock.State{Set: true, Right: true, Offset: -time.Millisecond}, hep.Clock{State: hep.ClockRight, Offset: -time.Millisecond}},
	} {
		r.clock.Store(clockChunk(&c.state))
		if got := r.clockKnown(); got != c.want {
			t.Errorf("%+v: %+v", c.state, got)
		}
	}
}
