package mask

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// plant is a text with a secret at a known place under a secret name.
type plant struct {
	contentType, front, back string
	url                      bool
}

var names = []string{"password", "access_token", "apiKey", "x-auth-token", "client_secret", "pwd", "Authorization", "user[password]", "pin", "sip.ha1"}

// spell writes a name with letters escaped at random.
func spell(r *rand.Rand, name, escape string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch r.IntN(4) {
		case 0:
			if escape != "" && (c|0x20 >= 'a' && c|0x20 <= 'z') {
				fmt.Fprintf(&b, escape, c)
				continue
			}
		case 1:
			c = bytes.ToUpper([]byte{c})[0]
		}
		b.WriteByte(c)
	}
	return b.String()
}

func blanks(r *rand.Rand) string { return strings.Repeat(" ", r.IntN(3)) }

// plants are the places for name, spelled at random.
func plants(r *rand.Rand, name string) []plant {
	percent, u, plain := spell(r, name, "%%%02x"), spell(r, name, `\u%04x`), strings.ToUpper(name)
	element := strings.NewReplacer("[", ".", "]", "").Replace(plain)
	sp := blanks(r)
	return []plant{
		{"application/x-www-form-urlencoded", "a=b&" + percent + "=", "&c=d", false},
		{"", "/x?a=b&" + percent + "=", "&c=d", true},
		{"application/json", `{"a":1,"` + u + `"` + sp + `:` + sp + `"`, `","b":2}`, false},
		{"text/plain", `{"a":1,"` + u + `"` + sp + `:` + sp + `"`, `","b":2}`, false},
		{"application/json", `{"a":{"` + u + `":[{"x":"`, `"}]},"b":2}`, false},
		{"application/json", `{"a":"{\"` + plain + `\"` + sp + `:` + sp + `\"`, `\",\"b\":2}","c":3}`, false},
		{"application/json", `{"a":"{\"x\":\"{\\\"` + plain + `\\\":\\\"`, `\\\"}\",\"b\":2}","c":3}`, false},
		{"application/json", `{"u":"http://h/?a=1\u0026` + percent + "=", `\u0026c=d","b":2}`, false},
		{"application/x-www-form-urlencoded", "a=%7B%22" + percent + "%22%3A%22", "%22%7D&b=c", false},
		{"text/xml", "<a><" + element + sp + ">", "</" + element + "><b/></a>", false},
		{"text/xml", "<a><x:" + element + "><y>", "</y></x:" + element + "><b/></a>", false},
		{"text/xml", "<a b='c' " + element + sp + "=" + sp + `"`, `" d="e"/>`, false},
		{"text/xml", `<p name="` + plain + `" value="`, `"/>`, false},
		{"text/xml", `<name>` + plain + `</name><value><string>`, `</string></value>`, false},
		{"text/xml", "<a>&lt;" + element + "&gt;", "&lt;/" + element + "&gt;</a>", false},
		{"text/plain", "a: b\r\n" + plain + sp + ":" + sp, "\r\nc: d\r\n", false},
		{"text/plain", "a=b " + plain + sp + "=" + sp, " c=d", false},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"" + plain + "\"\r\n\r\n", "\r\n--x--", false},
		{"text/plain", "see http://bob:", "@h/x and", false},
	}
}

// secretOf makes a secret of octets that no format has to escape.
func secretOf(seed []byte) string {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
	b := []byte("Zq")
	for _, c := range seed[:min(len(seed), 40)] {
		b = append(b, letters[int(c)%len(letters)])
	}
	return string(b) + "QzXJ"
}

// check holds what every text has to keep: the bound, and the caller's octets.
func check(t *testing.T, contentType string, text []byte) []byte {
	t.Helper()
	before := bytes.Clone(text)
	dst := append(make([]byte, 0, 16), "before"...)
	out := AppendBody(dst, []byte(contentType), text)
	if !bytes.HasPrefix(out, []byte("before")) || !bytes.Equal(text, before) {
		t.Fatalf("%q: the caller's octets changed", text)
	}
	if out = out[len("before"):]; len(out) > len(text)+Slack {
		t.Fatalf("%q: %d octets became %d", text, len(text), len(out))
	}
	return out
}

