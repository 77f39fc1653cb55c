package tlswire_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"heptap/capture/tlswire"
)

// record builds one.
func record(kind byte, b []byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(b) >> 8), byte(len(b))}, b...)
}

// message builds a handshake message.
func message(typ byte, b []byte) []byte {
	return append([]byte{typ, 0, byte(len(b) >> 8), byte(len(b))}, b...)
}

// extension is a type and its body in hexadecimal.
type extension struct {
	typ  uint16
	body string
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func extensions(list []extension) []byte {
	if list == nil {
		return nil
	}
	var b []byte
	for _, e := range list {
		body := unhex(e.body)
		b = binary.BigEndian.AppendUint16(b, e.typ)
		b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
		b = append(b, body...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// clientHello builds a ClientHello (RFC 8446 4.1.2), in a record.
func clientHello(version uint16, suites string, list []extension) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(b, make([]byte, 33)...) // random, no session id
	s := unhex(strings.ReplaceAll(suites, ",", ""))
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	b = append(append(b, s...), 1, 0)
	return record(22, message(1, append(b, extensions(list)...)))
}

// serverHello builds a ServerHello, in a record.
func serverHello(suite string, list ...extension) []byte {
	b := append([]byte{3, 3}, make([]byte, 33)...)
	b = append(append(b, unhex(suite)...), 0)
	return record(22, message(2, append(b, extensions(list)...)))
}

// tls13 are the extensions of a ServerHello of TLS 1.3.
var tls13 = []extension{{43, "0304"}, {51, "001d 0001 00"}}

// types makes extensions of a list of types, with the bodies that there are.
func types(list string, bodies map[string]string) (out []extension) {
	for t := range strings.SplitSeq(list, ",") {
		out = append(out, extension{binary.BigEndian.Uint16(unhex(t)), bodies[t]})
	}
	return out
}

func info(b ...[]byte) tlswire.Info {
	var s tlswire.Session
	for i, b := range b {
		s.Write(i, b)
	}
	return s.Info()
}

// TestJA3 has the examples of Salesforce's README, and GREASE among them.
func TestJA3(t *testing.T) {
	for _, c := range []struct {
		hello []byte
		want  string
	}{
		// 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0
		{clientHello(0x0301, "002f 0035 0005 000a c009 c00a c013 c014 0032 0038 0013 0004",
			[]extension{{0, "0004 00 0001 61"}, {10, "0006 0017 0018 0019"}, {11, "01 00"}}), "ada70206e40642a3e4461f35503241d5"},
		{clientHello(0x0301, "2a2a 002f 0035 0005 000a c009 c00a c013 c014 0032 0038 0013 0004",
			[]extension{{0x3a3a, ""}, {0, "0004 00 0001 61"}, {10, "0008 4a4a 0017 0018 0019"}, {11, "01 00"}, {0xfafa, "00"}}), "ada70206e40642a3e4461f35503241d5"},
		// 769,4-5-10-9-100-98-3-6-19-18-99,,,
		{clientHello(0x0301, "0004 0005 000a 0009 0064 0062 0003 0006 0013 0012 0063", nil), "de350869b8c85de67a350c8d186f11e6"},
	} {
		if got := info(c.hello); got.JA3 != c.want {
			t.Errorf("%s, want %s", got.JA3, c.want)
		}
	}
}

const (
	chromeSuites = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
	alpnH2       = "0003 02 6832"
	offers13     = "04 0304 0303"
)

// TestJA4 has the examples of FoxIO's technical_details/JA4.md, and of the
// output its tests expect of sigalg-grease.pcapng. GREASE is strewn in.
func TestJA4(t *testing.T) {
	const list = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
	bodies := map[string]string{"0010": alpnH2, "002b": offers13, "000d": "0010 0403 0804 0401 0503 0805 0501 0806 0601"}
	grease := map[string]string{"0010": alpnH2, "002b": "06 aaaa 0304 0303", "000d": "0018 1a1a 0904 0905 0906 0403 0804 0401 0503 0805 0501 0806 0601"}
	for _, c := range []struct {
		name  string
		hello []byte
		want  string
	}{
		{"example", clientHello(0x0303, chromeSuites, types(list, bodies)), "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"no signature algorithms", clientHello(0x0303, chromeSuites, types(list, map[string]string{"0010": alpnH2, "002b": offers13})), "t13d1516h2_8daaf6152771_6d807ffa2a79"},
		{"GREASE", clientHello(0x0303, "5a5a"+chromeSuites, types("dada,fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012,1a1a", grease)), "t13d1517h2_8daaf6152771_cb7bf5808d99"},
		{"nothing", clientHello(0x0303, "", nil), "t12i000000_000000000000_000000000000"},
		{"only the name", clientHello(0x0302, "", []extension{{0, ""}}), "t11d000100_000000000000_000000000000"},
		{"SSL 3.0", clientHello(0x0300, "", nil), "ts3i000000_000000000000_000000000000"},
		{"a version of the future", clientHello(0x0303, "", []extension{{43, "04 0399 0303"}, {0, ""}}), "t00d000200_000000000000_"},
		{"100 suites", clientHello(0x0303, strings.Repeat("1301", 100), nil), "t12i990000_"},
	} {
		if got := info(c.hello).JA4; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for alpn, want := range map[string]string{
		"0009 08 687474702f312e31": "h1",
		"0002 01 78":               "xx",
		"0001 00":                  "00",
		"0000":                     "00",
		"0002 01 ab":               "ab",
		"0003 02 abcd":             "ad",
		"0003 02 30ab":             "3b",
		"0005 04 3031abcd":         "3d",
		"0005 04 30abcd31":         "01",
	} {
		if got := info(clientHello(0x0303, "", []extension{{16, alpn}})).JA4; got[8:10] != want {
			t.Errorf("%s: %s, want %s", alpn, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{tlswire.Suite(0x1301).String(), "TLS_AES_128_GCM_SHA256"},
		{tlswire.Suite(0x0000).String(), "TLS_NULL_WITH_NULL_NULL"},
		{tlswire.Suite(0x00ff).String(), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"},
		{tlswire.Suite(0xc02f).String(), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		{tlswire.Suite(0xd005).String(), "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256"},
		{tlswire.Suite(0xffff).String(), "0xffff"},
		{tlswire.Version(0x7f1c).String(), "0x7f1c"},
		{tlswire.SSL30.String(), "SSL 3.0"},
		{tlswire.Description(116).String(), "certificate_required"},
		{tlswire.Description(48).String(), "unknown_ca"},
		{tlswire.Description(255).String(), "unknown"},
		{tlswire.Level(3).String(), "unknown"},
		{tlswire.Outcome(200).String(), "invalid"},
		{tlswire.Stage(200).String(), "invalid"},
		{tlswire.Group(29).String(), "x25519"},
		{(tlswire.Expired | tlswire.WrongName).String(), "expired, wrong name"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestIs(t *testing.T) {
	hello := clientHello(0x0301, "1301", nil)
	if !tlswire.Is(hello) || !tlswire.Is(hello[:6]) {
		t.Error("a ClientHello is none")
	}
	for n := range 6 {
		if tlswire.Is(hello[:n]) {
			t.Errorf("%d octets are enough", n)
		}
	}
	for _, b := range []string{"16 0301 0030 02", "17 0301 0030 01", "16 0401 0030 01", "16 0305 0030 01", "16 0301 4801 01", "16 0301 0003 01", "80 2e01 0002 01"} {
		if tlswire.Is(unhex(b)) {
			t.Errorf("%s is taken for a ClientHello", b)
		}
	}
}

// TestTruncated: every front of a hello is read without a fingerprint, and
// nothing else but the whole has one.
func TestTruncated(t *testing.T) {
	whole := clientHello(0x0303, chromeSuites, types("0000,0010,000d,002b", map[string]string{"0000": "0004 00 0001 61", "0010": alpnH2, "002b": offers13, "000d": "0002 0403"}))
	body := whole[9:]
	for n := range len(body) {
		i := info(record(22, message(1, body[:n])))
		// The extensions are optional, so the front without them is whole.
		if bare := n == 2+33+2+30+2; (i.JA3 != "") != bare {
			t.Fatalf("%d octets of %d: %+v", n, len(body), i)
		}
		if i := info(whole[:n]); i.JA3 != "" || i.Stage > tlswire.HelloSent {
			t.Fatalf("%d octets: %+v", n, i)
		}
	}
	if i := info(whole); i.SNI != "a" || i.JA4 == "" || i.Incomplete {
		t.Errorf("%+v", i)
	}
}

// TestRecords plays what crypto/tls does not.
func TestRecords(t *testing.T) {
	hello := clientHello(0x0303, "1301 c02f", []extension{{0, "0004 00 0001 61"}})
	early := clientHello(0x0303, "1301", []extension{{42, ""}, {43, offers13}})
	answer := serverHello("c02f")
	answer13 := serverHello("1301", tls13...)
	app := func(n int) []byte { return record(23, make([]byte, n)) }
	change := record(20, []byte{1})
	finished := record(22, make([]byte, 40))
	done, exchange := record(22, message(14, nil)), record(22, message(16, make([]byte, 33)))
	alert := func(level, description byte) []byte { return record(21, []byte{level, description}) }
	flight := app(900)
	type say struct {
		dir int
		b   []byte
	}
	const (
		fin = 2 + iota
		rst
		gap
	)
	for _, c := range []struct {
		name string
		says []say // dir 2 and 3: a FIN, an RST of the direction in b[0]; 4: a gap in it, of b[1] octets
		want string
	}{
		{"nothing", nil, "pending | nothing | unknown"},
		{"hello and silence", []say{{0, hello}}, "pending | client hello | unknown"},
		{"hello and FIN", []say{{0, hello}, {fin, []byte{1}}}, "closed during the handshake | client hello | server"},
		{"hello and RST", []say{{0, hello}, {rst, []byte{1}}}, "closed during the handshake | client hello | server"},
		{"not TLS", []say{{0, hello}, {1, []byte("HTTP/1.1 400 Bad Request\r\n")}}, "not TLS | client hello | server"},
		{"short and not TLS", []say{{0, hello}, {1, []byte("no")}}, "not TLS | client hello | server"},
		{"neither is TLS", []say{{0, []byte("INVITE")}, {1, []byte("SIP/2.0")}}, "not TLS | nothing | unknown"},
		{"off the rails", []say{{0, hello}, {1, answer}, {1, []byte("oops")}}, "not understood | server hello | server"},
		{"a warning is passed over", []say{{0, hello}, {1, alert(1, 112)}, {1, answer}}, "pending | server hello | unknown"},
		{"a warning taken seriously", []say{{0, hello}, {1, alert(1, 112)}, {1, answer}, {fin, []byte{0}}}, "failed by alert | server hello | server"},
		{"an alert in two records", []say{{0, hello}, {1, record(21, []byte{2})}, {1, record(21, []byte{40})}}, "failed by alert | client hello | server"},
		{"close_notify in clear", []say{{0, hello}, {1, answer}, {1, done}, {0, alert(1, 0)}, {fin, []byte{0}}}, "failed by alert | server's flight | client"},
		{"1.3: a clear alert that only warns", []say{{0, hello}, {1, answer13}, {0, alert(1, 47)}}, "failed by alert | server hello | client"},
		{"1.2: an encrypted alert too early", []say{{0, hello}, {1, answer}, {1, done}, {0, exchange}, {0, change}, {0, finished}, {1, change}, {1, record(21, make([]byte, 26))}}, "failed by encrypted alert | one finished | server"},
		{"1.2: established", []say{{0, hello}, {1, answer}, {1, done}, {0, exchange}, {0, change}, {0, finished}, {1, change}, {1, finished}}, "established | both finished | unknown"},
		{"1.2: a finished like a hello", []say{{0, hello}, {1, answer}, {1, done}, {0, exchange}, {0, change}, {0, record(22, message(1, append([]byte{3, 3}, make([]byte, 34)...)))}, {1, change}, {1, finished}}, "established | both finished | unknown"},
		{"1.3: the client finished and left", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(53)}, {0, app(19)}, {fin, []byte{0}}}, "finished by the client, closed without more (inferred) | one finished | unknown"},
		{"1.3: the client alone goes on", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(53)}, {0, app(90)}, {0, app(91)}, {0, app(92)}, {0, app(93)}}, "established (inferred) | application data | unknown"},
		{"1.3: all at once", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(1200)}, {0, app(90)}, {1, app(90)}}, "established (inferred) | application data | unknown"},
		{"1.3: tickets crossed", []say{{0, hello}, {1, answer13}, {1, flight}, {1, app(150)}, {0, app(53)}}, "pending | one finished | unknown"},
		{"1.3: two octets are no alert", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(53)}, {1, app(19)}, {1, app(19)}}, "established (inferred) | application data | unknown"},
		{"1.3: the server resets after the client's flight", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(25)}, {0, app(53)}, {rst, []byte{1}}}, "aborted by the server after the client's flight (inferred) | one finished | server"},
		{"1.3: the server gives up", []say{{0, hello}, {1, answer13}, {1, app(19)}, {fin, []byte{1}}}, "aborted by the server after the client's flight (inferred) | server's flight | server"},
		{"1.3: the client resets without a word", []say{{0, hello}, {1, answer13}, {1, flight}, {rst, []byte{0}}}, "aborted by the client after the server's flight (inferred) | server's flight | client"},
		{"1.2: the client closes, and the server complains", []say{{0, hello}, {1, answer}, {1, done}, {fin, []byte{0}}, {1, alert(2, 50)}, {fin, []byte{1}}}, "closed during the handshake | server's flight | client"},
		{"1.3: the client closes, and the server complains", []say{{0, hello}, {1, answer13}, {1, flight}, {fin, []byte{0}}, {1, app(19)}, {fin, []byte{1}}}, "aborted by the client after the server's flight (inferred) | server's flight | client"},
		{"1.3: the client finished and left, and the server answers", []say{{0, hello}, {1, answer13}, {1, flight}, {0, app(53)}, {fin, []byte{0}}, {1, app(19)}, {fin, []byte{1}}}, "finished by the client, closed without more (inferred) | one finished | unknown"},
		{"1.3: the server closes in between", []say{{0, hello}, {1, answer13}, {1, flight}, {fin, []byte{1}}}, "closed during the handshake | server's flight | server"},
		{"1.3: an alert, still open", []say{{0, hello}, {1, answer13}, {1, flight}, {0, change}, {0, app(19)}}, "pending | server's flight | unknown"},
		{"1.3: 0-RTT", []say{{0, early}, {0, app(500)}, {0, app(500)}, {1, answer13}, {1, flight}, {0, app(700)}, {0, app(21)}, {0, app(53)}, {1, app(300)}, {0, app(60)}}, "established (inferred) | application data | unknown"},
		{"gap in the certificates", []say{{0, hello}, {1, answer}, {gap, []byte{1, 0}}, {1, done}, {0, alert(2, 48)}}, "failed by alert | server hello | client"},
		{"gap in the certificates, then nothing", []say{{0, hello}, {1, answer}, {gap, []byte{1, 0}}, {1, done}, {fin, []byte{0}}}, "incomplete | server hello | unknown"},
		{"gap before the hello", []say{{gap, []byte{0, 0}}, {0, hello}, {gap, []byte{1, 0}}, {1, answer13}, {1, flight}, {0, app(53)}, {0, app(90)}, {1, app(90)}}, "established (inferred) | application data | unknown"},
		{"gap in the data", []say{{0, hello}, {1, answer}, {1, done}, {0, exchange}, {0, change}, {0, finished}, {1, change}, {1, finished}, {0, app(90)[:20]}, {gap, []byte{0, 75}}, {0, app(90)}, {1, app(9)}}, "established | application data | unknown"},
		{"gap and rubbish", []say{{0, hello}, {gap, []byte{0, 0}}, {0, []byte("rubbish")}}, "incomplete | client hello | unknown"},
		{"from the middle", []say{{gap, []byte{0, 0}}, {0, app(90)}, {gap, []byte{1, 0}}, {1, app(90)}}, "incomplete | application data | unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, whole := range []bool{true, false} {
				var s tlswire.Session
				for _, e := range c.says {
					switch e.dir {
					case fin, rst:
						s.End(int(e.b[0]), tlswire.How(e.dir-1))
					case gap:
						s.Gap(int(e.b[0]), int64(e.b[1]))
					default:
						for b := e.b; len(b) > 0; {
							n := 1
							if whole {
								n = len(b)
							}
							s.Write(e.dir, b[:n])
							b = b[n:]
						}
					}
				}
				i := s.Info()
				if got := i.Outcome.String() + " | " + i.Stage.String() + " | " + i.By.String(); got != c.want {
					t.Errorf("whole %v:\n%s\n%s", whole, got, c.want)
				}
				if i.Outcome.OK() && i.Outcome.Failed() || (i.Failure() != "") != i.Outcome.Failed() || s.Settled() && i.Outcome == tlswire.Pending {
					t.Errorf("%v, failure %q", i.Outcome, i.Failure())
				}
			}
		})
	}
}

