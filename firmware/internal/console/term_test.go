package console

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
)

// screen is a dumb terminal: printable characters, CR, LF, BS and BEL.
type screen struct {
	width  int
	lines  [][]rune
	column int
	bad    string // what it does not know
}

func (s *screen) Write(b []byte) (int, error) {
	if s.lines == nil {
		s.lines = [][]rune{nil}
	}
	for _, r := range string(b) {
		last := &s.lines[len(s.lines)-1]
		switch {
		case r == '\r':
			s.column = 0
		case r == '\n':
			s.lines = append(s.lines, nil)
		case r == '\b':
			if s.column == 0 {
				s.bad += "BS at the left margin;"
			}
			s.column--
		case r == '\a':
		case r < ' ' || r == 0x7f:
			s.bad += fmt.Sprintf("%q;", r)
		case s.column >= s.width:
			s.bad += "beyond the right margin;"
		default:
			for len(*last) <= s.column {
				*last = append(*last, ' ')
			}
			(*last)[s.column] = r
			s.column++
		}
	}
	return len(b), nil
}

func (s *screen) last() string {
	if len(s.lines) == 0 {
		return ""
	}
	return strings.TrimRight(string(s.lines[len(s.lines)-1]), " ")
}

// type a line, and see what becomes of it.
func readKeys(keys string, width int, history ...string) (line string, scr *screen, err error) {
	scr = &screen{width: width}
	t := newTerminal(context.Background(), struct {
		io.Reader
		io.Writer
	}{strings.NewReader(keys), scr}, nil)
	t.width, t.history = width, history
	line, err = t.readLine("> ", func(l string, _ bool) (string, string) { return l + "<tab>", "" })
	return line, scr, err
}

func TestLine(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"plain", "show\r", "show"},
		{"LF", "show\n", "show"},
		{"end of input", "show", "show"},
		{"backspace", "shox\x7fw\x08\x08ow\r", "show"},
		{"backspace at the beginning", "\x7f\x7fa\r", "a"},
		{"left and right", "ac\x1b[Db\x1b[Cd\x1bOD\x1bODx\r", "abxcd"},
		{"too far", "a\x1b[D\x1b[D\x1b[Db\x1b[C\x1b[C\x1b[Cc\r", "bac"},
		{"home and end", "b\x01a\x05c\x1b[Hx\x1b[Fy\x1b[1~0\x1b[4~z\r", "0xabcyz"},
		{"delete", "abc\x01\x04\x1b[3~\r", "c"},
		{"delete at the end", "abc\x1b[3~\x04\r", "abc"},
		{"kill the rest", "abc\x02\x0b\r", "ab"},
		{"kill what is before", "abc\x02\x15\r", "c"},
		{"kill words", "set  system  node x\x17\x17\r", "set  system  "},
		{"history", "\x1b[A\x1b[A\r", "first"},
		{"history ends", "\x10\x10\x10\x10\r", "first"},
		{"and back", "new\x1b[A\x1b[A\x1b[B\x1b[B\r", "new"},
		{"edited", "\x1b[A!\r", "second!"},
		{"umlauts", "sch\xc3\xb6n\xc3\xbc\x7f\r", "schön"},
		{"half a character", "a\xc3b\xe2\x82c\x80\xff\r", "abc"},
		{"unknown sequences", "a\x1b[5~\x1b[1;5C\x1b[200~\x1bx\x1b[9999999999999999999999~b\x1b[38;5;1mc\r", "abc"},
		{"a sequence that breaks off", "a\x1b[1\rb\r", "a"},
		{"break", "\x00a\x00\x00b\r", "ab"},
		{"Tab", "a\tb\r", "a<tab>b"},
		{"?", "a?b\r", "a<tab>b"},
		{"? in quotes", "\"a?\"?\r", "\"a?\"<tab>"},
		{"literal", "a\x16?\r", "a?"},
		{"size", "a\x1b[8;30;100tb\x1b[8;;1t\x1b[8;1tc\r", "abc"},
		{"redraw", "ab\x0cc\r", "abc"},
	} {
		got, scr, err := readKeys(c.keys, 80, "first", "second")
		if got != c.want || err != nil || scr.bad != "" {
			t.Errorf("%s: %q, want %q (%v, %s)", c.name, got, c.want, err, scr.bad)
		}
	}
	for keys, want := range map[string]error{"abc\x03": errInterrupted, "": io.EOF, "\x04": io.EOF, "\x01\x04abc": io.EOF} {
		if got, _, err := readKeys(keys, 80); err != want {
			t.Errorf("%q: %q, %v, want %v", keys, got, err, want)
		}
	}
	if got, _, err := readKeys(strings.Repeat("x", MaxLine)+"\r", 80); err != nil || len(got) != MaxLine {
		t.Errorf("%d characters, %v", len(got), err)
	}
	if _, _, err := readKeys(strings.Repeat("x", MaxLine+1)+"\x7f\r", 80); err != errTooLong {
		t.Errorf("%v", err)
	}
}

