package config_test

import (
	"slices"
	"strings"
	"testing"

	"heptap/firmware/internal/config"
)

func draft(t testing.TB, text string) config.Draft {
	t.Helper()
	d, err := config.ReadDraft(strings.NewReader(text), "test", config.Draft{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDraftSetAndDelete(t *testing.T) {
	d := draft(t, "# comment\nset collector c auth-key hush\nset capture b interface eth2\nset capture a interface eth1\nset spool memory 65536K\n")
	const want = "set capture b interface eth2\nset capture a interface eth1\nset collector c auth-key hush\nset spool memory 64MiB\n"
	if d.Text() != want {
		t.Errorf("text:\n%s", d.Text())
	}
	e, err := d.Set([]string{"capture", "b", "interface", "eth3"})
	if err != nil || !strings.HasPrefix(e.Text(), "set capture b interface eth3\nset capture a") || d.Text() != want {
		t.Errorf("%v\n%s\n%s", err, e.Text(), d.Text())
	}
	if got := e.Names([]string{"capture"}); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("names %v", got)
	}
	f, n := e.Delete([]string{"capture", "a"})
	if n != 1 || f.Lines() != 3 || strings.Contains(f.Text(), "eth1") {
		t.Errorf("%d deleted\n%s", n, f.Text())
	}
	if _, n := e.Delete([]string{"capture", "zz"}); n != 0 {
		t.Errorf("%d deleted of nothing", n)
	}
	if _, err := d.Config("test"); err == nil || !strings.Contains(err.Error(), "collector c: no address") {
		t.Errorf("an incomplete draft: %v", err)
	}
}

func TestDraftRefuses(t *testing.T) {
	d := draft(t, "set collector c address 192.0.2.1:9060\n")
	for _, c := range []struct{ words, want string }{
		{"system agent-id 0", "a number from 1"},
		{"system agent", "unknown option"},
		{"system", "incomplete"},
		{"spool memory", "takes one value"},
		{"collector d/e address 192.0.2.2:9060", "a name is"},
		{"collector c auth-key ***", "no secret yet"},
		{"", "incomplete"},
	} {
		got, err := d.Set(strings.Fields(c.words))
		if err == nil || !strings.Contains(err.Error(), c.want) || got.Text() != d.Text() {
			t.Errorf("set %s: %v, want %q", c.words, err, c.want)
		}
	}
	for _, text := range []string{"get x\n", "set spool memory 1B\n", "set system node \"a\n", strings.Repeat("#", config.MaxText+2)} {
		if _, err := config.ReadDraft(strings.NewReader(text), "test", d); err == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

// What is shown has no secret in it, and what was shown gives the secret back.
func TestDraftSecrets(t *testing.T) {
	const secret = "hush # hush"
	d := draft(t, "set collector c address 192.0.2.1:9060\nset collector c auth-key \""+secret+"\"\nset intake auth-key "+"pssst\n")
	shown := d.Shown(nil)
	if strings.Contains(shown, "hush") || strings.Contains(shown, "pssst") || strings.Count(shown, config.Hidden) != 2 {
		t.Fatalf("shown:\n%s", shown)
	}
	long := draft(t, "set privacy secret 0123456789abcdef0123\n") // *** would be too short
	if back, err := config.ReadDraft(strings.NewReader(long.Shown(nil)), "paste", long); err != nil || back.Text() != long.Text() {
		t.Errorf("%v: %s", err, back.Text())
	}
	again, err := config.ReadDraft(strings.NewReader(shown), "paste", d)
	if err != nil || again.Text() != d.Text() || !strings.Contains(again.Text(), `"`+secret+`"`) {
		t.Errorf("%v\n%s", err, again.Text())
	}
	other, err := d.Set([]string{"intake", "auth-key", "other"})
	if err != nil {
		t.Fatal(err)
	}
	changes := config.Changes(d, other)
	want := []config.Change{{false, "set intake auth-key ***"}, {true, "set intake auth-key ***"}}
	if !slices.Equal(changes, want) {
		t.Errorf("changes %v", changes)
	}
}

func TestChanges(t *testing.T) {
	base := "set trace rule a deny method OPTIONS\nset trace rule b allow method INVITE\nset trace rule c count\n"
	for _, c := range []struct {
		to   string
		want []config.Change
	}{
		{base, nil},
		{"", []config.Change{{false, "set trace rule a deny method OPTIONS"}, {false, "set trace rule b allow method INVITE"}, {false, "set trace rule c count"}}},
		{"set trace rule b allow method INVITE\nset trace rule a deny method OPTIONS\nset trace rule c count\n", // order counts
			[]config.Change{{false, "set trace rule a deny method OPTIONS"}, {true, "set trace rule a deny method OPTIONS"}}},
		{base + "set system node x\n", []config.Change{{true, "set system node x"}}},
	} {
		if got := config.Changes(draft(t, base), draft(t, c.to)); !slices.Equal(got, c.want) {
			t.Errorf("to %q: %v, want %v", c.to, got, c.want)
		}
	}
}

func TestRebase(t *testing.T) {
	base := draft(t, "set system node a\nset spool memory 64MiB\nset calls max 100\n")
	mine := draft(t, "set system node b\nset spool memory 64MiB\nset media events off\n") // node changed, calls max deleted, events new
	onto := draft(t, "set system node a\nset spool memory 128MiB\nset calls max 100\nset system agent-id 7\n")
	got, err := mine.Rebase(base, onto)
	const want = "set system node b\nset system agent-id 7\nset spool memory 128MiB\nset media events off\n"
	if err != nil || got.Text() != want {
		t.Errorf("%v\n%s", err, got.Text())
	}
}

func TestConsolePath(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "/var/lib/heptap/console.sock",
		"set spool path /data/spool\n":     "/data/spool/console.sock",
		"set system console off\n":         "",
		"set system console /run/h.sock\n": "/run/h.sock",
	} {
		c := parse(t, text)
		if got := c.ConsolePath(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzDraft: what a draft takes, Parse reads as the same; what is shown reads back.
func FuzzDraft(f *testing.F) {
	f.Add("set capture b interface eth1\nset capture a interface eth2\nset collector c address h:1\nset collector c auth-key \"a b\"\n")
	f.Add("set trace rule x deny from 10.0.0.0/8 method OPTIONS\nset trace group g 10.0.0.0/8\n")
	f.Add("set intake auth-key ***\nset system node \"\\\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ReadDraft(strings.NewReader(text), "f", config.Draft{})
		if err != nil {
			return
		}
		again, err := config.ReadDraft(strings.NewReader(d.Text()), "f", config.Draft{})
		if err != nil || again.Text() != d.Text() {
			t.Fatalf("%v\n%q\n%q", err, d.Text(), again.Text())
		}
		if shown, err := config.ReadDraft(strings.NewReader(d.Shown(nil)), "f", d); err != nil || shown.Text() != d.Text() {
			t.Fatalf("%v: shown %q gives %q", err, d.Shown(nil), shown.Text())
		}
		c, err := config.Parse(strings.NewReader(text), "f")
		e, derr := d.Config("f")
		if (err == nil) != (derr == nil) || err == nil && config.Format(c) != config.Format(e) {
			t.Fatalf("%v, %v: %q and %q", err, derr, config.Format(c), config.Format(e))
		}
	})
}
