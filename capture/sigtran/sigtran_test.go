package sigtran_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"heptap/capture/sigtran"
)

// octets reads spaced hex.
func octets(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	m3uaData = "01 00 01 01 00 00 00 30 " + // DATA, 48 octets
		"02 00 00 08 00 00 00 07 " + // network appearance 7
		"00 06 00 08 00 00 00 64 " + // routing context 100
		"02 10 00 15 00 00 00 65 00 00 00 ca 05 02 00 01 " + // OPC 101, DPC 202, ISUP, national, SLS 1
		"28 00 15 03 04 00 00 00" // BLA of CIC 40, two octets too many; padding

	m2uaData = "01 00 06 01 00 00 00 1c " +
		"00 01 00 08 00 00 00 05 " + // interface identifier 5
		"03 00 00 0c 85 16 c0 02 10 21 00 13" // national ISUP; DPC 22, OPC 11, SLS 1; BLO of CIC 33

	m2paData = "01 00 0b 01 00 00 00 19 00 00 00 02 00 ff ff ff " + // BSN 2, FSN 2^24-1
		"00 85 16 c0 02 10 21 00 10" // RLC without its pointer
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		ppid  uint32
		ports uint16
		b     string
		text  string // Name
		want  sigtran.View
		msu   string
	}{
		{"M3UA DATA", 3, 2905, m3uaData, "DATA", sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 101, DPC: 202, SI: 5, NI: 2, SLS: 1,
			HasAppearance: true, Appearance: 7, HasRouting: true, Routing: 100}, "28 00 15 03 04"},
		{"identifier in little-endian order", 3 << 24, 9, m3uaData, "DATA", sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 101, DPC: 202, SI: 5, NI: 2, SLS: 1,
			HasAppearance: true, Appearance: 7, HasRouting: true, Routing: 100}, "28 00 15 03 04"},
		{"port only, and the wrong one", 0, 2904, m3uaData, "DATA", sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 101, DPC: 202, SI: 5, NI: 2, SLS: 1,
			HasAppearance: true, Appearance: 7, HasRouting: true, Routing: 100}, "28 00 15 03 04"},
		{"padding not counted and not sent", 3, 2905, "01 00 01 01 00 00 00 1b 02 10 00 13 00 00 00 01 00 00 00 02 05 03 01 0f 01 00 12", "DATA",
			sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 1, DPC: 2, SI: 5, NI: 3, MP: 1, SLS: 15}, "01 00 12"},
		{"padding not counted but sent", 3, 2905, "01 00 01 01 00 00 00 1b 02 10 00 13 00 00 00 01 00 00 00 02 05 03 01 0f 01 00 12 00", "DATA",
			sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 1, DPC: 2, SI: 5, NI: 3, MP: 1, SLS: 15}, "01 00 12"},
		{"24-bit point codes", 3, 2905, "01 00 01 01 00 00 00 1c 02 10 00 13 00 f5 01 02 00 00 00 02 05 02 00 1f 01 00 12 00", "DATA",
			sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.Wide, OPC: 0xf50102, DPC: 2, SI: 5, NI: 2, SLS: 31}, "01 00 12"},
		{"greatest ITU point code", 3, 2905, "01 00 01 01 00 00 00 18 02 10 00 10 00 00 3f ff 00 00 00 00 05 00 00 00", "DATA",
			sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Variant: sigtran.ITU, OPC: 16383, SI: 5}, ""},
		{"M3UA parameter cut", 3, 2905, "01 00 01 01 00 00 00 40 02 10 00 38 00 00 00 01 00 00 00 02 05 03 01 0f 01", "DATA",
			sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Cut: true, Variant: sigtran.ITU, OPC: 1, DPC: 2, SI: 5, NI: 3, MP: 1, SLS: 15}, "01"},
		{"M3UA label cut", 3, 2905, "01 00 01 01 00 00 00 20 02 10 00 18 00 00 00 01", "DATA", sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Cut: true}, ""},
		{"M3UA parameter length of nothing", 3, 2905, "01 00 01 01 00 00 00 0c 02 10 00 03", "DATA", sigtran.View{Kind: sigtran.M3UA, Class: 1, Type: 1, Cut: true}, ""},
		{"M3UA ASPAC", 3, 2905, "01 00 04 01 00 00 00 10 00 06 00 08 00 00 00 01", "ASPAC", sigtran.View{Kind: sigtran.M3UA, Class: 4, Type: 1, HasRouting: true, Routing: 1}, ""},
		{"M3UA BEAT ACK", 3, 2905, "01 00 03 06 00 00 00 08", "BEAT ACK", sigtran.View{Kind: sigtran.M3UA, Class: 3, Type: 6}, ""},
		{"M3UA DUNA", 3, 2905, "01 00 02 01 00 00 00 10 00 12 00 08 00 00 00 ca", "DUNA", sigtran.View{Kind: sigtran.M3UA, Class: 2, Type: 1}, ""},
		{"M3UA ERR", 3, 2905, "01 00 00 00 00 00 00 10 00 0c 00 08 00 00 00 07", "ERR", sigtran.View{Kind: sigtran.M3UA}, ""},
		{"a class of the future", 3, 2905, "01 00 0c 01 00 00 00 08", "", sigtran.View{Kind: sigtran.M3UA, Class: 12, Type: 1}, ""},
		{"M2UA Data", 2, 2904, m2uaData, "Data", sigtran.View{Kind: sigtran.M2UA, Class: 6, Type: 1, Variant: sigtran.ITU, OPC: 11, DPC: 22, SI: 5, NI: 2, SLS: 1,
			HasInterface: true, Interface: 5}, "21 00 13"},
		{"M2UA Data 2, text interface", 2, 2904, "01 00 06 01 00 00 00 1c 00 03 00 06 78 79 00 00 03 01 00 0c 3f 85 16 c0 02 10 21 00", "Data",
			sigtran.View{Kind: sigtran.M2UA, Class: 6, Type: 1, Variant: sigtran.ITU, OPC: 11, DPC: 22, SI: 5, NI: 2, SLS: 1, InterfaceText: []byte("xy")}, "21 00"},
		// DPC 245-1-2, OPC 245-3-4, SLS 17, then IAM of CIC 300: with 14 bits the CIC would be 0xf503.
		{"M2UA with ANSI's label", 2, 2904, "01 00 06 01 00 00 00 18 03 00 00 10 a5 02 01 f5 04 03 f5 11 2c 01 01 00", "Data",
			sigtran.View{Kind: sigtran.M2UA, Class: 6, Type: 1, Variant: sigtran.Wide, OPC: 0xf50304, DPC: 0xf50102, SI: 5, NI: 2, MP: 2, SLS: 17}, "2c 01 01 00"},
		{"M2UA Establish Confirm", 2, 2904, "01 00 06 03 00 00 00 08", "Establish Confirm", sigtran.View{Kind: sigtran.M2UA, Class: 6, Type: 3}, ""},
		{"M2UA label cut", 2, 2904, "01 00 06 01 00 00 00 10 03 00 00 08 85 16 c0 02", "Data", sigtran.View{Kind: sigtran.M2UA, Class: 6, Type: 1, Cut: true}, ""},
		{"M2PA User Data", 5, 3565, m2paData, "User Data", sigtran.View{Kind: sigtran.M2PA, Class: 11, Type: 1, Variant: sigtran.ITU, OPC: 11, DPC: 22, SI: 5, NI: 2, SLS: 1,
			BSN: 2, FSN: 1<<24 - 1}, "21 00 10"},
		{"M2PA acknowledgement", 5, 3565, "01 00 0b 01 00 00 00 10 00 00 00 02 00 00 00 01", "User Data", sigtran.View{Kind: sigtran.M2PA, Class: 11, Type: 1, BSN: 2, FSN: 1}, ""},
		{"M2PA Link Status", 5, 3565, "01 00 0b 02 00 00 00 14 00 ff ff ff 00 ff ff ff 00 00 00 04", "Ready",
			sigtran.View{Kind: sigtran.M2PA, Class: 11, Type: 2, BSN: 1<<24 - 1, FSN: 1<<24 - 1, LinkState: 4}, ""},
		{"M2PA cut", 5, 3565, "01 00 0b 02 00 00 00 14 00 ff", "Link Status", sigtran.View{Kind: sigtran.M2PA, Class: 11, Type: 2, Cut: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v sigtran.View
			if err := v.Parse(c.ppid, c.ports, c.ports, octets(c.b)); err != nil {
				t.Fatal(err)
			}
			if v.Name() != c.text {
				t.Errorf("name %q", v.Name())
			}
			if string(v.MSU) != string(octets(c.msu)) || v.HasMSU() != (c.want.Variant != sigtran.NoCodes) {
				t.Errorf("MSU % x, %v", v.MSU, v.HasMSU())
			}
			compare(t, &v, &c.want)
		})
	}
}