// TestBrokenChain: lists whose lengths lie come to an end.
func TestBrokenChain(t *testing.T) {
	for _, c := range []struct {
		body  string
		chain int
		cut   bool
	}{
		{"", 0, true},
		{"00", 0, true},
		{"000000", 0, false},
		{"000001 00", 0, false},
		{"303030 30", 0, true},
		{"000004 000001 aa", 1, false},
		{"000004 000002 aa", 0, false},
		{"000009 000002 aabb 000001", 2, true},
		{"00000b 000002 aabb 000003 ccddee", 2, false},
	} {
		got := info(clientHello(0x0303, "002f", nil), append(serverHello("002f"), record(22, message(11, unhex(c.body)))...)).ServerCert
		if got == nil || got.Chain != c.chain || got.ChainCut != c.cut || got.Understood {
			t.Errorf("%s: %+v", c.body, got)
		}
	}
}

func TestFailure(t *testing.T) {
	var s tlswire.Session
	s.Write(0, clientHello(0x0303, "1301", nil))
	s.Write(1, record(21, []byte{2, 70}))
	i := s.Info()
	if got := i.Failure(); got != "protocol_version (fatal) from the server after client hello" {
		t.Error(got)
	}
}

// TestNoAllocation: data costs nothing, nor does a Session that is used again.
func TestNoAllocation(t *testing.T) {
	var s tlswire.Session
	s.Write(0, clientHello(0x0303, "1301", nil))
	s.Write(1, serverHello("1301", tls13...))
	b := record(23, make([]byte, 1400))
	if n := testing.AllocsPerRun(1000, func() { s.Write(0, b[:3]); s.Write(0, b[3:]); s.Write(1, b) }); n != 0 {
		t.Errorf("%v allocations for two records of data", n)
	}
	s.Buffers = new(tlswire.Buffers)
	pieces := record(22, message(2, make([]byte, 300)))
	if n := testing.AllocsPerRun(1000, func() { s.Reset(); s.Write(1, pieces[:200]) }); n != 0 {
		t.Errorf("%v allocations for a message in pieces", n)
	}
}
