package fetch

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/firmware/internal/bundle"
)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// signed is an update whose system is of so many octets.
func signed(t *testing.T, version string, octets int, keys ...ed25519.PrivateKey) []byte {
	t.Helper()
	var out bytes.Buffer
	system := bytes.Repeat([]byte(version+" "), octets/(len(version)+1))
	if _, err := bundle.Sign(&out, bundle.Header{Board: "b", Version: version, Data: 1}, bytes.NewReader(system), keys...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// server serves a file, and what of it is to go wrong.
type server struct {
	mu     sync.Mutex
	file   []byte
	tag    string
	cut    []int // after so many octets the connection ends, of one request after the other; -1: it hangs
	status []int // instead of an answer
	plain  bool  // it knows no ranges
	asked  []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Header.Get("Range"))
	if len(s.status) > 0 {
		status := s.status[0]
		if s.status = s.status[1:]; status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	if len(s.cut) > 0 {
		cut := s.cut[0]
		if s.cut = s.cut[1:]; cut != 0 {
			w = &cutting{w, r, cut}
		}
	}
	if s.plain {
		_, _ = w.Write(s.file)
		return
	}
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
	}
	http.ServeContent(w, r, "x", time.Unix(1e9, 0), bytes.NewReader(s.file))
}

type cutting struct {
	http.ResponseWriter
	r    *http.Request
	left int
}

func (c *cutting) Write(b []byte) (int, error) {
	if c.left > len(b) {
		c.left -= len(b)
		return c.ResponseWriter.Write(b)
	}
	_, _ = c.ResponseWriter.Write(b[:max(c.left, 0)])
	c.ResponseWriter.(http.Flusher).Flush()
	if c.left < 0 {
		<-c.r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

type rig struct {
	*server
	o    Options
	mu   sync.Mutex
	said []string
}

func newRig(t *testing.T, file []byte) *rig {
	r := &rig{server: &server{file: file, tag: `"one"`}}
	h := httptest.NewServer(r.server)
	t.Cleanup(h.Close)
	r.o = Options{URL: h.URL + "/new.update", File: filepath.Join(t.TempDir(), "download", "update"), Trusted: []ed25519.PublicKey{bundle.PublicOf(key(1))},
		Tell: func(l string) { r.mu.Lock(); r.said = append(r.said, l); r.mu.Unlock() }, stall: 5 * time.Second, pause: time.Millisecond}
	return r
}

// gets has Get succeed, with these ranges asked for.
func (r *rig) gets(t *testing.T, ranges ...string) {
	t.Helper()
	h, err := Get(t.Context(), r.o)
	if err != nil {
		t.Fatalf("%v; said %q", err, r.said)
	}
	if got, err := os.ReadFile(r.o.File); err != nil || !bytes.Equal(got, r.file) || !strings.HasPrefix(h.Version, "v1.") {
		t.Errorf("%d octets of %d, %v; %+v", len(got), len(r.file), err, h)
	}
	if got := strings.Join(r.asked, ","); got != strings.Join(ranges, ",") {
		t.Errorf("asked for %q, want %q", got, ranges)
	}
	r.asked = nil
}

func TestGet(t *testing.T) {
	r := newRig(t, signed(t, "v1.1", 3<<20, key(1)))
	r.gets(t, "")
	if len(r.said) < 2 || !strings.Contains(r.said[0], "version v1.1, 3.0 MiB, signed by key "+bundle.IDOf(bundle.PublicOf(key(1))).String()) || !strings.HasPrefix(r.said[len(r.said)-1], "100 % of 3.0 MiB") {
		t.Errorf("said %q", r.said)
	}
	// The same again finds nothing more to get, and begins anew.
	r.gets(t, fmt.Sprintf("bytes=%d-", len(r.file)), "")
}

// TestResume is interrupted at many places, and goes on at each.
func TestResume(t *testing.T) {
	r := newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	r.cut = []int{1, 30, 300, 100_000, 500_000}
	r.gets(t, "", "bytes=1-", "bytes=31-", "bytes=331-", "bytes=100331-", "bytes=600331-")

	// A later Get goes on, too.
	r = newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	ctx, cancel := context.WithCancel(t.Context())
	r.cut, r.o.Tell = []int{1000}, func(string) { cancel() }
	if _, err := Get(ctx, r.o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r.o.Tell, r.asked = func(string) {}, nil
	r.gets(t, "bytes=1000-")
}

// TestChanged has the server get another file meanwhile.
func TestChanged(t *testing.T) {
	for _, tag := range []string{`"two"`, ""} {
		r := newRig(t, signed(t, "v1.1", 1<<20, key(1)))
		ctx, cancel := context.WithCancel(t.Context())
		tell := r.o.Tell
		r.cut, r.o.Tell = []int{400_000}, func(l string) {
			if strings.HasPrefix(l, "interrupted") {
				cancel()
			}
		}
		if _, err := Get(ctx, r.o); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		r.o.Tell, r.asked = tell, nil
		r.file, r.tag = signed(t, "v1.2", 2<<20, key(1)), tag
		r.gets(t, "bytes=400000-")
	}
	// One that says that it is the same, and lies: what comes of it is damaged, and got anew.
	r := newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	first := true
	r.cut, r.o.Tell = []int{400_000}, func(l string) {
		if first && strings.HasPrefix(l, "interrupted") {
			first = false
			r.file = signed(t, "v1.2", 1<<20, key(1))
		}
	}
	r.gets(t, "", "bytes=400000-", "")
}

// A server without ranges, without a tag, and one that is overloaded for a while.
func TestPlainServers(t *testing.T) {
	r := newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	r.plain, r.cut = true, []int{100_000, 200_000}
	r.gets(t, "", "", "")

	r = newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	r.tag, r.cut = `W/"weak"`, []int{100_000} // the time of the last change is better
	r.gets(t, "", "bytes=100000-")

	r = newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	r.status = []int{503, 429, 500, 0, 502}
	r.cut = []int{100_000}
	r.gets(t, "", "", "", "", "bytes=100000-", "bytes=100000-")
}

// A connection over which nothing comes is given up.
func TestStall(t *testing.T) {
	r := newRig(t, signed(t, "v1.1", 1<<20, key(1)))
	r.o.stall, r.cut = 200*time.Millisecond, []int{-1}
	r.gets(t, "", "")
}

func TestRefused(t *testing.T) {
	good := signed(t, "v1.1", 1<<20, key(1))
	for _, c := range []struct {
		name, want string
		change     func(*rig)
		asked      int
	}{
		{"a stranger's", "not signed by a key", func(r *rig) { r.file = signed(t, "v1.1", 1<<20, key(2)) }, 1},
		{"not for this box", "no", func(r *rig) { r.o.Suits = func(bundle.Header) error { return errors.New("no") } }, 1},
		{"damaged", "damaged", func(r *rig) { r.file = bytes.Clone(good); r.file[len(good)/2]++ }, 1},
		{"something else", "not an update", func(r *rig) { r.file = []byte("<html>") }, 1},
		{"not there", "404", func(r *rig) { r.status = []int{404} }, 1},
		{"always overloaded", "given up after 6 attempts: interrupted: the server says 503", func(r *rig) { r.status = []int{503, 503, 503, 503, 503, 503, 503} }, 6},
		{"no scheme", "want an address", func(r *rig) { r.o.URL = "host/file" }, 0},
		{"no host", "want an address", func(r *rig) { r.o.URL = "http:///file" }, 0},
		{"another scheme", "want an address", func(r *rig) { r.o.URL = "ftp://host/file" }, 0},
		{"nobody there", "connection refused", func(r *rig) { r.o.URL = "http://127.0.0.1:1/x" }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, good)
			c.change(r)
			if _, err := Get(t.Context(), r.o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if len(r.asked) != c.asked {
				t.Errorf("asked %d times, want %d", len(r.asked), c.asked)
			}
			if info, err := os.Stat(r.o.File); err == nil && info.Size() > 0 {
				t.Errorf("%d octets are left", info.Size())
			}
		})
	}
}

// A stranger's file is read no further than its signatures.
func TestStrangersFile(t *testing.T) {
	r := newRig(t, signed(t, "v1.1", 64<<20, key(2)))
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		_, _ = w.Write(r.file[:100_000])
		w.(http.Flusher).Flush()
		<-asked.Context().Done() // never more
	}))
	defer h.Close()
	r.o.URL = h.URL
	if _, err := Get(t.Context(), r.o); !errors.Is(err, bundle.ErrUntrusted) {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	file := signed(t, "v1.1", 1<<20, key(1))
	h := httptest.NewTLSServer(&server{file: file, tag: `"one"`})
	defer h.Close()
	r := newRig(t, file)
	r.o.URL = h.URL + "/x"
	if _, err := Get(t.Context(), r.o); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	for _, l := range r.said {
		t.Errorf("tried again: %s", l)
	}
	r.o.TLS = &tls.Config{RootCAs: h.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	r.gets(t)
}
