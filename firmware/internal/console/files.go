package console

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/listing"
	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
)

// Capture says what of the packet memory is written to a file.
type Capture struct {
	Name        string
	Calls       []string     // none: everything
	Address     netip.Prefix // invalid: everything
	From, Until time.Time    // zero: no limit
	Pin         int          // 0: everything that is held
	Unlocked    bool         // nothing is blanked
}

// rights are what a session may do that not everybody may.
type rights struct {
	secrets bool // see what is blanked for others
}

// rightsOf are those of a session by where it came in. Who can connect to the unix
// socket owns the probe's process, and could read its memory.
func rightsOf(name string) rights { return rights{secrets: name == Socket} }

// Socket is the name of a session that came in by the unix socket.
const Socket = "socket"

const sendAtMost = 10 * time.Minute

const captureArgs = "[NAME] [call ID] [address ADDRESS[/LENGTH]] [last DURATION] [from TIME] [until TIME] [pin N] [unlocked]"

func fileCommands() []command {
	return []command{
		{path: words("show packets"), help: "the packet memory: how far it goes back, and which marks it holds", run: looks(showPackets)},
		{path: words("show files"), help: "captures and support bundles on the box", run: plain((*session).showFiles)},
		{path: words("capture to file"), args: captureArgs, help: "write what the packet memory holds as pcapng; secrets are blanked",
			hints: captureHints, run: (*session).captureToFile},
		{path: words("support bundle"), args: "[NAME]", help: "put configuration (without secrets), state, logs and last words into a file; nothing of calls",
			hints: bundleHints, run: (*session).supportBundle},
		{path: words("unpin"), args: "N", help: "let the frames around a mark go", hints: pinHints, run: (*session).unpin},
		{path: words("file send"), args: "NAME URL|usb [FINGERPRINT]", help: "put a file to a web server, over the uplink, or to a USB stick in the box", hints: sendHints, run: (*session).sendFile},
		{path: words("file delete"), args: "NAME", help: "delete a file", hints: fileHints, run: (*session).deleteFile},
	}
}

func showPackets(l *Live, b *strings.Builder) error {
	if l.Stages.Packets == nil {
		return errNoPackets
	}
	st := l.Stages.Packets()
	row(b, "memory", "%s of %s", sizeText(int64(st.Octets)), sizeText(int64(st.Limit)))
	row(b, "goes back", "%v for signalling, %v for media headers", st.Signalling.Round(time.Second), st.Media.Round(time.Second))
	row(b, "frames", "%d kept (%s), of these %d gave way to newer ones", st.Kept, sizeText(int64(st.KeptOctets)), st.Evicted)
	if st.Missed > 0 {
		row(b, "missed", "%d frames, while a file was written", st.Missed)
	}
	for _, p := range st.Pins {
		more := ""
		if p.Open {
			more = ", more may follow"
		}
		row(b, fmt.Sprintf("pin %d", p.ID), "%s, mark at %s by %s%s: %s", sizeText(int64(p.Octets)), time.Unix(0, p.At).UTC().Format("2006-01-02 15:04:05"), p.By, more, listing.Printable(p.Text))
	}
	if len(st.Pins) == 0 {
		b.WriteString("No mark is pinned: mark TEXT, or the button, pins what is held and what follows.\n")
	}
	if st.PinsDropped > 0 {
		row(b, "dropped", "%d pins gave way to newer ones", st.PinsDropped)
	}
	return nil
}

var errNoPackets = errors.New("no frames are held; set packets memory 4MiB")

// outbox returns where files are, whether or not a probe runs, and how much they may take.
func (s *session) outbox() (*outbox.Dir, int64, error) {
	if l, err := s.live(); err == nil && l.Files != nil {
		return l.Files, l.Config.Packets.Files, nil
	}
	cfg, err := s.running()
	return outbox.New(cfg.FilesPath(), cfg.Packets.Files), cfg.Packets.Files, err
}

// running is the running configuration.
func (s *session) running() (config.Config, error) {
	d, _ := s.c.settings.current()
	return d.Config("running")
}

func (s *session) showFiles() (string, error) {
	d, most, err := s.outbox()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = listFiles(&b, d, most)
	return b.String(), err
}

