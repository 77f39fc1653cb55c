package ng_test

import (
	"path/filepath"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/ng"
	"heptap/capture/pcapfile"
)

// TestNothingElseIsNG asks about every payload of all captures, none of which
// has either protocol in it.
func TestNothingElseIsNG(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	seen := 0
	for _, name := range files {
		r, err := pcapfile.Open(filepath.Join(dir, name))
		if err != nil {
			continue // a damaged file
		}
		frames := make([]capture.Frame, 64)
		var p capture.Packet
		for n := 0; err == nil; n, err = r.Read(frames) {
			for i := range frames[:n] {
				if decode.Decode(&frames[i], &p) != capture.DropNone || len(p.Payload) == 0 {
					continue
				}
				seen++
				if ng.Is(p.Payload) || ng.IsRTPProxy(p.Payload) {
					t.Errorf("%s, port %d: %.60q", name, p.DstPort, p.Payload)
				}
			}
		}
		r.Close()
	}
	if seen < 10000 {
		t.Errorf("only %d payloads", seen)
	}
}
