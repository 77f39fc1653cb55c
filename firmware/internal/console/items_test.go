package console

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture/neighbour"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
	"heptap/hal"
)

// lookAtTwo has two of everything that where can choose among.
func lookAtTwo(t testing.TB) *rig {
	r := look(t, nil)
	l := r.o.Live()
	l.Config.Ports = append(l.Config.Ports, config.Port{Name: "span1", Interface: "eth2", Rings: 2, RingSize: 1 << 20})
	l.Config.Collector = []config.Collector{{Name: "c", Address: "192.0.2.7:9060", Transport: config.TCP}, {Name: "d", Address: "hep.example:9061", Transport: config.TLS}}
	stats := l.Stages.Probe
	l.Stages.Probe = func() probe.Stats {
		st := stats()
		second := probe.InputStats{Name: "span1/0", Decoded: 5, NotRead: []probe.Unread{{Name: "ethertype 0x88cc", Frames: 3}, {Name: "a\x1b[2J", Frames: 1}}}
		second.Source.Received = 5
		st.Inputs, st.Beyond = append(st.Inputs, second), &beyond.Stats{}
		return st
	}
	l.Stages.Uplink = func() uplink.Stats {
		return uplink.Stats{Collectors: []uplink.CollectorStats{{Status: uplink.Status{Collector: "c", Reason: "connection refused"}, Counts: uplink.Counts{Made: 9, Spooled: 7, Confirmed: 2}},
			{Status: uplink.Status{Collector: "d", State: uplink.Up}, Counts: uplink.Counts{Made: 9, Confirmed: 9}}}}
	}
	l.Stages.Sensors = func() ([]hal.Temperature, []hal.Wear) {
		return []hal.Temperature{{Name: "cpu", Now: 45300, High: 80000}, {Name: "disk", Now: 71000}}, []hal.Wear{{Device: "mmcblk0", Percent: 30, Reserve: hal.ReserveLow}}
	}
	l.Neighbours = func() []Neighbours {
		return []Neighbours{
			{Port: "span0", Device: "eth1", Found: []neighbour.Neighbour{{Protocol: neighbour.LLDP, System: "sw1", Chassis: "x", Port: "Gi1/0/7", VLAN: 100}, {Protocol: neighbour.CDP, Chassis: "sw2", Port: "Fa01", Age: time.Minute}}},
			{Device: "eth0", Found: []neighbour.Neighbour{{Protocol: neighbour.LLDP, System: "sw1", Port: "Gi1/0/8"}}}}
	}
	r.o.Ports = func() ([]NetworkPort, error) {
		return []NetworkPort{{Name: "eth0", State: "link", Addresses: []string{"192.0.2.20/24", "2001:db8::20/64"}, Gateways: []string{"192.0.2.1"}}, {Name: "eth1", State: "link"}, {Name: "eth9", State: "no link"}}, nil
	}
	log := slog.New(slog.NewTextHandler(r.o.Messages, nil))
	log.Warn("collector down", "collector", "c", "err", "dial tcp: \"refused\" = bad\x1b[2J")
	fmt.Fprintln(r.o.Messages, "panic: index out of range [3] with length 3")
	return r
}

func TestWhere(t *testing.T) {
	r := lookAtTwo(t)
	for _, c := range []struct{ in, want string }{
		{"show interfaces where use eq mirror and frames < 6", "span1 on eth2: unknown\n  rings        2 of 1.0 MiB\n  frames       5, 0 dropped by the kernel, 0 B decoded\n1 ports\n"},
		{"show interfaces where address contains 2001:db8: or device eq eth9", "eth0: link\n  addresses    192.0.2.20/24, 2001:db8::20/64\n  gateways     192.0.2.1\neth9: no link\n2 ports\n"},
		{"show interfaces where drops > 1 | match filter", "  filter       udp\n"},
		{"show lldp where system eq SW1 and switch_port contains 1/0", "span0 on eth1, a mirror port: 2 devices\n  sw1, port Gi1/0/7\n    chassis    x\n    VLAN       100, untagged\n    heard      0s ago by LLDP from 00:00:00:00:00:00, holds for 0s\n" +
			"uplink on eth0: 1 device\n  sw1, port Gi1/0/8\n    chassis    \n    heard      0s ago by LLDP from 00:00:00:00:00:00, holds for 0s\n2 devices\n"},
		{"show lldp where age > 59 or protocol eq cdp | match sw2, | count", "1 lines\n"},
		{"show lldp where vlan > 100", "0 devices\n"},
		{"show encapsulations where what eq \"not read\" and frames > 2", "span1/0: 5 frames decoded\n  not read     3 ethertype 0x88cc\n1 kinds of frames\n"},
		{"show encapsulations where name eq vlan or port eq span1", "span0: 9 frames decoded\n  inside       4 vlan\nspan1/0: 5 frames decoded\n  not read     3 ethertype 0x88cc\n  not read     1 a.[2J\n3 kinds of frames\n"},
		{"show capture where port eq span1 | except RTP", "span1/0: 5 frames = 0 dropped by the kernel + 5 decoded + 0 not taken\n1 inputs\n"},
		{"show uplink where state ne up | match refused", "c: down, 2 records confirmed, 0 waiting on disk: connection refused\n"},
		{"show uplink where transport eq tls and address contains HEP | match up", "d: up, 9 records confirmed, 0 waiting on disk\n"},
		{"show sensors where celsius > 50 or used > 20", "disk           71.0 °C\nmmcblk0        life used: at most 30 %; spare blocks: low\n2 sensors\n"},
		{"show counters where name eq heptap_memory_budget_bytes and value > 1", fmt.Sprintf("%-44s %-40s %d\n1 counters\n", "memory_budget_bytes", "", 100<<20)},
		{"show counters where condition eq uplink/c", fmt.Sprintf("%-44s %-40s 1\n1 counters\n", "condition_level", "condition=uplink/c")},
		{"show messages where level eq info | match hello | count", "1 lines\n"},
		{"show messages where err contains \"= bad\" and collector eq c | match down | count", "1 lines\n"},
		{"show messages where line contains PANIC", "panic: index out of range [3] with length 3\n1 lines\n"},
		{"show messages where time > 2000 and time < 9999 | match lines", "2 lines\n"},

		{"show lldp where port", "error: want: where FIELD eq|ne|contains|<|> VALUE [and|or ...]\n"},
		{"show lldp last 3", "error: want: where FIELD eq|ne|contains|<|> VALUE [and|or ...]\n"},
		{"show lldp where port eq span0 last 3", "error: want: where FIELD eq|ne|contains|<|> VALUE [and|or ...]\n"},
		{"show lldp where vlan eq 1 and sytem eq sw1", "error: there is no field \"sytem\" here; there are: use, port, device, system, chassis, switch_port, description, vlan, protocol, source, age\n"},
		{"show messages where colector eq c", "error: there is no field \"colector\" here; there are: line, time, level, msg, collector, err\n"},
		{"show version where a eq b", "error: want: show version\n"},
	} {
		got, done := r.script(t, c.in)
		if got != c.want || done == strings.HasPrefix(c.want, "error") {
			t.Errorf("%s:\n%s\nwant:\n%s", c.in, got, c.want)
		}
	}
	for _, view := range []string{"capture", "encapsulations", "uplink", "sensors", "counters", "interfaces"} {
		if got, done := newRig(t, startText).script(t, "show "+view+" where port eq x"); done || !strings.Contains(got, "nothing runs at this moment") {
			t.Errorf("%s without a probe: %s", view, got)
		}
	}
}

