package reach

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestNameWords(t *testing.T) {
	const server = "192.0.2.53:53"
	refused := &net.OpError{Op: "read", Net: "udp", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "hep.example", Server: server, IsNotFound: true}, "the name hep.example is not known to the name server 192.0.2.53"},
		{&net.DNSError{Err: "no such host", Name: "hep.example", IsNotFound: true}, "the name hep.example is not known to the name server"},
		{&net.DNSError{Err: "i/o timeout", Name: "hep.example", Server: "[2001:db8::53]:5353", IsTimeout: true, IsTemporary: true}, "no name server answers when asked for hep.example, [2001:db8::53]:5353 was the last"},
		{context.DeadlineExceeded, "no name server answers when asked for hep.example"},
		{&net.DNSError{Err: "server misbehaving", Name: "hep.example", Server: server, IsTemporary: true}, "the name server 192.0.2.53 cannot say now what the name hep.example stands for: it has trouble itself, or those it asks"},
		{&net.DNSError{UnwrapErr: refused, Err: refused.Error(), Server: server, IsTemporary: true}, "nobody answers names where the name server 192.0.2.53 is said to be, when asked for hep.example"},
		{&net.DNSError{UnwrapErr: syscall.ENETUNREACH, Err: "dial", Server: server}, "no route leads to the name server 192.0.2.53, to be asked for hep.example"},
		{errors.New("odd"), "the name hep.example could not be resolved: odd"},
	} {
		got := plain("hep.example", c.err)
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestNameWordsForReal asks where nobody answers.
func TestNameWordsForReal(t *testing.T) {
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := nobody.LocalAddr().String()
	nobody.Close()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", at)
	}}
	_, err = r.LookupNetIP(t.Context(), "ip", "hep.example.")
	got := plain("hep.example", err).Error()
	if !strings.HasPrefix(got, "nobody answers names where the name server") || strings.Contains(got, "read udp") {
		t.Errorf("%q of %v", got, err)
	}
}
