package faults_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memoryOf returns how much of a process is in memory that nothing but it uses, and
// of files, in octets (proc(5), status).
func (r *rig) memoryOf(pid int) (anon, file int) {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	r.must(err)
	for _, f := range resident.FindAllStringSubmatch(string(b), -1) {
		n, err := strconv.Atoi(f[2])
		r.must(err)
		if f[1] == "Anon" {
			anon = n << 10
		} else {
			file = n << 10
		}
	}
	return anon, file
}

var resident = regexp.MustCompile(`(?m)^Rss(Anon|File):\s+([0-9]+) kB$`)

// curve is what a long outage and its end look like.
type curve struct {
	r           *rig
	begin, next time.Time // next is when to look again
	first, most int       // octets of memory: at most until so many messages as settled had been sent, and at most
	settled     int
	rows        []string
}

func (r *rig) curve() *curve {
	return &curve{r: r, begin: time.Now(), rows: []string{"| s | phase | made | waiting | came | spool/MiB | memory/MiB | of files/MiB |"}}
}

// look adds a point, once a second.
func (c *curve) look(phase string) {
	c.r.t.Helper()
	anon, file := c.r.memoryOf(c.r.probe.PID())
	if c.most = max(c.most, anon); c.r.gen.count() <= c.settled {
		c.first = max(c.first, anon)
	}
	if time.Now().Before(c.next) {
		return
	}
	c.next = time.Now().Add(time.Second)
	m := c.r.metrics()
	c.rows = append(c.rows, fmt.Sprintf("| %3.0f | %s | %d | %d | %d | %.0f | %.1f | %.1f |", time.Since(c.begin).Seconds(), phase, made(m),
		place(m, "spooled")+place(m, "in memory"), c.r.scan().unique, m.Sum("heptap_spool_used_bytes")/(1<<20), float64(anon)/(1<<20), float64(file)/(1<<20)))
}

// makes has records made, as fast as the probe makes them of what it captures and puts them on disk.
func (c *curve) makes(count int) {
	r := c.r
	r.t.Helper()
	const step, most = 2000, 20_000 // messages at a time, and records that wait in memory
	c.settled = count / 10
	begun := r.gen.count()
	for sent := 0; sent < count; sent += step {
		r.must(r.gen.burst(40_000, min(step, count-sent)))
		r.moves("what was sent is captured", func() (int, bool) {
			m := r.metrics()
			return made(m) + place(m, "spooled"), made(m) >= r.gen.count()-step && place(m, "in memory") < most
		})
		c.look("outage")
	}
	r.t.Logf("%d records made in %.0f s", r.gen.count()-begun, time.Since(c.begin).Seconds())
}

// moves waits for something for as long as there is progress.
func (r *rig) moves(what string, ok func() (progress int, done bool)) {
	r.t.Helper()
	had, since := -1, time.Now()
	for {
		n, done := ok()
		switch {
		case done:
			return
		case n != had:
			had, since = n, time.Now()
		case time.Since(since) > patience:
			r.t.Fatalf("nothing has moved for %v: %s; %s", patience, what, uplinkText(r.metrics()))
		}
		time.Sleep(10 * time.Millisecond) // between looks
	}
}

// flat is how much more memory may be used after the first tenth of the outage: more than the runtime's heap swings, and
// the memory tier, which fills whenever the disk stands still for seconds. A million records that wait are ten times that.
const flat = 16<<20 + 36<<20

