package faults_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"heptap/capture/capturetest"
)

// perCall is how many messages a call has (capturetest.SIPCall).
const perCall = 7

// Every Call-ID is the mark and ten digits, so that a message can be numbered
// by writing over the digits.
const (
	mark   = "Call-ID: n"
	digits = 10
)

// template is a message of call 0.
type template struct {
	frame   []byte // Ethernet; UDP checksum 0, which means none (RFC 768)
	payload int    // where the SIP begins in frame
	number  int    // where the digits begin in frame
}

// templates are calls between several hosts: messages of different calls
// differ in more than their Call-ID.
const variants = 64

func makeTemplates() []template {
	var all []template
	for v := range variants {
		a, b := netip.AddrFrom4([4]byte{10, 1, 0, byte(v + 1)}), netip.AddrFrom4([4]byte{10, 2, 0, byte(v + 1)})
		call := capturetest.SIPCall(capturetest.Call{
			Caller: netip.AddrPortFrom(a, 5060), Callee: netip.AddrPortFrom(b, 5060),
			CallerMedia: netip.AddrPortFrom(a, uint16(10000+2*v)), CalleeMedia: netip.AddrPortFrom(b, uint16(20000+2*v)),
			CallID: mark[len(mark)-1:] + "0000000000@faults.example"})
		for _, d := range call {
			t := template{frame: capturetest.UDP(d.Src, d.Dst, d.Payload)}
			t.payload = len(t.frame) - len(d.Payload)
			t.number = t.payload + bytes.Index(d.Payload, []byte(mark)) + len(mark)
			t.frame[t.payload-2], t.frame[t.payload-1] = 0, 0
			all = append(all, t)
		}
	}
	return all
}

// of returns the template of message n, numbered: valid until the next call.
func of(all []template, n int) *template {
	call := n / perCall
	t := &all[call%variants*perCall+n%perCall]
	b := t.frame[t.number : t.number+digits]
	for i := digits - 1; i >= 0; i-- {
		b[i] = '0' + byte(call%10)
		call /= 10
	}
	return t
}

// numberOf returns the number of the message that a SIP payload is.
func numberOf(sip []byte) (int, error) {
	i := bytes.Index(sip, []byte(mark))
	if i < 0 || len(sip) < i+len(mark)+digits {
		return 0, fmt.Errorf("no message of ours: %.60q", sip)
	}
	call, err := strconv.Atoi(string(sip[i+len(mark) : i+len(mark)+digits]))
	if err != nil {
		return 0, fmt.Errorf("no number: %w", err)
	}
	kinds := []struct{ first, cseq string }{
		{"INVITE ", "1 INVITE"}, {"SIP/2.0 100 ", "1 INVITE"}, {"SIP/2.0 180 ", "1 INVITE"}, {"SIP/2.0 200 ", "1 INVITE"},
		{"ACK ", "1 ACK"}, {"BYE ", "2 BYE"}, {"SIP/2.0 200 ", "2 BYE"},
	}
	for kind, k := range kinds {
		if bytes.HasPrefix(sip, []byte(k.first)) && bytes.Contains(sip, []byte("\r\nCSeq: "+k.cseq+"\r\n")) {
			return call*perCall + kind, nil
		}
	}
	return 0, fmt.Errorf("no message of a call of ours: %.60q", sip)
}

func TestMessagesAreNumbered(t *testing.T) {
	all := makeTemplates()
	seen := map[string]bool{}
	for n := range 3 * variants * perCall {
		m := of(all, n)
		got, err := numberOf(m.frame[m.payload:])
		if err != nil || got != n {
			t.Fatalf("message %d is read as %d, %v", n, got, err)
		}
		seen[string(m.frame)] = true
	}
	if len(seen) != 3*variants*perCall {
		t.Fatalf("%d different messages of %d", len(seen), 3*variants*perCall)
	}
}
