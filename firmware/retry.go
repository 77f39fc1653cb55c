package main

import (
	"context"
	"sync"
	"time"

	"heptap/firmware/internal/uplink"
	"heptap/hal/links"
)

// A cable that is put in brings a carrier, an address and routes, one after the other: the
// collectors are tried at the first, and again, so far apart, while more comes.
const retryApart = time.Second

// retryWithWays has the collectors that are down tried at once when a way to them may have come back:
// they wait for half a minute otherwise.
func (r *runner) retryWithWays(ctx context.Context) {
	l, err := links.Open()
	if err != nil {
		r.log.Warn("cables, addresses and routes are not watched", "err", err)
		return
	}
	defer l.Close()
	var watch sync.WaitGroup
	defer watch.Wait()
	came := make(chan string, 1)
	watch.Go(func() {
		err := l.WatchWays(ctx, r.mirrorPort, func(what string) {
			select {
			case came <- what:
			default: // one waits already
			}
		})
		if err != nil && ctx.Err() == nil {
			r.log.Warn("cables, addresses and routes are not watched", "err", err)
		}
	})
	retryOn(ctx, came, func(what string) {
		if name := down(r.uplink.Stats()); name != "" {
			r.log.Info("trying the collectors again", "came", what, "collector", name)
			r.uplink.Retry()
		}
	})
}

// retryOn calls retry for what comes, until ctx is done.
func retryOn(ctx context.Context, came <-chan string, retry func(what string)) {
	for {
		select {
		case <-ctx.Done():
			return
		case what := <-came:
			retry(what)
		}
		if !pauseFor(ctx, retryApart) {
			return
		}
	}
}

// down names a collector that is not connected, if there is one.
func down(st uplink.Stats) string {
	for i := range st.Collectors {
		if c := &st.Collectors[i]; !c.Removed && c.Collector != "" && c.State != uplink.Up && c.State != uplink.Draining {
			return c.Collector
		}
	}
	return ""
}

// mirrorPort says whether a device is one, which leads nowhere.
func (r *runner) mirrorPort(device string) bool {
	for _, p := range r.cfg.Ports {
		if p.Interface == device {
			return true
		}
	}
	return false
}
