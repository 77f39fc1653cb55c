package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	clocks "heptap/firmware/internal/clock"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/recent"
	"heptap/hal"
)

// Live is what runs, to be looked at.
type Live struct {
	Node    string
	Config  config.Config
	Stages  *metrics.Sources
	Recent  *recent.Store // nil: none are held
	Links   func() []Link
	Ways    func() map[string]reach.Status // to the collectors; nil: not known
	Started time.Time
	Mark    func(text, by string) error // makes a log record of this moment, and pins the packet memory

	Changes func() []health.Change // of the health's conditions, the newest last
	// TestUplink takes each step of the way to a collector, or to all if its name is
	// empty, and tells of each. The error says that there is nothing to test.
	TestUplink func(ctx context.Context, collector string, tell func(Step)) error

	// LEDs says what those of the front panel do and mean, on a board without any what
	// they would. nil: not known.
	LEDs func() string
	// TestLEDs lights one after the other, and tells which. nil: there are none.
	TestLEDs func(ctx context.Context, tell func(line string)) error

	Neighbours func() []Neighbours // by port; nil: not known

	Capture func(c Capture, by string) (outbox.File, packets.Result, error) // writes a file
	Unpin   func(id int) error
	Files   *outbox.Dir
}

// Link is a mirror port's device.
type Link struct{ Port, Device, State string }

var (
	errNotRunning = errors.New("nothing runs at this moment")
	errNoRecent   = errors.New("no records are held to be looked at; set recent memory 4MiB")
)

func (s *session) live() (*Live, error) {
	if s.c.o.Live != nil {
		if l := s.c.o.Live(); l != nil {
			return l, nil
		}
	}
	if why := s.c.trouble(); why != "" {
		return nil, fmt.Errorf("%w: %s", errNotRunning, why)
	}
	return nil, errNotRunning
}

// trouble says why nothing runs, empty where that is as it should be.
func (c *Console) trouble() string {
	if c.o.Trouble == nil {
		return ""
	}
	return c.o.Trouble()
}

func viewCommands() []command {
	return []command{
		{path: words("show status"), help: "how everything is, in a page", run: looks(showStatus)},
		view{path: "show interfaces", help: "every network port: the mirror ports with their frames and what their filters hide, the uplink with its addresses, gateways and name servers",
			unit: "ports", fields: portFields(), items: (*session).portItems, all: plain((*session).showInterfaces)}.command(),
		view{path: "show lldp", help: "the switches at the other end of the cables, as they present themselves by LLDP or CDP",
			unit: "devices", fields: neighbourFields(), items: looksAt(neighbourItems), all: looks(showNeighbours)}.command(),
		view{path: "show capture", help: "what became of every frame, and what is said of the mirror",
			unit: "inputs", fields: inputFields(), items: looksAt(inputItems), all: looks(showCapture)}.command(),
		view{path: "show encapsulations", help: "what frames were wrapped in, and what could not be read",
			unit: "kinds of frames", fields: encapsulationFields(), items: looksAt(encapsulationItems), all: looks(showEncapsulations)}.command(),
		view{path: "show uplink", help: "the collectors: state, and where every record is",
			unit: "collectors", fields: collectorFields(), items: looksAt(collectorItems), all: looks(showUplink)}.command(),
		{path: words("show spool"), help: "the spool on disk", run: looks(showSpool)},
		{path: words("show memory"), help: "what the probe uses, and what it may use", run: looks(showMemory)},
		{path: words("show clock"), help: "the time here, and how long the capture has been running", run: looks(showClock)},
		view{path: "show sensors", help: "temperatures, wear of storage, and why the box was started",
			unit: "sensors", fields: sensorFields(), items: looksAt(sensorItems), all: looks(showSensors)}.command(),
		view{path: "show counters", help: "every counter that is not zero",
			unit: "counters", fields: counterFields(), open: true, items: looksAt(counterItems), all: looks(func(l *Live, b *strings.Builder) error { return l.Stages.WriteText(b) })}.command(),
		view{path: "show messages", help: "what the probe itself has logged last",
			unit: "lines", fields: messageFields(), open: true, items: (*session).messageItems, all: plain((*session).showMessages)}.command(),
	}
}

