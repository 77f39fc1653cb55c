package capture

import (
	"fmt"
	"time"
)

// Timestamps says which clock a live source's frames have their time of.
type Timestamps struct {
	Wanted   bool          // the card's clock is to be used
	Hardware bool          // the card's clock is used now
	Reason   string        // why it is not, although it is wanted
	Offset   time.Duration // of the card's clock against the system's, when it was compared last
	Rate     float64       // how much faster it goes, parts per million

	Stamped   uint64 // frames with the card's time
	Refused   uint64 // of others the card's time could not be: they have the nearest that could
	Unstamped uint64 // frames that the card did not stamp while its clock was used: they have the system's time
	Fallbacks uint64 // times the card's clock was given up
}

// Add adds those of another source of the same port: the card's clock is used when all use it.
func (t *Timestamps) Add(o *Timestamps) {
	if !t.Wanted || !o.Hardware {
		t.Hardware, t.Reason, t.Offset, t.Rate = o.Hardware, o.Reason, o.Offset, o.Rate
	}
	t.Wanted = t.Wanted || o.Wanted
	t.Stamped, t.Refused, t.Unstamped, t.Fallbacks = t.Stamped+o.Stamped, t.Refused+o.Refused, t.Unstamped+o.Unstamped, t.Fallbacks+o.Fallbacks
}

// String says it for people.
func (t *Timestamps) String() string {
	switch {
	case t.Hardware && t.Offset.Abs() > 24*time.Hour:
		return fmt.Sprintf("hardware: the card's clock shows another time than the system's, which is allowed for, and gains %.1f ppm", t.Rate)
	case t.Hardware && t.Offset < 0:
		return fmt.Sprintf("hardware: the card's clock is %v behind the system's, and gains %.1f ppm", -t.Offset, t.Rate)
	case t.Hardware:
		return fmt.Sprintf("hardware: the card's clock is %v ahead of the system's, and gains %.1f ppm", t.Offset, t.Rate)
	case t.Wanted && t.Reason != "":
		return "software: the card's clock is not used: " + t.Reason
	}
	return "software"
}
