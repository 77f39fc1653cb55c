package term

import (
	"io"
	"strings"
)

// Control sequences (ECMA-48, and xterm's private modes).
const (
	clear      = "\r\x1b[K"  // to the left, and clear the line
	hideCursor = "\x1b[?25l" // while the panel is drawn
	showCursor = "\x1b[?25h" //
	noWrap     = "\x1b[?7l"  // a line that is too long is cut, not continued
	wrap       = "\x1b[?7h"
	reset      = "\x1b[0m"
	dim        = "\x1b[2m"
)

func colour(name string) string {
	switch name {
	case "red":
		return "\x1b[91m"
	case "green":
		return "\x1b[92m"
	case "yellow", "amber":
		return "\x1b[93m"
	case "blue":
		return "\x1b[94m"
	case "white":
		return "\x1b[97m"
	}
	return ""
}

// draw brings the output up to date, if it is not.
func (p *Panel) draw() error {
	frame := p.frame()
	p.out.Lock()
	defer p.out.Unlock()
	if frame == p.drawn || frame == "" {
		return nil
	}
	text := frame
	if p.cfg.Live && p.drawn == "" {
		text = hideCursor + frame
	}
	p.drawn = frame
	_, err := io.WriteString(p.cfg.Out, text)
	return err
}

// erase takes the panel off a terminal. It runs when nothing can be done about
// an error any more.
func (p *Panel) erase() {
	p.out.Lock()
	defer p.out.Unlock()
	if p.cfg.Live && p.drawn != "" {
		p.drawn = ""
		_, _ = io.WriteString(p.cfg.Out, clear+showCursor)
	}
}

// frame returns what there is to see: on a terminal the whole line, otherwise
// the words, or nothing as long as there are none.
func (p *Panel) frame() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cfg.Live {
		return p.liveFrame()
	}
	var words []string
	for _, l := range p.lights {
		if l.text != "" {
			words = append(words, strings.ToUpper(l.Name)+" "+l.text)
		}
	}
	if p.held {
		words = append(words, "button held")
	}
	if len(words) == 0 {
		return ""
	}
	return "panel: " + strings.Join(words, ", ") + "\n"
}

func (p *Panel) liveFrame() string {
	var b strings.Builder
	b.WriteString(clear + noWrap)
	for i, l := range p.lights {
		if i > 0 {
			b.WriteString("  ")
		}
		if l.on {
			b.WriteString(colour(l.Colour) + "●" + reset)
		} else {
			b.WriteString(dim + "○" + reset)
		}
		b.WriteString(" " + strings.ToUpper(l.Name))
		if l.text != "" {
			b.WriteString(dim + " " + l.text + reset)
		}
	}
	switch {
	case p.cfg.Button == "" || p.cfg.In == nil:
	case p.held:
		b.WriteString("  [h] let go")
	default:
		b.WriteString(dim + "  [b] press  [h] hold" + reset)
	}
	b.WriteString(wrap)
	return b.String()
}
