package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"heptap/buffer"
	"heptap/capture/mirror"
	"heptap/capture/ring"
	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/panel"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
)

// Names of the conditions; those of ports and collectors go on with "/name".
const (
	condPort        = "port"
	condMirror      = "mirror"
	condDrops       = "kernel drops"
	condQueue       = "correlator"
	condShed        = "CPU"
	condStreams     = "reassembly"
	condStamps      = "timestamps"
	condIntake      = "intake"
	condSyslog      = "syslog"
	condClock       = "clock"
	condRestart     = "restart"
	condSystem      = "system"
	condUplink      = "uplink"
	condCertificate = "certificate"
	condSpool       = "spool"
	condSpoolErr    = "spool storage"
)

func healthRules() []health.Rule {
	return []health.Rule{{Cause: condPort, Effect: condMirror}, {Cause: condUplink, Effect: condSpool}, {Cause: condSpoolErr, Effect: condSpool}, {Cause: condWorn, Effect: condSpoolErr}}
}

const (
	monitorStep = 250 * time.Millisecond
	// stillShown is how long something that happened once still shows: drops, SIP.
	stillShown = 30 * time.Second
)

// monitor turns counters into conditions and into what the panel shows.
type monitor struct {
	r      *runner
	frames history
	drops  history
	sip    history
	queue  history
	shed   history
	lost   history
	spared history
	intake history
	lines  history
	hidden *hidden
	began  time.Time
	said   map[string]string // by mirror port: what the log was told of it
	kept   map[string]bool   // by collector: it was not there when it was looked at last, and something waited for it on disk
	large  map[string]int    // by collector: the MTU of which the log was told that its datagrams are too large
	shown  time.Time         // when the last sign of life was given
	life   life
	words  string // how the probe is, in a line
	mute   bool   // nobody takes signs of life
}

// history says when a running total last grew.
type history struct {
	total uint64
	grown time.Time
}

func (h *history) note(total uint64, now time.Time) {
	if total > h.total {
		h.grown = now
	}
	h.total = total
}

func (h *history) lately(now time.Time) bool {
	return !h.grown.IsZero() && now.Sub(h.grown) < stillShown
}

func newMonitor(r *runner) *monitor {
	return &monitor{r: r, mute: r.host.parent == nil, began: time.Now(), hidden: r.hidden, said: map[string]string{}, kept: map[string]bool{}, large: map[string]int{}}
}

