package sipp

import (
	"slices"
	"testing"
)

func TestReceived(t *testing.T) {
	const log = "--- 2026-11-26 00:32:57.6\nTCP message received [8] bytes :\n\nfirst\n\n\n\n--- 2026\nTCP message sent (3 bytes):\n\nnot\n" +
		"--- 2026\nTCP message received [6] bytes :\n\nsecond"
	got, err := received([]byte(log))
	if want := []string{"first\n\n\n", "second"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := received([]byte(log[:len(log)-1])); err == nil {
		t.Errorf("%q of a log that is cut", got)
	}
}
