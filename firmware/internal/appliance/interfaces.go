package appliance

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"heptap/hal"
)

// Links are the box's network interfaces, their addresses, and which socket each is.
type Links interface {
	hal.Links
	hal.Addresses
	hal.Identifier
}

// interfaces names every interface that comes, and tells of every change.
type interfaces struct {
	links Links
	class string // /sys/class/net
	log   *slog.Logger
	tell  func(name string)
}

// run returns when ctx is done.
func (i *interfaces) run(ctx context.Context) {
	if err := i.links.Watch(ctx, i.event); err != nil {
		i.log.Error("network interfaces are not watched", "err", err)
	}
}

func (i *interfaces) event(e hal.LinkEvent) {
	name := e.After.Name
	if !e.Before.Exists && !e.After.Up {
		name = i.name(name)
	}
	if before, after := e.Before, e.After; before.Carrier != after.Carrier && before.Exists {
		i.log.Info("link", "iface", name, "carrier", after.Carrier, "Mbit/s", after.SpeedMbit)
	}
	i.tell(name)
}

// name gives a new interface the name of its place, and returns the name that it
// has then.
func (i *interfaces) name(old string) string {
	device, err := filepath.EvalSymlinks(filepath.Join(i.class, old, "device"))
	if err != nil {
		return old // the loopback, a bond, a VLAN
	}
	mac, err := os.ReadFile(filepath.Join(i.class, old, "address"))
	if err != nil {
		return old
	}
	name, ok := interfaceName(device, string(mac), functions(device))
	if !ok || name == old {
		return old
	}
	if err := i.links.Rename(old, name); err != nil {
		i.log.Warn("network interface keeps its name", "err", err)
		return old
	}
	i.log.Info("network interface", "iface", name, "mac", strings.TrimSpace(string(mac)), "driver", driver(device))
	return name
}

// functions says whether a PCI device has siblings in its slot.
func functions(device string) bool {
	for ; len(device) > 1; device = filepath.Dir(device) {
		if base := filepath.Base(device); isPCI(base) {
			all, err := filepath.Glob(filepath.Join(filepath.Dir(device), base[:strings.LastIndexByte(base, '.')]+".*"))
			return err == nil && len(all) > 1
		}
	}
	return false
}

func driver(device string) string {
	target, err := os.Readlink(filepath.Join(device, "driver"))
	if err != nil {
		return "unknown"
	}
	return filepath.Base(target)
}