// looks makes a command of one that looks at what runs.
func looks(show func(*Live, *strings.Builder) error) func(*session, []string) (string, error) {
	return plain(func(s *session) (string, error) {
		l, err := s.live()
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = show(l, &b)
		return b.String(), err
	})
}

func row(b *strings.Builder, name, format string, args ...any) {
	fmt.Fprintf(b, "%-14s "+format+"\n", append([]any{name}, args...)...)
}

func showStatus(l *Live, b *strings.Builder) error {
	h, p, up, sp := l.Stages.Health(), l.Stages.Probe(), l.Stages.Uplink(), l.Stages.Spool()
	row(b, "health", "%s", printable(h.Summary()))
	row(b, "probe", "%s, version %s, capturing for %v", l.Node, l.Stages.Version, time.Since(l.Started).Round(time.Second))
	if l.LEDs != nil {
		row(b, "LEDs", "%s", l.LEDs())
	}
	for _, k := range l.Links() {
		in := sumInputs(&p, k.Port)
		row(b, "port "+k.Port, "%s (%s): %d frames, %d dropped by the kernel", k.State, k.Device, in.Source.Received, in.Source.KernelDrops)
	}
	for i := range p.Ports {
		if v := p.Ports[i].Verdicts; len(v) > 0 {
			row(b, "mirror "+p.Ports[i].Name, "%s", printable(v[0].String()))
		}
	}
	c := p.Correlate
	row(b, "calls", "%d now, %d since the capture began, %d answered; %d SIP messages", c.Calls.Load(), c.CallsSeen.Load(), c.CallsEstablished.Load(), c.SIP.Load())
	row(b, "records", "%s", recordCounts(p.Records))
	for i := range up.Collectors {
		k := &up.Collectors[i]
		if k.Collector == "" {
			row(b, "uplink", "no collector: records wait in the spool")
			continue
		}
		if k.Removed {
			continue
		}
		row(b, "uplink "+k.Collector, "%s", stateText(k))
	}
	row(b, "spool", "%s of %s in use", sizeText(sp.UsedBytes), sizeText(sp.LimitBytes))
	conditions(b, &h)
	return nil
}

// conditions lists what is not as it should be.
func conditions(b *strings.Builder, h *health.Snapshot) {
	for _, c := range h.Conditions {
		if c.Level == health.OK {
			continue
		}
		why := printable(c.Reason)
		if c.Cause != "" {
			why += " (because of " + c.Cause + ")"
		}
		fmt.Fprintf(b, "! %s, %v for %v: %s\n", c.Name, c.Level, time.Since(c.Since).Round(time.Second), why)
	}
}

func recordCounts(n map[record.Type]uint64) string {
	var types []record.Type
	for t := range n {
		types = append(types, t)
	}
	slices.Sort(types)
	var out []string
	for _, t := range types {
		out = append(out, fmt.Sprintf("%v %d", t, n[t]))
	}
	if len(out) == 0 {
		return "none yet"
	}
	return strings.Join(out, ", ")
}

// inputsOf are the inputs of a port, which has one for each ring.
func inputsOf(p *probe.Stats, port string) (out []*probe.InputStats) {
	for i := range p.Inputs {
		if portOf(&p.Inputs[i]) == port {
			out = append(out, &p.Inputs[i])
		}
	}
	return out
}

func portOf(in *probe.InputStats) string {
	port, _, _ := strings.Cut(in.Name, "/")
	return port
}

func sumInputs(p *probe.Stats, port string) (sum probe.InputStats) {
	for _, in := range inputsOf(p, port) {
		sum.Source.Received += in.Source.Received
		sum.Source.KernelDrops += in.Source.KernelDrops
		sum.Octets += in.Octets
		sum.Timestamps.Add(&in.Timestamps)
	}
	return sum
}

func showInterfaces(l *Live, b *strings.Builder) error {
	writeItems(b, mirrorItems(l))
	if l.Stages.Hidden != nil {
		b.WriteString(printable(l.Stages.Hidden()))
	}
	return nil
}

