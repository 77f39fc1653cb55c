package pseudonym

import (
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestFF1 is the samples that NIST publishes with SP 800-38G.
func TestFF1(t *testing.T) {
	const key128, key256 = "2b7e151628aed2a6abf7158809cf4f3c", "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94"
	for _, c := range []struct {
		key, tweak  string
		radix       uint64
		plain, want string
	}{
		{key128, "", 10, "0123456789", "2433477484"},
		{key128, "39383736353433323130", 10, "0123456789", "6124200773"},
		{key128, "3737373770717273373737", 36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
		{key256, "", 10, "0123456789", "6657667009"},
		{key256, "39383736353433323130", 10, "0123456789", "1001623463"},
		{key256, "3737373770717273373737", 36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
	} {
		key, _ := hex.DecodeString(c.key)
		tweak, _ := hex.DecodeString(c.tweak)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		f := ff1{block: block, radix: c.radix, tweak: tweak}
		x := numeralsOf(c.plain)
		f.encrypt(x)
		if got := x.String(); got != c.want {
			t.Errorf("%d octets of key, tweak %q: %s, want %s", len(key), c.tweak, got, c.want)
		}
		f.decrypt(x)
		if got := x.String(); got != c.plain {
			t.Errorf("%d octets of key, tweak %q: undone %s, want %s", len(key), c.tweak, got, c.plain)
		}
	}
}

func numeralsOf(s string) (x numerals) {
	for i := range len(s) {
		v, _ := numeral(s[i])
		x = append(x, v)
	}
	return x
}

func (n numerals) String() string {
	var b strings.Builder
	for _, v := range n {
		b.WriteByte(alphabet[v])
	}
	return b.String()
}

func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := New("a secret for tests only")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func user(k *Key, s string) string {
	b := []byte(s)
	k.User(b)
	return string(b)
}

func undo(k *Key, s string) string {
	b := []byte(s)
	k.Undo(b)
	return string(b)
}

// One number looks different in different places, and so does its pseudonym.
func TestNumbersEndAlike(t *testing.T) {
	k := testKey(t)
	core := user(k, "1234567")
	if core == "1234567" {
		t.Fatal("nothing was replaced")
	}
	for was, want := range map[string]string{
		"+49301234567":      "+4930" + core,
		"0049301234567":     "004930" + core,
		"0301234567":        "030" + core,
		"(030) 123-45.67":   "(030) " + core[:3] + "-" + core[3:5] + "." + core[5:],
		"*31#0301234567":    "*31#030" + core,
		"49301234567000000": "4930123456" + user(k, "7000000"),
	} {
		if got := user(k, was); got != want {
			t.Errorf("%s: %s, want %s", was, got, want)
		}
		if got := undo(k, want); got != was {
			t.Errorf("%s undone: %s, want %s", want, got, was)
		}
	}
}

// What is replaced stays what it was, a number or a name, keeps its length and
// its punctuation, and can be undone.
func TestKinds(t *testing.T) {
	k := testKey(t)
	for _, was := range []string{
		"1", "42", "101", "1001", "123456", "alice", "a", "a1", "1a", "bob.smith-jones_2", "0a1b2c3d4e5f", "12_34", "", "+", "...",
		strings.Repeat("longname", 20), strings.Repeat("1", 60), strings.Repeat("1", 48) + "a",
	} {
		got := user(k, was)
		if len(got) != len(was) {
			t.Errorf("%q: %q has another length", was, got)
		}
		if IsNumber([]byte(was)) != IsNumber([]byte(got)) {
			t.Errorf("%q: %q is of another kind", was, got)
		}
		for i := range len(was) {
			if !alphanumeric(was[i]) && got[i] != was[i] || alphanumeric(was[i]) && !alphanumeric(got[i]) {
				t.Errorf("%q: %q differs at %d", was, got, i)
			}
		}
		if len(was) > 2 && got == was && was != "..." {
			t.Errorf("%q stays", was)
		}
		if again := undo(k, got); again != was {
			t.Errorf("%q: %q undone is %q", was, got, again)
		}
	}
	if a, b := user(k, "Alice"), user(k, "aLICE"); a != b {
		t.Errorf("letter case matters: %s, %s", a, b)
	}
}

// Every number of three digits becomes another one of three, and every name of two
// letters a name.
func TestOneToOne(t *testing.T) {
	k := testKey(t)
	seen := make(map[string]bool)
	for i := range 1000 {
		seen[user(k, fmt.Sprintf("%03d", i))] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 numbers have %d pseudonyms", len(seen))
	}
	clear(seen)
	for a := range 36 {
		for b := range 36 {
			if was := string([]byte{alphabet[a], alphabet[b]}); a > 9 || b > 9 {
				got := user(k, was)
				seen[got] = true
				if !numeralsOf(got).letter() {
					t.Errorf("%s became the number %s", was, got)
				}
			}
		}
	}
	if len(seen) != 36*36-100 {
		t.Errorf("%d names have %d pseudonyms", 36*36-100, len(seen))
	}
}

func TestEscapes(t *testing.T) {
	k := testKey(t)
	b := []byte("J%C3%BCrgen%2Bx%41")
	plain := user(k, "Jrgenx")
	k.User(b)
	if want := plain[:1] + "%78%78" + plain[1:5] + "%2B" + plain[5:] + "%78"; string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
}

func TestSecrets(t *testing.T) {
	if _, err := New("fifteen octets."); err == nil {
		t.Error("a short secret was taken")
	}
	a, err := New("one secret of the site")
	if err != nil {
		t.Fatal(err)
	}
	b, err := New("one secret of the site")
	if err != nil {
		t.Fatal(err)
	}
	if one, two := user(a, "4930123456"), user(b, "4930123456"); one != two {
		t.Errorf("one secret, two pseudonyms: %s, %s", one, two)
	}
	if one, two := user(a, "4930123456"), user(testKey(t), "4930123456"); one == two {
		t.Error("two secrets, one pseudonym")
	}
}

// Known replaces what was replaced lately, and nothing else; what is in use is
// never forgotten, and memory is bounded.
func TestKnown(t *testing.T) {
	k := testKey(t)
	known := func(s string) (string, bool) {
		b := []byte(s)
		ok := k.Known(b)
		return string(b), ok
	}
	if got, ok := known("alice"); ok || got != "alice" {
		t.Errorf("alice is known before: %s", got)
	}
	want := user(k, "alice")
	for i := range 5 * remembered {
		user(k, fmt.Sprint("user", i))
		if i%100 == 0 {
			user(k, "Alice")
		}
	}
	if got, ok := known("alice"); !ok || got != want {
		t.Errorf("alice: %s, %v, want %s", got, ok, want)
	}
	if _, ok := known("user0"); ok {
		t.Error("user0 is still known")
	}
	if n := len(k.memory.young) + len(k.memory.old); n > 2*remembered {
		t.Errorf("%d are remembered, want %d at most", n, 2*remembered)
	}
	word := []byte("alice")
	if n := testing.AllocsPerRun(100, func() { copy(word, "alice"); k.Known(word); k.User(word) }); n != 0 {
		t.Errorf("%v allocations for a known name", n)
	}
}

func FuzzUser(f *testing.F) {
	for _, s := range []string{"+49301234567", "alice", "J%C3%BCrgen", "%", "%4", "%zz", "a%41", "12_34", strings.Repeat("9a", 200)} {
		f.Add(s)
	}
	k := testKey(f)
	f.Fuzz(func(t *testing.T, s string) {
		got := user(k, s)
		if len(got) != len(s) {
			t.Fatalf("%q: %q has another length", s, got)
		}
		if again := user(k, s); again != got {
			t.Fatalf("%q: %q, then %q", s, got, again)
		}
		if IsNumber([]byte(s)) != IsNumber([]byte(got)) {
			t.Fatalf("%q: %q is of another kind", s, got)
		}
		if !strings.Contains(s, "%") {
			if was := undo(k, got); was != lower(s) {
				t.Fatalf("%q: %q undone is %q", s, got, was)
			}
		}
	})
}

// lower is strings.ToLower for ASCII alone.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func BenchmarkUser(b *testing.B) {
	k := testKey(b)
	text := []byte("+49301234567")
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			k.memory = newMemory()
			k.User(text)
		}
	})
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			copy(text, "+49301234567")
			k.User(text)
		}
	})
}