// An outage of a million records, and another one while they drain: all of them come, what
// is made meanwhile comes at once, and memory does not grow with any of it.
func TestMillionWait(t *testing.T) {
	if !long() {
		t.Skip("a long one")
	}
	const records = 1_000_000
	r := newRig(t, "set spool max-size 4GiB")
	r.run()
	c := r.curve()
	c.makes(records)
	r.captured(0)
	if m := r.metrics(); lost(m) > 0 || place(m, "spooled") < records/2 {
		t.Errorf("a million were to wait: %s", uplinkText(m))
	}
	r.traffic(500)
	server := r.collect()
	r.advances()
	late := r.follow()
	phase := func(name string, until func() bool) {
		t.Helper()
		had, moved := 0, time.Now()
		for !until() {
			c.look(name)
			if n := r.scan().unique; n != had {
				had, moved = n, time.Now()
			} else if time.Since(moved) > patience {
				t.Fatalf("%s: nothing has come for %v: %s", name, patience, uplinkText(r.metrics()))
			}
			time.Sleep(100 * time.Millisecond) // between looks
		}
	}
	phase("drain", func() bool { return r.scan().unique > records/2 })
	late.check(t, "before the second outage")
	r.lag = nil
	r.kill(server.Process)
	r.watch(5 * time.Second)
	r.collect()
	r.advances()
	late = r.follow()
	phase("drain again", func() bool { return place(r.metrics(), "spooled") == 0 && r.scan().unique >= records })
	late.check(t, "after it")
	r.lag = nil
	r.pause()
	r.captured(0)
	r.finish()
	t.Logf("\n%s", strings.Join(c.rows, "\n"))
	if c.most > c.first+flat {
		t.Errorf("memory grew from %d to %d octets", c.first, c.most)
	}
}

// A backlog drains at the rate that is allowed, and the probe says how much of it has gone and
// how long the rest will take: what it says must come true.
func TestDrainLimited(t *testing.T) {
	t.Parallel()
	records, rate, alive := pick(30_000, 1_000_000), pick(3000, 6000), 300
	r := newRig(t, "set spool max-size 4GiB", fmt.Sprintf("set collector central drain-rate %d", rate))
	r.run()
	c := r.curve()
	c.makes(records)
	r.captured(0)
	// All but the last, which the live lane may find in memory.
	r.until("most of it is on disk", func() bool { return r.metrics().Sum("heptap_uplink_backlog_records") > float64(records)*9/10 })
	if n := r.metrics().Sum("heptap_uplink_backlog_left_seconds"); n != 0 {
		t.Errorf("with nobody there it takes %.0f s", n)
	}
	r.traffic(alive)
	r.collect()
	r.advances()
	late := r.follow()
	type point struct {
		at            time.Time
		waiting, left float64
	}
	var points []point
	most := 0.0
	r.moves("nothing waits", func() (int, bool) {
		c.look("drain")
		m := r.metrics()
		p := point{time.Now(), m.Sum("heptap_uplink_backlog_records"), m.Sum("heptap_uplink_backlog_left_seconds")}
		// What is made meanwhile may have to wait too, where the machine is busy.
		if n := len(points); n > 0 && p.waiting > points[n-1].waiting+float64(alive) {
			t.Errorf("%.0f wait, and before it were %.0f", p.waiting, points[n-1].waiting)
		}
		if most = max(most, m.Sum("heptap_uplink_backlog_most_records")); p.waiting > 0 && p.waiting < most {
			points = append(points, p)
		}
		return r.scan().unique, p.waiting == 0 && r.tally.unique >= records
	})
	late.check(t, "while it drained")
	r.lag = nil
	r.pause()
	r.captured(0)
	if c.most > c.first+flat {
		t.Errorf("memory grew from %d to %d octets", c.first, c.most)
	}
	if len(points) < 20 {
		t.Fatalf("seen %d times while it drained", len(points))
	}
	first, last := points[0], points[len(points)-1]
	took := last.at.Sub(first.at).Seconds()
	if got := (first.waiting - last.waiting) / took; got > float64(rate)*1.15 || got < float64(rate)/2 {
		t.Errorf("%.0f a second, %d are allowed", got, rate)
	}
	told := 0
	for _, p := range points {
		really := last.at.Sub(p.at).Seconds()
		if since := p.at.Sub(first.at).Seconds(); since < pick(3.0, 10.0) || really < 1 {
			continue // it cannot be known yet: the rate is a mean of some seconds, and drains begin slowly
		}
		if told++; p.left < really*0.6-2 || p.left > really*1.6+2 {
			t.Errorf("with %.0f waiting %.1f s were said to be left, and it took %.1f", p.waiting, p.left, really)
		}
	}
	t.Logf("%.0f records in %.1f s, at most %d a second; looked %d times how long is left\n%s", most, took, rate, told, strings.Join(c.rows, "\n"))
	r.finish()
}