func listFiles(b *strings.Builder, d *outbox.Dir, most int64) error {
	files, err := d.List()
	if err != nil {
		return err
	}
	var sum int64
	for _, f := range files {
		fmt.Fprintf(b, "%s  %10s  %s\n", f.Time.UTC().Format("2006-01-02 15:04:05"), sizeText(f.Bytes), f.Name)
		sum += f.Bytes
	}
	fmt.Fprintf(b, "%d files in %s, %s of %s\n", len(files), d.Path(), sizeText(sum), sizeText(most))
	return nil
}

// captureWords are what a capture can be limited by, each with what comes after it.
func captureWords() []hint {
	return []hint{
		{word: "call", help: "ID: messages of this Call-ID, and media where these say"},
		{word: "address", help: "ADDRESS or ADDRESS/LENGTH: what comes from or goes there"},
		{word: "last", help: "DURATION: such as 90s or 5m"},
		{word: "from", help: "TIME: as 15:04:05 of today or 2006-01-02T15:04:05Z, in UTC"},
		{word: "until", help: "TIME"},
		{word: "pin", help: "N: what is held around a mark, see show packets"},
		{word: "unlocked", help: "blank nothing: events, bodies, keys and credentials are in the file"},
	}
}

func captureHints(s *session, typed []string) []hint {
	before := ""
	if len(typed) > 0 {
		before = typed[len(typed)-1]
	}
	switch before {
	case "pin":
		return pinHints(s, nil)
	case "call", "address", "last", "from", "until":
		for _, h := range captureWords() {
			if h.word == before {
				what, _, _ := strings.Cut(h.help, ":")
				return []hint{{word: strings.Fields(what)[0], help: h.help, free: true}}
			}
		}
	}
	out := captureWords()
	if len(typed) == 0 {
		out = append([]hint{{word: "NAME", help: "of the file", free: true}}, out...)
	}
	return out
}

func pinHints(s *session, typed []string) (out []hint) {
	l, err := s.live()
	if err != nil || len(typed) > 0 || l.Stages.Packets == nil {
		return nil
	}
	for _, p := range l.Stages.Packets().Pins {
		out = append(out, hint{word: strconv.Itoa(p.ID), help: listing.Printable(p.Text)})
	}
	return out
}

func fileHints(s *session, typed []string) (out []hint) {
	d, _, err := s.outbox()
	if err != nil || len(typed) > 0 || d == nil {
		return nil
	}
	files, _ := d.List() // what cannot be read is not hinted at
	for _, f := range files {
		out = append(out, hint{word: f.Name, help: sizeText(f.Bytes)})
	}
	return out
}

func sendHints(s *session, typed []string) []hint {
	switch len(typed) {
	case 0:
		return fileHints(s, typed)
	case 1:
		return []hint{{word: toStick, help: "the USB stick in the box, with FAT or exFAT"}, {word: "URL", help: "https://HOST/PATH, or with / at its end a directory; it is put there (HTTP PUT)", free: true}}
	case 2:
		return []hint{{word: "FINGERPRINT", help: "the SHA-256 of the server's certificate, if the box does not trust who signed it", free: true}}
	}
	return nil
}

// parseCapture reads what comes after capture to file.
func parseCapture(typed []string, now time.Time) (c Capture, err error) {
	keyword := func(w string) bool {
		return slices.ContainsFunc(captureWords(), func(h hint) bool { return h.word == w })
	}
	if len(typed) > 0 && !keyword(typed[0]) {
		c.Name, typed = strings.TrimSuffix(typed[0], ".pcapng")+".pcapng", typed[1:]
	}
	for len(typed) > 0 {
		w := typed[0]
		if w == "unlocked" {
			c.Unlocked, typed = true, typed[1:]
			continue
		}
		if len(typed) < 2 || !keyword(w) {
			return c, errUsage
		}
		value := typed[1]
		typed = typed[2:]
		switch w {
		case "call":
			c.Calls = append(c.Calls, value)
		case "address":
			if c.Address, err = netip.ParsePrefix(value); err != nil {
				var a netip.Addr
				if a, err = netip.ParseAddr(value); err == nil {
					c.Address, err = a.Unmap().Prefix(a.Unmap().BitLen())
				}
			}
		case "last":
			var d time.Duration
			d, err = time.ParseDuration(value)
			c.From = now.Add(-d)
		case "from":
			c.From, err = parseTime(value, now)
		case "until":
			c.Until, err = parseTime(value, now)
		case "pin":
			if c.Pin, err = strconv.Atoi(value); err == nil && c.Pin < 1 {
				err = packets.ErrNoPin
			}
		}
		if err != nil {
			return c, fmt.Errorf("%s %s: %w", w, value, err)
		}
	}
	if c.Name == "" {
		c.Name = now.UTC().Format("capture-20060102-150405") + ".pcapng"
	}
	return c, nil
}

