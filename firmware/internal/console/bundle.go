package console

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/support"
)

// CrashesDir is where last words are, in the directory of the spool.
const CrashesDir = "crashes"

// WriteBundle writes a support bundle. l is nil when no probe runs; file is its
// configuration file, and words the directory of last words.
func WriteBundle(w io.Writer, l *Live, version, file, words, messages string) error {
	node := "box"
	parts := support.Box("", version, words)
	parts = append(parts[:2:2], append([]support.Part{support.Config(file)}, parts[2:]...)...)
	if l != nil {
		node = strings.Map(func(r rune) rune {
			if r == '/' || r <= ' ' || r > '~' {
				return '-'
			}
			return r
		}, l.Node)
		parts = append(parts[:3:3], append([]support.Part{
			{Name: "status.txt", Write: func(w io.Writer) error { return report(w, l) }},
			{Name: "health.txt", Write: func(w io.Writer) error { return healthReport(w, l) }},
			support.Text("messages.txt", messages)}, parts[3:]...)...)
	}
	now := time.Now()
	return support.Write(w, "heptap-"+node+now.UTC().Format("-20060102-150405"), now, parts)
}

// report is what the console shows of everything but what was seen.
func report(w io.Writer, l *Live) error {
	for _, v := range []struct {
		name string
		show func(*Live, *strings.Builder) error
	}{{"status", showStatus}, {"interfaces", showInterfaces}, {"capture", showCapture}, {"encapsulations", showEncapsulations}, {"uplink", showUplink},
		{"spool", showSpool}, {"memory", showMemory}, {"packets", showCoverage}, {"files", func(l *Live, b *strings.Builder) error { return listFiles(b, l.Files, l.Config.Packets.Files) }}, {"clock", showClock},
		{"counters", func(l *Live, b *strings.Builder) error { return l.Stages.WriteText(b) }}} {
		var b strings.Builder
		if err := v.show(l, &b); err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
		}
		if _, err := fmt.Fprintf(w, "== show %s\n%s\n", v.name, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// showCoverage is show packets without the texts of the marks: somebody typed these.
func showCoverage(l *Live, b *strings.Builder) error {
	if l.Stages.Packets == nil {
		return errNoPackets
	}
	st := l.Stages.Packets()
	fmt.Fprintf(b, "%+v back for signalling, %+v for media, %d kept, %d evicted, %d missed, %d pins\n", st.Signalling, st.Media, st.Kept, st.Evicted, st.Missed, len(st.Pins))
	return nil
}

func healthReport(w io.Writer, l *Live) error {
	var b strings.Builder
	h := l.Stages.Health()
	fmt.Fprintf(&b, "now %s: %s\n", time.Now().UTC().Format(time.RFC3339), h.Summary())
	conditions(&b, &h)
	b.WriteString("\nchanges, which the LEDs showed:\n")
	if l.Changes != nil {
		for _, c := range l.Changes() {
			fmt.Fprintf(&b, "%s %s: %v -> %v %s\n", c.At.UTC().Format(time.RFC3339), c.Name, c.From, c.To, c.Reason)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Crashes returns the directory of last words of a configuration.
func Crashes(c *config.Config) string { return filepath.Join(c.Spool.Path, CrashesDir) }

func bundleHints(_ *session, typed []string) []hint {
	if len(typed) > 0 {
		return nil
	}
	return []hint{{word: "NAME", help: "of the file", free: true}}
}

func (s *session) supportBundle(typed []string) (string, error) {
	name := time.Now().UTC().Format("support-20060102-150405")
	switch len(typed) {
	case 0:
	case 1:
		name = strings.TrimSuffix(typed[0], ".tar.gz")
	default:
		return "", errUsage
	}
	d, _, err := s.outbox()
	if err != nil {
		return "", err
	}
	cfg, err := s.running()
	if err != nil {
		return "", err
	}
	l, _ := s.live() // nil is worth a bundle, too
	messages := ""
	if s.c.o.Messages != nil {
		messages = s.c.o.Messages.String()
	}
	f, err := d.Create(name+".tar.gz", func(w io.Writer, _ int64) error {
		return WriteBundle(w, l, s.c.o.Version, s.c.o.File, Crashes(&cfg), messages)
	})
	if err != nil {
		return "", err
	}
	s.c.o.Log.Info("support bundle", "name", f.Name, "by", s.String())
	return fmt.Sprintf("%s: %s\nfile send %s URL takes it away, or on a box: file send %s usb.\n", f.Name, sizeText(f.Bytes), f.Name, f.Name), nil
}
