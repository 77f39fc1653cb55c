package mi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxNames is how many commands a Filter names at most.
const maxNames = 256

// Errors of ParseFilter, wrapped with the place.
var (
	ErrFilterKind = errors.New(`list begins with neither "w:" (only these commands) nor "b:" (all but these)`)
	ErrFilterName = errors.New("no name of a command")
	ErrFilterSize = fmt.Errorf("more than %d commands", maxNames)
)

// Filter is a list of commands to record, or not to record, in the form of
// OpenSIPS's trace_bwlist. The zero Filter passes every command.
type Filter struct {
	kind     byte // 'w', 'b' or 0
	names    []string
	prefixes []string
}

// ParseFilter reads "w: dr_reload, lb_reload" (only these) or "b: ul_dump,
// core.*" (all but these). A name that ends with * stands for all that begin
// like it. Blanks around names do not count. Names are compared by case, as the
// platforms do. An empty text is the filter that passes everything.
func ParseFilter(text string) (Filter, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Filter{}, nil
	}
	kind, list, ok := strings.Cut(text, ":")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !ok || kind != "w" && kind != "b" {
		return Filter{}, fmt.Errorf("command filter %.40q: %w", text, ErrFilterKind)
	}
	f := Filter{kind: kind[0]}
	for i, name := range strings.Split(list, ",") {
		if i == maxNames {
			return Filter{}, fmt.Errorf("command filter: %w", ErrFilterSize)
		}
		name = strings.TrimSpace(name)
		stem, prefix := strings.CutSuffix(name, "*")
		switch {
		case !isCommand(stem) && (stem != "" || !prefix):
			return Filter{}, fmt.Errorf("command filter: name %d: %.40q: %w", i+1, name, ErrFilterName)
		case prefix:
			f.prefixes = append(f.prefixes, stem)
		default:
			f.names = append(f.names, name)
		}
	}
	slices.Sort(f.names)
	return f, nil
}

// Pass says whether a command is to be recorded.
func (f *Filter) Pass(command string) bool {
	return f.kind == 0 || f.has(command) == (f.kind == 'w')
}

func (f *Filter) has(command string) bool {
	if _, ok := slices.BinarySearch(f.names, command); ok {
		return true
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(command, p) {
			return true
		}
	}
	return false
}

// isCommand says whether s can be a command's name.
func isCommand[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > maxCommand {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-', c == ':', c == '/':
		default:
			return false
		}
	}
	return true
}
