package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/bundle"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/fetch"
)

// upgrades brings updates to PID 1, one at a time.
type upgrades struct {
	host    *pid1
	board   string
	release appliance.Release
	trusted string // file of public keys
	file    string // where they are put
	busy    sync.Mutex
}

// newUpgrades returns nil where PID 1 is none of ours.
func newUpgrades(host *pid1, board string) *upgrades {
	if host.parent == nil {
		return nil
	}
	return &upgrades{host: host, board: board, release: thisRelease(), trusted: appliance.TrustedKeys, file: appliance.DownloadFile}
}

// systems is what a console has of the systems of a box.
func (u *upgrades) systems() *console.Systems {
	if u == nil {
		return nil
	}
	ask := func(verb string) func() error {
		return func() error { return u.host.end(context.Background(), verb) }
	}
	return &console.Systems{Show: func() string { text, _ := u.host.news(appliance.NewsSystems); return text },
		Install: func(ctx context.Context, url string, force bool, tell func(string)) (string, error) {
			return u.install(ctx, url, force, nil, tell)
		},
		InstallUSB: u.installUSB, Keep: ask(appliance.VerbUpgradeKeep), Back: ask(appliance.VerbUpgradeBack)}
}

// thisRelease is what this program is, to updates.
func thisRelease() appliance.Release {
	return appliance.Release{Release: bundle.Release{Version: version, Built: buildTime().Unix()}, Data: dataFormat}
}

// install gets an update, of a version that is not refused, and has PID 1 install it. It
// returns what is installed then.
func (u *upgrades) install(ctx context.Context, url string, force bool, refused []string, tell func(string)) (what string, err error) {
	if !u.busy.TryLock() {
		return "", errBusy
	}
	defer u.busy.Unlock()
	trusted, err := bundle.ReadPublic(u.trusted)
	if err != nil {
		return "", err
	}
	if _, err := fetch.Get(ctx, fetch.Options{URL: url, File: u.file, Trusted: trusted, Tell: tell,
		Suits: func(h bundle.Header) error {
			if slices.Contains(refused, h.Version) {
				return fmt.Errorf("version %s was %w on this box before: to try it again, upgrade by hand", h.Version, errGivenUp)
			}
			return appliance.Suits(h, u.board, u.release, force)
		}}); err != nil {
		return "", err
	}
	if what, err = u.ask(ctx, appliance.VerbUpgrade, map[bool]string{true: appliance.UpgradeForce}[force], tell); ctx.Err() == nil {
		err = errors.Join(err, os.Remove(u.file), os.Remove(u.file+fetch.Origin))
	}
	return what, err
}

// installUSB has PID 1 install a file of the USB stick, by default the one that
// scripts/image makes for this board.
func (u *upgrades) installUSB(ctx context.Context, name string, force bool, tell func(string)) (what string, err error) {
	if !u.busy.TryLock() {
		return "", errBusy
	}
	defer u.busy.Unlock()
	if name == "" {
		name = "heptap-" + u.board + ".update"
	}
	if force {
		name += " " + appliance.UpgradeForce
	}
	return u.ask(ctx, appliance.VerbUpgradeUSB, name, tell)
}

var errBusy = errors.New("another session is upgrading the box")

// ask has PID 1 install an update.
func (u *upgrades) ask(ctx context.Context, verb, text string, tell func(string)) (what string, err error) {
	asking, cancel := context.WithTimeout(ctx, settingsAtMost)
	defer cancel()
	if err := u.host.parent.Ask(asking, verb, text); err != nil {
		return "", err
	}
	return u.follow(ctx, tell)
}

var errGivenUp = errors.New("given up")

// halfHour is the most that a box comes later than it is told to.
const halfHour = 30 * time.Minute

// upgradeDaily takes the update that the configuration names, once a day, if it is newer.
func (r *runner) upgradeDaily(ctx context.Context) {
	if r.upgrades == nil || r.cfg.System.UpgradeFrom == "" {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	at := time.Duration(r.cfg.System.UpgradeAt)*time.Minute + lateBy(nodeName(r.cfg))
	for d := (daily{at: at}); ; {
		if d.due(time.Now(), r.clockSet()) && r.upgradeNow(ctx) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// upgradeNow looks for a newer update, and says whether the box restarts for one.
func (r *runner) upgradeNow(ctx context.Context) bool {
	refused, _ := r.host.news(appliance.NewsGivenUp)
	what, err := r.upgrades.install(ctx, r.cfg.System.UpgradeFrom, false, strings.Fields(refused), func(l string) { r.log.Info("upgrade", "how", l) })
	switch {
	case errors.Is(err, appliance.ErrNotNewer), errors.Is(err, errGivenUp):
		r.log.Info("no newer update", "url", r.cfg.System.UpgradeFrom, "why", err)
		return false
	case err == nil:
		r.log.Warn("upgraded, and restarting", "to", what)
		err = r.host.end(ctx, appliance.VerbRestart)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Error("not upgraded", "url", r.cfg.System.UpgradeFrom, "err", err)
	}
	return err == nil
}

// lateBy is by how much a box of that name comes later.
func lateBy(node string) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(node)) // never fails
	return time.Duration(h.Sum32()) % halfHour
}

// daily is something that is due once a day, at a time after midnight in UTC. A clock
// that is not set yet, or has just been, is no reason.
type daily struct {
	at   time.Duration
	day  int64
	seen bool
}

func (d *daily) due(now time.Time, set bool) bool {
	const day = 24 * time.Hour
	if !set {
		d.seen = false
		return false
	}
	today := now.Add(-d.at).Unix() / int64(day/time.Second)
	due := d.seen && today > d.day
	d.day, d.seen = today, true
	return due
}

// follow tells how an installation goes, and returns when it is over, or ctx is done.
func (u *upgrades) follow(ctx context.Context, tell func(string)) (what string, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for told := ""; ; {
		text, _ := u.host.news(appliance.NewsUpgrade)
		switch how, more, _ := strings.Cut(text, " "); how {
		case appliance.UpgradeDone:
			return more, nil
		case appliance.UpgradeFailed:
			return "", errors.New(more)
		}
		if text != told {
			told = text
			tell(text)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%w; the box goes on installing it: show systems", ctx.Err())
		case <-tick.C:
		}
	}
}
