package haltest

import (
	"slices"
	"sync"
	"testing"

	"heptap/hal"
)

// Sensors are hal.Sensors that say what the test wants.
type Sensors struct {
	mu           sync.Mutex // guards what follows
	temperatures []hal.Temperature
	wear         []hal.Wear
}

var _ hal.Sensors = (*Sensors)(nil)

// SetTemperatures makes these the box's temperatures, in order of their names.
func (s *Sensors) SetTemperatures(all ...hal.Temperature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.temperatures = all
}

// SetWear makes these the box's storage, in order of their names.
func (s *Sensors) SetWear(all ...hal.Wear) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wear = all
}

// Temperatures implements hal.Sensors.
func (s *Sensors) Temperatures() []hal.Temperature {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.temperatures)
}

// Wear implements hal.Sensors.
func (s *Sensors) Wear() []hal.Wear {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wear)
}

// TestSensors checks what an implementation of hal.Sensors says, of a box of
// which nothing else is known.
func TestSensors(t *testing.T, s hal.Sensors) {
	var last string
	for i, c := range s.Temperatures() {
		switch {
		case c.Name == "" || i > 0 && c.Name <= last:
			t.Errorf("temperature %q after %q: want names in order, each once", c.Name, last)
		case c.Now < -60_000 || c.Now > 200_000 || c.High < 0 || c.High > 200_000 || c.Critical < 0 || c.Critical > 200_000:
			t.Errorf("temperature %+v", c)
		case c.High > 0 && c.Critical > 0 && c.High > c.Critical:
			t.Errorf("temperature %+v: high is above critical", c)
		}
		last = c.Name
	}
	for i, w := range s.Wear() {
		switch {
		case w.Device == "" || i > 0 && w.Device <= last:
			t.Errorf("storage %q after %q: want names in order, each once", w.Device, last)
		case w.Percent < 0 || w.Percent > 110 || w.Percent%10 != 0 || w.Reserve > hal.ReserveUrgent:
			t.Errorf("storage %+v", w)
		}
		last = w.Device
	}
}
