package sigtran_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
	"heptap/capture/sigtran"
)

// chunks calls fn with every whole DATA chunk of a capture of IPv4 on Ethernet.
func chunks(t *testing.T, name string, fn func(ppid uint32, src, dst uint16, b []byte)) {
	t.Helper()
	r, err := pcapfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var frames [32]capture.Frame
	for {
		n, err := r.Read(frames[:])
		for i := range frames[:n] {
			b := frames[i].Data
			if len(b) < 46 || b[14]>>4 != 4 || b[23] != capture.ProtoSCTP {
				continue
			}
			b = b[14 : 14+int(binary.BigEndian.Uint16(b[16:]))] // without Ethernet's padding
			b = b[int(b[0]&15)*4:]
			src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
			for b = b[12:]; len(b) >= 4; {
				size := int(binary.BigEndian.Uint16(b[2:]))
				if b[0] == 0 && b[1]&3 == 3 { // DATA, beginning and end
					fn(binary.BigEndian.Uint32(b[12:]), src, dst, b[16:size])
				}
				b = b[min((size+3)&^3, len(b)):]
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCaptures counts what tshark -T fields shows of m3ua.message_class,
// m3ua.message_type, the point codes, si, ni and the ISUP message type. What is
// there in fragments is not counted.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, c := range []struct {
		name string
		want map[string]int
	}{
		{"made-here/isup-m3ua-calls.pcap", map[string]int{
			"M3UA DATA 101>202 ISUP ni 2": 14,
			"M3UA DATA 202>101 ISUP ni 2": 20,
		}},
		{"made-here/isup-m2pa-calls.pcap", map[string]int{
			"M2PA User Data 11>22 ISUP ni 2": 14,
			"M2PA User Data 22>11 ISUP ni 2": 20,
		}},
		{"arkime+arkime/m3ua_synthetic.pcap", map[string]int{
			"M2UA Data 400>20 SCCP ni 2":  4,
			"M3UA DATA 200>400 ISUP ni 0": 3,
			"M3UA DATA 300>600 TUP ni 0":  3,
			"M3UA DATA 600>500 SCCP ni 0": 10, // and one in two fragments
			"M3UA DATA 600>500 ISUP ni 0": 1,
			"M3UA DATA":                   1, // no Protocol Data in it
			"M3UA ASPUP":                  1,
			"M3UA ASPUP ACK":              1,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]int{}
			chunks(t, filepath.Join(dir, c.name), func(ppid uint32, src, dst uint16, b []byte) {
				var v sigtran.View
				if !sigtran.Claims(ppid, src, dst) {
					t.Errorf("not claimed: identifier %d", ppid)
				}
				if err := v.Parse(ppid, src, dst, b); err != nil {
					t.Errorf("%v: % x", err, b)
				}
				if k := sigtran.Sniff(b); k != v.Kind && k != sigtran.None {
					t.Errorf("sniffed %v", k)
				}
				text := v.Kind.String() + " " + v.Name()
				if v.HasMSU() {
					text += fmt.Sprintf(" %d>%d %s ni %d", v.OPC, v.DPC, sigtran.ServiceName(v.SI), v.NI)
				}
				got[text]++
			})
			if !maps.Equal(got, c.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}
