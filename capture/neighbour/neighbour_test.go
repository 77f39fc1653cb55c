package neighbour_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"heptap/capture/neighbour"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	nearest = "0180c200000e 001b21aabbcc 88cc "
	// Chassis id: MAC; port id: interface name "Gi1/0/7"; time to live 120 s.
	mandatory = "0207 04 001b21aabbc0  0408 05 4769312f302f37  0602 0078 "
	cisco     = "01000ccccccc 001b21aabbcc "
)

// frames are as the standards have them, octet by octet.
var frames = []struct{ name, in, want string }{
	{"least", nearest + mandatory + "0000", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"no end", nearest + mandatory, "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"padding behind the end", nearest + mandatory + "0000" + "0204ffff", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"described", nearest + mandatory + "0805 75706c6e6b  0a03 737731  fe06 0080c201 0064  fe05 00120f01 00  0000",
		"LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 100 \"uplnk\" \"sw1\""},
	{"first one holds", nearest + mandatory + "0a01 61  0a01 62  fe06 0080c201 0001  fe06 0080c201 0002  0000", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 1 \"\" \"a\""},
	{"no such VLAN", nearest + mandatory + "fe06 0080c201 0fff  0000", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"VLAN of three octets", nearest + mandatory + "fe07 0080c201 000100  0000", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"tagged twice", "0180c200000e 001b21aabbcc 88a8 0001 8100 e002 88cc " + mandatory + "0000", "LLDP 00:1b:21:aa:bb:c0 Gi1/0/7 120 vlan 0 \"\" \"\""},
	{"addresses", nearest + "0206 05 01 c0000201  0412 04 02 20010db8000000000000000000000001  0602 0000 0000", "LLDP 192.0.2.1 2001:db8::1 0 vlan 0 \"\" \"\""},
	{"address of another family", nearest + "0204 05 10 0203  0404 03 0a0b0c  0602 0001 0000", "LLDP 10:02:03 0a:0b:0c 1 vlan 0 \"\" \"\""},
	{"local ids, one of octets", nearest + "0204 07 00ff01  0404 07 333300  0602 0001 0000", "LLDP 00:ff:01 33 1 vlan 0 \"\" \"\""},
	{"nothing", "", "neither LLDP nor CDP"},
	{"another ethertype", "0180c200000e 001b21aabbcc 0800 " + mandatory, "neither LLDP nor CDP"},
	{"tag alone", "0180c200000e 001b21aabbcc 8100 00", "neither LLDP nor CDP"},
	{"nine tags", "0180c200000e 001b21aabbcc" + strings.Repeat("8100 0001", 9) + "88cc" + mandatory, "neither LLDP nor CDP"},
	{"empty", nearest, "missing"},
	{"end at once", nearest + "0000", "missing"},
	{"port first", nearest + "0402 0761 0202 0761 0602 0001 0000", "missing"},
	{"no time", nearest + "0202 0761 0402 0762 0a01 61 0000", "missing"},
	{"no time, no end", nearest + "0202 0761 0402 0762", "missing"},
	{"chassis twice", nearest + mandatory + "0202 0761 0000", "twice"},
	{"chassis of one octet", nearest + "0201 07 0402 0762 0602 0001 0000", "length"},
	{"chassis of 257 octets", nearest + "0301 07" + strings.Repeat("61", 256) + "0402 0762 0602 0001 0000", "length"},
	{"time of one octet", nearest + "0202 0761 0402 0762 0601 01 0000", "length"},
	{"longer than the frame", nearest + mandatory + "0a05 61", "ends inside"},

	// Length 33: LLC and SNAP 8, header 4, device 4+3, port 4+4, native VLAN 4+2, with padding behind.
	{"cdp", cisco + "0021 aaaa03 00000c 2000  02 b4 0000  0001 0007 737731  0003 0008 46613031  000a 0006 0002" + strings.Repeat("00", 9),
		"CDP sw1 Fa01 180 vlan 2 \"\" \"\""},
	{"cdp with a system name", cisco + "0020 aaaa03 00000c 2000  01 b4 0000  0001 0005 61  0003 0005 62  0014 0006 6e6d  0099 0004",
		"CDP a b 180 vlan 0 \"\" \"nm\""},
	{"cdp without port", cisco + "0011 aaaa03 00000c 2000  02 b4 0000  0001 0005 61", "missing"},
	{"cdp of no length", cisco + "0010 aaaa03 00000c 2000  02 b4 0000  0001 0003", "length"},
	{"cdp with an empty device", cisco + "0010 aaaa03 00000c 2000  02 b4 0000  0001 0004", "length"},
	{"cdp, a device too much", cisco + "0016 aaaa03 00000c 2000  02 b4 0000  0001 0005 61  0001 0005 62", "twice"},
	{"cdp, padding is counted", cisco + "0017 aaaa03 00000c 2000  02 b4 0000  0001 0005 61  0003 0005 62  00", "CDP a b 180 vlan 0 \"\" \"\""},
	{"cdp, half a field", cisco + "0012 aaaa03 00000c 2000  02 b4 0000  0001 0009 6162", "ends inside"},
	{"cdp, cut short", cisco + "0030 aaaa03 00000c 2000  02 b4 0000  0001 0005 61", "ends inside"},
	{"cdp without a header", cisco + "000a aaaa03 00000c 2000  02 b4", "ends inside"},
	{"cdp, shorter than SNAP", cisco + "0004 aaaa03 00000c 2000  02 b4", "ends inside"},
	{"spanning tree", "0180c2000000 001b21aabbcc 0026 424203 00000000", "neither LLDP nor CDP"},
	{"VTP", cisco + "000c aaaa03 00000c 2003  02 b4 0000", "neither LLDP nor CDP"},
}

