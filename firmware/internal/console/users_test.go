package console

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
)

// at has a session at a port, as say has one whose port is "test".
func (r *rig) at(t testing.TB, port, keys string) string {
	t.Helper()
	c := &conversation{Reader: strings.NewReader(keys)}
	if err := r.Serve(context.Background(), c, port, 0); err != nil {
		t.Errorf("session: %v", err)
	}
	return c.String()
}

func TestUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		out := r.at(t, "ttyS0", "user add eve read\ruser add root admin\rhunter22!\rhunter22!\rexit\r")
		if !strings.Contains(out, "the first user has to be admin") || !strings.Contains(out, "added: ") || strings.Contains(out, "hunter22") {
			t.Fatal(out)
		}
		out = r.at(t, Socket, "user add eve read\r\rlong enough\rlong enough\ruser add eve read\rlong enough\rlonger enough\ruser add eve read\rlong enough\rlong enough\rshow users\rexit\r")
		for _, want := range []string{"a password has 8 to 72 octets", "that was not the same twice", "added: ", "eve                  read"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
		}

		// Wrong passwords take longer each time, whoever asks; with commands for passwords nothing is done.
		began := time.Now()
		out = r.at(t, "ttyS0", "root\rwrong\rnobody\rhunter22!\rroot\rHUNTER22!\reve\rlong enough\rset system node x\rcommit\rshow running\rpassword root\rshow users\rexit\r")
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("three wrong passwords took %v", took)
		}
		if n := strings.Count(out, "That is not right."); n != 3 {
			t.Errorf("%d wrong passwords in %s", n, out)
		}
		if strings.Contains(out, "long enough") || strings.Contains(out, "HUNTER") {
			t.Errorf("a password is shown: %q", out)
		}
		if n := strings.Count(out, "not allowed: it takes more rights than yours"); n != 3 || !strings.Contains(out, "set collector c auth-key ***") || r.nodes() != "" {
			t.Errorf("%d refused, applied %q: %s", n, r.nodes(), out)
		}

		// Nobody is let in who does not log in, nor one who says he is a script.
		for _, keys := range []string{"", "\r\r", "show running\r", "\x03\x03show running\r\x04", batch + "show running\nshow running\n"} {
			if out := r.at(t, "ttyUSB0", keys); strings.Contains(out, "eth1") {
				t.Errorf("%q: %s", keys, out)
			}
		}

		out = r.at(t, "ttyUSB0", "root\rhunter22!\rset system node y\rcommit\rset collector c auth-key topsecret\rcommit\rpassword\rhunter23!\rhunter23!\ruser delete root\rshow sessions\rexit\r")
		if r.nodes() != "y y" || !strings.Contains(out, "one user at least has to be admin") || !strings.Contains(out, "changed") || !strings.Contains(out, "ttyUSB0, since 2000-01-01T00:00:") || !strings.Contains(out, ", root") {
			t.Errorf("applied %q: %s", r.nodes(), out)
		}
		r.Close()
		r.start(t) // it holds after a restart, too
		out = r.at(t, "ttyUSB0", "root\rhunter22!\rroot\rhunter23!\rshow audit\rshow audit 1\ruser delete eve\ruser delete root\rexit\r")
		for _, want := range []string{"socket/1 -: user add eve read", "ttyS0/1 -: wrong password for an unknown name", "ttyS0/1 eve: logged in", "ttyS0/1 eve: not allowed: set system node x",
			"ttyUSB0/1 root: committed | + set system node y", "| + set collector c auth-key ***", "ttyUSB0/1 root: password", "nobody has to log in any more"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		text, err := os.ReadFile(r.file + ".audit")
		if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "hunter") || strings.Contains(string(text), "hush") {
			t.Errorf("%v, %s", err, text)
		}
		if out := r.at(t, "ttyS0", "show users\rexit\r"); !strings.Contains(out, "# nobody has to log in") {
			t.Error(out)
		}
	})
}

// Whoever leaves without logging out is logged out.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, startText)
		r.at(t, "ttyS0", "user add root admin\rhunter22!\rhunter22!\rexit\r")
		in := make(chan string, 1)
		in <- "root\rhunter22!\r"
		c := &conversation{Reader: waiting(in)}
		began := time.Now()
		if err := r.Serve(context.Background(), c, "ttyS0", 0); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != idleAtMost || !strings.Contains(c.String(), "nothing was typed for 15m0s") {
			t.Errorf("after %v: %s", took, c.String())
		}
		close(in)
	})
}

// waiting is what is typed, for as long as somebody sits there.
type waiting chan string

