package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// panel takes what the probe writes to standard error: its front panel and
// its log. On a terminal the probe is given a terminal of its own, so that it
// draws its LEDs, and the drawing is passed on as it is. Otherwise it prints a
// line whenever an LED changes what it says. The log is kept for when
// something goes wrong. Either way the panel remembers the story of each LED.
type panel struct {
	say    *speaker
	ours   *os.File // what the probe wrote is read here
	theirs *os.File
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	log   []string
	last  map[string]string // by LED
	story []scene
}

// scene is a change of an LED.
type scene struct {
	at   time.Duration
	led  string
	says string
}

// leds are the LEDs as the panel names them.
var leds = []string{"STATUS", "CAPTURE", "UPLINK", "SPOOL"}

func openPanel(say *speaker) (*panel, error) {
	p := &panel{say: say, done: make(chan struct{}), last: map[string]string{}}
	var err error
	if say.terminal {
		p.ours, p.theirs, err = openPTY()
	} else {
		p.ours, p.theirs, err = os.Pipe()
	}
	if err != nil {
		return nil, fmt.Errorf("panel: %w", err)
	}
	go p.read()
	return p, nil
}

// openPTY opens a pseudo-terminal (pty(7)) of the size of ours.
func openPTY() (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	n := 0
	if err == nil {
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) // only looks
	}
	return ours, theirs, nil
}

// probeEnd is for the probe's standard error.
func (p *panel) probeEnd() *os.File { return p.theirs }

// close ends the reading. The probe must have ended.
func (p *panel) close() error {
	err := p.theirs.Close()
	<-p.done
	p.ours.Close()
	return err
}

// read takes the output apart: a log line or a line panel ends in a newline,
// a drawn panel begins with the clearing of its line.
func (p *panel) read() {
	defer close(p.done)
	buf := make([]byte, 1<<16)
	var part []byte
	for {
		n, err := p.ours.Read(buf)
		if err != nil { // EIO is how a pseudo-terminal says that nobody is left
			return
		}
		part = append(part, buf[:n]...)
		for {
			text, rest, kind := next(part)
			if kind == nothing {
				break
			}
			p.take(text, kind)
			part = append(part[:0], rest...)
		}
	}
}

type kind int

const (
	nothing kind = iota
	drawn        // a panel on a terminal
	written      // a line
)

const endOfFrame = "\x1b[?7h" // the panel switches wrapping back on

// next splits the first whole thing off b.
func next(b []byte) (text, rest []byte, k kind) {
	newline := bytes.IndexByte(b, '\n')
	frame := bytes.Index(b, []byte(endOfFrame))
	switch {
	case frame >= 0 && (newline < 0 || frame < newline):
		return b[:frame+len(endOfFrame)], b[frame+len(endOfFrame):], drawn
	case newline >= 0:
		return b[:newline+1], b[newline+1:], written
	}
	return nil, b, nothing
}

var escape = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

func (p *panel) take(b []byte, k kind) {
	text := strings.TrimSpace(escape.ReplaceAllString(string(b), ""))
	switch {
	case k == drawn:
		p.say.raw(b)
		p.note(text)
	case strings.HasPrefix(text, "panel: "):
		p.say.line("    %s", text)
		p.note(strings.TrimPrefix(text, "panel: "))
	case text != "":
		p.mu.Lock()
		p.log = append(p.log, text)
		p.mu.Unlock()
	}
}

// note remembers what LEDs say: each name is followed by its words.
func (p *panel) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := strings.Fields(strings.NewReplacer("●", " ", "○", " ", ",", " , ").Replace(text))
	says := map[string]string{}
	led := ""
	for i, w := range words {
		if slices.Contains(leds, w) {
			led = w
			continue
		}
		if w == "," && (i+1 == len(words) || slices.Contains(leds, words[i+1])) {
			continue
		}
		if led != "" && !strings.HasPrefix(w, "[") {
			says[led] = strings.TrimSpace(says[led] + " " + w)
		}
	}
	for _, led := range leds {
		if now := strings.ReplaceAll(says[led], " ,", ","); now != p.last[led] {
			p.last[led] = now
			p.story = append(p.story, scene{p.say.elapsed(), led, now})
		}
	}
}

// told returns what an LED said, in order.
func (p *panel) told(led string) (scenes []scene) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.story {
		if s.led == led {
			scenes = append(scenes, s)
		}
	}
	return scenes
}

// await waits until an LED says something, if it does.
func (p *panel) await(ctx context.Context, patience time.Duration, led, says string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; {
		if told := p.told(led); len(told) > 0 && told[len(told)-1].says == says {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tail is the end of the probe's log.
func (p *panel) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log[max(0, len(p.log)-40):], "\n")
}
