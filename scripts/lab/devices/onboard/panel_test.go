package onboard

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/hal"
	"heptap/hal/evdev"
	"heptap/hal/haltest"
	"heptap/hal/sysfs"
	"heptap/scripts/lab/guest/inside"
)

// TestLEDClass holds sysfs against a light of the kernel's LED class: that of a
// keyboard, which hears what the light is told.
func TestLEDClass(t *testing.T) {
	k := plug(t, "heptap test")
	defer k.unplug()
	name := light(t)
	dir := filepath.Join("/sys/class/leds", name)
	put(t, filepath.Join(dir, "trigger"), "none")
	haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
		l, err := sysfs.OpenLED("led", name)
		if err != nil {
			t.Fatal(err)
		}
		return haltest.LEDUnderTest{LED: l, Lit: k.light}
	})

	t.Run("given back", func(t *testing.T) {
		inside.Load(t, "ledtrig-timer")
		put(t, filepath.Join(dir, "trigger"), "timer")
		put(t, filepath.Join(dir, "delay_on"), "123")
		put(t, filepath.Join(dir, "delay_off"), "456")
		l, err := sysfs.OpenLED("led", name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(take(t, filepath.Join(dir, "trigger")), "[none]") || k.light() {
			t.Error("not taken from the timer, or lit")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got := []string{take(t, filepath.Join(dir, "delay_on")), take(t, filepath.Join(dir, "delay_off"))}
		if triggers := take(t, filepath.Join(dir, "trigger")); !strings.Contains(triggers, "[timer]") || got[0] != "123" || got[1] != "456" {
			t.Errorf("triggers %s, on and off %s", triggers, got)
		}
	})
}

// light returns the name of the keyboard's light.
func light(t *testing.T) string {
	t.Helper()
	all, err := filepath.Glob("/sys/class/leds/*::capslock")
	if err != nil || len(all) == 0 {
		t.Fatalf("no light: %v", err)
	}
	return filepath.Base(all[len(all)-1])
}

// TestInputEvents holds evdev against an input device that the test works.
func TestInputEvents(t *testing.T) {
	cfg := evdev.ButtonConfig{Device: "heptap*", Key: keyWPS}
	open := func(t *testing.T) hal.Button {
		b, err := evdev.OpenButton("button", cfg)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("conformance", func(t *testing.T) {
		k := plug(t, "heptap test")
		defer k.unplug()
		haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
			k.set(false)
			return haltest.ButtonUnderTest{Button: open(t), Press: func() { k.set(true) }, Release: func() { k.set(false) }}
		})
	})
	t.Run("gone and back", func(t *testing.T) {
		k := plug(t, "heptap test")
		b := open(t)
		events := make(chan hal.ButtonEvent, 16)
		for range 3 {
			done := make(chan error, 1)
			go func() { done <- b.Run(context.Background(), func(ev hal.ButtonEvent) { events <- ev }) }()
			expect(t, events, false)
			pressed := time.Now()
			k.set(true)
			if ev := expect(t, events, true); ev.At.Before(pressed) || ev.At.After(time.Now()) {
				t.Errorf("pressed at %v, reported as %v", pressed, ev.At)
			}
			k.unplug()
			if err := <-done; err == nil {
				t.Error("the device is gone, and Run returns nil")
			}
			if len(events) > 0 { // the kernel let go of the key first, and was slow
				expect(t, events, false)
			}
			k = plug(t, "heptap test")
		}
		k.unplug()
		if err := b.Run(context.Background(), func(hal.ButtonEvent) {}); err == nil {
			t.Error("Run without a device returns nil")
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("overrun", func(t *testing.T) {
		k := plug(t, "heptap test")
		defer k.unplug()
		b := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		found, block, done := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
		var events []hal.ButtonEvent
		go func() {
			done <- b.Run(ctx, func(ev hal.ButtonEvent) {
				if events = append(events, ev); len(events) == 1 {
					found <- struct{}{}
				}
				<-block
			})
		}()
		<-found
		for range 1000 { // far more than the kernel keeps
			k.set(true)
			k.set(false)
		}
		close(block)
		time.AfterFunc(2*time.Second, cancel)
		err := <-done
		if err != nil && !strings.Contains(err.Error(), "lost") {
			t.Error(err)
		}
		for i, ev := range events {
			if ev.Pressed != (i%2 == 1) {
				t.Errorf("event %d: pressed %t", i, ev.Pressed)
			}
		}
		t.Logf("%d events, %v", len(events), err)
	})
}

func expect(t *testing.T, events chan hal.ButtonEvent, pressed bool) hal.ButtonEvent {
	t.Helper()
	select {
	case ev := <-events:
		if ev.Pressed != pressed {
			t.Fatalf("pressed is %t", ev.Pressed)
		}
		return ev
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
		return hal.ButtonEvent{}
	}
}

// TestGPIOKeys is the way of a real board: a line of the PL061, gpio-keys of the
// device tree, an input event.
func TestGPIOKeys(t *testing.T) {
	inside.Load(t, "evdev")
	inside.Load(t, "gpio_keys")
	const keyPower = 116
	if _, err := evdev.OpenButton("button", evdev.ButtonConfig{Device: "gpio-keys", Key: keyWPS}); err == nil {
		t.Error("a key that the device does not have was opened")
	}
	haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
		inside.Ask(t, "pl061 drive 3 0")
		b, err := evdev.OpenButton("button", evdev.ButtonConfig{Device: "gpio-keys", Key: keyPower})
		if err != nil {
			devices, listErr := evdev.List()
			t.Fatal(errors.Join(err, listErr), devices)
		}
		return haltest.ButtonUnderTest{Button: b,
			Press:   func() { inside.Ask(t, "pl061 drive 3 1") },
			Release: func() { inside.Ask(t, "pl061 drive 3 0") }}
	})
}
