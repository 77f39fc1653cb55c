package conversation_test

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/conversation"
)

// endsEmpty is a conversation in which WebSocket messages end with an empty
// frame (RFC 6455 5.4 allows it), which tshark 4.0 gives up on.
const endsEmpty = 6004

// TestTshark has tshark read conversations of every kind and find the messages
// in them. What tshark 4.0 does not read is left out: a blank before the colon
// (RFC 3261 7.3.1), connections picked up in the middle, overlaps.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var frames []capture.Frame
	want := map[string]int{}
	for row, c := range []struct {
		transport conversation.Transport
		changes   []conversation.Change
	}{
		{conversation.UDP, nil},
		{conversation.UDP, []conversation.Change{conversation.KeepAlives(), conversation.Fragment(100)}},
		{conversation.TCP, nil},
		{conversation.TCP, []conversation.Change{conversation.KeepAlives(), conversation.SeqWrap()}},
		{conversation.TCP, []conversation.Change{conversation.Fragment(100), conversation.Pad()}},
		{conversation.WebSocket, nil},
		{conversation.WebSocket, []conversation.Change{conversation.WebFragments(), conversation.WebControl()}},
		{conversation.WebSocket, []conversation.Change{conversation.Deflate(true), conversation.WebControl()}},
		{conversation.WebSocket, []conversation.Change{conversation.Deflate(false), conversation.SeqWrap()}},
		{conversation.SCTP, nil},
		{conversation.SCTP, []conversation.Change{conversation.Cut(), conversation.KeepAlives(), conversation.SeqWrap(), conversation.Fragment(50)}},
		{conversation.UDP, []conversation.Change{conversation.Fragment(50), conversation.Through(capturetest.KindVXLAN), conversation.Fragment(50)}},
		{conversation.TCP, []conversation.Change{conversation.Through(capturetest.KindGRE), conversation.Through(capturetest.KindGeneve)}},
		{conversation.WebSocket, []conversation.Change{conversation.Through(capturetest.KindGTP), conversation.Through(capturetest.KindQinQ)}},
		{conversation.SCTP, []conversation.Change{conversation.Through(capturetest.KindERSPAN3), conversation.Through(capturetest.KindMPLS)}},
	} {
		for seed := range uint64(9) {
			seed += 1000 * uint64(row)
			r := conversation.New(seed, c.transport).Render(seed, c.changes...)
			if blankBeforeColon(r.Conversation) || seed == endsEmpty {
				continue
			}
			frames = append(frames, r.Frames...)
			for _, m := range r.Conversation.Messages {
				want[m.CallID]++
			}
		}
	}
	got := tsharkSIP(t, frames)
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("%s: tshark finds %d messages, want %d", k, got[k], want[k])
		}
	}
	for k := range got {
		if want[k] == 0 {
			t.Errorf("%s: tshark finds %d messages, want none", k, got[k])
		}
	}
}

func blankBeforeColon(c *conversation.Conversation) bool {
	return slices.ContainsFunc(c.Messages, func(m conversation.Message) bool {
		return bytes.Contains(m.Text, []byte("CSeq :"))
	})
}

// tsharkSIP counts messages by Call-ID.
func tsharkSIP(t *testing.T, frames []capture.Frame) map[string]int {
	t.Helper()
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", file, "-Y", "sip", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=;",
		"-o", "tcp.reassemble_out_of_order:TRUE", "-o", "ip.defragment:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-d", "tcp.port==5062,http", "-d", "tcp.port==10080,http",
		"-e", "sip.Call-ID"}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(string(out)) {
		for id := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), ";") {
			found[id]++
		}
	}
	return found
}
