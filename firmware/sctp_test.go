package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"heptap/capture/capturetest"
)

// TestAssociation replays SIP over SCTP: each message names its association, and the
// association's end says what tshark counts: chunks of data, and the octets in them.
func TestAssociation(t *testing.T) {
	dir := capturetest.Captures(t)
	got := replayPaths(t, false, filepath.Join(dir, "made-here/sip-sctp-fragmented.pcap"))
	var ids [][]byte
	var last map[string]any
	for _, v := range got.other {
		if v.Type() == 89 {
			ids = append(ids, v.Correlation())
			last = nil
			if err := json.Unmarshal(v.Payload(), &last); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(ids) != 2 || !bytes.Equal(ids[0], ids[1]) {
		t.Fatalf("records of %q", ids)
	}
	for _, v := range got.sip {
		if want := `{"net":"` + string(ids[0]) + `"}`; string(v.Extra()) != want {
			t.Errorf("chunk 101 is %s, want %s", v.Extra(), want)
		}
	}
	for k, want := range map[string]any{"Message": "Shut down by the client", "calls_total": 7., "chunks_client": 49., "chunks_server": 49.,
		"octets_client": 8777., "octets_server": 7345.} {
		if last[k] != want {
			t.Errorf("%s: %v, want %v", k, last[k], want)
		}
	}
}