// mirrorItems are the mirror ports.
func mirrorItems(l *Live) (out []item) {
	p := l.Stages.Probe()
	links := l.Links()
	for _, c := range l.Config.Ports {
		b := &strings.Builder{}
		state := "unknown"
		for _, k := range links {
			if k.Port == c.Name {
				state = k.State
			}
		}
		in := sumInputs(&p, c.Name)
		fmt.Fprintf(b, "%s on %s: %s\n", c.Name, c.Interface, state)
		row(b, "  rings", "%d of %s", c.Rings, sizeText(c.RingSize))
		row(b, "  frames", "%d, %d dropped by the kernel, %s decoded", in.Source.Received, in.Source.KernelDrops, sizeText(int64(in.Octets)))
		if t := &in.Timestamps; t.Wanted {
			row(b, "  timestamps", "%s", t)
			row(b, "", "%d by the card, %d of it refused, %d not stamped by it; given up %d times", t.Stamped, t.Refused, t.Unstamped, t.Fallbacks)
		}
		if c.Filter != "" {
			row(b, "  filter", "%s", c.Filter)
		}
		out = append(out, item{text: b.String(), values: valuesOf("use", useMirror, "port", c.Name, "device", c.Interface, "state", state, "rings", c.Rings,
			"frames", in.Source.Received, "drops", in.Source.KernelDrops, "octets", in.Octets, "filter", c.Filter)})
	}
	return out
}

// showCapture shows the law of the frames: what was received is what is told of.
func showCapture(l *Live, b *strings.Builder) error {
	p := l.Stages.Probe()
	writeItems(b, inputsOfProbe(&p))
	if p.LinesShed > 0 {
		fmt.Fprintf(b, "%d received lines of logs left out while the CPU was short\n", p.LinesShed)
	}
	for i := range p.Ports {
		b.WriteString(printable(p.Ports[i].Report))
	}
	return nil
}

func inputFields() []string {
	return []string{"input", "port", "frames", "drops", "decoded", "not_taken", "fragments", "truncated", "rtp", "streams"}
}

func inputItems(l *Live) ([]item, error) {
	p := l.Stages.Probe()
	return inputsOfProbe(&p), nil
}

func inputsOfProbe(p *probe.Stats) (out []item) {
	for i := range p.Inputs {
		in, b := &p.Inputs[i], &strings.Builder{}
		fmt.Fprintf(b, "%s: %d frames = %d dropped by the kernel + %d decoded + %d not taken", in.Name, in.Source.Received, in.Source.KernelDrops, in.Decoded, in.DroppedTotal())
		if n := in.InFlight(); n != 0 {
			fmt.Fprintf(b, " + %d under way", n)
		}
		b.WriteString("\n")
		for r, n := range in.Dropped {
			if n > 0 {
				row(b, "  not taken", "%d: %v", n, capture.DropReason(r))
			}
		}
		for k, n := range in.Protocols {
			if n > 0 {
				row(b, "  datagrams", "%d %v", n, capture.Protocol(k))
			}
		}
		for _, c := range []struct {
			name string
			n    uint64
		}{{"TCP segments", in.Segments}, {"with nothing to read", in.Ignored}, {"SCTP packets", in.SCTP}, {"IP fragments", in.Fragments},
			{"inside TURN", in.Relayed}, {"not correlated", in.QueueDrops}, {"not looked at", in.StreamDrops}, {"truncated", in.Truncated}} {
			if c.n > 0 {
				row(b, "  "+c.name, "%d", c.n)
			}
		}
		for class, n := range in.Shed {
			if n > 0 {
				row(b, "  left out", "%d of class %v, while the CPU was short", n, record.Class(class))
			}
		}
		row(b, "  RTP", "%d packets, %d streams now", in.Media.Packets, in.Media.Confirmed)
		out = append(out, item{text: b.String(), values: valuesOf("input", in.Name, "port", portOf(in), "frames", in.Source.Received, "drops", in.Source.KernelDrops, "decoded", in.Decoded,
			"not_taken", in.DroppedTotal(), "fragments", in.Fragments, "truncated", in.Truncated, "rtp", in.Media.Packets, "streams", in.Media.Confirmed)})
	}
	return out
}

func showEncapsulations(l *Live, b *strings.Builder) error {
	p := l.Stages.Probe()
	for i := range p.Inputs {
		b.WriteString(decodedText(&p.Inputs[i]))
		for _, it := range wrappings(&p.Inputs[i]) {
			b.WriteString(it.text)
		}
	}
	return nil
}