// FuzzMask plants a secret under a secret name, in each format, and cuts the text
// anywhere: no four octets of the secret may come out. Arbitrary text stays
// within the bound.
func FuzzMask(f *testing.F) {
	f.Add(uint64(1), []byte("secret"), uint16(0), []byte("{}"))
	f.Add(uint64(2), []byte("0000000000000000000000000000"), uint16(40), []byte(`"password":"`))
	f.Add(uint64(3), []byte("x"), uint16(9), []byte("a=b&pin=1&pin=2&pin=3&pin=4&<token>&lt;/token&gt;"))
	f.Fuzz(func(t *testing.T, seed uint64, octets []byte, cut uint16, around []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		secret := secretOf(octets)
		for _, name := range names {
			for i, p := range plants(r, name) {
				whole := p.front + secret + p.back
				for _, body := range []string{whole, whole[:len(p.front)+int(cut)%len(secret)], whole + string(around)} {
					b := []byte(body)
					out := check(t, p.contentType, b)
					if p.url {
						out = AppendURL(nil, b)
					}
					if bytes.Contains(out, []byte(secret)) || len(body) > len(p.front)+4 && bytes.Contains(out, []byte(secret[:4])) {
						t.Fatalf("plant %d: %q comes out as %q", i, body, out)
					}
				}
			}
		}
		for _, ct := range []string{"", "application/json", "text/xml", "application/x-www-form-urlencoded"} {
			check(t, ct, around)
		}
		if out := AppendURL(nil, around); len(out) > len(around)+Slack {
			t.Fatalf("%q: %d octets became %d", around, len(around), len(out))
		}
		AppendHead(nil, around)
		AppendHeader(nil, []byte("Authorization"), around)
	})
}

func TestTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		for _, name := range names {
			for i, p := range plants(r, name) {
				for n := range len("ZqSECRETQzXJ") {
					body := p.front + "ZqSECRETQzXJ"[:n]
					if out := check(t, p.contentType, []byte(body)); n > 1 && bytes.Contains(out, []byte("Zq")) {
						t.Fatalf("plant %d: %q comes out as %q", i, body, out)
					}
				}
			}
		}
	}
}

func TestAllocs(t *testing.T) {
	dst := make([]byte, 0, 4096)
	body := []byte(`{"user":"bob","password":"abc","x":"http://u:p@h/?token=x\u0026a=b","n":["<pin>1</pin>"]}`)
	head := []byte("GET /x?token=abc HTTP/1.1\r\nAuthorization: Bearer abc\r\nReferer: http://u:p@h/\r\n\r\n")
	json, url := []byte("application/json"), []byte("/x?token=abc")
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendBody(dst[:0], json, body)
		dst = AppendHead(dst[:0], head)
		dst = AppendURL(dst[:0], url)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLinear asserts that hostile text costs no more than its length: a
// quadratic scan of these would not end before the test's time is up.
func TestLinear(t *testing.T) {
	for _, unit := range []string{"=", ":", ": ", "a=", `":`, `\`, "<", "<a", "&", "&amp;", "%25", "://", "name=", `name="`, "<name>", "response=", "sip:", "'=", "password=", `\":`, `{"a":`, "x: \n "} {
		body := []byte(strings.Repeat(unit, 1<<17/len(unit)))
		check(t, "", body)
		check(t, "application/json", append([]byte(`{"`), body...))
		check(t, "text/xml", append([]byte(`<`), body...))
	}
}

func BenchmarkBody(b *testing.B) {
	body := []byte(`{"user":"bob","password":"abc","number":"+4930123456","route":["sip:gw1.example.com","sip:gw2.example.com"],"cost":0.01}`)
	b.SetBytes(int64(len(body)))
	dst := make([]byte, 0, 4096)
	for b.Loop() {
		dst = AppendBody(dst[:0], []byte("application/json"), body)
	}
}
