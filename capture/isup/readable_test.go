package isup_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"heptap/capture/isup"
)

// readable is an element of what AppendReadable writes.
type readable struct {
	Code    int
	Name    string
	Number  string
	Text    string
	Hex     string
	Octets  int
	Omitted int
}

func read(t testing.TB, m *isup.Message) []readable {
	t.Helper()
	var list []readable
	if b := m.AppendReadable(nil); json.Unmarshal(b, &list) != nil {
		t.Fatalf("not JSON: %s", b)
	}
	return list
}

// TestReadable has each parameter in an optional part, with words worked out from
// Q.763.
func TestReadable(t *testing.T) {
	const e164 = "ISDN (Telephony) numbering plan (ITU-T Recommendation E.164)"
	for _, c := range []struct {
		code   isup.Code
		value  string
		number string
		text   string
		hex    string
	}{
		{1, "01 02 03 16 00", "", "call identity: 66051; point code: 22", ""},
		{2, "07", "", "2 × 64 kbit/s unrestricted", ""},
		{2, "0b", "", "spare 11", ""},
		{3, "1e 02 81 83 7d 02 91 81", "", "progress indicator (origination is non-ISDN); high layer compatibility", "1e0281837d029181"},
		{3, "a1 1e 04 81", "", "single octet element; an element that is cut", "a11e0481"},
		{4, "03 90 21 43", "1234", "national (significant) number; " + e164 + "; routing to internal network number not allowed", ""},
		{5, "80 21 0f", "12", "end of number signalled", ""},
		{5, "80 21 03", "123", "", ""},
		{6, "1a", "", "satellite: two satellite circuits in the connection; continuity check: continuity check performed on a previous circuit; echo control: outgoing echo control device included", ""},
		{7, "60 31", "", "national/international: call to be treated as a national call; end-to-end method: no end-to-end method available (only link-by-link method available); " +
			"interworking: no interworking encountered (No. 7 signalling all the way); end-to-end information: no end-to-end information available; " +
			"ISDN user part: ISDN user part used all the way; ISDN user part preference: ISDN user part not required all the way; " +
			"ISDN access: originating access ISDN; SCCP method: no indication; ported number translation: number translated; query on release: routing attempt in progress", ""},
		{8, "87", "", "closed user group: CUG call, outgoing access not allowed; simple segmentation: additional information will be sent in a segmentation message; connected line identity: requested", ""},
		{9, "0f", "", "payphone", ""},
		{9, "e0", "", "spare 224", ""},
		{10, "83 17 94 03 01", "49301", "national (significant) number; " + e164 + "; complete; presentation restricted; network provided", ""},
		{10, "00 0b", "", "spare; spare; complete; address not available (national use); network provided", ""},
		{11, "04 14 94 03", "4930", "international number; " + e164 + "; presentation restricted", ""},
		{12, "04 10 94 03", "4930", "international number; " + e164 + "; routing to internal network number allowed", ""},
		{13, "00 00 07 16 00 02 03", "", "local reference: 7; point code: 22", "0203"},
		{14, "89 00", "", "calling party address: requested; holding: not requested; calling party's category: requested; charge information: not requested; malicious call identification: requested", "00"},
		{15, "23 00", "", "calling party address: included; hold: not provided; calling party's category: included; charge information: not included; information: solicited", "00"},
		{16, "01", "", "continuity check: successful", ""},
		{17, "16 34", "", "charge: charge; called party's status: subscriber free; called party's category: ordinary subscriber; " +
			"end-to-end method: no end-to-end method available (only link-by-link method available); interworking: no interworking encountered (No. 7 signalling all the way); " +
			"end-to-end information: no end-to-end information available; ISDN user part: ISDN user part used all the way; holding: not requested; " +
			"ISDN access: terminating access ISDN; echo control: incoming echo control device included; SCCP method: no indication", ""},
		{18, "83 e6 33 30", "", "102 Recovery on timer expiry; location: transit network (TN); coding: ITU-T", "3330"},
		{18, "04 91", "", "", "0491"},
		{19, "13 21", "", "redirecting: call diverted; original reason: user busy; redirections: 1; reason: no reply", ""},
		{19, "04", "", "redirecting: call diverted, all redirection information presentation restricted; original reason: unknown/not available", ""},
		{21, "01", "", "type: hardware failure oriented", ""},
		{22, "0a 8f 02", "", "range: 10", ""}, // replaced below: depends on the CIC
		{24, "02", "", "facility: user-to-user service", ""},
		{26, "12 34 01 00", "", "network 2143; code 256", ""},
		{29, "88 90", "", "ITU-T standardized coding; Unrestricted digital information; Circuit mode; 64 kbit/s", "8890"},
		{29, "80 98 83 a3", "", "ITU-T standardized coding; Speech; Circuit mode; Multirate (64 kbit/s base rate); multiplier: 3; G.711 a-law", "809883a3"},
		{30, "16 c0", "", "point code: 22", ""},
		{32, "04 48 69 22 00", "", "protocol: 4 (IA5): Hi..", "48692200"},
		{32, "00 01", "", "protocol: 0", "01"},
		{33, "04 12 94 03", "4930", "international number; " + e164 + "; presentation allowed; user provided, verified and failed", ""},
		{34, "01", "", "initiated by: network", ""},
		{35, "a3 21 43 05", "", "identification: 2; plan: 3; network 12345", ""},
		{36, "83", "", "in-band information or an appropriate pattern is now available; presentation: presentation restricted", ""},
		{37, "02 ff 00 00 00", "", "map: 2048 kbit/s digital path", "ff000000"},
		{39, "02", "", "level: congestion level 2 exceeded", ""},
		{40, "04 10 94 03", "4930", "international number; " + e164 + "; presentation allowed", ""},
		{41, "03", "", "in-band information: in-band information or an appropriate pattern is now available; call diversion: call diversion may occur; simple segmentation: no additional information will be sent; MLPP user: no indication", ""},
		{42, "06", "", "type: request; service 1: request, essential; service 2: no information; service 3: no information", ""},
		{42, "85", "", "type: response; service 1: provided; service 2: no information; service 3: no information; user-to-user information: discarded by the network", ""},
		{43, "0b 00", "", "point code: 11", ""},
		{44, "80 fb", "", "user suspended; call is diverting", ""},
		{45, "00 0a", "", "10 ms", ""},
		{46, "01", "", "set-up message: not generated", ""},
		{47, "01 02", "", "", "0102"},
		{48, "80 90 a2", "", "ITU-T standardized coding; Speech; Circuit mode; 64 kbit/s; G.711 u-law", "8090a2"},
		{49, "01 00", "", "256 ms", ""},
		{52, "91 84", "", "facsimile group 2/3", "9184"},
		{53, "03", "", "3.1 kHz audio", ""},
		{54, "1a", "", "notification subscription: presentation allowed with redirection number; reason: unconditional", ""},
		{55, "06", "", "outgoing device: included; incoming device: not included and not available; outgoing request: no information; incoming request: no information", ""},
		{56, "89", "", "transit: end node interpretation; release call: no indication; send notification: no indication; discard message: yes; pass on not possible: release call; broadband interworking: pass on", ""},
		{57, "3d 02 80 fe 90", "", "Hop counter (transit: transit interpretation; release call: yes; send notification: no indication; discard message: no indication; discard parameter: no indication; pass on not possible: release call); " +
			"parameter 254 (transit: transit interpretation; release call: no indication; send notification: no indication; discard message: no indication; discard parameter: yes; pass on not possible: release call)", "3d0280fe90"},
		{58, "43 12 34 00 00 01", "", "look ahead for busy: not allowed; precedence: priority", "1234000001"},
		{59, "01", "", "malicious call identification: requested; holding: not requested", ""},
		{60, "01", "", "malicious call identification: included; holding: not provided", ""},
		{61, "14", "", "hops left: 20", ""},
		{62, "00", "", "speech", ""},
		{63, "04 97 94 03", "4930", "international number; " + e164 + "; routing to internal network number not allowed; presentation restricted; network provided", ""},
		{64, "01", "", "redirection number: presentation restricted", ""},
		{67, "09", "", "call transfer identity: 9", ""},
		{68, "00", "", "type: request", ""},
		{68, "03", "", "type: response; response: no loop exists", ""},
		{69, "04 11 94 03", "4930", "international number; " + e164 + "; presentation allowed; user provided, verified and passed", ""},
		{75, "01", "", "CCSS call: yes", ""},
		{91, "01", "", "temporary alternative routing: controlled call", ""},
		{110, "02", "", "call diversion: not allowed", ""},
		{111, "04 10 94 03", "4930", "international number; " + e164 + "; presentation allowed", ""},
		{112, "01", "", "call offering: not allowed", ""},
		{114, "01", "", "conference: accept request", ""},
		{115, "b1 41", "", ".A", "b141"},
		{116, "03", "", "through-connection: through-connect in both directions; T9: stop or do not start", ""},
		{117, "01", "", "through-connection: modification possible; T9: no indication", ""},
		{119, "03", "", "redirects left: 3", ""},
		{120, "85 01 ff", "", "application context: 5", "01ff"},
		{121, "01", "", "collect call: requested", ""},
		{192, "06 03 10 21 43", "1234", "additional calling party number; national (significant) number; " + e164 + "; complete; presentation allowed; user provided, not verified", ""},
		{192, "06 83", "", "too short", "0683"},
		{193, "21 21 03", "", "type: 1; digits 123", ""},
		{193, "40 41", "", "type: 0; IA5 A", "41"},
		{193, "60 41", "", "type: 0", "41"},
		{101, "01", "", "", "01"},
		{254, "01 02", "", "", "0102"},
	} {
		value := octets(c.value)
		name := fmt.Sprintf("%d % x", c.code, value)
		message := append(append([]byte{1, 0, 9, 1, byte(c.code), byte(len(value))}, value...), 0)
		var m isup.Message
		if err := m.ParseWithCIC(message); err != nil {
			t.Fatal(err)
		}
		list := read(t, &m)
		if len(list) != 1 || list[0].Code != int(c.code) || list[0].Name != c.code.String() {
			t.Errorf("%s: %+v", name, list)
			continue
		}
		if c.code == isup.RangeAndStatus {
			c.text = "range 10; circuits 1-11; marked 1-4 8 10"
		}
		if got := list[0]; got.Number != c.number || got.Text != c.text || got.Hex != c.hex {
			t.Errorf("%s:\n number %q\n text   %q\n hex    %s", name, got.Number, got.Text, got.Hex)
		}
	}
}

