package appliance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heptap/firmware/internal/durable"
	"heptap/hal"
)

// Why the box was started. What the watchdog says of it is not enough: many
// do not know, and none knows what nobody had heard of any more. So how the box ends is
// written down, and that it runs meanwhile.
const (
	ResetFirst    = "first-start"
	ResetOff      = "power-off" // in order
	ResetRestart  = "restart"   // in order
	ResetWatchdog = "watchdog"
	ResetPanic    = "kernel-panic"
	ResetPower    = "power-cut" // or whatever else ends a box without a word
	ResetUnknown  = "unknown"   // nothing was written down
)

// LastReset splits the news of that kind into one of the words above, and what
// there is to say of it.
func LastReset(text string) (cause, more string) {
	cause, more, _ = strings.Cut(text, ": ")
	return cause, more
}

const (
	endRuns  = "runs"
	endStuck = "watchdog: " // and what was waited for
)

func (b *Box) endFile() string { return b.path(filepath.Join(dataDir, "end")) }

// lookBack finds out why the box was started, and notes that it runs.
func (b *Box) lookBack(kept, panicked bool) (cause string) {
	text, err := readAtMost(b.endFile(), 1024)
	cause = lastReset(strings.TrimSpace(string(text)), err, kept, panicked, b.dogSaid)
	word, _ := LastReset(cause)
	switch word {
	case ResetWatchdog, ResetPanic:
		b.log.Error("THE BOX DID NOT END IN ORDER", "cause", cause)
	default:
		b.log.Info("last end", "cause", cause)
	}
	b.status.set("last end", "%s", cause)
	b.news.tell(NewsLastReset, cause)
	b.noteEnd(endRuns)
	return cause
}

// lastReset judges: what was written down, with the error of reading it; whether the
// data partition outlives the power; whether the kernel has left last words; what
// the watchdog says.
func lastReset(noted string, err error, kept, panicked bool, dog hal.ResetCause) string {
	why, stuck := strings.CutPrefix(noted, endStuck)
	switch {
	case panicked:
		return ResetPanic + ": see crashes on the data partition"
	case stuck:
		return ResetWatchdog + ": " + why
	case dog&hal.ResetByWatchdog != 0 && noted != ResetOff && noted != ResetRestart:
		return ResetWatchdog + ": the system itself was stuck"
	case noted == ResetOff || noted == ResetRestart:
		return noted
	case noted == endRuns && dog != 0:
		return ResetPower + ": the watchdog says " + dog.String()
	case noted == endRuns:
		return ResetPower
	case kept && errors.Is(err, fs.ErrNotExist):
		return ResetFirst
	}
	return ResetUnknown
}

// noteEnd writes down how the box ends, or that it runs.
func (b *Box) noteEnd(how string) {
	if err := durable.Write(b.endFile(), []byte(how+"\n"), 0o600); err != nil {
		b.log.Warn("how the box ends is not written down", "err", err)
	}
}

// stuck is called when nobody vouches for the box any more. It leaves what may
// help to find out why: the cause, and what each goroutine of the probe is doing.
// Without a watchdog the box restarts itself, as far as it still can.
func (b *Box) stuck(what string) {
	b.given.Store(true)
	noted := make(chan struct{})
	go func() { // the disk may be what is stuck
		b.noteEnd(endStuck + what + " was waited for in vain")
		close(noted)
	}()
	b.dumpProbe()
	if b.dog != nil {
		return
	}
	time.Sleep(hurry)
	select {
	case <-noted:
		b.Kernel.Sync()
	default:
	}
	b.log.Error("restarting without a watchdog")
	b.line.drain(consoleWait)
	if err := b.Kernel.End(Restart); err != nil {
		b.log.Error("restart", "err", err)
	}
}

// dumpProbe has the Go runtime of the probe say what each goroutine does, which
// ends it; that is kept as its last words.
func (b *Box) dumpProbe() {
	if s := b.child.Load(); s != nil {
		if err := s.dump(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			b.log.Warn("the probe's last words", "err", err)
		}
	}
}
