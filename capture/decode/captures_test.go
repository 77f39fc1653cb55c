package decode_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/pcapfile"
)

// transports are the packets of a capture by what they are.
type transports struct{ udp, tcp, sctp int }

var (
	// below matches what tshark has inside of an ICMP error, and behind the first
	// chunk of an SCTP packet.
	below = regexp.MustCompile(`:(icmp|icmpv6|sctp):`)
	// opened matches tunnels over UDP at the point where they are opened.
	opened = regexp.MustCompile(`:udp:(vxlan|geneve|gtp|tzsp|teredo|l2tp|hperm)(:ppp)?:(eth|ip|ipv6)$`)
)

// tsharkTransports counts tshark's innermost packets.
func tsharkTransports(protocols map[string]int) (n transports) {
	for stack, count := range protocols {
		switch {
		case below.MatchString(stack):
		case strings.HasSuffix(stack, ":udp"):
			n.udp += count
		case strings.HasSuffix(stack, ":tcp"):
			n.tcp += count
		case strings.HasSuffix(stack, ":sctp"):
			n.sctp += count
		case opened.MatchString(stack):
			n.udp -= count
		}
	}
	return n
}

// differences is what we find more than tshark, and why.
var differences = map[string]transports{
	"arkime+arkime/arkime_synthetic.pcap": {udp: -1},  // UDP longer than IP
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap": {udp: -14}, // 25 as above, 11 last fragments of datagrams that are not whole
	"open5gs+open5gs/volte.pcapng":        {udp: 4},   // last fragments with GTP in them, in which tshark finds fragments
}

// TestCaptures decodes every frame of the shared captures and counts against
// tshark.
func TestCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	total := 0
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(name, "/", "__")+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var truth struct {
			Protocols map[string]int
		}
		if err == nil {
			err = json.Unmarshal(text, &truth)
		}
		if err != nil {
			t.Fatal(err)
		}
		want, more := tsharkTransports(truth.Protocols), differences[name]
		want.udp, want.tcp, want.sctp = want.udp+more.udp, want.tcp+more.tcp, want.sctp+more.sctp
		got, frames, drops := countTransports(t, filepath.Join(dir, name))
		total += frames
		if got != want {
			t.Errorf("%s: %+v of %d frames, want %+v; dropped %v", name, got, frames, want, drops)
		}
	}
	if total < 30000 {
		t.Errorf("only %d frames", total)
	}
}

// countTransports counts the packets in a capture file, a fragmented one in its
// last fragment.
func countTransports(t *testing.T, path string) (n transports, total int, drops map[string]int) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	drops = map[string]int{}
	frames := make([]capture.Frame, 64)
	var p capture.Packet
	for k := 0; err == nil; k, err = r.Read(frames) {
		for i := range frames[:k] {
			total++
			reason := decode.Decode(&frames[i], &p)
			switch {
			case reason != capture.DropNone:
				drops[reason.String()]++
			case p.Fragment.Valid && p.Fragment.More:
				drops["fragment"]++
			case p.Protocol == capture.ProtoUDP:
				n.udp++
			case p.Protocol == capture.ProtoTCP:
				n.tcp++
			case p.Protocol == capture.ProtoSCTP:
				n.sctp++
			}
		}
	}
	if _, damaged := errors.AsType[*pcapfile.DamageError](err); !damaged && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return n, total, drops
}
