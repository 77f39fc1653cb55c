// Package panel is what the box says with four LEDs and hears from one button.
// It is pure logic: it knows hal's interfaces and no device.
//
// # Lights
//
//	         STATUS           CAPTURE          UPLINK       SPOOL
//	off                       no link          off          empty
//	slow     degraded         link, no frames  connecting
//	blink    booting          frames, no SIP   draining     more than 80 %
//	on       let go: shuts    calls seen       up
//	         down
//	fast     fault            kernel drops                  evicting
//	other    heartbeat:                                     1 to 4 pulses:
//	         healthy                                        filling, by quarters
//
// Slow is 0.5 Hz, blink 1 Hz, fast 4 Hz.
//
// While the factory reset counts down the other three are dark, and once it is
// decided all four are on, so that it looks like nothing else.
//
// # Button
//
//	held      and then let go
//	< 5 s     Mark: something happened now
//	5-15 s    SafeShutdown
//	15-25 s   nothing at all: this is how to get away
//	25 s      FactoryReset, without letting go
//
// A button that is found pressed (a stuck one, or a cable on it) is ignored
// until it is let go. A press that could not be watched to its end, because
// the button failed or the process was stopped, means nothing.
package panel
