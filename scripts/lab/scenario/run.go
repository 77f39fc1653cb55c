package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/jssip"
	"heptap/scripts/lab/kamailio"
	"heptap/scripts/lab/sipp"
	"heptap/scripts/lab/wire"
)

// Numbers that are called. relay.cfg says where they lead.
const (
	prefixUDP    = "1555010"  // by sipp, over UDP on both sides
	prefixNumber = "3555030"  // likewise, and the router is asked by the number alone
	prefixTCP    = "2555020"  // by sipp, over TCP on both sides
	numberTLS12  = "35550412" // over TLS 1.2, and on over UDP
	numberTLS13  = "35550413" // over TLS 1.3
	numberReset  = "15550601" // over a connection that is reset during the call
	numberIdle   = "15550602" // over a connection that Kamailio closes when it is idle
	numberClosed = "45550701" // to a port where nobody listens
	userWeb      = "robert"   // over WebSocket on both sides
	callsSIPp    = 2          // of each prefix
	callsInAll   = 3*callsSIPp + 6
)

// stage is where it happens.
type stage struct {
	site                           *lab.Site
	callers, callees               *lab.Host
	proxyHost, routerHost, logHost *lab.Host
	admin                          *lab.Host
	proxy                          *kamailio.Server
	router                         *router
	journal                        *journal
	answersUDP, answersTCP         *sipp.Phone
	js                             *jssip.Programs
	certs                          certificates
	authority                      string // file of the CA's certificate
	box                            *box.Box
	witness                        *wire.Witness
	silent                         *phone // whose connection is left to Kamailio
	binary                         string
	truth                          *truth
}

// Result is what a run has left behind.
type Result struct {
	Expected *Graph // by what the parts know themselves
	Live     *Graph // by what the collector has: without how edges were found
	Replayed *Graph // by what the same binary makes of what tcpdump wrote

	// Reached are, for each node that has an id, the nodes that replay -follow
	// -follow-depth 1 finds from it.
	Reached map[Node]map[Node]bool

	// Seen and Delivered are the SIP messages on the mirror, according to tshark,
	// and at the collector.
	Seen, Delivered []box.Message

	Metrics box.Metrics

	// Ladder is what the probe's console draws of the first call over UDP.
	Ladder string
}