// Whatever is typed, the screen shows the part of the line around the cursor, and
// nothing moves but by CR and BS.
func TestScreenShowsTheLine(t *testing.T) {
	keys := []string{"a", "b", " ", "ö", "wxyz", "\x7f", "\x1b[D", "\x1b[C", "\x01", "\x05", "\x0b", "\x15", "\x17", "\x1b[3~", "\x1b[A", "\x1b[B", "\t", "\x0c", strings.Repeat("long ", 20)}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		width := 20 + rng.IntN(60)
		scr := &screen{width: width}
		tm := newTerminal(context.Background(), struct {
			io.Reader
			io.Writer
		}{strings.NewReader(""), scr}, nil)
		tm.width, tm.history = width, []string{"one", strings.Repeat("two ", 30)}
		for range 60 {
			tm.pending = append(tm.pending, keys[rng.IntN(len(keys))]...)
		}
		typed := string(tm.pending)
		tm.pending = append(tm.pending, 0x03) // ends readLine and leaves the line
		tm.out = &beforeNewline{scr: scr}
		_, _ = tm.readLine("> ", func(l string, _ bool) (string, string) { return l + "t", "" })
		room := width - 3
		from := tm.from
		part := tm.line[from:min(len(tm.line), from+room)]
		if want := strings.TrimRight("> "+string(part), " "); scr.last() != want || scr.column != 2+tm.pos-from || scr.bad != "" {
			t.Fatalf("round %d, width %d, typed %q:\nshown %q, cursor %d\nwant  %q, cursor %d\n%s", round, width, typed, scr.last(), scr.column, want, 2+tm.pos-from, scr.bad)
		}
	}
}

// beforeNewline passes on all but the CR LF that a line ends with.
type beforeNewline struct{ scr *screen }

func (b *beforeNewline) Write(p []byte) (int, error) {
	if string(p) == "\r\n" {
		return len(p), nil
	}
	return b.scr.Write(p)
}

func TestPages(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	for _, c := range []struct {
		keys string
		last string // line that is shown
	}{
		{"q", "line 8"}, {" q", "line 17"}, {"\r\r\rq", "line 11"}, {"\x03", "line 8"}, {strings.Repeat(" ", 20), "line 99"}, {"xyz", "line 8"}, {"", "line 8"},
	} {
		scr := &screen{width: 40}
		tm := newTerminal(context.Background(), struct {
			io.Reader
			io.Writer
		}{strings.NewReader(c.keys), scr}, nil)
		tm.rows, tm.width = 10, 40
		tm.page(text.String())
		last := ""
		for _, l := range scr.lines {
			if s := strings.TrimRight(string(l), " "); s != "" && !strings.Contains(s, "more") {
				last = s
			}
		}
		if last != c.last || scr.bad != "" {
			t.Errorf("%q: up to %q, want %q %s", c.keys, last, c.last, scr.bad)
		}
	}
}

