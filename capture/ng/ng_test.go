package ng_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"heptap/capture/ng"
)

// s is a string in bencode.
func s(text string) string { return fmt.Sprintf("%d:%s", len(text), text) }

// dict is a dictionary of strings in bencode, from keys and values.
func dict(kv ...string) string {
	var b strings.Builder
	for _, x := range kv {
		b.WriteString(s(x))
	}
	return "d" + b.String() + "e"
}

const sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 30000 RTP/SAVP 0\r\n" +
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n"

// offer is what Kamailio's rtpengine module sends, its order of keys included.
var offer = "14661_7 d3:sdp" + s(sdp) + "3:ICE6:remove5:flagsl13:trust-address9:symmetrice7:replacel6:origine7:call-id13:abc@192.0.2.1" +
	"8:from-tag4:as5810:via-branch11:z9hG4bK776a7:command5:offere"

func show(v *ng.View) string {
	var out []string
	for _, f := range []struct {
		name  string
		value []byte
	}{{"cookie", v.Cookie}, {"command", v.Command}, {"result", v.Result}, {"error", v.ErrorReason}, {"warning", v.Warning}, {"call-id", v.CallID},
		{"from", v.FromTag}, {"to", v.ToTag}, {"branch", v.ViaBranch}, {"sdp", v.SDP}, {"ice", v.ICE}, {"label", v.Label}} {
		if f.value != nil {
			out = append(out, f.name+"="+string(f.value))
		}
	}
	v.Flags(func(flag []byte) bool { out = append(out, "+"+string(flag)); return true })
	v.TagNames(func(tag []byte) bool { out = append(out, "tag:"+string(tag)); return true })
	if v.Cut {
		out = append(out, "cut")
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		rest           int // octets that are no part of it
	}{
		{"ping", "5323_1 d7:command4:pinge", "cookie=5323_1 command=ping", 0},
		{"pong", "5323_1 d6:result4:ponge", "cookie=5323_1 result=pong", 0},
		{"offer", offer, "cookie=14661_7 command=offer call-id=abc@192.0.2.1 from=as58 branch=z9hG4bK776a sdp=" + sdp + " ice=remove +trust-address +symmetric", 0},
		{"reply", "14661_7 d3:sdp" + s(sdp) + "6:result2:oke", "cookie=14661_7 result=ok sdp=" + sdp, 0},
		{"answer", "1 " + dict("command", "answer", "call-id", "x", "from-tag", "f", "to-tag", "t", "label", "caller"), "cookie=1 command=answer call-id=x from=f to=t label=caller", 0},
		{"error", "1 " + dict("result", "error", "error-reason", "Unknown call-id"), "cookie=1 result=error error=Unknown call-id", 0},
		{"warning", "1 " + dict("result", "ok", "warning", "Call-ID not found or tags didn't match"), "cookie=1 result=ok warning=Call-ID not found or tags didn't match", 0},
		{"query's reply", "1 d6:result2:ok7:createdi1700000000e4:tagsd4:as58d6:mediasld5:indexi1eeee4:bt12deee", "cookie=1 result=ok tag:as58 tag:bt12", 0},
		{"flags as one string", "1 " + dict("command", "offer", "flags", "symmetric"), "cookie=1 command=offer +symmetric", 0},
		{"flags with a number", "1 d7:command5:offer5:flagsli1e1:ae2:abi-7ee", "cookie=1 command=offer +a", 0},
		{"the first counts", "1 " + dict("command", "offer", "command", "answer"), "cookie=1 command=offer", 0},
		{"a number for a Call-ID", "1 d7:call-idi7e7:command4:pinge", "cookie=1 command=ping", 0},
		{"octets behind", "1 d7:command4:pinge\r\nmore", "cookie=1 command=ping", 6},
		{"cut", "1 d7:command5:offer3:sdp500:v=0", "cookie=1 command=offer cut", 0},
		{"cut in a list", "1 d7:command5:offer5:flagsl1:a", "cookie=1 command=offer cut", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v ng.View
			if err := v.Parse([]byte(c.in)); err != nil {
				t.Fatal(err)
			}
			if got := show(&v); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
			if v.Length != len(c.in)-c.rest || !ng.Is([]byte(c.in)) {
				t.Errorf("length %d of %d, Is %v", v.Length, len(c.in), ng.Is([]byte(c.in)))
			}
			for n := range len(c.in) - c.rest { // shorter, it is cut or nothing
				err := v.Parse([]byte(c.in[:n]))
				if err == nil && !v.Cut || err == ng.ErrDictionary {
					t.Errorf("first %d octets: %v, cut %v", n, err, v.Cut)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"nothing", "", ng.ErrCookie},
		{"no cookie", " d7:command4:pinge", ng.ErrCookie},
		{"no space", "d7:command4:pinge", ng.ErrCookie},
		{"cookie too long", strings.Repeat("x", 129) + " d7:command4:pinge", ng.ErrCookie},
		{"a list", "1 l7:commande", ng.ErrCookie},
		{"JSON", `1 {"command":"ping"}`, ng.ErrCookie},
		{"SIP", "INVITE sip:a@b SIP/2.0\r\n\r\n", ng.ErrCookie},
		{"other dictionary", "1 d1:a1:be", ng.ErrNoCommand},
		{"empty dictionary", "1 de", ng.ErrNoCommand},
		{"text", "go do it", ng.ErrDictionary},
		{"key that is no string", "1 di1e7:commande", ng.ErrDictionary},
		{"key without value", "1 d7:command4:ping1:ae", ng.ErrDictionary},
		{"leading zero", "1 d07:command4:pinge", ng.ErrDictionary},
		{"endless length", "1 d99999999:a", ng.ErrDictionary},
		{"beyond any message", "1 d7:command4:ping1:a70000:x", ng.ErrDictionary},
		{"no digits", "1 d7:command4:ping1:aiee", ng.ErrDictionary},
		{"integer with a zero in front", "1 d7:command4:ping1:ai01ee", ng.ErrDictionary},
		{"integer too long", "1 d7:command4:ping1:ai" + strings.Repeat("1", 21) + "ee", ng.ErrDictionary},
		{"too deep", "1 d7:command4:ping1:a" + strings.Repeat("l", 40) + strings.Repeat("e", 40) + "e", ng.ErrDictionary},
		{"broken behind the command", "1 d7:command4:pingx", ng.ErrDictionary},
	} {
		v := ng.View{Length: 7}
		if err := v.Parse([]byte(c.in)); err != c.want || v.Length != 0 || show(&v) != "" {
			t.Errorf("%s: %v, want %v; %+v", c.name, err, c.want, v)
		}
		if ng.Is([]byte(c.in)) {
			t.Errorf("%s: it is NG", c.name)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"ping", "1 d7:command4:pinge", `{"command":"ping"}`},
		{"nested", "1 d6:result2:ok1:ali-1e1:xdele1:bd1:ci2eee", ""},
		{"lists and numbers", "1 d6:result2:ok1:ali-1e1:xlee1:bd1:ci2eee", `{"result":"ok","a":[-1,"x",[]],"b":{"c":2}}`},
		{"escapes", "1 " + dict("result", "a\"b\\c\r\n\t\x00\x7f\u20ac"), `{"result":"a\"b\\c\r\n\u0009` + "\uFFFD" + `\u007f€"}`},
		{"not UTF-8", "1 " + dict("result", "ok", "x", "\xff\x00a"), `{"result":"ok","x":"base64:/wBh"}`},
		{"a key", "1 " + dict("result", "ok", "sdp", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20|1:4 inline:abc;x\r\nm=audio"),
			`{"result":"ok","sdp":"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20|1:4 inline:***;x\r\nm=audio"}`},
		{"a key and other octets", "1 " + dict("result", "ok", "sdp", "s=\xe9\r\na=crypto:1 x INLINE:abc\r\n"),
			`{"result":"ok","sdp":"s=` + "\uFFFD" + `\r\na=crypto:1 x INLINE:***\r\n"}`},
		{"other keys", "1 " + dict("result", "ok", "sdp", "k=clear:abc\r\na=key-mgmt:mikey AQAFg\r\na=x:k=1\r\n"),
			`{"result":"ok","sdp":"k=***\r\na=key-mgmt:***\r\na=x:k=1\r\n"}`},
		{"credentials", "1 " + dict("command", "offer", "password", "p", "metadata", "m", "sdp", "a=ice-ufrag:u\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\nA=ICE-PWD:x"),
			`{"command":"offer","password":"***","metadata":"m","sdp":"a=ice-ufrag:u\r\na=ice-pwd:***\r\nA=ICE-PWD:***"}`},
		{"cut", "1 d7:command5:offer3:sdp500:v=0", `{"command":"offer","truncated":true}`},
	} {
		if c.want == "" {
			continue
		}
		var v ng.View
		if err := v.Parse([]byte(c.in)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := string(v.AppendJSON([]byte("x"))); got != "x"+c.want {
			t.Errorf("%s:\n got %s\nwant x%s", c.name, got, c.want)
		}
	}
	var none ng.View
	if got := string(none.AppendJSON(nil)); got != "{}" {
		t.Errorf("nothing: %s", got)
	}
}

func TestAppendJSONBound(t *testing.T) {
	for name, in := range map[string]string{
		"one string":   "1 " + dict("result", "ok", "x", strings.Repeat("\x01", 60000)),
		"base64":       "1 " + dict("result", "ok", "x", strings.Repeat("\xff", 60000)),
		"many strings": "1 d6:result2:ok1:xl" + strings.Repeat("3:\x01\x01\x01", 12000) + "ee",
		"lists":        "1 d6:result2:ok1:xl" + strings.Repeat("le", 32000) + "ee",
		"dictionaries": "1 d6:result2:ok" + strings.Repeat("1:ade", 13000) + "e",
	} {
		var v ng.View
		if err := v.Parse([]byte(in)); err != nil {
			t.Fatal(name, err)
		}
		got := v.AppendJSON(nil)
		if len(got) > ng.MaxJSON+200 || !json.Valid(got) || !strings.HasSuffix(string(got), `,"truncated":true}`) {
			t.Errorf("%s: %d octets, valid %v: %.50q", name, len(got), json.Valid(got), got)
		}
	}
}

// FuzzFramer has a stream come in pieces: the answer to each is that to all
// octets at once, and what is a message can be read.
func FuzzFramer(f *testing.F) {
	for _, in := range []string{"1 d7:command4:pinge\n2 d6:result4:ponge", "\r\n\r\n1 d1:ald1:bi-7eei0e1:xeee", "1 de", "1 d1:ae", "1 d1:a1:b1:c", "1 di1e1:ae",
		"1 d1:a" + strings.Repeat("l", 40), "1 d1:a" + strings.Repeat("d1:a", 31) + "1:b" + strings.Repeat("e", 32)} {
		f.Add([]byte(in), uint8(1))
		f.Add([]byte(in), uint8(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var framer ng.Framer
		for at, n := 0, 0; at < len(b) && n < len(b); {
			n = min(n+1+int(step), len(b))
			if n <= at {
				continue
			}
			msg, size, v := framer.Next(b[at:n])
			all, whole, want := ng.Next(b[at:n])
			if string(msg) != string(all) || size != whole || v != want {
				t.Fatalf("%q at %d of %d: %q %d %v, at once %q %d %v", b, at, n, msg, size, v, all, whole, want)
			}
			switch v {
			case ng.Yes:
				var view ng.View
				if err := view.Parse(msg); err != nil && ng.Is(msg) || size <= 0 {
					t.Fatalf("%q: %v", msg, err)
				}
				at += size
			case ng.No:
				at++
			}
		}
	})
}

// Each front of a message may be read to the end of what there is, so that only
// so many that turn out to be none are.
func TestFindGivesUp(t *testing.T) {
	const good = "\n9 d7:command4:pinge"
	for tries, want := range map[int]bool{ng.MaxTries - 1: true, ng.MaxTries: false, 8000: false} {
		b := []byte("c d" + strings.Repeat("4:\nc d", tries) + "x" + good)
		at := ng.Find(b)
		if found := at == len(b)-len(good)+1; found != want {
			t.Errorf("behind %d fronts of nothing: at %d of %d, found %v", tries, at, len(b), found)
		}
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		in, msg string
		n       int
		v       ng.Verdict
	}{
		{"", "", 0, ng.Maybe},
		{"1", "", 0, ng.Maybe},
		{"1 ", "", 0, ng.Maybe},
		{"1 d", "", 0, ng.Maybe},
		{"1 d7:comm", "", 0, ng.Maybe},
		{"1 d7:command4:pinge", "1 d7:command4:pinge", 19, ng.Yes},
		{"\r\n1 d7:command4:pinge\n2 d", "1 d7:command4:pinge", 22, ng.Yes},
		{"1 d7:command4:pinge2 d6:result4:ponge", "1 d7:command4:pinge", 19, ng.Yes},
		{"1 x", "", 0, ng.No},
		{"1 de", "", 0, ng.No},
		{"1 d1:ae", "", 0, ng.No},
		{"1 d1:ali1e1:bee", "1 d1:ali1e1:bee", 15, ng.Yes},
		{"1 di1e1:ae", "", 0, ng.No},
		{"1 dx", "", 0, ng.No},
		{"\x00", "", 0, ng.No},
		{"1 d1:a" + "x", "", 0, ng.No},
		{strings.Repeat("\n", ng.MaxMessage), "", 0, ng.No},
		{"1 d7:command" + strings.Repeat("x", ng.MaxMessage), "", 0, ng.No},
	} {
		msg, n, v := ng.Next([]byte(c.in))
		if string(msg) != c.msg || n != c.n || v != c.v {
			t.Errorf("%.40q: %q, %d, %v", c.in, msg, n, v)
		}
	}
}

func TestFind(t *testing.T) {
	for in, want := range map[string]int{
		"":                             0,
		"1 d7:command4:pinge":          0,
		"ommand4:ping1:a1:be\n1 d7:co": 20,
		"half of it and do 1 d2 x\n1 d7:command4:pinge": 25,
		"nothing of that kind":                          16,
		"x\n12_3":                                       2,
		"a b\n1 d":                                      4,
	} {
		if got := ng.Find([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestRTPProxy(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"version", "20190411_1 V", "V"},
		{"feature", "411_1 VF 20040107\n", "VF"},
		{"update", "411_5 Uc0,8,101 abc@192.0.2.1 192.0.2.1 30000 as58;1", "Uc0,8,101 abc@192.0.2.1 from as58 media 192.0.2.1:30000"},
		{"update, to-tag, notification", "411_5 UIE a@b 2001:db8::1 30000 as58;1 bt12;1 unix:/x tag\r\n", "UIE a@b from as58 to bt12 media 2001:db8::1:30000"},
		{"lookup", "411_6 L abc 192.0.2.2 4000 as58;1 bt12;1", "L abc from as58 to bt12 media 192.0.2.2:4000"},
		{"delete", "411_7 D abc as58 bt12", "D abc from as58 to bt12"},
		{"weak delete", "411_7 Dw abc as58", "Dw abc from as58"},
		{"record", "411_8 R abc as58", "R abc from as58"},
		{"play", "411_9 P10 abc /x/y 0,8 as58;2", "P10 abc from as58"},
		{"stop", "411_9 S abc as58", "S abc from as58"},
		{"copy", "411_9 C abc /x as58 bt12", "C abc from as58 to bt12"},
		{"query", "411_9 Qv abc as58 bt12 npkts_ina", "Qv abc from as58 to bt12"},
		{"information", "411_9 Ib", "Ib"},
		{"statistics", "411_9 Gv nsess_created ncmds_rcvd", "Gv"},
		{"delete all", "411_9 X", "X"},
		{"two commands", "411_5 U abc 192.0.2.1 30000 as58 && M4", "U abc from as58 media 192.0.2.1:30000"},
		{"a tag that ends in a number", "411_7 D abc as58;x1", "D abc from as58;x1"},
	} {
		var r ng.RTPProxy
		if !r.Parse([]byte(c.in)) || !ng.IsRTPProxy([]byte(c.in)) {
			t.Errorf("%s: no request", c.name)
			continue
		}
		got := string(r.Operation) + string(r.Modifiers)
		if r.CallID != nil {
			got += " " + string(r.CallID) + " from " + string(r.FromTag)
		}
		if r.ToTag != nil {
			got += " to " + string(r.ToTag)
		}
		if r.Address != nil {
			got += " media " + string(r.Address) + ":" + string(r.Port)
		}
		if got != c.want || !strings.HasPrefix(c.in, string(r.Cookie)+" ") {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		_, line, _ := strings.Cut(c.in, " ")
		if !r.ParseLine([]byte(line)) || r.Cookie != nil {
			t.Errorf("%s: not without a cookie", c.name)
		}
	}
}

func TestNotRTPProxy(t *testing.T) {
	for _, in := range []string{
		"", "1", "1 ", "411_1 35000 192.0.2.1", "411_1 E8", "411_1 0", "no pri at all", "12 Days of Christmas are", "cookie V", "1 VX", "1 VF 2004", "1 V x",
		"1 U abc host 30000 tag", "1 U abc 192.0.2.1 port tag", "1 U abc 192.0.2.1 300000 tag", "1 U abc 192.0.2.1 30000", "1 Delete a b", "1 D a", "1 D a b c d", "1 Xx",
		"1 u abc 192.0.2.1 30000 tag", "1 Sx a b", "1 D a\x00b c", "1 D a\nb c d", "5323_1 d7:command4:pinge", "INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n",
		"SIP/2.0 200 OK\r\n\r\n", "<13>Jan  1 00:00:00 h S a b", "\x80\x00\x00\x01", "1 U abc 1.2.3.4.5 30000 tag", "1 U abc cafe 30000 tag",
		"220 ProFTPD Server In ECI Telecom", "<30>snmpd[6956]: Connection from UDP: x", "1 C1 a b c d", "1 Px a b c d",
		"1 G" + strings.Repeat(" x", 30),
	} {
		r := ng.RTPProxy{Operation: 'x'}
		if r.Parse([]byte(in)) || r.Operation != 0 {
			t.Errorf("%q is a request: %+v", in, r)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	msgs := [][]byte{[]byte(offer), []byte("5323_1 d6:result4:ponge"), []byte("411_5 Uc0,8,101 abc@192.0.2.1 192.0.2.1 30000 as58;1"), []byte("1 U abc nohost 1 2")}
	dst := make([]byte, 0, 8192)
	var v ng.View
	flags := 0
	if n := testing.AllocsPerRun(10, func() {
		for _, b := range msgs {
			if ng.Is(b) && v.Parse(b) == nil {
				v.Flags(func([]byte) bool { flags++; return true })
				v.AppendJSON(dst[:0])
			}
			ng.IsRTPProxy(b)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func inside(b, s []byte) bool {
	if len(s) == 0 {
		return true
	}
	for i := 0; i+len(s) <= len(b); i++ {
		if &b[i] == &s[0] {
			return true
		}
	}
	return false
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(offer))
	f.Add([]byte("1 d6:result2:ok7:createdi1700000000e4:tagsd4:as58d6:mediasld5:indexi1eeee4:bt12deee"))
	f.Add([]byte("1 d7:command5:offer5:flagsli1e1:ae2:abi-7ee\r\n2 d6:result5:error12:error-reason3:\xff\x00\x01e"))
	f.Add([]byte("1 " + dict("result", "ok", "sdp", "s=\xe9\r\na=crypto:1 x INLINE:abc\r\nk=x\r\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 4096)]
		v := ng.View{Length: 1, Cut: true}
		err := v.Parse(b)
		if ng.Is(b) != (err == nil) {
			t.Fatalf("Is %v, Parse: %v", ng.Is(b), err)
		}
		if err != nil {
			if v.Length != 0 || show(&v) != "" {
				t.Fatalf("%v, but %+v", err, v)
			}
			return
		}
		strings := 0
		v.Strings(func(key, value []byte) bool {
			if strings++; !inside(b, key) || !inside(b, value) || strings > ng.MaxFlags {
				t.Fatalf("entry %d, %q: %q", strings, key, value)
			}
			return true
		})
		for i, s := range [][]byte{v.Cookie, v.Command, v.Result, v.ErrorReason, v.Warning, v.CallID, v.FromTag, v.ToTag, v.ViaBranch, v.SDP, v.ICE, v.Label, v.Tags, v.Dictionary} {
			if !inside(b, s) {
				t.Fatalf("view %d is not inside the message", i)
			}
		}
		show(&v)
		got := v.AppendJSON(nil)
		if !json.Valid(got) || !utf8.Valid(got) || len(got) > ng.MaxJSON+1024 {
			t.Fatalf("%q", got)
		}
		// What Length says is one message: alone it reads the same, and a
		// stream that holds it gives it.
		var alone ng.View
		if err := alone.Parse(b[:v.Length]); err != nil || show(&alone) != show(&v) {
			t.Fatalf("alone: %v, %s; in the buffer %s", err, show(&alone), show(&v))
		}
		msg, _, verdict := ng.Next(b)
		if v.Cut && verdict == ng.Yes || !v.Cut && string(msg) != string(b[:v.Length]) {
			t.Fatalf("cut %v, Next: %q, %v", v.Cut, msg, verdict)
		}
	})
}

// FuzzNext asserts that what a stream is taken for does not depend on how much
// of it has come, and that Find goes on.
func FuzzNext(f *testing.F) {
	f.Add([]byte(offer + "\r\n" + offer))
	f.Add([]byte("\r\n1 d7:command4:pinge2 d6:result4:ponge"))
	f.Add([]byte("half of it and do 1 d2 x\n1 d7:command4:pinge"))
	f.Add([]byte(strings.Repeat("0", 200)))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 1024)]
		want, n, v := ng.Next(b)
		if v == ng.Yes != (n > 0) || n > len(b) || !inside(b[:n], want) || v == ng.Yes && len(want) == 0 {
			t.Fatalf("%q, %d, %v", want, n, v)
		}
		for i := range b {
			msg, _, w := ng.Next(b[:i])
			if w == ng.No && v != ng.No || w == ng.Yes && (v != ng.Yes || string(msg) != string(want)) {
				t.Fatalf("%v of %d octets, %v of %d", w, i, v, len(b))
			}
		}
		at := ng.Find(b)
		if at < 0 || at > len(b) {
			t.Fatal(at)
		}
		if _, _, v := ng.Next(b[at:]); v == ng.No {
			t.Fatalf("found %q, which is none", b[at:])
		}
	})
}

func FuzzRTPProxy(f *testing.F) {
	f.Add([]byte("411_5 UIE a@b 2001:db8::1 30000 as58;1 bt12;1 unix:/x tag\r\n"))
	f.Add([]byte("411_5 U abc 192.0.2.1 30000 as58 && M4"))
	f.Add([]byte("411_1 VF 20040107\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 4096)]
		var r ng.RTPProxy
		if !r.Parse(b) {
			if r.Operation != 0 || r.CallID != nil {
				t.Fatalf("%+v", r)
			}
			return
		}
		if ng.Is(b) {
			t.Fatal("it is both")
		}
		for _, s := range [][]byte{r.Cookie, r.Modifiers, r.CallID, r.Address, r.Port, r.FromTag, r.ToTag} {
			if !inside(b, s) {
				t.Fatalf("%q is not inside the message", s)
			}
		}
		if (r.CallID == nil) != (r.FromTag == nil) || (r.Address == nil) != (r.Port == nil) || len(r.Cookie) == 0 {
			t.Fatalf("%+v", r)
		}
	})
}