// parseTime reads a time of today, or of any day, in UTC.
func parseTime(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse("15:04:05", s); err == nil { // with a fraction, too
		y, m, d := now.UTC().Date()
		return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		err = errors.New("want 15:04:05 or 2006-01-02T15:04:05Z")
	}
	return t, err
}

func (s *session) captureToFile(typed []string) (string, error) {
	c, err := parseCapture(typed, time.Now())
	if err != nil {
		return "", err
	}
	if c.Unlocked && !s.rights.secrets {
		return "", errors.New("unlocked: this session may not see secrets; without it they are blanked")
	}
	l, err := s.live()
	if err != nil {
		return "", err
	}
	f, r, err := l.Capture(c, s.String())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d frames from %s to %s, %s\n", f.Name, r.Frames, r.First.UTC().Format("15:04:05.000"), r.Last.UTC().Format("15:04:05.000"), sizeText(f.Bytes))
	switch {
	case c.Unlocked:
		b.WriteString("Unlocked: what it has in it is not for everybody.\n")
	case r.Bared > 0:
		fmt.Fprintf(&b, "Of %d frames something was blanked or left out.\n", r.Bared)
	}
	if r.Full {
		b.WriteString("There was no room for all: file delete NAME makes some, or set packets files 256MiB.\n")
	}
	return b.String(), nil
}

func (s *session) unpin(typed []string) (string, error) {
	if len(typed) != 1 {
		return "", errUsage
	}
	l, err := s.live()
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(typed[0])
	if err != nil {
		return "", errUsage
	}
	return "", l.Unpin(n)
}

func (s *session) sendFile(typed []string) (string, error) {
	if len(typed) < 2 || len(typed) > 3 {
		return "", errUsage
	}
	d, _, err := s.outbox()
	if err != nil {
		return "", err
	}
	if typed[1] == toStick {
		if len(typed) > 2 {
			return "", errUsage
		}
		return s.copyToStick(d, typed[0])
	}
	if !s.t.batch {
		s.t.print("sending ...\n")
	}
	ctx, cancel := context.WithTimeout(s.ctx, sendAtMost)
	defer cancel()
	to, n, err := d.Send(ctx, typed[0], typed[1], strings.Join(typed[2:], ""))
	if err != nil {
		return "", err
	}
	s.c.o.Log.Info("file sent", "name", typed[0], "to", to, "bytes", n, "by", s.String())
	return fmt.Sprintf("%s sent to %s\n", sizeText(n), printable(to)), nil
}

// toStick stands for a URL.
const toStick = "usb"

// toldEvery is after how many octets copying shows how far it has come.
const toldEvery = 8 << 20

func (s *session) copyToStick(d *outbox.Dir, name string) (string, error) {
	f, err := d.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if s.c.o.Box == nil || s.c.o.Box.CopyToStick == nil {
		return "", fmt.Errorf("this is no box: another program can copy %s", f.Name())
	}
	var done atomic.Bool
	err = s.tells(func(ctx context.Context, tell func(string)) error {
		tell("copying ...")
		err := s.c.o.Box.CopyToStick(ctx, f.Name(), func(octets int64) {
			if octets > 0 && octets%toldEvery == 0 {
				tell(sizeText(octets))
			}
		})
		done.Store(err == nil)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case !done.Load():
		return "", errors.New("given up; what there was of it is taken away")
	}
	s.c.o.Log.Info("file copied to a USB stick", "name", name, "by", s.String())
	return "copied; the stick may be pulled out\n", nil
}

func (s *session) deleteFile(typed []string) (string, error) {
	if len(typed) != 1 {
		return "", errUsage
	}
	d, _, err := s.outbox()
	if err != nil {
		return "", err
	}
	return "", d.Remove(typed[0])
}
