package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/panel"
	"heptap/hal"
)

// lamp is an LED that can be looked at.
type lamp struct{ lit atomic.Bool }

func (l *lamp) Set(on bool) error { l.lit.Store(on); return nil }
func (l *lamp) Close() error      { return nil }
func (l *lamp) Name() string      { return "lamp" }

// TestTestLEDs looks at the LEDs in the middle of each step, while what they say otherwise changes.
func TestTestLEDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, uplink := new(lamp), new(lamp)
		f := &front{leds: map[panel.Role]hal.LED{panel.Uplink: uplink, panel.Status: status}, player: panel.NewPlayer(panel.State{Uplink: panel.UplinkUp}, nil)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			if err := f.player.Run(ctx, f.leds); err != nil {
				t.Error(err)
			}
		}()
		lines := make(chan string, 9)
		ended := make(chan error, 1)
		go func() { ended <- f.testLEDs(ctx, func(l string) { lines <- l }) }()
		for _, want := range []struct {
			line           string
			status, uplink bool
		}{{"status alone is lit", true, false}, {"uplink alone is lit", false, true}, {"all are lit", true, true}, {"none is lit", false, false}} {
			line := <-lines
			f.player.Update(func(s *panel.State) { s.Uplink = panel.UplinkConnecting })
			time.Sleep(testStepLED / 2)
			synctest.Wait()
			if line != want.line || status.lit.Load() != want.status || uplink.lit.Load() != want.uplink {
				t.Errorf("%q: status %v, uplink %v; want %+v", line, status.lit.Load(), uplink.lit.Load(), want)
			}
		}
		f.player.Update(func(s *panel.State) { s.Uplink = panel.UplinkUp })
		if line, err := <-lines, <-ended; err != nil || !strings.Contains(line, "again") {
			t.Errorf("%q, %v", line, err)
		}
		synctest.Wait()
		if !uplink.lit.Load() {
			t.Error("what the LED says is not shown again")
		}

		stop, cut := context.WithCancel(ctx)
		go func() { ended <- f.testLEDs(stop, func(string) { cut() }) }()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended early with %v", err)
		}
		if err := (&front{}).testLEDs(ctx, nil); err == nil {
			t.Error("no LEDs can be tested")
		}
	})
}
