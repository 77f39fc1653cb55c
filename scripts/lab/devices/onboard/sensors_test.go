package onboard

import (
	"slices"
	"testing"

	"heptap/hal"
	"heptap/hal/haltest"
	"heptap/hal/sysfs"
	"heptap/scripts/lab/guest/inside"
)

// TestSensors reads the one sensor of the machine: QEMU's disk is always at
// 323 K, warm from 343 K on and in danger from 373 K on (hw/nvme/ctrl.c).
func TestSensors(t *testing.T) {
	inside.Load(t, "nvme")
	s := sysfs.NewSensors()
	want := hal.Temperature{Name: "nvme Composite", Now: 49_850, High: 69_850, Critical: 99_850}
	eventually(t, "the disk's temperature", func() bool { return slices.Contains(s.Temperatures(), want) })
	haltest.TestSensors(t, s)
	if w := s.Wear(); len(w) > 0 {
		t.Errorf("wear %+v", w)
	}
}