// Run plays the scenario with a heptap binary.
func Run(ctx context.Context, binary string) (r *Result, err error) {
	s := &stage{binary: binary, truth: newTruth()}
	if s.js, err = jssip.Open(); err != nil {
		return nil, err
	}
	s.site, err = lab.OpenSite(lab.SiteConfig{More: []string{"proxy", "router", "log", "admin"}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.site.Close()) }()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"the probe", s.startProbe}, {"the parts", s.startParts},
		{"calls over WebSocket", s.web}, {"a call before a silence", s.quiet}, {"calls over UDP", s.udp}, {"calls over TCP", s.tcp},
		{"calls over TLS", s.tls}, {"a connection that is reset", s.reset}, {"a port that is closed", s.closed},
		{"certificates that have expired", s.expired}, {"a connection that is idle", s.idle}, {"the end", s.end},
	} {
		if err := step.do(ctx); err != nil {
			if s.proxy != nil {
				err = fmt.Errorf("%w\nKamailio said:\n%s", err, s.proxy.Log())
			}
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return s.result(ctx)
}

func (s *stage) startProbe(ctx context.Context) (err error) {
	s.callers, s.callees = s.site.A, s.site.B
	s.proxyHost, s.routerHost, s.logHost, s.admin = s.site.More[0], s.site.More[1], s.site.More[2], s.site.More[3]
	if s.witness, err = wire.WatchAll(ctx, s.site, s.site.Probe, "span0"); err != nil {
		return err
	}
	s.box, err = box.Start(ctx, s.site, box.Config{Binary: s.binary, Lines: []string{"set capture span0 interface span0", "set system board generic"}})
	return err
}

func (s *stage) startParts(ctx context.Context) (err error) {
	if s.certs, err = newCertificates(time.Now()); err != nil {
		return err
	}
	s.authority = filepath.Join(s.site.Dir(), "authority.pem")
	if err := os.WriteFile(s.authority, s.certs.authority, 0o644); err != nil {
		return err
	}
	l, at := s.site.Lab, func(h *lab.Host, port string) string { return net.JoinHostPort(h.Addr.String(), port) }
	if s.router, err = startRouter(l, s.routerHost, at(s.routerHost, "8000")); err != nil {
		return err
	}
	if s.journal, err = startJournal(l, s.logHost, at(s.logHost, "514")); err != nil {
		return err
	}
	log, err := pipe(l, s.proxyHost, s.logHost.Addr.String(), "514")
	if err != nil {
		return err
	}
	if s.answersUDP, err = sipp.Answer(ctx, l, s.callees, "u1", 5060); err != nil {
		return err
	}
	if s.answersTCP, err = sipp.Answer(ctx, l, s.callees, "t1", 5070); err != nil {
		return err
	}
	s.proxy, err = kamailio.StartRelay(ctx, l, s.proxyHost, kamailio.Relay{Callees: s.callees.Addr.String(), Router: at(s.routerHost, "8000"),
		Certificate: s.certs.good, Others: map[string][]byte{expiredName: s.certs.expired}, Log: log})
	return err
}

// at is an address of the proxy.
func (s *stage) at(port string) string { return net.JoinHostPort(s.proxyHost.Addr.String(), port) }

// web has one JsSIP call another.
func (s *stage) web(ctx context.Context) error {
	callee, err := s.js.Callee(ctx, s.site.Lab, s.callers, s.at(kamailio.RelayWeb), userWeb)
	if err != nil {
		return err
	}
	caller, err := s.js.Caller(s.site.Lab, s.callers, s.at(kamailio.RelayWeb), "alice", userWeb, 1)
	if err != nil {
		return err
	}
	if err := caller.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, caller.Said())
	}
	callee.Kill()
	return nil
}

