package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// wall forbids imports. Patterns are those of the go command: "x/..." is x and
// all below it.
type wall struct {
	why    string
	from   []string // packages it stands around
	except []string // but not around these
	never  []string // what they must not import
	deep   bool     // nor reach through other packages
}

// walls are the rules of the architecture page, "Who may import whom".
var walls = []wall{
	{
		why:   "hal, capture, buffer and hep meet in firmware/internal only: each can be tested, replaced and understood alone",
		from:  []string{"heptap/hal/..."},
		never: []string{"heptap/capture/...", "heptap/buffer/...", "heptap/hep/..."}, deep: true,
	}, {
		why:   "as above",
		from:  []string{"heptap/capture/..."},
		never: []string{"heptap/hal/...", "heptap/buffer/...", "heptap/hep/..."}, deep: true,
	}, {
		why:   "as above",
		from:  []string{"heptap/buffer/..."},
		never: []string{"heptap/hal/...", "heptap/capture/...", "heptap/hep/..."}, deep: true,
	}, {
		why:   "as above",
		from:  []string{"heptap/hep/..."},
		never: []string{"heptap/hal/...", "heptap/capture/...", "heptap/buffer/..."}, deep: true,
	}, {
		why:   "a board's description is data that anything may read",
		from:  []string{"heptap/board"},
		never: []string{"heptap/hal/...", "heptap/capture/...", "heptap/buffer/...", "heptap/hep/...", "heptap/firmware/..."}, deep: true,
	}, {
		why:    "what one protocol carries in another is dissect's business alone; correlation is built on the others, never under them",
		from:   []string{"heptap/capture/..."},
		except: []string{"heptap/capture/correlate"},
		never:  []string{"heptap/capture/correlate"}, deep: true,
	}, {
		why:    "concrete drivers are named in package main: everything else can be tested without the device",
		from:   []string{"heptap/..."},
		except: []string{"heptap/firmware", "heptap/scripts/...", "heptap/capture/ring", "heptap/hal/periphgpio", "heptap/hal/links", "heptap/hal/term", "heptap/hal/watchdog", "heptap/hal/sysclock", "heptap/hal/sysfs", "heptap/hal/evdev", "heptap/hal/tty"},
		never:  []string{"heptap/capture/ring", "heptap/hal/periphgpio", "heptap/hal/links", "heptap/hal/term", "heptap/hal/watchdog", "heptap/hal/sysclock", "heptap/hal/sysfs", "heptap/hal/evdev", "heptap/hal/tty"},
	}, {
		why:    "system calls are made where the kernel is the subject, and nowhere else",
		from:   []string{"heptap/..."},
		except: []string{"heptap/capture/ring", "heptap/hal/...", "heptap/hep", "heptap/firmware/internal/appliance", "heptap/firmware/internal/durable", "heptap/firmware/internal/resident", "heptap/scripts/..."},
		never:  []string{"golang.org/x/sys/unix", "golang.org/x/sys/..."},
	}, {
		why:   "the appliance has no shell: nothing that ships can start a program by name",
		from:  []string{"heptap/firmware"},
		never: []string{"os/exec", "plugin", "net/http/cgi", "net/http/pprof"}, deep: true,
	}, {
		why:   "what ships is built without cgo, as one static binary",
		from:  []string{"heptap/..."},
		never: []string{"C", "github.com/google/gopacket/pcap", "github.com/google/gopacket/afpacket"},
	}, {
		why:    "test support stays in tests",
		from:   []string{"heptap/firmware/..."},
		except: []string{"heptap/firmware/internal/jetstream/natstest"}, // it is test support itself
		never:  []string{"heptap/firmware/internal/jetstream/natstest", "heptap/capture/capturetest/...", "heptap/hal/haltest", "heptap/buffer/buffertest", "heptap/hep/heptest", "heptap/firmware/internal/export/homertest", "testing"}, deep: true,
	}, {
		why:    "tools drive the firmware from outside; nothing that ships knows them",
		from:   []string{"heptap/..."},
		except: []string{"heptap/scripts/..."},
		never:  []string{"heptap/scripts/..."},
	}, {
		why:    "gopacket is for building test packets: its layers cost 0.5 MB and 2.3 ms at start",
		from:   []string{"heptap/..."},
		except: []string{"heptap/capture/capturetest", "heptap/scripts/..."},
		never:  []string{"github.com/google/gopacket/..."},
	}, {
		why:    "bbolt is the spool's own affair",
		from:   []string{"heptap/..."},
		except: []string{"heptap/buffer/..."},
		never:  []string{"go.etcd.io/..."},
	}, {
		why:    "nats.go is behind one package: the log knows a connection, not NATS. It costs 0.8 MB and starts no program",
		from:   []string{"heptap/..."},
		except: []string{"heptap/firmware/internal/jetstream/...", "heptap/scripts/lab/..."},
		never:  []string{"github.com/nats-io/..."},
	}, {
		why:   "the NATS server is for tests and the lab: it is larger than all of heptap",
		from:  []string{"heptap/firmware"},
		never: []string{"github.com/nats-io/nats-server/..."}, deep: true,
	}, {
		why:    "metrics are served in one place; the stages only count",
		from:   []string{"heptap/..."},
		except: []string{"heptap/firmware/internal/metrics"},
		never:  []string{"github.com/prometheus/..."},
	},
}

