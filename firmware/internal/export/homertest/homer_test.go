package homertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// TestModelRefuses keeps the model honest: what is known to break is seen to.
func TestModelRefuses(t *testing.T) {
	now := time.Unix(1700000000, 0).UTC()
	frame := func(typ byte, cid, payload string) []byte {
		var c [][]byte
		for id, v := range map[byte]string{1: "\x02", 2: "\x11", 3: "\xc0\x00\x02\x01", 4: "\xc0\x00\x02\x02", 7: "\x13\xc4", 8: "\x13\xc4",
			9: "\x65\x53\xf1\x00", 10: "\x00\x00\x00\x00", 11: string(typ), 12: "\x00\x00\x07\xd1", 17: cid, 15: payload} {
			if v != "" {
				c = append(c, append([]byte{0, 0, 0, id, 0, byte(6 + len(v))}, v...))
			}
		}
		b := append([]byte("HEP3\x00\x00"), bytes.Join(c, nil)...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		return b
	}
	for _, tt := range []struct {
		name         string
		typ          byte
		cid, payload string
		batch, chart bool
	}{
		{"sound", 34, "call", `{"MOS":4.1}`, false, false},
		{"a quote in 0x11", 34, `ca"ll`, `{"MOS":4.1}`, true, false},
		{"0x11 not UTF-8", 100, "\xff", `x`, true, false},
		{"DNS has no table", 53, "call", `{}`, true, false},
		{"text among reports", 88, "call", "GET /", false, true},
		{"text among RTCP", 5, "call", "RTCP", false, true},
		{"null among reports", 34, "call", "null", false, true},
		{"blocks of an object", 5, "call", `{"type":200,"sender_information":{"packets":1,"octets":1},"report_blocks":{}}`, false, true},
	} {
		var s Homer
		err := s.Store(frame(tt.typ, tt.cid, tt.payload))
		if errors.Is(err, ErrBatch) != tt.batch {
			t.Errorf("%s: stored %v", tt.name, err)
		}
		if _, _, err := s.Charts(now, now, "call"); (err != nil) != tt.chart {
			t.Errorf("%s: charts %v", tt.name, err)
		}
	}
}
