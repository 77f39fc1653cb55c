package sysfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"heptap/hal"
)

const (
	ledClass  = "/sys/class/leds"
	noTrigger = "none"
)

// LED is a hal.LED of the kernel's LED class.
type LED struct {
	name   string
	dir    string
	full   string // brightness when it is on
	before owner

	mu     sync.Mutex // guards what follows
	closed bool
	taken  bool // the trigger has been taken away
}

var _ hal.LED = (*LED)(nil)

// owner is what an LED was like before it was opened.
type owner struct {
	trigger    string // empty: the kernel has no triggers
	brightness string
	settings   []setting // of the trigger
}

type setting struct{ file, value string }

// OpenLED opens the LED of a name in /sys/class/leds, "green:status", and
// darkens it. One that does not exist is fs.ErrNotExist.
func OpenLED(name, class string) (*LED, error) { return openLED(ledClass, name, class) }

func openLED(root, name, class string) (*LED, error) {
	if class == "" || class != filepath.Base(class) {
		return nil, fmt.Errorf("led %s: %q is no name of the LED class", name, class)
	}
	l := &LED{name: name, dir: filepath.Join(root, class)}
	full, err := read(l.dir, "max_brightness")
	if err != nil {
		return nil, fmt.Errorf("led %s: %w", name, err)
	}
	if n, err := strconv.Atoi(full); err != nil || n < 1 {
		return nil, fmt.Errorf("led %s: max_brightness is %q", name, full)
	}
	l.full = full
	if l.before, err = findOwner(l.dir); err != nil {
		return nil, fmt.Errorf("led %s: %w", name, err)
	}
	if err := l.Set(false); err != nil {
		return nil, errors.Join(err, l.giveBack())
	}
	return l, nil
}

func findOwner(dir string) (o owner, err error) {
	if o.brightness, err = read(dir, "brightness"); err != nil {
		return o, err
	}
	triggers, err := read(dir, "trigger")
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	_, rest, _ := strings.Cut(triggers, "[") // "none [heartbeat] timer"
	if o.trigger, _, _ = strings.Cut(rest, "]"); o.trigger == noTrigger || o.trigger == "" {
		return o, nil
	}
	// What else can be written is the trigger's: it comes and goes with it.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return o, err
	}
	for _, e := range entries {
		switch e.Name() {
		case "brightness", "trigger", "uevent":
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o600 != 0o600 {
			continue
		}
		if value, err := read(dir, e.Name()); err == nil {
			o.settings = append(o.settings, setting{e.Name(), value})
		}
	}
	return o, nil
}

// Name implements hal.LED.
func (l *LED) Name() string { return l.name }

// Set implements hal.LED.
func (l *LED) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("led %s: %w", l.name, os.ErrClosed)
	}
	if err := l.set(on); err != nil {
		l.taken = false // it may be another one by now, with a trigger of its own
		return fmt.Errorf("led %s: %w", l.name, err)
	}
	return nil
}

func (l *LED) set(on bool) error {
	if !l.taken && l.before.trigger != "" {
		if err := write(l.dir, "trigger", noTrigger); err != nil {
			return err
		}
	}
	l.taken = true
	if on {
		return write(l.dir, "brightness", l.full)
	}
	return write(l.dir, "brightness", "0")
}

// Close implements hal.LED. The light is then as whoever had it before would
// have it.
func (l *LED) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.giveBack()
}

func (l *LED) giveBack() error {
	err := write(l.dir, "brightness", l.before.brightness)
	if t := l.before.trigger; t != "" && t != noTrigger {
		err = errors.Join(err, write(l.dir, "trigger", t))
		for _, s := range l.before.settings {
			err = errors.Join(err, write(l.dir, s.file, s.value))
		}
	}
	if err != nil {
		return fmt.Errorf("led %s: give back: %w", l.name, err)
	}
	return nil
}

// read returns a file's text without the line's end.
func read(dir, file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(text)), err
}

// write writes to a file that must exist, in one call as sysfs wants it.
func write(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
