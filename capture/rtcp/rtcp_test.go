package rtcp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"heptap/capture/rtcp"
)

// unhex decodes spaced hex.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// One report of each kind, as RFC 3550 and RFC 3611 draw them.
const (
	srHex = `81 c8 000c  11223344  e5d3a8c1 80000000 0001e240 000000fa 0000a8c0
		55667788 0dfffffe 0001 1234 00000010 a8c18000 00010000`
	rrHex   = `81 c9 0007  55667788  11223344 40000102 00000064 00000008 00000000 00000000`
	sdesHex = `81 ca 0007  11223344  01 05 6140622e63  06 04 74226f6c  08 06 03 707265 7661  00 00 00`
	byeHex  = `82 cb 0004  11223344 99aabbcc  06 726561736f6e 00`
	appHex  = `83 cc 0003  11223344  6e616d65 01020304`
	nackHex = `81 cd 0003  11223344  55667788 00640003`
	pliHex  = `81 ce 0002  11223344  55667788`
	xrHex   = `80 cf 0021  11223344
		04 00 0002  e5d3a8c1 80000000
		05 00 0003  55667788 a8c18000 00010000
		06 e8 0009  55667788 0001 0064 00000003 00000001 00000001 00000009 00000004 00000002 40 41 42 01
		07 00 0008  55667788 10 20 30 40 0064 00c8 0032 0050 ec ce 7f 10 5d 7f 2a 29 a0 00 0028 003c 0078
		01 02 0003  55667788 0001 0064 ffff0000
		2a 00 0001  01020304`
)

func TestJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"sr sdes bye", srHex + sdesHex + byeHex,
			`{"sender_information":{"ntp_timestamp_sec":3855853761,"ntp_timestamp_usec":2147483648,"rtp_timestamp":123456,"packets":250,"octets":43200},` +
				`"ssrc":287454020,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":1432778632,"fraction_lost":13,"packets_lost":-2,` +
				`"highest_seq_no":70196,"ia_jitter":16,"lsr":2831253504,"dlsr":65536}],"sdes_ssrc":287454020,"sdes_report_count":1,` +
				`"sdes_information":[{"type":1,"text":"a@b.c"},{"type":6,"text":"t\"ol"},{"type":8,"prefix":"pre","text":"va"}],` +
				`"bye":[287454020,2578103244],"bye_reason":"reason"}`},
		{"rr", rrHex,
			`{"ssrc":1432778632,"type":201,"report_count":1,"report_blocks":[{"source_ssrc":287454020,"fraction_lost":64,"packets_lost":258,` +
				`"highest_seq_no":100,"ia_jitter":8,"lsr":0,"dlsr":0}]}`},
		{"xr", xrHex,
			`{"ssrc":287454020,"type":207,"report_blocks_xr":{"type":7,"id":1432778632,"fraction_lost":16,"fraction_discard":32,"burst_density":48,` +
				`"gap_density":64,"burst_duration":100,"gap_duration":200,"round_trip_delay":50,"end_system_delay":80},` +
				`"voip_metrics":{"ssrc":1432778632,"loss_rate":16,"discard_rate":32,"burst_density":48,"gap_density":64,"burst_duration":100,` +
				`"gap_duration":200,"round_trip_delay":50,"end_system_delay":80,"signal_level":-20,"noise_level":-50,"gmin":16,"r_factor":93,` +
				`"mos_lq":4.2,"mos_cq":4.1,"rx_config":160,"jb_nominal":40,"jb_maximum":60,"jb_abs_max":120},"xr_ssrc":287454020,"xr_information":[` +
				`{"type":4,"ntp_timestamp_sec":3855853761,"ntp_timestamp_usec":2147483648},` +
				`{"type":5,"sub_blocks":[{"source_ssrc":1432778632,"lrr":2831253504,"dlrr":65536}]},` +
				`{"type":6,"source_ssrc":1432778632,"begin_seq":1,"end_seq":100,"lost_packets":3,"dup_packets":1,"min_jitter":1,"max_jitter":9,` +
				`"mean_jitter":4,"dev_jitter":2,"min_ttl":64,"max_ttl":65,"mean_ttl":66,"dev_ttl":1},` +
				`{"type":1,"source_ssrc":1432778632,"begin_seq":1,"end_seq":100,"thinning":2,"octets":12},{"type":42,"octets":4}]}`},
		{"empty rr, feedback, app", `80 c9 0001 11223344` + nackHex + pliHex + appHex,
			`{"ssrc":287454020,"type":201,"report_count":0,"report_blocks":[],"other_packets":[` +
				`{"type":205,"ssrc":287454020,"format":1,"media_ssrc":1432778632},{"type":206,"ssrc":287454020,"format":1,"media_ssrc":1432778632},` +
				`{"type":204,"ssrc":287454020,"subtype":3,"name":"name","octets":4}]}`},
		{"two chunks", `82 ca 0007  00000001 01 01 61 00  00000002 01 01 62 02 02 ff00 01 03 07 5c 7f 00 000000`,
			`{"ssrc":1,"type":202,"sdes_ssrc":1,"sdes_report_count":2,"sdes_information":[{"type":1,"text":"a","sdes_chunk_ssrc":1},` +
				`{"type":1,"text":"b","sdes_chunk_ssrc":2},{"type":2,"text":"` + "\uFFFD\uFFFD" + `","sdes_chunk_ssrc":2},` +
				`{"type":1,"text":"\u0007\\\u007f","sdes_chunk_ssrc":2}]}`},
		{"padded bye", `a1 cb 0003 00000001 02 6869 00 00000004`, `{"ssrc":1,"type":203,"bye":[1],"bye_reason":"hi"}`},
		{"unheard-of type", `80 d1 0001 00000001`, `{"ssrc":1,"type":209}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := unhex(t, c.in)
			if !rtcp.ValidReduced(in) && in[1] <= rtcp.XR {
				t.Error("not valid")
			}
			got := rtcp.AppendJSON([]byte("x"), in)
			if string(got[1:]) != c.want || got[0] != 'x' {
				t.Errorf("got  %s\nwant %s", got[1:], c.want)
			}
			if !json.Valid(got[1:]) {
				t.Error("no valid JSON")
			}
		})
	}
	if got := rtcp.AppendJSON([]byte("x"), []byte{0x80, 200, 0, 9}); string(got) != "x" {
		t.Errorf("cut packet: %s", got)
	}
}

func TestSplit(t *testing.T) {
	compound := unhex(t, pliHex+srHex+sdesHex+rrHex+xrHex+srHex+"00ff")
	var got []int
	for part, rest := rtcp.Split(compound); len(part) > 0; part, rest = rtcp.Split(rest) {
		got = append(got, len(part))
	}
	want := []int{12, 52 + 32, 32 + 136, 52}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parts %v, want %v", got, want)
	}
}

func TestValid(t *testing.T) {
	for _, c := range []struct {
		name, in       string
		valid, reduced bool
	}{
		{"sr", srHex, true, true},
		{"compound", srHex + sdesHex + byeHex, true, true},
		{"all", rrHex + sdesHex + appHex + nackHex + pliHex + xrHex + byeHex, true, true},
		{"sdes alone", sdesHex, false, true},
		{"octets left over", srHex + "00000000", false, false},
		{"cut", srHex[:len(srHex)-4], false, false},
		{"blocks do not fit", "82" + srHex[2:], false, false},
		{"padding first", `a0 c9 0002 00000001 00000004`, false, true},
		{"padding last", rrHex + `a1 cb 0002 00000001 00000004`, true, true},
		{"padding in the middle", rrHex + `a1 cb 0002 00000001 00000004` + rrHex, false, false},
		{"padding not of words", rrHex + `a1 cb 0002 00000001 00000003`, false, false},
		{"padding too long", rrHex + `a1 cb 0002 00000001 0000000c`, false, false},
		{"padding of nothing", rrHex + `a1 cb 0002 00000001 00000000`, false, false},
		{"version 1", `41` + rrHex[2:], false, false},
		{"second version 1", rrHex + `41` + rrHex[2:], false, false},
		{"rtp", `80 08 1234 00000000 00000001` + strings.Repeat("d5", 160), false, false},
		{"rtp with marker and payload type 72", `80 c8 0003 00000000 00000001 d5d5d5d5`, false, false},
		{"short", `80 c9 00`, false, false},
		{"empty", ``, false, false},
	} {
		b := unhex(t, c.in)
		if rtcp.Valid(b) != c.valid || rtcp.ValidReduced(b) != c.reduced {
			t.Errorf("%s: Valid %v, ValidReduced %v", c.name, rtcp.Valid(b), rtcp.ValidReduced(b))
		}
	}
}

func TestEncrypted(t *testing.T) {
	cipher := strings.Repeat("a7", 20) + strings.Repeat("39", 20)
	for _, c := range []struct {
		name, in string
		want     bool
	}{
		{"sr with an 80-bit tag", `80 c8 0006 00000001` + cipher + `80000007` + strings.Repeat("5c", 10), true},
		{"sr with a 32-bit tag", `80 c8 0006 00000001` + cipher + `80000007 5c5c5c5c`, true},
		{"aead", `80 c8 0006 00000001` + cipher + `80000007`, true},
		{"not encrypted, only authenticated", `80 c8 0006 00000001` + cipher + `00000007` + strings.Repeat("5c", 10), false},
		{"rtcp", srHex + sdesHex, false},
		{"rtp", `80 00 0006 00000001` + cipher + `80000007` + strings.Repeat("5c", 10), false},
		{"short", `80 c8 0006 00000001`, false},
	} {
		if got := rtcp.Encrypted(unhex(t, c.in)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestAccessors(t *testing.T) {
	// Each accessor of another type of packet says that there is nothing.
	for w := rtcp.Walk(unhex(t, srHex+rrHex+sdesHex+byeHex+appHex+nackHex+xrHex)); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		_, sender := p.SenderInfo()
		_, block := p.ReportBlock(0)
		_, source := p.Source(0)
		_, media := p.MediaSSRC()
		items, blocks := p.Items(), p.Blocks()
		_, item := items.Next()
		_, xr := blocks.Next()
		name, _ := p.App()
		got := []bool{sender, block, item, source, name != nil, media, xr, p.Reason() != nil}
		want := []bool{p.Type == rtcp.SR, p.Type == rtcp.SR || p.Type == rtcp.RR, p.Type == rtcp.SDES, p.Type == rtcp.BYE,
			p.Type == rtcp.APP, p.Type == rtcp.RTPFB, p.Type == rtcp.XR, p.Type == rtcp.BYE}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("type %d: %v, want %v", p.Type, got, want)
		}
		if _, ok := p.ReportBlock(1); ok {
			t.Errorf("type %d: a second block", p.Type)
		}
		if _, ok := p.Source(2); ok {
			t.Errorf("type %d: a third source", p.Type)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{srHex + sdesHex + byeHex, rrHex + xrHex, nackHex + pliHex, appHex, sdesHex,
		`82 ca 0006  00000001 01 01 61 00  00000002 01 01 62 02 02 ff00 00 0000`, `a1 cb 0003 00000001 02 6869 00 00000004`} {
		f.Add(unhex(f, s))
	}
	seeds, _ := filepath.Glob("../../../shared/captures/corpora/pjsip-seeds/rtcp/*")
	for _, name := range seeds {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rtcp.Encrypted(b)
		packets, octets := 0, 0
		for w := rtcp.Walk(b); ; packets++ {
			p, ok := w.Next()
			if !ok {
				break
			}
			octets += 4 * (int(binary.BigEndian.Uint16(p.Data[2:])) + 1)
		}
		if octets > len(b) {
			t.Fatalf("packets of %d octets in %d", octets, len(b))
		}
		valid := rtcp.ValidReduced(b)
		if valid && octets != len(b) || rtcp.Valid(b) && !valid {
			t.Fatalf("valid, but %d of %d octets read", octets, len(b))
		}
		split := 0
		for part, rest := rtcp.Split(b); len(part) > 0; part, rest = rtcp.Split(rest) {
			split += len(part)
			j := rtcp.AppendJSON(nil, part)
			if !json.Valid(j) && len(j) > 0 {
				t.Fatalf("no valid JSON: %s", j)
			}
			if bytes.Contains(j, []byte(`\u0000`)) {
				t.Fatalf("NUL: %s", j)
			}
			if w := rtcp.Walk(part); len(j) == 0 {
				if _, ok := w.Next(); ok {
					t.Fatal("a packet, but no JSON")
				}
				continue
			}
			dec := json.NewDecoder(bytes.NewReader(j))
			unique(t, dec)
			var o struct {
				Type   uint8  `json:"type"`
				SSRC   uint32 `json:"ssrc"`
				Blocks []struct {
					Lost int32 `json:"packets_lost"`
				} `json:"report_blocks"`
				Count uint8 `json:"report_count"`
			}
			if err := json.Unmarshal(j, &o); err != nil {
				t.Fatalf("%v: %s", err, j)
			}
			if o.Type != part[1] || valid && len(o.Blocks) != int(o.Count) {
				t.Fatalf("type %d, %d of %d blocks: %s", part[1], len(o.Blocks), o.Count, j)
			}
		}
		if valid && split != len(b) {
			t.Fatalf("parts of %d octets in %d", split, len(b))
		}
	})
}

// unique fails when an object in dec has a key twice.
func unique(t *testing.T, dec *json.Decoder) {
	t.Helper()
	tok, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return
	}
	keys := map[any]bool{}
	for dec.More() {
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			if keys[key] {
				t.Fatalf("key %v twice", key)
			}
			keys[key] = true
		}
		unique(t, dec)
	}
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
}

func TestAllocs(t *testing.T) {
	b := unhex(t, srHex+sdesHex+xrHex+byeHex+appHex+nackHex)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if !rtcp.Valid(b) {
			t.Fatal("not valid")
		}
		part, _ := rtcp.Split(b)
		if len(rtcp.AppendJSON(buf, part)) == 0 {
			t.Fatal("no JSON")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkValid(b *testing.B) {
	p := unhex(b, srHex+sdesHex)
	for b.Loop() {
		rtcp.Valid(p)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	buf := make([]byte, 0, 4096)
	for _, c := range []struct{ name, in string }{{"sr+sdes", srHex + sdesHex}, {"sr+sdes+xr", srHex + sdesHex + xrHex}} {
		p := unhex(b, c.in)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rtcp.AppendJSON(buf, p)
			}
		})
	}
}
