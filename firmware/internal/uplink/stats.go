package uplink

import (
	"errors"
	"strings"
	"time"

	"heptap/capture/record"
)

// ByClass counts records by their class.
type ByClass [record.NumClasses]uint64

// Sum returns the count of all classes.
func (b ByClass) Sum() uint64 {
	var n uint64
	for _, v := range b {
		n += v
	}
	return n
}

// Counts are one collector's books: records, since Open. The first two are what
// there was to send; the next eleven say where each of these is now, and Balance
// compares the two.
type Counts struct {
	Made      uint64 // taken by Append
	CarriedIn uint64 // in the spool at Open, not confirmed then

	Filtered        uint64  // not wanted by this collector
	Confirmed       uint64  // read by the collector: it answered a barrier
	SentUnconfirmed uint64  // sent as datagrams and not refused
	Released        uint64  // acknowledged by the kernel of a collector that answers no barrier
	InMemory        uint64  // not confirmed, in the memory tier
	Spooled         uint64  // not confirmed, on disk
	Shed            ByClass // refused at append for want of space, in memory or on disk
	Evicted         ByClass // the oldest, given up for want of space
	Expired         ByClass // given up on disk for their age: Options.Expired
	Quarantined     uint64  // set aside: the collector dies of it, or it cannot be encoded
	Damaged         uint64  // lost with a damaged spool

	Resent     uint64 // records sent once more, so duplicates at the collector at most
	Duplicates uint64 // of these, messages that a collector which answers for records had already, and has once

	Barriers uint64 // half-closes made
	NoAnswer uint64 // of these, not answered in time
	Broken   uint64 // connections that ended before their barrier, or with octets unread
	Dials    uint64 // connections attempted
}

// Balance returns what there was to send less what can be accounted for. It is
// always 0.
func (n *Counts) Balance() int64 {
	return int64(n.Made + n.CarriedIn - n.Filtered - n.Confirmed - n.SentUnconfirmed - n.Released - n.InMemory -
		n.Spooled - n.Shed.Sum() - n.Evicted.Sum() - n.Expired.Sum() - n.Quarantined - n.Damaged)
}

// State says how a collector is doing.
type State uint8

// The states of an uplink, as the panel shows them.
const (
	Down       State = iota // no connection, or one that leads nowhere
	Connecting              // dialling, or connected and not yet trusted after a failure
	Up                      // connected, no backlog
	Draining                // connected, sending what had to wait
)

var stateNames = [...]string{"down", "connecting", "up", "draining"}

// String returns the state's name as metrics print it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// Status is what health and panel need to know about one collector.
type Status struct {
	Collector   string
	State       State
	Since       time.Time     // when State began
	Reason      string        // what went wrong last; empty when nothing is
	Backlog     uint64        // records waiting on disk to be sent
	Held        uint64        // records on disk that are too old to be sent, as far as they have been found
	Unconfirmed int           // octets of records sent and not confirmed
	Removed     bool          // not configured any more: what waited for it is kept for a while
	Fallback    bool          // it answers no half-close: records are released by the resend tail
	Tail        uint64        // records of that tail: the collector's kernel has them, they are kept until more have followed
	Rate        float64       // records per second that leave the log for it, a mean that follows within some seconds
	Most        uint64        // records that were waiting on disk at most since Waiting: what has been drained is the difference
	Left        time.Duration // until none wait, as fast as they became fewer lately; 0: not known, or none do
	Waiting     time.Time     // since when some have been waiting on disk to be sent, in this run; zero: none are
	Next        time.Time     // when the next attempt to connect is made; zero: now, or none is needed
	Members     []MemberStatus
}

// Stats is a consistent snapshot of a Log.
type Stats struct {
	Collectors []CollectorStats
	Memory     int    // octets of the memory tier in use
	Refused    uint64 // what Append was given and was no record
	Damages    uint64 // times the spool was found damaged
	DiskErrors uint64 // commits and reads that failed for another reason
	DiskError  string // what the last commit failed of; empty when it did not
	Unsaved    Unsaved
	CommitMost time.Duration // what a commit took at most
}

// CollectorStats are one collector's part of Stats.
type CollectorStats struct {
	Status
	Counts
	Past
}

// Stats returns a snapshot. A Log without collectors has one entry, with an
// empty name, for what it keeps.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Memory: l.mem.used, Refused: l.refused, Damages: l.damages, DiskErrors: l.diskErrors, DiskError: l.diskError, CommitMost: l.commitMost}
	s.Unsaved = l.noteUnsaved(time.Now())
	for _, c := range l.collectors {
		s.Collectors = append(s.Collectors, CollectorStats{c.snapshot(), c.counts(), c.past})
	}
	return s
}

func (c *collector) counts() Counts {
	n := c.n
	if c.removed != nil {
		return n // nothing is made for it
	}
	n.Made = c.l.made
	for i, v := range c.l.shed {
		n.Shed[i] += v - c.spared[i]
	}
	n.InMemory = c.inMemory(c.l.disk, c.l.next)
	return n
}

