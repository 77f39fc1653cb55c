package appliance

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestQuietHour: nothing happens to a box that nobody sends a frame to. After ten minutes it says that its mirror is
// silent; for an hour from there it says nothing more. It is not reset, no process of it starts again, no LED shows
// anything else, and memory stays as it is. Then its pipeline gets stuck, and it is reset in the
// time that the README says.
//
// All that is by the box's own time, which the watchdog's and the hardware clock's is, too. It goes by what
// the box has computed, and nobody waits for what does nothing.
func TestQuietHour(t *testing.T) {
	long(t)
	t.Parallel()
	quietHour(t, x86)
}

func TestQuietHourARM64(t *testing.T) {
	long(t)
	t.Parallel()
	quietHour(t, arm)
}

func quietHour(t *testing.T, b board) {
	x := newBox(t, b, imageMiB)
	x.put("heptap.test", "wedge wedge@lab\n")
	x.resets = true
	socket := x.plugUSB()
	x.more = append(x.more, "-icount", "shift=0,sleep=off", "-rtc", "clock=vm")
	beside := x.bootBeside(false) // the firmware of UEFI would compute to let time go by
	c := newTerminal(t, socket)
	x.expect("cause=first-start")
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	c.enters(prompt)
	beside.passes(x, 11*time.Minute)
	before := c.rests()

	quiet := len(x.guest.Output())
	begun := time.Now()
	beside.passes(x, time.Hour)
	t.Logf("an hour of the box's took %.0f s", time.Since(begun).Seconds())
	if said := strings.TrimSpace(x.guest.Output()[quiet:]); said != "" {
		t.Errorf("the box has said:\n%s", said)
	}
	after := c.rests()
	t.Logf("%.1f MiB resident, heap %.1f MiB, %.0f goroutines; before the hour %.1f, %.1f, %.0f",
		after.resident, after.heap, after.goroutines, before.resident, before.heap, before.goroutines)
	flat(t, []month{before, after})
	x.arrive(x.call("second@lab"))
	c.shows("show status", "health         ok", func() {})
	x.silent()

	stuck := beside.clock()
	x.wedge()
	const boots = 15 * time.Second // until its own system runs again
	took := x.begun().Sub(stuck)
	if t.Logf("wedged to reset and started again: %.1f s of the box's", took.Seconds()); took > time.Minute+boots {
		t.Errorf("it was reset after %v", took)
	}
	x.recovers()
}

// rests holds a box whose mirror is silent to have no other trouble, and returns what memory it takes.
func (c *terminal) rests() (m month) {
	c.t.Helper()
	status := c.does("show status")
	for _, want := range []string{"health         degraded: mirror/span0: no frame for ",
		"LEDs           status slow (degraded), capture slow (link, no frames), uplink on (up), spool off (empty)"} {
		if !strings.Contains(status, want) {
			c.t.Errorf("no %q in\n%s", want, status)
		}
	}
	if strings.Count(status, "\n! ") != 1 {
		c.t.Errorf("more than the mirror is wrong:\n%s", status)
	}
	m.memory(c.t, c.does("show memory"))
	return m
}

// passes waits until so much of the box's time has passed.
func (b *beside) passes(x *box, d time.Duration) {
	b.t.Helper()
	const atMost = time.Hour // on a machine that does three other things
	late := time.Now().Add(atMost)
	for end := b.clock().Add(d); b.clock().Before(end); time.Sleep(2 * time.Second) {
		if x.said("is not fed any more") || x.said("the probe ended") {
			b.t.Fatal("the box or its probe was given up")
		}
		if time.Now().After(late) {
			b.t.Fatalf("%v of the box's time did not pass in %v", d, atMost)
		}
	}
}

// clock is the box's hardware clock: it goes on through a reset.
func (b *beside) clock() time.Time {
	b.t.Helper()
	said := b.does("read /sys/class/rtc/rtc0/since_epoch")
	s, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return time.Unix(s, 0)
}

// begun is when the box's own system ran, by its clock.
func (x *box) begun() time.Time {
	x.t.Helper()
	all := regexp.MustCompile(`time=(\S+) level=INFO msg=modules list=watchdog`).FindAllStringSubmatch(x.guest.Output(), -1)
	if all == nil {
		x.t.Fatal("the box has not begun")
	}
	at, err := time.Parse(time.RFC3339, all[len(all)-1][1])
	if err != nil {
		x.t.Fatal(err)
	}
	return at
}
