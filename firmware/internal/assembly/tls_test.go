package assembly_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
	"heptap/capture/correlate"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
)

// talk plays a conversation as the segments of a connection that begins with
// its handshake.
func (r *rig) talk(client, server netip.AddrPort, events []tlstalk.Event, before ...func(i int)) {
	r.add(capturetest.TCP(client, server, capture.TCP{Seq: 0, Flags: syn, MSS: 1460}, nil, capturetest.IPID(1)),
		capturetest.TCP(server, client, capture.TCP{Seq: 0, Ack: 1, Flags: syn | ack}, nil, capturetest.IPID(2)),
		capturetest.TCP(client, server, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, nil, capturetest.IPID(3)))
	ends, seq := [2]netip.AddrPort{client, server}, [2]uint32{1, 1}
	for i, e := range events {
		for _, f := range before {
			f(i)
		}
		r.pass(10 * time.Millisecond)
		src, dst := ends[e.Dir], ends[1-e.Dir]
		if len(e.Octets) > 0 {
			r.add(segments(src, dst, seq[e.Dir], string(e.Octets), 1400)...)
			seq[e.Dir] += uint32(len(e.Octets))
		}
		if e.FIN {
			r.add(capturetest.TCP(src, dst, capture.TCP{Seq: seq[e.Dir], Ack: 1, Flags: fin | ack, Window: 1000}, nil, capturetest.IPID(uint16(seq[e.Dir]))))
		}
	}
}

// secrets writes down what TLS said.
type secrets struct {
	witness
	all   bool     // connections to any port are somebody's business
	kinds []string // of connections, and what tells of a WebSocket
}

func (w *secrets) Signalling(f capture.FiveTuple) bool { return w.all || w.witness.Signalling(f) }

func (w *secrets) Opened(n *correlate.Connection) {
	w.note(n.ID, "opened %v", n.Transport)
	w.kind("opened", n)
	w.tls(n)
}

func (w *secrets) Closed(n *correlate.Connection, why stream.Reason) {
	w.silent = n.Silent
	w.note(n.ID, "closed %v", why)
	w.kind("closed", n)
	w.tls(n)
}

func (w *secrets) kind(what string, n *correlate.Connection) {
	if n.TLS != nil {
		w.kinds = append(w.kinds, fmt.Sprintf("%s %v %d", what, n.Transport, n.TLS.WSS))
	}
}

func (w *secrets) tls(n *correlate.Connection) {
	i := n.TLS
	if i == nil {
		return
	}
	cn := "-"
	if i.ServerCert != nil {
		cn = i.ServerCert.SubjectCN
	}
	w.log = append(w.log, fmt.Sprintf("%v, %v, %q, certificate %q, failure %q, turns %d", i.Outcome, i.Version, i.SNI, cn, i.Failure(), i.Turns.Answers))
}

func TestTLS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	doubt := func(c *tls.Config) *tls.Config { // a client that does not know the server's authority
		c.RootCAs = nil
		return c
	}
	sips := netip.MustParseAddrPort("192.0.2.2:5061")
	for _, tt := range []struct {
		name    string
		client  *tls.Config
		version uint16
		to      netip.AddrPort
		all     bool
		want    string
	}{
		{"1.2", cast.Client(tls.VersionTLS12), tls.VersionTLS12, bob, false,
			`0 opened TLS | established, TLS 1.2, "pbx.example.com", certificate "pbx", failure "", turns 0 | 0 closed fin | established, TLS 1.2, "", certificate "", failure "", turns 1`},
		{"1.3", cast.Client(tls.VersionTLS13), tls.VersionTLS13, bob, false,
			`0 opened TLS | established (inferred), TLS 1.3, "pbx.example.com", certificate "-", failure "", turns 0 | 0 closed fin | established (inferred), TLS 1.3, "", certificate "-", failure "", turns 0`},
		{"1.2 refused", doubt(cast.Client(tls.VersionTLS12)), tls.VersionTLS12, sips, true,
			`0 opened TLS | failed by alert, TLS 1.2, "pbx.example.com", certificate "pbx", failure "bad_certificate (fatal) from the client after server's flight", turns 0 | 0 closed fin | failed by alert, TLS 1.2, "", certificate "", failure "bad_certificate (fatal) from the client after server's flight", turns 0`},
		{"1.3 refused", doubt(cast.Client(tls.VersionTLS13)), tls.VersionTLS13, sips, true,
			`0 opened TLS | aborted by the client after the server's flight (inferred), TLS 1.3`},
		{"by ALPN alone", cast.Client(tls.VersionTLS12), tls.VersionTLS12, other, false, `0 opened TLS | established, TLS 1.2`},
		{"nobody's business", &tls.Config{InsecureSkipVerify: true, Time: func() time.Time { return tlstalk.Now }}, tls.VersionTLS12, other, false, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &secrets{all: tt.all}
			w.r = newRig(t, func(c *assembly.Config) { c.Net = w })
			w.r.talk(alice, tt.to, tlstalk.Converse(tt.client, cast.Serve(tt.version)))
			w.r.pass(time.Second)
			w.r.Flush()
			got := strings.ReplaceAll(strings.Join(w.log, " | "), ", 0 messages so far", "")
			if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			if s := w.r.Stats(0).Conns; s.Sessions != 0 {
				t.Errorf("%d sessions are held", s.Sessions)
			}
		})
	}
}

// Connections that nobody tells of must not use up what handshakes need.
func TestTLSSessionsAreGivenBack(t *testing.T) {
	cast := tlstalk.NewCast(t)
	c := cast.Client(tls.VersionTLS12)
	c.NextProtos = nil
	events := tlstalk.Converse(c, cast.Serve(tls.VersionTLS12))
	for i, e := range events {
		if e.FIN || len(e.Octets) > 0 && bytes.HasPrefix(e.Octets, []byte{21}) {
			events = events[:i] // they stay open
			break
		}
	}
	w := &secrets{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Dissect.Sessions = w, 2 })
	for i := range 10 {
		w.r.talk(netip.AddrPortFrom(alice.Addr(), uint16(2000+i)), other, events)
	}
	if s := w.r.Stats(0).Conns; s.Sessions != 0 || s.SessionsRefused != 0 {
		t.Errorf("%d sessions are held, %d refused", s.Sessions, s.SessionsRefused)
	}
	w.r.talk(netip.AddrPortFrom(alice.Addr(), 3000), other, events[:1])
	w.r.talk(netip.AddrPortFrom(alice.Addr(), 3001), other, events[:1])
	w.r.talk(netip.AddrPortFrom(alice.Addr(), 3002), bob, events)
	if s := w.r.Stats(0).Conns; s.Sessions != 2 || s.SessionsRefused != 1 {
		t.Errorf("%d sessions are held, %d refused", s.Sessions, s.SessionsRefused)
	}
	if got := strings.Join(w.log, " | "); got != "0 opened TLS, 0 messages so far" {
		t.Errorf("a connection that is not watched: %s", got)
	}
}