func (c *collector) snapshot() Status {
	s := c.status
	s.Held = min(c.heldBack, c.n.Spooled)
	s.Backlog = c.n.Spooled - s.Held
	if s.Rate = c.pace.rate; s.Backlog > 0 {
		s.Waiting, s.Most = c.waitingSince, max(c.pace.most, s.Backlog)
	}
	if c.cfg.Members != nil {
		s.Members = c.cfg.Members()
	}
	s.Fallback, s.Removed = c.tail, c.removed != nil
	for _, f := range c.flights {
		s.Unconfirmed += f.size
		s.Tail += f.inTail()
		s.Backlog -= min(s.Backlog, c.sentFromDisk(f))
	}
	if since, silent := c.silentSince(); silent && s.State == Up {
		s.State, s.Since, s.Reason = Down, since, errSilent.Error()
	}
	if s.State == Up && c.backlogged() {
		s.State = Draining
	}
	if s.State == Draining && c.pace.drain > 0 {
		s.Left = time.Duration(float64(s.Backlog) / c.pace.drain * float64(time.Second))
	}
	return s
}

// sentFromDisk returns how many of f's records are on disk, in case that f fails
// or for another collector's sake.
func (c *collector) sentFromDisk(f *flight) (n uint64) {
	for i := range f.marks {
		if m := &f.marks[i]; m.from < c.l.disk {
			n += uint64(m.records) - c.inMemory(m.from, m.to)
		}
	}
	return n
}

// silentSince reports whether the live connection stands, but nothing of what
// was written to it has been acknowledged for so long that the records go to
// disk: TCP itself gives up only much later.
func (c *collector) silentSince() (time.Time, bool) {
	for _, f := range c.flights {
		if f.lane == c.live && !f.half && !c.cfg.Datagram && !f.heardAt.IsZero() {
			return f.heardAt, f.owed && time.Since(f.heardAt) > 2*c.l.o.SpillAfter
		}
	}
	return time.Time{}, false
}

// backlogged reports whether anything waits to be sent behind the live lane.
func (c *collector) backlogged() bool {
	if c.n.Spooled == 0 && c.livePos <= c.l.disk {
		return false
	}
	_, waiting := c.unclaimed(c.held, min(c.livePos, c.l.disk))
	return waiting && c.n.Spooled > 0
}

// setState changes the state and logs the change. why is nil when all is well.
func (c *collector) setState(s State, why error) {
	reason := ""
	if why != nil {
		reason = oneLine(why)
	}
	c.l.mu.Lock()
	old := c.status
	if s == Down {
		c.trouble(why)
	}
	if old.State != s {
		c.status.Since = time.Now()
	}
	c.status.State, c.status.Reason = s, reason
	backlog := c.n.Spooled
	c.l.mu.Unlock()
	if old.State == s && (old.Reason == reason || s != Down) {
		return
	}
	switch s {
	case Up:
		c.l.log.Info("uplink up", "collector", c.cfg.Name, "backlog", backlog, "duration", time.Since(old.Since))
	case Down:
		if errors.Is(why, errAborted) {
			c.l.log.Info("uplink closed", "collector", c.cfg.Name, "backlog", backlog)
			return
		}
		c.l.log.Warn("uplink down", "collector", c.cfg.Name, "err", reason)
	}
}

// pace is how fast records are done with.
type pace struct {
	at   time.Time
	done uint64
	rate float64

	backlog, most uint64  // records waiting on disk then, and at most
	drain         float64 // by how many a second they become fewer
}

// paceMean is how long the mean takes to follow, in seconds.
const paceMean = 5

// drained takes in how many wait on disk now, passed seconds after it was told last. While
// they become more there is nothing to say of how long they will.
func (p *pace) drained(backlog uint64, passed float64) {
	fewer := (float64(p.backlog) - float64(backlog)) / passed
	switch {
	case backlog == 0 || fewer <= 0 && p.drain < 1:
		p.drain = 0
	case p.drain == 0:
		p.drain = fewer
	default:
		p.drain = max(0, p.drain+(fewer-p.drain)*min(1, passed/paceMean))
	}
	p.backlog, p.most = backlog, max(p.most, backlog)
	if backlog == 0 {
		p.most = 0
	}
}

// measure is called by the keeper now and then.
func (c *collector) measure(now time.Time) {
	done, p := c.n.Confirmed+c.n.SentUnconfirmed+c.n.Released, &c.pace
	for _, f := range c.flights {
		for i := range f.marks {
			if m := &f.marks[i]; m.done {
				done += uint64(m.sent)
			}
		}
	}
	if passed := now.Sub(p.at).Seconds(); p.at.IsZero() || passed >= 1 {
		if passed < 60 {
			p.drained(c.snapshot().Backlog, passed)
			p.rate += (float64(max(done, p.done)-p.done)/passed - p.rate) * min(1, passed/paceMean)
		}
		p.at, p.done = now, done
	}
	switch waits := c.n.Spooled > 0 && c.snapshot().Backlog > 0; {
	case !waits:
		c.waitingSince = time.Time{}
	case c.waitingSince.IsZero():
		c.waitingSince = now
	}
}

// setNext takes note of when the next attempt is made.
func (c *collector) setNext(at time.Time) {
	c.l.mu.Lock()
	c.status.Next = at
	c.l.mu.Unlock()
}

// note records what went wrong on the backlog's connection, which does not make
// the uplink down.
func (c *collector) note(err error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.status.Reason = oneLine(err)
	c.trouble(err)
}

// oneLine is why an error happened to several that take each other's place, in a line.
func oneLine(why error) string { return strings.ReplaceAll(why.Error(), "\n", "; ") }
