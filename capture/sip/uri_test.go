package sip_test

import (
	"bytes"
	"testing"

	"heptap/capture/sip"
)

func TestURI(t *testing.T) {
	for _, tt := range []struct {
		uri                                        string
		ok                                         bool
		scheme, user, password, host, port, params string
	}{
		{"sip:alice@example.com", true, "sip", "alice", "", "example.com", "", ""},
		{"SIPS:alice:secret@Example.COM:5061;transport=tcp?subject=x", true, "SIPS", "alice", "secret", "Example.COM", "5061", "transport=tcp"},
		{"sip:[2001:db8::1]:5060;lr", true, "sip", "", "", "2001:db8::1", "5060", "lr"},
		{"sip:[2001:db8::1]", true, "sip", "", "", "2001:db8::1", "", ""},
		{"sip:[2001:db8::1", false, "", "", "", "", "", ""},
		{"sip:+4930;phone-context=x@gw;user=phone", true, "sip", "+4930;phone-context=x", "", "gw", "", "user=phone"},
		{"sip:a?b@h?c=d", true, "sip", "a?b", "", "h", "", ""},
		{"tel:+49-30-123;phone-context=+49", true, "tel", "+49-30-123", "", "", "", "phone-context=+49"},
		{"tel:;x", false, "", "", "", "", "", ""},
		{"sip:", false, "", "", "", "", "", ""},
		{"sip:alice@", false, "", "", "", "", "", ""},
		{"sip:@h", true, "sip", "", "", "h", "", ""},
		{"urn:service:sos", false, "", "", "", "", "", ""},
		{"", false, "", "", "", "", "", ""},
		{"alice", false, "", "", "", "", "", ""},
	} {
		var u sip.URI
		ok := u.Parse([]byte(tt.uri))
		got := []string{string(u.Scheme), string(u.User), string(u.Password), string(u.Host), string(u.Port), string(u.Params)}
		want := []string{tt.scheme, tt.user, tt.password, tt.host, tt.port, tt.params}
		for i := range got {
			if ok != tt.ok || got[i] != want[i] {
				t.Errorf("%q: %v %q, want %v %q", tt.uri, ok, got, tt.ok, want)
				break
			}
		}
	}
	var u sip.URI
	if !u.Parse([]byte("sip:h;lr;User=phone;x=")) || string(u.Param("user")) != "phone" || u.Param("maddr") != nil || len(u.Param("x")) != 0 {
		t.Errorf("parameters of %q", u.Params)
	}
}

func TestTopHop(t *testing.T) {
	for _, tt := range []struct{ via, transport, host, port string }{
		{"SIP/2.0/UDP pc33.example.com:5060;branch=z9hG4bK1", "UDP", "pc33.example.com", "5060"},
		{"SIP / 2.0 / TLS  first.example.com : 5061 ;branch=x", "TLS", "first.example.com", "5061"},
		{"SIP/2.0/WSS df7jal23ls0d.invalid;branch=x, SIP/2.0/UDP other", "WSS", "df7jal23ls0d.invalid", ""},
		{"SIP/2.0/TCP [2001:db8::9]:5060", "TCP", "2001:db8::9", "5060"},
		{"SIP/2.0/UDP", "UDP", "", ""},
		{"SIP/2.0", "", "", ""},
		{"", "", "", ""},
	} {
		var v sip.View
		msg := "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n"
		if tt.via != "" {
			msg += "Via: " + tt.via + "\r\n"
		}
		if err := v.Parse([]byte(msg + "\r\n")); err != nil {
			t.Fatal(err)
		}
		if transport, host, port := v.TopHop(); string(port) != tt.port || string(transport) != tt.transport || string(host) != tt.host {
			t.Errorf("%q: %q %q %q, want %q %q %q", tt.via, transport, host, port, tt.transport, tt.host, tt.port)
		}
	}
}

func TestAddressURIs(t *testing.T) {
	var v sip.View
	if err := v.Parse([]byte("SIP/2.0 200 OK\r\nf: \"A <x>\" < sip:a@h;x > ;tag=1\r\nTo: sip:b@h;tag=2\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if string(v.FromURI()) != "sip:a@h;x" || string(v.ToURI()) != "sip:b@h" {
		t.Errorf("From %q, To %q", v.FromURI(), v.ToURI())
	}
	v = sip.View{}
	if len(v.FromURI()) != 0 {
		t.Errorf("a URI out of nothing: %q", v.FromURI())
	}
}

// FuzzURI asserts that the parts of a URI are parts of it, in order, and that
// nothing is left of what is none.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:alice:x@[::1]:5060;lr?a=b", "tel:+1-2;ext=3", "sips:%61@h", "sip:@", "sip:[", "sip:a@ b : 1 ;x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var u sip.URI
		ok := u.Parse(b)
		if !ok && (u.Scheme != nil || u.User != nil || u.Password != nil || u.Host != nil || u.Port != nil || u.Params != nil) {
			t.Fatalf("%q is no URI and has %+v", b, u)
		}
		if ok && len(u.Host) == 0 && len(u.User) == 0 {
			t.Fatalf("%q has neither host nor number", b)
		}
		rest := b
		for _, part := range [][]byte{u.Scheme, u.User, u.Password, u.Host, u.Port, u.Params} {
			i := bytes.Index(rest, part)
			if i < 0 {
				t.Fatalf("%q: %q is not behind the part before it", b, part)
			}
			rest = rest[i+len(part):]
		}
		if bytes.IndexByte(u.Host, ';') >= 0 || bytes.IndexByte(u.Host, '?') >= 0 && bytes.IndexByte(b, '[') < 0 {
			t.Fatalf("%q: host %q", b, u.Host)
		}
		u.Param("user")
	})
}
