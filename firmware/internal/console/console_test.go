package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/config"
)

const startText = `# my probe
set capture span0 interface eth1
set collector c address 192.0.2.1:9060
set collector c auth-key hush
`

// batch is what a script's terminal says of itself.
const batch = "\x1b[8;0;0t"

// rig is a console, and what was applied.
type rig struct {
	*Console
	file string

	mu      sync.Mutex
	applied []config.Config
	refuse  error
}

func newRig(t testing.TB, text string) *rig {
	t.Helper()
	r := &rig{file: filepath.Join(t.TempDir(), "probe.conf")}
	if err := os.WriteFile(r.file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	return r
}

// start makes a console as a probe does that has begun.
func (r *rig) start(t testing.TB) {
	t.Helper()
	c, err := New(Options{File: r.file, Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Apply: func(c config.Config) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.refuse != nil {
			return r.refuse
		}
		r.applied = append(r.applied, c)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Console = c
}

// nodes are the names of the probe in what was applied, in order.
func (r *rig) nodes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, c := range r.applied {
		out = append(out, c.System.Node)
	}
	return strings.Join(out, " ")
}

func (r *rig) text(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// conversation is the other side of a session that says all it has to say at once.
type conversation struct {
	io.Reader
	bytes.Buffer
}

func (c *conversation) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func (r *rig) say(t testing.TB, keys string) string {
	t.Helper()
	c := &conversation{Reader: strings.NewReader(keys)}
	if err := r.Serve(context.Background(), c, "test", time.Minute); err != nil {
		t.Errorf("session: %v", err)
	}
	return c.String()
}

// script has lines carried out, and says whether all were.
func (r *rig) script(t testing.TB, lines string) (out string, done bool) {
	t.Helper()
	out = r.say(t, batch+lines)
	if strings.HasSuffix(out, "\x06") {
		return strings.TrimSuffix(out, "\x06"), true
	}
	if !strings.HasSuffix(out, "\x15") {
		t.Errorf("a script's output ends with %q", out[max(0, len(out)-20):])
	}
	return strings.TrimSuffix(out, "\x15"), false
}

// firstWords are those that options begin with.
func firstWords() string {
	var out []string
	for _, o := range config.Schema() {
		if !slices.Contains(out, o.Path[0]) {
			out = append(out, o.Path[0])
		}
	}
	return strings.Join(out, ", ")
}

func TestScripts(t *testing.T) {
	for _, c := range []struct {
		name, in, out string
		done          bool
	}{
		{"show", "show\n", "set capture span0 interface eth1\nset collector c address 192.0.2.1:9060\nset collector c auth-key ***\n", true},
		{"compare", "set system node b\ndelete collector c auth-key\nshow | compare\n",
			"+ set system node b\n- set collector c auth-key ***\nnote: there were changes, and they were not committed\n", true},
		{"nothing", "show | compare\ncommit\n", "# no changes\nerror: there is nothing to commit\n", false},
		{"part", "show configuration collector\nshow configuration x\n",
			"set collector c address 192.0.2.1:9060\nset collector c auth-key ***\nerror: the candidate has nothing that begins with x\n", false},
		{"shortened", "sh ver\nsh run | m eth1\n", "heptap 1.2.3\nerror: | m eth1: want match TEXT, except TEXT, count or no-more\n", false},
		{"filters", "show running | match ETH1\nshow | except eth1 | count\nshow | match\n",
			"set capture span0 interface eth1\n2 lines\nerror: | match: want match TEXT, except TEXT, count or no-more\n", false},
		{"ambiguous", "s\n", "error: \"s\" is ambiguous: set, show, save, setup, support\n", false},
		{"unknown", "frobnicate the probe\nshow thing\n", "error: unknown command \"frobnicate\", want one of: " + strings.Join(nexts(commands(), 0), ", ") + "\n" +
			"error: unknown command \"show thing\", want one of: " + strings.Join(nexts(stepOn(commands(), 0, "show"), 1), ", ") + "\n", false},
		{"usage", "check now\nsave\ncommit confirmed x\nset\nset spool memory\n", "error: want: check\nerror: want: save NAME\nerror: x: want 1 to 1440 minutes\n" +
			"error: want: set OPTION VALUE\nerror: set spool memory: takes one value, SIZE; put text with blanks in double quotes\n", false},
		{"quotes", "set system node \"a\n", "error: the closing quote is missing\n", false},
		{"comments", "# nothing\n\n   # nothing\n", "", true},
		{"last line without end", "show version", "heptap 1.2.3\n", true},
		{"check", "delete collector c address\ncheck\n", "error: candidate: collector c: no address; add: set collector c address HOST:PORT\nnote: there were changes, and they were not committed\n", false},
		{"a script that failed commits nothing", "set nonsense 1\nset system node b\ncommit\n",
			"error: set nonsense 1: unknown option \"nonsense\", want one of: " + firstWords() + "\n" +
				"error: not committed: a command before failed\nnote: there were changes, and they were not committed\n", false},
		{"exit", "exit\nset system node b\n", "", true},
		{"controls", "show\x00 \x07version\x80\xff\nshow \x1b[200~version\n", "heptap 1.2.3\nheptap 1.2.3\n", true},
		{"too long", strings.Repeat("x", MaxLine+1) + "\nshow version\n", "error: the line is too long, it was not carried out\nheptap 1.2.3\n", false},
		{"saved", "save a/b\nsave mine\nshow saved\nload theirs\n", "error: \"a/b\": a name is 1 to 32 letters, digits, '-' or '_'\n" +
			"saved; load mine brings it back, show prints it to be pasted elsewhere\nmine\nerror: nothing is saved under theirs; show saved lists what is\n", false},
		{"paste", "load\nset capture span0 interface eth2\nset collector c address 192.0.2.1:9060\nset collector c auth-key ***\n.\nshow | compare\nload\nset x\n.\n",
			"3 lines loaded; show | compare says what they change, commit puts them to work\n- set capture span0 interface eth1\n+ set capture span0 interface eth2\n" +
				"error: the candidate is as it was: line:1: set x: unknown option \"x\", want one of: " + firstWords() + "\n" +
				"note: there were changes, and they were not committed\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, startText)
			out, done := r.script(t, c.in)
			if out != c.out || done != c.done {
				t.Errorf("in:\n%s\nout:\n%s\nwant:\n%s\n%v, want %v", c.in, out, c.out, done, c.done)
			}
			if len(r.applied) > 0 || r.text(t) != startText {
				t.Errorf("%d applied, file:\n%s", len(r.applied), r.text(t))
			}
		})
	}
}

func TestCommit(t *testing.T) {
	r := newRig(t, startText)
	out, done := r.script(t, "set system node b\ncommit\nshow | compare\nshow sessions\n")
	if !done || !strings.HasPrefix(out, "the capture begins anew with the new configuration ...\ncommitted\n# no changes\n1  test, since 2") || r.nodes() != "b" {
		t.Errorf("%v\n%s\n%s", done, out, r.nodes())
	}
	const want = "set system node b\nset capture span0 interface eth1\nset collector c address 192.0.2.1:9060\nset collector c auth-key hush\n"
	if got := r.text(t); got != want {
		t.Errorf("file:\n%s", got)
	}
	st, err := os.Stat(r.file)
	if err != nil || st.Mode() != 0o640 {
		t.Errorf("%v, mode %v", err, st.Mode())
	}
	// The history has the file as it was, comment and secret and all, for its owner.
	entry := r.file + ".history/00000001.conf"
	b, err := os.ReadFile(entry)
	if err != nil || !strings.HasPrefix(string(b), "# until 2") || !strings.HasSuffix(string(b), ", replaced by session 1 (test)\n"+startText) {
		t.Errorf("%v\n%s", err, b)
	}
	if st, err := os.Stat(entry); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, mode %v", err, st.Mode())
	}
	out, done = r.script(t, "rollback 1\nshow | compare\nshow history 1\ncommit\nrollback 3\n")
	if done || !strings.Contains(out, "loaded; ") || !strings.Contains(out, "- set system node b\n") || !strings.Contains(out, "auth-key ***") ||
		!strings.Contains(out, "committed\nerror: the history has 2 configurations") || r.nodes() != "b " || strings.Contains(out, "hush") {
		t.Errorf("%s\n%q", out, r.nodes())
	}
	if got := r.text(t); got != strings.TrimPrefix(startText, "# my probe\n") {
		t.Errorf("file:\n%s", got)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	r := newRig(t, startText)
	var in strings.Builder
	for i := range MaxHistory + 5 {
		in.WriteString("set system agent-id " + string(rune('1'+i%9)) + "\nset calls max " + strings.Repeat("9", 2+i%3) + "\ncommit\n")
	}
	if out, done := r.script(t, in.String()); !done {
		t.Fatal(out)
	}
	out, _ := r.script(t, "show history | count\nshow history 20\nshow history 21\n")
	if !strings.HasPrefix(out, "20 lines\nset system agent-id 5\n") || !strings.Contains(out, "error: the history has 20 configurations") {
		t.Error(out)
	}
	entries, err := os.ReadDir(r.file + ".history")
	if err != nil || len(entries) != MaxHistory {
		t.Errorf("%v: %v", err, entries)
	}
	// What a power cut has left is no entry, and in nobody's way.
	for _, left := range []string{r.file + ".new", r.file + ".history/00000026.conf.new"} {
		if err := os.WriteFile(left, []byte("garb"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, done := r.script(t, "set system node z\ncommit\nshow history | count\n"); !done || !strings.HasSuffix(out, "20 lines\n") {
		t.Error(out)
	}
}

// What cannot be put to work is not written, and the session keeps its candidate.
func TestCommitRefused(t *testing.T) {
	r := newRig(t, startText)
	r.refuse = errors.New("capture span0: no such device")
	out, done := r.script(t, "set system node b\ncommit\nshow | compare\n")
	if done || !strings.Contains(out, "error: not committed, what ran before runs again: capture span0: no such device\n+ set system node b\n") || r.text(t) != startText {
		t.Errorf("%s\n%s", out, r.text(t))
	}
	if _, err := os.Stat(r.file + ".history"); err == nil {
		t.Error("there is a history")
	}
}

// A file that cannot be written is said to be so, and the configuration runs.
func TestCommitNotWritten(t *testing.T) {
	r := newRig(t, startText)
	if err := os.WriteFile(r.file+".history", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, done := r.script(t, "set system node b\ncommit\nshow | compare\n")
	if done || !strings.Contains(out, "error: it runs, but it is not in the configuration file") || !strings.HasSuffix(out, "# no changes\n") || r.nodes() != "b" {
		t.Errorf("%s", out)
	}
}

// The file is where a link leads, and the link stays one.
func TestLinkedFile(t *testing.T) {
	r := newRig(t, startText)
	link := filepath.Join(t.TempDir(), "link.conf")
	if err := os.Symlink(r.file, link); err != nil {
		t.Fatal(err)
	}
	r.Console.o.File = link
	old := r.file
	r.file = link
	r.start(t)
	if out, done := r.script(t, "set system node b\ncommit\n"); !done {
		t.Error(out)
	}
	r.file = old
	if st, err := os.Lstat(link); err != nil || st.Mode().Type() != os.ModeSymlink || !strings.Contains(r.text(t), "node b") {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if _, err := New(Options{File: os.DevNull}); err == nil {
		t.Error("a configuration that is no regular file was taken")
	}
}

func TestCommitConfirmed(t *testing.T) {
	// What is typed, and when; what runs then and whether the file has it.
	for _, c := range []struct {
		name  string
		then  string        // what is typed
		after time.Duration // the commit
		want  string        // in its output
		runs  string        // in the end
		file  bool          // has the change
	}{
		{"forgotten", "", 0, "", "b ", false},
		{"confirmed", "confirm\n", 4 * time.Minute, "confirmed: the configuration file has it\n", "b", true},
		{"committed once more", "commit\n", 4 * time.Minute, "confirmed: the configuration file has it\n", "b", true},
		{"too late", "confirm\n", 6 * time.Minute, "error: no commit waits to be confirmed\n", "b ", false},
		{"aborted", "abort\n", time.Minute, "rolled back\n", "b ", false},
		{"another commit", "set system node c\ncommit\n", time.Minute, "error: a commit waits to be confirmed: confirm, or abort it\n", "b ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, startText)
				defer r.Close()
				out, done := r.script(t, "set system node b\ncommit confirmed 5\nshow running\n")
				if !done || !strings.Contains(out, "committed; it is rolled back in 5m0s unless confirm follows\n# session 1 (test) has committed; it is rolled back in 5m0s") {
					t.Fatal(out)
				}
				if r.nodes() != "b" || r.text(t) != startText {
					t.Fatalf("runs %q, file:\n%s", r.nodes(), r.text(t))
				}
				time.Sleep(c.after)
				if out, _ := r.script(t, c.then); !strings.Contains(out, c.want) {
					t.Errorf("%s", out)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if r.nodes() != c.runs || strings.Contains(r.text(t), "node b") != c.file {
					t.Errorf("runs %q, want %q; file:\n%s", r.nodes(), c.runs, r.text(t))
				}
			})
		})
	}
}

// A roll-back that fails is tried again; a probe that stops meanwhile begins with
// the old one, which is still in the file.
func TestRollBackFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		if out, done := r.script(t, "set system node b\ncommit confirmed 1\n"); !done {
			t.Fatal(out)
		}
		r.mu.Lock()
		r.refuse = errors.New("no such device")
		r.mu.Unlock()
		time.Sleep(90 * time.Second)
		if out, _ := r.script(t, "show running\n"); !strings.Contains(out, "unless somebody confirms\nset system node b\n") {
			t.Error(out)
		}
		r.mu.Lock()
		r.refuse = nil
		r.mu.Unlock()
		time.Sleep(time.Minute)
		if out, _ := r.script(t, "show running\n"); strings.Contains(out, "node b") || r.nodes() != "b " {
			t.Errorf("%s%q", out, r.nodes())
		}
		if out, done := r.script(t, "set system node c\ncommit confirmed 1\n"); !done {
			t.Fatal(out)
		}
		r.Close()
		time.Sleep(time.Hour)
		if r.nodes() != "b  c" || r.text(t) != startText {
			t.Errorf("after the end: %q", r.nodes())
		}
		r.start(t)
		if out, _ := r.script(t, "show running\n"); strings.Contains(out, "node") {
			t.Error(out)
		}
	})
}

// typist is the other side of a session that is open for longer.
type typist struct {
	*io.PipeReader
	*io.PipeWriter
	mu    sync.Mutex
	shown bytes.Buffer
	keys  io.Writer
	ended chan error
}

func (y *typist) Read(b []byte) (int, error) { return y.PipeReader.Read(b) }

func (y *typist) Write(b []byte) (int, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.shown.Write(b)
}

func (r *rig) sit(ctx context.Context) *typist {
	in, keys := io.Pipe()
	y := &typist{PipeReader: in, keys: keys, ended: make(chan error, 1)}
	go func() { y.ended <- r.Serve(ctx, y, "desk", 0); in.Close() }()
	synctest.Wait()
	return y
}

// types sends keys and returns what was shown since the last time, until nothing more
// comes.
func (y *typist) types(keys string) string {
	if keys != "" {
		_, _ = io.WriteString(y.keys, keys)
	}
	synctest.Wait()
	y.mu.Lock()
	defer y.mu.Unlock()
	defer y.shown.Reset()
	return y.shown.String()
}

func TestTwoEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		ctx, cancel := context.WithCancel(context.Background())
		one, two := r.sit(ctx), r.sit(ctx)
		one.types("set system node one\r")
		// The second one is told, and the first one too.
		if got := two.types("set system agent-id 2\r"); !strings.Contains(got, "note: session 1 (desk) is editing, too; who commits first is first\r\n") {
			t.Errorf("%q", got)
		}
		if got := one.types("show sess\t\r"); !strings.Contains(got, "session 2 (desk) has begun to edit, too") ||
			!strings.Contains(got, "editing, this one\r\n2  desk, since ") || strings.Count(got, ", editing") != 2 {
			t.Errorf("%q", got)
		}
		two.types("")
		if got := one.types("commit\r"); !strings.Contains(got, "committed\r\n") {
			t.Errorf("%q", got)
		}
		if got := two.types("commit\r"); !strings.Contains(got, "error: the running configuration has changed since you began: update puts your changes on top of it\r\n") {
			t.Errorf("%q", got)
		}
		if got := two.types("show | compare\r"); !strings.Contains(got, "- set system node one\r\n+ set system agent-id 2\r\n") {
			t.Errorf("%q", got)
		}
		if got := two.types("update\rshow | compare\rcommit\r"); !strings.Contains(got, "\r\n+ set system agent-id 2\r\n") || strings.Contains(got, "- set") || !strings.Contains(got, "committed\r\n") {
			t.Errorf("%q", got)
		}
		if !strings.HasPrefix(r.text(t), "set system node one\nset system agent-id 2\n") {
			t.Error(r.text(t))
		}
		// Leaving asks once more when there is something to lose.
		one.types("set system node three\r")
		if got := one.types("exit\r"); !strings.Contains(got, "exit once more to lose them") {
			t.Errorf("%q", got)
		}
		one.types("exit\r")
		if err := <-one.ended; err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-two.ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		two.PipeReader.Close()
		synctest.Wait()
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		ctx, cancel := context.WithCancel(context.Background())
		var all []*typist
		for range MaxSessions {
			all = append(all, r.sit(ctx))
		}
		full := &conversation{Reader: strings.NewReader("show version\n")}
		if err := r.Serve(ctx, full, "one too many", 0); !errors.Is(err, ErrFull) || !strings.HasPrefix(full.String(), "error: ") {
			t.Errorf("%v %q", err, full.String())
		}
		// One that hangs up, and one whose line is dead, make room.
		all[2].keys.(io.Closer).Close()
		if err := <-all[2].ended; err != nil {
			t.Error(err)
		}
		if got := r.sit(ctx); !strings.Contains(got.types("show sessions\r"), "3  desk") {
			t.Error("the number is not free")
		} else {
			all = append(all, got)
		}
		cancel()
		for _, y := range all {
			y.PipeReader.Close()
		}
		synctest.Wait()
		if n := len(r.sessions()); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// A session that nobody reads holds up nobody.
func TestUnreadSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		ctx, cancel := context.WithCancel(context.Background())
		a, b := io.Pipe()
		go func() {
			_ = r.Serve(ctx, struct {
				io.Reader
				io.Writer
			}{strings.NewReader("set system node x\rshow\r"), b}, "stuck", 0)
		}()
		synctest.Wait()
		if out, done := r.script(t, "set system node b\ncommit\n"); !done {
			t.Error(out)
		}
		cancel()
		a.Close()
		synctest.Wait()
	})
}

// The box ends only when it is asked to with a word more, and only where there is one.
func TestPower(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	if out, _ := r.script(t, "reboot yes\n"); !strings.Contains(out, "not heptap's to end") {
		t.Errorf("without a box: %q", out)
	}
	for line, want := range map[string]string{"reboot yes": Restart, "poweroff yes": PowerOff, "factory reset yes": FactoryReset,
		"reboot": "", "poweroff no": "", "factory reset yes yes": "", "factory": "", "factory yes": ""} {
		asked := ""
		r.o.End = func(what string) error { asked = what; return nil }
		out, _ := r.script(t, line+"\n")
		if asked != want || want != "" && !strings.Contains(out, "the box ends now") {
			t.Errorf("%q: asked for %q, want %q: %s", line, asked, want, out)
		}
	}
	if out, _ := r.script(t, "factory reset\n"); !strings.Contains(out, "erase configuration, history and every record") || !strings.Contains(out, "To do it: factory reset yes") {
		t.Errorf("%q", out)
	}
}