func (m *monitor) run(ctx context.Context) {
	tick := time.NewTicker(monitorStep)
	defer tick.Stop()
	for {
		m.look(time.Now())
		m.signOfLife(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// life judges how far the pipeline has come: a worker that reads, and the merge behind
// it, which also does all the correlating and appends to the log, say so even when the
// network is quiet. In a flood they may be any time behind, but come on.
type life struct{ reached int64 }

const (
	lifeStep = time.Second
	lifeLag  = 5 * time.Second // how far behind the clock they may be without a move
)

// shows says whether the pipeline works, which has reached a time and is looked at now.
func (l *life) shows(reached, now int64) bool {
	moved := reached > l.reached
	l.reached = reached
	never := reached == math.MinInt64 // no port has come up yet
	return never || moved || now-reached <= int64(lifeLag)
}

// signOfLife tells whoever started the probe that the whole pipeline works.
func (m *monitor) signOfLife(now time.Time) {
	if m.mute || now.Sub(m.shown) < lifeStep || !m.life.shows(m.r.probe.Reached(), ringNow()) {
		return
	}
	m.shown = now
	if err := m.r.host.parent.Alive(m.words, systemTroubles(m.r.health.Snapshot())...); err != nil {
		m.r.log.Warn("nobody takes signs of life any more", "err", err)
		m.mute = true
	}
}

// systemTroubles names what does not work and may be the system's fault, such as a driver
// that it has no more: an update that has more of them than the system before it goes.
func systemTroubles(s health.Snapshot) (out []string) {
	for _, c := range s.Conditions {
		switch kind, _, _ := strings.Cut(c.Name, "/"); kind {
		case condPort, condUplink, condSpoolErr:
			if c.Level > health.OK {
				out = append(out, c.Name)
			}
		}
	}
	return out
}

func (m *monitor) look(now time.Time) {
	r := m.r
	st, up, sp := r.probe.Stats(), r.uplink.Stats(), r.spoolStats()
	var s panel.State
	s.Capture = m.capture(&st, now)
	m.hidden.note(st.Inputs, now, func(port, filter string, about uint64) {
		r.log.Warn("the filter of this port hides SIP", "port", port, "filter", filter, "messages_about", about)
	})
	m.others(now)
	m.clock(now)
	m.restart()
	m.system()
	s.Uplink, s.Spool = m.uplink(&up), m.spool(&up, &sp, now)
	m.ways(r.wayStates(), now)
	s.Health = r.health.Level()
	m.words = inWords(s, &up)
	r.front.player.Update(func(shown *panel.State) {
		s.Press, s.Test = shown.Press, shown.Test
		*shown = s
	})
}

// inWords is what the LEDs say, and how many records wait.
func inWords(s panel.State, up *uplink.Stats) string {
	said := panel.Meanings(s)
	text := fmt.Sprintf("%s; capture: %s; uplink: %s; spool: %s", said[panel.Status], said[panel.Capture], said[panel.Uplink], said[panel.Spool])
	if waiting := waiting(up); waiting > 0 {
		text += fmt.Sprintf(", %d records on disk", waiting)
	}
	return text
}

// waiting is how many records on disk the collector lacks that is furthest behind.
func waiting(up *uplink.Stats) (n uint64) {
	for i := range up.Collectors {
		if c := &up.Collectors[i]; !c.Removed {
			n = max(n, c.Spooled)
		}
	}
	return n
}

// capture judges the mirror ports.
func (m *monitor) capture(st *probe.Stats, now time.Time) panel.CaptureState {
	var received, drops, queue, spared uint64
	shed := st.LinesShed
	sip := st.Correlate.SIP.Load() - st.Correlate.SIPRelayed.Load() // those of the mirror ports
	for i := range st.Inputs {
		in := &st.Inputs[i]
		received += in.Source.Received
		drops += in.Source.KernelDrops
		queue += in.QueueDrops
		spared += in.StreamDrops
		shed += in.ShedTotal()
	}
	m.frames.note(received, now)
	m.drops.note(drops, now)
	m.queue.note(queue, now)
	m.shed.note(shed, now)
	m.spared.note(spared, now)
	m.sip.note(sip, now)
	m.condition(condDrops, m.drops.lately(now), health.Degraded, fmt.Sprintf("the kernel dropped frames, %d in all: a larger ring-size or a filter helps", drops))
	m.condition(condQueue, m.queue.lately(now), health.Degraded, fmt.Sprintf("%d messages not correlated: more signalling than this box can take", queue))
	m.condition(condShed, m.shed.lately(now), health.Degraded, fmt.Sprintf("%d messages worth least left out, so that calls are whole: more traffic than this box can take (show capture)", shed))
	m.condition(condStreams, m.spared.lately(now), health.Degraded, fmt.Sprintf("%d TCP segments, SCTP packets and fragments not looked at: more of them than this box can take", spared))
	m.stamps(st.Inputs)
	m.mirror(st.Ports)
	link := m.ports()
	switch {
	case !link:
		return panel.CaptureNoLink
	case m.drops.lately(now):
		return panel.CaptureDrops
	case m.sip.lately(now):
		return panel.CaptureCalls
	case m.frames.lately(now):
		return panel.CaptureNoSIP
	}
	return panel.CaptureNoFrames
}

// stamps says where frames have the system's time although the card's is configured.
func (m *monitor) stamps(inputs []probe.InputStats) {
	for i := range inputs {
		if t := &inputs[i].Timestamps; t.Wanted {
			m.condition(condStamps+"/"+inputs[i].Name, !t.Hardware, health.Degraded, t.String())
		}
	}
}

// others judges what others send: lines of logs, and HEP.
func (m *monitor) others(now time.Time) {
	if m.r.lines != nil {
		full := m.r.lines.Stats().Full
		m.lines.note(full, now)
		m.condition(condSyslog, m.lines.lately(now), health.Degraded, fmt.Sprintf("%d lines of logs dropped: more than this box can take", full))
	}
	if m.r.intake == nil {
		return
	}
	st := m.r.intake.Stats()
	lost := st.Drops[intake.DropQueue] + st.Drops[intake.DropShare]
	m.intake.note(lost, now)
	m.condition(condIntake, m.intake.lately(now), health.Degraded, fmt.Sprintf("%d HEP packets of other agents dropped: more than this box can take", lost))
}

// resetShown is how long after the boot a box that did not end in order says so.
const resetShown = time.Hour

// restart says that the box was reset, by whatever watches it.
func (m *monitor) restart() {
	why := m.r.host.lastReset()
	if why == "" {
		return // nobody says
	}
	cause, more := appliance.LastReset(why)
	bad := cause == appliance.ResetWatchdog || cause == appliance.ResetPanic
	if bad && time.Duration(ringNow()) > resetShown { // the monotonic clock begins with the boot
		bad = false
	}
	m.condition(condRestart, bad, health.Degraded, "the box was reset ("+cause+"): "+more)
}

// system says that the box has gone back to an earlier system.
func (m *monitor) system() {
	if why, known := m.r.host.news(appliance.NewsWhy); known {
		m.condition(condSystem, why != "", health.Degraded, why+"; another update, or the same by hand, ends this")
	}
}

// ports notes the state of each mirror port, and says whether one has link.
func (m *monitor) ports() (link bool) {
	for _, own := range m.r.own.rings {
		name := condPort + "/" + own.iface
		switch own.State() {
		case ring.StateUp:
			link = true
			m.r.health.Set(name, health.OK, "")
		case ring.StateNoCarrier:
			m.r.health.Set(name, health.Fault, "no link: is the cable plugged in at both ends?")
		case ring.StateDown:
			m.r.health.Set(name, health.Fault, "the device was set down")
		default:
			m.r.health.Set(name, health.Fault, "the device is gone")
		}
	}
	return link
}

// mirror notes what is wrong with the mirror ports, and logs what is new to say
// of one.
func (m *monitor) mirror(ports []probe.PortStats) {
	for i := range ports {
		p := &ports[i]
		if len(p.Verdicts) == 0 {
			continue
		}
		level, reason := health.OK, ""
		for j := range p.Verdicts {
			v := &p.Verdicts[j]
			if v.Kind == mirror.NoLink || !v.Accuses() {
				continue // the link has its own condition
			}
			if reason != "" {
				reason += "; "
			}
			reason += v.String()
			if level = max(level, health.Degraded); v.Severity == mirror.Fault {
				level = health.Fault
			}
		}
		m.r.health.Set(condMirror+"/"+p.Name, level, reason)
		v := &p.Verdicts[0]
		if kind := v.Kind.String(); m.said[p.Name] != kind && v.Kind != mirror.TooEarly {
			m.said[p.Name] = kind
			m.r.log.Info("mirror port", "port", p.Name, "verdict", kind, "text", v.String())
		}
	}
}

// uplink judges the collectors, and says how the worst of them is. A backlog that was
// drained between two looks shows all the same, until the next one.
func (m *monitor) uplink(up *uplink.Stats) panel.UplinkState {
	worst := panel.UplinkOff
	for _, s := range [...]panel.UplinkState{panel.UplinkUp, panel.UplinkDraining, panel.UplinkConnecting} {
		for i := range up.Collectors {
			if c := &up.Collectors[i]; c.Collector != "" && !c.Removed && m.shows(c) == s { // without any, records are only kept
				worst = s
			}
		}
	}
	for i := range up.Collectors {
		if c := &up.Collectors[i]; c.Collector != "" {
			m.collector(c)
		}
	}
	return worst
}

func (m *monitor) shows(c *uplink.CollectorStats) panel.UplinkState {
	switch {
	case c.State == uplink.Draining, c.State == uplink.Up && m.kept[c.Collector]:
		return panel.UplinkDraining
	case c.State == uplink.Up:
		return panel.UplinkUp
	}
	return panel.UplinkConnecting
}

// collector notes how one collector is.
func (m *monitor) collector(c *uplink.CollectorStats) {
	up := c.State == uplink.Up || c.State == uplink.Draining
	reason := c.Reason
	if reason == "" && !up {
		reason = "not connected yet"
	}
	m.condition(condUplink+"/"+c.Collector, reason != "" && !c.Removed, health.Degraded, reason)
	m.kept[c.Collector] = !up && c.Backlog > c.Held
	for i := range c.Members {
		s := &c.Members[i]
		switch name := condUplink + "/" + s.Member; {
		case c.Collector == groupName:
			m.condition(name, s.Failed, health.Degraded, s.Reason)
		case s.Member == c.Collector && s.Failed:
			m.condition(name, true, health.Degraded, "another one gets its share: "+s.Reason)
		}
	}
}

func (m *monitor) spool(up *uplink.Stats, sp *buffer.Stats, now time.Time) panel.SpoolState {
	var lost uint64
	for i := range up.Collectors {
		if c := &up.Collectors[i]; !c.Removed {
			lost = max(lost, c.Shed.Sum()+c.Evicted.Sum())
		}
	}
	m.lost.note(lost, now)
	s := panel.SpoolState{Cap: sp.LimitBytes, Evicting: m.lost.lately(now)}
	if waiting(up) > 0 {
		s.Bytes = max(sp.UsedBytes, 1)
	}
	full := s.Cap > 0 && s.Bytes > s.Cap/5*4
	switch {
	case s.Evicting:
		m.r.health.Set(condSpool, health.Fault, fmt.Sprintf("records are lost for want of space, %d in all", lost))
	case full:
		m.r.health.Set(condSpool, health.Degraded, "more than 80 % full")
	default:
		m.r.health.Set(condSpool, health.OK, "")
	}
	if err := m.r.spoolErr; err != nil {
		m.r.health.Set(condSpoolErr, health.Fault, "records are kept in memory only, until the disk works again: "+err.Error())
		return s
	}
	m.condition(condSpoolErr, up.DiskError != "", health.Fault, up.DiskError)
	return s
}

func (m *monitor) condition(name string, bad bool, level health.Level, reason string) {
	if !bad {
		level, reason = health.OK, ""
	}
	m.r.health.Set(name, level, reason)
}
