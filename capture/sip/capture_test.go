package sip_test

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture/sip"
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

// plain matches tshark's protocol stack of SIP over UDP outside tunnels.
var plain = regexp.MustCompile(`^(eth:ethertype|sll:ethertype|raw|ip|null):?(ip|ipv6|ipv6:ipv6\.fraghdr)?:udp:sip$`)

// explained lists the files where heptap finds another number of messages than
// tshark, and rightly so.
var explained = map[string]struct {
	messages int
	why      string
}{
	"aboutsip+pkts/fragmented_udp_sip.pcap": {6, "a first fragment whose second is not in the file"},
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap":   {51, "tshark takes a CR without LF for the end of the start line"},
	"snort3+snort3_demo/gtpingtp.pcap":      {1, "SIP from GTP-U's port, which tshark reads as GTP"},
}

// truth is what tshark found in a capture file.
type truth struct {
	File    string         `json:"file"`
	Stacks  map[string]int `json:"sip_stacks"`
	Methods map[string]int `json:"sip_methods"`
	Status  map[string]int `json:"sip_status"`
	CallIDs map[string]int `json:"call_ids"`
}

// TestCaptures compares the SIP messages found in captured UDP datagrams with
// those that tshark found: their number everywhere; methods, status codes and
// Call-IDs where all SIP in the file is over UDP.
func TestCaptures(t *testing.T) {
	dir := shared(t)
	names, err := filepath.Glob(filepath.Join(dir, "truth", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatal("no truth", err)
	}
	for _, name := range names {
		var want truth
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(name, err)
		}
		if want.File == "aboutsip+pkts/cool.pcap" {
			continue // its file header is damaged
		}
		t.Run(want.File, func(t *testing.T) { compare(t, filepath.Join(dir, want.File), &want) })
	}
}

func compare(t *testing.T, name string, want *truth) {
	got := truth{Methods: map[string]int{}, Status: map[string]int{}, CallIDs: map[string]int{}}
	messages := 0
	datagrams(t, name, func(b []byte) {
		var v sip.View
		err := v.Parse(b)
		if sip.Sniff(b) != (err != sip.ErrStartLine) {
			t.Errorf("Sniff %v, Parse: %v", sip.Sniff(b), err)
		}
		if !sip.Sniff(b) {
			return
		}
		messages++
		if err != nil {
			t.Logf("%v: %.60q", err, b)
			return
		}
		if v.IsRequest {
			got.Methods[string(v.Method)]++
		} else {
			got.Status[strconv.Itoa(v.Status)]++
		}
		if v.CallID != nil {
			got.CallIDs[string(v.CallID)]++
		}
	})
	udp, all := 0, 0
	for stack, n := range want.Stacks {
		all += n
		if plain.MatchString(stack) {
			udp += n
		}
	}
	if e, ok := explained[want.File]; ok {
		if messages != e.messages || messages == udp {
			t.Errorf("%d messages, tshark %d, expected %d: %s", messages, udp, e.messages, e.why)
		}
		return
	}
	if messages != udp {
		t.Errorf("%d messages, tshark %d", messages, udp)
	}
	if udp != all || udp == 0 {
		return
	}
	if !maps.Equal(got.Methods, want.Methods) {
		t.Errorf("methods %v, tshark %v", got.Methods, want.Methods)
	}
	if !maps.Equal(got.Status, want.Status) {
		t.Errorf("status %v, tshark %v", got.Status, want.Status)
	}
	if !maps.Equal(got.CallIDs, want.CallIDs) {
		t.Errorf("Call-IDs %v,\ntshark %v", got.CallIDs, want.CallIDs)
	}
}

// sipI returns the SIP message that the first two SCTP packets of a capture
// hold, a fragment each.
func sipI(name string) (message []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	for range 2 {
		var data []byte
		if err == nil {
			data, _, err = r.ReadPacketData()
		}
		if err != nil {
			return nil, err
		}
		if l := gopacket.NewPacket(data, r.LinkType(), gopacket.Default).Layer(layers.LayerTypeSCTPData); l != nil {
			message = append(message, l.LayerPayload()...)
		}
	}
	return message, nil
}
