package faults_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/hep/heptest"
	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// patience is how long the tests wait for what takes seconds.
const patience = 2 * time.Minute

const (
	collectorAddr = "10.99.0.2:9060"
	uplinkSubnet  = "10.99.0.0/24"
)

// rig is a probe's surroundings.
type rig struct {
	t         *testing.T
	lab       *lab.Lab
	probeHost *lab.Host
	farHost   *lab.Host // where collectors run
	near, far *lab.Link // the uplink at the probe's and at the collector's end
	gen       *generator
	tally     *tally
	conf      string
	spool     string
	binary    string
	secure    []string // a collector's arguments for TLS; none is without

	probe       *probe // the running one, or the last
	runs        []*probe
	collectors  []*collector
	generations int
}

// collector is a collector's process.
type collector struct {
	*lab.Process
	generation int
	stderr     string // file
}

// transport is what the collector is reached over, "tcp" or "tls".
type transport string

// core says that a row runs over TLS in a short run, too.
const core, longOnly = true, false

// overBoth runs a test over TCP and over TLS.
func overBoth(t *testing.T, inCore bool, f func(t *testing.T, over transport)) {
	for _, over := range []transport{"tcp", "tls"} {
		t.Run(string(over), func(t *testing.T) {
			if over == "tls" && !inCore && !long() {
				t.Skip("a long one")
			}
			t.Parallel()
			f(t, over)
		})
	}
}

// rig builds the lab with a collector that is reached so.
func (over transport) rig(t *testing.T, lines ...string) *rig {
	t.Helper()
	if over != "tls" {
		return newRig(t, lines...)
	}
	dir := t.TempDir()
	ca := heptest.NewAuthority(t, "faults")
	host, _, _ := strings.Cut(collectorAddr, ":")
	certificate, key := heptest.Files(t, dir, ca.Issue(t, heptest.Certificate{Names: []string{host}, NotAfter: time.Now().Add(24 * time.Hour)}))
	r := newRig(t, append([]string{"set collector central transport tls", "set collector central tls-ca " + ca.File(t, dir)}, lines...)...)
	r.secure = []string{"-certificate", certificate, "-key", key}
	return r
}

// newRig builds the lab. lines are added to the probe's configuration.
func newRig(t *testing.T, lines ...string) *rig {
	t.Helper()
	l, err := lab.Open()
	need(t, err)
	r := &rig{t: t, lab: l, spool: filepath.Join(l.Dir(), "spool"), conf: filepath.Join(l.Dir(), "probe.conf")}
	t.Cleanup(func() {
		if r.probe != nil && t.Failed() {
			t.Logf("the probe said, in the end:\n%s", r.probe.said(60))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.binary, err = box.Binary(); err != nil {
		t.Fatal(err)
	}
	if err := r.build(); err != nil {
		t.Fatal(err)
	}
	collected := filepath.Join(l.Dir(), "collected")
	if err := os.Mkdir(collected, 0o755); err != nil {
		t.Fatal(err)
	}
	r.tally = newTally(collected)
	conf := append([]string{
		"set system node faults", "set capture span0 interface span0", "set capture span0 ring-size 16MiB",
		"set capture span0 block-size 64KiB", // many blocks: one is used up every 10 ms, and the machine is busy
		"set collector central address " + collectorAddr,
		"set spool path " + r.spool, "set metrics listen " + metricsAddr,
	}, lines...)
	if err := os.WriteFile(r.conf, []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) build() (err error) {
	if r.probeHost, err = r.lab.Host("probe"); err != nil {
		return err
	}
	if r.farHost, err = r.lab.Host("far"); err != nil {
		return err
	}
	wire, err := r.lab.Switch("wire")
	if err != nil {
		return err
	}
	wan, err := r.lab.Switch("wan")
	if err != nil {
		return err
	}
	// A mirror of no port: the generator is on the other end of the cable.
	if err := wire.Mirror(r.probeHost, "span0"); err != nil {
		return err
	}
	if r.gen, err = openGenerator(wire.Namespace, "span0"); err != nil {
		return err
	}
	r.lab.OnClose(r.gen.close)
	subnet := netip.MustParsePrefix(uplinkSubnet)
	first := netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits())
	if err := r.probeHost.Attach(wan, "near", "up0", first); err != nil {
		return err
	}
	if err := r.farHost.Attach(wan, "far", "up0", netip.PrefixFrom(first.Addr().Next(), subnet.Bits())); err != nil {
		return err
	}
	r.near, r.far = wan.Link("near"), wan.Link("far")
	return nil
}

// must ends the test on an error of the lab's.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// collect starts a collector and returns when it listens.
func (r *rig) collect(args ...string) *collector {
	r.t.Helper()
	g := r.generations
	r.generations++
	self, err := os.Executable()
	r.must(err)
	args = append([]string{"-addr", collectorAddr, "-dir", r.tally.dir, "-generation", strconv.Itoa(g)}, args...)
	cmd := r.farHost.Command(self, append(args, r.secure...)...)
	cmd.Env = append(os.Environ(), asCollector+"=1")
	c := &collector{generation: g, stderr: filepath.Join(r.lab.Dir(), fmt.Sprintf("collector-%d.log", g))}
	c.Process = r.start(cmd, c.stderr)
	r.collectors = append(r.collectors, c)
	r.until("the collector listens", func() bool {
		if ended(c.Process) {
			b, _ := os.ReadFile(c.stderr)
			r.t.Fatalf("the collector has ended: %s", b)
		}
		_, err := os.Stat(filepath.Join(r.tally.dir, readyName(g)))
		return err == nil
	})
	return c
}

// start starts a program whose output goes to a file.
func (r *rig) start(cmd *exec.Cmd, output string) *lab.Process {
	r.t.Helper()
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	r.must(err)
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	p, err := r.lab.Start(cmd)
	r.must(err)
	return p
}

func ended(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// freeze stops a process until thaw or its death.
func (r *rig) freeze(c *collector) { r.t.Helper(); r.must(c.Signal(syscall.SIGSTOP)) }
func (r *rig) thaw(c *collector)   { r.t.Helper(); r.must(c.Signal(syscall.SIGCONT)) }

// kill is kill -9; it returns when the process is gone.
func (r *rig) kill(p *lab.Process) {
	r.t.Helper()
	r.must(p.Signal(syscall.SIGKILL))
	<-p.Done()
}

// scan reads what the collectors have read.
func (r *rig) scan() *tally {
	r.t.Helper()
	r.must(r.tally.scan(func(g int) bool { return ended(r.collectors[g].Process) }))
	return r.tally
}

// until waits for something that no program tells. Meanwhile the books of the
// probe must balance every time they are read.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			y := r.scan()
			r.t.Fatalf("not within %v: %s; %d of %d messages have come, %d again; state %s",
				patience, what, y.unique, r.gen.count(), y.again, r.state())
		}
		time.Sleep(25 * time.Millisecond) // between looks
	}
}

// elapse lets a fault last. The probe must live, and its books balance.
func (r *rig) elapse(d time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		if r.probe != nil && !ended(r.probe.Process) {
			r.metrics()
		}
		time.Sleep(min(200*time.Millisecond, time.Until(end)+1)) // the duration is the fault
	}
}