// under lists, for the packages under capture, everything outside the standard
// library that each may import. Protocol packages get capture itself, no more.
var under = map[string][]string{
	"heptap/capture":                          {},
	"heptap/capture/sip":                      {"heptap/capture"},
	"heptap/capture/sdp":                      {"heptap/capture"},
	"heptap/capture/rtp":                      {"heptap/capture"},
	"heptap/capture/rtcp":                     {"heptap/capture", "heptap/capture/jsonout"},
	"heptap/capture/record":                   {"heptap/capture"},
	"heptap/capture/decode":                   {"heptap/capture"},
	"heptap/capture/pcapfile":                 {"heptap/capture"},
	"heptap/capture/ring":                     {"heptap/capture", "golang.org/x/sys/unix", "golang.org/x/net/bpf"},
	"heptap/capture/defrag":                   {"heptap/capture"},
	"heptap/capture/duplicate":                {"heptap/capture"},
	"heptap/capture/stream":                   {"heptap/capture"},
	"heptap/capture/sctp":                     {"heptap/capture"},
	"heptap/capture/media":                    {"heptap/capture", "heptap/capture/rtp"},
	"heptap/capture/sigtran":                  {"heptap/capture"},
	"heptap/capture/isup":                     {"heptap/capture"},
	"heptap/capture/httpwire":                 {"heptap/capture"},
	"heptap/capture/websocket":                {"heptap/capture", "heptap/capture/httpwire"},
	"heptap/capture/jsonout":                  {}, // so that text from the wire becomes JSON in one way
	"heptap/capture/mask":                     {},
	"heptap/capture/pseudonym":                {},
	"heptap/capture/tlswire":                  {"heptap/capture"},
	"heptap/capture/syslog":                   {"heptap/capture"},
	"heptap/capture/ng":                       {"heptap/capture", "heptap/capture/mask"},
	"heptap/capture/dns":                      {"heptap/capture", "heptap/capture/jsonout"},
	"heptap/capture/rest":                     {"heptap/capture", "heptap/capture/httpwire", "heptap/capture/mask", "github.com/andybalholm/brotli"},
	"heptap/capture/mi":                       {"heptap/capture", "heptap/capture/mask"},
	"heptap/capture/dissect":                  {"heptap/capture", "heptap/capture/sip", "heptap/capture/rtp", "heptap/capture/rtcp", "heptap/capture/httpwire", "heptap/capture/websocket", "heptap/capture/tlswire", "heptap/capture/mi", "heptap/capture/sigtran", "heptap/capture/syslog", "heptap/capture/ng", "heptap/capture/dns"},
	"heptap/capture/mirror":                   {"heptap/capture"},
	"heptap/capture/neighbour":                {"heptap/capture"},
	"heptap/capture/infer":                    {},
	"heptap/capture/correlate":                {"heptap/capture", "heptap/capture/jsonout", "heptap/capture/infer", "heptap/capture/mirror", "heptap/capture/record", "heptap/capture/media", "heptap/capture/sip", "heptap/capture/sdp", "heptap/capture/rtp", "heptap/capture/rtcp", "heptap/capture/stream", "heptap/capture/mask", "heptap/capture/tlswire"},
	"heptap/capture/capturetest":              {"heptap/capture", "github.com/google/gopacket/..."},
	"heptap/capture/capturetest/conversation": {"heptap/capture", "heptap/capture/capturetest"},
	"heptap/capture/capturetest/tlstalk":      {},
}

