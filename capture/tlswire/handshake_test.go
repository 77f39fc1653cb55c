package tlswire_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	mrand "math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"heptap/capture/capturetest/tlstalk"
	"heptap/capture/tlswire"
)

// event is what an observer sees: octets of a direction, or its end.
type event struct {
	dir int
	b   []byte
	gap int64 // not 0: lost octets, negative for an unknown number
	how tlswire.How
}

// converse is tlstalk.Converse, as events.
func converse(client, server *tls.Config) (events []event) {
	for _, e := range tlstalk.Converse(client, server) {
		x := event{dir: e.Dir, b: e.Octets}
		if e.FIN {
			x.how = tlswire.FIN
		}
		events = append(events, x)
	}
	return events
}

var now, from, to = tlstalk.Now, tlstalk.From, tlstalk.To

// watch feeds events to a session, cut as cut says: it returns how many octets
// to give of so many that there are.
func watch(s *tlswire.Session, events []event, cut func(int) int) tlswire.Info {
	for _, e := range events {
		if e.gap != 0 {
			s.Gap(e.dir, e.gap)
		}
		for b := e.b; len(b) > 0; {
			n := cut(len(b))
			s.Write(e.dir, b[:n])
			b = b[n:]
		}
		if e.how != tlswire.Open {
			s.End(e.dir, e.how)
		}
	}
	return s.Info()
}

// swapped is the same conversation with the directions exchanged.
func swapped(events []event) (other []event) {
	for _, e := range events {
		if e.dir >= 0 {
			e.dir = 1 - e.dir
		}
		other = append(other, e)
	}
	return other
}

// everyway feeds events whole, octet by octet and cut at random, and from the
// other side: the result must be the same.
func everyway(t *testing.T, events []event) tlswire.Info {
	t.Helper()
	s := tlswire.Session{Buffers: new(tlswire.Buffers)}
	want := watch(&s, events, func(n int) int { return n })
	r := mrand.New(mrand.NewPCG(1, 2))
	ways := []func(int) int{func(int) int { return 1 }}
	for range 20 {
		ways = append(ways, func(n int) int { return 1 + r.IntN(min(n, 300)) })
	}
	for i, way := range ways {
		for _, e := range [][]event{events, swapped(events)} {
			s.Reset()
			if got := watch(&s, e, way); !reflect.DeepEqual(got, want) {
				t.Fatalf("way %d:\n%+v\nwhole:\n%+v", i, got, want)
			}
		}
	}
	return want
}

// brief is what tests compare.
func brief(i tlswire.Info) string {
	s := fmt.Sprintf("%v | %v | %v %v sni=%s alpn=%v>%s resumed=%v auth=%v none=%v closed=%v/%v", i.Outcome, i.Stage, i.Version, i.By, i.SNI, i.ALPNOffered, i.ALPN,
		i.Resumed, i.ClientAuth, i.NoClient, i.ClosedBy, i.How)
	for _, a := range i.Alerts {
		s += fmt.Sprintf(" alert=%v:%v:%v:%v", a.From, a.Level, a.Description, a.After)
	}
	if c := i.ServerCert; c != nil {
		s += fmt.Sprintf(" server=%s/%s chain=%d %v", c.SubjectCN, c.IssuerCN, c.Chain, c.Check(now, i.SNI))
	}
	if c := i.ClientCert; c != nil {
		s += fmt.Sprintf(" client=%s chain=%d", c.SubjectCN, c.Chain)
	}
	return s
}