// compare holds what Parse found against what is wanted, but for the MSU.
func compare(t *testing.T, got, want *sigtran.View) {
	t.Helper()
	if got.Kind != want.Kind || got.Class != want.Class || got.Type != want.Type || got.Cut != want.Cut {
		t.Errorf("%v class %d type %d cut %v", got.Kind, got.Class, got.Type, got.Cut)
	}
	if got.Variant != want.Variant || got.OPC != want.OPC || got.DPC != want.DPC || got.SI != want.SI || got.NI != want.NI || got.MP != want.MP || got.SLS != want.SLS {
		t.Errorf("%v OPC %d DPC %d SI %d NI %d MP %d SLS %d", got.Variant, got.OPC, got.DPC, got.SI, got.NI, got.MP, got.SLS)
	}
	if got.HasRouting != want.HasRouting || got.Routing != want.Routing || got.HasAppearance != want.HasAppearance || got.Appearance != want.Appearance ||
		got.HasInterface != want.HasInterface || got.Interface != want.Interface || string(got.InterfaceText) != string(want.InterfaceText) {
		t.Errorf("routing context %d, network appearance %d, interface %d %q", got.Routing, got.Appearance, got.Interface, got.InterfaceText)
	}
	if got.BSN != want.BSN || got.FSN != want.FSN || got.LinkState != want.LinkState {
		t.Errorf("BSN %d FSN %d state %d", got.BSN, got.FSN, got.LinkState)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		ppid uint32
		port uint16
		b    string
		want error
	}{
		{"Diameter's identifier on an M3UA port", 46, 2905, m3uaData, sigtran.ErrKind},
		{"no identifier, no port", 0, 5060, m3uaData, sigtran.ErrKind},
		{"an M2UA port with something else", 0, 2904, "01 00 07 01 00 00 00 08", sigtran.ErrKind},
		{"short", 3, 2905, "01 00 01 01 00 00 00", sigtran.ErrHeader},
		{"another version", 3, 2905, "02 00 01 01 00 00 00 08", sigtran.ErrHeader},
		{"length without its header", 3, 2905, "01 00 01 01 00 00 00 07", sigtran.ErrHeader},
		{"nothing", 5, 3565, "", sigtran.ErrHeader},
	} {
		v := sigtran.View{Kind: sigtran.M2PA}
		if err := v.Parse(c.ppid, c.port, c.port, octets(c.b)); !errors.Is(err, c.want) || v.Kind != sigtran.None {
			t.Errorf("%s: %v, %+v", c.name, err, v)
		}
	}
}

