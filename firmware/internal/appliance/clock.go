package appliance

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// clockEvery is how often the time is kept: what the clock of a box without a
// battery is behind after a power cut, besides the time without power.
const clockEvery = 10 * time.Minute

// clockFile is on the data partition; its time of modification is the time.
func (b *Box) clockFile() string { return b.path(filepath.Join(dataDir, "clock")) }

// tellClock says what keeps the time while the power is off.
func (b *Box) tellClock(hardware string) {
	if hardware == "" {
		b.log.Info("no hardware clock: the time is kept on the data partition")
		hardware = "none: goes on from where it was"
	}
	b.status.set("hardware clock", "%s", hardware)
}

// setClock sees to it that the clock is not before a time that has certainly
// passed. Without a battery, clocks begin long ago, and collectors have no room for
// such records.
func (b *Box) setClock(passed time.Time, when string) {
	now := time.Now()
	if !now.Before(passed) {
		return
	}
	if err := b.Kernel.SetClock(passed); err != nil {
		b.log.Error("clock", "err", err)
		return
	}
	b.log.Warn("THE CLOCK WAS WRONG and is set to a time that has passed already; is its battery empty?",
		"was", now.UTC().Format(time.RFC3339), "is", passed.UTC().Format(time.RFC3339), "when", when)
}

// keptMost is how long after the build a time that was kept may be: a clock that
// once was far ahead must not stay so for ever.
const keptMost = 10 * 365 * 24 * time.Hour

// recallClock does that with the time that was kept.
func (b *Box) recallClock() {
	if info, err := os.Stat(b.clockFile()); err == nil && info.ModTime().Sub(b.Built) < keptMost {
		b.setClock(info.ModTime(), "the time was kept")
	}
}

// keepClock keeps the time until ctx is done, and then once more.
func (b *Box) keepClock(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.noteClock()
			return
		case <-tick.C:
			b.noteClock()
		}
	}
}

func (b *Box) noteClock() {
	now := time.Now()
	f, err := os.OpenFile(b.clockFile(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Chtimes(b.clockFile(), now, now)
	}
	if err != nil {
		b.log.Warn("the time is not kept", "err", err)
	}
}
