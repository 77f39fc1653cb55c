package faults_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

const metricsAddr = "127.0.0.1:9107"

// probe is a run of heptap.
type probe struct {
	*lab.Process
	log  string // file
	last box.Metrics
	http *http.Client
}

// run starts the probe and returns when it captures.
func (r *rig) run() *probe {
	r.t.Helper()
	p := &probe{log: filepath.Join(r.lab.Dir(), fmt.Sprintf("probe-%d.log", len(r.runs)))}
	p.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: r.dial}}
	args := []string{r.binary, "run", "-config", r.conf}
	if r.resolver != "" { // ip netns exec gives a program its own view of what is mounted
		args = append([]string{"sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, r.resolver}, args...)
	}
	cmd := r.probeHost.Command(args[0], args[1:]...)
	p.Process = r.start(cmd, p.log)
	r.probe = p
	r.runs = append(r.runs, p)
	r.until("the probe captures", func() bool {
		if ended(p.Process) {
			r.t.Fatal("the probe has ended")
		}
		m, err := p.fetch()
		if err == nil {
			p.last = m
		}
		return err == nil
	})
	return p
}

// dial reaches the loopback of the probe's namespace.
func (r *rig) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = r.probeHost.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// fetch asks the probe for its metrics. Labels come without quotes.
func (p *probe) fetch() (box.Metrics, error) {
	resp, err := p.http.Get("http://" + metricsAddr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", resp.Status)
	}
	m := box.Metrics{}
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		line := in.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || !strings.HasPrefix(line, "heptap_") {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		m[strings.ReplaceAll(line[:i], `"`, "")] = v
	}
	return m, in.Err()
}

// metrics asks the running probe, and checks the accounting law of the uplink.
func (r *rig) metrics() box.Metrics {
	r.t.Helper()
	m, err := r.probe.fetch()
	if err != nil {
		r.t.Fatalf("the probe does not answer: %v", err)
	}
	r.probe.last = m
	r.spooled = max(r.spooled, int(m.Sum("heptap_spool_used_bytes")))
	if d := imbalance(m); d != 0 {
		r.t.Errorf("the books do not balance: %.0f records: %s", d, uplinkText(m))
	}
	return m
}

// imbalance is what the uplink's accounting law leaves over, added up over those
// collectors where it leaves something.
func imbalance(m box.Metrics) (d float64) {
	for key := range m {
		base, labels, _ := strings.Cut(key, "{")
		if base != "heptap_uplink_made_total" {
			continue
		}
		of := strings.TrimSuffix(labels, "}") // collector=NAME
		d += math.Abs(m[key] + m.Sum("heptap_uplink_carried_in_total", of) - m.Sum("heptap_uplink_records", of) -
			m.Sum("heptap_uplink_shed_total", of) - m.Sum("heptap_uplink_evicted_total", of) - m.Sum("heptap_uplink_expired_total", of))
	}
	return d
}

// made is how many records there are, which is the same for every collector.
func made(m box.Metrics) (n int) {
	for key, v := range m {
		if strings.HasPrefix(key, "heptap_uplink_made_total{") {
			n = max(n, int(v))
		}
	}
	return n
}

func place(m box.Metrics, name string, labels ...string) int {
	return int(m.Sum("heptap_uplink_records", append(labels, "place="+name)...))
}

func uplinkText(m box.Metrics) string {
	var b strings.Builder
	for _, name := range []string{"made", "carried_in", "shed", "evicted", "resent", "barriers", "unanswered", "broken", "dials"} {
		fmt.Fprintf(&b, "%s %.0f, ", name, m.Sum("heptap_uplink_"+name+"_total"))
	}
	for _, name := range []string{"filtered", "confirmed", "sent unconfirmed", "released", "in memory", "spooled", "set aside", "damaged"} {
		fmt.Fprintf(&b, "%s %d, ", name, place(m, name))
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// state is the state the probe says the uplink is in.
func (r *rig) state() string {
	r.t.Helper()
	if r.probe == nil || ended(r.probe.Process) {
		return "no probe"
	}
	m := r.metrics()
	for _, s := range []string{"down", "connecting", "up", "draining"} {
		if m.Sum("heptap_uplink_state", "state="+s) == 1 {
			return s
		}
	}
	return "none"
}

// captured waits until the probe has made a record of all that was sent to
// this run of it, and checks the accounting law of the capture side. before is
// how much was sent before this run.
func (r *rig) captured(before int) {
	r.t.Helper()
	want := float64(r.gen.count() - before)
	var m box.Metrics
	r.until("all messages are captured", func() bool {
		m = r.metrics()
		if kernel, queue := m.Sum("heptap_frames_kernel_drops_total"), m.Sum("heptap_queue_drops_total"); kernel+queue > 0 {
			r.t.Fatalf("%.0f frames dropped by the kernel, %.0f messages by the probe: this machine is too slow for the test", kernel, queue)
		}
		return m.Sum("heptap_sip_messages_total") >= want && float64(made(m)) >= want
	})
	if n := made(m); float64(n) != want {
		r.t.Errorf("%d records made of %.0f messages", n, want)
	}
	// The probe reads the kernel's count now and then.
	r.until("the kernel's count of frames is read", func() bool { m = r.metrics(); return frames(m) >= 0 })
	if d := frames(m); d != 0 {
		r.t.Errorf("%.0f frames received that are neither decoded nor dropped", d)
	}
}

// frames is what the capture side's accounting law leaves over.
func frames(m box.Metrics) float64 {
	return m.Sum("heptap_frames_received_total") - m.Sum("heptap_frames_kernel_drops_total") -
		m.Sum("heptap_frames_decoded_total") - m.Sum("heptap_frames_dropped_total") - m.Sum("heptap_frames_unread_total")
}

// stop ends the probe as an operator would, and returns the counters it
// printed in the end.
func (r *rig) stop() box.Metrics {
	r.t.Helper()
	r.must(r.probe.Stop(syscall.SIGTERM, patience))
	b, err := os.ReadFile(r.probe.log)
	r.must(err)
	m := printed(string(b))
	r.probe.last = m
	if m.Sum("heptap_frames_received_total") == 0 {
		r.t.Fatal("the probe has printed no counters")
	}
	if d := frames(m); d != 0 {
		r.t.Errorf("in the end %.0f frames received are neither decoded nor dropped nor unread", d)
	}
	if d := imbalance(m); d != 0 {
		r.t.Errorf("in the end the books do not balance: %.0f records: %s", d, uplinkText(m))
	}
	return m
}

var counter = regexp.MustCompile(`(?m)^([a-z_]+) +(|[^ =]+=.*?[^ ]) +([0-9]+)$`)

// printed reads the counters of metrics.Sources.WriteText.
func printed(s string) box.Metrics {
	m := box.Metrics{}
	for _, f := range counter.FindAllStringSubmatch(s, -1) {
		v, err := strconv.ParseFloat(f[3], 64)
		if err == nil {
			m["heptap_"+f[1]+"{"+f[2]+"}"] = v
		}
	}
	return m
}

// said is the end of the probe's log.
func (p *probe) said(lines int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// total adds up a counter over all runs of the probe. Of one that was killed
// it is what was last read.
func (r *rig) total(name string, labels ...string) (n int) {
	for _, p := range r.runs {
		n += int(p.last.Sum(name, labels...))
	}
	return n
}

// finish ends a test in which nothing may be missing: all that was sent is
// delivered, confirmed and accounted for.
func (r *rig) finish() {
	r.t.Helper()
	took := r.delivered(nil)
	m := r.stop()
	r.settle(took)
	if want := int(m.Sum("heptap_uplink_made_total") + m.Sum("heptap_uplink_carried_in_total")); place(m, "confirmed") != want {
		r.t.Errorf("stopped with a good collector, and not everything is confirmed: %s", uplinkText(m))
	}
}

// unconfirmedMax is the most a connection may have unconfirmed (uplink.Options),
// and with it what one failure can cost in duplicates.
const unconfirmedMax = 16 << 20

// settle checks what has to hold after every fault, when the probe has ended:
// nothing but whole messages as they were sent, in order within each
// connection, duplicates counted and bounded.
func (s *server) settle(took time.Duration) {
	r := s.r
	r.t.Helper()
	y, of := s.scan(), "collector="+s.name
	if err := y.quietly(); err != nil {
		r.t.Error(err)
	}
	resent, broken := r.total("heptap_uplink_resent_total", of), r.total("heptap_uplink_broken_total", of)+r.total("heptap_uplink_unanswered_total", of)
	if len(r.runs) == 1 && y.again > resent {
		r.t.Errorf("%d duplicates, and the probe says it sent %d again", y.again, resent)
	}
	if bound := uint64(broken+len(r.runs)) * unconfirmedMax; y.octets > bound {
		r.t.Errorf("%d octets came again, over %d failures", y.octets, broken)
	}
	if y.unique > r.gen.count() {
		r.t.Errorf("%d different messages came, of %d", y.unique, r.gen.count())
	}
	missing := y.missing(r.gen.count())
	if took > 20*time.Second {
		r.t.Logf("that took long; the probe said:\n%s", r.probe.said(80))
	}
	r.t.Logf("%s: sent %d, missing %d, duplicates %d, resent %d, over %d connections (%d failed); recovered in %v",
		s.name, r.gen.count(), len(missing), y.again, resent, y.connections(), broken, took)
}
