package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
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
	"heptap/firmware/internal/uplink"
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
		{path: words("show interfaces"), help: "every network port: the mirror ports with their frames and what their filters hide, the uplink with its addresses, gateways and name servers", run: plain((*session).showInterfaces)},
		{path: words("show lldp"), help: "the switches at the other end of the cables, as they present themselves by LLDP or CDP", run: looks(showNeighbours)},
		{path: words("show capture"), help: "what became of every frame, and what is said of the mirror", run: looks(showCapture)},
		{path: words("show encapsulations"), help: "what frames were wrapped in, and what could not be read", run: looks(showEncapsulations)},
		{path: words("show uplink"), help: "the collectors: state, and where every record is", run: looks(showUplink)},
		{path: words("show spool"), help: "the spool on disk", run: looks(showSpool)},
		{path: words("show memory"), help: "what the probe uses, and what it may use", run: looks(showMemory)},
		{path: words("show clock"), help: "the time here, and how long the capture has been running", run: looks(showClock)},
		{path: words("show sensors"), help: "temperatures, wear of storage, and why the box was started", run: looks(showSensors)},
		{path: words("show counters"), help: "every counter that is not zero", run: looks(func(l *Live, b *strings.Builder) error { return l.Stages.WriteText(b) })},
		{path: words("show messages"), help: "what the probe itself has logged last", run: plain((*session).showMessages)},
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

func stateText(k *uplink.CollectorStats) string {
	if k.Removed {
		return fmt.Sprintf("removed, %d records waiting on disk: %s", k.Spooled, k.Reason)
	}
	s := k.State.String()
	if !k.Since.IsZero() {
		s += fmt.Sprintf(" for %v", time.Since(k.Since).Round(time.Second))
	}
	s += fmt.Sprintf(", %d records confirmed, %d waiting on disk", k.Confirmed, k.Backlog)
	if k.Reason != "" {
		s += ": " + printable(k.Reason)
	}
	return s
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
		name, _, _ := strings.Cut(p.Inputs[i].Name, "/")
		if name == port {
			out = append(out, &p.Inputs[i])
		}
	}
	return out
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
	p := l.Stages.Probe()
	links := l.Links()
	for _, c := range l.Config.Ports {
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
	}
	if l.Stages.Hidden != nil {
		b.WriteString(printable(l.Stages.Hidden()))
	}
	return nil
}

// showCapture shows the law of the frames: what was received is what is told of.
func showCapture(l *Live, b *strings.Builder) error {
	p := l.Stages.Probe()
	for i := range p.Inputs {
		in := &p.Inputs[i]
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
	}
	if p.LinesShed > 0 {
		fmt.Fprintf(b, "%d received lines of logs left out while the CPU was short\n", p.LinesShed)
	}
	for i := range p.Ports {
		b.WriteString(printable(p.Ports[i].Report))
	}
	return nil
}

func showEncapsulations(l *Live, b *strings.Builder) error {
	p := l.Stages.Probe()
	for i := range p.Inputs {
		in := &p.Inputs[i]
		fmt.Fprintf(b, "%s: %d frames decoded\n", in.Name, in.Decoded)
		for e, n := range in.Encaps {
			if n > 0 {
				row(b, "  inside", "%d %s", n, capture.EncapName(e))
			}
		}
		unread := slices.Clone(in.NotRead)
		slices.SortFunc(unread, func(x, y probe.Unread) int { return cmp.Compare(y.Frames, x.Frames) })
		for _, u := range unread {
			row(b, "  not read", "%d %s", u.Frames, printable(u.Name))
		}
	}
	return nil
}

// showUplink shows the law of the records.
func showUplink(l *Live, b *strings.Builder) error {
	up, p := l.Stages.Uplink(), l.Stages.Probe()
	for i := range up.Collectors {
		k := &up.Collectors[i]
		name := cmp.Or(k.Collector, "(no collector)")
		fmt.Fprintf(b, "%s: %s\n", name, stateText(k))
		to(l, b, k.Collector)
		fmt.Fprintf(b, "  %d made + %d carried in =\n", k.Made, k.CarriedIn)
		for _, c := range []struct {
			name string
			n    uint64
		}{{"filtered", k.Filtered}, {"confirmed", k.Confirmed}, {"sent, unconfirmed", k.SentUnconfirmed}, {"released", k.Released}, {"in memory", k.InMemory}, {"on disk", k.Spooled},
			{"shed", k.Shed.Sum()}, {"evicted", k.Evicted.Sum()}, {"too old", k.Expired.Sum()}, {"set aside", k.Quarantined}, {"damaged", k.Damaged}} {
			if c.n > 0 {
				fmt.Fprintf(b, "    %10d %s\n", c.n, c.name)
			}
		}
		fmt.Fprintf(b, "  sent once more %d, barriers %d, not answered %d, connections %d of which broke %d\n", k.Resent, k.Barriers, k.NoAnswer, k.Dials, k.Broken)
		if stream(l, k.Collector) {
			b.WriteString("  a stream: its acknowledgement of each record confirms it, and there are no barriers\n")
		}
		backlog(l, k, b)
		past(k, b)
		if !k.Next.IsZero() {
			row(b, "  next attempt", "in %v", max(time.Until(k.Next), 0).Round(100*time.Millisecond))
		}
		members(l, k, b)
		for _, rd := range p.Readers {
			for _, r := range rd.Filter.Rules {
				if rd.Name == k.Collector {
					fmt.Fprintf(b, "  filter %s, %s: %d records\n", r.Name, r.Action, r.Records)
				}
			}
		}
		if k.Held > 0 {
			fmt.Fprintf(b, "  held back, too old for the collector: %d\n", k.Held)
		}
		if k.Fallback {
			b.WriteString("  it answers no half-close: records are released, not confirmed\n")
		}
	}
	return nil
}

