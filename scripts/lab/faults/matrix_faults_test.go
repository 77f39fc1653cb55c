package faults_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"heptap/scripts/lab"
)

// fault is a row's. do has the probe and traffic run, makes the fault, lets it
// last, and mends it.
type fault struct {
	name  string
	over  []transport // where there is such a thing
	told  []transport // where the probe knows that nothing is read while it lasts
	lines []string    // of the probe's configuration
	do    func(x *trial)
}

var (
	everywhere = []transport{overUDP, overTCP, overTLS, overNATS}
	streams    = []transport{overTCP, overTLS, overNATS}
	onlyTLS    = []transport{overTLS}
)

func faults() []*fault {
	return []*fault{
		{name: "link down", over: everywhere, told: streams, do: linkDown},
		{name: "refuse", over: everywhere, told: everywhere, do: refuse},
		{name: "black-hole", over: everywhere, told: streams, do: blackHole},
		{name: "RST mid-frame", over: streams, do: resetMidFrame},
		{name: "stall", over: everywhere, told: streams, do: stall},
		{name: "half-open", over: streams, told: streams, do: halfOpen},
		{name: "slow reader", over: everywhere, do: slowReader},
		{name: "kill -9", over: everywhere, told: everywhere, do: killed},
		{name: "freeze then kill", over: everywhere, told: streams, do: frozenThenKilled},
		{name: "collector restart", over: everywhere, do: restarts},
		{name: "flapping every 2 s", over: everywhere, do: flapping},
		{name: "DNS failure", over: everywhere, told: everywhere, do: namesFail,
			lines: []string{"set collector central address " + collectorName + ":9060"}},
		{name: "certificate expired", over: onlyTLS, told: onlyTLS, do: certificateExpired},
		{name: "client certificate refused", over: onlyTLS, told: onlyTLS, do: clientRefused},
	}
}

// The cable is pulled at the probe, where the carrier goes.
func linkDown(x *trial) {
	x.well()
	x.must(x.near.Pull())
	x.last()
	x.must(x.near.Plug())
}

// There is no collector yet.
func refuse(x *trial) {
	x.start()
	x.last()
	x.collect()
}

// Everything vanishes behind a switch, and nothing tells.
func blackHole(x *trial) {
	x.well()
	x.remember()
	x.must(x.far.Pull())
	x.last()
	x.must(x.far.Plug())
}

// Each connection is reset inside of a frame.
func resetMidFrame(x *trial) {
	flag := x.flag()
	x.well("-reset-after", "3001", "-while", flag.name)
	flag.set()
	x.last()
	flag.clear()
}

// The collector's process does nothing for a while.
func stall(x *trial) {
	c := x.well("-receive", "262144")
	x.freeze(c)
	x.last()
	x.thaw(c)
}

// The collector's machine loses power and starts again: it knows of no connection.
func halfOpen(x *trial) {
	c := x.well()
	x.must(x.far.Pull())
	x.kill(c.Process)
	x.last()
	x.replace()
	x.collect()
}

// The collector reads much more slowly than records are made.
func slowReader(x *trial) {
	flag := x.flag()
	x.well("-receive", "65536", "-pause", "400ms", "-while", flag.name)
	flag.set()
	x.last()
	flag.clear()
}

func killed(x *trial) {
	c := x.well()
	x.kill(c.Process)
	x.last()
	x.collect()
}

// The collector dies with its receive buffer full of what its kernel has acknowledged.
func frozenThenKilled(x *trial) {
	c := x.well("-receive", "262144")
	x.freeze(c)
	x.last()
	if x.over != overUDP {
		x.t.Logf("killed with %d octets acknowledged and unread", x.rxQueue(c))
	}
	x.kill(c.Process)
	x.collect()
}

// The collector is stopped in good order and started at once, again and again.
func restarts(x *trial) {
	c := x.well()
	for x.lasts(time.Second) {
		x.must(c.Stop(syscall.SIGTERM, patience))
		c = x.collect()
	}
}

func flapping(x *trial) {
	x.well()
	for {
		x.must(x.near.Pull())
		more := x.lasts(2 * time.Second)
		x.must(x.near.Plug())
		if !more || !x.lasts(2*time.Second) {
			return
		}
	}
}

// The collector's name cannot be resolved at first. Later, when it is known, that
// does no harm.
func namesFail(x *trial) {
	names := x.nameServer()
	names.sick.Store(true)
	c := x.collect()
	x.start()
	x.last()
	if names.failed.Load() == 0 {
		x.t.Error("the name server was not asked")
	}
	names.sick.Store(false)
	x.until("something is sent", func() bool { return x.scan().unique > 0 })
	names.sick.Store(true)
	x.kill(c.Process)
	x.collect()
}

func certificateExpired(x *trial) {
	c := x.well()
	x.kill(c.Process)
	c = x.collect("-certificate", x.papers.expired.certificate, "-key", x.papers.expired.key)
	x.last()
	x.kill(c.Process)
	x.collect()
}

// The collector refuses the probe's certificate, which TLS 1.3 tells the probe when
// it is long connected.
func clientRefused(x *trial) {
	c := x.well()
	x.kill(c.Process)
	c = x.collect("-client-ca", x.papers.strangers)
	x.last()
	x.kill(c.Process)
	x.collect()
}

// flagFile makes a collector sick.
type flagFile struct {
	r    *rig
	name string
}

func (r *rig) flag() *flagFile { return &flagFile{r, filepath.Join(r.lab.Dir(), "sick")} }

func (f *flagFile) set()   { f.r.t.Helper(); f.r.must(os.WriteFile(f.name, nil, 0o644)) }
func (f *flagFile) clear() { f.r.t.Helper(); f.r.must(os.Remove(f.name)) }

// remember has both ends know each other's hardware address for good, so that a
// link that is pulled behind a switch tells nobody anything.
func (r *rig) remember() {
	r.t.Helper()
	near, far := r.probeHost, r.host
	for i, h := range []*lab.Host{near, far} {
		peer := []*lab.Host{far, near}[i]
		out, err := exec.Command("ip", "-n", h.Name(), "neigh", "replace", peer.Addr.String(), "lladdr", r.hardware(peer), "dev", "up0", "nud", "permanent").CombinedOutput()
		if err != nil {
			r.t.Fatalf("ip neigh: %v: %s", err, out)
		}
	}
}

func (r *rig) hardware(h *lab.Host) (addr string) {
	r.t.Helper()
	r.must(h.Do(func() error {
		i, err := net.InterfaceByName("up0")
		if err == nil {
			addr = i.HardwareAddr.String()
		}
		return err
	}))
	return addr
}

// replace puts another machine in the place of a server, with the same addresses.
func (s *server) replace() {
	r := s.r
	r.t.Helper()
	hardware := r.hardware(s.host)
	s.plug(r.machine(), s.addr.Addr())
	if out, err := exec.Command("ip", "-n", s.host.Name(), "link", "set", "dev", "up0", "address", hardware).CombinedOutput(); err != nil {
		r.t.Fatalf("ip link: %v: %s", err, out)
	}
}
