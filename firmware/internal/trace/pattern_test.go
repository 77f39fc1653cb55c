package trace

import (
	"strings"
	"testing"
	"time"

	"heptap/capture/sip"
)

func TestUserPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, uri string
		want         bool
	}{
		{"alice", "sip:alice@example.com", true},
		{"alice", "sip:Alice@example.com", false}, // RFC 3261 19.1.4: the user's case counts
		{"alice", "sip:%61lice@example.com", true},
		{"%61lice", "sip:alice@example.com", true},
		{"alice", "sip:alice:secret@example.com", true},
		{"a%40b", "sip:a%40b@example.com", true}, // reserved: stays an escape
		{"a%3ab", "sip:a%3Ab@example.com", true}, // whose digits have no case
		{"+4930*", "sip:%2B49301234@example.com", true},
		{"+49301234", "tel:+49-30-1234;phone-context=x", true},
		{"+49301234", "sip:+49(30)12.34;npdi@gw;user=phone", true},
		{"+49301234", "sip:+49-30-1234@gw", false},
		{"a;b", "sip:a;b@gw", true},
		{"*", "sip:alice@example.com", true},
		{"*", "sip:example.com", false}, // no user
		{"?????", "sip:alice@example.com", true},
		{"????", "sip:alice@example.com", false},
		{"*ic*", "sip:alice@example.com", true},
		{"*ci*", "sip:alice@example.com", false},
		{"*l*c*", "sip:alice@example.com", true},
		{`\*31#`, "sip:*31#@gw", true},
		{`\*31#`, "sip:x31#@gw", false},
		{"*31#", "sip:x31#@gw", true},
		{"%2a31#", "sip:*31#@gw", true},
		{"%2a31#", "sip:x31#@gw", false},
		{"alice@example.com", "sip:alice@EXAMPLE.com", true},
		{"alice@Example.COM", "sip:alice@example.com.", true},
		{"alice@*.example.com", "sip:alice@a.b.example.com", true},
		{"alice@*.example.com", "sip:alice@example.com", false},
		{"*@2001:db8::1", "sip:bob@[2001:DB8::1]:5060", true},
		{"+49@*", "tel:+49", false}, // a number has no domain
		{"alice", "", false},
		{"alice", "urn:alice", false},
		{"%", "sip:%@h", true},
		{"%z1", "sip:%z1@h", true},
		{"100%", "sip:100%@h", true},
		{"*", "sip:" + strings.Repeat("a", 1024) + "@h", true},
		{"*", "sip:" + strings.Repeat("a", 1025) + "@h", false},
	} {
		g, err := compileUser(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		var p party
		p.take([]byte(tt.uri), make([]byte, 0, textBytes))
		if got := g.match(&p); got != tt.want {
			t.Errorf("%s on %.60q: %v (user %q, domain %q)", tt.pattern, tt.uri, got, p.user, p.domain)
		}
	}
}

// slowMatch compares by the definition, with a table.
func slowMatch(g glob, text []byte) bool {
	ok := make([][]bool, len(g)+1) // ok[i][j]: g from i on matches text from j on
	for i := len(g); i >= 0; i-- {
		ok[i] = make([]bool, len(text)+1)
		for j := len(text); j >= 0; j-- {
			switch {
			case i == len(g):
				ok[i][j] = j == len(text)
			case g[i] == anyRun:
				ok[i][j] = ok[i+1][j] || j < len(text) && ok[i][j+1]
			default:
				ok[i][j] = j < len(text) && (g[i] == anyOne || g[i] == uint16(text[j])) && ok[i+1][j+1]
			}
		}
	}
	return ok[0][0]
}

func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*a*a*b", "aaaaaaaaaaaab")
	f.Add(`\*%61%40%2*`, "*a%40%2")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		for _, domain := range []bool{false, true} {
			g, err := compile(pattern, domain)
			if err != nil {
				continue
			}
			if len(g) > len(pattern) || len(text) > 4096 {
				t.Skip()
			}
			if got, want := g.match([]byte(text)), slowMatch(g, []byte(text)); got != want {
				t.Fatalf("%q on %q: %v, want %v", pattern, text, got, want)
			}
		}
		// A text is matched by the pattern that it is when nothing in it is special.
		u := sip.URI{Scheme: []byte("sip"), User: []byte(text)}
		if text == "" || len(text) > maxPattern {
			return
		}
		as := appendUser(nil, &u)
		if len(as) > len(text) {
			t.Fatalf("%q became longer: %q", text, as)
		}
		if g, err := compile(strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(text), false); err == nil && !g.match(as) && !strings.Contains(text, `%`) {
			t.Fatalf("%q is not matched by itself, but is %q", text, as)
		}
	})
}

// TestPatternIsNotSlow asserts that no pattern makes more than len(pattern) *
// len(text) steps: it would not end before the test's own time limit.
func TestPatternIsNotSlow(t *testing.T) {
	g, err := compile(strings.Repeat("*a", 127)+"*b", false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() { done <- g.match([]byte(strings.Repeat("a", maxText))) }()
	select {
	case matched := <-done:
		if matched {
			t.Error("matched")
		}
	case <-time.After(time.Minute):
		t.Fatal("still comparing")
	}
}
