package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
)

func parse(t testing.TB, text string) config.Config {
	t.Helper()
	c, err := config.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, `
# a probe in Berlin
set system node probe-berlin
set system agent-id 7
set capture span0 interface eth1   # the mirror
set capture span0 ring-size 128MiB
set capture span0 filter "udp or host 192.0.2.7"
set capture span1 interface eth2
set collector central address 192.0.2.10:9060
set collector central transport udp
set collector central auth-key "my \"Hep\" \\ key"
set collector central order strict
set spool path /data/spool
set spool max-size 1GiB
set media report-interval off
set metrics listen 127.0.0.1:9107
`)
	if c.System.Node != "probe-berlin" || c.System.AgentID != 7 || len(c.Ports) != 2 || c.Ports[0].RingSize != 128<<20 ||
		c.Ports[0].Filter != "udp or host 192.0.2.7" || c.Ports[1].RingSize != 64<<20 || c.Media.ReportInterval != 0 {
		t.Errorf("%+v", c)
	}
	k := c.Collector[0]
	if k.Transport != config.UDP || string(k.AuthKey) != `my "Hep" \ key` || k.Order != config.OrderStrict || k.Stall != 10*time.Second {
		t.Errorf("%#v", k)
	}
	if s := fmt.Sprint(k.AuthKey); s != "redacted" {
		t.Errorf("the secret prints itself: %s", s)
	}
	if again := parse(t, config.Format(c)); !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again:\n%s\ngot  %+v\nwant %+v", config.Format(c), again, c)
	}
}

func TestIntake(t *testing.T) {
	c := parse(t, `
set collector central address 192.0.2.1:9060
set collector central transport udp
set intake listen udp "192.0.2.9:9060, [::1]:9060"
set intake listen tcp 192.0.2.1:9060
set intake listen tls 192.0.2.9:9061
set intake certificate c.pem
set intake key k.pem
set intake allow 10.0.0.1/8,192.0.2.7
`)
	in := &c.Intake
	if !in.On() || fmt.Sprint(in.UDP.Items()) != "[192.0.2.9:9060 [::1]:9060]" || fmt.Sprint(in.Prefixes()) != "[10.0.0.0/8 192.0.2.7/32]" || in.Connections != 64 {
		t.Errorf("%+v", in)
	}
	if c = parse(t, ""); c.Intake.On() {
		t.Error("on by default")
	}
}

func TestDefaults(t *testing.T) {
	if c := parse(t, ""); !reflect.DeepEqual(c, config.Default()) || config.Format(c) != "" {
		t.Errorf("%+v prints %q", c, config.Format(c))
	}
}

// ninth is a line for each of one more than there may be.
func ninth(line string) (s string) {
	for i := range config.MaxCollectors + 1 {
		s += fmt.Sprintf(line, i)
	}
	return s
}

