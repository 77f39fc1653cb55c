package config

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
)

// MaxText bounds a configuration file.
const MaxText = 1 << 20

// Load reads and validates the file at path.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	return Parse(f, path)
}

// Parse reads a configuration. Its errors name the line, what is wrong with it
// and what would be right; all wrong lines are reported, joined. On an error
// the Config is zero.
func Parse(r io.Reader, name string) (Config, error) {
	c := Default()
	var errs []error
	schema := Schema()
	s := bufio.NewScanner(io.LimitReader(r, MaxText+1))
	s.Buffer(nil, MaxText+1)
	total := 0
	for line := 1; s.Scan(); line++ {
		if total += len(s.Bytes()) + 1; total > MaxText {
			return Config{}, fmt.Errorf("%s:%d: a configuration has at most %d octets", name, line, MaxText)
		}
		if err := apply(&c, schema, s.Text()); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err))
			if len(errs) == 20 {
				errs = append(errs, fmt.Errorf("%s: more errors not shown", name))
				break
			}
		}
	}
	if err := s.Err(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", name, err))
	}
	if len(errs) == 0 {
		errs = c.check(name)
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// apply carries out one line.
func apply(c *Config, schema []Option, line string) error {
	words, err := split(line)
	if err != nil || len(words) == 0 {
		return err
	}
	if words[0] != "set" {
		return fmt.Errorf("%q: a line begins with \"set\" or \"#\"", words[0])
	}
	words = words[1:]
	for i := range schema {
		o := &schema[i]
		names, ok := o.match(words)
		if !ok {
			continue
		}
		if o.Many {
			if len(words) == len(o.Path) {
				return fmt.Errorf("set %s: incomplete, want %s", strings.Join(words, " "), o.Arg)
			}
			words = append(words[:len(o.Path)], strings.Join(words[len(o.Path):], " "))
		}
		if len(words) != len(o.Path)+1 {
			return fmt.Errorf("set %s: takes one value, %s; put text with blanks in double quotes", strings.Join(words[:len(o.Path)], " "), o.Arg)
		}
		if err := o.set(c, names, words[len(o.Path)]); err != nil {
			return fmt.Errorf("set %s: %w", strings.Join(words[:len(o.Path)], " "), err)
		}
		return nil
	}
	return unknown(schema, words)
}

// match reports whether words begin with o's path, and returns the names in it.
func (o *Option) match(words []string) (names []string, ok bool) {
	if len(words) < len(o.Path) {
		return nil, false
	}
	for i, w := range o.Path {
		switch {
		case w[0] == '<':
			names = append(names, words[i])
		case w != words[i]:
			return nil, false
		}
	}
	return names, true
}

// unknown says what is wrong with words that no option matches: it names the
// first word that leads nowhere and what could stand there.
func unknown(schema []Option, words []string) error {
	for n := 0; ; n++ {
		var next []string
		for i := range schema {
			o := &schema[i]
			if n < len(o.Path) && leads(o.Path[:n], words) {
				next = appendNew(next, o.Path[n])
			}
		}
		if n == len(words) {
			return fmt.Errorf("set %s: incomplete, want one of: %s", strings.Join(words, " "), strings.Join(next, ", "))
		}
		found := false
		for _, w := range next {
			found = found || w == words[n] || w[0] == '<'
		}
		if !found {
			return fmt.Errorf("set %s: unknown option %q, want one of: %s", strings.Join(words, " "), words[n], strings.Join(next, ", "))
		}
	}
}

func leads(path, words []string) bool {
	for i, w := range path {
		if i >= len(words) || w[0] != '<' && w != words[i] {
			return false
		}
	}
	return true
}

func appendNew(list []string, w string) []string {
	for _, have := range list {
		if have == w {
			return list
		}
	}
	return append(list, w)
}

// split cuts a line into words; see the package comment for the quoting.
func split(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		if line[0] != '"' {
			n := strings.IndexAny(line, " \t\r")
			if n < 0 {
				n = len(line)
			}
			words, line = append(words, line[:n]), line[n:]
			continue
		}
		w, rest, err := unquote(line[1:])
		if err != nil {
			return nil, err
		}
		words, line = append(words, w), rest
	}
}

// unquote reads up to the closing quote, which must end the word.
func unquote(s string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			if rest = s[i+1:]; rest != "" && !strings.ContainsRune(" \t\r", rune(rest[0])) {
				return "", "", errors.New("a blank is missing after the closing quote")
			}
			return b.String(), rest, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("the closing quote is missing")
}

