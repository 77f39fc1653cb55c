package pseudonym

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// MinSecret is how many octets a secret has at least.
const MinSecret = 16

// ErrSecret says that a secret is too short.
var ErrSecret = errors.New("pseudonym: the secret is too short")

// core is how many digits of a number are replaced, the last ones.
const core = 7

// Key replaces numbers and names. It allocates with each text that it has not
// replaced lately, and holds at most 2*remembered of these. It is not for
// concurrent use.
type Key struct {
	number, name ff1
	text, was    numerals // letters and digits of the text at hand
	memory       memory
}

// New makes a Key of a secret, which is text that people type and is stretched
// (PBKDF2 with SHA-256, RFC 8018 5.2): this takes some tenths of a second on a
// small machine. The same secret is the same key everywhere. A secret of fewer
// than MinSecret octets is ErrSecret.
func New(secret string) (*Key, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%w: %d octets, want %d", ErrSecret, len(secret), MinSecret)
	}
	raw, err := pbkdf2.Key(sha256.New, secret, []byte("heptap pseudonyms 1"), 200_000, 32)
	if err != nil {
		return nil, fmt.Errorf("pseudonym: %w", err)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("pseudonym: %w", err)
	}
	return &Key{
		number: ff1{block: block, radix: 10, tweak: []byte("number")},
		name:   ff1{block: block, radix: 36, tweak: []byte("name")},
		memory: newMemory(),
	}, nil
}

// User replaces the number or name in b, the user part of a URI without its
// password and parameters, and remembers it: see Known.
func (k *Key) User(b []byte) {
	k.read(b)
	k.was = append(k.was[:0], k.text...)
	if to, ok := k.memory.get(k.text); ok {
		k.text = append(k.text[:0], to...)
	} else {
		k.replace((*ff1).encrypt)
	}
	write(b, k.text)
	k.memory.put(k.was, k.text)
}

// Known replaces b, a word of a text, if User has replaced the same lately, and
// reports whether it did. It does not allocate.
func (k *Key) Known(b []byte) bool {
	k.read(b)
	to, ok := k.memory.get(k.text)
	if ok {
		write(b, to)
	}
	return ok
}

// Undo makes of a pseudonym in b what it stands for, letters in lower case.
func (k *Key) Undo(b []byte) {
	k.read(b)
	k.replace((*ff1).decrypt)
	write(b, k.text)
}

// replace replaces k.text: of digits alone the last ones, of anything else all.
func (k *Key) replace(with func(*ff1, numerals)) {
	if !k.text.letter() {
		with(&k.number, k.text[max(0, len(k.text)-core):])
		return
	}
	for part := range slices.Chunk(k.text, maxLength) {
		if !part.letter() { // of a long name, digits alone
			with(&k.number, part)
			continue
		}
		// What has no letter is no name: then the next one in the cycle it is,
		// which is another one for every name, too (cycle walking).
		for with(&k.name, part); !part.letter(); {
			with(&k.name, part)
		}
	}
}
