package web_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab/box"
)

// The HEP types.
const (
	typeREST = 88
	shown    = 2048 // octets of a body

	some = "more than nothing"
)

// TestQueries has curl and others ask a server everything, and holds each record
// against what the server has sent.
func TestQueries(t *testing.T) {
	s := newScene(t, []string{"curl"}, "set records rest all", "set records rest-bodies on")
	srv := &server{sent: map[string]int{}}
	web := &http.Server{Handler: srv, ReadHeaderTimeout: 5 * time.Second}
	in := s.listen("8080")
	go func() { _ = web.Serve(in) }() // it says that it was closed
	s.OnClose(web.Close)
	file := func(name string, b []byte) string {
		path := filepath.Join(s.Dir(), name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const whole, cut, fails = 0, 1, 2
	curl := func(target string, exit int, args ...string) {
		t.Helper()
		said, err := s.run(s.A, "curl", append(append([]string{"-sS", "--compressed", "--max-time", "10"}, args...), "http://"+s.B.Addr.String()+":8080"+target)...)
		if (err != nil) != (exit == fails) {
			t.Errorf("curl %s: %v\n%s", target, err, short(said))
		}
	}
	sent := func(target string, answered bool) { // by nobody but us
		conn := s.dial("8080")
		defer conn.Close()
		_, err := io.WriteString(conn, target)
		if err == nil && answered {
			_, err = io.Copy(io.Discard, conn)
		}
		if err != nil {
			t.Errorf("%s: %v", short(target), err)
		}
	}
	type want map[string]any
	body := func(n, how int) want { // of a reply, n octets of text long before it was coded
		w := want{"payload": text(n)}
		if n > shown {
			w["payload"] = text(n)[:shown]
		}
		if how == cut || n > shown {
			w["truncated"] = true
		}
		return w
	}
	with := func(w want, more want) want {
		for k, v := range more {
			w[k] = v
		}
		return w
	}
	big := text(3000)
	queries := []struct {
		target         string
		do             func(target string)
		request, reply want
	}{
		{"/plain", func(u string) { curl(u, whole) }, want{"octets": 0., "payload": nil}, body(small, whole)},
		{"/large", func(u string) { curl(u, whole) }, nil, body(large, whole)},
		{"/gzip", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/gzip?large", func(u string) { curl(u, whole) }, nil, body(large, whole)},
		{"/deflate", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/deflate?large", func(u string) { curl(u, whole) }, nil, body(large, whole)},
		{"/bare%20deflate", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/br", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/br?large", func(u string) { curl(u, whole) }, nil, body(large, whole)},
		{"/bomb", func(u string) { curl(u, whole, "-o", "/dev/null") }, nil, want{"payload": strings.Repeat("a", shown), "truncated": true}},
		{"/twice", func(u string) { curl(u, whole) }, nil, want{"payload": nil, "undecoded": true}},
		{"/picture", func(u string) { curl(u, whole, "-o", "/dev/null") }, nil, want{"payload": nil, "binary": true}},
		{"/head", func(u string) { curl(u, whole, "-I") }, want{"first_line": "HEAD /head HTTP/1.1"}, want{"octets": 0., "payload": nil}},
		{"/204", func(u string) { curl(u, whole) }, nil, want{"status": 204., "octets": 0., "payload": nil}},
		{"/304", func(u string) { curl(u, whole) }, nil, want{"status": 304., "octets": 0., "payload": nil}},
		{"/chunked", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/to%20the%20end", func(u string) { curl(u, whole) }, nil, body(small, whole)},
		{"/continue", func(u string) { curl(u, whole, "-H", "Expect: 100-continue", "--data-binary", big) },
			want{"octets": 3000., "payload": big[:shown], "truncated": true}, with(body(small, whole), want{"interim": 1.})},
		{"/upload", func(u string) { curl(u, whole, "-T", file("upload", []byte(big)), "-H", "Transfer-Encoding: chunked") },
			want{"first_line": "PUT /upload HTTP/1.1", "octets": 3000., "payload": big[:shown], "truncated": true}, body(small, whole)},
		{"/coded", func(u string) {
			curl(u, whole, "-H", "Content-Encoding: gzip", "-H", "Content-Type: application/json", "--data-binary", "@"+file("coded", coded("gzip", []byte(text(small)))))
		}, want{"payload": text(small), "octets": float64(len(coded("gzip", []byte(text(small)))))}, body(small, whole)},
		{"/form", func(u string) { curl(u, whole, "-d", "number=4930&password=geheim") },
			want{"payload": "number=4930&password=***", "octets": 27.}, body(small, whole)},
		{"/upgrade", func(u string) {
			sent("GET "+u+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lookalike\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n", true)
		}, nil, want{"status": 101., "octets": 0.}},
		{"tunnel.example:443", func(u string) {
			sent("CONNECT "+u+" HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n", true)
		}, nil, want{"status": 200., "octets": 0., "first_line": "HTTP/1.1 200 Connected"}},
		{"/hints", func(u string) { curl(u, whole) }, nil, with(body(small, whole), want{"interim": 1.})},
		{"/refuse", func(u string) { curl(u, whole, "-H", "Expect: 100-continue", "--data-binary", big) },
			want{"octets": 0., "incomplete": true, "payload": nil}, want{"status": 413., "octets": 0., "interim": nil}},
		{"/late", func(u string) { curl(u, fails, "--max-time", "1") }, nil, with(body(small, whole), want{"status": 200., "client_closed_ms": some})},
		{"/half", func(u string) { curl(u, fails) }, nil, want{"failed": "closed", "ended_by": "server", "status": 200., "octets": 150., "incomplete": true,
			"payload": text(small)[:150], "truncated": true}},
		{"/reset", func(u string) { curl(u, fails) }, nil, want{"failed": "reset", "ended_by": "server", "status": 200., "octets": 150., "incomplete": true,
			"payload": text(small)[:150], "truncated": true}},
		{"/chunks", func(u string) { curl(u, fails) }, nil, want{"failed": "closed", "ended_by": "server", "status": 200., "octets": 150., "incomplete": true,
			"payload": text(small)[:150], "truncated": true}},
		{"/slow", func(u string) { curl(u, fails, "--max-time", "1") }, nil, want{"failed": "closed", "ended_by": "client", "status": nil, "waited_ms": some}},
		{"/cut", func(u string) {
			sent("POST "+u+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"+text(small)[:150], false)
		}, want{"octets": 150., "incomplete": true, "payload": text(small)[:150], "truncated": true}, want{"failed": "closed", "ended_by": "client"}},
		{"/piped/1", func(string) {
			var b strings.Builder
			for i := range 3 {
				fmt.Fprintf(&b, "GET /piped/%d HTTP/1.1\r\nHost: x\r\n\r\n", i+1)
			}
			sent(b.String()+"GET /piped/4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true)
		}, nil, body(small, whole)},
		{"/piped/2", nil, nil, body(small, whole)},
		{"/piped/3", nil, nil, body(small, whole)},
		{"/piped/4", nil, nil, body(small, whole)},
		{"/kept/1", func(u string) { curl(u, whole, "http://"+s.B.Addr.String()+":8080/kept/2") }, nil, body(small, whole)},
		{"/kept/2", nil, nil, body(small, whole)},
	}
	for _, q := range queries {
		if q.do != nil {
			q.do(q.target)
		}
	}
	s.records = s.finish()
	for _, q := range queries {
		t.Run(q.target, func(t *testing.T) {
			asked, answered := s.query(t, q.target)
			check(t, "request", asked, q.request)
			check(t, "reply", answered, q.reply)
			if n := srv.octets(q.target); n > 0 && q.target != "/head" && answered.says["octets"] != float64(n) {
				t.Errorf("%v octets, the server sent %d", answered.says["octets"], n)
			}
		})
	}
	t.Run("connections", func(t *testing.T) { connectionsOf(t, s.records) })
	if t.Failed() {
		for _, r := range s.records {
			t.Logf("%s %s %v %s", r.TypeName, r.Primary, r.Extra, short(r.Payload))
		}
	}
}

// query returns the two records of a query by its target.
func (s *scene) query(t *testing.T, target string) (asked, answered found) {
	t.Helper()
	n := 0
	for _, r := range s.records {
		if line, _ := r.says["first_line"].(string); r.Type == typeREST && strings.Contains(line, " "+target+" HTTP/") {
			asked = r
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d requests", n)
	}
	n = 0
	for _, r := range s.records {
		if r.Type == typeREST && r.Primary == asked.Primary && r.Payload != asked.Payload {
			answered = r
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d replies", n)
	}
	return asked, answered
}

func check(t *testing.T, what string, r found, want map[string]any) {
	t.Helper()
	for k, v := range want {
		got := r.says[k]
		if ms, ok := got.(float64); v == some && ok && ms > 0 {
			continue
		}
		if got != v {
			t.Errorf("%s: %s is %s, want %s", what, k, short(fmt.Sprint(got)), short(fmt.Sprint(v)))
		}
	}
	for _, k := range []string{"truncated", "incomplete", "binary", "undecoded", "gap"} {
		if _, there := want[k]; !there && want != nil && r.says[k] != nil {
			t.Errorf("%s: %s", what, k)
		}
	}
}

// connectionsOf wants each query to name a connection that was opened and ended, and
// that to name the query.
func connectionsOf(t *testing.T, records []found) {
	t.Helper()
	carried := map[string]map[string]bool{}
	for _, r := range records {
		if r.Type != typeREST {
			continue
		}
		id := fmt.Sprint(r.Extra["net"])
		if carried[id] == nil {
			carried[id] = map[string]bool{}
		}
		carried[id][r.Primary] = true
	}
	for _, r := range records {
		if r.Type != box.TypeNet {
			continue
		}
		of := carried[r.Primary]
		if of == nil {
			t.Errorf("a connection without queries: %s", r.Payload)
		}
		if r.says["state"] == "opened" {
			continue
		}
		if state := r.says["state"]; r.says["carries"] != "http" || state != "closed" && state != "reset" {
			t.Errorf("%s", r.Payload)
		}
		listed, _ := r.says["queries"].([]any)
		if len(listed) != len(of) || r.says["queries_total"] != float64(len(of)) {
			t.Errorf("connection %s carried %d queries and names %v", r.Primary, len(of), listed)
		}
		for _, id := range listed {
			if !of[id.(string)] {
				t.Errorf("connection %s did not carry %v", r.Primary, id)
			}
		}
		delete(carried, r.Primary)
	}
	if len(carried) > 0 {
		t.Errorf("queries on connections of whose end there is no record: %v", carried)
	}
}
