package config_test

import (
	"reflect"
	"strings"
	"testing"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/trace"
)

func TestTrace(t *testing.T) {
	c := parse(t, `
set trace rule pings deny method OPTIONS from phones   # a group that comes later
set trace group phones 10.1.0.0/16 2001:db8:1::/48
set trace rule codes count user "#31#*" caller \*21*
set trace rule rest allow
set trace default deny
set trace rule pings "deny from phones method OPTIONS,REGISTER"
`)
	var got []string
	for i := range c.Trace.Rules {
		got = append(got, c.Trace.Rules[i].Name+": "+c.Trace.Rules[i].String())
	}
	want := []string{"pings: deny from phones method OPTIONS,REGISTER", `codes: count user #31#* caller \*21*`, "rest: allow"}
	if !reflect.DeepEqual(got, want) || c.Trace.Default != trace.Deny || c.Trace.Groups[0].String() != "10.1.0.0/16 2001:db8:1::/48" {
		t.Errorf("%q, %+v", got, c.Trace)
	}
	const printed = `set trace group phones 10.1.0.0/16 2001:db8:1::/48
set trace rule pings deny from phones method OPTIONS,REGISTER
set trace rule codes count user "#31#*" caller "\\*21*"
set trace rule rest allow
set trace default deny
`
	if config.Format(c) != printed {
		t.Errorf("prints as\n%s", config.Format(c))
	}
	if again := parse(t, printed); !reflect.DeepEqual(again, c) {
		t.Errorf("read again: %+v", again.Trace)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	c = parse(t, "set trace rule a deny\nset trace rule b allow types sip\n")
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "trace rule b is never reached: a before it") {
		t.Errorf("warnings %q", w)
	}
}

func TestTraceErrors(t *testing.T) {
	many := ""
	for i := range trace.MaxRules {
		many += "set trace rule r" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + " count\n"
	}
	parse(t, many)
	for _, tt := range []struct{ text, want string }{
		{"set trace", "set trace: incomplete, want one of: group, rule, default"},
		{"set trace rule", "set trace rule: incomplete, want one of: <rule>"},
		{"set trace rule a", "set trace rule a: incomplete, want allow|deny|count"},
		{"set trace rule a deny types sib", `test:1: set trace rule a: types "sib": unknown type, want one of: sip, rtcp`},
		{"set trace rule a deny from 10.0.0.0/40", `set trace rule a: from "10.0.0.0/40": want a group, a network such as`},
		{"set trace rule a deny from phones", `test: trace rule a: from "phones" is no address, no network and no group; add a line: set trace group phones`},
		{"set trace rule a/b deny", "a name is 1 to 32 letters"},
		{"set trace rule default deny", "not free as a name"},
		{"set trace group phones 10.0.0.0/8 phone", `set trace group phones: "phone": want networks such as`},
		{"set trace group 10.0.0.1 10.0.0.0/8", "is an address, and no name for a group"},
		{"set trace default count", "want allow or deny"},
		{many + "set trace rule more deny", `trace rule "more": there may be 64`},
	} {
		if _, err := config.Parse(strings.NewReader(tt.text), "test"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}
