package rest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func tokens(target, body string) (out []string) {
	var t Tokens
	TokensOf(&t, []byte(target), []byte(body))
	for i := range t.Len() {
		out = append(out, string(t.At(i)))
	}
	return out
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		target, body string
		want         []string
	}{
		{"/route/4930123456", "", []string{"4930123456", "route"}},
		{"http://gw1.example.com:8080/route?to=%2B4930123456&x=12", "", []string{"+4930123456", "route"}},
		{"/route?to=+4930123456", "", []string{"+4930123456", "route"}},
		{"/cnam", `{"number":"\u002b4930123456","id" : "a84b4c76e66710@pc33.atlanta.com"}`,
			[]string{"+4930123456", "a84b4c76e66710@pc33.atlanta.com", "a84b4c76e66710", "cnam"}},
		{"/u", `{"from":"sip:alice@atlanta.com"}`, []string{"alice@atlanta.com", "alice", "sip"}},
		{"/u", `{"uri":"sip:+4930123456@example.com;user=phone"}`, []string{"+4930123456@example.com", "+4930123456", "sip", "phone"}},
		{"/u", "caller=1001&callee=1002", []string{"1001", "1002"}},
		{"/u", `{"s":"{\"num\":\"10015\"}"}`, []string{"10015"}},
		{"/u", "<to>4930123456</to>", []string{"4930123456"}},
		{"/u", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", []string{"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}},
		{"/u", `{"pin":"***","n":12}`, nil},
		{"", "", nil},
	} {
		if got := tokens(c.target, c.body); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.target, c.body, got, c.want)
		}
	}
	// Numbers are not crowded out by words.
	words := strings.Repeat("alpha beta gamma delta ", 10)
	for i := range 100 {
		words += string(rune('a'+i%26)) + "word" + strings.Repeat("x", i) + " "
	}
	got := tokens("/", words+" 4930123456")
	if len(got) != MaxTokens || got[0] != "4930123456" {
		t.Errorf("%d tokens, the first is %s", len(got), got[0])
	}
}

func TestTokensAllocs(t *testing.T) {
	var tk Tokens
	target, body := []byte("/route?to=%2B4930123456"), []byte(`{"from":"sip:alice@atlanta.com","n":[1001,1002]}`)
	if n := testing.AllocsPerRun(100, func() { TokensOf(&tk, target, body) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTokens holds the bounds, that each token is new, and that a number planted
// between delimiters is found when there is room.
func FuzzTokens(f *testing.F) {
	f.Add([]byte("/a?b=%2B49301234"), []byte(`{"a":"b\u0041\"c"}`))
	f.Add([]byte("http://h"), []byte(strings.Repeat("a@b ", 200)))
	f.Add([]byte(`/\u00`), []byte("%2"))
	f.Fuzz(func(t *testing.T, target, body []byte) {
		var tk Tokens
		TokensOf(&tk, target, body)
		if tk.Len() > MaxTokens || tk.used > maxTokenText {
			t.Fatalf("%d tokens, %d octets", tk.Len(), tk.used)
		}
		for i := range tk.Len() {
			a := tk.At(i)
			if len(a) < minToken || len(a) > maxToken {
				t.Fatalf("a token of %d octets", len(a))
			}
			for j := range i {
				if bytes.Equal(a, tk.At(j)) {
					t.Fatalf("%q twice", a)
				}
			}
			for _, c := range a {
				if !isTokenOctet(c) {
					t.Fatalf("%q", a)
				}
			}
		}
		for _, planted := range []string{" 493012345678 ", `"493012345678",`, "&n=493012345678&"} {
			TokensOf(&tk, []byte("/"), append([]byte(planted), body...))
			if tk.Len() == 0 || string(tk.At(0)) != "493012345678" {
				t.Fatalf("%q before %q is not found", planted, body)
			}
		}
	})
}
