package dns_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"heptap/capture/dns"
)

// octets makes octets of hexadecimal digits and, in quotes, text.
func octets(t testing.TB, s string) (b []byte) {
	t.Helper()
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		d, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, d...)
	}
	return b
}

// Messages made by hand from RFC 1035 4.1. Offset 0c is the question's name.
const (
	query = "1234 0100 0001 0000 0000 0001  03'sip' 07'example' 03'com' 00 0023 0001  00 0029 1000 00000000 0000"

	srv = "0001 8580 0001 0001 0000 0000  04'_sip' 04'_udp' 01'a' 00 0021 0001 " +
		"c00c 0021 0001 0000003c 000b 0001 0002 13c4 02'p1' c016"

	enum = "0002 8183 0001 0000 0000 0000  01'3' 01'2' 01'1' 01'9' 01'4' 04'e164' 04'ARPA' 00 0023 0001"
)

// naptrMessage has two answers, whose owner is compressed; so is the replacement
// of the first one, against RFC 3403.
func naptrMessage(t testing.TB) []byte {
	return octets(t, "1234 8180 0001 0002 0000 0000  03'sip' 07'example' 03'com' 00 0023 0001 "+
		"c00c 0023 0001 0000012c 001b 000a 0064 01's' 07'SIP+D2U' 00 04'_sip' 04'_udp' c010"+
		"c00c 0023 0001 0000012c 0012 0014 0032 01'u' 07'E2U+sip' 02'!!' 00")
}

func TestParse(t *testing.T) {
	var v dns.View
	if err := v.Parse(octets(t, query)); err != nil {
		t.Fatal(err)
	}
	if v.ID != 0x1234 || v.Response || v.Opcode != 0 || !v.RecursionDesired || v.RCode != 0 || v.Questions != 1 || v.Answers != 0 || v.Cut ||
		v.Question.Name.String() != "sip.example.com" || v.Question.Type != dns.NAPTR || v.Question.Class != dns.ClassIN {
		t.Errorf("%+v", v)
	}

	if err := v.Parse(naptrMessage(t)); err != nil || v.Answers != 2 || !v.Response || v.Cut {
		t.Fatalf("%v, %+v", err, v)
	}
	w := v.Walk()
	var a dns.Answer
	if !w.Next(&a) || a.Broken || a.Name.String() != "sip.example.com" || a.Type != dns.NAPTR || a.TTL != 300 || a.Order != 10 || a.Preference != 100 ||
		string(a.Flags) != "s" || string(a.Service) != "SIP+D2U" || len(a.Regexp) != 0 || a.Target.String() != "_sip._udp.example.com" {
		t.Errorf("%+v", a)
	}
	if !w.Next(&a) || a.Broken || a.Order != 20 || a.Preference != 50 || string(a.Flags) != "u" || string(a.Service) != "E2U+sip" ||
		string(a.Regexp) != "!!" || a.Target.String() != "." {
		t.Errorf("%+v", a)
	}
	if w.Next(&a) {
		t.Error("a third answer")
	}

	if err := v.Parse(octets(t, srv)); err != nil || !v.Authoritative {
		t.Fatalf("%v, %+v", err, v)
	}
	w = v.Walk()
	if !w.Next(&a) || a.Broken || a.Priority != 1 || a.Weight != 2 || a.Port != 5060 || a.Target.String() != "p1.a" || a.TTL != 60 {
		t.Errorf("%+v, %s", a, a.Target)
	}
}

