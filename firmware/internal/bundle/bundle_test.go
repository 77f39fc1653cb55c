package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// key is the one of that seed.
func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func trust(keys ...ed25519.PrivateKey) (out []ed25519.PublicKey) {
	for _, k := range keys {
		out = append(out, PublicOf(k))
	}
	return out
}

var header = Header{Board: "x86-64-uefi", Version: "v1.2.3-4-gabcdef", Built: 1790000000, Data: 1}

// sign returns the update that brings system.
func sign(t testing.TB, system string, keys ...ed25519.PrivateKey) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Sign(&b, header, strings.NewReader(system), keys...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads an update to its end.
func read(file []byte, keys ...ed25519.PrivateKey) (Header, string, error) {
	r, err := NewReader(bytes.NewReader(file), trust(keys...))
	if err != nil {
		return Header{}, "", err
	}
	system, err := io.ReadAll(r)
	return r.Header, string(system), err
}

// The file, octet by octet: an update that is out there must be read by every later
// release.
func TestFormat(t *testing.T) {
	file := sign(t, "abc", key(1))
	text := "board x86-64-uefi\nversion v1.2.3-4-gabcdef\nbuilt 1790000000\ndata 1\nsize 3\n" +
		"sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n" // FIPS 180-4, "abc"
	// RFC 8032's function of the seed 0101..01 is this public key.
	public, err := hex.DecodeString("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(public)
	front := "heptap update 1\n\x00\x92" + text
	want := front + "\x01" + string(id[:8]) + string(ed25519.Sign(key(1), []byte(front))) + "abc"
	if len(text) != 0x92 || string(file) != want {
		t.Errorf("header of %#x octets, file\n%q, want\n%q", len(text), file, want)
	}
	h, system, err := read(file, key(1))
	if err != nil || system != "abc" || h.Version != header.Version || h.Board != header.Board || h.Built != 1790000000 || h.Size != 3 || h.Data != 1 {
		t.Errorf("%+v, %q, %v", h, system, err)
	}
}

func TestKeys(t *testing.T) {
	old, next, stranger := key(1), key(2), key(3)
	for _, c := range []struct {
		name    string
		signed  []ed25519.PrivateKey
		trusted []ed25519.PrivateKey
		want    error
	}{
		{"the one key", []ed25519.PrivateKey{old}, []ed25519.PrivateKey{old}, nil},
		{"one of several trusted", []ed25519.PrivateKey{next}, []ed25519.PrivateKey{old, next}, nil},
		{"one of several signers", []ed25519.PrivateKey{stranger, next}, []ed25519.PrivateKey{next}, nil},
		{"a stranger", []ed25519.PrivateKey{stranger}, []ed25519.PrivateKey{old, next}, ErrUntrusted},
		{"the old key, no longer trusted", []ed25519.PrivateKey{old}, []ed25519.PrivateKey{next}, ErrUntrusted},
		{"nobody is trusted", []ed25519.PrivateKey{old}, nil, ErrUntrusted},
	} {
		if _, _, err := read(sign(t, "system", c.signed...), c.trusted...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Sign(io.Discard, header, strings.NewReader("x")); err == nil {
		t.Error("signed by nobody")
	}
}

// A signature does not hold for another key's name, nor for another header.
func TestForged(t *testing.T) {
	file := sign(t, "system", key(3))
	at := len(magic) + 2 + int(file[len(magic)])<<8 + int(file[len(magic)+1]) + 1
	id := IDOf(PublicOf(key(1)))
	copy(file[at:], id[:])
	if _, _, err := read(file, key(1)); !errors.Is(err, ErrUntrusted) {
		t.Errorf("another's name: %v", err)
	}
	file = sign(t, "system", key(1))
	file = bytes.Replace(file, []byte("x86-64-uefi"), []byte("x86-64-uefj"), 1)
	if _, _, err := read(file, key(1)); !errors.Is(err, ErrUntrusted) {
		t.Errorf("another board: %v", err)
	}
}

// Every octet counts, and so does each that is missing.
func TestDamaged(t *testing.T) {
	file := sign(t, "system", key(1))
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 0x20
		if _, _, err := read(bad, key(1)); err == nil {
			t.Errorf("octet %d of %d may be another one", i, len(file))
		}
		if _, _, err := read(file[:i], key(1)); err == nil {
			t.Errorf("the first %d of %d octets are enough", i, len(file))
		}
	}
	if _, _, err := read(append(bytes.Clone(file), 'x'), key(1)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("something follows: %v", err)
	}
	r, err := NewReader(iotest.OneByteReader(bytes.NewReader(file)), trust(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || string(b) != "system" {
		t.Errorf("octet by octet: %q, %v", b, err)
	}
	if _, err := io.ReadAll(iotest.ErrReader(io.ErrClosedPipe)); err == nil {
		t.Error("no error")
	}
	r, err = NewReader(io.MultiReader(bytes.NewReader(file[:len(file)-1]), iotest.ErrReader(io.ErrClosedPipe)), trust(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.ReadAll(r); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the error of what it reads from: %v", err)
		}
	}
}

func TestHeader(t *testing.T) {
	good := "board b\nversion v\nbuilt 1\ndata 1\nsize 1\nsha256 " + strings.Repeat("0", 64) + "\n"
	if _, err := parseHeader([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"board b", "board "}, {"board b", "board ../b"}, {"board b", "board .b"}, {"board b", "board b b"}, {"board b", "bored b"},
		{"board b", "board " + strings.Repeat("b", 49)}, {"version v", "version v+1"}, {"version v", "version \x1b[2J"}, {"built 1", "built -1"},
		{"built 1", "built 01"}, {"built 1", "built +1"}, {"built 1", "built 99999999999999999999"}, {"data 1", "data 0"}, {"data 1", "data 10000"},
		{"size 1", "size 0"}, {"size 1", "size 201326593"}, {"size 1", "size x"}, {"sha256 00", "sha256 0"}, {"sha256 00", "sha256 0G"},
		{"sha256 00", "sha256 0000"}, {"data 1\n", ""}, {"data 1\n", "data 1\ndata 1\n"}, {"size 1\n", "size 1"}, {"size 1", "size 1\r"},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		if _, err := parseHeader([]byte(text)); !errors.Is(err, ErrHeader) {
			t.Errorf("%q for %q: %v", c[1], c[0], err)
		}
	}
	if _, err := parseHeader([]byte(strings.Replace(good, "sha256 0", "sha256 A", 1))); err == nil {
		t.Error("upper case")
	}
	if _, err := Sign(io.Discard, Header{Board: "b"}, strings.NewReader("x"), key(1)); !errors.Is(err, ErrHeader) {
		t.Errorf("signed a bad header: %v", err)
	}
}

func TestPEM(t *testing.T) {
	text, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := ParsePrivate(text)
	if err != nil {
		t.Fatal(err)
	}
	one, err := FormatPublic(PublicOf(private))
	if err != nil {
		t.Fatal(err)
	}
	// openssl pkey -pubout of another key.
	two := "the next key\n-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	all, err := ParsePublic(append(one, two...))
	if err != nil || len(all) != 2 || !all[0].Equal(PublicOf(private)) {
		t.Errorf("%x, %v", all, err)
	}
	if _, err := ParsePublic(text); err == nil {
		t.Error("a private key among the public ones")
	}
	if _, err := ParsePrivate(one); err == nil {
		t.Error("a public key for a private one")
	}
	if _, err := ParsePublic([]byte(strings.Replace(two, "MCow", "MCox", 1))); err == nil {
		t.Error("a key of no kind")
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b Release
		want int
	}{
		{Release{"v1.2.3", 9}, Release{"v1.2.4", 1}, -1}, // a version is more than a date
		{Release{"v1.10.0", 1}, Release{"1.9.9", 9}, 1},
		{Release{"v1.2.3-rc1", 9}, Release{"v1.2.3", 1}, -1},
		{Release{"v1.2.3", 9}, Release{"v1.2.3-4-gabcdef", 1}, -1},
		{Release{"v1.2.3-10-gabcdef", 1}, Release{"v1.2.3-9-gabcdef-dirty", 2}, 1},
		{Release{"v1.2.3", 2}, Release{"v1.2.3-dirty", 2}, 0},
		{Release{"78ceb4a", 2}, Release{"c66f66c", 1}, 1},
		{Release{"v1.2", 2}, Release{"v1.2.3", 3}, -1}, // no version
		{Release{"v1.2.99999999999", 2}, Release{"v1.2.3", 3}, -1},
	} {
		if got := Compare(c.a, c.b); got != c.want {
			t.Errorf("%v, %v: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Compare(c.b, c.a); got != -c.want {
			t.Errorf("%v, %v: %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}
