package httpwire_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heptap/capture/httpwire"
)

// read is what a Reader makes of a stream: one line per head, with the content
// that follows it.
func read(t testing.TB, r *httpwire.Reader, p *httpwire.Pipeline, stream []byte, ends []int) string {
	var out strings.Builder
	from, framing, skipped := 0, 0, 0
	for _, end := range append(slices.Clone(ends), len(stream)) {
		for {
			b := stream[from:end:end]
			k, n := r.Next(b)
			if n < 0 || n > len(b) || k != httpwire.Bad && (n == 0) != (k == httpwire.More) || k == httpwire.Bad && n != 0 && n != httpwire.MaxHead {
				t.Fatalf("%d octets of kind %d in %d", n, k, len(b))
			}
			switch k {
			case httpwire.HeadEnd:
				var h httpwire.Head
				if !h.Parse(b[:n]) {
					t.Fatalf("%q is no head", b[:n])
				}
				asked := httpwire.AskedOther
				if h.IsRequest {
					p.Add(h.Asked())
					fmt.Fprintf(&out, "|%s %s: ", h.Method, h.Target)
				} else {
					asked = p.Take(h.Status)
					fmt.Fprintf(&out, "|%d: ", h.Status)
				}
				r.Begin(&h, asked)
			case httpwire.Content:
				out.Write(b[:n])
			case httpwire.Framing:
				framing += n
			case httpwire.Skipped:
				skipped += n
			case httpwire.Bad:
				return fmt.Sprintf("%s bad; framing %d", out.String(), framing)
			}
			if k == httpwire.More {
				if len(b) > httpwire.MaxHead {
					t.Fatalf("%d octets are left pending", len(b))
				}
				break
			}
			from += n
		}
	}
	return fmt.Sprintf("%s; framing %d, skipped %d, left %d", out.String(), framing, skipped, len(stream)-from)
}

func every(n, length int) (ends []int) {
	for i := n; i < length; i += n {
		ends = append(ends, i)
	}
	return ends
}

