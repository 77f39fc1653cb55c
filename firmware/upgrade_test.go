package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/bundle"
)

// upgradeRig is a probe's side of an update, and PID 1 that answers in these lines.
func upgradeRig(t *testing.T, answers string) (u *upgrades, asked chan string, url string) {
	t.Helper()
	seed := bytes.Repeat([]byte{1}, ed25519.SeedSize)
	key := ed25519.NewKeyFromSeed(seed)
	var file bytes.Buffer
	if _, err := bundle.Sign(&file, bundle.Header{Board: "b", Version: "v1.1.0", Built: 200, Data: 1}, strings.NewReader("the new system"), key); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file.Bytes()) }))
	t.Cleanup(server.Close)
	pub, err := bundle.FormatPublic(bundle.PublicOf(key))
	dir := t.TempDir()
	trusted := filepath.Join(dir, "pub")
	if err := errors.Join(err, os.WriteFile(trusted, pub, 0o600)); err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	h := openPID1(0)
	h.parent = appliance.NewParent(theirs, h.hear)
	go h.parent.Run()
	t.Cleanup(func() { ours.Close() })
	asked = make(chan string, 4)
	go func() {
		for s := bufio.NewScanner(ours); s.Scan(); {
			there, err := os.ReadFile(filepath.Join(dir, "download", "update"))
			asked <- fmt.Sprintf("%s with %d octets %v", s.Text(), len(there)-file.Len(), err)
			_, _ = io.WriteString(ours, answers)
		}
	}()
	return &upgrades{host: h, board: "b", release: appliance.Release{Release: bundle.Release{Version: "v1.0.0", Built: 100}, Data: 1},
		trusted: trusted, file: filepath.Join(dir, "download", "update")}, asked, server.URL + "/x"
}

func TestUpgradeInstalls(t *testing.T) {
	const began = "!upgrade \"writing nothing yet\"\n=ok\n!upgrade \"writing 50 % of 20.0 MiB\"\n"
	for _, c := range []struct {
		name, answers, what, err string
		force                    bool
	}{
		{"good", began + "!upgrade \"done system 3, v1.1.0\"\n", "system 3, v1.1.0", "", false},
		{"by force", began + "!upgrade \"done system 3, v1.1.0\"\n", "system 3, v1.1.0", "", true},
		{"fails", began + "!upgrade \"failed the disk is full\"\n", "", "the disk is full", false},
		{"refused", "=error \"is on trial\"\n", "", "is on trial", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, asked, url := upgradeRig(t, c.answers)
			u.host.hear(appliance.NewsUpgrade, "done system 2, v1.0.5") // of an earlier one
			var said []string
			what, err := u.install(t.Context(), url, c.force, nil, func(l string) { said = append(said, l) })
			if what != c.what || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("%q, %v", what, err)
			}
			want := `?upgrade "" with 0 octets <nil>`
			if c.force {
				want = `?upgrade "force" with 0 octets <nil>`
			}
			if got := <-asked; got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			if !slices.ContainsFunc(said, func(l string) bool { return strings.HasPrefix(l, "version v1.1.0") }) {
				t.Errorf("said %q", said)
			}
			if left, err := filepath.Glob(u.file + "*"); c.what != "" && len(left) > 0 {
				t.Errorf("left %q, %v", left, err)
			}
		})
	}
}

// What is not for this box is refused before PID 1 hears of it.
func TestUpgradeUnsuited(t *testing.T) {
	u, asked, url := upgradeRig(t, "=ok\n")
	u.board = "another"
	if _, err := u.install(t.Context(), url, false, nil, func(string) {}); err == nil || !strings.Contains(err.Error(), "for the board b") {
		t.Error(err)
	}
	u.board, u.release.Built, u.release.Version = "b", 300, "v1.2.0"
	if _, err := u.install(t.Context(), url, false, nil, func(string) {}); err == nil || !strings.Contains(err.Error(), "add force") {
		t.Error(err)
	}
	if len(asked) > 0 {
		t.Errorf("asked %s", <-asked)
	}
	// Two at a time are one too many; and who leaves is told that it goes on.
	u, asked, url = upgradeRig(t, "!upgrade \"writing nothing yet\"\n=ok\n")
	ctx, cancel := context.WithCancel(t.Context())
	ended, writing := make(chan error), make(chan string, 8)
	go func() {
		_, err := u.install(ctx, url, false, nil, func(l string) { writing <- l })
		ended <- err
	}()
	<-asked
	for !strings.HasPrefix(<-writing, appliance.UpgradeWriting) {
	}
	if _, err := u.install(t.Context(), url, false, nil, func(string) {}); err == nil || !strings.Contains(err.Error(), "another session") {
		t.Error(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on installing") {
		t.Error(err)
	}
}

func TestUpgradeGivenUp(t *testing.T) {
	u, asked, url := upgradeRig(t, "=ok\n")
	if _, err := u.install(t.Context(), url, false, []string{"v1.0.7", "v1.1.0"}, func(string) {}); !errors.Is(err, errGivenUp) {
		t.Error(err)
	}
	u.release.Built, u.release.Version = 200, "v1.1.0"
	if _, err := u.install(t.Context(), url, false, nil, func(string) {}); !errors.Is(err, appliance.ErrNotNewer) {
		t.Error(err)
	}
	if len(asked) > 0 {
		t.Errorf("asked %s", <-asked)
	}
}

func TestDaily(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	d := daily{at: 3*time.Hour + 10*time.Minute}
	for _, c := range []struct {
		now      string
		set, due bool
	}{
		{"2001-01-01 00:00:00", false, false},
		{"2026-11-27 12:00:00", true, false}, // the clock was set: that is not the next day
		{"2026-11-28 03:09:59", true, false},
		{"2026-11-28 03:10:00", true, true},
		{"2026-11-28 03:11:00", true, false},
		{"2026-11-28 02:00:00", true, false}, // set back
		{"2026-11-28 03:10:30", true, true},
		{"2026-11-29 05:00:00", true, true},
		{"2026-11-29 05:01:00", false, false},
		{"2026-12-02 05:01:00", true, false},
	} {
		if due := d.due(at(c.now), c.set); due != c.due {
			t.Errorf("%s: due %v", c.now, due)
		}
	}
	if a, b := lateBy("probe-1"), lateBy("probe-2"); a == b || a < 0 || a >= halfHour || b >= halfHour {
		t.Errorf("%v, %v", a, b)
	}
}