func TestHandshakes(t *testing.T) {
	p := tlstalk.NewCast(t)
	for _, c := range []struct {
		name           string
		version        uint16
		client, server func(*tls.Config)
		want           string
	}{
		{name: "1.2", version: tls.VersionTLS12,
			want: "established | application data | TLS 1.2 unknown sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=no none=unknown closed=client/fin server=pbx/Root chain=2 "},
		{name: "1.3", version: tls.VersionTLS13,
			want: "established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=no auth=no (inferred) none=unknown closed=client/fin"},
		{name: "1.2 mutual", version: tls.VersionTLS12, client: func(c *tls.Config) { c.Certificates = []tls.Certificate{p.Phone} }, server: func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
			want: "established | application data | TLS 1.2 unknown sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=yes none=no closed=client/fin server=pbx/Root chain=2  client=phone chain=2"},
		{name: "1.3 mutual", version: tls.VersionTLS13, client: func(c *tls.Config) { c.Certificates = []tls.Certificate{p.Phone} }, server: func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
			want: "established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=no auth=yes (inferred) none=no (inferred) closed=client/fin"},
		{name: "1.2 without the certificate required", version: tls.VersionTLS12, server: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
			want: "failed by alert | one finished | TLS 1.2 server sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=yes none=yes closed=server/fin alert=server:fatal:handshake_failure:one finished server=pbx/Root chain=2  client= chain=0"},
		{name: "1.3 without the certificate required", version: tls.VersionTLS13, server: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
			want: "aborted by the server after the client's flight (inferred) | one finished | TLS 1.3 server sni=pbx.example.com alpn=[sip h2]> resumed=no auth=yes (inferred) none=yes (inferred) closed=server/fin"},
		{name: "1.2 asked, not required", version: tls.VersionTLS12, server: func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert },
			want: "established | application data | TLS 1.2 unknown sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=yes none=yes closed=client/fin server=pbx/Root chain=2  client= chain=0"},
		{name: "1.3 asked, not required", version: tls.VersionTLS13, server: func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert },
			want: "established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=no auth=yes (inferred) none=yes (inferred) closed=client/fin"},
		{name: "1.2 expired", version: tls.VersionTLS12, server: func(c *tls.Config) { c.Certificates = []tls.Certificate{p.Expired} },
			want: "failed by alert | server's flight | TLS 1.2 client sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=no none=unknown closed=client/fin alert=client:fatal:bad_certificate:server's flight server=pbx/Root chain=2 expired"},
		{name: "1.3 expired", version: tls.VersionTLS13, server: func(c *tls.Config) { c.Certificates = []tls.Certificate{p.Expired} },
			want: "aborted by the client after the server's flight (inferred) | server's flight | TLS 1.3 client sni=pbx.example.com alpn=[sip h2]> resumed=no auth=unknown none=unknown closed=client/fin"},
		{name: "1.2 wrong name", version: tls.VersionTLS12, client: func(c *tls.Config) { c.ServerName = "sbc.example.com" },
			want: "failed by alert | server's flight | TLS 1.2 client sni=sbc.example.com alpn=[sip h2]>sip resumed=no auth=no none=unknown closed=client/fin alert=client:fatal:bad_certificate:server's flight server=pbx/Root chain=2 wrong name"},
		{name: "1.3 wrong name", version: tls.VersionTLS13, client: func(c *tls.Config) { c.ServerName = "sbc.example.com" },
			want: "aborted by the client after the server's flight (inferred) | server's flight | TLS 1.3 client sni=sbc.example.com alpn=[sip h2]> resumed=no auth=unknown none=unknown closed=client/fin"},
		{name: "no common version", version: tls.VersionTLS13, client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
			want: "failed by alert | client hello | unknown server sni=pbx.example.com alpn=[sip h2]> resumed=unknown auth=unknown none=unknown closed=server/fin alert=server:fatal:protocol_version:client hello"},
		{name: "no common protocol", version: tls.VersionTLS13, server: func(c *tls.Config) { c.NextProtos = []string{"xmpp"} },
			want: "failed by alert | client hello | unknown server sni=pbx.example.com alpn=[sip h2]> resumed=unknown auth=unknown none=unknown closed=server/fin alert=server:fatal:no_application_protocol:client hello"},
		{name: "no name", version: tls.VersionTLS12, client: func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify, c.NextProtos = "", true, nil },
			want: "established | application data | TLS 1.2 unknown sni= alpn=[]> resumed=no auth=no none=unknown closed=client/fin server=pbx/Root chain=2 "},
		{name: "hello retry", version: tls.VersionTLS13, client: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384} }, server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} },
			want: "established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=no auth=no (inferred) none=unknown closed=client/fin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := p.Client(c.version), p.Serve(c.version)
			if c.client != nil {
				c.client(client)
			}
			if c.server != nil {
				c.server(server)
			}
			i := everyway(t, converse(client, server))
			if got := brief(i); got != c.want {
				t.Errorf("\n%s\n%s", got, c.want)
			}
			if i.HelloRetry != (c.name == "hello retry") || i.Incomplete || i.Version != 0 && i.JA3S == "" || len(i.JA3) != 32 || len(i.JA4) != 36 {
				t.Errorf("%+v", i)
			}
			if i.HelloRetry && i.Group.String() != "secp384r1" {
				t.Errorf("group %v", i.Group)
			}
		})
	}
}

