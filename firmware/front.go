package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
	"periph.io/x/conn/v3/gpio"

	"heptap/board"
	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/panel"
	"heptap/hal"
	"heptap/hal/evdev"
	"heptap/hal/periphgpio"
	"heptap/hal/sysfs"
	paneldraw "heptap/hal/term"
)

// front is the board's front panel: whatever LEDs and button it has.
type front struct {
	stderr io.Writer // where log lines may go without spoiling the drawing
	leds   map[panel.Role]hal.LED
	button hal.Button // nil: none
	draw   *paneldraw.Panel
	player *panel.Player
	held   atomic.Bool // the button is pressed, and not yet for so long that it asks for more
	closer []io.Closer
}

// openPanel opens what the board's description names. A board whose GPIO
// lines cannot be had runs without a panel: capturing is worth more.
func openPanel(e *env, d board.Description, level slog.Leveler) (*front, error) {
	f := &front{stderr: e.stderr, leds: map[panel.Role]hal.LED{}}
	var err error
	switch d.Panel {
	case board.PanelTerm:
		err = f.openTerm(e, d)
	case board.PanelGPIO:
		if err = f.openGPIO(d); err != nil {
			slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})).Warn("no front panel", "board", d.Name, "err", err)
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("panel: %w", err), f.close())
	}
	f.player = panel.NewPlayer(panel.State{Booting: true}, slog.New(slog.NewTextHandler(f.stderr, &slog.HandlerOptions{Level: level})))
	return f, nil
}

func (f *front) openTerm(e *env, d board.Description) error {
	out, ok := e.stderr.(*os.File)
	if !ok {
		return errors.New("standard error is no file")
	}
	cfg := paneldraw.Config{Button: "button"}
	for _, l := range d.LEDs {
		cfg.Lights = append(cfg.Lights, paneldraw.Light{Name: l.Role, Colour: l.Colour})
	}
	var err error
	if term.IsTerminal(int(e.stdin.Fd())) {
		f.draw, err = paneldraw.Open(e.stdin, out, cfg)
	} else {
		cfg.Out, cfg.Live = out, term.IsTerminal(int(out.Fd()))
		f.draw = paneldraw.New(cfg)
	}
	if err != nil {
		return err
	}
	f.closer = append(f.closer, f.draw)
	f.stderr = f.draw.Writer()
	for _, l := range d.LEDs {
		led, err := f.draw.LED(l.Role)
		if err != nil {
			return err
		}
		f.add(l.Role, led)
	}
	f.button, err = f.draw.Button()
	return err
}

func (f *front) openGPIO(d board.Description) error {
	lines := sync.OnceValues(periphgpio.Open) // not on a board without GPIO lines
	for _, l := range d.LEDs {
		led, err := openLED(lines, l)
		if err != nil {
			return err
		}
		f.add(l.Role, led)
		f.closer = append(f.closer, led)
	}
	if b := d.Button; b != nil {
		button, err := openButton(lines, b)
		if err != nil {
			return err
		}
		f.button = button
		f.closer = append(f.closer, button)
	}
	return nil
}

func openLED(lines func() (*periphgpio.Host, error), l board.LED) (hal.LED, error) {
	if l.Class != "" {
		return sysfs.OpenLED(l.Role, l.Class)
	}
	host, err := lines()
	if err != nil {
		return nil, err
	}
	return host.LED(l.Role, gpioLine(l.Line), l.ActiveLow)
}

func openButton(lines func() (*periphgpio.Host, error), b *board.Button) (hal.Button, error) {
	const name = "button"
	if b.Key != 0 {
		return evdev.OpenButton(name, evdev.ButtonConfig{Device: b.Input, Key: b.Key})
	}
	host, err := lines()
	if err != nil {
		return nil, err
	}
	return host.Button(name, gpioLine(b.Line), periphgpio.ButtonConfig{ActiveLow: b.ActiveLow, Pull: gpioPull(b.Pull)})
}

func gpioLine(l board.Line) periphgpio.Line {
	return periphgpio.Line{Name: l.Name, Chip: l.Chip, Number: l.Number}
}

func gpioPull(name string) gpio.Pull {
	switch name {
	case "up":
		return gpio.PullUp
	case "down":
		return gpio.PullDown
	}
	return gpio.Float
}

func (f *front) add(role string, led hal.LED) {
	for r := panel.Role(0); r < panel.NumRoles; r++ {
		if r.String() == role {
			f.leds[r] = led
		}
	}
}

// light shows the state until dark is called.
func (f *front) light(log *slog.Logger) (dark func()) {
	ctx, cancel := context.WithCancel(context.Background())
	parts := []func(context.Context) error{func(ctx context.Context) error { return f.player.Run(ctx, f.leds) }}
	if f.draw != nil {
		parts = append(parts, f.draw.Run)
	}
	var lit sync.WaitGroup
	for _, part := range parts {
		lit.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				log.Warn("front panel", "err", err)
			}
		})
	}
	return func() {
		cancel()
		lit.Wait()
	}
}

// testStepLED is how long each step of a test of the LEDs lasts.
const testStepLED = 2 * time.Second

// testLEDs lights each LED alone, then all, then none, and tells what is to be seen. What
// the LEDs say otherwise is shown again afterwards.
func (f *front) testLEDs(ctx context.Context, tell func(line string)) error {
	roles := slices.Sorted(maps.Keys(f.leds))
	if len(roles) == 0 {
		return errors.New("this board has no LEDs: set system board NAME")
	}
	defer f.player.Update(func(s *panel.State) { s.Test = panel.Test{} })
	show := func(line string, lit ...panel.Role) bool {
		t := panel.Test{On: true}
		for _, r := range lit {
			t.Lit[r] = true
		}
		f.player.Update(func(s *panel.State) { s.Test = t })
		tell(line)
		return pauseFor(ctx, testStepLED)
	}
	for _, r := range roles {
		if !show(r.String()+" alone is lit", r) {
			return ctx.Err()
		}
	}
	if show("all are lit", roles...) && show("none is lit") {
		tell("what they say is shown again")
	}
	return ctx.Err()
}

// watch has do told what the button asks for, until ctx is done.
func (f *front) watch(ctx context.Context, log *slog.Logger, do func(panel.Intent)) {
	if f.button == nil {
		return
	}
	g := panel.Gestures{Phase: func(p panel.Phase) {
		f.held.Store(p == panel.PhasePressed)
		f.player.Update(func(s *panel.State) { s.Press = p })
	}}
	for {
		err := g.Run(ctx, f.button, do)
		if err == nil || ctx.Err() != nil {
			return
		}
		// A line that failed may work again; the press under way is void.
		log.Warn("front panel button", "err", err, "retry", buttonRetry.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(buttonRetry):
		}
	}
}

// buttonRetry is how long a button that failed is left alone.
const buttonRetry = 5 * time.Second

// intend carries out what the button asks for.
func (h *pid1) intend(log *slog.Logger, i panel.Intent, mark func() error, stop func()) {
	switch i {
	case panel.Mark:
		if err := mark(); err != nil {
			log.Warn("button", "err", err)
		}
	case panel.SafeShutdown:
		log.Info("button: safe shutdown")
		stop()
	case panel.FactoryReset:
		if h.parent == nil {
			log.Warn("button: factory reset is only carried out by the appliance image; nothing was changed")
			return
		}
		log.Warn("button: factory reset")
		if err := h.end(context.Background(), appliance.VerbFactoryReset); err != nil {
			log.Error("button: factory reset", "err", err)
		}
	}
}

func (f *front) close() error {
	var errs []error
	for _, c := range f.closer {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
