package board

import (
	"fmt"
	"strings"
)

// AppendText appends d in the format Parse reads, which gives back the same
// Description. It does not retain b. The error is always nil for a Description
// that Parse has made.
func (d Description) AppendText(b []byte) ([]byte, error) {
	if err := d.validate(); err != nil {
		return b, fmt.Errorf("board: %w", err)
	}
	add := func(key, value string) {
		if value != "" {
			b = append(b, key+" "+value+"\n"...)
		}
	}
	add("name", d.Name)
	add("title", d.Title)
	add("arch", d.Arch)
	add("boot-tested", map[bool]string{true: "yes", false: "no"}[d.BootTested])
	add("boot", string(d.Boot))
	add("panel", string(d.Panel))
	add("note", d.Note)
	for _, p := range d.Ports {
		add("port", words(p.Role, opt("name", p.Name), opt("driver", p.Driver), opt("path", p.Path), opt("mac", p.MAC)))
	}
	for _, l := range d.LEDs {
		add("led", words(l.Role, l.Line.options(), opt("class", l.Class), activeLow(l.ActiveLow), opt("colour", l.Colour)))
	}
	if d.Button != nil {
		pull := opt("pull", d.Button.Pull)
		if d.Button.Pull == "none" {
			pull = ""
		}
		key := ""
		if d.Button.Key != 0 {
			key = fmt.Sprintf("key=%d", d.Button.Key)
		}
		b = append(b, words("button", d.Button.Line.options(), activeLow(d.Button.ActiveLow), pull, opt("input", d.Button.Input), key)+"\n"...)
	}
	for _, c := range d.Consoles {
		baud := ""
		if c.Baud != 0 {
			baud = fmt.Sprintf("baud=%d", c.Baud)
		}
		add("console", words(c.Path, baud))
	}
	if d.Watchdog.Device != "" {
		add("watchdog", "device "+d.Watchdog.Device)
	}
	if d.Watchdog.Identity != "" {
		add("watchdog", "identity "+d.Watchdog.Identity)
	}
	add("storage", d.Storage)
	if d.Memory > 0 {
		add("memory", formatSize(d.Memory))
	}
	return b, nil
}

func (l Line) options() string {
	switch {
	case l.Name != "":
		return words(opt("line", l.Name), opt("chip", l.Chip))
	case l.Chip != "":
		return fmt.Sprintf("chip=%s number=%d", l.Chip, l.Number)
	}
	return ""
}

func activeLow(is bool) string {
	if is {
		return "active-low"
	}
	return ""
}

func opt(key, value string) string {
	if value == "" {
		return ""
	}
	return key + "=" + value
}

// words joins those that are not empty.
func words(w ...string) string {
	return strings.Join(strings.Fields(strings.Join(w, " ")), " ")
}

// formatSize prints in MiB what Parse reads in MiB, and the rest in GiB.
func formatSize(n int64) string {
	if mib := n >> 20; mib <= 1<<16 {
		return fmt.Sprintf("%dMiB", mib)
	}
	return fmt.Sprintf("%dGiB", n>>30)
}
