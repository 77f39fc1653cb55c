package mirror

import (
	"slices"
	"time"
	"unsafe"
)

// Config says how a Judge works.
type Config struct {
	Port string // the port's name, as reports print it
}

// MemoryBytes returns how much memory a Judge made from c holds, always; the
// names in samples are the caller's.
func (c Config) MemoryBytes() int64 { return int64(unsafe.Sizeof(Judge{})) + int64(len(c.Port)) }

const (
	second = int64(time.Second)
	minute = int64(time.Minute)

	maxGap    = 15 * second // between samples; after a longer one nothing is known of the time between
	tainted   = 30 * second // for how long after a drop in our own ring losses say nothing
	oblivion  = 10 * minute // a verdict for which there is no evidence any more lasts so long
	reluctant = 30 * second // a verdict lasts so long after the evidence began to speak against it
)

// Stats are a judge's running totals.
type Stats struct {
	Samples uint64 // observed
	Resets  uint64 // that made the judge forget: link down, clock or totals set back, a gap
}

// Judge makes verdicts on one mirror port. It is for one goroutine.
type Judge struct {
	config Config
	Stats  Stats

	begun  bool
	now    int64  // of the last sample
	totals counts // of the last sample
	latest Sample // the last sample, for what is "now"

	// Since the judge began or last forgot:
	epoch    int64 // when that was
	all      counts
	short    window // a minute
	long     window // ten minutes
	quiet    int64  // nanoseconds since the last frame
	clean    uint64 // segments seen since one was last acknowledged unseen
	bothAt   int64  // when a conversation was last seen both ways
	early    uint64 // StreamsStarted when the first half minute was over
	dropped  int64  // when our own ring last lost a frame
	unread   [2][MaxNamed]Named
	unreadAt int64

	states  [NumKinds]state
	scratch Verdict // what a rule fills in, so that it need not be allocated
}

// state is what has come of one kind of verdict.
type state struct {
	held    bool
	verdict Verdict // the last that was given, while held or on the way there
	pending bool
	since   int64 // when it began to hold
	last    int64 // when the evidence last spoke for it
	against int64 // since when it has spoken against it; valid when refuted
	refuted bool
}

// New returns a judge that has seen nothing.
func New(c Config) *Judge {
	j := &Judge{config: c}
	j.short.step, j.long.step = second, 10*second
	return j
}

// Observe takes the sample of the moment mono, which is meant to be about a
// second after the one before. It borrows s until it returns.
func (j *Judge) Observe(mono int64, s *Sample) {
	j.Stats.Samples++
	var d counts
	d.set(s)
	totals := d
	dt := mono - j.now
	switch {
	case !j.begun:
		j.forget(mono)
		j.begun = true
	case dt == 0:
		return
	case (s.Link == LinkDown) != (j.latest.Link == LinkDown), dt < 0, dt > maxGap, !d.since(&j.totals):
		j.Stats.Resets++
		j.forget(mono)
	default:
		d[cTime] = uint64(dt)
		j.take(mono, &d)
	}
	j.now, j.totals, j.latest = mono, totals, *s
	if j.bothWays() > 0 {
		j.bothAt = mono
	}
	if j.age() <= startUp {
		j.early = s.StreamsStarted
	}
	j.name(mono)
	j.judge()
}

// forget begins an epoch.
func (j *Judge) forget(mono int64) {
	j.epoch, j.all, j.quiet, j.dropped = mono, counts{}, 0, mono-tainted
	j.clean, j.bothAt = 0, mono-oblivion
	j.short.reset()
	j.long.reset()
	j.unreadAt = mono - 2*minute
	j.states = [NumKinds]state{}
}

// take adds what happened since the last sample to the windows.
func (j *Judge) take(mono int64, d *counts) {
	if d[cReceived] > 0 {
		j.quiet = 0
	} else {
		j.quiet += int64(d[cTime])
	}
	if d[cKernelDrops] > 0 {
		j.dropped = mono
	}
	if mono-j.dropped < tainted {
		// What our ring lost looks like the mirror's loss, and for a while after:
		// acknowledgements and reports come later than what they are about.
		clear(d[cLossFirst : cLossLast+1])
	}
	j.clean += d[cSeen]
	if d[cUnseen] > 0 {
		d[cLossTimes], j.clean = 1, 0
	}
	j.all.add(d)
	j.short.add(d)
	j.long.add(d)
}

