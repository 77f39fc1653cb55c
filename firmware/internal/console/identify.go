package console

import (
	"context"
	"slices"

	"heptap/firmware/internal/config"
)

func identifyCommands() []command {
	return []command{
		{path: words("identify port"), args: "NAME", help: "which socket a port is: its LED blinks, and what its link does is shown, for 30 s or until a key is pressed",
			hints: func(s *session, typed []string) []hint {
				if len(typed) > 0 {
					return nil
				}
				return s.portHints()
			}, run: (*session).identify},
	}
}

// identify finds out where a port is. Its name is the configuration's, or the device's.
func (s *session) identify(typed []string) (string, error) {
	if len(typed) != 1 {
		return "", errUsage
	}
	if s.c.o.Identify == nil {
		return "", errNotHere
	}
	device := typed[0]
	cfg, _ := s.running() // of one with mistakes nothing is known
	for _, p := range namedPorts(cfg) {
		if p.word == typed[0] {
			device = p.help
		}
	}
	return "", s.tellsUntil(s.t.pressed, func(ctx context.Context, tell func(string)) error { return s.c.o.Identify(ctx, device, tell) })
}

// namedPorts are the names that a configuration has for ports, and their devices.
func namedPorts(cfg config.Config) (out []hint) {
	for _, p := range cfg.Ports {
		out = append(out, hint{word: p.Name, help: p.Interface})
	}
	if cfg.Uplink.Interface != "" {
		out = append(out, hint{word: "uplink", help: cfg.Uplink.Interface})
	}
	return out
}

// portHints are the ports by the configuration's names, then the others by their
// devices'.
func (s *session) portHints() []hint {
	cfg, _ := s.running()
	out := namedPorts(cfg)
	if s.c.o.Ports == nil {
		return append(out, hint{word: "DEVICE", help: "a network device", free: true})
	}
	all, _ := s.c.o.Ports() // what there is
	for _, p := range all {
		if !slices.ContainsFunc(out, func(h hint) bool { return h.help == p.Name || h.word == p.Name }) {
			out = append(out, hint{word: p.Name, help: p.State})
		}
	}
	return out
}
