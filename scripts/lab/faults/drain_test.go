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
	first, most int       // octets of memory: at the first look, and at most
	rows        []string
}

func (r *rig) curve() *curve {
	return &curve{r: r, begin: time.Now(), rows: []string{"| s | phase | made | waiting | came | spool/MiB | memory/MiB | of files/MiB |"}}
}

// look adds a point, once a second.
func (c *curve) look(phase string) {
	c.r.t.Helper()
	anon, file := c.r.memoryOf(c.r.probe.PID())
	if c.most = max(c.most, anon); c.first == 0 {
		c.first = anon
	}
	if time.Now().Before(c.next) {
		return
	}
	c.next = time.Now().Add(time.Second)
	m := c.r.metrics()
	c.rows = append(c.rows, fmt.Sprintf("| %3.0f | %s | %d | %d | %d | %.0f | %.1f | %.1f |", time.Since(c.begin).Seconds(), phase, made(m),
		place(m, "spooled")+place(m, "in memory"), c.r.scan().unique, m.Sum("heptap_spool_used_bytes")/(1<<20), float64(anon)/(1<<20), float64(file)/(1<<20)))
}

// flat is how much more memory may be used after the first tenth of the outage: little
// beside what waits, and more than the runtime's heap swings.
const flat = 16 << 20

// An outage of a million records, and another one while they drain: all of them come, what
// is made meanwhile comes at once, and memory does not grow with any of it.
func TestMillionWait(t *testing.T) {
	if !long() {
		t.Skip("a long one")
	}
	const records, tenth = 1_000_000, 100_000
	r := newRig(t, "set spool max-size 4GiB")
	r.run()
	c := r.curve()
	for range records / tenth {
		r.must(r.gen.burst(8000, tenth))
		c.look("outage")
	}
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
