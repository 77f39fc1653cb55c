package panel

import "heptap/firmware/internal/health"

// Role says what an LED is for.
type Role uint8

// The roles, in the order in which they stand on a panel.
const (
	Status Role = iota
	Capture
	Uplink
	Spool
	NumRoles
)

var roleNames = [NumRoles]string{"status", "capture", "uplink", "spool"}

// String returns the role as board files and configuration write it.
func (r Role) String() string {
	if r < NumRoles {
		return roleNames[r]
	}
	return "invalid"
}

// CaptureState is how well the mirror ports deliver.
type CaptureState uint8

// The capture states. Drops outranks the others: calls are seen, but not all.
const (
	CaptureNoLink   CaptureState = iota
	CaptureNoFrames              // link, but nothing arrives: the port is not mirrored to
	CaptureNoSIP                 // frames, but no SIP in them: the wrong port is mirrored
	CaptureCalls                 // SIP is seen
	CaptureDrops                 // the kernel has lately dropped frames
)

// UplinkState is the state of the way to the collectors.
type UplinkState uint8

// The uplink states. With several collectors the one to show is the worst.
const (
	UplinkOff        UplinkState = iota // none configured, or no link
	UplinkConnecting                    // none connected
	UplinkUp
	UplinkDraining // connected, and sending what had been kept
)

// SpoolState is how full the spool is, in octets of what waits in it.
type SpoolState struct {
	Bytes    int64 // waiting to be sent
	Cap      int64 // how much may wait
	Evicting bool  // records are being lost: shed or evicted
}

// percent rounds down, and does not overflow.
func (s SpoolState) percent() int {
	switch {
	case s.Bytes <= 0 || s.Cap <= 0:
		return 0
	case s.Bytes >= s.Cap:
		return 100
	case s.Cap > 1<<40:
		return int(s.Bytes / (s.Cap / 100))
	}
	return int(s.Bytes * 100 / s.Cap)
}

// nearlyFull says whether more than 80 % is used.
func (s SpoolState) nearlyFull() bool {
	return s.Cap > 0 && s.Bytes-s.Cap/5*4 > s.Cap%5*4/5
}

// State is everything the panel shows. The zero State is a healthy box without
// link, collectors or backlog.
type State struct {
	Booting bool
	Health  health.Level
	Capture CaptureState
	Uplink  UplinkState
	Spool   SpoolState
	Press   Phase // what the button is doing, fed back to the finger on it
	Test    Test  // what is lit instead, for somebody who looks whether the LEDs work
}

// Test says which LEDs are lit in a test of them. The zero value: there is none.
type Test struct {
	On  bool
	Lit [NumRoles]bool
}

// show is a pattern and what it means, in a word or two.
type show struct {
	pattern Pattern
	meaning string
}

func shows(s State) [NumRoles]show {
	switch s.Press {
	case PhaseCountdown:
		return [NumRoles]show{{Countdown(), "factory reset counts down"}, {Off(), ""}, {Off(), ""}, {Off(), ""}}
	case PhaseReset:
		all := show{On(), "factory reset"}
		return [NumRoles]show{all, all, all, all}
	}
	if s.Test.On {
		return s.Test.shows()
	}
	return [NumRoles]show{status(s), capture(s.Capture), uplink(s.Uplink), spool(s.Spool)}
}

func (t *Test) shows() (all [NumRoles]show) {
	for i, lit := range t.Lit {
		if all[i] = (show{Off(), "test"}); lit {
			all[i].pattern = On()
		}
	}
	return all
}

func status(s State) show {
	switch {
	case s.Press == PhaseShutdown:
		return show{On(), "let go to shut down"}
	case s.Booting:
		return show{Blink(), "booting"}
	case s.Health == health.OK:
		return show{Heartbeat(), "healthy"}
	case s.Health == health.Degraded:
		return show{Slow(), "degraded"}
	}
	return show{Fast(), "fault"}
}

func capture(c CaptureState) show {
	switch c {
	case CaptureNoFrames:
		return show{Slow(), "link, no frames"}
	case CaptureNoSIP:
		return show{Blink(), "frames, no SIP"}
	case CaptureCalls:
		return show{On(), "calls seen"}
	case CaptureDrops:
		return show{Fast(), "kernel drops"}
	}
	return show{Off(), "no link"}
}

func uplink(u UplinkState) show {
	switch u {
	case UplinkConnecting:
		return show{Slow(), "connecting"}
	case UplinkUp:
		return show{On(), "up"}
	case UplinkDraining:
		return show{Blink(), "draining"}
	}
	return show{Off(), "off"}
}

func spool(s SpoolState) show {
	switch {
	case s.Evicting:
		return show{Fast(), "evicting"}
	case s.nearlyFull():
		return show{Blink(), "more than 80 % full"}
	case s.Bytes > 0:
		return show{Fill(s.percent()), "filling"}
	}
	return show{Off(), "empty"}
}

// Patterns returns what each LED does in a state, indexed by Role.
func Patterns(s State) (p [NumRoles]Pattern) {
	for i, w := range shows(s) {
		p[i] = w.pattern
	}
	return p
}

// Meanings returns what each LED says in a state in a word or two, indexed by
// Role; empty for an LED that is dark so as not to distract.
func Meanings(s State) (m [NumRoles]string) {
	for i, w := range shows(s) {
		m[i] = w.meaning
	}
	return m
}
