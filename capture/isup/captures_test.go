package isup_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/isup"
	"heptap/capture/pcapfile"
	"heptap/capture/sigtran"
)

// msus calls fn with the ISUP messages in a capture of IPv4 on Ethernet.
func msus(t *testing.T, name string, fn func(v *sigtran.View)) {
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
			b = b[14 : 14+int(binary.BigEndian.Uint16(b[16:]))]
			b = b[int(b[0]&15)*4:]
			for b = b[12:]; len(b) >= 4; {
				size := int(binary.BigEndian.Uint16(b[2:]))
				if b[0] == 0 { // DATA; that of other chunks is no message of SIGTRAN
					var v sigtran.View
					if v.Parse(binary.BigEndian.Uint32(b[12:]), 0, 0, b[16:size]) == nil && v.HasMSU() && v.SI == sigtran.ISUP {
						fn(&v)
					}
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

// TestCaptures holds message types against tshark's count (the truth beside the
// captures), and the course of calls against how the captures were made: each
// circuit that an IAM begins is freed.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, c := range []struct {
		name    string
		called  string // tshark's isup.called of the IAMs, in order
		effects string // of all messages on their own circuit, counted
	}{
		{"made-here/isup-m3ua-calls.pcap", "493022223 1212555010 441632960961 493022223 1212555010 441632960961", "begins 6 ends 7 frees 7"},
		{"made-here/isup-m2pa-calls.pcap", "493022223 1212555010 441632960961 493022223 1212555010 441632960961", "begins 6 ends 7 frees 7"},
		{"arkime+arkime/m3ua_synthetic.pcap", "", "begins 0 ends 0 frees 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			types, effects, busy := map[string]int{}, map[isup.Effect]int{}, map[isup.Circuit]bool{}
			var called []string
			msus(t, filepath.Join(dir, c.name), func(v *sigtran.View) {
				var m isup.Message
				if err := m.ParseWithCIC(v.MSU); err != nil {
					t.Fatal(err)
				}
				types[strconv.Itoa(int(m.Type))]++
				effects[m.Effect()]++
				for i := range m.Circuits() {
					circuit := isup.CircuitOf(v.OPC, v.DPC, m.CIC+uint16(i))
					switch m.EffectOn(i) {
					case isup.Begins:
						busy[circuit] = true
					case isup.Frees:
						delete(busy, circuit)
					}
				}
				if n, ok := m.Number(isup.CalledPartyNumber); ok {
					called = append(called, string(n.AppendTo(nil)))
				}
				if m.Fault != isup.None && c.called != "" {
					t.Errorf("%v: %s", m.Type, m.AppendFault(nil))
				}
				if !json.Valid(m.AppendJSON(nil, v.OPC, v.DPC)) || !json.Valid(m.AppendReadable(nil)) {
					t.Errorf("not JSON: %s", m.AppendReadable(m.AppendJSON(nil, v.OPC, v.DPC)))
				}
			})
			if want := typesOf(t, dir, c.name); !maps.Equal(types, want) {
				t.Errorf("types %v, want %v", types, want)
			}
			if got := strings.Join(called, " "); got != c.called {
				t.Errorf("called %s", got)
			}
			if got := "begins " + strconv.Itoa(effects[isup.Begins]) + " ends " + strconv.Itoa(effects[isup.Ends]) + " frees " + strconv.Itoa(effects[isup.Frees]); got != c.effects {
				t.Error(got)
			}
			if len(busy) > 0 {
				t.Errorf("busy at the end: %v", busy)
			}
		})
	}
}

// typesOf returns how often tshark has each isup.message_type.
func typesOf(t *testing.T, dir, name string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(name, "/", "__")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth struct {
		Fields map[string]map[string]int `json:"fields"`
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	return truth.Fields["isup.message_type"]
}