func TestClaims(t *testing.T) {
	for _, c := range []struct {
		ppid     uint32
		src, dst uint16
		want     bool
	}{
		{2, 1, 2, true}, {3, 1, 2, true}, {5, 1, 2, true}, {0x02000000, 1, 2, true}, {0x05000000, 1, 2, true},
		{0, 2904, 1, true}, {0, 1, 2905, true}, {0, 3565, 40000, true}, {0, 5060, 5060, false},
		{1, 2905, 2905, false}, {4, 2905, 2905, false}, {46, 3868, 3868, false}, {0x04000000, 2905, 2905, false},
	} {
		if got := sigtran.Claims(c.ppid, c.src, c.dst); got != c.want {
			t.Errorf("%#x %d>%d: %v", c.ppid, c.src, c.dst, got)
		}
	}
}

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		name, b string
		want    sigtran.Kind
	}{
		{"M3UA", m3uaData, sigtran.M3UA},
		{"M2UA, cut by more than padding", m2uaData[:30], sigtran.None},
		{"M2UA", "01 00 06 0f 00 00 00 08", sigtran.M2UA},
		{"M2PA", m2paData, sigtran.M2PA},
		{"M2PA without its numbers", "01 00 0b 01 00 00 00 08", sigtran.None},
		{"an ASP message of either", "01 00 03 01 00 00 00 08", sigtran.None},
		{"SUA", "01 00 07 01 00 00 00 08", sigtran.None},
		{"reserved octet", "01 01 01 01 00 00 00 08", sigtran.None},
		{"length", "01 00 01 01 00 00 00 0c", sigtran.None},
		{"length of 2^32-1", "01 00 01 01 ff ff ff ff", sigtran.None},
		{"text", "494e56495445207369703a", sigtran.None},
		{"nothing", "", sigtran.None},
	} {
		if got := sigtran.Sniff(octets(c.b)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{sigtran.M2UA.String() + sigtran.M3UA.String() + sigtran.M2PA.String() + sigtran.None.String(), "M2UAM3UAM2PA"},
		{sigtran.ITU.String() + sigtran.Wide.String() + sigtran.NoCodes.String(), "ITUwide"},
		{sigtran.ServiceName(5) + sigtran.ServiceName(3) + sigtran.ServiceName(13) + sigtran.ServiceName(200), "ISUPSCCPBICC"},
		{sigtran.NetworkName(0) + "," + sigtran.NetworkName(2), "international,national"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestTruncated cuts messages everywhere: nothing is read that is not there.
func TestTruncated(t *testing.T) {
	for ppid, s := range map[uint32]string{2: m2uaData, 3: m3uaData, 5: m2paData} {
		whole := octets(s)
		var full sigtran.View
		if err := full.Parse(ppid, 1, 2, whole); err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			var v sigtran.View
			err := v.Parse(ppid, 1, 2, whole[:n:n])
			if (err != nil) != (n < 8) {
				t.Fatalf("%d octets: %v", n, err)
			}
			if err == nil && n < len(whole)-3 && !v.Cut {
				t.Errorf("%d of %d octets are not cut", n, len(whole))
			}
			if v.HasMSU() && !strings.HasPrefix(string(full.MSU), string(v.MSU)) {
				t.Errorf("%d octets: MSU % x", n, v.MSU)
			}
		}
	}
}

func TestParseAllocs(t *testing.T) {
	b := octets(m3uaData)
	var v sigtran.View
	if n := testing.AllocsPerRun(100, func() {
		if err := v.Parse(3, 2905, 2905, b); err != nil || v.Name() == "" || sigtran.Sniff(b) != sigtran.M3UA {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
