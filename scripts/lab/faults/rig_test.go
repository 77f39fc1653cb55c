package faults_test

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// patience is how long the tests wait for what takes seconds.
const patience = 2 * time.Minute

var uplinkSubnet = netip.MustParsePrefix("10.99.0.0/24")

// rig is a probe's surroundings.
type rig struct {
	t         *testing.T
	lab       *lab.Lab
	probeHost *lab.Host
	wan       *lab.Switch
	near      *lab.Link // the uplink at the probe's end
	machines  int       // in the wan that are servers, or were
	gen       *generator
	conf      string
	spool     string
	binary    string
	transport transport
	papers    *papers // over TLS
	resolver  string  // file: the probe's resolv.conf; empty is the machine's

	*server        // the first one
	probe   *probe // the running one, or the last
	runs    []*probe
	spooled int // octets of the spool in use, at most

	held            heldUp
	ages            []time.Duration // of the oldest message that each kill cost
	unsaved, commit time.Duration   // at most, as the probe has it
}

// transport is what the collector is reached over.
type transport string

const (
	overUDP transport = "udp"
	overTCP transport = "tcp"
	overTLS transport = "tls"

	overNATS transport = "nats" // the collector is a NATS server with a stream
)

// core says that a row runs over TLS in a short run, too.
const core, longOnly = true, false

// overBoth runs a test over TCP and over TLS.
func overBoth(t *testing.T, inCore bool, f func(t *testing.T, over transport)) {
	for _, over := range []transport{overTCP, overTLS} {
		t.Run(string(over), func(t *testing.T) {
			if over == overTLS && !inCore && !long() {
				t.Skip("a long one")
			}
			t.Parallel()
			f(t, over)
		})
	}
}

// rig builds the lab with a collector that is reached so. lines are added to the
// probe's configuration.
func (over transport) rig(t *testing.T, lines ...string) *rig {
	t.Helper()
	l, err := lab.Open()
	need(t, err)
	r := &rig{t: t, lab: l, spool: filepath.Join(l.Dir(), "spool"), conf: filepath.Join(l.Dir(), "probe.conf"), transport: over}
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
	if over == overTLS {
		r.papers = newPapers(t)
	}
	r.configure(
		"set system node faults", "set capture span0 interface span0", "set capture span0 ring-size 16MiB",
		"set capture span0 block-size 64KiB", // many blocks: one is used up every 10 ms, and the machine is busy
		"set spool path "+r.spool, "set metrics listen "+metricsAddr,
	)
	r.server = r.add("central")
	r.configure(lines...)
	return r
}

// newRig builds the lab with a collector that is reached over TCP.
func newRig(t *testing.T, lines ...string) *rig {
	t.Helper()
	return overTCP.rig(t, lines...)
}

// configure adds lines to the configuration of the probe's next run.
func (r *rig) configure(lines ...string) {
	r.t.Helper()
	f, err := os.OpenFile(r.conf, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	r.must(err)
	_, err = f.WriteString(strings.Join(append(lines, ""), "\n"))
	r.must(errors.Join(err, f.Close()))
}

func (r *rig) build() (err error) {
	if r.probeHost, err = r.lab.Host("probe"); err != nil {
		return err
	}
	wire, err := r.lab.Switch("wire")
	if err != nil {
		return err
	}
	if r.wan, err = r.lab.Switch("wan"); err != nil {
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
	r.near = r.wan.Link("near")
	return r.probeHost.Attach(r.wan, "near", "up0", netip.PrefixFrom(uplinkSubnet.Addr().Next(), uplinkSubnet.Bits()))
}

// must ends the test on an error of the lab's.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
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

// kill is kill -9; it returns when the process is gone.
func (r *rig) kill(p *lab.Process) {
	r.t.Helper()
	r.must(p.Signal(syscall.SIGKILL))
	<-p.Done()
}

// until waits for something that no program tells. Meanwhile the books of the
// probe must balance every time they are read.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			y := r.scan()
			books := ""
			if r.probe != nil && !ended(r.probe.Process) {
				books = uplinkText(r.metrics())
			}
			r.t.Fatalf("not within %v: %s; %d of %d messages have come, %d again; state %s; %s",
				patience, what, y.unique, r.gen.count(), y.again, r.state(), books)
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
