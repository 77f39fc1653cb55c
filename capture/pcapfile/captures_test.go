package pcapfile_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
)

// TestCaptures reads every shared capture and counts its packets.
func TestCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	counted := 0
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(name, "/", "__")+".json"))
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("no truth about it")
			}
			if err != nil {
				t.Fatal(err)
			}
			var truth struct{ Packets int }
			if err := json.Unmarshal(text, &truth); err != nil {
				t.Fatal(err)
			}
			r, err := pcapfile.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all, err := readAll(t, r, 64)
			counted++
			if len(all) != truth.Packets {
				t.Errorf("%d packets, %d in truth; %v", len(all), truth.Packets, err)
			}
			damage, damaged := errors.AsType[*pcapfile.DamageError](err)
			if wrong := strings.HasSuffix(name, "cool.pcap"); damaged != wrong || !wrong && !errors.Is(err, io.EOF) {
				t.Errorf("%v", err)
			} else if wrong && damage.Offset != 24 {
				t.Errorf("damage at %d: %v", damage.Offset, err)
			}
		})
	}
	if counted < 100 {
		t.Errorf("%d files counted", counted)
	}
}
