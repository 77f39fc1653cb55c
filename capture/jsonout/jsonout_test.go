package jsonout

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscaped(t *testing.T) {
	const in = "a\"b\\c\x00\x01\r\n\t\x7f\x80é\xf0\x9f\x98\x80\xe2\x82\u2028/"
	for style, want := range map[Style]string{
		0:                                     `a\"b\\c` + "\uFFFD" + `\u0001\u000d\u000a\u0009\u007f` + "\uFFFDé😀\uFFFD\uFFFD\u2028/",
		ShortLines:                            `a\"b\\c` + "\uFFFD" + `\u0001\r\n\u0009\u007f` + "\uFFFDé😀\uFFFD\uFFFD\u2028/",
		ShortTabs:                             `a\"b\\c` + "\uFFFD" + `\u0001\u000d\u000a\t\u007f` + "\uFFFDé😀\uFFFD\uFFFD\u2028/",
		ShortLines | ShortTabs | EscapedMarks: `a\"b\\c\ufffd\u0001\r\n\t\u007f\ufffdé😀\ufffd\ufffd` + "\u2028/",
	} {
		if got := string(AppendEscaped([]byte("x"), in, style)); got != "x"+want {
			t.Errorf("style %d: %q, want %q", style, got, want)
		}
		if got := string(AppendQuoted(nil, []byte(in), style)); got != `"`+want+`"` {
			t.Errorf("style %d: %q", style, got)
		}
	}
}

func TestObject(t *testing.T) {
	o := Object{B: []byte("{")}
	o.Uint("a", 1<<63)
	o.Int("b", -7)
	o.Open("c", '[')
	for range 2 {
		o.Element()
		o.Bool("d", true)
		o.Close('}')
	}
	o.Close(']')
	o.Word("e", "f")
	o.Text("g", []byte("\n\""))
	o.Open("h", '{')
	o.Key("i")
	o.B = append(o.B, "null}}"...)
	if want := `{"a":9223372036854775808,"b":-7,"c":[{"d":true},{"d":true}],"e":"f","g":"\u000a\"","h":{"i":null}}`; string(o.B) != want {
		t.Errorf("%s", o.B)
	}
}

func TestAllocatesNothing(t *testing.T) {
	buf, text := make([]byte, 0, 4096), []byte(strings.Repeat("é\x00\"a", 100))
	if n := testing.AllocsPerRun(100, func() {
		o := Object{B: append(buf[:0], '{')}
		o.Text("a", text)
		o.Uint("b", 7)
		o.B = AppendQuoted(o.B, "é", EscapedMarks)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEscaped holds what is written against what encoding/json reads: the text,
// with U+FFFD for NUL and what is no UTF-8.
func FuzzEscaped(f *testing.F) {
	f.Add("a\x00\"\\\r\n\t\x7f\x80é", uint8(0))
	f.Add("\xe2\x82\xf0\x9f\x98", uint8(7))
	f.Add("\ufffd\u2028\xed\xa0\x80", uint8(3))
	f.Fuzz(func(t *testing.T, s string, style uint8) {
		got := AppendQuoted(nil, s, Style(style%8))
		var back string
		if err := json.Unmarshal(got, &back); err != nil || !utf8.Valid(got) {
			t.Fatalf("%q: %v", got, err)
		}
		want := ""
		for len(s) > 0 {
			r, n := utf8.DecodeRuneInString(s)
			if r == 0 {
				r = utf8.RuneError
			}
			want += string(r)
			s = s[n:]
		}
		if back != want {
			t.Fatalf("%q is read as %q, want %q", got, back, want)
		}
	})
}
