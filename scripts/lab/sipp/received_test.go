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

func TestCallIDs(t *testing.T) {
	message := func(first, id, cseq string) string {
		return first + "\r\nCall-ID: " + id + "\r\nCSeq: " + cseq + "\r\n\r\n"
	}
	got, err := callIDs([]string{message("INVITE sip:a SIP/2.0", "b@x", "1 INVITE"), message("ACK sip:a SIP/2.0", "c@x", "1 ACK"),
		message("INVITE sip:a SIP/2.0", "a@x", "1 INVITE"), message("INVITE sip:a SIP/2.0", "b@x", "1 INVITE"), message("SIP/2.0 200 OK", "d@x", "1 INVITE")})
	if want := []string{"b@x", "a@x"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := callIDs([]string{"nothing"}); err == nil {
		t.Errorf("%q of what is no message", got)
	}
}