func TestENUM(t *testing.T) {
	for name, want := range map[string]string{
		"03'foo' 01'3' 01'4' 04'e164' 04'arpa' 00":           "",
		"01'3' 01'2' 01'1' 01'9' 01'4' 04'E164' 04'arpa' 00": "+49123",
		"01'3' 01'i' 01'9' 01'4' 04'e164' 04'arpa' 00":       "+493",
		"01'3' 01'x' 01'9' 01'4' 04'e164' 04'arpa' 00":       "",
		"04'e164' 04'arpa' 00":                               "",
		"01'4' 04'e164' 04'arpa' 01'x' 00":                   "",
		"01'4' 04'e164' 00":                                  "",
		"01'4' 01'4' 04'e164' 03'org' 00":                    "",
		"00":                                                 "",
	} {
		var v dns.View
		if err := v.Parse(octets(t, "0002 0100 0001 0000 0000 0000 "+name+" 0023 0001")); err != nil {
			t.Fatal(name, err)
		}
		if number, ok := v.ENUM(); number != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", name, number, ok)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                   "",
		"half a header":             "1234 0100 0001 0000 0000",
		"no question, no answer":    "1234 0100 0000 0000 0000 0001 00 0029 1000 00000000 0000",
		"opcode 3":                  "1234 1900 0001 0000 0000 0000 01'a' 00 0001 0001",
		"opcode 7":                  "1234 3900 0001 0000 0000 0000 01'a' 00 0001 0001",
		"reserved bit":              "1234 0140 0001 0000 0000 0000 01'a' 00 0001 0001",
		"a query with a code":       "1234 0103 0001 0000 0000 0000 01'a' 00 0001 0001",
		"a query with RA":           "1234 0180 0001 0000 0000 0000 01'a' 00 0001 0001",
		"too many questions":        "1234 0100 0100 0000 0000 0000 01'a' 00 0001 0001",
		"class 2":                   "1234 0100 0001 0000 0000 0000 01'a' 00 0001 0002",
		"type 0":                    "1234 0100 0001 0000 0000 0000 01'a' 00 0000 0001",
		"name cut":                  "1234 0100 0001 0000 0000 0000 07'example",
		"question cut":              "1234 0100 0001 0000 0000 0000 01'a' 00 0001 00",
		"label type 01":             "1234 0100 0001 0000 0000 0000 41 00 0001 0001 00",
		"pointer to itself":         "1234 0100 0001 0000 0000 0000 c00c 0001 0001",
		"pointer forward":           "1234 0100 0001 0000 0000 0000 c00e 00 0001 0001",
		"pointer into its own name": "1234 0100 0001 0000 0000 0000 01'a' c00c 0001 0001",
		"SIP":                       "'OPTIONS sip:a@b SIP/2.0'0d0a0d0a",
		"RTP":                       "80 00 0001 00000000 00000001 ffffffffffffffff",
		"STUN":                      "0001 0000 2112a442 000000000000000000000000",
	} {
		if name == "name cut" {
			in += "'"
		}
		v := dns.View{ID: 1}
		b := octets(t, in)
		if err := v.Parse(b); err == nil || v.ID != 0 || v.Questions != 0 {
			t.Errorf("%s: %v, %+v", name, err, v)
		}
		if dns.Is(b) {
			t.Errorf("%s: it is DNS", name)
		}
	}
}

func TestIs(t *testing.T) {
	for _, in := range []string{query, srv, enum, "1234 8181 0000 0000 0000 0000", // a format error may come without its question
		"0000 8400 0000 0001 0000 0000 05'_sips' 04'_tcp' 05'local' 00 000c 8001 00000078 0002 c00c", // mDNS
	} {
		if !dns.Is(octets(t, in)) {
			t.Errorf("%s is not DNS", in)
		}
	}
}