// Every option completes, word by word, and says what it is for.
func TestEveryOptionCompletes(t *testing.T) {
	r := newRig(t, startText)
	s := &session{c: r.Console, t: &terminal{width: 80}}
	one := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	names := strings.NewReplacer("<port>", "span0", "<name>", "c", "<group>", "g1", "<rule>", "r1")
	for _, o := range config.Schema() {
		line := "set "
		for _, w := range o.Path {
			if w[0] == '<' {
				_, text := s.more(line, true)
				if !strings.Contains(text, w) {
					t.Errorf("%s? does not say %s:\n%s", line, w, text)
				}
				line += names.Replace(w) + " "
				continue
			}
			// The shortest beginning that fits nothing else is enough.
			n := 1
			for ; n < len(w); n++ {
				if done, _ := s.more(line+w[:n], false); done == line+w+" " {
					break
				}
			}
			done, _ := s.more(line+w[:n], false)
			if done != line+w+" " && !(n == len(w) && done == line+w) { // the beginning of another word
				t.Errorf("%q completes to %q, want %q", line+w[:n], done, line+w+" ")
			}
			line += w + " "
		}
		if _, text := s.more(line, true); !strings.Contains(one(text), one(o.Help)) || !strings.Contains(one(text), one(o.Example)) {
			t.Errorf("%s? says\n%s", line, text)
		}
		value := []string{o.Example}
		if o.Many {
			value = strings.Fields(o.Example)
		}
		if _, err := (config.Draft{}).Set(append(strings.Fields(line)[1:], value...)); err != nil {
			t.Errorf("%s: its example: %v", line, err)
		}
	}
	for _, c := range commands() {
		if c.help == "" || c.run == nil {
			t.Errorf("%v: no help", c.path)
		}
		if _, text := s.more(strings.Join(c.path[:len(c.path)-1], " ")+" ", true); !strings.Contains(text, c.path[len(c.path)-1]) {
			t.Errorf("%v is not offered", c.path)
		}
	}
}

func TestCompletes(t *testing.T) {
	r := newRig(t, startText)
	s := &session{c: r.Console, t: &terminal{width: 80}}
	for _, c := range []struct{ line, want, text string }{
		{"sh", "show ", ""},
		{"s", "s", "  set"},
		{"co", "co", "  commit"},
		{"com", "commit ", ""},
		{"conf", "confirm ", ""},
		{"commit c", "commit confirmed ", ""},
		{"show ru", "show running ", ""},
		{"set coll", "set collector ", ""},
		{"set collector ", "set collector ", "  c       is there already"},
		{"set collector c tr", "set collector c transport ", ""},
		{"set collector c transport u", "set collector c transport udp ", ""},
		{"set media events o", "set media events o", "  on"},
		{"set media events on", "set media events on ", ""},
		{"delete capture span0 i", "delete capture span0 interface ", ""},
		{"delete x", "delete x", "nothing begins with \"x\" here"},
		{"show | com", "show | compare ", ""},
		{"show version | ma", "show version | match ", ""},
		{"set \"a", "set \"a", ""},
		{"frob x ", "frob x ", "unknown command"},
	} {
		got, text := s.more(c.line, false)
		if got != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%q: %q, want %q\n%s", c.line, got, c.want, text)
		}
	}
}

// FuzzSession: whatever comes in, a session ends with its input, writes nothing
// that a dumb terminal does not know, shows no secret, and changes nothing without
// a commit.
func FuzzSession(f *testing.F) {
	f.Add([]byte("show\rset system node b\rshow | compare\r"))
	f.Add([]byte("\x1b[8;0;0tset collector c auth-key ***\nload\nset system node a\n.\nshow | match x\n"))
	f.Add([]byte("se\tsy\tno\t?x\x1b[A\x1b[D\x17\x15\x16\x0c\x03\x00\xff\r"))
	f.Add([]byte("\x1b[8;5;20tshow running\r   q\rhelp\r \r\rq"))
	f.Add([]byte("commit confirmed 5\rrollback 1\rabort\rconfirm\rshow history\rsave x\rload x\r"))
	f.Fuzz(func(t *testing.T, keys []byte) {
		if strings.Contains(string(keys), "hush") {
			return
		}
		r := newRig(t, startText)
		defer r.Close()
		c := &conversation{Reader: strings.NewReader(string(keys))}
		if err := r.Serve(context.Background(), c, "fuzz", time.Second); err != nil {
			t.Fatal(err)
		}
		out := c.String()
		if strings.Contains(out, "hush") {
			t.Fatalf("the secret is shown: %q", out)
		}
		for i, ch := range out {
			if ch < ' ' && ch != '\r' && ch != '\n' && ch != '\b' && ch != '\a' && !(i == len(out)-1 && (ch == 0x06 || ch == 0x15)) || ch == 0x7f {
				t.Fatalf("%q in %q", ch, out)
			}
		}
		if len(r.applied) == 0 && r.text(t) != startText {
			t.Fatalf("file:\n%s", r.text(t))
		}
		if n := len(r.sessions()); n > 0 {
			t.Fatalf("%d sessions are left", n)
		}
	})
}