// What items have under a field is listed, asked for and completed, and where that is nothing
// where ne finds all of them.
func TestFields(t *testing.T) {
	r := lookAtTwo(t)
	s := &session{c: r.Console, t: &terminal{width: 200}}
	l := r.o.Live()
	for _, v := range []struct {
		name   string
		fields []string
		items  func(*session) ([]item, error)
	}{
		{"interfaces", portFields(), (*session).portItems}, {"lldp", neighbourFields(), looksAt(neighbourItems)}, {"capture", inputFields(), looksAt(inputItems)},
		{"encapsulations", encapsulationFields(), looksAt(encapsulationItems)}, {"uplink", collectorFields(), looksAt(collectorItems)}, {"sensors", sensorFields(), looksAt(sensorItems)},
	} {
		items, err := v.items(s)
		if err != nil || len(items) < 2 {
			t.Fatalf("%s: %d items, %v", v.name, len(items), err)
		}
		for _, it := range items {
			for name := range it.values {
				if !slices.Contains(v.fields, name) {
					t.Errorf("%s: an item has %s, which is in no list", v.name, name)
				}
			}
		}
		for _, name := range v.fields {
			if got, done := r.script(t, fmt.Sprintf("show %s where %s ne \"no such\" | match %q", v.name, name, fmt.Sprint(len(items), " "))); !done || !strings.Contains(got, fmt.Sprint(len(items), " ")) {
				t.Errorf("%s where %s: %s", v.name, name, got)
			}
		}
		if line, _ := s.more("show "+v.name+" wh", false); line != "show "+v.name+" where " {
			t.Errorf("%q", line)
		}
		if _, text := s.more("show "+v.name+" where ", true); !strings.HasPrefix(text, "  "+v.fields[0]) || !strings.Contains(text, "\n  "+v.fields[len(v.fields)-1]) || strings.Contains(text, "JSON") {
			t.Errorf("%s", text)
		}
		if _, text := s.more("show "+v.name+" where a eq b ", true); strings.Contains(text, "last") || !strings.Contains(text, "or this") {
			t.Errorf("%s", text)
		}
		if _, text := s.more("show "+v.name+" last ", true); strings.Contains(text, "1 to") {
			t.Errorf("%s", text)
		}
	}
	if line, _ := s.more("show counters where cond", false); line != "show counters where condition " {
		t.Errorf("%q", line)
	}
	if line, _ := s.more("show messages where coll", false); line != "show messages where collector " {
		t.Errorf("%q", line)
	}
	l.Neighbours = nil
	if line, _ := s.more("show lldp where sys", false); line != "show lldp where system " {
		t.Errorf("%q", line)
	}
	r.o.Messages = nil
	if got, done := r.script(t, "show messages where level eq info"); done || got != "error: no messages are kept\n" {
		t.Errorf("%s", got)
	}
}

// FuzzAttributes: what slog writes is read as it was, whatever it is; and any line is read.
func FuzzAttributes(f *testing.F) {
	f.Add("hello", "a b", "panic: x[3] = \"y")
	f.Add("", "=", "a=\"b\\")
	f.Add("\x1b[2J\n", "\"", " \" a=b c=d\"e\"=f")
	f.Add("\xff", "c\x00", "=\"\"")
	f.Fuzz(func(t *testing.T, msg, value, line string) {
		var b strings.Builder
		slog.New(slog.NewTextHandler(&b, nil)).Info(msg, "first", value, "n", 5, "last", msg)
		v := attributes(b.String())
		want := values{"time": v["time"], "level": {"INFO"}, "msg": {msg}, "first": {value}, "n": {"5"}, "last": {msg}}
		if fmt.Sprint(v) != fmt.Sprint(want) || len(v["time"]) != 1 {
			t.Fatalf("%q of %q", v, b.String())
		}
		for name := range attributes(line) {
			if name == "" || strings.ContainsAny(name, " \"=\n") {
				t.Fatalf("field %q of %q", name, line)
			}
		}
	})
}
