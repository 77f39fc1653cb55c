package dissect_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/pcapfile"
)

// datagramSIP matches the protocol stacks of tshark that are SIP in UDP, in
// whatever tunnels.
var datagramSIP = regexp.MustCompile(`:udp:sip$`)

// differences is how many SIP datagrams more than tshark we find, and why.
var differences = map[string]int{
	"made-here/sip-ws.pcap":               -4, // fragments, which tshark reassembles
	"made-here/sip-wss-tls12.pcap":        -6, // the same
	"open5gs+open5gs/volte.pcapng":        -7, // the same, some of them in GTP
	"irontec+sngrep/ipv6frag.pcap":        -2, // the same
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap": -3, // frames 253, 603: UDP longer than IP; 247: a start line without end
	"snort3+snort3_demo/gtpingtp.pcap":    +1, // SIP on GTP's port, where tshark sees malformed GTPv2
}

// TestCaptures counts SIP datagrams of the shared captures against tshark.
func TestCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	total := 0
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(name, "/", "__")+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var truth struct {
			Stacks map[string]int `json:"sip_stacks"`
		}
		if err == nil {
			err = json.Unmarshal(text, &truth)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := differences[name]
		for stack, n := range truth.Stacks {
			if datagramSIP.MatchString(stack) {
				want += n
			}
		}
		counts := count(t, filepath.Join(dir, name))
		total += counts[capture.SIP]
		if counts[capture.SIP] != want {
			t.Errorf("%s: %d SIP datagrams, want %d; %v", name, counts[capture.SIP], want, counts)
		}
	}
	if total < 500 {
		t.Errorf("only %d SIP datagrams", total)
	}
}

// count reads a capture file and counts its whole datagrams by protocol.
func count(t *testing.T, path string) (counts [capture.NumProtocols]int) {
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	frames := make([]capture.Frame, 64)
	var p capture.Packet
	for n := 0; err == nil; n, err = r.Read(frames) {
		for i := range frames[:n] {
			if decode.Decode(&frames[i], &p) == capture.DropNone && p.Protocol == capture.ProtoUDP && !p.Fragment.Valid {
				counts[dissect.Datagram(&p, 0)]++
			}
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return counts
}