// TestCutAnywhere asserts that a message that ends early is an error or has
// fewer answers.
func TestCutAnywhere(t *testing.T) {
	for _, b := range [][]byte{naptrMessage(t), octets(t, srv), octets(t, enum)} {
		var whole, v dns.View
		if err := whole.Parse(b); err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if err := v.Parse(b[:n:n]); err == nil && (!v.Cut || v.Answers >= whole.Answers) {
				t.Errorf("first %d of %d octets: %+v", n, len(b), v)
			} else if err != nil && err != dns.ErrShort {
				t.Errorf("first %d of %d octets: %v", n, len(b), err)
			}
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	head := "0001 8180 0001 0001 0000 0000  01'a' 00 0001 0001  c00c "
	for name, in := range map[string]string{
		"A of 3 octets":         "0001 0001 00000000 0003 010203",
		"AAAA of 4 octets":      "001c 0001 00000000 0004 01020304",
		"CNAME cut":             "0005 0001 00000000 0003 05'ab'",
		"CNAME with more":       "0005 0001 00000000 0003 c00c 00",
		"CNAME loop":            "0005 0001 00000000 0002 c01f",
		"SRV of 5 octets":       "0021 0001 00000000 0005 0000000000",
		"SRV without target":    "0021 0001 00000000 0006 000000000000",
		"MX of 1 octet":         "000f 0001 00000000 0001 00",
		"NAPTR of 3 octets":     "0023 0001 00000000 0003 000000",
		"NAPTR, flags too long": "0023 0001 00000000 0006 00000000 05's'",
		"NAPTR, two strings":    "0023 0001 00000000 0006 00000000 0000",
		"NAPTR, no replacement": "0023 0001 00000000 0007 00000000 000000",
	} {
		var v dns.View
		if err := v.Parse(octets(t, head+in)); err != nil || v.Answers != 1 {
			t.Fatalf("%s: %v, %+v", name, err, v)
		}
		w := v.Walk()
		var a dns.Answer
		if !w.Next(&a) || !a.Broken || a.Port != 0 || a.Addr.IsValid() || a.Flags != nil {
			t.Errorf("%s: %+v", name, a)
		}
		if got := v.AppendJSON(nil); !json.Valid(got) || !strings.Contains(string(got), `"ttl":0}]`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("3f'"+strings.Repeat("x", 63)+"'", 3)
	var v dns.View
	if err := v.Parse(octets(t, "0001 0100 0001 0000 0000 0000 "+long+"3d'"+strings.Repeat("x", 61)+"' 00 0001 0001")); err != nil {
		t.Errorf("a name of 255 octets: %v", err)
	}
	if err := v.Parse(octets(t, "0001 0100 0001 0000 0000 0000 "+long+"3e'"+strings.Repeat("x", 62)+"' 00 0001 0001")); err != dns.ErrQuestion {
		t.Errorf("a name of 256 octets: %v", err)
	}
	many := "0001 8180 0001 0064 0000 0000 " + long + " 00 0010 0001" + strings.Repeat("c00c 0010 0001 00000000 0400 "+strings.Repeat("ff'"+strings.Repeat("\x01", 255)+"'", 4), 100)
	if err := v.Parse(octets(t, many)); err != nil || v.Answers != dns.MaxAnswers || !v.Cut {
		t.Fatalf("%v, %d answers", err, v.Answers)
	}
	got := v.AppendJSON(nil)
	if len(got) > dns.MaxJSON+10000 || !json.Valid(got) || !strings.HasSuffix(string(got), `,"cut":true}`) {
		t.Errorf("%d octets of JSON: %.100s", len(got), got)
	}
}

func TestAppendJSON(t *testing.T) {
	head := func(name, kind string) string {
		return `{"id":1,"qr":true,"opcode":"Query","aa":false,"tc":false,"rd":true,"ra":true,"z":0,"rcode":"No Error","questions":[{"name":"` + name + `","type":"` + kind + `","class":"IN"}]`
	}
	for _, c := range []struct{ name, in, want string }{
		{"query", query, `{"id":4660,"qr":false,"opcode":"Query","aa":false,"tc":false,"rd":true,"ra":false,"z":0,"rcode":"No Error",` +
			`"questions":[{"name":"sip.example.com","type":"NAPTR","class":"IN"}]}`},
		{"ENUM, no such number", enum, `{"id":2,"qr":true,"opcode":"Query","aa":false,"tc":false,"rd":true,"ra":true,"z":0,"rcode":"Non-Existent Domain",` +
			`"questions":[{"name":"3.2.1.9.4.e164.ARPA","type":"NAPTR","class":"IN"}],"enum":"+49123"}`},
		{"SRV", srv, `{"id":1,"qr":true,"opcode":"Query","aa":true,"tc":false,"rd":true,"ra":true,"z":0,"rcode":"No Error",` +
			`"questions":[{"name":"_sip._udp.a","type":"SRV","class":"IN"}],` +
			`"answers":[{"name":"_sip._udp.a","type":"SRV","class":"IN","ttl":60,"srv":{"priority":1,"weight":2,"port":5060,"target":"p1.a"}}]}`},
		{"several", "0001 8180 0001 0008 0000 0000 01'a' 00 00ff 0001" +
			"c00c 0001 0001 00000001 0004 c0000201" +
			"c00c 001c 0001 00000002 0010 20010db8000000000000000000000001" +
			"c00c 0005 0001 00000003 0004 01'b' c00c" +
			"c00c 0010 0001 00000004 0007 02'x" + "\"" + "' 03'\xc3\xa9\x00'" +
			"c00c 000f 0001 00000005 0004 000a c00c" +
			"c00c 000c 0001 00000006 0002 c00c" +
			"c00c 0002 8001 00000007 0001 00" +
			"c00c 00c8 0007 00000008 0001 00",
			head("a", "ANY") + `,"answers":[{"name":"a","type":"A","class":"IN","ttl":1,"ip":"192.0.2.1"},` +
				`{"name":"a","type":"AAAA","class":"IN","ttl":2,"ip":"2001:db8::1"},{"name":"a","type":"CNAME","class":"IN","ttl":3,"cname":"b.a"},` +
				`{"name":"a","type":"TXT","class":"IN","ttl":4,"txt":"x\"` + "\u00e9\uFFFD" + `"},{"name":"a","type":"MX","class":"IN","ttl":5,"mx":{"preference":10,"exchange":"a"}},` +
				`{"name":"a","type":"PTR","class":"IN","ttl":6,"ptr":"a"},{"name":"a","type":"NS","class":"IN","ttl":7,"ns":"."},{"name":"a","type":"TYPE200","class":"CLASS7","ttl":8}]}`},
		{"OPT among answers, name with odd octets", "0001 8180 0001 0001 0000 0000 04'a. \x00' 00 0001 0001  00 0029 1000 00000000 0000",
			head(`a\\.\\032\\000`, "A") + `,"answers":[]}`},
		{"answers missing", "0001 8180 0001 0003 0000 0000 01'a' 00 0001 0001", head("a", "A") + `,"cut":true}`},
	} {
		var v dns.View
		if err := v.Parse(octets(t, c.in)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := string(v.AppendJSON([]byte("x"))); got != "x"+c.want {
			t.Errorf("%s:\n got %s\nwant x%s", c.name, got, c.want)
		}
	}
	var v dns.View
	if err := v.Parse(naptrMessage(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.AppendJSON(nil)), `"naptr":{"order":10,"preference":100,"flags":"s","service":"SIP+D2U","regexp":"","replacement":"_sip._udp.example.com"}}`; !strings.Contains(got, want) {
		t.Errorf("%s", got)
	}
}

func TestNoAllocation(t *testing.T) {
	msgs := [][]byte{octets(t, query), naptrMessage(t), octets(t, srv)}
	dst := make([]byte, 0, 4096)
	var v dns.View
	var a dns.Answer
	if n := testing.AllocsPerRun(10, func() {
		for _, b := range msgs {
			if dns.Is(b) && v.Parse(b) == nil {
				for w := v.Walk(); w.Next(&a); {
					a.Text(func([]byte) bool { return true })
				}
				v.AppendJSON(dst[:0])
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// frame puts a length in front of messages.
func frame(msgs ...[]byte) (b []byte) {
	for _, m := range msgs {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// read writes down what a Framer makes of a stream in pieces of n octets.
func read(t testing.TB, f *dns.Framer, stream []byte, n int, last bool) string {
	t.Helper()
	var out []string
	rest, junk, from := 0, 0, 0
	for to := min(n, len(stream)); ; to = min(to+n, len(stream)) {
		for {
			b := stream[from:to]
			r := f.Next(b, last && to == len(stream))
			if r.N < 0 || r.N > len(b) || (r.N == 0) != (r.Kind == dns.More) {
				t.Fatalf("%+v of %d octets", r, len(b))
			}
			if r.Kind == dns.More {
				if len(b) > dns.MaxFrame || last && to == len(stream) && len(b) > 0 {
					t.Fatalf("%d octets are left pending", len(b))
				}
				break
			}
			switch r.Kind {
			case dns.Message:
				s := fmt.Sprintf("%x", b[r.Start:min(r.N, r.Start+2)])
				if r.Cut {
					s += "!"
				}
				out = append(out, s)
			case dns.Rest:
				rest += r.N
			case dns.Junk:
				junk += r.N
			}
			from += r.N
		}
		if to == len(stream) {
			break
		}
	}
	return fmt.Sprintf("%s rest %d junk %d left %d", strings.Join(out, " "), rest, junk, len(stream)-from)
}

func TestFramer(t *testing.T) {
	q, s, e := octets(t, query), octets(t, srv), octets(t, enum) // 44, 43, 34 octets
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"two", frame(q, s), "1234 0001 rest 0 junk 0 left 0"},
		{"cut", frame(q, s)[:80], "1234 0001! rest 0 junk 0 left 0"},
		{"cut before it says anything", frame(q, s)[:60], "1234 rest 0 junk 14 left 0"},
		{"half a length", frame(q)[:1], " rest 0 junk 1 left 0"},
		{"junk between", append(append(frame(q), "HTTP/1.1 200 OK\r\n"...), frame(s, e)...), "1234 0001 0002 rest 0 junk 17 left 0"},
		{"length 0", append([]byte{0, 0}, frame(e)...), "0002 rest 0 junk 2 left 0"},
	} {
		for _, n := range []int{len(c.in), 1, 7} {
			var f dns.Framer
			if got := read(t, &f, c.in, n, true); got != c.want {
				t.Errorf("%s in pieces of %d: %s, want %s", c.name, n, got, c.want)
			}
		}
	}
}

// TestFramerLost loses octets of a stream everywhere: the message behind is
// found again.
func TestFramerLost(t *testing.T) {
	stream := frame(octets(t, query), naptrMessage(t), octets(t, srv))
	for from := range len(stream) {
		for to := from + 1; to <= len(stream); to++ {
			for _, gap := range []int{to - from, -1} {
				var f dns.Framer
				read(t, &f, stream[:from], 50, from%2 == 0)
				f.Lost(int64(gap))
				got := read(t, &f, append(stream[to:len(stream):len(stream)], frame(octets(t, enum))...), 13, true)
				if !strings.Contains(got, "0002 ") || !strings.HasSuffix(got, "left 0") {
					t.Fatalf("octets %d to %d lost, told %d: %s", from, to, gap, got)
				}
			}
		}
	}
}

// compare holds the answers against what dnsmessage makes of them: where both
// can read a record, they read the same.
func compare(t *testing.T, b []byte, v *dns.View) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		t.Fatalf("dnsmessage: %v", err)
	}
	if h.ID != v.ID || h.Response != v.Response || uint8(h.OpCode) != v.Opcode || h.Authoritative != v.Authoritative || h.Truncated != v.Truncated ||
		h.RecursionDesired != v.RecursionDesired || h.RecursionAvailable != v.RecursionAvailable || uint8(h.RCode) != v.RCode {
		t.Fatalf("dnsmessage %+v, %+v", h, v)
	}
	qs, err := p.AllQuestions()
	if err != nil {
		return // a dot in a label
	}
	if len(qs) != v.Questions || len(qs) > 0 && (!same(qs[0].Name, v.Question.Name) || uint16(qs[0].Type) != uint16(v.Question.Type) || uint16(qs[0].Class) != uint16(v.Question.Class)) {
		t.Fatalf("dnsmessage %+v, %+v", qs, v)
	}
	w := v.Walk()
	for a := (dns.Answer{}); w.Next(&a); {
		r, err := p.AnswerHeader()
		if err != nil {
			return
		}
		if !same(r.Name, a.Name) || uint16(r.Type) != uint16(a.Type) || uint16(r.Class) != uint16(a.Class) || r.TTL != a.TTL || int(r.Length) != len(a.Data) {
			t.Fatalf("dnsmessage %+v, %+v", r, a)
		}
		if a.Broken || a.Class&0x7fff != dns.ClassIN {
			if p.SkipAnswer() != nil {
				return
			}
			continue
		}
		ok := true
		var skip error // such as a dot in a label: then it has to be skipped
		switch a.Type {
		case dns.A:
			x, err := p.AResource()
			skip, ok = err, err != nil || x.A == a.Addr.As4()
		case dns.AAAA:
			x, err := p.AAAAResource()
			skip, ok = err, err != nil || x.AAAA == a.Addr.As16()
		case dns.CNAME:
			x, err := p.CNAMEResource()
			skip, ok = err, err != nil || same(x.CNAME, a.Target)
		case dns.NS:
			x, err := p.NSResource()
			skip, ok = err, err != nil || same(x.NS, a.Target)
		case dns.PTR:
			x, err := p.PTRResource()
			skip, ok = err, err != nil || same(x.PTR, a.Target)
		case dns.MX:
			x, err := p.MXResource()
			skip, ok = err, err != nil || same(x.MX, a.Target) && x.Pref == a.Priority
		case dns.SRV:
			x, err := p.SRVResource()
			skip, ok = err, err != nil || same(x.Target, a.Target) && x.Priority == a.Priority && x.Weight == a.Weight && x.Port == a.Port
		case dns.TXT:
			x, err := p.TXTResource()
			var txt []string
			a.Text(func(s []byte) bool { txt = append(txt, string(s)); return true })
			skip, ok = err, err != nil || strings.Join(x.TXT, "\x00") == strings.Join(txt, "\x00")
		default:
			skip = errors.New("not asked")
		}
		if skip != nil && p.SkipAnswer() != nil {
			return
		}
		if !ok {
			t.Fatalf("dnsmessage reads %v differently than %+v", a.Type, a)
		}
	}
}

// same compares names; ours are escaped, dnsmessage's end in a dot.
func same(a dnsmessage.Name, b dns.Name) bool {
	var want strings.Builder
	for _, c := range []byte(strings.TrimSuffix(a.String(), ".")) {
		switch {
		case c == '\\':
			want.WriteString(`\\`)
		case c <= ' ' || c >= 0x7f:
			fmt.Fprintf(&want, `\%03d`, c)
		default:
			want.WriteByte(c)
		}
	}
	return want.String() == strings.TrimSuffix(b.String(), ".")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{query, srv, enum, "0000 8400 0000 0001 0000 0000 05'_sips' 04'_tcp' 05'local' 00 000c 8001 00000078 0002 c00c"} {
		f.Add(octets(f, s))
	}
	f.Add(naptrMessage(f))
	f.Add([]byte("0000\x00\x00000000"))
	f.Add(octets(f, "0001 8180 0001 0002 0000 0000 01'a' 00 00ff 0001 c00c 0010 0001 00000004 0004 03'\xc3\xa9\x00' c00c 001c 0001 00000002 0010 20010db8000000000000000000000001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 4096)]
		v := dns.View{ID: 1}
		if err := v.Parse(b); err != nil {
			if v.ID != 0 || v.Questions != 0 {
				t.Fatalf("%v, but %+v", err, v)
			}
			return
		}
		if !dns.Is(b) {
			t.Fatal("Parse, but not Is")
		}
		n := 0
		w := v.Walk()
		for a := (dns.Answer{}); w.Next(&a); n++ {
			if len(a.Name.Append(nil)) > 1019 || len(a.Target.Append(nil)) > 1019 || len(a.Flags)+len(a.Service)+len(a.Regexp) > len(a.Data) {
				t.Fatalf("%+v", a)
			}
		}
		if n != v.Answers || n > dns.MaxAnswers {
			t.Fatalf("%d answers of %d", n, v.Answers)
		}
		if got := v.AppendJSON(nil); !json.Valid(got) || len(got) > dns.MaxJSON+16<<10 {
			t.Fatalf("%s", got)
		}
		v.ENUM()
		octets := 1
		v.Question.Name.Labels(func(l []byte) bool {
			octets += 1 + len(l)
			if len(l) == 0 || len(l) > 63 || octets > 255 {
				t.Fatalf("label %q, %d octets so far", l, octets)
			}
			return true
		})
		compare(t, b, &v)
	})
}

// FuzzFramer asserts that what comes out does not depend on how the stream is
// cut into segments.
func FuzzFramer(f *testing.F) {
	f.Add(frame(octets(f, query), octets(f, srv)), uint8(3), uint8(50), uint8(4))
	f.Add(append([]byte("HTTP"), frame(octets(f, enum), naptrMessage(f))...), uint8(0), uint8(5), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, piece, at, gap uint8) {
		b = b[:min(len(b), 512)]
		n, cut := int(piece)+1, min(int(at), len(b))
		for _, last := range []bool{false, true} {
			var whole, pieces dns.Framer
			if a, c := read(t, &whole, b[:cut], cut+1, last), read(t, &pieces, b[:cut], n, last); a != c {
				t.Fatalf("at once %s\nin pieces of %d %s", a, n, c)
			}
			whole.Lost(int64(gap) - 1)
			pieces.Lost(int64(gap) - 1)
			if a, c := read(t, &whole, b[cut:], len(b)+1, true), read(t, &pieces, b[cut:], n, true); a != c {
				t.Fatalf("after a gap, at once %s\nin pieces of %d %s", a, n, c)
			}
		}
	})
}