func TestReader(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		asked          []httpwire.Asked
	}{
		{name: "request without body (RFC 9112 6.3)", in: "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.0\n\n", want: "|GET /a: |GET /b: ; framing 0, skipped 0, left 0"},
		{name: "Content-Length (6.2)", in: "POST / HTTP/1.1\r\ncontent-length : 4\r\n\r\nbodyGET /b HTTP/1.1\r\n\r\n", want: "|POST /: body|GET /b: ; framing 0, skipped 0, left 0"},
		{name: "the same Content-Length twice (RFC 9110 8.6)", in: "POST / HTTP/1.1\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nokGET /b HTTP/1.1\r\n\r\n", want: "|POST /: ok|GET /b: ; framing 0, skipped 0, left 0"},
		{name: "Content-Lengths that differ (6.3)", in: "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok and so on", want: "|POST /: ok and so on; framing 0, skipped 0, left 0"},
		{name: "Content-Length too large (6.3)", in: "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nok", want: "|POST /: ok; framing 0, skipped 0, left 0"},
		{name: "chunks (7.1)", in: "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
			want: "|POST /: body0123456789|GET /b: ; framing 34, skipped 0, left 0"},
		{name: "chunked over Content-Length (6.3)", in: "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n", want: "|POST /: x|GET /b: ; framing 10, skipped 0, left 0"},
		{name: "chunked not last (6.3)", in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc", want: "|POST /: abc; framing 0, skipped 0, left 0"},
		{name: "chunk size is no number", in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", want: "|POST /:  bad; framing 0"},
		{name: "chunk size too large", in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", want: "|POST /:  bad; framing 0"},
		{name: "chunk without its line end", in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy", want: "|POST /: x bad; framing 3"},
		{name: "response to the end (6.3)", in: "HTTP/1.1 200 OK\r\n\r\nto the end", want: "|200: to the end; framing 0, skipped 0, left 0"},
		{name: "response to HEAD (6.3)", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", asked: []httpwire.Asked{httpwire.AskedHead},
			want: "|200: |404: x; framing 0, skipped 0, left 0"},
		{name: "100, then the final response (15.2)", in: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", asked: []httpwire.Asked{httpwire.AskedHead},
			want: "|100: |200: |200: ; framing 0, skipped 0, left 0"},
		{name: "204 and 304 (6.3)", in: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: "|204: |304: ; framing 0, skipped 0, left 0"},
		{name: "CONNECT (RFC 9110 9.3.6)", in: "HTTP/1.1 200 Connected\r\nContent-Length: 1\r\n\r\ntunnel", asked: []httpwire.Asked{httpwire.AskedConnect}, want: "|200: tunnel; framing 0, skipped 0, left 0"},
		{name: "CONNECT refused", in: "HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 204\r\n\r\n", asked: []httpwire.Asked{httpwire.AskedConnect}, want: "|403: x|204: ; framing 0, skipped 0, left 0"},
		{name: "101 (RFC 9110 15.2.2)", in: "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01x", want: "|101: \x81\x01x; framing 0, skipped 0, left 0"},
		{name: "empty lines before a head (2.2)", in: "\r\n\r\nGET / HTTP/1.1\r\n\r\n", want: "|GET /: ; framing 4, skipped 0, left 0"},
		{name: "sip", in: "INVITE sip:a SIP/2.0\r\n\r\n", want: " bad; framing 0"},
		{name: "binary", in: "\x16\x03\x01", want: " bad; framing 0"},
		{name: "HTTP/2", in: "PRI * HTTP/2.0\r\n\r\n", want: " bad; framing 0"},
		{name: "no status", in: "HTTP/1.1 20 OK\r\n\r\n", want: " bad; framing 0"},
		{name: "head too large", in: "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 6000), want: " bad; framing 0"},
		{name: "half a head", in: "GET / HTTP/1.1\r\nHost: a\r\n", want: "; framing 0, skipped 0, left 25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{len(c.in) + 1, 1, 5} {
				var r httpwire.Reader
				var p httpwire.Pipeline
				for _, a := range c.asked {
					p.Add(a)
				}
				if got := read(t, &r, &p, []byte(c.in), every(n, len(c.in))); got != c.want {
					t.Errorf("in pieces of %d:\n got %q\nwant %q", n, got, c.want)
				}
			}
		})
	}
}

func TestReaderLost(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789"
	const chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
	const next = "GET /b HTTP/1.1\r\n\r\n"
	for _, c := range []struct {
		name, before, after, want string
		gap                       int64
	}{
		{"in the body", post[:len(post)-6], post[len(post)-4:] + next, "|POST /: 0123; framing 0, skipped 0, left 06789|GET /b: ; framing 0, skipped 0, left 0", 2},
		{"to the end of the body", post[:len(post)-6], next, "|POST /: 0123; framing 0, skipped 0, left 0|GET /b: ; framing 0, skipped 0, left 0", 6},
		{"beyond the body", post[:len(post)-6], "ET /c HTTP/1.1\r\n\r\n", "|POST /: 0123; framing 0, skipped 0, left 0|ET /c: ; framing 0, skipped 0, left 0", 7},
		{"of unknown size", post[:len(post)-6], "6789\r\n", "|POST /: 0123; framing 0, skipped 0, left 0; framing 0, skipped 6, left 0", -1},
		{"in a chunk", chunks[:len(chunks)-14], chunks[len(chunks)-12:] + next, "|POST /: 012; framing 3, skipped 0, left 056789|GET /b: ; framing 7, skipped 0, left 0", 2},
		{"in a head", next[:5], post, "; framing 0, skipped 0, left 5|POST /: 0123456789; framing 0, skipped 0, left 0", 20},
		{"in a body to the end", "HTTP/1.1 200 OK\r\n\r\nabc", "ghi", "|200: abc; framing 0, skipped 0, left 0ghi; framing 0, skipped 0, left 0", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r httpwire.Reader
			var p httpwire.Pipeline
			got := read(t, &r, &p, []byte(c.before), nil)
			r.Lost(c.gap)
			if got += read(t, &r, &p, []byte(c.after), nil); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestHead(t *testing.T) {
	var h httpwire.Head
	if !h.Parse([]byte("GET /ws?a b HTTP/1.1\r\nHost: example.com\r\nX: \r\nnonsense\r\nConnection: keep-alive,\r\n\tUpgrade\r\nUPGRADE:  websocket ;v=1\r\nX-Q: \"a, upgrade\", b\r\n\r\n")) {
		t.Fatal("no head")
	}
	if string(h.Target) != "/ws?a b" || h.Minor != 1 || !h.IsRequest {
		t.Errorf("%+v", h)
	}
	for name, want := range map[string]string{"host": "example.com", "x": "", "upgrade": "websocket ;v=1", "nonsense": "", "connection": "keep-alive,\r\n\tUpgrade"} {
		if got := string(h.Get(name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		name, element string
		want          bool
	}{
		{"connection", "upgrade", true}, {"connection", "keep-alive", true}, {"connection", "close", false}, {"connection", "keep", false},
		{"upgrade", "websocket", true}, {"x-q", "b", true}, {"x-q", "upgrade\"", false}, {"host", "example.com", true}, {"absent", "x", false},
	} {
		if h.Has(c.name, c.element) != c.want {
			t.Errorf("%s has %s: %v", c.name, c.element, !c.want)
		}
	}
}

func TestPipeline(t *testing.T) {
	var p httpwire.Pipeline
	rng := rand.New(rand.NewPCG(1, 1))
	var want []httpwire.Asked
	for range 10000 {
		if rng.IntN(2) == 0 && len(want) < 32 {
			a := httpwire.Asked(rng.IntN(3))
			p.Add(a)
			want = append(want, a)
			continue
		}
		if len(want) == 0 {
			if p.Take(200) != httpwire.AskedOther {
				t.Fatal("something in an empty pipeline")
			}
			continue
		}
		if got := p.Take(100); got != want[0] {
			t.Fatalf("%d for an interim response, want %d", got, want[0])
		}
		if got := p.Take(200); got != want[0] {
			t.Fatalf("%d, want %d", got, want[0])
		}
		want = want[1:]
	}
	for range 100 {
		p.Add(httpwire.AskedHead) // more than it holds
	}
}

var exchange = []byte("GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")

func TestAllocs(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { walk(t) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func walk(t testing.TB) {
	var r httpwire.Reader
	var h httpwire.Head
	for b := exchange; len(b) > 0; {
		k, n := r.Next(b)
		switch k {
		case httpwire.HeadEnd:
			if !h.Parse(b[:n]) {
				t.Fatal("no head")
			}
			h.Has("connection", "upgrade")
			r.Begin(&h, httpwire.AskedOther)
		case httpwire.More, httpwire.Bad:
			t.Fatalf("kind %d", k)
		}
		b = b[n:]
	}
}

func BenchmarkReader(b *testing.B) {
	b.SetBytes(int64(len(exchange)))
	b.ReportAllocs()
	for b.Loop() {
		walk(b)
	}
}

// FuzzReader splits a stream at random and expects what it gives in one piece.
func FuzzReader(f *testing.F) {
	f.Add(exchange, uint64(1))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.0 404 \n\nto the end"), uint64(2))
	f.Add([]byte("\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00a ; x\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET"), uint64(3))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var ends []int
		for range rng.IntN(20) {
			ends = append(ends, rng.IntN(len(stream)+1))
		}
		slices.Sort(ends)
		before := bytes.Clone(stream)
		var one, many httpwire.Reader
		var p, q httpwire.Pipeline
		want, got := read(t, &one, &p, stream, nil), read(t, &many, &q, stream, ends)
		if got != want {
			t.Fatalf("cut at %v: %q\nin one piece: %q", ends, got, want)
		}
		if !bytes.Equal(before, stream) {
			t.Fatal("the stream was written to")
		}
		var h httpwire.Head
		h.Parse(stream)
		h.Get("host")
		h.Has("connection", "upgrade")
	})
}
