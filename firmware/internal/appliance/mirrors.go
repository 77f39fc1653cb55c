package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"heptap/hal"
)

// Verbs by which a probe, which may not do so itself, has its mirror ports set up.
const (
	verbMirror  = "mirror"  // interface, then addresses that must stay reachable
	verbRestore = "restore" // interface
)

// Errors that the probe tells apart begin so.
const (
	saysMissing = "no such interface: "
	saysInUse   = "in use: "
)

// MirrorUp is hal.Links.MirrorUp, by PID 1, without force.
func (p *Parent) MirrorUp(ctx context.Context, name string, collectors []netip.Addr) error {
	words := []string{name}
	for _, c := range collectors {
		words = append(words, c.String())
	}
	err := p.Ask(ctx, verbMirror, strings.Join(words, " "))
	if err == nil {
		return nil
	}
	if text, ok := strings.CutPrefix(err.Error(), saysMissing); ok {
		return fmt.Errorf("%s: %w", text, fs.ErrNotExist)
	}
	if text, ok := strings.CutPrefix(err.Error(), saysInUse); ok {
		return fmt.Errorf("%s: %w", text, hal.ErrInUse)
	}
	return err
}

// RestoreMirror is hal.Links.RestoreMirror, by PID 1.
func (p *Parent) RestoreMirror(ctx context.Context, name string) error {
	return p.Ask(ctx, verbRestore, name)
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
		a, err := netip.ParseAddr(w)
		if err != nil {
			return err
		}
		o.Collectors = append(o.Collectors, a)
	}
	err := b.links.MirrorUp(name, o)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s%w", saysMissing, err)
	case errors.Is(err, hal.ErrInUse):
		return fmt.Errorf("%s%w", saysInUse, err)
	}
	return err
}

// has says whether the uplink is made of an interface.
func (u *uplink) has(name string) bool {
	u.setting.Lock()
	defer u.setting.Unlock()
	return name == u.cfg.Interface || name == u.cfg.Backup || name == u.cfg.Device() || name == u.cfg.Bond()
}
