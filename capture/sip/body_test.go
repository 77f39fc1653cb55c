package sip_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture/sip"
)

// isupBody is an IAM as in RFC 3204: with octets that are line ends, quotes,
// dashes and beginnings of boundaries to whoever is not careful.
const isupBody = "\x01\x00\x49\x00\x00\x02\x00\x07\x05\x01\x10\r\n--\n\x00\"\x0d"

func TestFind(t *testing.T) {
	multi := func(headers, content string) string {
		return "Content-Type: multipart/mixed;boundary=xx\n\n--xx\nContent-Type: application/SDP\n\nv=0\n\n--xx\n" + headers + "\n\n" + content + "\r\n--xx--\n"
	}
	for _, c := range []struct {
		name, message        string
		content              string // "" when there is none
		version, base        string
		encoding, diposition string
	}{
		{"RFC 3204 4", multi("Content-Type: application/ISUP; version=nxv3;\n base=etsi121\nContent-Disposition: signal; handling=optional", isupBody),
			isupBody, "nxv3", "etsi121", "", "signal; handling=optional"},
		{"no spaces, quotes", multi("Content-Type:application/ISUP;base=\"itu-t92+\";version=\"a;b\"\ncontent-transfer-encoding:Binary", isupBody),
			isupBody, "a;b", "itu-t92+", "Binary", ""},
		{"compact and upper case", multi("C : APPLICATION/isup;Version=itu-t", isupBody), isupBody, "itu-t", "", "", ""},
		{"no parameters", multi("Content-Type: application/isup", "x"), "x", "", "", "", ""},
		{"no multipart", "Content-Disposition: signal\nContent-Type: application/ISUP;version=itu-t92+\nContent-Transfer-Encoding: 8bit\n\n" + isupBody,
			isupBody, "itu-t92+", "", "8bit", "signal"},
		{"the first one", multi("Content-Type: application/isup;version=a\n\n1\n--xx\nContent-Type: application/isup;version=b", "2"), "1", "a", "", "", ""},
		{"nested", multi("Content-Type: multipart/alternative;boundary=\"in ner\"\n\n--in ner\nContent-Type: text/plain\n\nt\n--in ner\nContent-Type: application/isup\n\nI\n--in ner--", "junk"),
			"I", "", "", "", ""},
		{"of the part, not of the message", "Content-Transfer-Encoding: base64\n" + multi("Content-Type: application/isup", "AQ"), "AQ", "", "", "", ""},
		{"another subtype", multi("Content-Type: application/isup2", "x"), "", "", "", "", ""},
		{"an empty one", multi("Content-Type: application/isup", ""), "", "", "", "", ""},
		{"a prefix", multi("Content-Type: application/isu", "x"), "", "", "", "", ""},
		{"in another part's content", multi("Content-Type: text/plain", "Content-Type: application/isup\n\nx"), "", "", "", "", ""},
		{"no body", "Content-Type: application/isup\n\n", "", "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Only the line ends of the message are CRLF: what is binary stays.
			text := strings.ReplaceAll(c.message, isupBody, "\x00ISUP\x00")
			b := append(crlf("INVITE sip:a SIP/2.0\nCall-ID: 1\n"), bytes.ReplaceAll(crlf(strings.ReplaceAll(text, "\r\n", "\n")), []byte("\x00ISUP\x00"), []byte(isupBody))...)
			p, ok := parse(t, b).Find("application/isup")
			if ok != (c.content != "") {
				t.Fatalf("found %v: %q", ok, p.Content)
			}
			check(t, "content", p.Content, c.content)
			check(t, "version", p.Param("version"), c.version)
			check(t, "base", p.Param("base"), c.base)
			check(t, "encoding", p.Encoding, c.encoding)
			check(t, "disposition", p.Disposition, c.diposition)
		})
	}
}

func TestFindIsBounded(t *testing.T) {
	deep := "Content-Type: multipart/mixed;boundary=b0\n\n"
	for i := range 5 {
		deep += "--b" + string(rune('0'+i)) + "\nContent-Type: multipart/mixed;boundary=b" + string(rune('1'+i)) + "\n\n"
	}
	deep += "--b5\nContent-Type: application/isup\n\nx\n"
	wide := "Content-Type: multipart/mixed;boundary=b\n\n" + strings.Repeat("--b\nContent-Type: text/plain\n\nx\n", 32) + "--b\nContent-Type: application/isup\n\nx\n--b--\n"
	for _, m := range []string{deep, wide} {
		if p, ok := parse(t, crlf("INVITE sip:a SIP/2.0\nCall-ID: 1\n"+m)).Find("application/isup"); ok {
			t.Errorf("found %q", p.Content)
		}
	}
}

