package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/clock"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/uplink"
	"heptap/hal/sysclock"
	"heptap/hep"
)

// openClock begins to watch the clock of the machine.
func (r *runner) openClock() {
	path := filepath.Join(r.cfg.Spool.Path, "clock.json")
	epochs, err := clock.OpenEpochs(path, bootID())
	if err != nil {
		r.log.Warn("the file is begun anew", "err", err)
	}
	r.epochs = epochs
	r.time = clock.New(clock.Options{Clock: sysclock.Clock{}, Epochs: epochs, Servers: func() []string { s, _ := r.timeServers(); return s }, Ask: clock.NTP,
		Coming: func() bool { _, known := r.timeServers(); return !known }, Hold: r.cfg.Time.Hold, Built: buildTime(), Log: r.log.With("task", "clock")})
	r.meters.Clock = r.time.State
}

// timeServers are those of the configuration, or else those that DHCP tells of.
func (r *runner) timeServers() (servers []string, known bool) {
	if s := r.cfg.Time.Servers.Items(); len(s) > 0 {
		return s, true
	}
	return r.host.timeServers()
}

// wall puts right when a record was made.
func (r *runner) wall(s record.Stamp) int64 {
	if r.epochs == nil {
		return s.Wall
	}
	return r.epochs.Wall(s)
}

// clockChunk is what a record says of the clock.
func clockChunk(s *clock.State) *hep.Clock {
	c := &hep.Clock{State: hep.ClockNever, Offset: s.Offset}
	switch {
	case s.Right:
		c.State = hep.ClockRight
	case s.Set:
		c.State = hep.ClockWas
	}
	return c
}

// clockKnown is what is known of the clock.
func (r *runner) clockKnown() hep.Clock {
	if c := r.clock.Load(); c != nil {
		return *c
	}
	return hep.Clock{State: hep.ClockNever}
}

// expired reports whether a record has been in the spool for longer than it may. A record of
// another agent cannot tell, for its time is by that agent's clock.
func (r *runner) expired(rec []byte) (expired, known bool) {
	s := record.StampOf(rec)
	if s.Relayed {
		return false, false
	}
	return r.clockSet() && time.Now().UnixNano()-r.wall(s) > int64(r.cfg.Spool.MaxAge), true
}

// made returns when a record was made, unless that was by another agent's clock, or by one that
// cannot have been right.
func (r *runner) made(rec []byte) (at time.Time, known bool) {
	s := record.StampOf(rec)
	at = time.Unix(0, r.wall(s))
	return at, !s.Relayed && !at.Before(buildTime()) && !at.After(time.Now())
}

// inTime is dial, once the time is right enough for records to leave.
func (r *runner) inTime(dial func(context.Context) (uplink.Conn, error)) func(context.Context) (uplink.Conn, error) {
	return func(ctx context.Context) (uplink.Conn, error) {
		if err := r.time.Wait(ctx); err != nil {
			return nil, err
		}
		return dial(ctx)
	}
}

// clockSet reports whether the clock can judge a certificate: it was right once since
// the start, and does not show a time before the program was built.
func (r *runner) clockSet() bool {
	return !time.Now().Before(buildTime()) && (r.time == nil || r.time.State().Set)
}

// bootID is the kernel's id of this boot, or one of our own where it has none.
func bootID() (b clock.Boot) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil && b.UnmarshalText([]byte(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))) == nil {
		return b
	}
	rand.Read(b[:]) // never fails
	return b
}

// buildTime is when what runs was committed, zero when that is not known.
func buildTime() time.Time {
	if n, err := strconv.ParseInt(committed, 10, 64); err == nil {
		return time.Unix(n, 0)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				t, _ := time.Parse(time.RFC3339, s.Value)
				return t
			}
		}
	}
	return time.Time{}
}

// notAsked is how long the first answer of a time server may take before that is
// a condition.
const notAsked = 30 * time.Second

// clock judges the time.
func (m *monitor) clock(now time.Time) {
	s := m.r.time.State()
	m.r.clock.Store(clockChunk(&s))
	switch {
	case s.Waiting != "" && (s.Err == nil || now.Sub(m.began) < notAsked):
		m.r.health.Set(condClock, health.Degraded, s.Waiting+"; records wait")
	case s.Waiting != "":
		m.r.health.Set(condClock, health.Fault, s.Waiting+"; records wait: "+s.Err.Error())
	case s.Err != nil && !s.Right:
		m.r.health.Set(condClock, health.Degraded, "the time may be wrong: "+s.Err.Error())
	default:
		m.r.health.Set(condClock, health.OK, "")
	}
}
