package web_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
)

// text is what the server has to say: n octets of JSON.
func text(n int) string {
	var b strings.Builder
	b.WriteString(`{"routes":[`)
	for i := 0; b.Len() < n-2; i++ {
		fmt.Fprintf(&b, `{"gateway":"gw%d.example.net","prefix":"49%07d","weight":%d},`, i, i*7919%9999999, i%100)
	}
	return b.String()[:n-2] + "]}"
}

// coded returns b in a content coding.
func coded(coding string, b []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "bare deflate":
		w, _ = flate.NewWriter(&out, flate.DefaultCompression) // a level that there is
	case "br":
		w = brotli.NewWriter(&out)
	default:
		return b
	}
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

// server answers in every way there is.
type server struct {
	mu   sync.Mutex // guards sent
	sent map[string]int
}

// wrote notes how many octets a reply's body has on the wire.
func (s *server) wrote(target string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[target] = n
}

func (s *server) octets(target string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[target]
}

const (
	small = 400
	large = 200 << 10
)

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.URL.Path == "/refuse" {
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil { // with Expect it is this that asks for it
		panic(http.ErrAbortHandler) // no reply
	}
	h.Set("Content-Type", "application/json")
	var body []byte
	what := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodConnect {
		what = "tunnel"
	}
	switch what {
	case "gzip", "deflate", "br", "bare deflate":
		if what != "bare deflate" {
			h.Set("Content-Encoding", what)
		} else {
			h.Set("Content-Encoding", "deflate")
		}
		size := small
		if r.URL.RawQuery == "large" {
			size = large
		}
		body = coded(what, []byte(text(size)))
	case "bomb":
		h.Set("Content-Encoding", "gzip")
		body = coded("gzip", bytes.Repeat([]byte("a"), 20<<20))
	case "twice":
		h.Set("Content-Encoding", "gzip, br")
		body = coded("br", coded("gzip", []byte(text(small))))
	case "204":
		w.WriteHeader(http.StatusNoContent)
		return
	case "304":
		h.Set("ETag", `"1"`)
		w.WriteHeader(http.StatusNotModified)
		return
	case "picture":
		h.Set("Content-Type", "image/png")
		body = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), make([]byte, 100)...)
	case "chunked":
		h.Set("Trailer", "X-Checksum")
		for part := range 4 {
			_, _ = io.WriteString(w, text(small)[part*100:part*100+100])
			w.(http.Flusher).Flush()
		}
		h.Set("X-Checksum", "abc")
		s.wrote(r.URL.RequestURI(), small)
		return
	case "hints":
		w.WriteHeader(http.StatusEarlyHints)
		body = []byte(text(small))
	case "slow", "late":
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		if what == "slow" {
			panic(http.ErrAbortHandler)
		}
		body = []byte(text(small))
	case "upgrade", "tunnel", "half", "reset", "chunks", "to the end":
		s.raw(w, what)
		return
	case "large":
		body = []byte(text(large))
	default:
		body = []byte(text(small))
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	s.wrote(r.URL.RequestURI(), len(body))
	_, _ = w.Write(body) // the client may have gone
}

// raw answers as no library would.
func (s *server) raw(w http.ResponseWriter, what string) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	switch what {
	case "upgrade": // to a protocol that looks like HTTP
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lookalike\r\n\r\n")
		_, _ = buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
	case "tunnel":
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connected\r\n\r\n")
		_, _ = buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
	case "half", "reset":
		_, _ = io.WriteString(conn, head+"Content-Length: 400\r\n\r\n"+text(small)[:150])
		time.Sleep(100 * time.Millisecond) // the client has read it
		if what == "reset" {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	case "chunks":
		_, _ = io.WriteString(conn, head+"Transfer-Encoding: chunked\r\n\r\n64\r\n"+text(small)[:100]+"\r\n64\r\n"+text(small)[100:150])
	case "to the end":
		_, _ = io.WriteString(conn, strings.Replace(head, "1.1", "1.0", 1)+"\r\n"+text(small))
	}
}
