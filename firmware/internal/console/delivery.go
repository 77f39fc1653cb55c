package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"heptap/firmware/internal/uplink"
)

// showUplink shows the law of the records.
func showUplink(l *Live, b *strings.Builder) error {
	up := l.Stages.Uplink()
	writeItems(b, collectorsOf(l, &up))
	unsaved(&up, b)
	return nil
}

func collectorFields() []string {
	return []string{"collector", "state", "reason", "address", "transport", "profile", "made", "confirmed", "memory", "disk", "waiting", "rate"}
}

func collectorItems(l *Live) ([]item, error) {
	up := l.Stages.Uplink()
	return collectorsOf(l, &up), nil
}

func collectorsOf(l *Live, up *uplink.Stats) (out []item) {
	p := l.Stages.Probe()
	for i := range up.Collectors {
		k, b := &up.Collectors[i], &strings.Builder{}
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
			if k.Duplicates > 0 {
				fmt.Fprintf(b, "  %d messages it had already, and has once\n", k.Duplicates)
			}
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
		out = append(out, item{text: b.String(), values: collectorValues(l, k)})
	}
	return out
}

// collectorValues are the fields of a collector, or of several that take each other's place: those have several
// addresses.
func collectorValues(l *Live, k *uplink.CollectorStats) values {
	state := k.State.String()
	if k.Removed {
		state = "removed"
	}
	v := valuesOf("collector", k.Collector, "state", state, "reason", k.Reason, "made", k.Made, "confirmed", k.Confirmed, "memory", k.InMemory, "disk", k.Spooled,
		"waiting", k.Backlog, "rate", fmt.Sprintf("%.1f", k.Rate))
	for _, c := range l.Config.Collector {
		if c.Name == k.Collector || slices.ContainsFunc(k.Members, func(m uplink.MemberStatus) bool { return m.Member == c.Name }) {
			v["address"], v["transport"], v["profile"] = append(v["address"], c.Address), append(v["transport"], string(c.Transport)), append(v["profile"], fmt.Sprint(c.Profile))
		}
	}
	return v
}

// unsaved shows what the end of the probe would cost.
func unsaved(up *uplink.Stats, b *strings.Builder) {
	if up.Unsaved.Most == 0 {
		return
	}
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	fmt.Fprintf(b, "power cut: would cost %d records now, not acknowledged and not on disk for %v; for %v at most so far, and a commit took %v at most\n",
		up.Unsaved.Records, round(up.Unsaved.For), round(up.Unsaved.Most), round(up.CommitMost))
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