func decodedText(in *probe.InputStats) string {
	return fmt.Sprintf("%s: %d frames decoded\n", in.Name, in.Decoded)
}

func encapsulationFields() []string { return []string{"input", "port", "what", "name", "frames"} }

func encapsulationItems(l *Live) (out []item, err error) {
	p := l.Stages.Probe()
	for i := range p.Inputs {
		out = append(out, wrappings(&p.Inputs[i])...)
	}
	return out, nil
}

// wrappings are what frames of an input were wrapped in, and what could not be read.
func wrappings(in *probe.InputStats) (out []item) {
	add := func(what, name string, n uint64) {
		var b strings.Builder
		row(&b, "  "+what, "%d %s", n, printable(name))
		out = append(out, item{above: decodedText(in), text: b.String(), values: valuesOf("input", in.Name, "port", portOf(in), "what", what, "name", name, "frames", n)})
	}
	for e, n := range in.Encaps {
		if n > 0 {
			add("inside", capture.EncapName(e), n)
		}
	}
	unread := slices.Clone(in.NotRead)
	slices.SortFunc(unread, func(x, y probe.Unread) int { return cmp.Compare(y.Frames, x.Frames) })
	for _, u := range unread {
		add("not read", u.Name, u.Frames)
	}
	return out
}

func counterFields() []string { return []string{"name", "value"} }

// counterItems are the counters that are not zero. Their labels are fields.
func counterItems(l *Live) (out []item, err error) {
	for _, m := range l.Stages.Read() {
		if m.Value == 0 {
			continue
		}
		v := valuesOf("name", strings.TrimPrefix(m.Name, "heptap_"), "name", m.Name, "value", strconv.FormatFloat(m.Value, 'f', -1, 64))
		for i := 0; i+1 < len(m.Labels); i += 2 {
			v[m.Labels[i]] = append(v[m.Labels[i]], m.Labels[i+1])
		}
		out = append(out, item{text: m.Text(), values: v})
	}
	return out, nil
}

func showSpool(l *Live, b *strings.Builder) error {
	sp, up := l.Stages.Spool(), l.Stages.Uplink()
	row(b, "directory", "%s", l.Config.Spool.Path)
	row(b, "in use", "%s of %s, the file has %s", sizeText(sp.UsedBytes), sizeText(sp.LimitBytes), sizeText(sp.FileBytes))
	for class := range record.NumClasses {
		if n := sp.Held[class].Records; n > 0 {
			row(b, "records", "%d %v", n, class)
		}
	}
	row(b, "memory tier", "%s of %s", sizeText(int64(up.Memory)), sizeText(l.Config.Spool.Memory))
	row(b, "commits", "%d", sp.Commits)
	if sp.Damaged+sp.Corrupt > 0 {
		row(b, "damage", "%d files set aside, %d records skipped", sp.Damaged, sp.Corrupt)
	}
	if sp.Quarantined > 0 {
		row(b, "quarantine", "%d records", sp.Quarantined)
	}
	if up.DiskError != "" {
		row(b, "error", "%s", printable(up.DiskError))
	}
	return nil
}

func showMemory(l *Live, b *strings.Builder) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var rings int64
	for _, p := range l.Config.Ports {
		rings += p.RingSize * int64(p.Rings)
	}
	row(b, "budget", "%s at most, of these %s for rings", sizeText(l.Stages.Budget), sizeText(rings))
	row(b, "heap", "%s live, %s taken from the system", sizeText(int64(m.HeapAlloc)), sizeText(int64(m.HeapSys-m.HeapReleased)))
	if n, err := residentOctets(); err == nil {
		row(b, "resident", "%s, the program and the rings among them", sizeText(n))
	}
	row(b, "goroutines", "%d", runtime.NumGoroutine())
	if l.Stages.Packets != nil {
		p := l.Stages.Packets()
		row(b, "packets", "%s of %s, back to %v for signalling and %v for media headers; %d marks pinned",
			sizeText(int64(p.Octets)), sizeText(int64(p.Limit)), p.Signalling.Round(time.Second), p.Media.Round(time.Second), len(p.Pins))
	}
	if l.Stages.Recent == nil {
		row(b, "recent", "no records are held to be looked at")
		return nil
	}
	r := l.Stages.Recent()
	row(b, "recent", "%d records over %v, %s of %s; let go: %d for want of room, %d for their age, too large: %d",
		r.Records, r.Span.Round(time.Second), sizeText(int64(r.Octets)), sizeText(int64(r.Limit)), r.Evicted, r.Aged, r.Refused)
	return nil
}

