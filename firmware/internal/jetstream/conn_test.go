package jetstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/jetstream"
	"heptap/firmware/internal/jetstream/natstest"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
	"heptap/hep/heptest"
)

// rec makes a SIP record, sealed with a number.
func rec(t testing.TB, seq uint64, size int) []byte {
	t.Helper()
	r := record.Record{Type: record.SIP, Class: record.Call, Wall: 1e18, Mono: int64(seq), Primary: fmt.Appendf(nil, "call-%d@192.0.2.1", seq/4),
		Payload: []byte("OPTIONS sip:" + strings.Repeat("x", size) + " SIP/2.0\r\n\r\n"),
		Flow:    capture.FiveTuple{Proto: 17, Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")}}
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(b, seq, 0, [16]byte{1})
	return b
}

func newEncoder(t testing.TB, partitions int) *jetstream.Encoder {
	t.Helper()
	p, err := export.New("opensips", export.Options{Node: "probe.berlin", AgentID: 7})
	if err != nil {
		t.Fatal(err)
	}
	return jetstream.NewEncoder(p, export.First, jetstream.Names{Prefix: "heptap", Node: "probe.berlin", AgentID: 7, Partitions: partitions, Calls: jetstream.NewCalls(1000)})
}

func dialer(t testing.TB, addr string, tls *reach.TLS) *reach.Dialer {
	t.Helper()
	d, err := reach.New(reach.Options{Address: addr, Network: "tcp", TLS: tls, Timeout: 5 * time.Second, Dial: hep.DialOptions{WriteTimeout: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func connect(t testing.TB, d *reach.Dialer, o jetstream.Options) (c *jetstream.Conn, err error) {
	t.Helper()
	if o.Stall == 0 {
		o.Stall = 2 * time.Second
	}
	if c, err = dialled(t.Context(), d, o); err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func dialled(ctx context.Context, d *reach.Dialer, o jetstream.Options) (c *jetstream.Conn, err error) {
	err = d.DialStream(ctx, func(ctx context.Context, s *reach.Stream) error {
		c, err = jetstream.Connect(ctx, s, o)
		return err
	})
	return c, err
}

// dials is connect for a log.
func dials(d *reach.Dialer, stall time.Duration) func(context.Context) (uplink.Conn, error) {
	return func(ctx context.Context) (uplink.Conn, error) {
		c, err := dialled(ctx, d, jetstream.Options{Stall: stall})
		if err != nil {
			return nil, err // no *jetstream.Conn that is nil
		}
		return c, nil
	}
}

func must(t testing.TB, c *jetstream.Conn, err error) *jetstream.Conn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write publishes records numbered from up to, and without, to.
func write(t testing.TB, c *jetstream.Conn, e *jetstream.Encoder, from, to uint64) {
	t.Helper()
	var b []byte
	var err error
	for seq := from; seq < to; seq++ {
		if b, err = e.Encode(b, rec(t, seq, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// end returns how the connection ends.
func end(t testing.TB, c *jetstream.Conn) error {
	t.Helper()
	select {
	case err := <-c.Peer():
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the connection does not end")
	}
	return nil
}

func finish(t testing.TB, c *jetstream.Conn) {
	t.Helper()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := end(t, c); err != io.EOF || !c.Confirmed() {
		t.Fatalf("%v, confirmed %t", err, c.Confirmed())
	}
}

// TestPublish: what is written is in the stream, as HEP, and acknowledged; written once more on
// another connection, as after a crash, it is there once.
func TestPublish(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	d := dialer(t, s.Addr(), nil)
	for round := range 2 {
		c, err := connect(t, d, jetstream.Options{})
		c = must(t, c, err)
		write(t, c, newEncoder(t, 4), 1<<40, 1<<40+500)
		finish(t, c)
		if acked, err := c.Acked(); acked != c.Written() || acked == 0 || err != nil || c.Duplicates() != uint64(500*round) {
			t.Errorf("round %d: %d of %d octets acknowledged, %d duplicates: %v", round, acked, c.Written(), c.Duplicates(), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	all := s.Messages()
	if len(all) != 500 {
		t.Fatalf("%d messages", len(all))
	}
	ids, partitions := map[string]bool{}, map[string]string{}
	for i, m := range all {
		v, err := hep.Parse(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		call := string(v.Correlation())
		if want := fmt.Sprintf("call-%d@192.0.2.1", (1<<40+uint64(i))/4); call != want {
			t.Errorf("message %d is of %s, want %s", i, call, want)
		}
		prefix, partition := m.Subject[:len("heptap.probe%2Eberlin.sip.")], m.Subject[len("heptap.probe%2Eberlin.sip."):]
		if prefix != "heptap.probe%2Eberlin.sip." || partitions[call] != "" && partitions[call] != partition {
			t.Errorf("subject %s", m.Subject)
		}
		partitions[call] = partition
		ids[m.Header.Get(nats.MsgIdHdr)] = true
	}
	if len(ids) != 500 {
		t.Errorf("%d ids", len(ids))
	}
	if used := map[string]bool{}; true {
		for _, p := range partitions {
			used[p] = true
		}
		if len(used) != 4 {
			t.Errorf("%d partitions are used", len(used))
		}
	}
}

// TestWords: what is wrong is said in plain words.
func TestWords(t *testing.T) {
	ca := heptest.NewAuthority(t, "CA")
	roots := ca.File(t, t.TempDir())
	secure := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{Names: []string{"127.0.0.1"}})}}
	mutual := secure.Clone()
	mutual.ClientAuth = tls.RequireAnyClientCert
	may := func(publish, subscribe string) *server.User {
		p := &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{publish, "$JS.API.INFO"}}, Subscribe: &server.SubjectPermission{Allow: []string{subscribe}}}
		return &server.User{Username: "u", Password: "p", Permissions: p}
	}
	full := func(c *nats.StreamConfig) { c.MaxMsgs, c.Discard = 1, nats.DiscardNew }
	for _, tt := range []struct {
		name   string
		o      natstest.Options
		stream func(*nats.StreamConfig)
		none   bool // no stream
		client jetstream.Options
		tls    *reach.TLS
		want   string
		fault  hep.TLSFault
	}{
		{name: "no stream", none: true, want: "no stream takes subject heptap.probe%2Eberlin.sip (no responders): make one with the subject heptap.>"},
		{name: "no JetStream", o: natstest.Options{Plain: true}, none: true, want: "JetStream is not enabled"},
		{name: "full", stream: full, want: "the stream for subject heptap.probe%2Eberlin.sip is full (maximum messages exceeded)"},
		{name: "not let in", o: natstest.Options{Token: "secret"}, want: "does not let this probe in: set nats-user and nats-password"},
		{name: "wrong password", o: natstest.Options{User: may(">", ">")}, client: jetstream.Options{User: "u", Password: "q"}, want: "does not let this probe in"},
		{name: "may not publish", o: natstest.Options{User: may("other.>", ">")}, client: jetstream.Options{User: "u", Password: "p"}, want: "may not publish to heptap.probe%2Eberlin.sip: allow it to publish to heptap.>"},
		{name: "may not subscribe", o: natstest.Options{User: may("heptap.>", "other")}, client: jetstream.Options{User: "u", Password: "p"}, want: "allow it to subscribe to _INBOX.>"},
		{name: "wants TLS", o: natstest.Options{TLS: secure}, want: "wants TLS: set transport nats-tls", fault: hep.TLSMissing},
		{name: "offers no TLS", tls: &reach.TLS{CA: roots}, want: "offers no TLS", fault: hep.TLSNotSpoken},
		{name: "unknown authority", o: natstest.Options{TLS: secure}, tls: &reach.TLS{}, want: "nobody who is trusted has signed", fault: hep.TLSUnknownAuthority},
		{name: "no client certificate", o: natstest.Options{TLS: mutual}, none: true, tls: &reach.TLS{CA: roots}, want: "wants a client certificate", fault: hep.TLSNoClientCert},
		{name: "no credentials", client: jetstream.Options{Credentials: "/nowhere.creds"}, want: "/nowhere.creds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := natstest.New(t, tt.o)
			if !tt.none {
				s.Stream(tt.stream)
			}
			d := dialer(t, s.Addr(), tt.tls)
			c, err := connect(t, d, tt.client)
			if err == nil {
				write(t, c, newEncoder(t, 0), 1<<40, 1<<40+2)
				err = end(t, c)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("said %q, want %q", err, tt.want)
			}
			if got := d.Status().Fault; got != tt.fault {
				t.Errorf("fault %v, want %v", got, tt.fault)
			}
		})
	}
}

// TestOverTLS: with the right certificate records arrive, and what the handshake came to is known.
func TestOverTLS(t *testing.T) {
	ca := heptest.NewAuthority(t, "CA")
	s := natstest.New(t, natstest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{Names: []string{"127.0.0.1"}})}}})
	s.Stream(nil)
	d := dialer(t, s.Addr(), &reach.TLS{CA: ca.File(t, t.TempDir())})
	c, err := connect(t, d, jetstream.Options{})
	c = must(t, c, err)
	write(t, c, newEncoder(t, 0), 1<<40, 1<<40+10)
	finish(t, c)
	if st := d.Status(); st.TLS == nil || st.TLS.NotAfter.IsZero() || s.Count() != 10 {
		t.Errorf("%+v, %d messages", st.TLS, s.Count())
	}
}

// TestNoNATS: something else is at that port.
func TestNoNATS(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	if _, err := connect(t, func() *reach.Dialer {
		d, err := reach.New(reach.Options{Address: c.Addr(), Network: "tcp", Timeout: 500 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}(), jetstream.Options{}); err == nil || !strings.Contains(err.Error(), "does not greet as a NATS server does: wrong port? for a HEP server: set transport tcp") {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
			defer c.Close()
		}
	}()
	if _, err := connect(t, dialer(t, l.Addr().String(), nil), jetstream.Options{}); err == nil || !strings.Contains(err.Error(), "does not greet as a NATS server") {
		t.Error(err)
	}
}

// TestTooLarge: a record that server or stream do not take is refused alone.
func TestTooLarge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      natstest.Options
		stream func(*nats.StreamConfig)
		want   string
	}{
		{"for the server", natstest.Options{MaxPayload: 2000}, nil, "the NATS server takes messages of 2000 (max_payload)"},
		{"for the stream", natstest.Options{}, func(c *nats.StreamConfig) { c.MaxMsgSize = 2000 }, "the stream takes no message as large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := natstest.New(t, tt.o)
			s.Stream(tt.stream)
			c, err := connect(t, dialer(t, s.Addr(), nil), jetstream.Options{})
			c = must(t, c, err)
			e := newEncoder(t, 0)
			write(t, c, e, 1<<40, 1<<40+5)
			b, err := e.Encode(nil, rec(t, 1<<40+5, 4000))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			write(t, c, e, 1<<40+6, 1<<40+10)
			finish(t, c)
			seq, why, ok := c.Refused()
			if !ok || seq != 1<<40+5 || !strings.Contains(why.Error(), tt.want) {
				t.Errorf("refused %d, %v, %t", seq, why, ok)
			}
			if _, _, again := c.Refused(); again || s.Count() != 9 {
				t.Errorf("refused once more, or %d messages", s.Count())
			}
		})
	}
}

// TestLameDuck: a server that is about to stop is left.
func TestLameDuck(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	c, err := connect(t, dialer(t, s.Addr(), nil), jetstream.Options{})
	c = must(t, c, err)
	s.LameDuck()
	if err := end(t, c); err == nil || !strings.Contains(err.Error(), "lame duck") {
		t.Error(err)
	}
}

// TestServerEnds: a server that goes ends the connection; nothing is confirmed by it.
func TestServerEnds(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	c, err := connect(t, dialer(t, s.Addr(), nil), jetstream.Options{})
	c = must(t, c, err)
	s.Stop()
	if err := end(t, c); err == nil || err == io.EOF || !strings.Contains(err.Error(), "NATS server") {
		t.Error(err)
	}
	if c.Confirmed() {
		t.Error("confirmed")
	}
	s.Start()
}

// TestNobodyAcknowledges: somebody listens to the subject who is no stream.
func TestNobodyAcknowledges(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	nc, err := nats.Connect("nats://" + s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.SubscribeSync("heptap.>"); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := connect(t, dialer(t, s.Addr(), nil), jetstream.Options{Stall: 300 * time.Millisecond})
	c = must(t, c, err)
	write(t, c, newEncoder(t, 0), 1<<40, 1<<40+1)
	if err := end(t, c); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "no stream has acknowledged subject heptap.probe%2Eberlin.sip") {
		t.Error(err)
	}
	c, err = connect(t, dialer(t, s.Addr(), nil), jetstream.Options{})
	c = must(t, c, err)
	if _, err := nc.Subscribe("heptap.>", func(m *nats.Msg) { _ = m.Respond([]byte("thanks")) }); err != nil {
		t.Fatal(err)
	}
	_ = nc.Flush()
	write(t, c, newEncoder(t, 0), 1<<40, 1<<40+1)
	if err := end(t, c); err == nil || !strings.Contains(err.Error(), "no acknowledgement of a stream") {
		t.Error(err)
	}
}
