package box

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Record is a line of heptap decode.
type Record struct {
	Type     int            `json:"type"`
	TypeName string         `json:"type_name"`
	Time     time.Time      `json:"time"`
	Src      string         `json:"src"`
	Dst      string         `json:"dst"`
	Agent    uint32         `json:"agent"`
	Node     string         `json:"node"`
	Primary  string         `json:"primary"`
	Extra    map[string]any `json:"extra"` // type name to id, or to a list of them
	Payload  string         `json:"payload"`
}

// The HEP types of this lab's traffic.
const (
	TypeSIP    = 1
	TypeRTCP   = 5
	TypeReport = 34
	TypeNet    = 89
)

// Decode reads a file of HEP packets with the binary's own decoder.
func Decode(binary, file string) ([]Record, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "decode", file)
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var records []Record
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	var bad error
	for in.Scan() {
		var r Record
		if err := json.Unmarshal(in.Bytes(), &r); err != nil && bad == nil {
			bad = fmt.Errorf("heptap decode: line %d: %w", len(records)+1, err)
		}
		records = append(records, r)
	}
	if bad == nil {
		bad = in.Err()
	}
	if err := cmd.Wait(); err != nil {
		return records, fmt.Errorf("heptap decode %s: %w: %s", file, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return records, bad
}

// Message is what tells SIP messages apart in these comparisons. One that is
// sent twice is there twice.
type Message struct {
	CallID, CSeq, What, Src string
}

// String is for reports.
func (m Message) String() string {
	return fmt.Sprintf("%s %s (CSeq %s) from %s", m.CallID, m.What, m.CSeq, m.Src)
}

// Message reads a SIP record's payload.
func (r *Record) Message() (Message, error) {
	head, _, ok := strings.Cut(r.Payload, "\r\n\r\n")
	m := Message{Src: r.Src}
	lines := strings.Split(head, "\r\n")
	first := strings.Fields(lines[0])
	if !ok || len(first) < 3 {
		return m, fmt.Errorf("payload is no SIP message: %q", r.Payload)
	}
	m.What = first[0]
	if first[0] == "SIP/2.0" {
		m.What = first[1]
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "call-id", "i":
			m.CallID = strings.TrimSpace(value)
		case "cseq":
			m.CSeq = strings.TrimSpace(value)
		}
	}
	return m, nil
}

// Report is the payload of a record of type 34, as far as it is compared here.
type Report struct {
	CallID     string  `json:"CORRELATION_ID"`
	Type       string  `json:"TYPE"`
	SSRC       string  `json:"SSRC"`
	Packets    uint64  `json:"TOTAL_PK"`
	Expected   uint64  `json:"EXPECTED_PK"`
	Lost       uint64  `json:"PACKET_LOSS"`
	Duplicates uint64  `json:"DUPLICATES"`
	Copies     uint64  `json:"COPIES"` // in no other count
	Reordered  uint64  `json:"OUT_ORDER"`
	Jitter     float64 `json:"MEAN_JITTER"`
	MOS        float64 `json:"MOS"`
	SrcIP      string  `json:"SRC_IP"`
	SrcMAC     string  `json:"SRC_MAC"`
	DstMAC     string  `json:"DST_MAC"`
	SrcPort    uint16  `json:"SRC_PORT"`
	DstIP      string  `json:"DST_IP"`
	DstPort    uint16  `json:"DST_PORT"`
	Codec      string  `json:"CODEC_NAME"`
}

// Twice is how many packets came that had come before. A relay that sends a
// packet twice, as it is, cannot be told from a mirror that does.
func (r *Report) Twice() uint64 { return r.Duplicates + r.Copies }

// Delivered is how many packets came.
func (r *Report) Delivered() uint64 { return r.Packets + r.Copies }

// Report reads a report's payload.
func (r *Record) Report() (Report, error) {
	var out Report
	if err := json.Unmarshal([]byte(r.Payload), &out); err != nil {
		return out, fmt.Errorf("RTP report: %w", err)
	}
	return out, nil
}
