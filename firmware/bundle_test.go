package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Make a key, sign an update, look at it; and what is refused.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"key", "other"} {
		heptap(t, nil, "bundle", "key", at(name)).want(t, 0)
		if err := os.WriteFile(at(name+".pub"), []byte(heptap(t, nil, "bundle", "public", at(name)).want(t, 0).stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	heptap(t, nil, "bundle", "key", at("key")).want(t, 1, "exists")
	if st, err := os.Stat(at("key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", st, err)
	}
	if err := os.WriteFile(at("system"), bytes.Repeat([]byte("system"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	sign := []string{"bundle", "sign", "-key", at("key"), "-board", "x86-64-uefi", "-version", "v1.2.0", "-built", "1790000000", "-o", at("new.update")}
	heptap(t, nil, append(sign, at("system"))...).want(t, 0)
	for _, c := range []struct {
		trust, want string
		code        int
	}{
		{"", "NOT CHECKED", 0},
		{at("key.pub"), "good, by key", 0},
		{at("other.pub"), "not signed by a key", 1},
		{at("key"), `want PUBLIC KEY`, 1},
	} {
		r := heptap(t, nil, "bundle", "show", "-trust", c.trust, at("new.update")).want(t, c.code)
		if !strings.Contains(r.stdout+r.stderr, c.want) || c.code == 0 && !strings.Contains(r.stdout, "version    v1.2.0\nbuilt      2026-09-21T14:13:20Z\n") {
			t.Errorf("-trust %q: %s%s, want %q", c.trust, r.stdout, r.stderr, c.want)
		}
	}
	b, err := os.ReadFile(at("new.update"))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	if err := os.WriteFile(at("new.update"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	heptap(t, nil, "bundle", "show", at("new.update")).want(t, 1, "damaged")

	heptap(t, nil, "bundle").want(t, 2, "say what to do")
	heptap(t, nil, "bundle", "-o", "x").want(t, 2, "say what to do first")
	heptap(t, nil, "bundle", "frob", "x").want(t, 2, "want key, public, sign or show")
	heptap(t, nil, "bundle", "sign", at("system")).want(t, 2, "want -key FILE")
	heptap(t, nil, append(sign[:4:4], "-board", "toaster", "-version", "v1", "-o", at("x"), at("system"))...).want(t, 1, "toaster")
	heptap(t, nil, append(sign[:4:4], "-board", "sim", "-version", "v 1", "-o", at("x"), at("system"))...).want(t, 1, "version")
	if _, err := os.Stat(at("x")); err == nil {
		t.Error("what could not be signed is there")
	}
}
