package infer

import (
	"net/netip"
	"strings"
	"testing"
)

func TestUserKey(t *testing.T) {
	for _, c := range []struct {
		user string
		want key
	}{
		{"+4930123456", 0x4930123456},
		{"004930123456", 0x4930123456},
		{"030123456", 0x30123456},
		{"+49-30-123.456", 0x4930123456},
		{"(030) 123456;phone-context=+49", 0x30123456},
		{"12345", 0x12345},
		{"1234", 0},
		{"00001234", 0},
		{"0000", 0},
		{"123456789012345", 0x123456789012345},
		{"1234567890123456", 0},
		{"alice", folded([]byte("ALICE"))},
		{"bob", 0},
		{"", 0},
		{"+", 0},
		{"*21*12345#", folded([]byte("*21*12345#"))},
		{strings.Repeat("a", 65), 0},
	} {
		if have := userKey([]byte(c.user)); have != c.want {
			t.Errorf("%q: %x, want %x", c.user, have, c.want)
		}
	}
}

func TestKeyMatches(t *testing.T) {
	for _, c := range []struct {
		a, b key
		want bool
	}{
		{0x4930123456, 0x4930123456, true},
		{0x4930123456, 0x30123456, true},   // country code
		{0x994930123456, 0x30123456, true}, // and a carrier's prefix
		{0x9994930123456, 0x30123456, false},
		{0x4930123456, 0x40123456, false},
		{0x30123456, 0x123456, false}, // six digits are an extension: whole or not at all
		{0x123456, 0x123456, true},
		{0x12345, 0x12345, true},
		{folded([]byte("alice")), folded([]byte("Alice")), true},
		{folded([]byte("alice")), folded([]byte("alice1")), false},
	} {
		if c.a.matches(c.b) != c.want || c.b.matches(c.a) != c.want {
			t.Errorf("%x and %x: want %v", c.a, c.b, c.want)
		}
		if c.want && c.a.place() != c.b.place() {
			t.Errorf("%x and %x match in different places", c.a, c.b)
		}
	}
}

func TestHostHash(t *testing.T) {
	a := Host{Addr: netip.MustParseAddr("192.0.2.1")}
	if mapped := (Host{Addr: netip.MustParseAddr("::ffff:192.0.2.1")}); a.hash() != mapped.hash() {
		t.Error("a mapped address is another host")
	}
	if other := (Host{Addr: a.Addr, Tunnel: 1}); a.hash() == other.hash() {
		t.Error("a tunnel makes no difference")
	}
}

func TestTokens(t *testing.T) {
	w := func(s string) key { return folded([]byte(s)) }
	for _, c := range []struct {
		target, body string
		want         []key
	}{
		{"/route?to=4930123456", "", []key{w("route"), 0x4930123456}},
		{"/route?to=+49 (30) 123-456", "", []key{w("route"), 0x4930123456}},
		{"/r/030-1234567/x", "", []key{0x1234567, 0x301234567}},
		{"/a/12345/67890", "", []key{0x12345, 0x67890}},
		{"/a/1234", "", nil},
		{"6.5.4.3.2.1.0.3.9.4.e164.arpa", "", []key{0x6543210394, 0x4930123456, w("6.5.4.3.2.1.0.3.9.4.e164.arpa")}},
		{"", `{"caller":"alice","to":"sip:Bob.Smith@example.com"}`, []key{w("alice"), w("bob.smith"), w("example.com")}},
		{"", "1234567890123456", nil},
		{"", "00049", nil},
		{"", "call 12345   67890", []key{w("call"), 0x12345, 0x67890}},
		{"", "12345 12345", []key{0x12345, 0x1234512345}},
		{"", "tel4930123456", []key{0x4930123456, w("tel4930123456")}},
	} {
		var have tokens
		have.reset()
		have.read([]byte(c.target), false)
		have.read([]byte(c.body), true)
		if have.n != len(c.want) {
			t.Errorf("%q %q: %d tokens %v, want %x", c.target, c.body, have.n, have.all[:have.n], c.want)
			continue
		}
		for _, k := range c.want {
			found := false
			for _, tok := range have.all[:have.n] {
				found = found || tok.k == k
			}
			if !found {
				t.Errorf("%q %q: no %x in %v", c.target, c.body, k, have.all[:have.n])
			}
		}
	}
}

