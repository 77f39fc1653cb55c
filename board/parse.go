package board

import (
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a description.
const (
	maxBytes   = 64 << 10
	maxLine    = 1024
	maxEntries = 64 // of ports, and of consoles
)

// ParseError says where a description is wrong.
type ParseError struct {
	Line int // from 1; 0 when it is about the whole
	Err  error
}

// Error implements error.
func (e *ParseError) Error() string {
	if e.Line == 0 {
		return "board: " + e.Err.Error()
	}
	return fmt.Sprintf("board: line %d: %v", e.Line, e.Err)
}

// Unwrap returns what is wrong.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads a description. An error is a *ParseError, and the Description is
// then zero.
func Parse(text []byte) (Description, error) {
	if len(text) > maxBytes {
		return Description{}, &ParseError{Err: fmt.Errorf("longer than %d octets", maxBytes)}
	}
	p := parser{seen: map[string]int{}}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if err := p.line(strings.TrimRight(line, "\r\n"), n); err != nil {
			return Description{}, &ParseError{Line: n, Err: err}
		}
	}
	if err := p.d.validate(); err != nil {
		return Description{}, &ParseError{Err: err}
	}
	if p.seen["boot-tested"] == 0 {
		return Description{}, &ParseError{Err: errors.New("no boot-tested is given")}
	}
	return p.d, nil
}

type parser struct {
	d    Description
	seen map[string]int // key -> line
}

// repeated keys may appear more than once.
func repeated(key string) bool { return key == "port" || key == "led" || key == "console" }

