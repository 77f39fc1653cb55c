package rest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tap is a net.Conn whose octets are also kept, in order.
type tap struct {
	net.Conn
	mu    *sync.Mutex
	wrote *[]step
}

func (c tap) note(dir int, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.wrote = append(*c.wrote, step{at: int64(len(*c.wrote) + 1), dir: dir, b: string(b)})
}

func (c tap) Write(b []byte) (int, error) { c.note(0, b); return c.Conn.Write(b) }

func (c tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.note(1, b[:n])
	}
	return n, err
}

// TestNetHTTP follows what Go's client and server say to each other.
func TestNetHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/chunks":
			for i := range 3 {
				fmt.Fprintf(w, "part %d;", i)
				w.(http.Flusher).Flush()
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, compress(t, "gzip", `{"secret":"abc","n":1}`))
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "hinted")
		default:
			fmt.Fprintf(w, "%s %d", r.Method, len(body))
		}
	}))
	defer server.Close()
	var mu sync.Mutex
	var steps []step
	client := &http.Client{Transport: &http.Transport{
		DisableCompression: true,
		MaxConnsPerHost:    1,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return tap{c, &mu, &steps}, err
		},
	}}
	for _, q := range []struct{ method, path, body string }{
		{"GET", "/", ""}, {"POST", "/p?token=abc", `{"password":"abc"}`}, {"HEAD", "/h", ""}, {"GET", "/chunks", ""},
		{"GET", "/gzip", ""}, {"GET", "/none", ""}, {"GET", "/hints", ""}, {"PUT", "/big", strings.Repeat("x", 100_000)}, {"DELETE", "/d", ""},
	} {
		var body io.Reader
		if q.body != "" {
			body = io.MultiReader(strings.NewReader(q.body)) // of unknown length: chunks
		}
		req, err := http.NewRequestWithContext(t.Context(), q.method, server.URL+q.path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	client.CloseIdleConnections()
	mu.Lock()
	defer mu.Unlock()
	p := NewParser(Config{BodyBytes: 100})
	l, c := play(p, steps)
	want := []string{
		`1> GET / HTTP/1.1 0 ""`, `1< 200 5 "GET 0"`,
		`2> POST /p?token=*** HTTP/1.1 18 "{\"password\":\"***\"}"`, `2< 200 7 "POST 18"`,
		`3> HEAD /h HTTP/1.1 0 ""`, `3< 200 0 ""`,
		`4> GET /chunks HTTP/1.1 0 ""`, `4< 200 21 "part 0;part 1;part 2;"`,
		`5> GET /gzip HTTP/1.1 0 ""`, fmt.Sprintf(`5< 200 %d "{\"secret\":\"***\",\"n\":1}"`, len(compress(t, "gzip", `{"secret":"abc","n":1}`))),
		`6> GET /none HTTP/1.1 0 ""`, `6< 204 0 ""`,
		`7> GET /hints HTTP/1.1 0 ""`, `7< 200 6 "hinted" interim 1`,
		`8> PUT /big HTTP/1.1 100000 "` + strings.Repeat("x", 100) + `" cut`, `8< 200 10 "PUT 100000"`,
		`9> DELETE /d HTTP/1.1 0 ""`, `9< 200 8 "DELETE 0"`,
	}
	if !slices.Equal(l.events, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(l.events, "\n"), strings.Join(want, "\n"))
	}
	c.End(Closed)
	balanced(t, p, l)
}