func TestOctets(t *testing.T) {
	for _, c := range []struct {
		encoding, content, want string
		fails                   bool
	}{
		{"", "\x01\xff\r\n", "\x01\xff\r\n", false},
		{"Binary", "\x01\xff", "\x01\xff", false},
		{"8BIT", "\x01\xff", "\x01\xff", false},
		{"7bit", "a", "a", false},
		{"Base64", "DAIA\r\nAoSR\r\n", "\x0c\x02\x00\x02\x84\x91", false},
		{"base64", "DAIA!", "", true},
		{"quoted-printable", "=0C", "", true},
	} {
		p := sip.Part{Encoding: []byte(c.encoding), Content: []byte(c.content)}
		got, err := p.Octets(nil)
		if string(got) != c.want || (err != nil) != c.fails || err != nil && !errors.Is(err, sip.ErrEncoding) {
			t.Errorf("%s %q: %q, %v", c.encoding, c.content, got, err)
		}
	}
}

func TestFindAllocs(t *testing.T) {
	v := parse(t, crlf("INVITE sip:a SIP/2.0\nCall-ID: 1\nContent-Type: multipart/mixed;boundary=x\n\n--x\nContent-Type: application/isup;base=itu-t92+\nContent-Transfer-Encoding: base64\n\nDAIA\n--x--\n"))
	scratch := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		p, _ := v.Find("application/isup")
		if b, err := p.Octets(scratch); len(b) != 3 || err != nil || len(p.Param("base")) != 8 {
			t.Fatal(b, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFindInCapture reads the SIP-I of a real exchange: what tshark shows of it.
func TestFindInCapture(t *testing.T) {
	b, err := sipI(filepath.Join(shared(t), "sipcapture+heplify", "sip_sctp.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := parse(t, b).Find("application/isup")
	if !ok || string(p.Param("version")) != "itu-t92+" || string(p.Param("base")) != "itu-t92+" {
		t.Fatalf("%v %q", ok, p.ContentType)
	}
	check(t, "encoding", p.Encoding, "binary")
	check(t, "disposition", p.Disposition, "signal;handling=required")
	// IAM; called 9275890000 ST (national, E.164), calling 9171969136.
	if want := "\x01\x00\x20\x01\x0a\x00\x02\x0a\x08\x83\x10\x29\x57\x98\x00\x00\x0f\x0a\x07\x03\x13\x19\x17\x69\x19\x63"; !bytes.HasPrefix(p.Content, []byte(want)) {
		t.Errorf("content % x", p.Content)
	}
}

// FuzzFind looks for a part in a body of any kind, and puts any content into a
// well-formed body from which it must come out the same.
func FuzzFind(f *testing.F) {
	f.Add("multipart/mixed;boundary=x", []byte("--x\r\nContent-Type: application/isup;version=itu-t92+\r\n\r\n"+isupBody+"\r\n--x--\r\n"))
	f.Add("multipart/mixed;boundary=\"x\"", []byte("--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\r\n--y\nc: application/isup\nContent-Transfer-Encoding: base64\n\nDAIA\n--y--\n--x--"))
	f.Add("application/ISUP ; base = \"a", []byte(isupBody))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		v := sip.View{ContentType: []byte(contentType), Body: body}
		p, ok := v.Find("application/isup")
		if ok != (len(p.Content) > 0) || string(p.Content) != string(v.Part("application/isup")) {
			t.Fatalf("%v %q, Part %q", ok, p.Content, v.Part("application/isup"))
		}
		if offset(body, p.Content) < 0 || offset(body, p.Encoding) < 0 || offset(body, p.Disposition) < 0 {
			t.Fatal("not inside the body")
		}
		if ok && !strings.HasPrefix(strings.ToLower(string(p.ContentType)), "application/isup") {
			t.Fatalf("found %q", p.ContentType)
		}
		if out, err := p.Octets(nil); err == nil && len(out) > len(p.Content) {
			t.Fatal("longer than its encoding")
		}
		if len(body) == 0 || bytes.Contains(body, []byte("a boundary")) {
			return
		}
		whole := append([]byte("preamble\r\n--a boundary\r\nContent-Type: text/plain\r\n\r\nx\r\n--a boundary \r\ncontent-type: Application/ISUP\r\n\r\n"), body...)
		v = sip.View{ContentType: []byte("multipart/mixed; boundary=\"a boundary\""), Body: append(whole, "\r\n--a boundary--\r\nepilogue"...)}
		if p, ok = v.Find("application/isup"); !ok || !bytes.Equal(p.Content, body) {
			t.Fatalf("put in %q, got %q", body, p.Content)
		}
	})
}