func (w waiting) Read(b []byte) (int, error) {
	text, ok := <-w
	if !ok {
		return 0, context.Canceled
	}
	return copy(b, text), nil
}

// The box's button lets one in who has forgotten his password.
func TestForgotten(t *testing.T) {
	r, _ := newBoxRig(t, []string{"x"}, nil)
	r.say(t, "\r\r\r\r\r\r\r\ruser add root admin\rhunter22!\rhunter22!\rexit\r")
	if out := r.at(t, "ttyS0", "reset\rx\x03\rreset\r"); !strings.Contains(out, "hold the box's button") || strings.Contains(out, "heptap>") {
		t.Error(out)
	}
	r.o.Pressed = func() bool { return false }
	if out := r.at(t, "ttyS0", "reset\r"); strings.Contains(out, "heptap>") {
		t.Error(out)
	}
	r.o.Pressed = func() bool { return true }
	if out := r.at(t, "ttyS0", "reset\rshow users\rexit\r"); !strings.Contains(out, "All users are forgotten") || !strings.Contains(out, "# nobody has to log in") {
		t.Error(out)
	}
}

// Of those who may capture, an admin and who was given that right may have secrets in it.
func TestSecretsRight(t *testing.T) {
	r := look(t, nil)
	by := ""
	r.o.Live().Capture = func(c Capture, who string) (outbox.File, packets.Result, error) {
		by += who + "|"
		return outbox.File{Name: c.Name}, packets.Result{}, nil
	}
	out := r.at(t, Socket, "user add root admin\rhunter22!\rhunter22!\ruser add dan operate\rhunter22!\rhunter22!\ruser add sue operate secrets\rhunter22!\rhunter22!\r"+
		"user add eve read secrets\ruser add eve admin secrets\ruser add eve operate all\rpassword dan\rhunter23!\rhunter23!\rshow users\rexit\r")
	out = strings.ReplaceAll(out, "\r", "")
	if strings.Count(out, "secrets is for a user who may operate") != 2 || !strings.Contains(out, "want: user add NAME read|operate|admin [secrets]") ||
		!strings.Contains(out, "sue                  operate secrets\n") || !strings.Contains(out, "dan                  operate\n") {
		t.Error(out)
	}
	for name, password := range map[string]string{"root": "hunter22!", "dan": "hunter23!", "sue": "hunter22!"} {
		by = ""
		out := r.at(t, "ttyS0", name+"\r"+password+"\rcapture to file x unlocked\rexit\r")
		if refused := strings.Contains(out, "may not see secrets"); refused != (name == "dan") || refused == strings.Contains(by, name) {
			t.Errorf("%s, captured by %q: %s", name, by, out)
		}
	}
	// An older release reads names, levels and hashes, and takes the rest for a comment.
	text, err := os.ReadFile(r.file + ".users")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] != "#" && len(f) != 3 {
			t.Errorf("%q", line)
		}
	}
}

func TestUsersFile(t *testing.T) {
	if _, err := bcrypt.Cost([]byte(nobodysHash)); err != nil || bcrypt.CompareHashAndPassword([]byte(nobodysHash), []byte("x")) != bcrypt.ErrMismatchedHashAndPassword {
		t.Error("a user who does not exist would be told from one who does")
	}
	for _, text := range []string{"root admin", "root king " + nobodysHash, "ro/ot admin " + nobodysHash, "root admin x", "\xff\x00", strings.Repeat("a read "+nobodysHash+"\n", maxUsers+1)} {
		r := newRig(t, startText)
		if err := os.WriteFile(r.file+".users", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		out := r.at(t, "ttyS0", "show running\r")
		if !strings.Contains(out, "list of users cannot be read") || strings.Contains(out, "eth1") {
			t.Errorf("%q: %s", text, out)
		}
		if out := r.at(t, Socket, "show running\rexit\r"); !strings.Contains(out, "eth1") {
			t.Errorf("%q: the socket is shut: %s", text, out)
		}
	}
}

// The audit has an end.
func TestAuditIsBounded(t *testing.T) {
	r := newRig(t, startText)
	for range 400 {
		r.audit.note("ttyS0/1", "root", strings.Repeat("x", 2000)+"\nsecond\x1b[2J")
	}
	var sum int64
	for _, file := range []string{r.audit.file, r.audit.file + ".old"} {
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		sum += st.Size()
	}
	if lines, err := r.audit.lines(1000); err != nil || sum > 2*auditRoom || sum < auditRoom || len(lines) < 128 || len(lines) > 262 {
		t.Errorf("%d octets, %d lines, %v", sum, len(lines), err)
	}
}