func (p *parser) line(line string, n int) error {
	switch {
	case len(line) > maxLine:
		return fmt.Errorf("longer than %d octets", maxLine)
	case !utf8.ValidString(line):
		return errors.New("not UTF-8")
	case strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }):
		return errors.New("holds a control character")
	}
	key, value, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
	if key == "" || key[0] == '#' {
		return nil
	}
	value = strings.TrimSpace(value)
	if first := p.seen[key]; first != 0 && !repeated(key) {
		return fmt.Errorf("%s: is given on line %d already", key, first)
	}
	p.seen[key] = n
	if value == "" && key != "button" {
		return fmt.Errorf("%s: no value", key)
	}
	if err := p.set(key, value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (p *parser) set(key, value string) (err error) {
	d := &p.d
	switch key {
	case "name":
		d.Name = value
		return checkName(value)
	case "title":
		d.Title = value
	case "note":
		d.Note = value
	case "arch":
		d.Arch, err = oneOf(value, arches())
	case "boot-tested":
		value, err = oneOf(value, []string{"yes", "no"})
		d.BootTested = value == "yes"
	case "boot":
		value, err = oneOf(value, []string{string(BootUEFI), string(BootTry)})
		d.Boot = Boot(value)
	case "panel":
		value, err = oneOf(value, []string{string(PanelGPIO), string(PanelTerm), string(PanelNone)})
		d.Panel = Panel(value)
	case "port":
		return p.port(value)
	case "led":
		return p.led(value)
	case "button":
		return p.button(value)
	case "console":
		return p.console(value)
	case "watchdog":
		return p.watchdog(value)
	case "storage":
		d.Storage, err = absolute(value)
	case "memory":
		d.Memory, err = parseSize(value)
	default:
		return errors.New("unknown key")
	}
	return err
}

func (p *parser) port(value string) error {
	if len(p.d.Ports) == maxEntries {
		return fmt.Errorf("more than %d", maxEntries)
	}
	words := strings.Fields(value)
	role, err := oneOf(words[0], portRoles())
	if err != nil {
		return err
	}
	port := Port{Role: role}
	err = options(words[1:], map[string]func(string) error{
		"name":   pattern(&port.Name),
		"driver": pattern(&port.Driver),
		"path":   pattern(&port.Path),
		"mac": func(v string) error {
			mac, err := net.ParseMAC(v)
			if err != nil || len(mac) != 6 || mac.String() != strings.ToLower(v) {
				return fmt.Errorf("%q: want a MAC address with colons", v)
			}
			port.MAC = mac.String()
			return nil
		},
	})
	if err == nil && port.Match == (Match{}) {
		err = errors.New("nothing to match: want name=, driver=, path= or mac=")
	}
	p.d.Ports = append(p.d.Ports, port)
	return err
}

func (p *parser) led(value string) error {
	words := strings.Fields(value)
	role, err := oneOf(words[0], ledRoles())
	if err != nil {
		return err
	}
	led := LED{Role: role}
	opts, done := lineOptions(&led.Line, &led.ActiveLow)
	opts["colour"] = choice(&led.Colour, colours())
	opts["class"] = func(v string) (err error) {
		led.Class = v
		if strings.Contains(v, "/") || strings.HasPrefix(v, ".") {
			err = fmt.Errorf("%q: want a name of the LED class", v)
		}
		return err
	}
	if err = options(words[1:], opts); err == nil {
		err = done()
	}
	if slices.ContainsFunc(p.d.LEDs, func(l LED) bool { return l.Role == role }) {
		err = fmt.Errorf("%s is given twice", role)
	}
	p.d.LEDs = append(p.d.LEDs, led)
	return err
}

func (p *parser) button(value string) error {
	b := Button{Pull: "none"}
	opts, done := lineOptions(&b.Line, &b.ActiveLow)
	opts["pull"] = choice(&b.Pull, pulls())
	opts["input"] = pattern(&b.Input)
	opts["key"] = func(v string) error {
		n, err := number(v, 1, 0x2ff) // KEY_MAX of linux/input-event-codes.h
		b.Key = uint16(n)
		return err
	}
	p.d.Button = &b
	if err := options(strings.Fields(value), opts); err != nil {
		return err
	}
	return done()
}

func (p *parser) console(value string) error {
	if len(p.d.Consoles) == maxEntries {
		return fmt.Errorf("more than %d", maxEntries)
	}
	words := strings.Fields(value)
	dev, err := absolute(words[0])
	if err != nil {
		return err
	}
	c := Console{Path: dev}
	err = options(words[1:], map[string]func(string) error{
		"baud": func(v string) error { c.Baud, err = number(v, 50, 4_000_000); return err },
	})
	p.d.Consoles = append(p.d.Consoles, c)
	return err
}

func (p *parser) watchdog(value string) (err error) {
	kind, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch w := &p.d.Watchdog; {
	case rest == "":
		return errors.New("want device PATH or identity TEXT")
	case kind == "device":
		w.Device, err = absolute(rest)
	case kind == "identity":
		w.Identity = rest
	default:
		return fmt.Errorf("%q: want device or identity", kind)
	}
	return err
}

// options reads key=value and single words; take holds what is known. A
// function gets the value, which is empty for a single word.
func options(words []string, take map[string]func(string) error) error {
	seen := map[string]bool{}
	for _, w := range words {
		key, value, hasValue := strings.Cut(w, "=")
		f, ok := take[key]
		switch {
		case !ok:
			return fmt.Errorf("unknown option %q", key)
		case seen[key]:
			return fmt.Errorf("%s: is given twice", key)
		case hasValue == (key == "active-low") || hasValue && value == "":
			return fmt.Errorf("%q: %s", w, map[bool]string{true: "takes no value", false: "needs a value"}[key == "active-low"])
		}
		seen[key] = true
		if err := f(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// lineOptions returns the options that say which GPIO line, and what to check
// once they have been read.
func lineOptions(l *Line, activeLow *bool) (map[string]func(string) error, func() error) {
	numbered := false
	opts := map[string]func(string) error{
		"line": func(v string) error { l.Name = v; return nil },
		"chip": func(v string) error { l.Chip = v; return nil },
		"number": func(v string) (err error) {
			numbered = true
			l.Number, err = number(v, 0, 1<<16-1)
			return err
		},
		"active-low": func(string) error { *activeLow = true; return nil },
	}
	return opts, func() error {
		switch {
		case numbered && l.Name != "":
			return errors.New("a GPIO line has a name or a number, not both")
		case numbered && l.Chip == "":
			return errors.New("number: needs chip=")
		case l.Chip != "" && l.Name == "" && !numbered:
			return errors.New("chip: needs line= or number=")
		}
		return nil
	}
}

func oneOf(value string, words []string) (string, error) {
	if !slices.Contains(words, value) {
		return "", fmt.Errorf("%q: want %s", value, strings.Join(words, ", "))
	}
	return value, nil
}

func choice(to *string, words []string) func(string) error {
	return func(v string) (err error) { *to, err = oneOf(v, words); return err }
}

func pattern(to *string) func(string) error {
	return func(v string) error {
		*to = v
		if _, err := path.Match(v, ""); err != nil {
			return fmt.Errorf("%q: %w", v, err)
		}
		return nil
	}
}

func checkName(name string) error {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return fmt.Errorf("%q: want lower case letters, digits and -", name)
		}
	}
	return nil
}

func absolute(p string) (string, error) {
	if !path.IsAbs(p) || path.Clean(p) != p || strings.Contains(p, " ") {
		return "", fmt.Errorf("%q: want an absolute path", p)
	}
	return p, nil
}

func number(v string, least, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most || strconv.Itoa(n) != v {
		return 0, fmt.Errorf("%q: want a number from %d to %d", v, least, most)
	}
	return n, nil
}

// parseSize reads a number of MiB or GiB.
func parseSize(v string) (int64, error) {
	for unit, size := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, ok := strings.CutSuffix(v, unit); ok {
			n, err := number(digits, 1, 1<<16)
			return int64(n) * size, err
		}
	}
	return 0, fmt.Errorf("%q: want a size as in 256MiB or 2GiB", v)
}
