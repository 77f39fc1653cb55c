package sipp

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// TestRecording reads the file with a library that is not ours.
func TestRecording(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := writeRecording(path, 2*time.Second, 0x01020304, 440); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var first time.Time
	for p := range gopacket.NewPacketSource(r, r.LinkType()).Packets() {
		n++
		udp, ok := p.TransportLayer().(*layers.UDP)
		if !ok || p.ErrorLayer() != nil || len(udp.Payload) != 172 {
			t.Fatalf("packet %d: %v", n, p)
		}
		if seq := int(udp.Payload[2])<<8 | int(udp.Payload[3]); seq != n {
			t.Errorf("packet %d has sequence number %d", n, seq)
		}
		at := p.Metadata().Timestamp
		if n == 1 {
			first = at
		}
		if want := time.Duration(n-1) * packetTime; at.Sub(first) != want {
			t.Errorf("packet %d is at %v, want %v", n, at.Sub(first), want)
		}
	}
	if n != 100 {
		t.Errorf("%d packets, want 100", n)
	}
}

// Values of ITU-T G.711 table 1a, even bits inverted.
func TestALaw(t *testing.T) {
	for v, want := range map[int16]byte{0: 0xd5, -1: 0x55, 32767: 0xaa, -32768: 0x2a, 1024: 0xe5, -1025: 0x65, 500: 0xca, -500: 0x4a, 8000: 0x8a} {
		if got := alaw(v); got != want {
			t.Errorf("%d: %#x, want %#x", v, got, want)
		}
	}
}

func TestReadStat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.csv")
	for _, tc := range []struct {
		text string
		want Result
		ok   bool
	}{
		{"A;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\nx;1;0;0;\nx;7;2;3;\n", Result{Successful: 7, Failed: 2, Retransmissions: 3}, true},
		{"A;SuccessfulCall(C);FailedCall(C);\nx;1;0;\n", Result{Successful: 1}, false},
		{"A;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\nx;;0;0;\n", Result{}, false},
		{"", Result{}, false},
	} {
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readStat(path); got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%q: %+v, %v; want %+v", tc.text, got, err, tc.want)
		}
	}
}
