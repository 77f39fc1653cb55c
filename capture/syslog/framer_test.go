package syslog_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/syslog"
)

// read writes down what a Framer makes of a stream that arrives in pieces of n
// octets: messages in quotes, "!" behind what is cut, "#" before what was
// counted, and how many octets were something else.
func read(t testing.TB, f *syslog.Framer, stream string, n int, last bool) string {
	t.Helper()
	var out strings.Builder
	other := map[syslog.FrameKind]int{}
	from := 0
	most := f.Max
	if most == 0 {
		most = syslog.DefaultMaxMessage
	}
	for to := min(n, len(stream)); ; to = min(to+n, len(stream)) {
		for {
			b := []byte(stream[from:to])
			r := f.Next(b, last && to == len(stream))
			if r.N < 0 || r.N > len(b) || r.N == 0 != (r.Kind == syslog.More || r.Kind == syslog.NotSyslog) {
				t.Fatalf("%+v of %d octets", r, len(b))
			}
			if r.Kind == syslog.NotSyslog {
				return out.String() + "not syslog"
			}
			if r.Kind == syslog.More {
				if len(b) > most+16 || last && to == len(stream) && len(b) > 0 {
					t.Fatalf("%d octets are left pending", len(b))
				}
				break
			}
			if r.Kind == syslog.Message {
				if r.Start < 0 || r.Start > r.End || r.End > r.N || r.End-r.Start > most {
					t.Fatalf("%+v", r)
				}
				if r.Counted {
					out.WriteByte('#')
				}
				fmt.Fprintf(&out, "%q", b[r.Start:r.End])
				if r.Cut {
					out.WriteByte('!')
				}
				out.WriteByte(' ')
			} else {
				other[r.Kind] += r.N
			}
			from += r.N
		}
		if to == len(stream) {
			break
		}
	}
	if n := other[syslog.Junk]; n > 0 {
		fmt.Fprintf(&out, "junk %d ", n)
	}
	if n := other[syslog.Rest]; n > 0 {
		fmt.Fprintf(&out, "rest %d ", n)
	}
	if from < len(stream) {
		fmt.Fprintf(&out, "left %d ", len(stream)-from)
	}
	return strings.TrimSpace(out.String())
}

func TestFramer(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ name, in, want string }{
		{"lines", "<13>a: b\n<14>c: d\n", `"<13>a: b" "<14>c: d"`},
		{"CRLF", "<13>a\r\n\r\n<14>c\r\n", `"<13>a" "<14>c"`},
		{"NUL", "<13>a\x00<14>c\x00", `"<13>a" "<14>c"`},
		{"no trailer at the end", "<13>a\n<14>c", `"<13>a" "<14>c"!`},
		{"a message of two lines", "<13>a\n  at b.c(1)\n<14>d\n", `"<13>a" "at b.c(1)" "<14>d"`},
		{"counted", "5 <13>a7 <14>b\nc", `#"<13>a" #"<14>b\nc"`},
		{"counted, with line ends in between", "5 <13>a\n5 <14>c\n", `#"<13>a" #"<14>c"`},
		{"counted, cut by the end", "9 <13>abc", `#"<13>abc"!`},
		{"both", "<13>a\n5 <14>c<15>d\n", `"<13>a" #"<14>c" "<15>d"`},
		{"a line that begins with a number", "<13>a\n12 monkeys\n<14>b\n", `"<13>a" "12 monkeys" "<14>b"`},
		{"half a count at the end", "<13>a\n12", `"<13>a" "12"!`},
		{"nothing between the trailers", "\n\n<13>\n<14>\n", `"<13>" "<14>"`},
		{"just the limit", "<13>" + x(96) + "\n<14>b\n", `"<13>` + x(96) + `" "<14>b"`},
		{"just the limit, CRLF", "<13>" + x(96) + "\r\n<14>b\n", `"<13>` + x(96) + `" "<14>b"`},
		{"longer", "<13>" + x(200) + "\n<14>b\n", `"<13>` + x(96) + `"! "<14>b" rest 105`},
		{"longer, counted", "204 <13>" + x(200) + "5 <14>b", `#"<13>` + x(96) + `"! #"<14>b" rest 104`},
		{"wrong count", "5 <13>ab5 <14>c", `#"<13>a" #"<14>c" junk 1`},
		{"count of half a PRI", "5 <13>a3 <14>c5 <15>d", `#"<13>a" #"<15>d" junk 7`},
		{"binary behind a line", "<13>a\n\x01\x02\n<14>c\n", `"<13>a" "<14>c" junk 3`},
		{"SIP", "OPTIONS sip:a SIP/2.0\r\n\r\n", "not syslog"},
		{"binary", "<13>\x01\x02", "not syslog"},
		{"a count of something else", "5 hello", "not syslog"},
		{"a count beyond reason", "99999999 <13>a", "not syslog"},
		{"half a PRI", "<1", "not syslog"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{len(c.in), 1, 3, 7} {
				f := syslog.Framer{Max: 100}
				if got := read(t, &f, c.in, n, true); got != c.want {
					t.Errorf("in pieces of %d:\n got %s\nwant %s", n, got, c.want)
				}
			}
		})
	}
}

func TestFramerLost(t *testing.T) {
	const counted = "16 <13>h a: message"
	for _, c := range []struct {
		name, before string
		last         bool // the pending octets were asked for
		gap          int64
		after, want  string
	}{
		{"into the middle of a line", "<13>a\n<14>b", true, 10, "rest\n<15>c\n", `"<15>c" junk 5`},
		{"to the beginning of a line", "<13>a\n", false, -1, "<15>c\n", `"<15>c"`},
		{"text with a PRI inside", "<13>a\n", false, -1, "saw <15>c\n<16>d\n", `"<16>d" junk 10`},
		{"half a count", "5 <13>a", false, 1, "1 <14>x5 <15>b", `#"<15>b" junk 7`},
		{"half a number", "5 <13>a", false, -1, "16 <14>not all of it\n5 <15>c", `#"<15>c" junk 21`},
		{"inside a counted frame that was cut", "29 <13>0123456789abcdefghijklmno", false, 5, "<14>b\n", `"<14>b"`},
		{"beyond it", "29 <13>0123456789", false, 50, "<14>b\n", `"<14>b"`},
		{"a count behind text", "16 <13>h a: me", true, 3, "ge" + counted, `#"<13>h a: message" rest 2`},
		{"nothing found", "<13>a\n", false, -1, "no more", "junk 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 4, 100} {
				f := syslog.Framer{Max: 20}
				read(t, &f, c.before, 100, c.last)
				f.Lost(c.gap)
				if got := read(t, &f, c.after, n, true); got != c.want {
					t.Errorf("in pieces of %d:\n got %s\nwant %s", n, got, c.want)
				}
			}
		})
	}
}

func TestFront(t *testing.T) {
	for in, want := range map[string]syslog.Verdict{
		"": syslog.Maybe, "<": syslog.Maybe, "<13": syslog.Maybe, "<13>": syslog.Maybe, "<13>x": syslog.Yes, "<13>\n\x01": syslog.Yes,
		"1": syslog.Maybe, "113": syslog.Maybe, "113 ": syslog.Maybe, "113 <26>1": syslog.Yes, "113 x": syslog.No, "0": syslog.No, "01 <13>x": syslog.No,
		"<x": syslog.No, "<192": syslog.No, "x": syslog.No, "<13>\x01": syslog.No, "1048577": syslog.No, "3 <13>x": syslog.No, "4 <13>": syslog.No, "4 <0>x": syslog.Yes,
	} {
		if got := syslog.Front([]byte(in)); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}