func (s *stage) udp(ctx context.Context) error {
	for _, prefix := range []string{prefixUDP, prefixNumber} {
		if err := sipp.Call(ctx, s.site.Lab, s.callers, "u1", s.at(kamailio.RelaySIP), prefix, callsSIPp, time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) tcp(ctx context.Context) error {
	err := sipp.Call(ctx, s.site.Lab, s.callers, "t1", s.at(kamailio.RelaySIP), prefixTCP, callsSIPp, time.Second)
	if err != nil {
		return err
	}
	return s.truth.between(s.callees, 5070)
}

// tls calls over both versions of TLS, and gives commands meanwhile.
func (s *stage) tls(ctx context.Context) error {
	for _, c := range []struct {
		number, name string
		version      uint16
	}{{numberTLS12, "TLS 1.2", tls.VersionTLS12}, {numberTLS13, "TLS 1.3", tls.VersionTLS13}} {
		p, err := dial(ctx, s.callers, "tcp", s.at(kamailio.RelayTLS), s.trust(c.version))
		if err != nil {
			return err
		}
		a, err := s.call(p, c.number)
		if err != nil {
			return err
		}
		if err := s.commands(ctx, a.id); err != nil {
			return err
		}
		if err := errors.Join(p.bye(a), p.conn.Close()); err != nil {
			return err
		}
		s.truth.encrypted(p.local(), c.name, a.number)
	}
	return nil
}

// call has a phone call a number that answers.
func (s *stage) call(p *phone, number string) (*answer, error) {
	a, err := p.invite(fmt.Sprintf("phone-%s-%d@%s", number, time.Now().UnixNano(), p.local().Addr()), number)
	if err != nil {
		return nil, err
	}
	if a.status != 200 {
		return nil, fmt.Errorf("the call of %s is answered with %d", number, a.status)
	}
	return a, nil
}

// commands has the administrator give some, one of them about a call.
func (s *stage) commands(ctx context.Context, callID string) error {
	url := "http://" + s.at(kamailio.RelayWeb) + "/RPC"
	if len(s.truth.commands) == 0 {
		for _, name := range []string{"core.version", "no.such.thing"} {
			r, from, err := overHTTP(ctx, s.admin, url, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			s.truth.commands = append(s.truth.commands, command{name, "HTTP", "", r.Error == nil, from})
		}
		r, err := overUDP(ctx, s.admin, s.at(kamailio.RelayRPC), "core.uptime")
		if err != nil {
			return fmt.Errorf("core.uptime: %w", err)
		}
		s.truth.commands = append(s.truth.commands, command{"core.uptime", "UDP", "", r.Error == nil, netip.AddrPort{}})
		return nil
	}
	r, from, err := overHTTP(ctx, s.admin, url, "dlg.dlg_list", callID)
	if err != nil {
		return fmt.Errorf("dlg.dlg_list: %w", err)
	}
	s.truth.commands = append(s.truth.commands, command{"dlg.dlg_list", "HTTP", callID, r.Error == nil, from})
	return nil
}

// reset breaks a connection off during a call, which ends over another one.
func (s *stage) reset(ctx context.Context) error {
	first, err := dial(ctx, s.callers, "tcp", s.at(kamailio.RelaySIP), nil)
	if err != nil {
		return err
	}
	a, err := s.call(first, numberReset)
	if err != nil {
		return err
	}
	if err := first.reset(); err != nil {
		return err
	}
	second, err := dial(ctx, s.callers, "tcp", s.at(kamailio.RelaySIP), nil)
	if err != nil {
		return err
	}
	if err := errors.Join(second.bye(a), second.conn.Close()); err != nil {
		return err
	}
	s.truth.connection(first.local(), "TCP phone, at first", "TCP, opened, reset by the client")
	s.truth.connection(second.local(), "TCP phone, again", "TCP, opened, closed by the client")
	s.truth.byed(a.id, second.local())
	return nil
}

// quiet makes a call and leaves its connection open.
func (s *stage) quiet(ctx context.Context) error {
	p, err := dial(ctx, s.callers, "tcp", s.at(kamailio.RelaySIP), nil)
	if err != nil {
		return err
	}
	a, err := s.call(p, numberIdle)
	if err != nil {
		return err
	}
	s.silent = p
	s.truth.connection(p.local(), "TCP phone that goes quiet", "TCP, opened, closed by the server")
	return p.bye(a)
}

// idle waits until Kamailio closes that one.
func (s *stage) idle(context.Context) error { return s.silent.closed() }

// closed calls somebody who is not there.
func (s *stage) closed(ctx context.Context) error {
	p, err := dial(ctx, s.callers, "udp", s.at(kamailio.RelaySIP), nil)
	if err != nil {
		return err
	}
	a, err := p.invite(fmt.Sprintf("phone-%s-%d@%s", numberClosed, time.Now().UnixNano(), p.local().Addr()), numberClosed)
	if err != nil {
		return err
	}
	if a.status < 400 {
		return fmt.Errorf("a call to a closed port is answered with %d", a.status)
	}
	return p.conn.Close()
}

// expired has clients refuse a certificate. In TLS 1.3 OpenSSL says why in clear,
// Go does not.
func (s *stage) expired(ctx context.Context) error {
	server := s.at(kamailio.RelayTLS)
	for _, c := range []struct {
		version, name, became string
		port                  uint16
	}{
		{"-tls1_2", nameOpenSSL12, "TLS 1.2, failed: certificate_expired (fatal) from the client after server's flight; server's certificate: expired, closed", 25012},
		{"-tls1_3", nameOpenSSL13, "TLS 1.3, failed: certificate_expired (fatal) from the client after server's flight, closed", 25013},
	} {
		from := netip.AddrPortFrom(s.callers.Addr, c.port)
		if err := openssl(ctx, s.site.Lab, s.callers, c.version, from.String(), server, expiredName, s.authority); err != nil {
			return err
		}
		s.truth.connection(from, c.name, c.became)
	}
	from := netip.AddrPortFrom(s.callers.Addr, 25014) // no port that the kernel gives to others
	conf := s.trust(tls.VersionTLS13)
	conf.ServerName = expiredName
	s.truth.connection(from, nameGo13, "TLS 1.3, failed: aborted by the client after the server's flight (inferred), closed")
	return refuse(ctx, s.callers, from, server, conf)
}

// trust configures a client of TLS.
func (s *stage) trust(version uint16) *tls.Config {
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(s.certs.authority)
	return &tls.Config{RootCAs: authorities, ServerName: goodName, MinVersion: version, MaxVersion: version}
}

// end ends all parts and then the probe, when everything has arrived.
func (s *stage) end(ctx context.Context) error {
	if err := s.proxy.Stop(); err != nil {
		return err
	}
	s.answersUDP.Stop()
	s.answersTCP.Stop()
	if err := s.logged(ctx); err != nil {
		return err
	}
	if err := s.witnessed(ctx); err != nil {
		return err
	}
	return s.box.Settled(ctx)
}

// logged waits until the log server has the last line of Kamailio's script.
func (s *stage) logged(ctx context.Context) error {
	log := s.proxy.Log()
	i := strings.LastIndex(log, script)
	if i < 0 {
		return errors.New("kamailio has logged nothing")
	}
	last, _, _ := strings.Cut(log[i:], "\n")
	return until(ctx, "the log has arrived", func() bool { return s.journal.has(last) })
}

// witnessed waits until tcpdump has written all there was: it has then written a
// datagram that is sent last.
func (s *stage) witnessed(ctx context.Context) error {
	var conn net.Conn
	err := s.admin.Do(func() (err error) {
		conn, err = net.Dial("udp", net.JoinHostPort(s.logHost.Addr.String(), "9"))
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	const mark = "this is all there is to be seen"
	if _, err := conn.Write([]byte(mark)); err != nil {
		return err
	}
	return until(ctx, "tcpdump has written everything", func() bool {
		b, err := os.ReadFile(s.witness.File())
		return err == nil && bytes.Contains(b, []byte(mark))
	})
}

// until waits for something that nothing tells.
func until(ctx context.Context, what string, f func() bool) error {
	for !f() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// result compares nothing: it says what the parts know and what was found.
func (s *stage) result(ctx context.Context) (*Result, error) {
	r := &Result{}
	var err error
	if r.Metrics, err = s.box.Metrics(ctx); err != nil {
		return nil, err
	}
	if r.Ladder, err = s.ladder(ctx); err != nil {
		return nil, err
	}
	live, err := s.box.Finish()
	if err != nil {
		return nil, err
	}
	if r.Delivered, err = box.Messages(live); err != nil {
		return nil, err
	}
	if r.Seen, err = s.witness.Stop(ctx); err != nil {
		return nil, err
	}
	if err := s.truth.take(s); err != nil {
		return nil, err
	}
	r.Expected = s.truth.graph
	r.Live = s.truth.found(ofCollector(live))
	r.Replayed, r.Reached, err = s.replay(ctx)
	return r, err
}

// ladder finds a call on the console as a person does, and has it drawn.
func (s *stage) ladder(ctx context.Context) (string, error) {
	list, err := s.box.Console(ctx, "show calls where to eq 15550101 last 1")
	if err != nil {
		return "", err
	}
	_, row, _ := strings.Cut(list, "\n")
	row, _, _ = strings.Cut(row, "\n")
	words := strings.Fields(row)
	if len(words) < 5 {
		return "", fmt.Errorf("the console lists no such call:\n%s", list)
	}
	return s.box.Console(ctx, "show call "+words[len(words)-1])
}