// TestReadableMessages has what depends on more than a parameter.
func TestReadableMessages(t *testing.T) {
	for _, c := range []struct{ name, b, want string }{
		{"GRS", grs, `[{"code":22,"name":"Range and status","text":"range 16; circuits 33-49"}]`},
		{"CQR", "21 00 2b 02 04 02 03 00 04 03 0d 00 24",
			`[{"code":22,"name":"Range and status","text":"range 3; circuits 33-36; marked none"},` +
				`{"code":38,"name":"Circuit state indicator","text":"circuit 33: unequipped; circuit 34: idle; maintenance: locally blocked; hardware: no blocking (active); ` +
				`circuit 35: transient; circuit 36: incoming busy; maintenance: no blocking (active); hardware: remotely blocked"}]`},
		{"pass-along", "01 00 28 0c 02", `[{"name":"Contents","hex":"0c02"}]`},
		{"unknown type", "01 00 fa 01", `[{"name":"Contents","hex":"01"}]`},
		{"nothing", "01 00 12", `[]`},
		{"unknown parameter", "01 00 09 01 fe 01 07 00", `[{"code":254,"hex":"07"}]`},
		{"empty unknown parameter", "01 00 09 01 fe 00 00", `[{"code":254}]`},
		{"long", "01 00 09 01 fe 41" + strings.Repeat(" 2a", 65) + " 00", `[{"code":254,"hex":"` + strings.Repeat("2a", 64) + `","octets":65}]`},
	} {
		if got := string(parse(t, c.b).AppendReadable(nil)); got != c.want {
			t.Errorf("%s:\n got  %s\n want %s", c.name, got, c.want)
		}
	}
	var m isup.Message
	if err := m.Parse(octets(grs)[2:]); err != nil {
		t.Fatal(err)
	}
	if got := string(m.AppendReadable(nil)); got != `[{"code":22,"name":"Range and status","text":"range 16; circuits 0-16 from its own on"}]` {
		t.Error(got)
	}
}

// TestReadableIsBounded has the most words that octets can bring about.
func TestReadableIsBounded(t *testing.T) {
	b := []byte{1, 0, 9, 1}
	for range 64 {
		b = append(b, byte(isup.ParameterCompatibility), 254)
		for range 127 {
			b = append(b, byte(isup.TransmissionMediumPrime), 0x80)
		}
	}
	var m isup.Message
	if err := m.ParseWithCIC(append(b, 0)); err != nil || m.Len() != 64 || m.Fault != isup.None {
		t.Fatal(err, m.Len(), m.Fault)
	}
	text := m.AppendReadable(nil)
	var list []struct{ Omitted int }
	if err := json.Unmarshal(text, &list); err != nil || len(text) > 40<<10 {
		t.Fatalf("%d octets, %v", len(text), err)
	}
	if last := list[len(list)-1].Omitted; last == 0 || last+len(list)-1 != 64 {
		t.Errorf("%d omitted, %d shown", last, len(list)-1)
	}
}
