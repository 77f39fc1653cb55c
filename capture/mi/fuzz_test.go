package mi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"heptap/capture/mi"
)

// checkText asserts what holds of every text that is given.
func checkText(t *testing.T, s string, limit int) {
	t.Helper()
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\x7f") {
		t.Fatalf("%d octets, at most %d: %q", len(s), limit, s)
	}
}

func checkRequest(t *testing.T, r *mi.Request) {
	t.Helper()
	for _, x := range append([]mi.Request{*r}, r.Batch...) {
		checkText(t, x.Params, mi.MaxParams)
		checkText(t, x.ID, 64)
		checkText(t, x.Command, 128)
		checkText(t, x.User, 64)
		if x.Backend == mi.NoBackend || x.Transport == mi.NoTransport || x.Secret && x.Params != "***" {
			t.Fatalf("%+v", x)
		}
		if x.Batch != nil && &x == r && len(x.Batch) >= mi.MaxBatch {
			t.Fatalf("%d commands", len(x.Batch)+1)
		}
	}
}

func checkReply(t *testing.T, r *mi.Reply) {
	t.Helper()
	for _, x := range append([]mi.Reply{*r}, r.Batch...) {
		checkText(t, x.Output, mi.MaxOutput)
		checkText(t, x.ID, 64)
		checkText(t, x.Word, 128)
		if x.Hidden && x.Output != "" && x.Output != "***" {
			t.Fatalf("%+v", x)
		}
	}
}

var knownTags = []mi.Tag{{}, {Backend: mi.OpenSIPS, Transport: mi.Datagram}, {Backend: mi.Kamailio, Transport: mi.BinRPC}, {Backend: mi.Kamailio, Transport: mi.Datagram, Secret: true}}

func FuzzDatagram(f *testing.F) {
	for _, x := range datagrams {
		f.Add([]byte(x.text))
		f.Add([]byte(x.reply))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		backend, is := mi.IsDatagram(b)
		r, ok := mi.DatagramRequest(b)
		if ok {
			checkRequest(t, &r)
			if is && r.Backend != backend && len(r.Batch) == 0 {
				t.Fatalf("%v and %v", r.Backend, backend)
			}
		}
		replied := false
		for _, tag := range append(knownTags, r.Tag()) {
			p, ok := mi.DatagramReply(tag, b)
			if ok {
				checkReply(t, &p)
				replied = true
				if (tag.Secret || tag.Backend == mi.NoBackend) && !p.Hidden {
					t.Fatalf("%+v for %+v", p, tag)
				}
			}
		}
		if is && !ok && !replied && b[0] != '[' {
			t.Fatalf("%v, and nothing in it", backend)
		}
		if string(b) != before {
			t.Fatal("the datagram has changed")
		}
	})
}

