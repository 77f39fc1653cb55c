package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"heptap/firmware/internal/health"
	"heptap/hal"
)

// Conditions of the box itself; they go on with "/name".
const (
	condHot  = "hot"
	condWorn = "storage worn"
)

const (
	// sensorStep is how often sensors are asked.
	sensorStep = 30 * time.Second

	// usualLimit is where chips that do not say so begin to suffer.
	usualLimit hal.MilliCelsius = 85_000
	// nearCritical is how far from switching off is too near.
	nearCritical hal.MilliCelsius = 5_000
	// hysteresis keeps a condition from coming and going with each breath of air.
	hysteresis hal.MilliCelsius = 3_000

	// wornPercent of its life used is when storage should be replaced soon.
	wornPercent = 90
)

// sensors turns what the box's sensors say into conditions.
type sensors struct {
	source hal.Sensors
	health *health.Health
	levels map[string]health.Level // of what was there at the last look

	mu           sync.Mutex // guards what the last look has found
	temperatures []hal.Temperature
	wear         []hal.Wear
}

func newSensors(source hal.Sensors, h *health.Health) *sensors {
	return &sensors{source: source, health: h, levels: map[string]health.Level{}}
}

func (s *sensors) run(ctx context.Context) {
	tick := time.NewTicker(sensorStep)
	defer tick.Stop()
	for {
		s.look()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks once. A sensor that says nothing any more has no condition.
func (s *sensors) look() {
	levels := map[string]health.Level{}
	set := func(name string, level health.Level, reason string) {
		levels[name] = level
		s.health.Set(name, level, reason)
	}
	temperatures, worn := s.source.Temperatures(), s.source.Wear()
	s.mu.Lock()
	s.temperatures, s.wear = temperatures, worn
	s.mu.Unlock()
	for _, t := range temperatures {
		name := condHot + "/" + t.Name
		level, reason := heat(t, s.levels[name])
		set(name, level, reason)
	}
	for _, w := range worn {
		level, reason := wear(w)
		set(condWorn+"/"+w.Device, level, reason)
	}
	for name := range s.levels {
		if _, ok := levels[name]; !ok {
			s.health.Clear(name)
		}
	}
	s.levels = levels
}

// read returns what the last look has found.
func (s *sensors) read() ([]hal.Temperature, []hal.Wear) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.temperatures, s.wear
}

// heat judges a temperature, given how it was judged before. Near the point at
// which the chip switches itself off it is a fault.
func heat(t hal.Temperature, before health.Level) (health.Level, string) {
	high, fault := t.High, hal.MilliCelsius(0)
	if t.Critical > 0 {
		fault = t.Critical - nearCritical
	}
	switch {
	case high == 0 && fault > 0:
		high = min(usualLimit, fault)
	case high == 0:
		high = usualLimit
	}
	if before >= health.Degraded {
		high -= hysteresis
	}
	if before == health.Fault {
		fault -= hysteresis
	}
	switch {
	case t.Critical > 0 && t.Now >= fault:
		return health.Fault, fmt.Sprintf("%v: switches itself off at %v", t.Now, t.Critical)
	case t.Now >= high:
		return health.Degraded, fmt.Sprintf("%v: too warm for this box, it needs air", t.Now)
	}
	return health.OK, ""
}

// wear judges a storage device.
func wear(w hal.Wear) (health.Level, string) {
	switch {
	case w.Percent > 100:
		return health.Fault, "has outlived what its maker gives it: replace it"
	case w.Reserve == hal.ReserveUrgent:
		return health.Fault, "nearly all spare blocks are used: replace it"
	case w.Percent >= wornPercent:
		return health.Degraded, fmt.Sprintf("up to %d %% of its life is used: replace it soon", w.Percent)
	case w.Reserve == hal.ReserveLow:
		return health.Degraded, "most spare blocks are used: replace it soon"
	}
	return health.OK, ""
}