func TestResumption(t *testing.T) {
	p := tlstalk.NewCast(t)
	for version, want := range map[uint16][2]string{
		tls.VersionTLS12: {"established | application data | TLS 1.2 unknown sni=pbx.example.com alpn=[sip h2]>sip resumed=no auth=no none=unknown closed=client/fin server=pbx/Root chain=2 ",
			"established | application data | TLS 1.2 unknown sni=pbx.example.com alpn=[sip h2]>sip resumed=yes auth=no none=unknown closed=client/fin"},
		tls.VersionTLS13: {"established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=no auth=no (inferred) none=unknown closed=client/fin",
			"established (inferred) | application data | TLS 1.3 unknown sni=pbx.example.com alpn=[sip h2]> resumed=yes auth=no (inferred) none=unknown closed=client/fin"},
	} {
		client, server := p.Client(version), p.Serve(version)
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for n := range 2 {
			if got := brief(everyway(t, converse(client, server))); got != want[n] {
				t.Errorf("\n%s\n%s", got, want[n])
			}
		}
	}
}

func TestCertificate(t *testing.T) {
	p := tlstalk.NewCast(t)
	i := everyway(t, converse(p.Client(tls.VersionTLS12), p.Serve(tls.VersionTLS12)))
	c := i.ServerCert
	if c == nil || !c.Understood || !c.Hashed || c.SHA256 != sha256.Sum256(p.Server.Certificate[0]) || c.SubjectO != "Example" || c.IssuerO != "Heptap" ||
		!c.NotBefore.Equal(from) || !c.NotAfter.Equal(to) || c.SelfSigned || c.NamesCut || c.ChainCut {
		t.Fatalf("%+v", c)
	}
	if got := fmt.Sprint(c.DNSNames, c.Addresses, c.URIs); got != "[pbx.example.com *.voip.example.com] [192.0.2.1] [sip:example.com]" {
		t.Error(got)
	}
	for _, k := range []struct {
		at   time.Time
		name string
		want string
	}{
		{now, "pbx.example.com", ""},
		{now, "PBX.Example.COM", ""},
		{now, "a.voip.example.com", ""},
		{now, "a.b.voip.example.com", "wrong name"},
		{now, "voip.example.com", "wrong name"},
		{now, "example.com", ""}, // the SIP URI
		{now, "192.0.2.1", ""},
		{now, "192.0.2.2", "wrong name"},
		{now, "", ""},
		{from, "", ""},
		{to, "", ""},
		{from.Add(-1), "", "not yet valid"},
		{to.Add(1), "x", "expired, wrong name"},
	} {
		if got := c.Check(k.at, k.name).String(); got != k.want {
			t.Errorf("%v %q: %q, want %q", k.at, k.name, got, k.want)
		}
	}
	legacy := tlstalk.Issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "pbx.example.com"}, NotBefore: from, NotAfter: to}, nil)
	server := p.Serve(tls.VersionTLS12)
	server.Certificates = []tls.Certificate{legacy}
	c = everyway(t, converse(p.Client(tls.VersionTLS12), server)).ServerCert
	if got := c.Check(now, "pbx.example.com").String(); got != "name only in the common name, self-signed" || c.Chain != 1 {
		t.Errorf("%q, %+v", got, c)
	}
	server.Certificates = []tls.Certificate{{Certificate: [][]byte{{0x30, 3, 2, 1}}, PrivateKey: legacy.PrivateKey, Leaf: legacy.Leaf}}
	c = everyway(t, converse(p.Client(tls.VersionTLS12), server)).ServerCert
	if got := c.Check(now, "x").String(); got != "certificate not understood" || c.Chain != 1 || !c.Hashed {
		t.Errorf("%q, %+v", got, c)
	}
}

