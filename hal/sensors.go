package hal

import "fmt"

// MilliCelsius is a temperature in thousandths of a degree Celsius.
type MilliCelsius int32

// String returns it in degrees, "45.3 °C".
func (c MilliCelsius) String() string { return fmt.Sprintf("%.1f °C", float64(c)/1000) }

// Temperature is what one sensor says.
type Temperature struct {
	Name     string // of the sensor, "cpu-thermal"; unique in the box
	Now      MilliCelsius
	High     MilliCelsius // from here on it is too warm for a long life, or slowed down; 0: not said
	Critical MilliCelsius // from here on it switches itself off; 0: not said
}

// Reserve says what is left of the blocks that a storage device keeps in
// reserve for those that wear out.
type Reserve uint8

// The states of the reserve, as JESD84-B51 (PRE_EOL_INFO) has them.
const (
	ReserveUnknown Reserve = iota
	ReserveNormal
	ReserveLow    // 80 % is used
	ReserveUrgent // 90 % is used
)

// String returns the state in words.
func (r Reserve) String() string {
	switch r {
	case ReserveNormal:
		return "normal"
	case ReserveLow:
		return "low"
	case ReserveUrgent:
		return "nearly gone"
	}
	return "unknown"
}

// Wear is how much of its life a storage device has behind it.
type Wear struct {
	Device string // "mmcblk0"

	// Percent is the most that may be used of the life its maker gives it, in
	// steps of 10; more than 100: it has outlived that; 0: not said.
	Percent int
	Reserve Reserve
}

// Sensors say how the box itself is. What the kernel does not show, or cannot
// be read now, is left out: a box without sensors is no error.
//
// Methods may be called from any goroutine, and may take a while: some sensors
// are asked over a bus.
type Sensors interface {
	// Temperatures returns the sensors, ordered by name.
	Temperatures() []Temperature

	// Wear returns the storage devices that know, ordered by name.
	Wear() []Wear
}