// TestShape asserts that numbers and values do not make a new kind of query, and
// that names do.
func TestShape(t *testing.T) {
	shape := func(s string) uint64 {
		var k tokens
		k.reset()
		k.read([]byte(s), false)
		return k.shape
	}
	for _, same := range [][2]string{
		{"/route?to=4930123456", "/route?to=4940999999"},
		{"/route?to=alice", "/route?to=bob"},
		{"/v1/4930123456/name", "/v1/030-999999/name"},
	} {
		if shape(same[0]) != shape(same[1]) {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	for _, other := range [][2]string{
		{"/route?to=4930123456", "/route?from=4930123456"},
		{"/route?to=4930123456", "/cnam?to=4930123456"},
	} {
		if shape(other[0]) == shape(other[1]) {
			t.Errorf("%q and %q are the same", other[0], other[1])
		}
	}
}

func TestTokensBounded(t *testing.T) {
	var k tokens
	k.reset()
	var b []byte
	for i := range 100 {
		b = append(b, byte('a'+i%26), 'x', 'y', byte('a'+i/26), ',')
		b = append(b, '1', '2', '3', byte('0'+i/10), byte('0'+i%10), ',')
	}
	k.read(b, true)
	if k.numbers != maxNumbers || k.words != maxWords || !k.cut {
		t.Errorf("%d numbers, %d words, cut %v", k.numbers, k.words, k.cut)
	}
	k.reset()
	k.read(make([]byte, MaxText+1), true)
	if !k.cut {
		t.Error("a long text is not cut")
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		"/route?to=4930123456", "/route?to=+49 (30) 123-456", "6.5.4.3.2.1.0.3.9.4.e164.arpa",
		`{"caller":"alice","to":"sip:bob.smith@example.com"}`, "0-0-0-0-0-1", "12345  67890", "a=b&c=d", "\x00\xff12345",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, body bool) {
		var k tokens
		k.reset()
		k.read(text, body)
		numbers, words := 0, 0
		for i, tok := range k.all[:k.n] {
			if tok.body != body {
				t.Fatal("a token of another text")
			}
			for _, before := range k.all[:i] {
				if before == tok {
					t.Fatalf("%x twice", tok.k)
				}
			}
			if tok.k&word != 0 {
				words++
				continue
			}
			numbers++
			if n := tok.k.digits(); n < minDigits || n > maxDigits {
				t.Fatalf("%x has %d digits", tok.k, n)
			}
			for d := tok.k; d != 0; d >>= 4 {
				if d&15 > 9 {
					t.Fatalf("%x is no number", tok.k)
				}
			}
			if !hasDigits(text, tok.k) {
				t.Fatalf("%x is not in %q", tok.k, text)
			}
		}
		if numbers != k.numbers || words != k.words || numbers > maxNumbers || words > maxWords {
			t.Fatalf("%d numbers and %d words, counted as %d and %d", numbers, words, k.numbers, k.words)
		}
		if body && k.shape != hashBasis {
			t.Fatal("a body has a shape")
		}
	})
}

// hasDigits reports whether the digits of a text, all else left out, hold those of k, one way
// or the other.
func hasDigits(text []byte, k key) bool {
	var all, want []byte
	for _, c := range text {
		if '0' <= c && c <= '9' {
			all = append(all, c)
		}
	}
	for ; k != 0; k >>= 4 {
		want = append(want, '0'+byte(k&15))
	}
	reversed := make([]byte, len(want))
	for i, c := range want {
		reversed[len(want)-1-i] = c
	}
	return strings.Contains(string(all), string(want)) || strings.Contains(string(all), string(reversed))
}
