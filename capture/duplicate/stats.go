package duplicate

import "time"

// share is over so many seconds.
const shareSeconds = 10

// lagBounds are the upper bounds of PortStats.Lag, in nanoseconds.
var lagBounds = [...]int64{100e3, 1e6, 2e6, 5e6, 10e6, 20e6, 50e6}

// LagBuckets is the number of buckets of PortStats.Lag.
const LagBuckets = len(lagBounds) + 1

// LagBound returns the longest lag that bucket i of PortStats.Lag counts. The
// last one has none, and returns 0.
func LagBound(i int) time.Duration {
	if i < len(lagBounds) {
		return time.Duration(lagBounds[i])
	}
	return 0
}

// Stats are a table's totals, over all ports.
type Stats struct {
	Entries uint64 // held now
	Overrun uint64 // entries dropped that were younger than Window: the table was full
}

// PortStats are the running totals of the packets that came by one mirror port.
// Checked + Unjudged is how often Check was called. A copy that differs from the
// first one in two things counts in both.
type PortStats struct {
	Checked  uint64 // packets that could have been recognised
	Unjudged uint64 // TCP acknowledgements without identification
	Copies   uint64
	Again    uint64 // identical within Window, and taken for sent again

	ByTTL  uint64 // copies that differ in TTL: before and after a router
	ByTOS  uint64 // in TOS or traffic class, ECN left out
	ByVLAN uint64
	ByPort uint64 // the first came by another mirror port
	ByWrap uint64 // in what they were wrapped in, or how deep
	Alike  uint64 // in nothing: a mirror of both directions

	Lag    [LagBuckets]uint64 // copies by lag, see LagBound
	LagSum int64              // nanoseconds; divided by Copies the mean
	LagMax int64              // nanoseconds

	// The same as Checked and Copies, over the last ten seconds.
	RecentChecked, RecentCopies uint64
}

// Share returns the share of copies in the last ten seconds, 0 to 1.
func (s *PortStats) Share() float64 {
	if s.RecentChecked == 0 {
		return 0
	}
	return float64(s.RecentCopies) / float64(s.RecentChecked)
}

// port counts what comes by one mirror port.
type port struct {
	PortStats
	seconds [shareSeconds]second
}

// second is what came in one second of the monotonic clock.
type second struct {
	at              int64
	checked, copies uint64
}

func (t *Table) port(n uint8) *port {
	if t.ports[n] == nil {
		t.ports[n] = new(port)
	}
	return t.ports[n]
}

// second returns the place of mono. A packet that is earlier than ten seconds
// before others does not turn the clock back: it counts as theirs.
func (c *port) second(mono int64) *second {
	at := mono / int64(time.Second)
	s := &c.seconds[uint64(at)%shareSeconds]
	if s.at < at {
		*s = second{at: at}
	}
	return s
}

func (c *port) judged(mono int64) {
	c.Checked++
	c.second(mono).checked++
}

// copied counts a copy seen as v, of what was seen as first.
func (c *port) copied(mono, lag int64, first, v view) {
	c.Copies++
	c.second(mono).copies++
	alike := true
	for _, d := range [...]struct {
		differs bool
		count   *uint64
	}{
		{first.ttl != v.ttl, &c.ByTTL}, {first.dscp != v.dscp, &c.ByTOS}, {first.vlan != v.vlan, &c.ByVLAN},
		{first.port != v.port, &c.ByPort}, {first.encap != v.encap || first.depth != v.depth, &c.ByWrap},
	} {
		if d.differs {
			*d.count++
			alike = false
		}
	}
	if alike {
		c.Alike++
	}
	i := 0
	for i < len(lagBounds) && lag > lagBounds[i] {
		i++
	}
	c.Lag[i]++
	c.LagSum += lag
	c.LagMax = max(c.LagMax, lag)
}

// Advance moves the table's time to mono, which ends what is due, and publishes
// Stats and Port. Call it at least once a second.
func (t *Table) Advance(mono int64) {
	t.now = max(t.now, mono)
	t.expire()
	now := t.now / int64(time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total = Stats{Entries: uint64(t.held), Overrun: t.overrun}
	for i, c := range t.ports {
		if c == nil {
			continue
		}
		if t.published[i] == nil {
			t.published[i] = new(PortStats)
		}
		c.RecentChecked, c.RecentCopies = 0, 0
		for _, s := range c.seconds {
			if s.at > now-shareSeconds {
				c.RecentChecked += s.checked
				c.RecentCopies += s.copies
			}
		}
		*t.published[i] = c.PortStats
	}
}

// Stats returns the totals as of the last Advance. It may be called from any
// goroutine.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// Port returns the totals of a mirror port as of the last Advance; all zero if
// nothing came by it. It may be called from any goroutine.
func (t *Table) Port(n uint8) PortStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.published[n]; s != nil {
		return *s
	}
	return PortStats{}
}
