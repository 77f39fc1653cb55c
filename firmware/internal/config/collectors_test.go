package config_test

import (
	"strings"
	"testing"
)

func TestCollectorsAtOneAddress(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"set collector a address h.example:1\nset collector b address H.example:1", true},
		{"set collector a address h.example:1\nset collector b address h.example:2", false},
		{"set collector a address h.example:1\nset collector b address h.example:1\nset collector b transport udp", false},
	} {
		cfg := parse(t, c.text)
		if got := strings.Contains(strings.Join(cfg.Warnings(), "\n"), "collectors a and b have the same address"); got != c.want {
			t.Errorf("%q: warned %v", c.text, got)
		}
	}
}
