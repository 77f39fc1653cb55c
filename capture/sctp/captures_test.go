package sctp_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
	"heptap/capture/sctp"
)

// packet reads the SCTP packet in f, Ethernet or Linux cooked, IPv4. The
// captures of this test have nothing else that matters.
func packet(f *capture.Frame, p *capture.Packet) bool {
	off := 14
	if f.Link == capture.LinkLinuxSLL {
		off = 16
	}
	b := f.Data[min(off, len(f.Data)):]
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != capture.ProtoSCTP {
		return false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total < header+12 || len(b) < header+12 {
		return false
	}
	s := b[header:min(total, len(b))]
	*p = capture.Packet{Src: b[12:16], Dst: b[16:20], SrcPort: binary.BigEndian.Uint16(s), DstPort: binary.BigEndian.Uint16(s[2:]),
		Payload: s[12:], Length: total - header - 12, Wall: f.Wall, Mono: f.Mono, Protocol: capture.ProtoSCTP,
		SCTP: capture.SCTP{VTag: binary.BigEndian.Uint32(s[4:])}}
	p.Truncated = p.Length > len(p.Payload)
	return true
}

// replay gives a capture's packets to tab.
func replay(t *testing.T, name string, tab *sctp.Table) {
	t.Helper()
	r, err := pcapfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var frames [32]capture.Frame
	var p capture.Packet
	for {
		n, err := r.Read(frames[:])
		for i := range frames[:n] {
			if packet(&frames[i], &p) {
				tab.Add(&p)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tab.Flush()
}

// TestCaptures counts messages, as tshark has them: one per TSN with the E bit.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, c := range []struct {
		name                                 string
		messages, assembled, repeats, proven uint64
		events                               string
	}{
		{"made-here/sip-sctp-fragmented.pcap", 42, 42, 0, 0, "opened closed"},
		{"made-here/isup-m3ua-calls.pcap", 34, 0, 0, 0, "opened closed"},
		{"made-here/isup-m2pa-calls.pcap", 34, 0, 0, 0, "opened closed"},
		// Three packets of one association, two of another: too few to be sure.
		{"sipcapture+heplify/sip_sctp.pcap", 4, 1, 0, 0, ""},
		{"aboutsip+pkts/sctp-test.cap", 120, 0, 0, 0, "opened ended"},
		// TSN 103399079 is acknowledged and not in the file.
		{"OISF+suricata-verify/sctp-keywords-prefilter__input.pcap", 15, 0, 0, 1, "opened ended"},
		// Four packets are there twice. Many associations begin with data.
		{"arkime+arkime/m3ua_synthetic.pcap", 21, 1, 4, 0, strings.Repeat("opened ", 12) + strings.Repeat("ended ", 12)},
		{"arkime+arkime/diameter_synthetic.pcap", 4, 0, 0, 0, "opened opened ended ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []string
			calls := map[string]int{}
			callID := regexp.MustCompile(`(?im)^(?:call-id|i)\s*:\s*(\S+)`)
			tab := sctp.New(sctp.Config{
				Message: func(m *sctp.Message) {
					if id := callID.FindSubmatch(m.Payload); id != nil {
						calls[string(id[1])]++
					}
					if m.Gap && c.proven == 0 || m.Cut {
						t.Errorf("gap %v, cut %v", m.Gap, m.Cut)
					}
				},
				Event: func(e *sctp.Event) { events = append(events, e.Kind.String()) },
			})
			replay(t, filepath.Join(dir, c.name), tab)
			s := tab.Stats()
			if s.Messages != c.messages || s.Assembled != c.assembled || s.Repeats != c.repeats || s.AckedUnseen != c.proven || s.Lost+s.Incomplete+s.Malformed+s.Stray+s.WrongTag != 0 {
				t.Errorf("%+v", s)
			}
			if got := strings.Join(events, " "); got != strings.TrimSpace(c.events) {
				t.Errorf("events %q", got)
			}
			if want := truth(t, dir, c.name); !maps.Equal(calls, want) {
				t.Errorf("calls %v, want %v", calls, want)
			}
		})
	}
}

// truth returns the SIP messages per Call-ID.
func truth(t *testing.T, dir, name string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(name, "/", "__")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var is struct {
		Calls map[string]int `json:"call_ids"`
	}
	if err := json.Unmarshal(text, &is); err != nil {
		t.Fatal(err)
	}
	return is.Calls
}
