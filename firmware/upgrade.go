package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// systems is what a console has of the systems of a box, nil where PID 1 is none of ours.
func (s *service) systems() *console.Systems {
	if s.host.parent == nil {
		return nil
	}
	u := &upgrades{host: s.host, board: s.board, release: thisRelease(), trusted: appliance.TrustedKeys, file: appliance.DownloadFile}
	ask := func(verb string) func() error {
		return func() error { return s.host.end(context.Background(), verb) }
	}
	return &console.Systems{Show: func() string { text, _ := s.host.news(appliance.NewsSystems); return text },
		Install: u.install, Keep: ask(appliance.VerbUpgradeKeep), Back: ask(appliance.VerbUpgradeBack)}
}

// thisRelease is what this program is, to updates.
func thisRelease() appliance.Release {
	return appliance.Release{Release: bundle.Release{Version: version, Built: buildTime().Unix()}, Data: dataFormat}
}

// install gets an update and has PID 1 install it. It returns what is installed then.
func (u *upgrades) install(ctx context.Context, url string, force bool, tell func(string)) (what string, err error) {
	if !u.busy.TryLock() {
		return "", errors.New("another session is upgrading the box")
	}
	defer u.busy.Unlock()
	text, err := os.ReadFile(u.trusted)
	if err != nil {
		return "", err
	}
	trusted, err := bundle.ParsePublic(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", u.trusted, err)
	}
	if _, err := fetch.Get(ctx, fetch.Options{URL: url, File: u.file, Trusted: trusted, Tell: tell,
		Suits: func(h bundle.Header) error { return appliance.Suits(h, u.board, u.release, force) }}); err != nil {
		return "", err
	}
	verb := map[bool]string{true: appliance.UpgradeForce}[force]
	asking, cancel := context.WithTimeout(ctx, settingsAtMost)
	defer cancel()
	if err := u.host.parent.Ask(asking, appliance.VerbUpgrade, verb); err != nil {
		return "", err
	}
	if what, err = u.follow(ctx, tell); ctx.Err() == nil {
		err = errors.Join(err, os.Remove(u.file), os.Remove(u.file+fetch.Origin))
	}
	return what, err
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
