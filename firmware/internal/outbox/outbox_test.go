package outbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func content(text string) func(io.Writer, int64) error {
	return func(w io.Writer, _ int64) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestOutbox(t *testing.T) {
	d := New(filepath.Join(t.TempDir(), "out"), 4096)
	if files, err := d.List(); err != nil || len(files) != 0 {
		t.Error(files, err)
	}
	for _, name := range []string{"", ".hidden", "../x", "a/b", "a b", "-x", "a.part", strings.Repeat("x", 101), "a\n"} {
		if _, err := d.Create(name, content("x")); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if d.Remove(name) == nil {
			t.Errorf("%q removed", name)
		}
		if _, err := d.Open(name); err == nil {
			t.Errorf("%q opened", name)
		}
	}
	f, err := d.Create("a.pcapng", content("hello"))
	if err != nil || f.Bytes != 5 {
		t.Fatal(f, err)
	}
	if st, err := os.Stat(filepath.Join(d.Path(), "a.pcapng")); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	if _, err := d.Create("a.pcapng", content("x")); !errors.Is(err, ErrThere) {
		t.Error(err)
	}
	if _, err := d.Create("b", content(strings.Repeat("x", 5000))); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := d.Create("b", func(w io.Writer, room int64) error {
		if room != 4096-5 {
			t.Errorf("room %d", room)
		}
		if _, err := d.Create("c", content("x")); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		_, _ = w.Write([]byte("half"))
		return broken
	}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path(), "cut.part"), []byte("left by a power cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create("b", content(strings.Repeat("x", 4000))); err != nil {
		t.Error(err)
	}
	if _, err := d.Create("c", content("x")); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	entries, _ := os.ReadDir(d.Path())
	if files, err := d.List(); err != nil || len(files) != 2 || len(entries) != 2 {
		t.Error(files, len(entries), err)
	}
	if err := d.Remove("b"); err != nil {
		t.Error(err)
	}
	if room, err := d.Room(); room != 4091 || err != nil {
		t.Error(room, err)
	}
}

func TestSend(t *testing.T) {
	d := New(t.TempDir(), 1<<20)
	text := strings.Repeat("0123456789", 1000)
	if _, err := d.Create("a.pcapng", content(text)); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	var at string
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a redirection was followed") }))
	defer moved.Close()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at = r.Method + " " + r.URL.Path
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, moved.URL, http.StatusTemporaryRedirect)
			return
		case "/full":
			http.Error(w, "no\nroom", http.StatusInsufficientStorage)
			return
		}
		got.Reset()
		_, _ = io.Copy(&got, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	clear := httptest.NewServer(handler)
	defer clear.Close()
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	sum := sha256.Sum256(secure.Certificate().Raw)
	pin := hex.EncodeToString(sum[:])
	for _, c := range []struct{ url, pin, at, err string }{
		{clear.URL + "/dir/", "", "PUT /dir/a.pcapng", ""},
		{clear.URL, "", "PUT /a.pcapng", ""},
		{clear.URL + "/as/b", "", "PUT /as/b", ""},
		{secure.URL + "/x/", pin, "PUT /x/a.pcapng", ""},
		{secure.URL + "/x/", strings.ToUpper(pin[:2]) + ":" + pin[2:], "PUT /x/a.pcapng", ""},
		{secure.URL + "/x/", strings.Repeat("00", 32), "", "its certificate has the fingerprint " + pin},
		{secure.URL + "/x/", "", "", "certificate"},
		{secure.URL + "/x/", "abc", "", "64 hexadecimal digits"},
		{clear.URL + "/moved", "", "PUT /moved", "answered 307"},
		{clear.URL + "/full", "", "PUT /full", "answered 507 Insufficient Storage no room"},
		{"ftp://host/", "", "", "want http://"},
		{"host:80", "", "", "want http://"},
		{"http://user:hush@127.0.0.1:1/", "", "", "refused"},
	} {
		at = ""
		to, n, err := d.Send(context.Background(), "a.pcapng", c.url, c.pin)
		switch {
		case at != c.at:
			t.Errorf("%s: %q", c.url, at)
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: %v", c.url, err)
			}
		case err != nil || n != int64(len(text)) || got.String() != text || to == "":
			t.Errorf("%s: %q, %d octets, %v", c.url, to, n, err)
		}
	}
	if _, _, err := d.Send(context.Background(), "none", clear.URL, ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
