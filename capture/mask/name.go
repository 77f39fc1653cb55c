package mask

import "bytes"

// maxName is the most octets of a name that are looked at: a longer one counts
// as secret.
const maxName = 256

// Secret reports whether name says that its value is a secret. Letter case,
// escapes (percent, JSON, XML), and what joins its words make no difference.
// Names are judged word by word where a word is short: "pin" is secret,
// "shipping" is not.
func Secret(name []byte) bool {
	if len(name) > maxName {
		return true
	}
	var w words
	return w.secret(name)
}

// words is a name taken apart: its words in lower case, and all in one.
type words struct {
	joined [maxName]byte
	ends   [maxWords]int16 // where in joined each word ends
	size   int
	n      int
}

const maxWords = 32

// split takes name apart at everything but letters and digits and, when camel is
// true, where an upper case letter follows a lower case one or a digit.
func (w *words) split(name []byte, camel bool) {
	var plain [maxName]byte
	w.size, w.n = 0, 0
	last := byte(0)
	for _, c := range plain[:unescape(plain[:], name)] {
		upper := c >= 'A' && c <= 'Z'
		small := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		switch {
		case !upper && !small:
			w.end()
		case upper:
			if camel && (last >= 'a' && last <= 'z' || last >= '0' && last <= '9') {
				w.end()
			}
			w.joined[w.size] = c | 0x20
			w.size++
		default:
			w.joined[w.size] = c
			w.size++
		}
		last = c
	}
	w.end()
}

func (w *words) end() {
	if w.n < maxWords && (w.n == 0 && w.size > 0 || w.n > 0 && w.size > int(w.ends[w.n-1])) {
		w.ends[w.n] = int16(w.size)
		w.n++
	}
}

// word returns the i-th word from the end, 0 being the last, nil before the first.
func (w *words) word(i int) []byte {
	i = w.n - 1 - i
	switch {
	case i < 0:
		return nil
	case i == 0:
		return w.joined[:w.ends[0]]
	}
	return w.joined[w.ends[i-1]:w.ends[i]]
}

// secret reports whether name, which is at most maxName long, is a secret's. It
// leaves w with name split where its case does not count.
func (w *words) secret(name []byte) bool {
	w.split(name, false)
	if w.say() {
		return true
	}
	for _, c := range name {
		if c >= 'A' && c <= 'Z' || c == '%' || c == '\\' || c == '&' { // or one that is escaped
			var camel words
			camel.split(name, true)
			return camel.say()
		}
	}
	return false
}

// say reports whether the words say secret.
func (w *words) say() bool {
	all := w.joined[:w.size]
	for _, s := range anywhere {
		if bytes.Contains(all, []byte(s)) {
			return true
		}
	}
	for i := range w.n {
		word := w.word(i)
		bare := bytes.TrimRight(word, "0123456789")
		for _, s := range wordsOfSecrets {
			if string(word) == s || string(bare) == s {
				return true
			}
		}
	}
	switch last := bytes.TrimRight(w.word(0), "0123456789"); string(last) {
	case "auth":
		return true
	case "key", "keys":
		before := w.word(1)
		for _, s := range harmlessKeys {
			if string(before) == s {
				return false
			}
		}
		return true
	}
	return false
}

// anywhere are secret wherever in a name they are, words joined.
var anywhere = []string{
	"password", "passwd", "passphrase", "passcode", "passkey", "pswd", "pwd", "userpass", "dbpass",
	"secret", "token", "credential", "authorization", "authentication", "cookie", "jwt",
	"apikey", "appkey", "authkey", "accesskey", "privatekey", "privkey", "masterkey", "masterkeys", "sessionkey", "sharedkey", "signingkey",
	"encryptionkey", "decryptionkey", "cryptokey", "servicekey", "accountkey", "subscriptionkey", "clientkey", "hashkey", "keymgmt", "presharedkey",
	"pincode", "pinnumber", "userpin", "vmpin", "signature", "jsessionid", "phpsessid", "creditcard", "cardnumber",
}

// wordsOfSecrets are secret as a whole word of a name, digits at its end aside.
var wordsOfSecrets = []string{
	"pass", "pw", "psw", "pin", "otp", "totp", "cvv", "cvc", "psk", "ha1", "ha1b", "nonce", "cnonce", "nextnonce", "sig", "hmac", "rspauth",
}

// harmlessKeys are the words before "key" that make it no secret.
var harmlessKeys = []string{
	"public", "pub", "primary", "foreign", "sort", "cache", "partition", "routing", "row", "socket", "websocket", "translation",
}

// of reports whether the last word is in the list.
func (w *words) of(list []string) bool {
	last := w.word(0)
	for _, s := range list {
		if len(last) > 0 && string(last) == s {
			return true
		}
	}
	return false
}

// forName are names whose value may be the name of another value, forValue
// what that one is called then.
var (
	forName  = []string{"name", "key", "field", "attribute", "attr", "param", "parameter", "property", "variable", "header"}
	forValue = []string{"value", "val", "values", "content", "contents", "data", "string", "text", "raw", "body"}
)

// is reports whether the name, unescaped, is s, which is in lower case.
func is(name []byte, s string) bool {
	if len(name) > maxName {
		return false
	}
	var w words
	w.split(name, false)
	return string(w.joined[:w.size]) == s
}
