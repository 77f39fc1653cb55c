package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"
)

// MaxLine is the most characters of one line.
const MaxLine = 4096

const (
	maxHistory   = 100 // lines that can be called back
	defaultRows  = 24
	defaultWidth = 80
	leastWidth   = 20
)

var (
	errInterrupted = errors.New("interrupted")
	errTooLong     = errors.New("the line is too long, it was not carried out")
)

// terminal is the other side of a session: keys come in, lines go out. It is for
// one goroutine, but for the reader it has.
type terminal struct {
	ctx     context.Context
	out     io.Writer
	in      <-chan []byte // closed when nothing more comes
	pending []byte
	decoder decoder

	rows, width int // rows 0: no pages
	batch       bool
	hidden      bool          // what is typed is not shown
	idle        time.Duration // readLine gives up after so long without a key; 0: never
	history     []string
	notices     <-chan string // to be shown when nothing else is
	err         error         // of the first write that failed

	line    []rune
	pos     int // of the cursor in line
	from    int // what the window begins with
	shown   int // columns behind the prompt that are not blank
	prompt  string
	tooLong bool
}

// newTerminal reads from rw until that fails; the reader then ends. Whoever ends
// the session before must close rw, or its reader waits for it.
func newTerminal(ctx context.Context, rw io.ReadWriter, notices <-chan string) *terminal {
	in := make(chan []byte)
	go func() {
		defer close(in)
		for {
			b := make([]byte, 512)
			n, err := rw.Read(b)
			if n > 0 {
				select {
				case in <- b[:n]:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return &terminal{ctx: ctx, out: rw, in: in, rows: defaultRows, width: defaultWidth, notices: notices}
}

func (t *terminal) write(s string) {
	if t.err == nil && s != "" {
		_, t.err = io.WriteString(t.out, s)
	}
}

// print writes whole lines.
func (t *terminal) print(s string) {
	if !t.batch {
		s = strings.ReplaceAll(s, "\n", "\r\n")
	}
	t.write(s)
}

// takeIn takes what has come while no key was waited for.
func (t *terminal) takeIn() {
	select {
	case b, ok := <-t.in:
		if ok {
			t.pending = append(t.pending, b...)
		}
	default:
	}
}

// pressed says whether a key has come while none was waited for, and takes it away. A
// script's lines are no keys.
func (t *terminal) pressed() bool {
	if t.ctx.Err() != nil {
		return true
	}
	if t.batch {
		return false
	}
	t.takeIn()
	for len(t.pending) > 0 {
		k, ok := t.decoder.next(t.pending[0])
		t.pending = t.pending[1:]
		if ok && k == keySize {
			t.resize()
		} else if ok {
			return true
		}
	}
	return false
}

// interrupted says whether ^C has come while no key was waited for. Other keys that
// came wait on.
func (t *terminal) interrupted() bool {
	if t.ctx.Err() != nil {
		return true
	}
	t.takeIn()
	i := bytes.IndexByte(t.pending, 0x03)
	if i < 0 || t.batch {
		return false
	}
	t.pending = t.pending[i+1:]
	return true
}

// errNotice says that a notice has come while a key was waited for.
var errNotice = errors.New("notice")

// key waits for a key. A timeout, unless it is 0, ends that with
// context.DeadlineExceeded.
func (t *terminal) key(timeout time.Duration, notices <-chan string) (key, string, error) {
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		for len(t.pending) > 0 {
			k, ok := t.decoder.next(t.pending[0])
			t.pending = t.pending[1:]
			if !ok {
				continue
			}
			if k == keySize {
				t.resize()
				continue
			}
			return k, "", nil
		}
		if t.err != nil {
			return 0, "", t.err
		}
		select {
		case b, ok := <-t.in:
			if !ok {
				return 0, "", io.EOF
			}
			t.pending = b
		case n := <-notices:
			return 0, n, errNotice
		case <-expired:
			return 0, "", context.DeadlineExceeded
		case <-t.ctx.Done():
			return 0, "", t.ctx.Err()
		}
	}
}

// resize takes what the terminal said of its size. Nobody's size can be 0 later:
// a session is a person's or a script's from its beginning.
func (t *terminal) resize() {
	rows, width := t.decoder.rows, t.decoder.columns
	if rows == 0 {
		t.batch, t.rows = true, 0
		return
	}
	t.batch, t.rows, t.width = false, max(rows, 3), max(width, leastWidth)
}

// greet waits for what a terminal says of itself when it is there; not every one
// says something.
func (t *terminal) greet(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case t.pending = <-t.in:
	case <-timer.C:
	case <-t.ctx.Done():
	}
	for len(t.pending) > 0 && (t.pending[0] == 0x1b || t.decoder.state != between) {
		k, ok := t.decoder.next(t.pending[0])
		t.pending = t.pending[1:]
		if ok && k == keySize {
			t.resize()
			return
		}
	}
}

// readLine reads a line. more is called for Tab and ? and returns what replaces
// the line up to the cursor and what is to be printed first; nil: these are
// characters. A line that was not ended by Enter before the input's end counts.
func (t *terminal) readLine(prompt string, more func(line string, help bool) (string, string)) (string, error) {
	t.line, t.pos, t.from, t.shown, t.prompt, t.tooLong = t.line[:0], 0, 0, 0, prompt, false
	if !t.batch {
		t.write(prompt)
	}
	back := len(t.history) // which line of the history is shown
	kept := ""             // what was typed before
	literal := false
	for {
		k, notice, err := t.key(t.idle, t.notices)
		switch {
		case errors.Is(err, errNotice):
			t.interject(notice)
			continue
		case errors.Is(err, io.EOF) && len(t.line) > 0 && t.err == nil:
			k = keyEnter
		case err != nil:
			return "", err
		}
		if literal && k <= 0x10ffff {
			literal = false
			t.insert([]rune{rune(k)})
			continue
		}
		literal = k == keyLiteral
		switch k {
		case keyEnter:
			t.newline()
			if t.tooLong {
				return "", errTooLong
			}
			return string(t.line), nil
		case keyInterrupt:
			t.newline()
			return "", errInterrupted
		case keyEOF:
			if len(t.line) == 0 {
				t.newline()
				return "", io.EOF
			}
			t.remove(t.pos, t.pos+1)
		case keyUp, keyDown:
			if back == len(t.history) {
				kept = string(t.line)
			}
			if k == keyUp {
				back = max(back-1, 0)
			} else {
				back = min(back+1, len(t.history))
			}
			if more == nil || t.batch {
				continue
			}
			t.line = append(t.line[:0], []rune(append(t.history, kept)[back])...)
			t.pos = len(t.line)
			t.draw()
		case keyTab, '?':
			switch {
			case more != nil && !t.batch && !(k == '?' && quoted(string(t.line[:t.pos]))):
				t.help(k == '?', more)
			case k == '?':
				t.insert([]rune{'?'})
			default:
				t.insert([]rune{' '})
			}
		default:
			t.edit(k)
		}
	}
}

// help completes the line, or shows what could come.
func (t *terminal) help(ask bool, more func(string, bool) (string, string)) {
	before, text := more(string(t.line[:t.pos]), ask)
	if text != "" {
		t.newline()
		t.print(text)
		t.shown = 0
		t.write(t.prompt)
	}
	rest := t.line[t.pos:]
	line := append([]rune(before), rest...)
	if len(line) > MaxLine {
		t.bell()
		return
	}
	t.line, t.pos = line, len(line)-len(rest)
	t.draw()
}

func (t *terminal) edit(k key) {
	switch k {
	case keyBackspace:
		if t.pos > 0 {
			t.pos--
			t.remove(t.pos, t.pos+1)
		}
	case keyDelete:
		t.remove(t.pos, t.pos+1)
	case keyLeft:
		t.move(t.pos - 1)
	case keyRight:
		t.move(t.pos + 1)
	case keyHome:
		t.move(0)
	case keyEnd:
		t.move(len(t.line))
	case keyKillEnd:
		t.remove(t.pos, len(t.line))
	case keyKillLine:
		end := t.pos
		t.pos = 0
		t.remove(0, end)
	case keyKillWord:
		end := t.pos
		for t.pos > 0 && t.line[t.pos-1] == ' ' {
			t.pos--
		}
		for t.pos > 0 && t.line[t.pos-1] != ' ' {
			t.pos--
		}
		t.remove(t.pos, end)
	case keyRedraw:
		if !t.batch {
			t.write("\r\n" + t.prompt)
			t.shown = 0
			t.draw()
		}
	case keyLiteral:
	default:
		t.insert([]rune{rune(k)})
	}
}

func (t *terminal) bell() {
	if !t.batch {
		t.write("\a")
	}
}

func (t *terminal) newline() {
	if !t.batch {
		t.write("\r\n")
	}
}

func (t *terminal) insert(r []rune) {
	if len(t.line)+len(r) > MaxLine {
		if !t.tooLong {
			t.bell()
		}
		t.tooLong = true
		return
	}
	atEnd := t.pos == len(t.line)
	t.line = append(t.line, r...)
	copy(t.line[t.pos+len(r):], t.line[t.pos:])
	copy(t.line[t.pos:], r)
	t.pos += len(r)
	if t.batch || t.hidden {
		return
	}
	if atEnd && t.pos-t.from < t.room() {
		t.write(string(r)) // the usual case costs an octet and no more
		t.shown = t.pos - t.from
		return
	}
	t.draw()
}

func (t *terminal) remove(from, to int) {
	to = min(to, len(t.line))
	if from >= to {
		t.draw()
		return
	}
	t.line = append(t.line[:from], t.line[to:]...)
	if len(t.line) == 0 {
		t.tooLong = false
	}
	t.draw()
}

func (t *terminal) move(to int) {
	t.pos = min(max(to, 0), len(t.line))
	t.draw()
}

// room is how many columns there are for the line: the last one stays empty, for
// terminals differ in what follows it.
func (t *terminal) room() int { return max(t.width-len(t.prompt)-1, 8) }

// draw shows the line anew, with CR and BS alone.
func (t *terminal) draw() {
	if t.batch || t.hidden {
		return
	}
	room := t.room()
	switch {
	case len(t.line) < room:
		t.from = 0
	case t.pos < t.from || t.pos >= t.from+room:
		t.from = max(t.pos-room/2, 0)
	}
	part := t.line[t.from:min(len(t.line), t.from+room)]
	var b bytes.Buffer
	b.WriteString("\r" + t.prompt + string(part))
	blanks := max(t.shown-len(part), 0)
	b.WriteString(strings.Repeat(" ", blanks))
	b.WriteString(strings.Repeat("\b", blanks+len(part)-(t.pos-t.from)))
	t.shown = len(part)
	t.write(b.String())
}

// interject shows a notice above the line that is being typed.
func (t *terminal) interject(s string) {
	if t.batch {
		t.print(s + "\n")
		return
	}
	t.write("\r" + strings.Repeat(" ", len(t.prompt)+t.shown) + "\r")
	t.print(s + "\n")
	t.shown = 0
	t.write(t.prompt)
	t.draw()
}

// remember puts a line into the history.
func (t *terminal) remember(line string) {
	if line == "" || len(t.history) > 0 && t.history[len(t.history)-1] == line {
		return
	}
	if len(t.history) == maxHistory {
		t.history = append(t.history[:0], t.history[1:]...)
	}
	t.history = append(t.history, line)
}

// quoted reports whether what follows line stands in double quotes.
func quoted(line string) bool {
	in := false
	for i := 0; i < len(line); i++ {
		switch {
		case in && line[i] == '\\':
			i++
		case line[i] == '"':
			in = !in
		}
	}
	return in
}

// page prints text, a screen at a time, and says whether all of it was wanted.
func (t *terminal) page(text string) bool {
	left := t.rows - 1
	for line := range strings.Lines(text) {
		if t.rows > 0 && !t.batch {
			need := max((len([]rune(line))+t.width-2)/t.width, 1)
			if left < need {
				n, ok := t.turn()
				if !ok {
					return false
				}
				left = n
			}
			left -= need
		}
		t.print(line)
		if t.err != nil {
			return false
		}
	}
	return true
}

// turn asks whether to go on, and returns for how many rows.
func (t *terminal) turn() (rows int, ok bool) {
	const ask = "-- more: space, Enter, q --"
	t.write(ask)
	defer t.write("\r" + strings.Repeat(" ", len(ask)) + "\r")
	for {
		k, _, err := t.key(0, nil)
		switch {
		case err != nil:
			return 0, false
		case k == ' ' || k == keyRight:
			return t.rows - 1, true
		case k == keyEnter || k == keyDown:
			return 1, true
		case k == 'q' || k == 'Q' || k == keyInterrupt || k == keyEOF:
			return 0, false
		}
	}
}