// badNames say nothing about what is inside: if a helper has no home, the
// boundary is wrong.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "base"}

// unparsing lists the packages under capture and hep that read no octets from
// outside, and need no fuzz target.
var unparsing = map[string]string{
	"heptap/capture":                          "words only",
	"heptap/capture/capturetest":              "test support",
	"heptap/capture/capturetest/conversation": "test support",
	"heptap/capture/capturetest/tlstalk":      "test support",
	"heptap/capture/correlate":                "reads through sip, sdp and rtcp",
	"heptap/capture/mirror":                   "counters in, verdicts out; of a frame it reads the destination address",
	"heptap/hep/heptest":                      "test support",
}

// mutable lists package-level variables that are assigned to after all, with
// the reason. It is empty, and should stay so.
var mutable = map[string]string{}

// TestImportWalls holds the module against the policy.
func TestImportWalls(t *testing.T) {
	m := loadModule(t)
	for _, v := range slices.Concat(m.breached(walls), m.beyond(under), m.misnamed(badNames)) {
		t.Error(v)
	}
	// A wall around nothing protects nothing: its packages must exist.
	for _, w := range walls {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(m.packages)), func(p string) bool { return matches(w.from, p) }) {
			t.Errorf("no package matches %v", w.from)
		}
	}
	for p := range under {
		if m.packages[p] == nil {
			t.Errorf("%s is in the table and does not exist", p)
		}
	}
}

// TestNoPackageState asserts that nothing in the program changes behind the
// reader's back: no init functions, no variable of a package that is written.
// The lab's tools may count their namespaces; they do not ship.
func TestNoPackageState(t *testing.T) {
	m := loadModule(t)
	for _, v := range slices.Concat(m.inits(), m.without("heptap/scripts/...").state(mutable)) {
		t.Error(v)
	}
}

func TestSyscallOnlyForNames(t *testing.T) {
	m := loadModule(t)
	allowed := []string{"heptap/capture/ring", "heptap/hal/...", "heptap/hep", "heptap/firmware/internal/appliance", "heptap/scripts/..."}
	for _, v := range m.syscalls(allowed) {
		t.Error(v)
	}
}

func TestEveryPackageIsDescribed(t *testing.T) {
	m := loadModule(t)
	for _, v := range m.comments() {
		t.Error(v)
	}
}

func TestEveryParserIsFuzzed(t *testing.T) {
	m := loadModule(t)
	for _, v := range m.unfuzzed([]string{"heptap/capture/...", "heptap/hep/...", "heptap/firmware/internal/config", "heptap/firmware/internal/jetstream"}, unparsing) {
		t.Error(v)
	}
}

