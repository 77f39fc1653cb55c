package isup_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"heptap/capture/isup"
)

// octets reads spaced hex.
func octets(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Messages made by hand from Q.763, CIC in front.
const (
	// CIC 1; one satellite circuit, check on this circuit, echo control; international call,
	// interworking, ISUP all the way and required, ISDN access, connection
	// oriented SCCP; ordinary subscriber; 3.1 kHz audio; called 49302222 and ST, international; calling
	// 4930111 of odd length, restricted, network provided; A-law user service; hop counter 20.
	iam = "01 00 01 15 a9 05 0a 03 02 09 07 84 10 94 03 22 22 0f" +
		"0a 06 84 17 94 03 11 01  1d 03 90 90 a3  3d 01 14 00"
	// CIC 300; user busy, at the public network of the remote user; no optional part.
	rel = "2c 01 0c 02 00 02 84 91"
	// CIC 33 to 49.
	grs = "21 00 17 01 01 10"
)

func parse(t testing.TB, s string) *isup.Message {
	t.Helper()
	var m isup.Message
	if err := m.ParseWithCIC(octets(s)); err != nil {
		t.Fatal(err)
	}
	return &m
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct{ name, b, want string }{
		{"IAM", iam, `{"cic":1,"msg_type":1,"msg_name":"IAM",` +
			`"nature_of_connnection":{"satellite":1,"satellite_name":"one satellite circuit in the connection","continuity_check":1,` +
			`"continuity_check_name":"continuity check required on this circuit","echo_device":1,"echo_device_name":"outgoing echo control device included"},` +
			`"forward_call":{"national_international_call":1,"national_international_call_name":"call to be treated as an international call",` +
			`"end_to_end_method":0,"end_to_end_method_name":"no end-to-end method available (only link-by-link method available)",` +
			`"interworking":1,"interworking_name":"interworking encountered","end_to_end_information":0,"end_to_end_information_name":"no end-to-end information available",` +
			`"isup":1,"isup_name":"ISDN user part used all the way","isup_preference":2,"isup_preference_name":"ISDN user part required all the way",` +
			`"isdn_access":1,"isdn_access_name":"originating access ISDN","sccp_method":2,"sccp_method_name":"connection oriented method available"},` +
			`"calling_party":{"num":10,"name":"ordinary calling subscriber"},"transmission_medium":{"num":3,"name":"3.1 kHz audio"},` +
			`"called_number":{"inn":0,"inn_name":"routing to internal network number allowed","ton":4,"ton_name":"international number",` +
			`"npi":1,"npi_name":"ISDN (Telephony) numbering plan (ITU-T Recommendation E.164)","num":"49302222F"},` +
			`"calling_number":{"ni":0,"ni_name":"complete","restrict":1,"restrict_name":"presentation restricted","screened":3,"screened_name":"network provided",` +
			`"ton":4,"ton_name":"international number","npi":1,"npi_name":"ISDN (Telephony) numbering plan (ITU-T Recommendation E.164)","num":"4930111"},` +
			`"user_information":{"coding_standard_name":"ITU-T standardized coding","coding_standard":0,"transfer_capability":16,"transfer_mode":0,"transfer_rate":16,` +
			`"layer1_ident":1,"layer1_protocol":3,"transfer_capability_name":"3.1 kHz audio","transfer_mode_name":"Circuit mode","transfer_rate_name":"64 kbit/s",` +
			`"layer1_protocol_name":"G.711 a-law"},"hop_counter":20,"opc":101,"dpc":202}`},
		{"REL", rel, `{"cic":300,"msg_type":12,"msg_name":"REL","cause":{"standard_num":0,"standard_name":"ITU-T","location_num":4,` +
			`"location_name":"public network serving the remote user (RLN)","itu_class_name":"normal event","itu_class_num":1,"itu_cause_name":"User busy","itu_cause_num":17},` +
			`"opc":101,"dpc":202}`},
		{"REL, resources, octet 1a, diagnostics", "2c 01 0c 02 00 05 0a 80 a2 01 02", `{"cic":300,"msg_type":12,"msg_name":"REL","cause":{"standard_num":0,"standard_name":"ITU-T","location_num":10,` +
			`"location_name":"network beyond interworking point (BI)","itu_class_name":"resource unavailable","itu_class_num":2,"itu_cause_name":"No circuit/channel available","itu_cause_num":34},` +
			`"opc":101,"dpc":202}`},
		{"REL of a national standard", "01 00 0c 02 00 02 c0 ff", `{"cic":1,"msg_type":12,"msg_name":"REL","cause":{"standard_num":2,"standard_name":"National","location_num":0,"location_name":"user (U)"},"opc":101,"dpc":202}`},
		{"ANM", "01 00 09 00", `{"cic":1,"msg_type":9,"msg_name":"AMN","opc":101,"dpc":202}`},
		{"CPG", "01 f0 2c 84 00", `{"cic":1,"msg_type":44,"msg_name":"CPG","event":{"event_num":4,"event_str":"call forwarded on busy (national use)","presentation_str":"presentation restricted"},"opc":101,"dpc":202}`},
		{"RLC without a pointer", "ff 0f 10", `{"cic":4095,"msg_type":16,"msg_name":"RLC","opc":101,"dpc":202}`},
		{"unknown type", "01 00 fa 01", `{"cic":1,"msg_type":250,"msg_name":"unknown 250","opc":101,"dpc":202,"fault":"unknown message type"}`},
		{"IAM without its number", "01 00 01 00 20 01 0a 00 02 00 08 83", `{"cic":1,"msg_type":1,"msg_name":"IAM",` +
			`"nature_of_connnection":{"satellite":0,"satellite_name":"no satellite circuit in the connection","continuity_check":0,"continuity_check_name":"continuity check not required",` +
			`"echo_device":0,"echo_device_name":"outgoing echo control device not included"},` +
			`"forward_call":{"national_international_call":0,"national_international_call_name":"call to be treated as a national call",` +
			`"end_to_end_method":0,"end_to_end_method_name":"no end-to-end method available (only link-by-link method available)",` +
			`"interworking":0,"interworking_name":"no interworking encountered (No. 7 signalling all the way)","end_to_end_information":0,"end_to_end_information_name":"no end-to-end information available",` +
			`"isup":1,"isup_name":"ISDN user part used all the way","isup_preference":0,"isup_preference_name":"ISDN user part preferred all the way",` +
			`"isdn_access":1,"isdn_access_name":"originating access ISDN","sccp_method":0,"sccp_method_name":"no indication"},` +
			`"calling_party":{"num":10,"name":"ordinary calling subscriber"},"transmission_medium":{"num":0,"name":"speech"},` +
			`"opc":101,"dpc":202,"fault":"Called party number: cut"}`},
		{"the first of two", "01 00 0c 02 06 02 80 90 00 00 12 02 80 91 00", `{"cic":1,"msg_type":12,"msg_name":"REL","cause":{"standard_num":0,"standard_name":"ITU-T","location_num":0,"location_name":"user (U)",` +
			`"itu_class_name":"normal event","itu_class_num":1,"itu_cause_name":"Normal call clearing","itu_cause_num":16},"opc":101,"dpc":202}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(t, c.b).AppendJSON([]byte("x"), 101, 202)
			if string(got) != "x"+c.want {
				t.Errorf("got  %s\nwant x%s", got, c.want)
			}
			if !json.Valid(got[1:]) {
				t.Error("not JSON")
			}
		})
	}
}

// TestWithoutCIC has a message as SIP carries it.
func TestWithoutCIC(t *testing.T) {
	var m isup.Message
	if err := m.Parse(octets("10 00")); err != nil {
		t.Fatal(err)
	}
	if got := string(m.AppendJSON(nil, 1, 2)); got != `{"msg_type":16,"msg_name":"RLC"}` || m.HasCIC {
		t.Error(got)
	}
	if got := string(m.AppendMembers(nil, 1, 2)); got != `"msg_type":16,"msg_name":"RLC"` {
		t.Error(got)
	}
	if err := m.Parse(nil); !errors.Is(err, isup.ErrShort) || m.Type != 0 || m.Len() != 0 {
		t.Error(err)
	}
	for n := range 3 {
		if err := m.ParseWithCIC(octets(rel)[:n]); !errors.Is(err, isup.ErrShort) || m.HasCIC {
			t.Error(n, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	m := parse(t, iam)
	called, ok := m.Number(isup.CalledPartyNumber)
	if !ok || string(called.AppendTo(nil)) != "49302222" || !called.International() || !called.Complete() || called.Withheld() {
		t.Errorf("%v %+v", ok, called)
	}
	calling, ok := m.Number(isup.CallingPartyNumber)
	if !ok || string(calling.AppendTo(nil)) != "4930111" || calling.Complete() || !calling.Withheld() || calling.Screening != 3 {
		t.Errorf("%v %+v", ok, calling)
	}
	if _, ok := m.Number(isup.RedirectingNumber); ok {
		t.Error("a redirecting number")
	}
	if _, ok := m.Number(isup.HopCounter); ok {
		t.Error("a hop counter is no number")
	}
	c, ok := parse(t, rel).Cause()
	if !ok || c.Value != 17 || c.Location != 4 || c.Text() != "User busy" {
		t.Errorf("%v %+v", ok, c)
	}
	if _, ok := parse(t, "01 00 0c 02 00 02 04 00").Cause(); ok {
		t.Error("a cause whose value is not there")
	}
}

// TestFaults has each fault, and what is kept all the same.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, b string
		fault   isup.Fault
		at      isup.Code
		text    string
		kept    int
	}{
		{"fixed part cut", "01 00 06 10", isup.Cut, isup.BackwardCallIndicators, "Backward call indicators: cut", 0},
		{"no pointer", "01 00 02", isup.Cut, isup.SubsequentNumber, "Subsequent number: cut", 0},
		{"pointer of 0", "01 00 02 00 02 00 00", isup.BadPointer, isup.SubsequentNumber, "Subsequent number: pointer out of range", 0},
		{"pointer into the pointers", "01 00 02 01 00 02 00 21", isup.BadPointer, isup.SubsequentNumber, "Subsequent number: pointer out of range", 0},
		{"pointer out of the message", "01 00 02 09 00 02 00 21", isup.BadPointer, isup.SubsequentNumber, "Subsequent number: pointer out of range", 0},
		{"bad pointer, but the optional part is read", "01 00 0c 40 01 3d 01 05 00", isup.BadPointer, isup.CauseIndicators, "Cause indicators: pointer out of range", 1},
		{"variable part cut", "01 00 0c 02 00 03 84 91", isup.Cut, isup.CauseIndicators, "Cause indicators: cut", 0},
		{"optional pointer out of the message", "01 00 09 02 00", isup.BadPointer, isup.EndOfOptional, "pointer out of range", 0},
		{"no optional pointer", "01 00 06 16 34", isup.NoOptional, isup.EndOfOptional, "no pointer to the optional part", 1},
		{"optional name alone", "01 00 09 01 3d", isup.Cut, isup.HopCounter, "Hop counter: cut", 0},
		{"optional part cut", "01 00 09 01 3d 01 05 0a 06 03", isup.Cut, isup.CallingPartyNumber, "Calling party number: cut", 1},
		{"optional part without end", "01 00 09 01 3d 01 05", isup.NoEnd, isup.EndOfOptional, "no end of optional parameters", 1},
		{"too short", "01 00 09 01 0a 01 03 00", isup.ContentTooShort, isup.CallingPartyNumber, "Calling party number: too short", 1},
		{"too many", "01 00 09 01" + strings.Repeat(" fe 00", 65), isup.TooMany, 254, "parameter 254: too many parameters", 64},
		{"exactly enough", "01 00 09 01" + strings.Repeat(" fe 00", 64) + " 00", isup.None, 0, "", 64},
		{"octets behind the end", "01 00 09 01 3d 01 05 00 ff ff", isup.None, 0, "", 1},
		{"two variable parameters", "01 00 2b 02 04 02 03 0f 04 03 0c 05 01", isup.None, 0, "", 2},
		{"unknown", "01 00 0f", isup.UnknownType, 0, "unknown message type", 0},
		{"type 0", "01 00 00 01", isup.UnknownType, 0, "unknown message type", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.b)
			if m.Fault != c.fault || m.FaultAt != c.at || string(m.AppendFault(nil)) != c.text || m.Len() != c.kept {
				t.Errorf("fault %d at %d, %q, %d parameters", m.Fault, m.FaultAt, m.AppendFault(nil), m.Len())
			}
		})
	}
}

// TestTruncated cuts messages everywhere: what is whole is kept and nothing
// else, and a cut is always named.
func TestTruncated(t *testing.T) {
	for _, s := range []string{iam, rel, grs, "21 00 2b 02 04 02 03 0f 04 03 0c 05 01"} {
		whole := octets(s)
		full := parse(t, s)
		for n := 3; n < len(whole); n++ {
			var m isup.Message
			if err := m.ParseWithCIC(whole[:n:n]); err != nil {
				t.Fatal(err)
			}
			if m.Fault == isup.None {
				t.Errorf("%d of %d octets and no fault", n, len(whole))
			}
			for i := range m.Len() {
				code, value := m.Parameter(i)
				if want, ok := full.Find(code); !ok || string(want) != string(value) {
					t.Errorf("%d octets: %v is % x", n, code, value)
				}
			}
			if !json.Valid(m.AppendJSON(nil, 1, 2)) || !json.Valid(m.AppendReadable(nil)) {
				t.Errorf("%d octets: not JSON", n)
			}
		}
	}
}

func TestTypes(t *testing.T) {
	// Facts of captagent's table: code and name.
	want := "1 IAM 2 SAM 3 INR 4 INF 5 COT 6 ACM 7 CON 8 FOT 9 AMN 12 REL 13 SUS 14 RES 16 RLC 17 CCR 18 RSC 19 BLO 20 UBL 21 BLA 22 UBA 23 GRS 24 CGB 25 CGU 26 CGBA 27 CGUA " +
		"31 FAR 32 FAA 33 FRJ 36 LPA 41 GRA 43 CQR 44 CPG 45 USR 46 UCIC 47 CFN 48 OLM 50 NRM 51 FAC 52 UPT 53 UPA 54 IDR 55 IDS 56 SEG 64 LPR 65 APT 66 PRI 67 SAN"
	var b []byte
	for i := range 256 {
		switch typ := isup.Type(i); {
		case i == 40 || i == 42 || i == 49: // PAM, CQM and CRG are not in captagent's
			if !typ.Known() || typ.Title() == "" {
				t.Errorf("%d is unknown", i)
			}
		case typ.Known():
			b = append(b, " "+string([]byte(itoa(i)))+" "+typ.String()...)
			if typ.Title() == "" {
				t.Errorf("%v has no title", typ)
			}
		}
	}
	if got := strings.TrimSpace(string(b)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestEffect(t *testing.T) {
	for _, c := range []struct {
		name, b  string
		circuits int
		want     string // of the first circuits, a letter each: b e f, - for none
	}{
		{"IAM", iam, 1, "b-"},
		{"ACM", "01 00 06 16 34 00", 1, "-"},
		{"ANM", "01 00 09 00", 1, "-"},
		{"REL", rel, 1, "e"},
		{"RLC", "01 00 10 00", 1, "f"},
		{"RSC", "01 00 12", 1, "e"},
		{"UCIC", "01 00 2e", 1, "f"},
		{"BLO", "01 00 13", 1, "-"},
		{"CCR", "01 00 11", 1, "-"},
		{"COT failed", "01 00 05 00", 1, "e"},
		{"COT successful", "01 00 05 01", 1, "-"},
		{"GRS", grs, 17, "eeeeeeeeeeeeeeeee-"},
		{"GRS without its range", "21 00 17", 1, "e"},
		{"GRA", "21 00 29 01 02 01 00", 2, "ff-"},
		{"CGB for maintenance", "21 00 18 00 01 02 03 0f", 4, "----"},
		{"CGB for hardware", "21 00 18 01 01 02 03 0a", 4, "-f-f-"},
		{"CGB for hardware, status missing", "21 00 18 01 01 01 09", 10, "----------"},
		{"CGBA", "21 00 1a 01 01 02 03 0a", 4, "----"},
		// Incoming busy, idle, unequipped, transient, and one that is not there.
		{"CQR", "21 00 2b 02 03 01 04 04 04 0c 03 00", 5, "-ff--"},
		{"unknown", "01 00 fa", 1, "-"},
	} {
		m := parse(t, c.b)
		var got []byte
		for i := range len(c.want) {
			got = append(got, "-bef"[m.EffectOn(i)])
		}
		if string(got) != c.want || m.Circuits() != c.circuits || m.Effect() != m.EffectOn(0) || m.EffectOn(-1) != isup.NoEffect {
			t.Errorf("%s: %s, %d circuits", c.name, got, m.Circuits())
		}
	}
	if got := isup.Begins.String() + isup.Ends.String() + isup.Frees.String() + isup.NoEffect.String(); got != "beginsendsfreesnone" {
		t.Error(got)
	}
}

func TestCircuit(t *testing.T) {
	a, b := isup.CircuitOf(202, 101, 7), isup.CircuitOf(101, 202, 7)
	if a != b || a.String() != "101:202:7" || a == isup.CircuitOf(101, 202, 8) {
		t.Error(a, b)
	}
}

func TestVariantOf(t *testing.T) {
	for _, c := range []struct {
		version, base, want string
		readable            bool
	}{
		{"itu-t92+", "itu-t92+", "ITU-T", true},
		{"ITU-T88", "", "ITU-T", true},
		{"nxv3", "etsi121", "ETSI", true},
		{"nxv3", "ETSI356", "ETSI", true},
		{"ansi00", "", "ANSI", false},
		{"itu-t92+", "ansi88", "ANSI", false},
		{"", "gr317", "ANSI", false},
		{"ttc93+", "ttc93+", "TTC", false},
		{"X-NetxProprietaryISUPv3", "", "other", false},
		{"itu-t92+", "newer", "ITU-T", true},
		{"", "newer", "other", false},
		{"", "", "unspecified", true},
	} {
		if v := isup.VariantOf(c.version, c.base); v.String() != c.want || v.Readable() != c.readable {
			t.Errorf("%q %q: %v %v", c.version, c.base, v, v.Readable())
		}
	}
}

func TestAllocs(t *testing.T) {
	b, group := octets(iam), octets("21 00 2b 02 03 01 04 04 04 0c 03 00")
	dst := make([]byte, 0, 16<<10)
	var m isup.Message
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range [][]byte{b, group} {
			if m.ParseWithCIC(b) != nil || m.Fault != isup.None {
				t.Fatal("fault")
			}
			m.AppendReadable(m.AppendJSON(dst, 1, 2))
			m.EffectOn(1)
			m.Number(isup.CalledPartyNumber)
			isup.CircuitOf(1, 2, m.CIC).AppendTo(dst)
			isup.VariantOf("itu-t92+", "etsi356")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
