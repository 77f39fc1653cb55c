package hep_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/hep"
)

// TestCaptures parses what others send: Kamailio's siptrace, and the agents in
// the capture that belongs to sipcapture's Wireshark plugin. The captures lie
// beside the repository and are not part of it; CI must have them.
func TestCaptures(t *testing.T) {
	tests := []struct {
		file  string
		types map[uint8]int
	}{
		{"made-here/udp-call-rtp-hep.pcap", map[uint8]int{hep.TypeSIP: 18}},
		{"sipcapture+hep-wireshark/hep.pcap", map[uint8]int{hep.TypeSIP: 6, hep.TypeRTCP: 1, hep.TypeLog: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("..", "..", "shared", "captures", filepath.FromSlash(tt.file))
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
				t.Skip("no shared captures here")
			} else if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			types := map[uint8]int{}
			for _, datagram := range hepDatagrams(t, f) {
				v, err := hep.Parse(datagram)
				if err != nil {
					t.Fatalf("%v in %x", err, datagram)
				}
				types[v.Type()]++
				if !v.Src().IsValid() || !v.Dst().IsValid() || v.Wall() == 0 || len(v.Payload()) == 0 {
					t.Errorf("got %+v", v.Packet())
				}
				checkCanonical(t, v.Packet(), mustAppend(t, v.Packet()))
			}
			if !maps.Equal(types, tt.types) {
				t.Errorf("got %v, want %v", types, tt.types)
			}
		})
	}
}

// hepDatagrams returns the UDP payloads of a pcap that begin as HEP3.
func hepDatagrams(t *testing.T, f io.Reader) (out [][]byte) {
	t.Helper()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		packet := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
		if udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && bytes.HasPrefix(udp.Payload, []byte("HEP3")) {
			out = append(out, udp.Payload)
		}
	}
}
