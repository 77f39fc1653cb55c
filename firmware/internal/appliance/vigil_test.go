package appliance

import (
	"context"
	"errors"
	"io"
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

// TestVigilMeanwhile has something take its time between two signs of life: that time
// does not count, unless it is too long.
func TestVigilMeanwhile(t *testing.T) {
	for _, c := range []struct {
		takes, next time.Duration // after that, the next sign of life
		gives       string
	}{
		{time.Minute, 19 * time.Second, ""},
		{time.Minute, 21 * time.Second, "sign of life"},
		{4 * time.Minute, 0, "stick"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var gave string
			v := newVigil(nil, logTo(&text{}), func(what string) { gave = what })
			v.vouch("sign of life", 30*time.Second)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { v.run(ctx, time.Second); close(ended) }()
			time.Sleep(10 * time.Second)
			if err := v.meanwhile("stick", 3*time.Minute, func() error { time.Sleep(c.takes); return io.EOF }); err != io.EOF {
				t.Error(err)
			}
			time.Sleep(c.next)
			v.vouch("sign of life", 30*time.Second)
			time.Sleep(2 * time.Second)
			cancel()
			<-ended
			if gave != c.gives {
				t.Errorf("%+v: %q", c, gave)
			}
		})
	}
}