// residentOctets is how much memory the kernel says that this process has (proc(5), statm).
func residentOctets() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, err
	}
	return pages * int64(os.Getpagesize()), nil
}

func showClock(l *Live, b *strings.Builder) error {
	now := time.Now()
	row(b, "now", "%s", now.UTC().Format("2006-01-02 15:04:05.000 UTC"))
	if l.Stages.Clock != nil {
		clockRows(b, l.Stages.Clock(), l.Config.Time.Servers != "")
	}
	row(b, "capturing", "for %v", time.Since(l.Started).Round(time.Second))
	b.WriteString("Times in lists are in UTC.\n")
	return nil
}

// clockRows says how right the time is, and who says so.
func clockRows(b *strings.Builder, s clocks.State, configured bool) {
	right := "not known to be right"
	if s.Right {
		right = "right"
	}
	row(b, "state", "%s; stepped %d times since the start", right, s.Steps)
	switch {
	case len(s.Servers) == 0:
		row(b, "servers", "none; to have the clock kept: set time servers HOST")
	case configured:
		row(b, "servers", "%s", printable(strings.Join(s.Servers, ", ")))
	default:
		row(b, "servers", "%s, by DHCP", printable(strings.Join(s.Servers, ", ")))
	}
	if s.Waiting != "" {
		row(b, "records", "wait: %s", s.Waiting)
	}
	if !s.At.IsZero() {
		row(b, "server", "%s, at %s: the clock was off by %v", s.Server, s.At.UTC().Format(time.TimeOnly), -s.Offset.Round(10*time.Microsecond))
	}
	if s.Rounds > 0 {
		row(b, "asked", "%d times, %d in vain; next at %s", s.Rounds, s.Failed, s.Next.UTC().Format(time.TimeOnly))
	}
	if s.Err != nil {
		row(b, "error", "%v", s.Err)
	}
}

func showSensors(l *Live, b *strings.Builder) error {
	if l.Stages.Reset != nil {
		if cause := l.Stages.Reset(); cause != "" {
			row(b, "last start", "%s", printable(cause))
		}
	}
	items, err := sensorItems(l)
	writeItems(b, items)
	if b.Len() == 0 {
		b.WriteString("The kernel shows no sensors here.\n")
	}
	return err
}

func sensorFields() []string {
	return []string{"name", "celsius", "high", "critical", "used", "reserve"}
}

func sensorItems(l *Live) (out []item, err error) {
	if l.Stages.Sensors == nil {
		return nil, nil
	}
	temperatures, wear := l.Stages.Sensors()
	for _, t := range temperatures {
		v, limits := valuesOf("name", t.Name, "celsius", degrees(t.Now)), ""
		if t.High != 0 {
			limits += fmt.Sprintf(", too warm from %v", t.High)
			v["high"] = []string{degrees(t.High)}
		}
		if t.Critical != 0 {
			limits += fmt.Sprintf(", switches itself off at %v", t.Critical)
			v["critical"] = []string{degrees(t.Critical)}
		}
		var b strings.Builder
		row(&b, printable(t.Name), "%v%s", t.Now, limits)
		out = append(out, item{text: b.String(), values: v})
	}
	for _, w := range wear {
		v, used := valuesOf("name", w.Device, "reserve", w.Reserve), "not said"
		if w.Percent > 0 {
			used = fmt.Sprintf("at most %d %%", w.Percent)
			v["used"] = []string{strconv.Itoa(w.Percent)}
		}
		var b strings.Builder
		row(&b, printable(w.Device), "life used: %s; spare blocks: %v", used, w.Reserve)
		out = append(out, item{text: b.String(), values: v})
	}
	return out, nil
}

func degrees(c hal.MilliCelsius) string { return strconv.FormatFloat(float64(c)/1000, 'f', 1, 64) }

func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