// TestLongChain: of a message beyond the buffer the leaf is read, and the
// buffers come back.
func TestLongChain(t *testing.T) {
	p := tlstalk.NewCast(t)
	chain := [][]byte{p.Server.Certificate[0]}
	for range 40 {
		chain = append(chain, make([]byte, 1000))
	}
	server := p.Serve(tls.VersionTLS12)
	server.Certificates = []tls.Certificate{{Certificate: chain, PrivateKey: p.Server.PrivateKey, Leaf: p.Server.Leaf}}
	client := p.Client(tls.VersionTLS12)
	client.InsecureSkipVerify = true
	c := everyway(t, converse(client, server)).ServerCert
	// 20480 octets less 3 for the list, less the leaf, by 1003; the last one in
	// pieces counts when its length is there, 3 octets.
	want := 1 + (20480-3-3-len(chain[0])+1003-3)/1003
	if c == nil || !c.Understood || c.SubjectCN != "pbx" || !c.ChainCut || c.Chain != want {
		t.Errorf("want %d: %+v", want, c)
	}
	big := slices.Concat([]byte{0, 0x50, 4, 0, 0x50, 1}, make([]byte, 0x5001)) // beyond what is read of a leaf
	var s tlswire.Session
	s.Write(0, clientHello(0x0303, "002f", nil))
	s.Write(1, serverHello("002f"))
	s.Write(1, record(22, []byte{11, 0, 0x50, 7}))
	for piece := range slices.Chunk(big, 16000) {
		s.Write(1, record(22, piece))
	}
	c = s.Info().ServerCert
	if c == nil || c.Understood || c.Hashed || c.Chain != 1 || !c.ChainCut {
		t.Errorf("%+v", c)
	}
	if s.Settled() {
		t.Error("settled in the middle")
	}
	s.Write(0, record(21, []byte{2, 42}))
	if !s.Settled() {
		t.Error("not settled by an alert")
	}
}

// After Trim the texts are gone, and the end of the connection is still told.
func TestTrim(t *testing.T) {
	p := tlstalk.NewCast(t)
	events := converse(p.Client(tls.VersionTLS12), p.Serve(tls.VersionTLS12))
	var s tlswire.Session
	before := watch(&s, events, func(n int) int { return n })
	s.Trim()
	after := s.Info()
	if before.SNI == "" || before.ServerCert.SubjectCN == "" || after.SNI != "" || after.JA4 != "" || after.ServerCert.SubjectCN != "" {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if after.Outcome != before.Outcome || after.Version != before.Version || after.Suite != before.Suite || after.ClientAuth != before.ClientAuth || after.ServerCert.Chain != before.ServerCert.Chain {
		t.Errorf("%+v, before %+v", after, before)
	}
}

// A buffer that is not to be had makes a message one that was not read.
func TestBuffersMax(t *testing.T) {
	p := tlstalk.NewCast(t)
	events := converse(p.Client(tls.VersionTLS12), p.Serve(tls.VersionTLS12))
	buffers := &tlswire.Buffers{Max: 1}
	hold := tlswire.Session{Buffers: buffers}
	hold.Write(0, events[0].b[:100]) // a hello in pieces
	s := tlswire.Session{Buffers: buffers}
	if i := watch(&s, events, func(n int) int { return min(n, 50) }); i.SNI != "" || !i.Incomplete {
		t.Errorf("without a buffer: %+v", i)
	}
	hold.Reset()
	s.Reset()
	if i := watch(&s, events, func(n int) int { return min(n, 50) }); i.SNI == "" || i.Incomplete {
		t.Errorf("with one: %+v", i)
	}
}

// A mirror that shows one direction only says nothing of how a handshake ended.
func TestHalf(t *testing.T) {
	p := tlstalk.NewCast(t)
	for _, c := range []struct {
		version uint16
		dir     int
		want    string
	}{
		{tls.VersionTLS12, 0, "incomplete | one finished"}, {tls.VersionTLS12, 1, "incomplete | one finished"},
		{tls.VersionTLS13, 0, "incomplete | one finished"}, {tls.VersionTLS13, 1, "incomplete | server's flight"},
	} {
		events := slices.DeleteFunc(converse(p.Client(c.version), p.Serve(c.version)), func(e event) bool { return e.dir != c.dir })
		i := everyway(t, events)
		if got := i.Outcome.String() + " | " + i.Stage.String(); got != c.want || i.Outcome.Failed() || !i.Incomplete {
			t.Errorf("%x, direction %d: %s", c.version, c.dir, got)
		}
		if i = everyway(t, events[:1]); c.dir == 0 && i.Outcome != tlswire.Pending {
			t.Errorf("%x, a ClientHello alone: %v", c.version, i.Outcome)
		}
		var proved tlswire.Session
		proved.Prove()
		if i = watch(&proved, events[:1], func(n int) int { return n }); i.Outcome != tlswire.EstablishedInferred || !proved.Settled() {
			t.Errorf("%x, direction %d, proved: %v", c.version, c.dir, i.Outcome)
		}
	}
}