func show(v *neighbour.View) string {
	return fmt.Sprintf("%v %s %s %d vlan %d %q %q", v.Protocol, v.Chassis.Append(nil), v.Port.Append(nil), v.TTL, v.VLAN, v.PortDescription, v.System)
}

func TestParse(t *testing.T) {
	for _, c := range frames {
		v := neighbour.View{VLAN: 9}
		err := v.Parse(unhex(c.in))
		got := show(&v)
		if err != nil {
			if got != show(&neighbour.View{}) {
				t.Errorf("%s: %v, but %s", c.name, err, got)
			}
			got = err.Error()
		} else if v.Source != [6]byte{0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc} {
			t.Errorf("%s: from %x", c.name, v.Source)
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestParseTruncated cuts frames at every length: what is left is an error, or all
// that must be there is.
func TestParseTruncated(t *testing.T) {
	for _, c := range frames {
		whole := unhex(c.in)
		for n := range whole {
			var v neighbour.View
			err := v.Parse(whole[:n:n])
			if err == nil && (v.Chassis.Value == nil || v.Port.Value == nil) {
				t.Errorf("%s, %d octets: %s", c.name, n, show(&v))
			}
			if v.Protocol == neighbour.CDP && n < 14+int(whole[13]) {
				t.Errorf("%s, %d octets: cut, and not noticed: %s", c.name, n, show(&v))
			}
		}
		if strings.HasPrefix(c.want, "CDP") { // but for the padding
			whole = whole[:14+int(whole[13])]
			var v neighbour.View
			if err := v.Parse(whole); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := v.Parse(whole[:len(whole)-1]); !errors.Is(err, neighbour.ErrShort) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range frames {
		f.Add(unhex(c.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2048):min(len(b), 2048)]
		var v neighbour.View
		err := v.Parse(b)
		if err != nil {
			if show(&v) != show(&neighbour.View{}) {
				t.Fatalf("%v, but %s", err, show(&v))
			}
			return
		}
		for i, s := range [][]byte{v.Chassis.Value, v.Port.Value} {
			if len(s) == 0 || !strings.Contains(string(b), string(s)) {
				t.Fatalf("id %d: %q", i, s)
			}
		}
		if total := len(v.Chassis.Value) + len(v.Port.Value) + len(v.PortDescription) + len(v.System); total > len(b)-14 {
			t.Fatalf("%d octets in the fields of %d", total, len(b)) // no octet is in two fields
		}
		if v.VLAN > 4094 || v.Protocol != neighbour.LLDP && v.Protocol != neighbour.CDP {
			t.Fatal(show(&v))
		}
		again := v
		if err := again.Parse(append(b, 0)[:len(b)]); err != nil || show(&again) != show(&v) {
			t.Fatalf("%v: %s, before %s", err, show(&again), show(&v))
		}
		// A table has it, unless it is about to leave.
		var table neighbour.Table
		table.Add(b, 1)
		if l, c := table.Snapshot(1); c.Read != 1 || (len(l) == 1) != (v.TTL > 0) {
			t.Fatalf("%+v, %+v", l, c)
		}
	})
}
