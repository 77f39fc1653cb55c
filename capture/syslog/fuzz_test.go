package syslog_test

import (
	"testing"

	"heptap/capture/syslog"
)

// inside reports whether s is a slice of b, or empty.
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
	for _, c := range shapes {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2048):min(len(b), 2048)]
		v := syslog.View{Version: 9}
		err := v.Parse(b)
		if syslog.Is(b) && (err != nil || !v.HasPriority) {
			t.Fatalf("Is, but Parse: %v, %s", err, show(&v))
		}
		if err != nil && show(&v) != ": " {
			t.Fatalf("%v, but %s", err, show(&v))
		}
		total := 0
		for i, s := range [][]byte{v.Time, v.Host, v.Program, v.PID, v.MsgID, v.Sequence, v.Structured, v.Message} {
			if !inside(b, s) {
				t.Fatalf("field %d is not inside the message", i)
			}
			if s != nil && len(s) == 0 {
				t.Fatalf("field %d is empty and not nil", i)
			}
			total += len(s)
		}
		if total > len(b) { // no octet is in two fields
			t.Fatalf("%d octets in the fields of %d: %s", total, len(b), show(&v))
		}
		if v.Facility > 23 || v.Severity > 7 {
			t.Fatal(show(&v))
		}
		// A stream that holds nothing but this message gives it back.
		if f := (syslog.Framer{}); syslog.Front(b) == syslog.Yes && b[0] == '<' {
			r := f.Next(b, true)
			if r.Kind != syslog.Message || r.Start != 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("INFO: [abc@10.0.0.1/as58f4/1 port 30000]: ci=3848276298220188511@atlanta.com ID=\u00ababc\u00bb"))
	f.Add([]byte(`x#011{"sip_call_id": "7f3a","callid"=>'a'} [C-0000002a] 6c1c5f5a-9a0e-4b9e-8c0a-0123456789ab`))
	f.Add([]byte("call ID: x1 Call-ID <null> (a@b), sip:c@d"))
	f.Add([]byte(`leg_id=ab X-Leg-ID: c@d {"legId":["e"],"leg_id":{"f":1}} leg_id=&leg_id==> leg_id:g:h`))
	keys := syslog.NewKeys([]string{"leg_id"})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2048):min(len(b), 2048)]
		n := 0
		syslog.Tokens(b, keys, func(x syslog.Token) bool {
			if x.Keyed && (!x.Named || !keys.Has(x.Key)) {
				t.Fatalf("%q = %q of %q", x.Key, x.Value, b)
			}
			if n++; len(x.Value) == 0 || len(x.Value) > 256 || !inside(b, x.Value) || !inside(b, x.Key) {
				t.Fatalf("%q of %q", x.Value, b)
			}
			if x.Named && x.Kind == syslog.UUID && len(x.Value) != 36 {
				t.Fatalf("%q", x.Value)
			}
			return true
		})
		if n > syslog.MaxTokens {
			t.Fatalf("%d tokens", n)
		}
	})
}

// FuzzFramer asserts that what comes out does not depend on how the stream is
// cut into segments, that every octet is covered once, and that the Framer
// leaves little pending, whatever is lost on the way.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("<13>a\n5 <14>b7 <15>c\nd<16>\n"), uint8(3), uint8(9), uint8(4))
	f.Add([]byte("29 <13>0123456789abcdefghijklmno<14>x\r\n\x00"), uint8(1), uint8(20), uint8(0))
	f.Add([]byte("<0>0000000000000000000000\x7f"), uint8(0), uint8(3), uint8('P'))
	f.Add([]byte("000A100 <0>00000000000000000\x1a"), uint8(1), uint8(3), uint8(8))
	f.Add([]byte("saw <15>c\n12 monkeys\n12"), uint8(2), uint8(3), uint8(200))
	f.Fuzz(func(t *testing.T, b []byte, piece, at, gap uint8) {
		b = b[:min(len(b), 512)]
		n := int(piece) + 1
		whole, pieces := syslog.Framer{Max: 24}, syslog.Framer{Max: 24}
		a, c := read(t, &whole, string(b), max(len(b), 1), true), read(t, &pieces, string(b), n, true)
		if a != c {
			t.Fatalf("at once %s\nin pieces of %d %s", a, n, c)
		}
		cut := min(int(at), len(b))
		for _, last := range []bool{false, true} {
			whole, pieces = syslog.Framer{Max: 24}, syslog.Framer{Max: 24}
			for _, f := range []*syslog.Framer{&whole, &pieces} {
				read(t, f, string(b[:cut]), max(cut, 1), last)
				f.Lost(int64(gap) - 1)
			}
			a, c = read(t, &whole, string(b[cut:]), max(len(b), 1), true), read(t, &pieces, string(b[cut:]), n, true)
			if a != c {
				t.Fatalf("after a gap, at once %s\nin pieces of %d %s", a, n, c)
			}
		}
	})
}
