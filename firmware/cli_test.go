package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// actAs makes the test binary be heptap: tests run it as a user does.
const actAs = "HEPTAP_TEST_ACT_AS_HEPTAP"

func TestMain(m *testing.M) {
	if os.Getenv(actAs) != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// heptapCommand returns the command, not yet started.
func heptapCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// Under the race detector a program waits for a second before it exits.
	cmd.Env = append(os.Environ(), actAs+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// heptap runs a command that ends by itself.
func heptap(t *testing.T, stdin []byte, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := heptapCommand(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	return finish(t, cmd.Run(), &stdout, &stderr)
}

func finish(t *testing.T, err error, stdout, stderr *bytes.Buffer) result {
	t.Helper()
	r := result{stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return r
}

// want checks the exit status and that the texts are on standard error.
func (r result) want(t *testing.T, code int, onStderr ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit status %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, s := range onStderr {
		if !strings.Contains(r.stderr, s) {
			t.Errorf("standard error lacks %q:\n%s", s, r.stderr)
		}
	}
	return r
}

// lines returns the JSON objects of standard output.
func (r result) lines(t *testing.T) (out []packetLine) {
	t.Helper()
	for line := range strings.Lines(r.stdout) {
		var p packetLine
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, p)
	}
	return out
}

// packetLine is a line of heptap decode: the keys users script against.
type packetLine struct {
	Type     int
	TypeName string `json:"type_name"`
	Time     string
	Proto    int
	Src, Dst string
	VLAN     *int
	Agent    uint32
	Node     string
	Primary  string
	Extra    map[string]string
	Payload  *string
	Base64   *string `json:"payload_b64"`
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}} {
		r := heptap(t, nil, args...).want(t, 0)
		for _, c := range commands() {
			if !strings.Contains(r.stdout, "\n  "+c.name) {
				t.Errorf("%v does not list %s", args, c.name)
			}
		}
	}
	for _, c := range commands() {
		for _, flag := range []string{"-h", "--help"} {
			r := heptap(t, nil, c.name, flag).want(t, 0)
			usage, examples, ok := strings.Cut(r.stdout, "\nexamples:\n")
			if !ok || !strings.HasPrefix(usage, "usage: heptap "+c.name) || !strings.Contains(examples, "  heptap "+c.name) {
				t.Errorf("help of %s:\n%s", c.name, r.stdout)
			}
			if r.stderr != "" {
				t.Errorf("help of %s complains: %s", c.name, r.stderr)
			}
		}
	}
	// The help of config ends with every option of a configuration.
	r := heptap(t, nil, "config", "-h").want(t, 0)
	for _, s := range []string{"set capture <port> interface DEVICE", "set collector <name> transport tcp|tls|udp", "set spool max-size SIZE", "default: ", "example: "} {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("help of config lacks %q", s)
		}
	}
}

func TestCalledWrongly(t *testing.T) {
	heptap(t, nil).want(t, 2, "usage: heptap COMMAND")
	heptap(t, nil, "captrue").want(t, 2, `unknown command "captrue"`, "usage: heptap COMMAND")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"run"}, "-config FILE"},
		{[]string{"run", "-config", "a", "b"}, "nothing else"},
		{[]string{"replay", "x.pcap"}, "-o is missing"},
		{[]string{"replay", "-o", "x.hep"}, "no capture file"},
		{[]string{"replay", "-o", "-", "-summary", "-", "x.pcap"}, "cannot both"},
		{[]string{"replay", "-frob", "x.pcap"}, "-frob"},
		{[]string{"collect", "x"}, `"x"`},
		{[]string{"collect", "-tcp"}, "-tcp"},
		{[]string{"decode"}, "name one file"},
		{[]string{"decode", "a", "b"}, "name one file"},
		{[]string{"spool"}, "ls, export or verify"},
		{[]string{"spool", "frob", "x"}, `unknown "frob"`},
		{[]string{"spool", "ls"}, "name one spool file"},
		{[]string{"config", "x"}, `"x"`},
	} {
		r := heptap(t, nil, c.args...).want(t, 2, c.says, "run 'heptap "+c.args[0]+" -h' for help")
		if r.stdout != "" {
			t.Errorf("heptap %s writes to standard output, where records go:\n%s", strings.Join(c.args, " "), r.stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	r := heptap(t, nil, "version").want(t, 0)
	for _, s := range []string{"heptap " + version, "commit " + commit, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("version lacks %q: %s", s, r.stdout)
		}
	}
	if strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("more than one line: %q", r.stdout)
	}
	r = heptap(t, nil, "version", "-boards").want(t, 0)
	for _, board := range []string{"generic", "sim"} {
		if !strings.Contains(r.stdout, "\n  "+board) {
			t.Errorf("boards lack %q:\n%s", board, r.stdout)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	good := write(t, "good.conf", "# two ports\nset capture span0 interface eth1\nset capture span1 interface \"eth2\"\n\n"+
		"set collector central address 192.0.2.10:9060\nset collector central auth-key hush\nset system agent-id 7\n")
	r := heptap(t, nil, "config", "-check", good).want(t, 0)
	for _, s := range []string{"set capture span1 interface eth2", "set collector central address 192.0.2.10:9060", "set system agent-id 7"} {
		if !strings.Contains(r.stdout, s+"\n") {
			t.Errorf("output lacks %q:\n%s", s, r.stdout)
		}
	}
	again := heptap(t, nil, "config", "-check", write(t, "again.conf", r.stdout)).want(t, 0)
	if again.stdout != r.stdout {
		t.Errorf("what -check prints reads back as something else:\n%s\n%s", r.stdout, again.stdout)
	}

	bad := write(t, "bad.conf", "set capture span0 interface eth1\nset capture span0 ring-siz 64MiB\n\nset collector c transport sctp\nfrobnicate\n")
	heptap(t, nil, "config", "-check", bad).want(t, 1,
		"bad.conf:2:", "ring-size", // what would be right
		"bad.conf:4:", "tcp or tls or udp",
		"bad.conf:5:")
	heptap(t, nil, "run", "-config", bad).want(t, 1, "bad.conf:2:", "bad.conf:4:", "bad.conf:5:")
	heptap(t, nil, "config", "-check", filepath.Join(t.TempDir(), "none")).want(t, 1, "no such file")

	// Every example of the reference is a line that works.
	reference := heptap(t, nil, "config").want(t, 0)
	var examples []string
	for line := range strings.Lines(reference.stdout) {
		if e, ok := strings.CutPrefix(strings.TrimSpace(line), "example: "); ok {
			examples = append(examples, e)
		}
	}
	if len(examples) < 20 {
		t.Fatalf("only %d examples", len(examples))
	}
	heptap(t, nil, "config", "-check", write(t, "all.conf", strings.Join(examples, "\n")+"\n")).want(t, 0)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPseudonym has the command say what a record has, and who that is.
func TestPseudonym(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "probe.conf")
	if err := os.WriteFile(conf, []byte("set privacy secret \"a secret for tests only\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := heptap(t, nil, "pseudonym", "-config", conf, "+49301234567", "0301234567", "Alice")
	lines := strings.Fields(r.stdout)
	if r.code != 0 || len(lines) != 3 || lines[0][5:] != lines[1][3:] || lines[0] == "+49301234567" {
		t.Fatalf("status %d: %q", r.code, r.stdout)
	}
	if r := heptap(t, nil, append([]string{"pseudonym", "-config", conf, "-undo"}, lines...)...); r.stdout != "+49301234567\n0301234567\nalice\n" {
		t.Errorf("undone: %q", r.stdout)
	}
}
