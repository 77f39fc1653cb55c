package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"heptap/hal"
)

// Verbs by which a probe, which may not do so itself, has its mirror ports set up, and
// the LED of a port blink.
const (
	verbMirror  = "mirror"  // interface, then stampAll or not, then addresses that must stay reachable
	verbRestore = "restore" // interface
	verbBlink   = "blink"   // interface
)

// stampAll among the words of verbMirror asks for hal.MirrorOptions.HardwareTime.
const stampAll = "hardware-time"

// Errors that the probe tells apart begin so.
const (
	saysMissing = "no such interface: "
	saysInUse   = "in use: "
	saysCannot  = "not supported: "
)

// blinkFor is how long a LED blinks that PID 1 is asked for. It hears nothing else of
// the probe meanwhile.
const blinkFor = 2 * time.Second

// heard is an error that PID 1 tells, as what it was there.
func heard(err error) error {
	if err == nil {
		return nil
	}
	for says, is := range map[string]error{saysMissing: fs.ErrNotExist, saysInUse: hal.ErrInUse, saysCannot: errors.ErrUnsupported} {
		if text, ok := strings.CutPrefix(err.Error(), says); ok {
			return fmt.Errorf("%s: %w", text, is)
		}
	}
	return err
}

// told is an error as the probe is told of it.
func told(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s%w", saysMissing, err)
	case errors.Is(err, hal.ErrInUse):
		return fmt.Errorf("%s%w", saysInUse, err)
	case errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("%s%w", saysCannot, err)
	}
	return err
}

// MirrorUp is hal.Links.MirrorUp, by PID 1, without force.
func (p *Parent) MirrorUp(ctx context.Context, name string, o hal.MirrorOptions) error {
	words := []string{name}
	if o.HardwareTime {
		words = append(words, stampAll)
	}
	for _, c := range o.Collectors {
		words = append(words, c.String())
	}
	return heard(p.Ask(ctx, verbMirror, strings.Join(words, " ")))
}

// RestoreMirror is hal.Links.RestoreMirror, by PID 1.
func (p *Parent) RestoreMirror(ctx context.Context, name string) error {
	return p.Ask(ctx, verbRestore, name)
}

// Blink is hal.Identifier.Blink, by PID 1, for 2 s.
func (p *Parent) Blink(ctx context.Context, name string) error {
	return heard(p.Ask(ctx, verbBlink, name))
}

// mirror does what MirrorUp asks for.
func (b *Box) mirror(text string) error {
	words := strings.Fields(text)
	if len(words) == 0 || b.uplink == nil {
		return errors.New("no such thing here")
	}
	name := words[0]
	if b.uplink.has(name) {
		return fmt.Errorf("%s%s is the uplink", saysInUse, name)
	}
	var o hal.MirrorOptions
	for _, w := range words[1:] {
		if w == stampAll {
			o.HardwareTime = true
			continue
		}
		a, err := netip.ParseAddr(w)
		if err != nil {
			return err
		}
		o.Collectors = append(o.Collectors, a)
	}
	return told(b.links.MirrorUp(name, o))
}

// has says whether the uplink is made of an interface.
func (u *uplink) has(name string) bool {
	u.setting.Lock()
	defer u.setting.Unlock()
	return name == u.cfg.Interface || name == u.cfg.Backup || name == u.cfg.Device() || name == u.cfg.Bond()
}
