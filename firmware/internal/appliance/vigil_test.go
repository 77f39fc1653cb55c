package appliance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal/haltest"
)

func TestVigil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log text
		dog := haltest.NewWatchdog("dog", 0)
		v := newVigil(dog, logTo(&log))
		v.vouch("boot", 3*time.Minute)
		ended := make(chan struct{})
		go func() { v.run(t.Context(), 5*time.Second); close(ended) }()
		time.Sleep(2 * time.Minute)
		// A step that is done no longer counts, though it had more time.
		v.vouch("probe", 30*time.Second)
		time.Sleep(29 * time.Second)
		if dog.Bitten() || strings.Contains(log.String(), "not fed any more") {
			t.Fatalf("not fed in time: %s", log.String())
		}
		v.vouch("probe", 30*time.Second)
		<-ended
		if !strings.Contains(log.String(), "waited_for=probe") {
			t.Error(log.String())
		}
		feeds := dog.Feeds()
		v.vouch("too late", time.Hour)
		time.Sleep(haltest.WatchdogDefault + time.Second)
		if dog.Feeds() != feeds || !dog.Bitten() {
			t.Error("a box that was given up was fed again")
		}
	})
}

func TestVigilWithoutDog(t *testing.T) {
	v := newVigil(nil, logTo(&text{}))
	v.vouch("boot", time.Minute)
	v.run(t.Context(), time.Second) // returns
}

func TestVigilFailingDog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log text
		dog := haltest.NewWatchdog("dog", 0)
		dog.Fail(errors.New("i/o error"))
		v := newVigil(dog, logTo(&log))
		v.vouch("boot", time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		v.run(ctx, time.Second)
		if n := strings.Count(log.String(), "cannot be fed"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}