// stream reports whether a collector is a stream of NATS.
func stream(l *Live, name string) bool {
	for _, c := range l.Config.Collector {
		if c.Name == name {
			return c.Transport.NATS()
		}
	}
	return false
}

// to says where a collector is, and which of its addresses are tried.
func to(l *Live, b *strings.Builder, name string) {
	for _, c := range l.Config.Collector {
		if c.Name != name {
			continue
		}
		row(b, "  to", "%s, %s, profile %s", c.Address, c.Transport, c.Profile)
		if l.Ways == nil {
			return
		}
		w := l.Ways()[name]
		if w.Address.IsValid() {
			row(b, "  connected", "last with %v", w.Address)
		}
		if len(w.Addresses) > 1 {
			row(b, "  addresses", "%v, tried in this order", w.Addresses)
		}
		if w.Resolve != "" {
			row(b, "  name", "%s", printable(w.Resolve))
		}
		if w.TLS != nil {
			row(b, "  TLS", "%s, %s, %s, pin %v", w.TLS.Version, w.TLS.Cipher, printable(w.TLS.Subject), w.TLS.Pin)
		}
		for _, e := range w.Expiries() {
			row(b, "  certificate", "%s", e.Text(time.Now()))
		}
		if w.Fragmented > 0 {
			row(b, "  fragmented", "%d datagrams were larger than the %d octets of a packet", w.Fragmented, w.MTU)
		}
		return
	}
}

// backlog shows how much waits, for how long, and how long it may still take.
func backlog(l *Live, k *uplink.CollectorStats, b *strings.Builder) {
	if k.Rate >= 0.05 {
		row(b, "  rate", "%.1f records/s", k.Rate)
	}
	if k.Backlog == 0 {
		return
	}
	text := fmt.Sprintf("%d records", k.Backlog)
	if k.Most > k.Backlog {
		text += fmt.Sprintf(" of %d (%d%% drained)", k.Most, 100*(k.Most-k.Backlog)/k.Most)
	}
	if held := l.Stages.Spool().Held.Total(); held.Records > 0 {
		text += fmt.Sprintf(", about %s", sizeText(int64(float64(held.Bytes)/float64(held.Records)*float64(k.Backlog))))
	}
	if !k.Waiting.IsZero() {
		text += fmt.Sprintf(", for %v", time.Since(k.Waiting).Round(time.Second))
	}
	if k.Left > 0 {
		text += fmt.Sprintf("; about %v left", k.Left.Round(time.Second))
	}
	row(b, "  waiting", "%s", text)
}

// past shows how old what waits is, and what was wrong before all was well again.
func past(k *uplink.CollectorStats, b *strings.Builder) {
	if k.Backlog > 0 && !k.Oldest.IsZero() {
		row(b, "  oldest", "of %s UTC, %v ago", k.Oldest.UTC().Format(time.DateTime), max(time.Since(k.Oldest), 0).Round(time.Second))
	}
	if k.Trouble != "" && k.Reason == "" {
		row(b, "  last error", "%v ago: %s", time.Since(k.TroubleAt).Round(time.Second), printable(k.Trouble))
	}
}

// members shows collectors that take each other's place.
func members(l *Live, k *uplink.CollectorStats, b *strings.Builder) {
	for _, m := range k.Members {
		state := "ready"
		switch {
		case m.Active && m.Failed:
			state = "in use, has failed"
		case m.Active:
			state = "in use"
		case m.Failed:
			state = "has failed"
		}
		if !m.Since.IsZero() {
			state += fmt.Sprintf(" for %v", time.Since(m.Since).Round(time.Second))
		}
		if m.Reason != "" {
			state += ": " + printable(m.Reason)
		}
		fmt.Fprintf(b, "  %s: %s; %s confirmed\n", m.Member, state, sizeText(int64(m.Confirmed)))
		if m.Member != k.Collector {
			to(l, b, m.Member)
		}
	}
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
	if l.Stages.Sensors != nil {
		temperatures, wear := l.Stages.Sensors()
		for _, t := range temperatures {
			limits := ""
			if t.High != 0 {
				limits += fmt.Sprintf(", too warm from %v", t.High)
			}
			if t.Critical != 0 {
				limits += fmt.Sprintf(", switches itself off at %v", t.Critical)
			}
			row(b, printable(t.Name), "%v%s", t.Now, limits)
		}
		for _, w := range wear {
			used := "not said"
			if w.Percent > 0 {
				used = fmt.Sprintf("at most %d %%", w.Percent)
			}
			row(b, printable(w.Device), "life used: %s; spare blocks: %v", used, w.Reserve)
		}
	}
	if b.Len() == 0 {
		b.WriteString("The kernel shows no sensors here.\n")
	}
	return nil
}

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

// tailSize is how much a Tail keeps.
const tailSize = 32 << 10

// Tail keeps the end of what is written to it, in whole lines. The zero Tail is
// empty. Any goroutine may use it.
type Tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if len(b) > tailSize {
		b = b[len(b)-tailSize:]
	}
	if over := len(t.b) + len(b) - tailSize; over > 0 {
		t.b = t.b[:copy(t.b, t.b[over:])]
	}
	t.b = append(t.b, b...)
	return n, nil
}

// String returns what is kept, from the first line that is whole.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := string(t.b)
	if len(t.b) == tailSize {
		_, s, _ = strings.Cut(s, "\n")
	}
	return s
}

func (s *session) showMessages() (string, error) {
	if s.c.o.Messages == nil {
		return "", errors.New("no messages are kept")
	}
	return printable(s.c.o.Messages.String()), nil
}
