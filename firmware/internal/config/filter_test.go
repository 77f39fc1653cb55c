package config_test

import (
	"reflect"
	"strings"
	"testing"

	"heptap/capture/record"
	"heptap/firmware/internal/config"
)

func TestFilter(t *testing.T) {
	c := parse(t, `
set trace group pbx 10.1.0.0/16
set collector billing address 192.0.2.1:9060
set collector billing filter rule cdr allow from pbx method INVITE,BYE
set collector billing filter rule media deny types rtcp,rtp
set collector billing filter default deny
set collector all address 192.0.2.2:9060
`)
	f := c.FilterOf(&c.Collector[0])
	if len(f.Rules) != 2 || f.Rules[0].Name != "cdr" || len(f.Rules[1].Types) != 2 || f.Rules[1].Types[0] != record.RTCP || f.Default != "deny" || !f.On() {
		t.Errorf("%+v", f)
	}
	if f := c.FilterOf(&c.Collector[1]); f.On() {
		t.Errorf("%+v", f)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warned of %q", w)
	}
	if again := parse(t, config.Format(c)); !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again:\n%s", config.Format(c))
	}
	for _, c := range []struct{ text, want string }{
		{"set collector a filter rule x deny from nobody", `collector a filter: trace rule x: from "nobody" is no address`},
		{"set collector a filter rule x drop", "want allow, deny or count"},
		{"set collector a filter default count", "want allow or deny"},
	} {
		_, err := config.Parse(strings.NewReader("set collector a address x:1\n"+c.text), "test")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	c = parse(t, "set collector a address x:1\nset collector a filter default deny")
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "collector a filter") {
		t.Errorf("%q", w)
	}
}