// name keeps what was not understood at the beginning of this minute and of
// the one before.
func (j *Judge) name(mono int64) {
	if mono-j.unreadAt < minute {
		return
	}
	first := mono-j.unreadAt >= 2*minute
	j.unread[0] = j.unread[1]
	j.unread[1] = j.latest.UnreadByName
	if first {
		j.unread[0] = j.unread[1]
	}
	j.unreadAt = mono
}

// judge brings every state up to date.
func (j *Judge) judge() {
	if j.latest.Link == LinkDown {
		v := Verdict{Severity: Fault, Confidence: 99}
		j.settle(NoLink, yes, &v)
		return
	}
	for k := range TooEarly {
		j.scratch = Verdict{Window: time.Duration(j.short.sum[cTime])}
		finding := unknown
		if rule := rules[k]; rule != nil {
			finding = rule(j, &j.scratch)
		}
		j.settle(k, finding, &j.scratch)
	}
	j.conclude()
}

// conclude gives the verdict that there is always one of.
func (j *Judge) conclude() {
	var v Verdict
	v.Window = time.Duration(j.long.sum[cTime])
	healthy := unknown
	switch {
	case j.accused():
	case j.enough():
		healthy = yes
		v.Severity, v.Confidence = OK, j.assurance()
		j.describe(&v)
	}
	early := no
	if healthy != yes && !j.accused() {
		early = yes
	}
	w := Verdict{Severity: Note, Window: v.Window, Confidence: 99}
	j.describe(&w)
	// Of these two exactly one holds, or none: no hysteresis.
	j.states[Healthy].set(healthy == yes, j.now, &v)
	j.states[TooEarly].set(early == yes, j.now, &w)
}

// set makes s hold or not, at once.
func (s *state) set(held bool, now int64, v *Verdict) {
	if held && !s.held {
		s.since = now
	}
	s.held, s.verdict = held, *v
}

// accused reports whether any verdict that holds accuses the mirror, or
// something may explain why nothing is seen.
func (j *Judge) accused() bool {
	for k := range TooEarly {
		s := &j.states[k]
		if s.held {
			v := s.verdict
			v.Kind = k
			if v.Accuses() || k == CommonDrops {
				return true
			}
		}
	}
	return false
}

// patience is how long the evidence must speak for a verdict before it is
// given: one sample that is out of step with the others is no news.
const patience = 3 * second

// settle brings the state of kind k up to date: hysteresis is here, and only
// here.
func (j *Judge) settle(k Kind, f finding, v *Verdict) {
	s := &j.states[k]
	switch f {
	case yes:
		if !s.held && !s.pending {
			s.pending, s.since = true, j.now
		}
		s.last, s.refuted, s.verdict = j.now, false, *v
		if j.now-s.since >= patience || k == NoLink {
			s.held, s.pending = true, false
		}
	case no:
		s.pending = false
		if !s.refuted {
			s.refuted, s.against = true, j.now
		}
		if j.now-s.against >= reluctant || k == NoFrames {
			s.held = false
		}
	case unknown:
		s.pending = false
		if j.now-s.last >= oblivion {
			s.held = false
		}
	}
}

// Verdicts appends what holds now to dst and returns it: the worst first, and
// of equals in the order of Kind. There is always at least one, once a sample
// was observed.
func (j *Judge) Verdicts(dst []Verdict) []Verdict {
	first := len(dst)
	for k := range NumKinds {
		if s := &j.states[k]; s.held {
			v := s.verdict
			v.Kind, v.Since = k, s.since
			dst = append(dst, v)
		}
	}
	slices.SortStableFunc(dst[first:], func(a, b Verdict) int { return int(b.Severity) - int(a.Severity) })
	return dst
}
