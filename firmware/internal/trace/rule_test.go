package trace

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"heptap/capture/record"
)

func TestParseRule(t *testing.T) {
	r, err := ParseRule("r1", "deny types sip,xlog,rtp,56 transport ws,wss from phones,192.0.2.7/24,2001:DB8::1 port 5060,5070-5080 method INVITE,x-Foo user *31#,a@*.example.com host Pc33.example.com")
	if err != nil {
		t.Fatal(err)
	}
	want := Rule{Name: "r1", Action: Deny, Types: []record.Type{record.SIP, record.Log, record.RTPReport, 56}, Transports: []string{"ws", "wss"},
		From: []string{"phones", "192.0.2.0/24", "2001:db8::1"}, Port: []Ports{{5060, 5060}, {5070, 5080}}, Methods: []string{"INVITE", "x-Foo"},
		User: []string{"*31#", "a@*.example.com"}, Host: []string{"Pc33.example.com"}}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v\nwant %+v", r, want)
	}
	const text = "deny types sip,log,rtp,56 transport ws,wss from phones,192.0.2.0/24,2001:db8::1 port 5060,5070-5080 method INVITE,x-Foo user *31#,a@*.example.com host Pc33.example.com"
	if r.String() != text {
		t.Errorf("prints as\n%s\nwant\n%s", r.String(), text)
	}
	if r, err := ParseRule("all", "count"); err != nil || r.Action != Count || r.String() != "count" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestParseRuleErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "want allow, deny or count, and then conditions"},
		{"permit", `"permit": want allow, deny or count`},
		{"deny typ sip", `unknown condition "typ", want one of: types, transport, from, to, address, port`},
		{"deny types", "types: a value is missing"},
		{"deny types sip,", `types "": unknown type, want one of: sip, rtcp, rtp, dns, isup, mi, rest, net, control, log, xlog, or a HEP type's number`},
		{"deny types sib", `types "sib": unknown type`},
		{"deny types 256", "unknown type"},
		{"deny types 0", "unknown type"},
		{"deny types sip types log", "types is there twice; put a comma between values"},
		{"deny transport udp,quic", `transport "quic": unknown transport, want one of: udp, tcp, tls, ws, wss, sctp`},
		{"deny from 192.0.2.0/33", `from "192.0.2.0/33": want a group, a network such as`},
		{"deny from ::1::2", "want a group"},
		{"deny from fe80::1%eth0", "want a group"},
		{"deny port 0", "want a port such as 5060, or a range"},
		{"deny port 65536", "want a port"},
		{"deny port 5070-5060", "want a port"},
		{"deny port 5060-", "want a port"},
		{"deny method IN/VITE", "want a SIP method such as INVITE"},
		{"deny user alice@", "an empty pattern matches nothing; * matches everything"},
		{"deny user @h", "an empty pattern"},
		{`deny user a\`, "nothing follows the backslash"},
		{"deny user " + strings.Repeat("a", 257), "a pattern has at most 256 octets"},
		{"deny domain a@b", "want a host without user and brackets"},
		{"deny host [::1]", "want a host without user and brackets"},
	} {
		r, err := ParseRule("x", tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !reflect.DeepEqual(r, Rule{}) {
			t.Errorf("%q: %+v\n got %v\nwant %s", tt.text, r, err, tt.want)
		}
	}
	if _, err := ParseRule("default", "deny"); err == nil || !strings.Contains(err.Error(), "not free as a name") {
		t.Errorf("a rule called default: %v", err)
	}
}

func TestGroup(t *testing.T) {
	g, err := ParseGroup("phones", "192.0.2.77/24 198.51.100.1 2001:db8::1/32 ::ffff:203.0.113.9 192.0.2.0/24")
	if want := "192.0.2.0/24 198.51.100.1/32 2001:db8::/32 203.0.113.9/32"; err != nil || g.String() != want {
		t.Errorf("%q, %v, want %q", g.String(), err, want)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"phones", "", "want networks such as"},
		{"phones", "192.0.2.0/24 others", `"others": want networks such as`},
		{"phones", "192.0.2.0/33", `"192.0.2.0/33": want networks`},
		{"phones", "::ffff:192.0.2.0/120", "want networks"},
		{"192.0.2.1", "192.0.2.0/24", `"192.0.2.1" is an address, and no name for a group`},
	} {
		if _, err := ParseGroup(tt.name, tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestNetworks(t *testing.T) {
	var list []netip.Prefix
	for _, s := range []string{"10.1.2.0/24", "10.0.0.0/8", "192.0.2.1/32", "192.0.2.3/32", "2001:db8::/32", "2001:db8:1::/48", "0.0.0.0/32"} {
		list = append(list, netip.MustParsePrefix(s))
	}
	n := newNetworks(list)
	if len(n) != 5 {
		t.Errorf("%v", n)
	}
	for s, want := range map[string]bool{"10.0.0.0": true, "10.1.2.3": true, "10.255.255.255": true, "11.0.0.0": false, "9.255.255.255": false,
		"192.0.2.1": true, "192.0.2.2": false, "192.0.2.3": true, "0.0.0.0": true, "0.0.0.1": false, "255.255.255.255": false,
		"2001:db8::": true, "2001:db8:ffff::1": true, "2001:db9::": false, "::": false, "::1": false} {
		if got := n.contains(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if newNetworks(nil).contains(netip.MustParseAddr("192.0.2.1")) || n.contains(netip.Addr{}) {
		t.Error("an empty set, or no address, is in")
	}
}

// config makes a Config of lines as they are in a configuration, without "set trace".
func config(t testing.TB, lines string) Config {
	t.Helper()
	var c Config
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if words[0] == "default" {
			c.Default = Action(words[1])
			continue
		}
		text := strings.Join(words[2:], " ")
		switch words[0] {
		case "group":
			g, err := ParseGroup(words[1], text)
			if err != nil {
				t.Fatal(err)
			}
			c.Groups = append(c.Groups, g)
		case "rule":
			r, err := ParseRule(words[1], text)
			if err != nil {
				t.Fatal(err)
			}
			c.Rules = append(c.Rules, r)
		default:
			t.Fatalf("%q", line)
		}
	}
	return c
}

func TestCheck(t *testing.T) {
	c := config(t, "rule a deny from phones,192.0.2.0/24 to 192.0.2 address servers")
	errs := c.Check()
	if len(errs) != 3 || errs[0].Error() != `trace rule a: from "phones" is no address, no network and no group; add a line: set trace group phones 192.0.2.0/24` {
		t.Errorf("%v", errs)
	}
	if _, err := New(c, Limits{}); err == nil {
		t.Error("New takes what Check refuses")
	}
	c = Config{Rules: make([]Rule, MaxRules+1)}
	if errs := c.Check(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "65 rules; there may be 64") {
		t.Errorf("%v", errs)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"rule a deny\nrule b allow types sip", "trace rule b is never reached: a before it"},
		{"rule a count\nrule b allow types sip", ""},
		{"rule a allow types sip,log\nrule b deny types log method INVITE", ""}, // b is tried on more
		{"rule a allow types sip,log method INVITE,BYE\nrule b deny types log method INVITE", "b is never reached"},
		{"rule a allow types sip\nrule b deny types sip,log", ""},
		{"rule a deny from 192.0.2.0/24\nrule b deny from 192.0.2.128/25 port 5060", "b is never reached"},
		{"rule a deny from 192.0.2.128/25\nrule b deny from 192.0.2.0/24", ""},
		{"group g 192.0.2.0/24 2001:db8::/32\nrule a deny from g\nrule b deny from 192.0.2.9,2001:db8::1", "b is never reached"},
		{"group g 192.0.2.0/24\nrule a deny from 10.0.0.0/8", "trace group g is used by no rule"},
		{"rule a deny from 10.0.0.0/8\nrule b deny from 10.0.0.0/8 method INFO", ""}, // an INFO may come the other way
		{"rule a deny port 5000-6000\nrule b deny port 5060", "b is never reached"},
		{"rule a deny port 5060\nrule b deny port 5000-6000", ""},
		{"rule a deny user *\nrule b deny user alice caller bob", "b is never reached"},
		{"rule a deny user alice\nrule b deny user bob", ""},
		{"rule a deny domain Example.com\nrule b deny domain example.com", "b is never reached"},
		{"rule a deny transport udp,tcp\nrule b deny transport tcp", "b is never reached"},
		{"rule a deny from 10.0.0.0/8\nrule b count from 10.1.0.0/16", "b is never reached"},
		{"default deny\nrule a count", "no record will be kept"},
		{"default deny\nrule a allow", ""},
	} {
		c := config(t, tt.lines)
		got := strings.Join(c.Warnings(), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s\n got %q\nwant %q", tt.lines, got, tt.want)
		}
	}
}

// FuzzRule asserts that a rule prints as what reads as the same rule.
func FuzzRule(f *testing.F) {
	f.Add("deny types sip,xlog transport ws from phones,192.0.2.0/24 port 1-2 method INVITE user a*@b,c domain *.x host y")
	f.Add(`count caller \*31#,%61 callee ?@[::1]`)
	f.Add("allow address ::ffff:192.0.2.1 to-port 65535 from-port 1")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule("x", text)
		if err != nil {
			if !reflect.DeepEqual(r, Rule{}) {
				t.Fatalf("%q: not zero with an error", text)
			}
			return
		}
		again, err := ParseRule("x", r.String())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%q prints as %q: %+v, %v", text, r.String(), again, err)
		}
		c := Config{Rules: []Rule{r, again}}
		for _, p := range r.places() {
			for _, s := range p.values {
				if _, ok := c.networks(s); !ok {
					c.Groups = append(c.Groups, Group{Name: s, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
				}
			}
		}
		e, err := New(c, Limits{Calls: 1})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if r.Action != Count && len(c.Warnings()) == 0 {
			t.Fatalf("%q: the same rule twice, and no warning", text)
		}
		e.Allow(&record.Record{Type: record.SIP, Payload: []byte("INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n")})
	})
}
