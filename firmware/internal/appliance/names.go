package appliance

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// interfaceName returns the name that an interface has for as long as it is in
// the same place, in the manner of systemd's names that are known from any Debian:
//
//	enp3s0      PCI bus 3, slot 0
//	enp0s31f6   function 6 of a slot with several
//	enP1p2s0    in PCI domain 1
//	enx0c9d...  at USB, by its MAC address
//
// device is the target of /sys/class/net/NAME/device, mac the contents of its
// address file. Others keep the kernel's name: their number follows from the
// board's description.
// several says that there are other functions in the same slot.
func interfaceName(device, mac string, several bool) (name string, ok bool) {
	pci := ""
	for _, part := range strings.Split(path.Clean(device), "/") {
		switch {
		case strings.HasPrefix(part, "usb"):
			hex := strings.ReplaceAll(strings.TrimSpace(mac), ":", "")
			if _, err := strconv.ParseUint(hex, 16, 64); err != nil || len(hex) != 12 {
				return "", false
			}
			return "enx" + hex, true
		case isPCI(part):
			pci = part
		}
	}
	if pci == "" {
		return "", false
	}
	var domain, bus, slot, function uint64
	if _, err := fmt.Sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		return "", false
	}
	name = "en"
	if domain != 0 {
		name += "P" + strconv.FormatUint(domain, 10)
	}
	name += fmt.Sprintf("p%ds%d", bus, slot)
	if function != 0 || several {
		name += "f" + strconv.FormatUint(function, 10)
	}
	return name, len(name) <= 15
}

// isPCI says whether part is a PCI address such as 0000:00:1f.6.
func isPCI(part string) bool {
	var domain, bus, slot, function uint64
	n, err := fmt.Sscanf(part, "%x:%x:%x.%x", &domain, &bus, &slot, &function)
	return err == nil && n == 4 && strings.Count(part, ":") == 2
}
