package panel

import "time"

// Pattern is what one LED does over time: rows of flashes, one after another,
// for ever or once. Patterns are values and compare with ==. The zero Pattern
// is dark.
type Pattern struct {
	name   string
	steady bool // always on
	once   bool // after the last row it stays lit; otherwise the rows repeat
	rows   [3]row
}

// row is a number of flashes, each lit and then dark for a while.
type row struct {
	times    int
	lit, gap time.Duration
}

// Never is the next change of a pattern that does not change any more.
const Never = time.Duration(1<<63 - 1)

const (
	ms = time.Millisecond
	// CountdownTime is how long Countdown flashes before it stays lit.
	CountdownTime = 10 * time.Second
)

func flashes(name string, rows ...row) Pattern {
	p := Pattern{name: name}
	copy(p.rows[:], rows)
	return p
}

// Off is dark.
func Off() Pattern { return Pattern{name: "off"} }

// On is lit.
func On() Pattern { return Pattern{name: "on", steady: true} }

// Slow blinks at 0.5 Hz.
func Slow() Pattern { return flashes("slow", row{1, 1000 * ms, 1000 * ms}) }

// Blink blinks steadily at 1 Hz.
func Blink() Pattern { return flashes("blink", row{1, 500 * ms, 500 * ms}) }

// Fast blinks at 4 Hz.
func Fast() Pattern { return flashes("fast", row{1, 125 * ms, 125 * ms}) }

// Heartbeat beats twice and rests, every second. A process that hangs leaves a
// light on or off, never this.
func Heartbeat() Pattern {
	return flashes("heartbeat", row{1, 100 * ms, 150 * ms}, row{1, 100 * ms, 650 * ms})
}

// Pulse flashes n times (1 to 6) and rests, every 3 seconds.
func Pulse(n int) Pattern {
	n = min(max(n, 1), 6)
	const lit, gap = 150 * ms, 250 * ms
	rest := 3*time.Second - time.Duration(n)*(lit+gap) + gap
	if n == 1 {
		return flashes("pulse 1", row{1, lit, rest})
	}
	return flashes("pulse "+string(rune('0'+n)), row{n - 1, lit, gap}, row{1, lit, rest})
}

// Fill shows how full something is: 1 pulse to 25 %, 2 to 50 %, 3 to 75 %, 4 above.
func Fill(percent int) Pattern {
	return Pulse(min(max((percent+24)/25, 1), 4))
}

// Countdown is lit with gaps that come faster and faster for CountdownTime, and
// then stays lit.
func Countdown() Pattern {
	p := flashes("countdown", row{5, 800 * ms, 200 * ms}, row{6, 400 * ms, 100 * ms}, row{10, 100 * ms, 100 * ms})
	p.once = true
	return p
}

// String returns the pattern's name.
func (p Pattern) String() string {
	if p.name == "" {
		return "off"
	}
	return p.name
}

// At says whether the light is on when the pattern has been shown for d, and
// when it changes next, on the same scale: always later than d, or Never.
// Before its beginning (d < 0) a pattern shows its first instant.
func (p Pattern) At(d time.Duration) (on bool, next time.Duration) {
	cycle := p.cycle()
	if p.steady || cycle <= 0 {
		return p.steady, Never
	}
	d = max(d, 0)
	if p.once && d >= cycle {
		return true, Never
	}
	start := d - d%cycle
	t := d - start
	for _, r := range p.rows {
		flash := r.lit + r.gap
		row := time.Duration(r.times) * flash
		if t >= row {
			t -= row
			start += row
			continue
		}
		start += t - t%flash
		if t%flash < r.lit {
			return true, start + r.lit
		}
		return false, start + flash
	}
	return false, Never // not reached: t < cycle, which is the sum of the rows
}

func (p Pattern) cycle() (sum time.Duration) {
	for _, r := range p.rows {
		sum += time.Duration(r.times) * (r.lit + r.gap)
	}
	return sum
}