// FuzzJSON compares the reading of JSON-RPC with encoding/json's.
func FuzzJSON(f *testing.F) {
	for _, x := range datagrams {
		f.Add([]byte(x.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want struct {
			Version json.RawMessage `json:"jsonrpc"`
			Method  json.RawMessage `json:"method"`
			ID      json.RawMessage `json:"id"`
			Params  json.RawMessage `json:"params"`
		}
		if len(b) > 4000 || len(b) == 0 || b[0] != '{' || !json.Valid(b) || strings.ContainsAny(string(b), `\`) || !utf8.Valid(b) {
			return
		}
		// encoding/json takes names in any letter case, this package does not.
		lower := strings.ToLower(string(b))
		for _, name := range []string{`"jsonrpc"`, `"method"`, `"id"`, `"params"`, `"result"`, `"error"`} {
			if strings.Count(lower, name) > 1 || strings.Count(lower, name) != strings.Count(string(b), name) {
				return
			}
		}
		if json.Unmarshal(b, &want) != nil {
			return
		}
		var method string
		if json.Unmarshal(want.Method, &method) != nil || string(want.Version) != `"2.0"` {
			return
		}
		r, ok := mi.DatagramRequest(b)
		if !ok {
			return // no name, nested too deep, or a reply
		}
		if r.Command != method || r.Cut && len(want.Params) <= mi.MaxParams-64 {
			t.Fatalf("%q: %+v", b, r)
		}
		if strings.ContainsAny(string(b), "*") {
			return
		}
		// Masking aside the parameters are those of the text.
		if !r.Secret && !strings.Contains(r.Params, "***") && !strings.Contains(r.Params, "\ufffd") && !r.Cut && strings.TrimSpace(string(want.Params)) != r.Params {
			if !json.Valid([]byte(r.Params)) { // a masked number is 0
				t.Fatalf("%q, want %q", r.Params, want.Params)
			}
		}
	})
}

func FuzzHTTP(f *testing.F) {
	for _, x := range exchanges {
		f.Add(x.method, x.target, x.contentType, []byte(x.body), x.status, []byte(x.reply))
	}
	f.Fuzz(func(t *testing.T, method, target, contentType string, body []byte, status int, reply []byte) {
		r, ok := mi.HTTPRequest([]byte(method), []byte(target), []byte(contentType), body)
		if ok {
			checkRequest(t, &r)
			if r.Transport == mi.XMLRPC && !r.Secret && !r.Cut && r.Params != "" && !strings.ContainsAny(r.Params, "*\ufffd") && !json.Valid([]byte(r.Params)) {
				t.Fatalf("no JSON: %q", r.Params)
			}
		}
		for _, tag := range []mi.Tag{r.Tag(), {Backend: mi.OpenSIPS, Transport: mi.JSON}, {Backend: mi.Kamailio, Transport: mi.XMLRPC}, {Backend: mi.OpenSIPS, Transport: mi.HTML}, {Backend: mi.AnyRPC, Transport: mi.XMLRPC, Secret: true}} {
			p, ok := mi.HTTPReply(tag, status, []byte(contentType), reply)
			if ok != (tag.Backend != mi.NoBackend) {
				t.Fatalf("%v for %+v", ok, tag)
			}
			checkReply(t, &p)
			if tag.Secret && !p.Hidden {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// FuzzConn gives a Conn a stream at once, in parts, and with a gap.
func FuzzConn(f *testing.F) {
	for _, x := range transcripts {
		var b []byte
		for _, p := range x.pieces {
			for t := p.text; t != ""; {
				n := min(len(t), 127)
				b = append(append(b, byte(p.dir<<7|n)), t[:n]...)
				t = t[n:]
			}
		}
		f.Add(uint8(x.kind), uint16(7), b)
	}
	f.Fuzz(runScript)
}

// runScript is FuzzConn's one run. A script is a row of pieces, each with an
// octet before it: the direction and the length.
func runScript(t *testing.T, kind uint8, part uint16, script []byte) {
	all := []mi.Transport{mi.ESL, mi.AMI, mi.BinRPC, mi.Stream}
	k := all[int(kind)%len(all)]
	if slices.Contains(all, mi.Transport(kind)) {
		k = mi.Transport(kind)
	}
	var pieces []piece
	for len(script) > 0 {
		n := min(int(script[0]&127), len(script)-1)
		pieces = append(pieces, piece{int(script[0] >> 7), string(script[1 : 1+n])})
		script = script[1+n:]
	}
	whole, c := play(k, pieces, 1<<20)
	parts, d := play(k, pieces, int(part)%50+1)
	// After nonsense binrpc and JSON go on where a segment begins, so that the segments matter.
	if k != mi.BinRPC && k != mi.Stream || c.Stats.Malformed == 0 {
		if !slices.Equal(whole.lines, parts.lines) || c.Stats != d.Stats {
			t.Fatalf("at once  %q %+v\nin parts %q %+v", whole.lines, c.Stats, parts.lines, d.Stats)
		}
	}
	c.End()
	h := &checker{t: t}
	c = mi.NewConn(k, h)
	for i, p := range pieces {
		c.Write(p.dir, []byte(p.text))
		if i%8 == int(part>>8)%8 {
			c.Gap(p.dir, int64(part%64)-1)
		}
	}
	c.End()
	if c.Stats.Requests != h.requests || c.Stats.Replies != h.replies || c.Stats.Strays != h.strays {
		t.Fatalf("%+v, told of %+v", c.Stats, h)
	}
}

// checker is a Handler that checks what it is told.
type checker struct {
	t                         *testing.T
	requests, replies, strays uint64
}

func (h *checker) Request(r *mi.Request) {
	checkRequest(h.t, r)
	if h.requests++; r.Seq != h.requests {
		h.t.Fatalf("request %d has number %d", h.requests, r.Seq)
	}
}

func (h *checker) Reply(r *mi.Reply) {
	checkReply(h.t, r)
	h.replies++
	if r.Seq == 0 {
		h.strays++
		if !r.Hidden {
			h.t.Fatalf("%+v", r)
		}
	}
	if r.Seq > h.requests {
		h.t.Fatalf("reply to %d of %d", r.Seq, h.requests)
	}
}

func FuzzFront(f *testing.F) {
	f.Add([]byte("Content-Type: auth/request\n\n"))
	f.Add([]byte("\xa1\x03\x0fg\x19Y\xf4\x91\rcore.version\x00"))
	f.Add([]byte(`[{"jsonrpc":"2.0","method":"core.info","id":1}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, more := mi.Front(b)
		for k := range b {
			switch v, m := mi.Front(b[:k]); {
			case v != mi.NoTransport && v != got:
				t.Fatalf("%v by %d octets, %v by %d", v, k, got, len(b))
			case v == mi.NoTransport && !m && (got != mi.NoTransport || more):
				t.Fatalf("none by %d octets, %v %v by %d", k, got, more, len(b))
			}
		}
	})
}

// FuzzSecret plants a secret under a secret's name between what may be anything.
func FuzzSecret(f *testing.F) {
	f.Add("a", "b", uint8(0), uint8(0))
	f.Add("id=1", "x: y", uint8(1), uint8(3))
	f.Fuzz(func(t *testing.T, before, after string, name, cut uint8) {
		const secret = "Zq7hunter2"
		names := []string{"password", "auth_password", "SIP_PASSWORD", "ha1", "secret", "api-key"}
		n := names[int(name)%len(names)]
		quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
		clean := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' || strings.ContainsRune(`"'\%<>&`, r) {
					return 'x'
				}
				return r
			}, s[:min(len(s), 100)])
		}
		before, after = clean(before), clean(after)
		for _, body := range []string{
			`{"jsonrpc":"2.0","method":"m","params":{` + quote("a"+before) + `:1,` + quote(n) + `:"` + secret + `",` + quote(after) + `:2},"id":1}`,
			`{"jsonrpc":"2.0","method":"m.n","params":[` + quote(before) + `,` + quote(n) + `,"` + secret + `",` + quote(after) + `],"id":1}`,
			":m:\n" + before + "\n" + n + "::" + secret + "\n" + after + "\n",
			":m:\n" + before + "\n" + n + "\n" + secret + "\n" + after + "\n",
		} {
			for _, b := range []string{body, body[:len(body)-min(len(body)-1, int(cut))]} {
				if r, ok := mi.DatagramRequest([]byte(b)); ok && strings.Contains(r.Params, secret) {
					t.Fatalf("%q: %q", b, r.Params)
				}
			}
		}
		for kind, text := range map[mi.Transport]string{
			mi.ESL: "api m " + before + " " + n + " " + secret + "\n\nsendmsg\na: " + before + "\n" + n + ": " + secret + "\nb: " + after + "\n\n",
			mi.AMI: "Action: m\r\na: " + before + "\r\n" + n + ": " + secret + "\r\nb: " + after + "\r\n\r\nAction: Setvar\r\nVariable: " + n + "\r\nValue: " + secret + "\r\n\r\n",
		} {
			l := &log{}
			mi.NewConn(kind, l).Write(0, []byte(text))
			if all := strings.Join(l.lines, "\n"); strings.Contains(all, secret) || len(l.lines) != 2 {
				t.Fatalf("%q: %s", text, all)
			}
		}
	})
}
