package bundle

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// KeyID tells a public key.
type KeyID [8]byte

// String returns its hexadecimal digits.
func (id KeyID) String() string { return fmt.Sprintf("%x", id[:]) }

// IDOf returns what tells key.
func IDOf(key ed25519.PublicKey) (id KeyID) {
	sum := sha256.Sum256(key)
	copy(id[:], sum[:])
	return id
}

const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
)

// NewKey makes a key and returns it as PEM.
func NewKey() (private []byte, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: der}), nil
}

// ParsePrivate reads a private key from PEM.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateType {
		return nil, errors.New("no PRIVATE KEY in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	k, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return k, nil
}

// PublicOf returns the public half of a private key.
func PublicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}

// FormatPublic returns a public key as PEM.
func FormatPublic(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), nil
}

// ParsePublic reads public keys, as many as there are, from PEM. Text around them
// is passed over. That one of them is no Ed25519 key is an error: nobody shall
// believe it is trusted.
func ParsePublic(text []byte) (keys []ed25519.PublicKey, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != publicType {
			return nil, fmt.Errorf("%q in PEM: want %s", block.Type, publicType)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		k, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, errors.New("a public key that is not Ed25519")
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// ReadPublic reads the public keys in a file, see ParsePublic.
func ReadPublic(file string) ([]ed25519.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	keys, err := ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return keys, nil
}