func TestErrorsNameTheLineAndTheCure(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"set capture span0 interface eth1\nset capture span0 ringsize 1MiB", `test:2: set capture span0 ringsize 1MiB: unknown option "ringsize", want one of: interface, ring-size`},
		{"capture span0", `test:1: "capture": a line begins with "set" or "#"`},
		{"set system", "set system: incomplete, want one of: node, agent-id, board"},
		{"set system agent-id", "set system agent-id: takes one value, N"},
		{"set system agent-id zero", "set system agent-id: want a number from 1 to 4294967295"},
		{"set system node a b", "takes one value, NAME; put text with blanks in double quotes"},
		{`set system node "a`, "the closing quote is missing"},
		{"set recent memory 512KiB", "want a size from 1MiB to 1GiB"},
		{"set recent age 1s", "want a duration from 10s to 24h"},
		{"set spool max-size 1TB", "want a size from 4MiB to 64GiB"},
		{"set spool max-age 30m", "want a duration from 1h0m0s to 8760h0m0s"},
		{"set spool max-size 99999999999999999999", "want a size from"},
		{"set capture span0 ring-size 64MiB", "capture span0: no interface; add: set capture span0 interface DEVICE"},
		{"set capture a interface eth1\nset capture b interface eth1", "capture b: interface eth1 is captured by a already"},
		{"set collector central transport tcp", "add: set collector central address HOST:PORT"},
		{"set collector central address 192.0.2.10", "want HOST:PORT such as"},
		{ninth("set collector %d address x:1\n"), `collector "8": there may be 8`},
		{"set collector a transport sctp", "want tcp or tls or udp"},
		{"set collector a address x:1\nset collector a tls-name x", "add: set collector a transport tls"},
		{"set collector a address x:1\nset collector a transport tls\nset collector a tls-key x", "set both: tls-certificate and tls-key"},
		{"set collector a tls-pin sha256//AAAA", "want pins: sha256// and 44 characters of base64"},
		{"set collector a address 192.0.2.1:1\nset collector a source 2001:db8::1", "source 2001:db8::1 cannot send to 192.0.2.1"},
		{"set collector a address _hep._tcp.example.net:9060", "want HOST:PORT such as"},
		{"set collector a dscp 64", "want a number from 1 to 63"},
		{"set collector a profile homer6", "want opensips or homer7"},
		{"set collector a address x:1\nset collector a profile homer7\nset collector a auth-key \"a\\\\b\"", `collector a: profile homer7 takes no quotes, backslashes and other than ASCII in its auth-key`},
		{"set collector a max-age 59m", "want a duration from 1h0m0s to 8760h0m0s"},
		{"set intake listen udp 9060", "set intake listen udp: want HOST:PORT such as"},
		{"set intake listen tcp ,", "want 1 to 8 values with commas between them"},
		{"set intake allow 192.0.2.0/33", "want networks such as"},
		{"set intake listen tls 192.0.2.20:9061", "intake: TLS needs a certificate; add: set intake certificate FILE, set intake key FILE"},
		{"set intake key x", "intake: certificate, key and client-ca are for TLS"},
		{"set collector a address 192.0.2.1:9060\nset intake listen tcp 192.0.2.9:9060,192.0.2.1:9060", "intake: 192.0.2.1:9060 is where collector a is: what is sent there would come back"},
		{"set collector a address localhost:9060\nset intake listen tcp 0.0.0.0:9060", "is where collector a is"},
		{"set collector a address [::1]:9060\nset collector a transport udp\nset intake listen udp [::]:9060", "is where collector a is"},
		{"set metrics listen 0.0.0.0:9107", "want a loopback address"},
		{"set capture <x> interface eth0", "a name is 1 to 32 letters"},
	} {
		c, err := config.Parse(strings.NewReader(tt.text), "test")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
		if err != nil && !reflect.DeepEqual(c, config.Config{}) {
			t.Errorf("%q: not zero with an error", tt.text)
		}
	}
}

func TestRecentOff(t *testing.T) {
	const text = "set recent memory off\n"
	if c := parse(t, text); c.Recent.Memory != 0 || c.Recent.Age != 30*time.Minute || config.Format(c) != text {
		t.Errorf("%+v prints %q", c.Recent, config.Format(c))
	}
}

// Every option's example must be accepted, change the configuration or equal
// the default, and survive being printed.
func TestEveryExample(t *testing.T) {
	for _, o := range config.Schema() {
		path := strings.NewReplacer("<port>", "span0", "<name>", "central", "<group>", "phones", "<rule>", "no-pings").Replace(strings.Join(o.Path, " "))
		text := "set capture span0 interface eth0\nset collector central address 192.0.2.1:9060\n" +
			"set uplink interface enp0s9\nset uplink ipv6 2001:db8::9/64\n" +
			"set intake listen tls 192.0.2.20:9061\nset intake certificate c.pem\nset intake key k.pem\n" +
			"set collector central transport nats-tls\nset collector central nats-user u\nset collector central tls-certificate c.pem\nset collector central tls-key k.pem\nset " + path + " \"" + o.Example + "\"\n"
		c := parse(t, text)
		if again := parse(t, config.Format(c)); !reflect.DeepEqual(again, c) {
			t.Errorf("%s: printed as\n%s", path, config.Format(c))
		}
	}
}

var update = flag.Bool("update", false, "write reference.txt anew")

func TestReferenceShowsEveryOption(t *testing.T) {
	var b bytes.Buffer
	if err := config.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	const page = "reference.txt"
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the schema makes (%v); run: go test ./firmware/internal/config -update", page, err)
	}
	for _, o := range config.Schema() {
		if o.Help == "" || o.Example == "" || !strings.Contains(b.String(), "set "+o.Usage()+"\n    "+o.Help) {
			t.Errorf("%v: not in the reference as it should be", o.Path)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("set capture span0 interface eth1\nset capture span0 filter \"udp \\\" or # x\"\n")
	f.Add("set collector c address [::1]:9060\nset collector c auth-key \\\n")
	f.Add("set spool max-size 1048576KiB\r\nset media report-interval 1m0.5s")
	f.Add("set trace group g 10.0.0.0/8\nset trace rule a deny from g user \"#1,\\\\*\" method A\nset trace default deny")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse(strings.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		again, err := config.Parse(strings.NewReader(config.Format(c)), "printed")
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, config.Format(c), err)
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%q prints as %q, which reads differently", text, config.Format(c))
		}
	})
}
