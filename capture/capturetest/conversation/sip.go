package conversation

import (
	"bytes"
	"fmt"
	"strings"
)

// dialog is what the headers of the messages of one exchange have in common.
type dialog struct {
	callID, fromTag, toTag string
	opener                 Side // whose tag is fromTag
	method                 string
	cseq                   int
	compact                bool // RFC 3261 7.3.3
	crooked                bool // folded lines, odd blanks and cases (RFC 3261 7.3.1)
	length                 int  // of padding in a header of every message
}

func (g *generator) dialog(from Side) *dialog {
	g.calls++
	d := &dialog{opener: from, fromTag: g.token(10), compact: g.r.IntN(4) == 0, crooked: g.r.IntN(4) == 0}
	d.callID = fmt.Sprintf("%s-%x-%d@%s", g.token(8), g.c.Seed, g.calls, g.c.Ends[from].Addr())
	switch g.r.IntN(6) {
	case 0:
		d.length = g.r.IntN(1200)
	case 1:
		d.length = g.r.IntN(3000)
	}
	return d
}

func (g *generator) token(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[g.r.IntN(len(letters))]
	}
	return string(b)
}

// text returns a body of lines. Some are long; none of them is a start line,
// and the last one ends, so that what follows on a stream begins a line.
func (g *generator) text() []byte {
	n := 20 + g.r.IntN(400)
	if g.r.IntN(8) == 0 {
		n = 2000 + g.r.IntN(4000)
		if g.c.Transport != UDP {
			n *= 3
		}
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(g.token(1 + g.r.IntN(60)))
		b.WriteString([]string{" ", " SIP/2.0 ", "\r\n", "\r\n\r\n", ": "}[g.r.IntN(5)])
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}

func (g *generator) request(d *dialog, from Side, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s sip:%s@%s SIP/2.0\r\n", d.method, "user"+d.fromTag[:3], g.c.Ends[from.other()])
	g.headers(&b, d, from, d.method)
	b.WriteString("Max-Forwards: 70\r\n")
	g.finish(&b, d, body)
	return b.Bytes()
}

// response answers the dialog's last request, which asker sent.
func (g *generator) response(d *dialog, asker Side, status string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	if !strings.Contains(status, " ") { // the reason may be empty, its blank may not (RFC 3261 25.1)
		b.Reset()
		fmt.Fprintf(&b, "SIP/2.0 %s \r\n", status)
	}
	g.headers(&b, d, asker, d.method)
	g.finish(&b, d, body)
	return b.Bytes()
}

// headers writes what every message has. asker sent the request.
func (g *generator) headers(b *bytes.Buffer, d *dialog, asker Side, method string) {
	name := func(long, compact string) string {
		if d.compact {
			return compact
		}
		if d.crooked && g.r.IntN(3) == 0 {
			return strings.ToUpper(long)
		}
		return long
	}
	colon := ": "
	if d.crooked {
		colon = []string{":", " : ", ":\r\n ", " :\t"}[g.r.IntN(4)]
	}
	tags := [2]string{d.fromTag, d.toTag}
	if asker != d.opener {
		tags[0], tags[1] = tags[1], tags[0]
	}
	fmt.Fprintf(b, "%s%sSIP/2.0/%v %s;branch=z9hG4bK%s%d%s\r\n", name("Via", "v"), colon, g.c.Transport, g.c.Ends[asker],
		strings.Map(alphanumeric, method), d.cseq, d.fromTag)
	fmt.Fprintf(b, "%s%s<sip:%s@%s>;tag=%s\r\n", name("From", "f"), colon, "user"+d.fromTag[:3], g.c.Ends[asker], tags[0])
	fmt.Fprintf(b, "%s%s<sip:%s@%s>", name("To", "t"), colon, "user"+d.fromTag[3:6], g.c.Ends[asker.other()])
	if tags[1] != "" {
		b.WriteString(";tag=" + tags[1])
	}
	fmt.Fprintf(b, "\r\n%s%s%s\r\n", name("Call-ID", "i"), colon, d.callID)
	fmt.Fprintf(b, "CSeq%s%d %s\r\n", colon, d.cseq, method)
	if d.length > 0 {
		fmt.Fprintf(b, "X-Padding: %s\r\n", strings.Repeat("-", d.length))
	}
}

func alphanumeric(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// finish writes the rest. Over a stream Content-Length says where the message
// ends (RFC 3261 20.14); some leave it out where there is no body, as over
// WebSocket and in datagrams anybody may.
func (g *generator) finish(b *bytes.Buffer, d *dialog, body []byte) {
	length := "Content-Length"
	if d.compact {
		length = "l"
	}
	if body != nil {
		kind := "text/plain"
		if bytes.HasPrefix(body, []byte("v=0")) {
			kind = "application/sdp"
		}
		fmt.Fprintf(b, "Content-Type: %s\r\n", kind)
	}
	framed := g.c.Transport != TCP
	if optional := body == nil || framed; !optional || g.r.IntN(4) > 0 {
		fmt.Fprintf(b, "%s: %d\r\n", length, len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
}