// TestPolicyBites breaks each rule in a small made-up module: a policy that
// cannot fail protects nothing.
func TestPolicyBites(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string // path/file.go -> source
		check func(*module) []string
		want  string // part of the one violation; empty for none
	}{
		{"clean", map[string]string{"heptap/hep/a.go": "package hep", "heptap/hal/a.go": "package hal"},
			func(m *module) []string { return m.breached(walls) }, ""},
		{"direct", map[string]string{"heptap/hep/a.go": "package hep\nimport _ \"heptap/capture\"", "heptap/capture/a.go": "package capture"},
			func(m *module) []string { return m.breached(walls) }, "heptap/hep imports heptap/capture"},
		{"through another", map[string]string{"heptap/hal/a.go": "package hal\nimport _ \"heptap/board\"", "heptap/board/a.go": "package board\nimport _ \"heptap/buffer/x\"", "heptap/buffer/x/a.go": "package x"},
			func(m *module) []string { return m.breached(walls[:1]) }, "heptap/hal reaches heptap/buffer/x: heptap/hal > heptap/board > heptap/buffer/x"},
		{"driver outside main", map[string]string{"heptap/firmware/internal/probe/a.go": "package probe\nimport _ \"heptap/capture/ring\"", "heptap/capture/ring/a.go": "package ring"},
			func(m *module) []string { return m.breached(walls) }, "concrete drivers"},
		{"driver in main", map[string]string{"heptap/firmware/a.go": "package main\nimport _ \"heptap/capture/ring\"", "heptap/capture/ring/a.go": "package ring"},
			func(m *module) []string { return m.breached(walls) }, ""},
		{"x/sys in the wrong place", map[string]string{"heptap/buffer/a.go": "package buffer\nimport _ \"golang.org/x/sys/unix\""},
			func(m *module) []string { return m.breached(walls) }, "system calls"},
		{"NATS outside its package", map[string]string{"heptap/firmware/internal/uplink/a.go": "package uplink\nimport _ \"github.com/nats-io/nats.go\"", "github.com/nats-io/nats.go/a.go": "package nats"},
			func(m *module) []string { return m.breached(walls) }, "nats.go is behind one package"},
		{"NATS server in what ships", map[string]string{"heptap/firmware/a.go": "package main\nimport _ \"heptap/firmware/internal/jetstream\"", "heptap/firmware/internal/jetstream/a.go": "package jetstream\nimport _ \"github.com/nats-io/nats-server/v2/server\"",
			"github.com/nats-io/nats-server/v2/server/a.go": "package server"}, func(m *module) []string { return m.breached(walls) }, "larger than all of heptap"},
		{"exec deep down", map[string]string{"heptap/firmware/a.go": "package main\nimport _ \"example.com/dep\"", "example.com/dep/a.go": "package dep\nimport _ \"os/exec\""},
			func(m *module) []string { return m.breached(walls) }, "heptap/firmware > example.com/dep > os/exec"},
		{"protocol imports protocol", map[string]string{"heptap/capture/sip/a.go": "package sip\nimport _ \"heptap/capture/sdp\"", "heptap/capture/sdp/a.go": "package sdp"},
			func(m *module) []string { return m.beyond(under) }, "heptap/capture/sip imports heptap/capture/sdp"},
		{"protocol imports a module", map[string]string{"heptap/capture/sip/a.go": "package sip\nimport _ \"example.com/sip\""},
			func(m *module) []string { return m.beyond(under) }, "heptap/capture/sip imports example.com/sip"},
		{"new package under capture", map[string]string{"heptap/capture/mgcp/a.go": "package mgcp"},
			func(m *module) []string { return m.beyond(under) }, "heptap/capture/mgcp is not in the table"},
		{"name", map[string]string{"heptap/firmware/internal/util/a.go": "package util"},
			func(m *module) []string { return m.misnamed(badNames) }, "heptap/firmware/internal/util"},
		{"init", map[string]string{"heptap/hep/a.go": "package hep\nfunc init() {}"},
			(*module).inits, "func init"},
		{"assigned", map[string]string{"heptap/hep/a.go": "package hep\nvar n int\nfunc f() { n = 1 }"}, states, "n is assigned to"},
		{"counted", map[string]string{"heptap/hep/a.go": "package hep\nvar n int\nfunc f() { n++ }"}, states, "n is assigned to"},
		{"table written", map[string]string{"heptap/hep/a.go": "package hep\nvar m = map[int]int{}\nfunc f() { m[1] = 2 }"}, states, "m is assigned to"},
		{"field written", map[string]string{"heptap/hep/a.go": "package hep\nvar s struct{ a [2]int }\nfunc f() { s.a[1] = 2 }"}, states, "s is assigned to"},
		{"deleted from", map[string]string{"heptap/hep/a.go": "package hep\nvar m = map[int]int{}\nfunc f() { delete(m, 1) }"}, states, "m is changed by delete"},
		{"copied into", map[string]string{"heptap/hep/a.go": "package hep\nvar b = []byte(\"x\")\nfunc f() { copy(b[1:], \"y\") }"}, states, "b is changed by copy"},
		{"address taken", map[string]string{"heptap/hep/a.go": "package hep\nvar n int\nfunc f() *int { return &n }"}, states, "the address of n is taken"},
		{"pointer method", map[string]string{"heptap/hep/a.go": "package hep\ntype c int\nfunc (p *c) add() { *p++ }\nvar n c\nfunc f() { n.add() }"}, states, "n.add may change it"},
		{"written through a pointer", map[string]string{"heptap/hep/a.go": "package hep\nvar p = new(int)\nfunc f() { *p = 1 }"}, states, "p is assigned to"},
		{"range", map[string]string{"heptap/hep/a.go": "package hep\nvar n int\nfunc f() { for n = range 3 {} }"}, states, "n is assigned to"},
		{"another package's", map[string]string{"heptap/hep/a.go": "package hep\nvar N int", "heptap/board/a.go": "package board\nimport \"heptap/hep\"\nfunc f() { hep.N = 2 }"}, states, "N is assigned to"},
		{"a lock", map[string]string{"heptap/hep/a.go": "package hep\nimport \"sync\"\nvar mu sync.Mutex"}, states, "mu holds sync.Mutex"},
		{"a counter inside", map[string]string{"heptap/hep/a.go": "package hep\nimport \"sync/atomic\"\nvar s struct{ a [2]struct{ n atomic.Int64 } }"}, states, "s holds atomic.Int64"},
		{"a channel", map[string]string{"heptap/hep/a.go": "package hep\nvar c = make(chan int)"}, states, "c holds a channel"},
		{"tables and errors are no state", map[string]string{"heptap/hep/a.go": "package hep\nimport \"errors\"\nvar ErrX = errors.New(\"x\")\nvar names = [...]string{\"a\"}\n" +
			"var m = map[string]int{\"a\": 1}\nfunc f(i int) (string, int) { n := names[i]; n = \"b\"; return n, m[n] }"}, states, ""},
		{"a local of the same name", map[string]string{"heptap/hep/a.go": "package hep\nvar n = 1\nfunc f() { n := n; n++; _ = n }"}, states, ""},
		{"syscall", map[string]string{"heptap/buffer/a.go": "package buffer\nimport \"syscall\"\nvar _ = syscall.Getpid()"},
			func(m *module) []string { return m.syscalls(nil) }, "syscall.Getpid"},
		{"syscall under another name", map[string]string{"heptap/buffer/a.go": "package buffer\nimport sys \"syscall\"\nvar _ = sys.Flock"},
			func(m *module) []string { return m.syscalls(nil) }, "syscall.Flock"},
		{"syscall by dot", map[string]string{"heptap/buffer/a.go": "package buffer\nimport . \"syscall\"\nvar _ = EINTR"},
			func(m *module) []string { return m.syscalls(nil) }, "dot import"},
		{"errno and signals", map[string]string{"heptap/buffer/a.go": "package buffer\nimport \"syscall\"\nvar _, _, _ = syscall.ENOSPC, syscall.SIGTERM, syscall.Errno(1)"},
			func(m *module) []string { return m.syscalls(nil) }, ""},
		{"no comment", map[string]string{"heptap/hep/a.go": "package hep"}, (*module).comments, "no package comment"},
		{"two comments", map[string]string{"heptap/hep/a.go": "// Package hep is.\npackage hep", "heptap/hep/b.go": "// Package hep does.\npackage hep"}, (*module).comments, "2 package comments"},
		{"another package's comment", map[string]string{"heptap/hep/a.go": "// Package hip is.\npackage hep"}, (*module).comments, "does not begin with"},
		{"one comment", map[string]string{"heptap/hep/a.go": "// Package hep is.\npackage hep", "heptap/hep/b.go": "package hep"}, (*module).comments, ""},
		{"not fuzzed", map[string]string{"heptap/hep/a.go": "package hep", "heptap/hep/a_test.go": "package hep\nfunc Fuzzy() {}"},
			func(m *module) []string { return m.unfuzzed([]string{"heptap/hep"}, nil) }, "no fuzz target"},
		{"fuzzed", map[string]string{"heptap/hep/a.go": "package hep", "heptap/hep/a_test.go": "package hep_test\nimport \"testing\"\nfunc FuzzX(f *testing.F) {}"},
			func(m *module) []string { return m.unfuzzed([]string{"heptap/hep"}, nil) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.check(syntheticModule(t, c.files))
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("violations %q in a module without", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("violations %q, want one with %q", got, c.want)
			}
		})
	}
}

func states(m *module) []string { return m.state(nil) }
