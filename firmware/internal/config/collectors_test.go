package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
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

func TestDelivery(t *testing.T) {
	two := "set collector a address h:1\nset collector b address h:2\n"
	c := parse(t, two)
	if c.Delivery.Arrangement != config.Mirror || c.Delivery.FailBack != time.Minute || c.Delivery.MoveOver {
		t.Errorf("by default %+v", c.Delivery)
	}
	c = parse(t, two+"set delivery arrangement balance\nset delivery move-over on\nset delivery fail-back 10m\n")
	if again := parse(t, config.Format(c)); !reflect.DeepEqual(again, c) || c.Delivery.FailBack != 10*time.Minute || !c.Delivery.MoveOver {
		t.Errorf("printed and read again:\n%s", config.Format(c))
	}
	parse(t, two+"set collector a transport udp\nset delivery arrangement balance\n")
	for _, c := range []struct{ text, want string }{
		{"set delivery arrangement all", "want mirror or failover or balance"},
		{"set delivery fail-back 1s", "want a duration from 10s"},
		{"set delivery arrangement failover\nset collector b transport udp", "collector b: over udp nobody knows whether it is well"},
		{"set delivery arrangement balance\nset delivery move-over on\nset collector b transport udp", "collector b: over udp"},
		{"set delivery arrangement failover\nset collector b filter default deny", "collector b: no filter where one takes another's place"},
	} {
		_, err := config.Parse(strings.NewReader(two+c.text), "test")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// TestNATS: what goes with which transport.
func TestNATS(t *testing.T) {
	const base = "set collector c address n1.example:4222\n"
	for text, want := range map[string]string{
		"":                               "",
		"set collector c transport nats": "",
		"set collector c transport nats\nset collector c address n1.example:4222,n2.example:4222\nset collector c nats-token x\nset collector c nats-partitions 8": "",
		"set collector c transport nats-tls\nset collector c tls-name n":                                                                                           "",
		"set collector c transport nats\nset collector c tls-name n":                                                                                               "set collector c transport nats-tls",
		"set collector c nats-token x":                                                              "are for NATS; add: set collector c transport nats",
		"set collector c nats-partitions 8":                                                         "are for NATS",
		"set collector c address n1.example:4222,n2.example:4222":                                   "several addresses are for NATS",
		"set collector c transport nats\nset collector c nats-token x\nset collector c nats-user x": "",
		"set collector c transport nats\nset collector c nats-password x":                           "nats-password goes with nats-user",
		"set collector c transport nats\nset collector c nats-subject a..b":                         "letters, digits",
		"set collector c transport nats\nset collector c nats-subject a.*":                          "letters, digits",
		"set collector c transport nats\nset collector c nats-subject _INBOX.x":                     "letters, digits",
		"set collector c transport nats\nset collector c nats-partitions 1025":                      "from 1 to 1024",
		"set collector c transport nats\nset collector c address n1.example:4222,n2.example":        "HOST:PORT",
	} {
		_, err := config.Parse(strings.NewReader("set capture p interface eth1\n"+base+text+"\n"), "x")
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
