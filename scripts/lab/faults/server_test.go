package faults_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/scripts/lab"
)

// server is a machine where collectors run, one after the other.
type server struct {
	r     *rig
	name  string // of the collector in the configuration
	addr  netip.AddrPort
	host  *lab.Host
	far   *lab.Link // the uplink at its end
	args  []string  // the collectors'
	tally *tally
	ran   []*collector // by generation

	looked time.Time // last
	lag    *lag      // of what comes; nil is not asked
}

// lag is how late messages come. What passed between two looks does not count, for
// nobody knows when in between they came.
type lag struct {
	from int // the first message that counts
	n    int
	most time.Duration
}

// follow measures the lag of what is made from now on.
func (s *server) follow() *lag {
	s.lag = &lag{from: s.r.gen.count()}
	return s.lag
}

// live is the most that a message may be late while somebody else has trouble: less
// than any time limit of the uplink's, and more than a busy machine makes.
const live = 5 * time.Second

func (l *lag) check(t *testing.T, who string) {
	t.Helper()
	t.Logf("%s: of %d messages the latest came after %v", who, l.n, l.most.Round(time.Millisecond))
	if l.n == 0 || l.most > live {
		t.Errorf("%s: a message came after %v, not %v", who, l.most, live)
	}
}

const collectorPort = 9060

// add adds a server, and a collector by its name to the configuration.
func (r *rig) add(name string) *server {
	r.t.Helper()
	s := &server{r: r, name: name}
	addr := uplinkSubnet.Addr().Next()
	for range r.machines + 1 {
		addr = addr.Next()
	}
	s.addr = netip.AddrPortFrom(addr, collectorPort)
	s.plug(r.machine(), addr)
	dir := filepath.Join(r.lab.Dir(), "collected-"+name)
	r.must(os.Mkdir(dir, 0o755))
	s.tally = newTally(dir)
	set := "set collector " + name + " "
	r.configure(set+"address "+s.addr.String(), set+"transport "+string(r.transport))
	switch r.transport {
	case overTLS:
		r.configure(r.papers.lines(set)...)
		s.args = r.papers.serving(r.papers.good)
	case overUDP:
		s.tally.lanes, s.args = true, []string{"-udp"}
	case overNATS: // both lanes are in one stream
		s.tally.lanes, s.args = true, []string{"-nats"}
	}
	return s
}

// machine names the next machine.
func (r *rig) machine() string {
	r.machines++
	return fmt.Sprintf("far%d", r.machines)
}

// plug makes the server another machine.
func (s *server) plug(machine string, addr netip.Addr) {
	r := s.r
	r.t.Helper()
	h, err := r.lab.Host(machine)
	r.must(err)
	r.must(h.Attach(r.wan, machine, "up0", netip.PrefixFrom(addr, uplinkSubnet.Bits())))
	s.host, s.far = h, r.wan.Link(machine)
}

// collector is a collector's process.
type collector struct {
	*lab.Process
	stderr string // file
}

// collect starts a collector and returns when it listens.
func (s *server) collect(args ...string) *collector {
	r := s.r
	r.t.Helper()
	g := len(s.ran)
	self, err := os.Executable()
	r.must(err)
	cmd := s.host.Command(self, slices.Concat([]string{"-addr", s.addr.String(), "-dir", s.tally.dir, "-generation", strconv.Itoa(g)}, s.args, args)...)
	cmd.Env = append(os.Environ(), asCollector+"=1")
	c := &collector{stderr: filepath.Join(r.lab.Dir(), fmt.Sprintf("collector-%s-%d.log", s.name, g))}
	c.Process = r.start(cmd, c.stderr)
	s.ran = append(s.ran, c)
	r.until("the collector listens", func() bool {
		if ended(c.Process) {
			b, _ := os.ReadFile(c.stderr)
			r.t.Fatalf("the collector has ended: %s", b)
		}
		_, err := os.Stat(filepath.Join(s.tally.dir, readyName(g)))
		return err == nil
	})
	return c
}

// freeze stops a process until thaw or its death.
func (s *server) freeze(c *collector) { s.r.t.Helper(); s.r.must(c.Signal(syscall.SIGSTOP)) }
func (s *server) thaw(c *collector)   { s.r.t.Helper(); s.r.must(c.Signal(syscall.SIGCONT)) }

// scan reads what the collectors have read.
func (s *server) scan() *tally {
	r := s.r
	r.t.Helper()
	now, before := time.Now(), s.looked
	s.tally.arrived = func(n int) {
		if l := s.lag; l != nil && n >= l.from {
			l.n++
			l.most = max(l.most, before.Sub(r.gen.when(n)))
		}
	}
	r.must(s.tally.scan(func(g int) bool { return ended(s.ran[g].Process) }))
	s.looked = now
	return s.tally
}

// standstill is how long nothing may come while something waits and nothing is
// broken: longer than any pause of the probe's or of TCP's after such a fault.
func standstill() time.Duration { return pick(40*time.Second, patience) }

// delivered waits until all that was sent has been read by collectors, but for
// the numbers that except says may be missing, and returns how long that took.
func (s *server) delivered(except func(n int) bool) time.Duration {
	r := s.r
	r.t.Helper()
	begin, sent := time.Now(), r.gen.count()
	from := 0                // everything below has come or may be missing
	last, moved := -1, begin // how much had come when something came last
	r.until(fmt.Sprintf("all %d messages are delivered", sent), func() bool {
		y := s.scan()
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

// rxQueue is how many octets a process has not read of its TCP connections
// (proc(5), /proc/net/tcp).
func (s *server) rxQueue(c *collector) (octets int64) {
	r := s.r
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
func (s *server) full(c *collector) int64 {
	r := s.r
	r.t.Helper()
	last, since := int64(0), time.Now()
	r.until("the collector's receive buffer is full", func() bool {
		if n := s.rxQueue(c); n != last {
			last, since = n, time.Now()
		}
		return last > 64<<10 && time.Since(since) > 500*time.Millisecond
	})
	return last
}