// check holds the options against each other.
func (c *Config) check(name string) []error {
	var errs []error
	seen := map[string]string{}
	for _, p := range c.Ports {
		if p.Interface == "" {
			errs = append(errs, fmt.Errorf("%s: capture %s: no interface; add: set capture %s interface DEVICE", name, p.Name, p.Name))
		} else if other, dup := seen[p.Interface]; dup {
			errs = append(errs, fmt.Errorf("%s: capture %s: interface %s is captured by %s already", name, p.Name, p.Interface, other))
		}
		seen[p.Interface] = p.Name
		if p.RingSize < 2*p.BlockSize {
			errs = append(errs, fmt.Errorf("%s: capture %s: ring-size %s holds less than two blocks of block-size %s", name, p.Name, formatSize(p.RingSize), formatSize(p.BlockSize)))
		}
	}
	for i := range c.Collector {
		k := &c.Collector[i]
		errs = append(errs, k.check(name)...)
	}
	errs = append(errs, c.checkDelivery(name)...)
	errs = append(errs, c.checkIntake(name)...)
	if err := c.checkUplink(name); err != nil {
		errs = append(errs, err)
	}
	if err := c.checkSyslog(name); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, traceErrors(name, c.Trace.Check())...)
	for i := range c.Collector {
		k := &c.Collector[i]
		f := c.FilterOf(k)
		errs = append(errs, traceErrors(fmt.Sprintf("%s: collector %s filter", name, k.Name), f.Check())...)
	}
	return errs
}

// check holds a collector's options against each other.
func (k *Collector) check(name string) (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: collector %s: %s", name, k.Name, fmt.Sprintf(format, args...)))
	}
	if k.Address == "" {
		wrong("no address; add: set collector %s address HOST:PORT", k.Name)
	}
	if !k.Transport.Secure() && k.TLS != (CollectorTLS{}) {
		wrong("tls-ca, tls-pin, tls-name, tls-certificate and tls-key are for TLS; add: set collector %s transport %s", k.Name, cmp.Or(map[Transport]Transport{NATS: NATSTLS}[k.Transport], TLS))
	}
	if !k.Transport.NATS() && k.NATS != defaultCollector("").NATS {
		wrong("nats-subject, nats-partitions, nats-user, nats-password, nats-token and nats-credentials are for NATS; add: set collector %s transport nats", k.Name)
	}
	if !k.Transport.NATS() && strings.ContainsAny(k.Address, ", ") {
		wrong("several addresses are for NATS; elsewhere each is a collector of its own, see delivery arrangement")
	}
	if k.NATS.Password != "" && k.NATS.User == "" {
		wrong("nats-password goes with nats-user; add: set collector %s nats-user NAME", k.Name)
	}
	if (k.TLS.Certificate == "") != (k.TLS.Key == "") {
		wrong("a certificate needs its key, and a key its certificate; set both: tls-certificate and tls-key")
	}
	if a, err := netip.ParseAddrPort(k.Address); err == nil && k.Source.IsValid() && a.Addr().Unmap().Is4() != k.Source.Is4() {
		wrong("source %v cannot send to %v", k.Source, a.Addr())
	}
	// heplify-server pastes the key into JSON without escaping it.
	if k.Profile == Homer7 && strings.ContainsFunc(string(k.AuthKey), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		wrong("profile homer7 takes no quotes, backslashes and other than ASCII in its auth-key")
	}
	return errs
}

// checkIntake holds the intake's options against each other and the collectors.
func (c *Config) checkIntake(name string) (errs []error) {
	in := &c.Intake
	if in.TLS != "" && (in.Certificate == "" || in.Key == "") {
		errs = append(errs, fmt.Errorf("%s: intake: TLS needs a certificate; add: set intake certificate FILE, set intake key FILE", name))
	}
	if in.TLS == "" && (in.Certificate != "" || in.Key != "" || in.ClientCA != "") {
		errs = append(errs, fmt.Errorf("%s: intake: certificate, key and client-ca are for TLS; add: set intake listen tls ADDRESS:PORT", name))
	}
	for _, k := range c.Collector {
		for _, l := range []struct {
			at  List
			how Transport
		}{{in.UDP, UDP}, {in.TCP, TCP}, {in.TLS, TCP}} {
			for _, at := range l.at.Items() {
				if (l.how == UDP) == (k.Transport == UDP) && meets(at, k.Address) {
					errs = append(errs, fmt.Errorf("%s: intake: %s is where collector %s is: what is sent there would come back", name, at, k.Name))
				}
			}
		}
	}
	return errs
}

// meets reports whether what is sent to an address comes to a listener, as far
// as names tell.
func meets(listener, to string) bool {
	lh, lp, err := net.SplitHostPort(listener)
	if err != nil {
		return false
	}
	th, tp, err := net.SplitHostPort(to)
	if err != nil || lp != tp {
		return false
	}
	if strings.EqualFold(lh, th) {
		return true
	}
	l, _ := netip.ParseAddr(lh)
	t, err := netip.ParseAddr(th)
	if err == nil && l == t {
		return true
	}
	return l.IsUnspecified() && (strings.EqualFold(th, "localhost") || t.IsLoopback() || t.IsUnspecified())
}
