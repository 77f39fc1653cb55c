package panel

import (
	"math"
	"testing"

	"heptap/firmware/internal/health"
)

// TestPatterns holds what the architecture page says.
func TestPatterns(t *testing.T) {
	const full = 1000
	tests := []struct {
		role    Role
		state   State
		want    Pattern
		meaning string
	}{
		{Status, State{Booting: true, Health: health.Fault}, Blink(), "booting"},
		{Status, State{}, Heartbeat(), "healthy"},
		{Status, State{Health: health.Degraded}, Slow(), "degraded"},
		{Status, State{Health: health.Fault}, Fast(), "fault"},
		{Status, State{Health: health.Fault, Press: PhasePressed}, Fast(), "fault"},
		{Status, State{Health: health.Fault, Press: PhaseShutdown}, On(), "let go to shut down"},
		{Status, State{Booting: true, Press: PhaseCountdown}, Countdown(), "factory reset counts down"},
		{Status, State{Press: PhaseReset}, On(), "factory reset"},

		{Capture, State{}, Off(), "no link"},
		{Capture, State{Capture: CaptureNoFrames}, Slow(), "link, no frames"},
		{Capture, State{Capture: CaptureNoSIP}, Blink(), "frames, no SIP"},
		{Capture, State{Capture: CaptureCalls}, On(), "calls seen"},
		{Capture, State{Capture: CaptureDrops}, Fast(), "kernel drops"},
		{Capture, State{Capture: CaptureDrops, Press: PhaseShutdown}, Fast(), "kernel drops"},
		{Capture, State{Capture: CaptureDrops, Press: PhaseCountdown}, Off(), ""},
		{Capture, State{Press: PhaseReset}, On(), "factory reset"},

		{Uplink, State{}, Off(), "off"},
		{Uplink, State{Uplink: UplinkConnecting}, Slow(), "connecting"},
		{Uplink, State{Uplink: UplinkUp}, On(), "up"},
		{Uplink, State{Uplink: UplinkDraining}, Blink(), "draining"},
		{Uplink, State{Uplink: UplinkUp, Press: PhaseCountdown}, Off(), ""},

		{Spool, State{}, Off(), "empty"},
		{Spool, State{Spool: SpoolState{Cap: full}}, Off(), "empty"},
		{Spool, State{Spool: SpoolState{Bytes: 1, Cap: full}}, Pulse(1), "filling"},
		{Spool, State{Spool: SpoolState{Bytes: 500, Cap: full}}, Pulse(2), "filling"},
		{Spool, State{Spool: SpoolState{Bytes: 800, Cap: full}}, Pulse(4), "filling"},
		{Spool, State{Spool: SpoolState{Bytes: 801, Cap: full}}, Blink(), "more than 80 % full"},
		{Spool, State{Spool: SpoolState{Bytes: 2 * full, Cap: full}}, Blink(), "more than 80 % full"},
		{Spool, State{Spool: SpoolState{Bytes: 10, Cap: full, Evicting: true}}, Fast(), "evicting"},
		{Spool, State{Spool: SpoolState{Bytes: 10}}, Pulse(1), "filling"},
		{Spool, State{Spool: SpoolState{Bytes: math.MaxInt64, Cap: math.MaxInt64}}, Blink(), "more than 80 % full"},
		{Spool, State{Spool: SpoolState{Bytes: math.MaxInt64 / 2, Cap: math.MaxInt64}}, Pulse(2), "filling"},
		{Spool, State{Spool: SpoolState{Bytes: 1, Cap: full}, Press: PhaseCountdown}, Off(), ""},
	}
	for _, tt := range tests {
		if got := Patterns(tt.state)[tt.role]; got != tt.want {
			t.Errorf("%v in %+v: %v, want %v", tt.role, tt.state, got, tt.want)
		}
		if got := Meanings(tt.state)[tt.role]; got != tt.meaning {
			t.Errorf("%v in %+v: %q, want %q", tt.role, tt.state, got, tt.meaning)
		}
	}
}

func TestSpoolBoundary(t *testing.T) {
	for cap := int64(1); cap < 50; cap++ {
		for n := range cap + 2 {
			if got, want := (SpoolState{Bytes: n, Cap: cap}).nearlyFull(), n*100 > cap*80; got != want {
				t.Errorf("%d of %d: %t", n, cap, got)
			}
		}
	}
}

func TestRoleNames(t *testing.T) {
	for r, want := range map[Role]string{Status: "status", Capture: "capture", Uplink: "uplink", Spool: "spool", NumRoles: "invalid"} {
		if r.String() != want {
			t.Errorf("%d: %s", r, r)
		}
	}
}
