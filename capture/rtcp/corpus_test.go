package rtcp_test

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture/rtcp"
)

// shared returns the directory of captures beside the repository. Without it
// the test is skipped, on CI it fails.
func shared(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "captures")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return dir
}

// datagrams calls fn for the payload of every UDP datagram in a capture file
// that is neither in a tunnel nor a later fragment.
func datagrams(t *testing.T, name string, fn func([]byte)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var r interface {
		ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		LinkType() layers.LinkType
	}
	buffered := bufio.NewReader(in)
	if magic, _ := buffered.Peek(4); string(magic) == "\n\r\r\n" { // a section header block, whatever the name
		r, err = pcapgo.NewNgReader(buffered, pcapgo.DefaultNgReaderOptions)
	} else {
		r, err = pcapgo.NewReader(buffered)
	}
	if err != nil {
		t.Fatal(err)
	}
	var link gopacket.Decoder = r.LinkType()
	if link == layers.LinkTypeIPv4 {
		link = layers.LayerTypeIPv4 // gopacket knows the number only
	}
	for {
		data, _, err := r.ReadPacketData()
		if err != nil {
			return // the end, or a damaged file
		}
		if b := udp(gopacket.NewPacket(data, link, gopacket.Lazy).NetworkLayer()); len(b) >= 8 {
			n := int(binary.BigEndian.Uint16(b[4:]))
			fn(b[8:max(8, min(n, len(b)))])
		}
	}
}

// udp returns the UDP datagram that an IP packet begins, or nil.
func udp(l gopacket.NetworkLayer) []byte {
	switch ip := l.(type) {
	case *layers.IPv4:
		if ip.Protocol == layers.IPProtocolUDP && ip.FragOffset == 0 {
			return ip.Payload
		}
	case *layers.IPv6:
		if ip.NextHeader == layers.IPProtocolUDP {
			return ip.Payload
		}
		if b := ip.Payload; ip.NextHeader == layers.IPProtocolIPv6Fragment && len(b) > 8 && b[2] == 0 && b[3]&0xf8 == 0 {
			return b[8:]
		}
	}
	return nil
}

// TestCaptures compares what is found in captured traffic with what tshark
// found, packet type by packet type.
func TestCaptures(t *testing.T) {
	dir := shared(t)
	truths, err := filepath.Glob(filepath.Join(dir, "truth", "*.json"))
	if err != nil || len(truths) == 0 {
		t.Fatal("no truth", err)
	}
	compared := 0
	for _, name := range truths {
		var truth struct {
			File  string         `json:"file"`
			Types map[string]int `json:"rtcp_types"`
			With  map[string]int `json:"frames_with"`
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(name, err)
		}
		if truth.With["gtp"] > 0 && len(truth.Types) > 0 || truth.File == "aboutsip+pkts/cool.pcap" {
			continue // in a tunnel; its file header is damaged
		}
		got := map[string]int{}
		datagrams(t, filepath.Join(dir, truth.File), func(b []byte) {
			if !rtcp.Valid(b) {
				return
			}
			for w := rtcp.Walk(b); ; {
				p, ok := w.Next()
				if !ok {
					break
				}
				got[strconv.Itoa(int(p.Type))]++
			}
			for part, rest := rtcp.Split(b); len(part) > 0; part, rest = rtcp.Split(rest) {
				if j := rtcp.AppendJSON(nil, part); !json.Valid(j) {
					t.Errorf("%s: no valid JSON: %s", truth.File, j)
				}
			}
		})
		same := len(got) == len(truth.Types)
		for k, n := range truth.Types {
			same = same && got[k] == n
		}
		if same {
			compared += len(truth.Types)
			continue
		}
		t.Errorf("%s: %v, tshark %v", truth.File, got, truth.Types)
	}
	if compared == 0 {
		t.Error("not one RTCP packet compared")
	}
}
