package netcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

func TestPingLoopback(t *testing.T) {
	if os.Getuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("not root")
	}
	for host, from := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "::ffff:127.0.0.2": "127.0.0.2"} {
		if host == "::1" && !hasIPv6() {
			continue
		}
		var lines []string
		if err := Ping(t.Context(), host, 2, func(l string) { lines = append(lines, l) }); err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		text := strings.Join(lines, "\n")
		for _, want := range []string{"56 octets to " + from + "\n", from + " answers 1 in ", "\n" + from + " answers 2 in ", "\n2 sent, 2 answered; least "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", host, want, text)
			}
		}
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestPingRefuses(t *testing.T) {
	for _, count := range []int{0, MaxPings + 1} {
		if err := Ping(t.Context(), "127.0.0.1", count, func(string) {}); err == nil {
			t.Errorf("%d requests", count)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Ping(ctx, "no.such.name.invalid", 1, func(string) {}); err == nil {
		t.Error("a name that is none")
	}
}

// TestTake has what comes in at a raw socket: answers, answers to others, and errors that
// quote a request.
func TestTake(t *testing.T) {
	at := time.Unix(1000, 0)
	echo := func(typ icmp.Type, id, seq int) []byte {
		b, err := (&icmp.Message{Type: typ, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte("x")}}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	quoted4 := append(append([]byte{0x45}, make([]byte, 19)...), echo(ipv4.ICMPTypeEcho, 7, 1)...)
	quoted6 := append(append([]byte{0x60}, make([]byte, 39)...), echo(ipv6.ICMPTypeEchoRequest, 7, 1)...)
	unreach := func(typ icmp.Type, code int, data []byte) []byte {
		b, err := (&icmp.Message{Type: typ, Code: code, Body: &icmp.DstUnreach{Data: data}}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name  string
		proto int
		b     []byte
		want  string
	}{
		{"answer", 1, echo(ipv4.ICMPTypeEchoReply, 7, 1), "192.0.2.1 answers 2 in 3ms"},
		{"answer, IPv6", 58, echo(ipv6.ICMPTypeEchoReply, 7, 0), "192.0.2.1 answers 1 in 4ms"},
		{"another's", 1, echo(ipv4.ICMPTypeEchoReply, 8, 1), ""},
		{"never asked", 1, echo(ipv4.ICMPTypeEchoReply, 7, 2), ""},
		{"a request", 1, echo(ipv4.ICMPTypeEcho, 7, 1), ""},
		{"unreachable", 1, unreach(ipv4.ICMPTypeDestinationUnreachable, 1, quoted4), "192.0.2.1 says of 2: not reachable (code 1)"},
		{"unreachable, IPv6", 58, unreach(ipv6.ICMPTypeDestinationUnreachable, 3, quoted6), "192.0.2.1 says of 2: not reachable (code 3)"},
		{"another's unreachable", 1, unreach(ipv4.ICMPTypeDestinationUnreachable, 1, make([]byte, 64)), ""},
		{"cut", 1, []byte{0}, ""},
		{"empty", 58, nil, ""},
	} {
		p := &pinger{proto: c.proto, id: 7, sent: []time.Time{at, at.Add(time.Millisecond)}, answered: map[int]time.Duration{}}
		if got := p.take(c.b, &net.IPAddr{IP: net.IPv4(192, 0, 2, 1)}, at.Add(4*time.Millisecond)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	p := &pinger{proto: 1, id: 7, sent: []time.Time{at}, answered: map[int]time.Duration{}}
	from := &net.IPAddr{IP: net.IPv4(192, 0, 2, 1)}
	p.take(echo(ipv4.ICMPTypeEchoReply, 7, 0), from, at.Add(time.Second))
	if got := p.take(echo(ipv4.ICMPTypeEchoReply, 7, 0), from, at.Add(2*time.Second)); got != "192.0.2.1 answers 1 again" {
		t.Errorf("twice: %q", got)
	}
	if n := p.result(); n.Answered != 1 || n.Least != time.Second || n.Mean != time.Second || n.Most != time.Second {
		t.Errorf("%+v", n)
	}
}

func FuzzTake(f *testing.F) {
	f.Add(1, []byte{0, 0, 0, 0, 0, 7, 0, 0})
	f.Add(58, append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0x60}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, proto int, b []byte) {
		p := &pinger{proto: proto, id: 7, sent: make([]time.Time, 3), answered: map[int]time.Duration{}}
		p.take(b, &net.IPAddr{}, time.Unix(1, 0))
		if n := p.result(); n.Answered > n.Sent {
			t.Errorf("%+v", n)
		}
	})
}

func TestResolve(t *testing.T) {
	var lines []string
	if err := Resolve(t.Context(), "localhost", func(l string) { lines = append(lines, l) }); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "localhost is 127.0.0.1\n") || !strings.Contains(text, " found in ") {
		t.Errorf("%q", text)
	}
	if err := Resolve(t.Context(), "no.such.name.invalid", func(string) {}); err == nil {
		t.Error("a name that is none")
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Name: "a", IsNotFound: true}, "a: no such name, or none of that kind"},
		{&net.DNSError{Name: "a", IsTimeout: true}, "a: no name server answers: are they reached? (ping, test uplink)"},
		{errors.New("else"), "else"},
	} {
		if got := plain(c.err).Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestNameServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if s, err := nameServers(path); err != nil || len(s) != 0 {
		t.Errorf("no file: %v, %v", s, err)
	}
	if err := os.WriteFile(path, []byte("# x\nsearch a\nnameserver 192.0.2.53\n  nameserver\t2001:db8::53\nnameserver\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := nameServers(path); err != nil || strings.Join(s, " ") != "192.0.2.53 2001:db8::53" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestAddress(t *testing.T) {
	if a, err := address(t.Context(), "::ffff:192.0.2.1"); err != nil || a != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("%v, %v", a, err)
	}
}