// traffic sends at a rate until it is paused.
func (r *rig) traffic(rate int) { r.gen.start(rate) }

func (r *rig) pause() { r.t.Helper(); r.must(r.gen.pause()) }

// standstill is how long nothing may come while something waits and nothing is
// broken: longer than any pause of the probe's or of TCP's after such a fault.
func standstill() time.Duration { return pick(40*time.Second, patience) }

// delivered waits until all that was sent has been read by collectors, but for
// the numbers that except says may be missing, and returns how long that took.
func (r *rig) delivered(except func(n int) bool) time.Duration {
	r.t.Helper()
	begin, sent := time.Now(), r.gen.count()
	from := 0                // everything below has come or may be missing
	last, moved := -1, begin // how much had come when something came last
	r.until(fmt.Sprintf("all %d messages are delivered", sent), func() bool {
		y := r.scan()
		for from < sent && (y.has(from) || except != nil && except(from)) {
			from++
		}
		if y.unique != last {
			last, moved = y.unique, time.Now()
		} else if d := time.Since(moved); from < sent && d > standstill() {
			r.t.Fatalf("%d messages wait, and nothing has come for %v: %s", sent-last, d, uplinkText(r.metrics()))
		}
		return from == sent
	})
	return time.Since(begin).Round(10 * time.Millisecond)
}

// quiet waits until the uplink is connected and nothing more arrives for a while.
func (r *rig) quiet() {
	r.t.Helper()
	arrived, since := -1, time.Now()
	r.until("nothing more arrives", func() bool {
		s := r.state()
		if n := r.scan().unique; n != arrived || s == "down" || s == "connecting" {
			arrived, since = n, time.Now()
		}
		return time.Since(since) > 3*time.Second
	})
}

// rxQueue is how many octets a process has not read of its TCP connections
// (proc(5), /proc/net/tcp).
func (r *rig) rxQueue(c *collector) (octets int64) {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", c.PID()))
	r.must(err)
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasSuffix(f[1], ":2364") || f[3] == "0A" { // port 9060; listening
			continue
		}
		_, rx, _ := strings.Cut(f[4], ":")
		n, err := strconv.ParseInt(rx, 16, 64)
		r.must(err)
		octets += n
	}
	return octets
}

// full waits until the receive buffer of a frozen collector is full: it holds
// a good deal, and no more comes.
func (r *rig) full(c *collector) int64 {
	r.t.Helper()
	last, since := int64(0), time.Now()
	r.until("the collector's receive buffer is full", func() bool {
		if n := r.rxQueue(c); n != last {
			last, since = n, time.Now()
		}
		return last > 64<<10 && time.Since(since) > 500*time.Millisecond
	})
	return last
}
