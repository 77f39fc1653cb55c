package sigtran_test

import (
	"testing"

	"heptap/capture/sigtran"
)

func FuzzParse(f *testing.F) {
	f.Add(uint32(3), octets(m3uaData))
	f.Add(uint32(2), octets(m2uaData))
	f.Add(uint32(5), octets(m2paData))
	f.Add(uint32(0), octets("01 00 06 01 00 00 00 18 03 00 00 10 a5 02 01 f5 04 03 f5 11 2c 01 01 00"))
	f.Add(uint32(5), octets("01 00 0b 02 00 00 00 14 00 ff ff ff 00 ff ff ff 00 00 00 04"))
	f.Fuzz(func(t *testing.T, ppid uint32, b []byte) {
		var v sigtran.View
		err := v.Parse(ppid, 2904, 2905, b)
		if err != nil {
			if v.Kind != sigtran.None || v.HasMSU() || v.MSU != nil {
				t.Fatalf("%v, but %+v", err, v)
			}
			return
		}
		if !sigtran.Claims(ppid, 2904, 2905) {
			t.Fatal("parsed, not claimed")
		}
		for _, s := range [][]byte{v.MSU, v.InterfaceText} {
			if off := cap(b) - cap(s); len(s) > 0 && (off < 8 || off+len(s) > len(b) || &b[off] != &s[0]) {
				t.Fatal("not inside the message")
			}
		}
		if v.HasMSU() != (v.Variant != sigtran.NoCodes) || v.Variant == sigtran.ITU && (v.OPC > 16383 || v.DPC > 16383) {
			t.Fatalf("%+v", v)
		}
		if v.HasMSU() && v.Name() == "" || v.Kind != sigtran.M3UA && (v.SI > 15 || v.NI > 3 || v.MP > 3) || v.BSN|v.FSN > 1<<24-1 {
			t.Fatalf("%+v", v)
		}
		// What Sniff is sure of is what an identifier says, if that fits at all.
		if k := sigtran.Sniff(b); ppid == 0 && k != sigtran.None && v.Kind != k {
			t.Fatalf("sniffed %v, parsed %v", k, v.Kind)
		}
	})
}
