package appliance

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMonths is what months bring to a box, one after the other: calls, outages of the collector, another
// configuration, an update and its commit, a restart, and now and then a power cut.
// Nothing is lost, and neither the probe's memory nor what is on the disk grows from one
// time to the next. HEPTAP_MONTHS says how many.
func TestMonths(t *testing.T) {
	long(t)
	t.Parallel()
	months := 4
	if n, err := strconv.Atoi(os.Getenv("HEPTAP_MONTHS")); err == nil {
		months = n
	}
	x := newBox(t, x86, 1024)
	x.resets = true
	x.put("heptap.test", "trial 10m 20m\n") // longer than this takes: what is committed, somebody has committed
	socket := x.plugUSB()
	u := newUpdates(x)
	var all []month
	var sent []string
	x.boot()
	c := newTerminal(t, socket)
	c.enters(prompt)
	for i := range months {
		m := month{}
		work := func(what string) (messages []string) {
			for call := range 20 {
				messages = append(messages, x.call(fmt.Sprintf("%s-%d-%d@lab", what, i, call))...)
			}
			sent = append(sent, messages...)
			return messages
		}
		x.arrive(work("up"))

		made := x.made(c.does("show uplink"))
		x.collector.Kill()
		made += len(work("down"))
		x.saved(c, made)
		if m.cut = i%2 == 1; m.cut {
			x.cut()
			x.boot()
			c = newTerminal(t, socket)
			c.enters(prompt)
		}
		x.collector.Restart()
		x.arrive(sent)

		agent := fmt.Sprintf("set system agent-id %d", 3000+i)
		c.types("%s\r", agent)
		c.sees("heptap*> ")
		c.types("commit\r")
		c.sees("committed")
		c.sees(prompt)

		version := fmt.Sprintf("v9.9.%d", i)
		u.sign("next", filepath.Join(x.dir, "system"), trusted(), x.board.name, version, builtLater+int64(i))
		x.upgrades(c, u.url+"next", fmt.Sprintf("system %d, %s", i+1, version))
		c.enters(prompt)
		if out := c.does("upgrade keep"); !strings.Contains(out, "Committed.") {
			t.Fatalf("month %d: the update is not committed:\n%s", i, out)
		}
		x.arrive(work("updated"))
		if out := c.does("show running"); !strings.Contains(out, agent) {
			t.Errorf("month %d: the configuration is not what it was:\n%s", i, out)
		}
		if out := c.does("show systems"); !strings.Contains(out, fmt.Sprintf("* %-8d %-24s committed", i+1, version)) {
			t.Errorf("month %d: systems:\n%s", i, out)
		}
		x.settled(c)
		m.memory(t, c.does("show memory"))

		if _, err := x.guest.QMP("system_powerdown", nil); err != nil {
			t.Fatal(err)
		}
		x.ends()
		m.disk(x)
		all = append(all, m)
		t.Logf("month %d, power cut %-5v: %.1f MiB resident, heap %.1f MiB, %.0f goroutines; on the data partition %d octets in %d files, of these %d in the spool; systems: %s",
			i+1, m.cut, m.resident, m.heap, m.goroutines, m.octets, len(m.files), m.files["spool.db"], strings.ReplaceAll(x.systems(), "\n", " "))
		x.boot()
		c = newTerminal(t, socket)
		c.enters(prompt)
	}
	x.arrive(sent)
	x.cut()
	flat(t, all)
}

// month is what one of them leaves.
type month struct {
	cut                        bool
	resident, heap, goroutines float64 // MiB, and how many
	octets                     int64
	files                      map[string]int64 // of the data partition, and their octets
}

// memory takes in what show memory says.
func (m *month) memory(t *testing.T, said string) {
	t.Helper()
	for what, to := range map[string]*float64{"resident": &m.resident, "heap": &m.heap, "goroutines": &m.goroutines} {
		found := regexp.MustCompile(`(?m)^` + what + ` +([0-9.]+)`).FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("no %s in\n%s", what, said)
		}
		*to, _ = strconv.ParseFloat(found[1], 64) // it is a number
	}
}

// disk takes in what is on the data partition of a box that is switched off.
func (m *month) disk(x *box) {
	x.t.Helper()
	to := filepath.Join(x.dir, "files")
	if err := os.Mkdir(to, 0o700); err != nil {
		x.t.Fatal(err)
	}
	defer os.RemoveAll(to)
	run(x.t, "debugfs", "-R", "rdump / "+to, x.copy("data", dataPart))
	m.files = map[string]int64{}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			m.files[strings.TrimPrefix(path, to+"/")] = info.Size()
			m.octets += info.Size()
		}
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
}

// settled waits until the collector has confirmed every record, and checks that the records add up.
func (x *box) settled(c *terminal) {
	x.t.Helper()
	c.shows("show uplink", "confirmed", func() {})
	out := c.does("show uplink")
	all, sum := x.made(out), 0
	for _, found := range regexp.MustCompile(`(?m)^ {4} *([0-9]+) (.*)\r?$`).FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(found[1]) // it is a number
		sum += n
		if what := strings.TrimSpace(found[2]); what == "shed" || what == "evicted" || what == "damaged" || what == "set aside" {
			x.t.Errorf("records are lost:\n%s", out)
		}
	}
	if all != sum {
		x.t.Errorf("%d records made and carried in, and %d accounted for:\n%s", all, sum, out)
	}
}

// made returns how many records there were, by what show uplink says.
func (x *box) made(out string) int {
	x.t.Helper()
	head := regexp.MustCompile(`([0-9]+) made \+ ([0-9]+) carried in`).FindStringSubmatch(out)
	if head == nil {
		x.t.Fatalf("no law of the records in\n%s", out)
	}
	made, _ := strconv.Atoi(head[1]) // numbers
	carried, _ := strconv.Atoi(head[2])
	return made + carried
}

// saved waits until there were so many records, and a power cut would cost none of them.
func (x *box) saved(c *terminal, made int) {
	x.t.Helper()
	out := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if out = c.does("show uplink"); x.made(out) >= made && strings.Contains(out, "would cost 0 records") {
			return
		}
	}
	x.t.Fatalf("a power cut would cost some of %d records:\n%s", made, out)
}

// flat compares the last month with those before. What has limits may come up to them: twenty configurations of
// before, and what the console has been asked.
func flat(t *testing.T, all []month) {
	t.Helper()
	if len(all) < 2 {
		return
	}
	first, last := all[0], all[len(all)-1]
	most := func(of func(m month) float64) (n float64) {
		for _, m := range all[:len(all)-1] {
			n = max(n, of(m))
		}
		return n
	}
	if now, before := last.resident, most(func(m month) float64 { return m.resident }); now > before*1.15 {
		t.Errorf("%.1f MiB are resident, %.1f before", now, before)
	}
	if now, before := last.goroutines, most(func(m month) float64 { return m.goroutines }); now > before+2 {
		t.Errorf("%.0f goroutines, %.0f before", now, before)
	}
	for _, name := range slices.Sorted(maps.Keys(last.files)) {
		had, was := first.files[name]
		if size := last.files[name]; size > had+had/4+64<<10 {
			t.Errorf("%s has %d octets, and had %d", name, size, had)
		} else if !was {
			t.Logf("new since the first month: %s, %d octets", name, size)
		}
	}
	if grown := len(last.files) - len(first.files); grown > 2*(len(all)-1) {
		t.Errorf("%d files more than after the first month", grown)
	}
}
