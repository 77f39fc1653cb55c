package main

import (
	"slices"
	"strings"
	"testing"

	"heptap/firmware/internal/health"
	"heptap/hal"
	"heptap/hal/haltest"
)

func TestHeat(t *testing.T) {
	full := hal.Temperature{High: 80_000, Critical: 100_000}
	for _, tt := range []struct {
		now    hal.MilliCelsius
		limits hal.Temperature
		before health.Level
		want   health.Level
	}{
		{79_999, full, health.OK, health.OK},
		{80_000, full, health.OK, health.Degraded},
		{77_000, full, health.Degraded, health.Degraded}, // still, by the hysteresis
		{76_999, full, health.Degraded, health.OK},
		{95_000, full, health.Degraded, health.Fault},
		{92_000, full, health.Fault, health.Fault},
		{91_999, full, health.Fault, health.Degraded},
		{84_999, hal.Temperature{}, health.OK, health.OK},
		{85_000, hal.Temperature{}, health.OK, health.Degraded},
		{149_000, hal.Temperature{}, health.OK, health.Degraded}, // who knows
		{84_999, hal.Temperature{Critical: 105_000}, health.OK, health.OK},
		{85_000, hal.Temperature{Critical: 105_000}, health.OK, health.Degraded},
		{65_000, hal.Temperature{Critical: 70_000}, health.OK, health.Fault},
		{64_999, hal.Temperature{Critical: 70_000}, health.OK, health.OK},
		{-10_000, full, health.OK, health.OK},
	} {
		c := tt.limits
		c.Now = tt.now
		if got, reason := heat(c, tt.before); got != tt.want || (reason == "") != (got == health.OK) {
			t.Errorf("%v, limits %v and %v, was %v: %v %q, want %v", c.Now, c.High, c.Critical, tt.before, got, reason, tt.want)
		}
	}
}

func TestWear(t *testing.T) {
	for _, tt := range []struct {
		wear hal.Wear
		want health.Level
	}{
		{hal.Wear{}, health.OK},
		{hal.Wear{Percent: 80, Reserve: hal.ReserveNormal}, health.OK},
		{hal.Wear{Percent: 90}, health.Degraded},
		{hal.Wear{Percent: 100}, health.Degraded},
		{hal.Wear{Percent: 110}, health.Fault},
		{hal.Wear{Percent: 10, Reserve: hal.ReserveLow}, health.Degraded},
		{hal.Wear{Percent: 10, Reserve: hal.ReserveUrgent}, health.Fault},
	} {
		if got, reason := wear(tt.wear); got != tt.want || (reason == "") != (got == health.OK) {
			t.Errorf("%+v: %v %q, want %v", tt.wear, got, reason, tt.want)
		}
	}
}

func TestSensorConditions(t *testing.T) {
	h, err := health.New(healthRules()...)
	if err != nil {
		t.Fatal(err)
	}
	var box haltest.Sensors
	s := newSensors(&box, h)
	names := func() (out []string) {
		for _, c := range h.Snapshot().Conditions {
			out = append(out, c.Name+" "+c.Level.String())
		}
		return out
	}
	s.look()
	if got := names(); got != nil {
		t.Errorf("no sensors, and conditions %v", got)
	}
	box.SetTemperatures(hal.Temperature{Name: "cpu", Now: 90_000, High: 80_000}, hal.Temperature{Name: "nvme", Now: 40_000})
	box.SetWear(hal.Wear{Device: "mmcblk0", Percent: 110})
	s.look()
	if got, want := names(), []string{"storage worn/mmcblk0 fault", "hot/cpu degraded", "hot/nvme ok"}; !slices.Equal(got, want) {
		t.Errorf("conditions %q, want %q", got, want)
	}
	h.Set(condSpoolErr, health.Fault, "input/output error")
	if root, ok := h.Snapshot().Root(); !ok || !strings.HasPrefix(root.Name, condWorn) {
		t.Errorf("root %+v: worn storage explains its errors", root)
	}
	h.Clear(condSpoolErr)
	box.SetTemperatures(hal.Temperature{Name: "nvme", Now: 40_000}) // the other one has gone
	box.SetWear()
	s.look()
	if got, want := names(), []string{"hot/nvme ok"}; !slices.Equal(got, want) {
		t.Errorf("conditions %q, want %q", got, want)
	}
}
