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
		gave := ""
		v := newVigil(dog, logTo(&log), func(what string) { gave = what })
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
		if !strings.Contains(log.String(), "waited_for=probe") || gave != "probe" {
			t.Error(gave, log.String())
		}
		feeds := dog.Feeds()
		v.vouch("too late", time.Hour)
		time.Sleep(hurry + time.Second)
		if dog.Feeds() != feeds || !dog.Bitten() {
			t.Error("a box that was given up was fed again")
		}
	})
}

// Without a watchdog somebody else hears of a box that is given up.
func TestVigilWithoutDog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, gave := time.Now(), ""
		v := newVigil(nil, logTo(&text{}), func(what string) { gave = what })
		v.vouch("boot", time.Minute)
		v.run(t.Context(), time.Second)
		if gave != "boot" || time.Since(began) != time.Minute {
			t.Errorf("gave up %q after %v", gave, time.Since(began))
		}
	})
}

func TestVigilFailingDog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log text
		dog := haltest.NewWatchdog("dog", 0)
		dog.Fail(errors.New("i/o error"))
		v := newVigil(dog, logTo(&log), func(string) {})
		v.vouch("boot", time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		v.run(ctx, time.Second)
		if n := strings.Count(log.String(), "cannot be fed"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}
