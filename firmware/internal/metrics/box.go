package metrics

import "heptap/hal"

// sensors adds temperatures and wear of storage.
func (l *list) sensors(temperatures []hal.Temperature, wear []hal.Wear) {
	for _, t := range temperatures {
		l.gauge("heptap_box_temperature_celsius", "What the box's sensors say.", float64(t.Now)/1000, "sensor", t.Name)
	}
	for _, w := range wear {
		if w.Percent > 0 {
			l.gauge("heptap_box_storage_life_used_ratio", "How much of the life that its maker gives it a storage device has behind it, at most.", float64(w.Percent)/100, "device", w.Device)
		}
		if w.Reserve != hal.ReserveUnknown {
			l.gauge("heptap_box_storage_reserve_state", "Spare blocks of a storage device: 1 normal, 2 low, 3 nearly gone.", float64(w.Reserve), "device", w.Device)
		}
	}
}
