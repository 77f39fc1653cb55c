package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
	"heptap/hep/heptest"
)

var (
	relayPhone = netip.MustParseAddrPort("192.0.2.1:5062")
	relayProxy = netip.MustParseAddrPort("192.0.2.2:5060")
)

// wire is a mirror port on which a test puts what it wants.
type wire struct {
	capturetest.FakeSource
	frames chan []capture.Frame
}

func (w *wire) Read(frames []capture.Frame) (int, error) {
	select {
	case f := <-w.frames:
		return copy(frames, f), nil
	case <-time.After(5 * time.Millisecond):
		return 0, nil
	}
}

func (w *wire) Stats() capture.Stats { return capture.Stats{} }
func (w *wire) Close() error         { return nil }

// relayBox is a box as run makes it, but for the mirror port.
type relayBox struct {
	t      *testing.T
	wire   *wire
	intake *intake.Intake
	probe  *probe.Probe
	log    *uplink.Log
	begun  time.Time
	stop   func()
}

func newRelayBox(t *testing.T, collector string, o intake.Options, change ...func(*probe.Config)) *relayBox {
	t.Helper()
	b := &relayBox{t: t, wire: &wire{frames: make(chan []capture.Frame)}, begun: time.Now()}
	o.Now = func() int64 { return int64(time.Since(b.begun)) }
	if o.Node == "" {
		o.AgentID, o.Node = 2001, "box"
	}
	var err error
	if b.intake, err = intake.Listen(o); err != nil {
		t.Fatal(err)
	}
	spool, err := buffer.Open(filepath.Join(t.TempDir(), "spool.db"), buffer.Options{Classes: int(record.NumClasses), MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b.log, err = uplink.Open(uplink.Options{
		Collectors: []uplink.Collector{{
			Name: "central",
			Dial: func(ctx context.Context) (uplink.Conn, error) {
				return hep.Dial(ctx, "tcp", collector, hep.DialOptions{})
			},
			NewEncoder: func() uplink.Encoder {
				p, err := export.New("opensips", export.Options{Node: o.Node, AgentID: o.AgentID})
				if err != nil {
					panic(err)
				}
				return p
			},
			Strict: true,
		}},
		Spool: spool, SpillAfter: 50 * time.Millisecond, BarrierGap: 50 * time.Millisecond, BarrierAge: 300 * time.Millisecond,
		FINTimeout: time.Second, BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	pc := probe.Config{
		Inputs: []probe.Input{{Name: "wire", Source: b.wire}}, Now: o.Now, Media: media.Config{Streams: 100, Interval: 500 * time.Millisecond},
		Assembly: assemblyConfig(cfg), Correlate: correlate.Config{Calls: 100, Streams: 100, CallIdle: time.Hour, Net: true, Connections: 100},
		Deliver: b.log.Append, Relay: b.intake,
	}
	for _, f := range change {
		f(&pc)
	}
	b.probe = probe.New(pc)
	r := &runner{probe: b.probe, intake: b.intake}
	ctx, cancel := context.WithCancel(context.Background())
	captured, logged := make(chan error, 1), make(chan error, 1)
	go func() { captured <- r.capture(ctx, cancel) }()
	go func() { logged <- b.log.Run(context.Background()) }()
	ended := false
	b.stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		drain, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		if err := errors.Join(<-captured, b.log.Shutdown(drain), <-logged); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

// show puts datagrams and segments on the mirror port.
func (b *relayBox) show(frames ...[]byte) {
	now := time.Now()
	fs := capturetest.Frames(now, 0, frames...)
	for i := range fs {
		fs[i].Mono = int64(now.Sub(b.begun)) + int64(i)
	}
	select {
	case b.wire.frames <- fs:
	case <-time.After(heptest.Patience):
		b.t.Fatal("the mirror port is not read")
	}
}

func (b *relayBox) dial(tr intake.Transport) net.Conn {
	b.t.Helper()
	network := "tcp"
	if tr == intake.UDP {
		network = "udp"
	}
	c, err := net.Dial(network, b.intake.Addrs(tr)[0].String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func sendPackets(t *testing.T, c net.Conn, packets ...hep.Packet) {
	t.Helper()
	for _, p := range packets {
		b, err := p.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// waitFor waits for what must come about.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(heptest.Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

// opensips is a packet of an OpenSIPS with its default id.
func opensips(typ uint8, primary, payload, extra string) hep.Packet {
	return hep.Packet{Src: relayPhone, Dst: relayProxy, Wall: 1_700_000_000_123_456_000, AgentID: 1, Proto: 6, Type: typ,
		Correlation: []byte(primary), Payload: []byte(payload), Extra: []byte(extra)}
}

func shown(t *testing.T, frame []byte) string {
	t.Helper()
	v, err := hep.Parse(frame)
	if err != nil {
		t.Fatal(err)
	}
	chunks := ""
	for c := range v.Others {
		chunks += fmt.Sprintf(" %x", c)
	}
	return fmt.Sprintf("%d|%s|%s|%v>%v|%d %s|%s%s", v.Type(), v.Correlation(), v.Extra(), v.Src(), v.Dst(), v.AgentID(), v.Node(), v.Payload(), chunks)
}

const relayedOptions = "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n" +
	"To: <sip:b@example.com>\r\nCall-ID: one@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// What OpenSIPS sends in both its forms comes out repaired, under its own id and
// time.
func TestRelayOpenSIPS(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	const at = "192.0.2.1:5062>192.0.2.2:5060|1 |"
	tests := []struct {
		in   hep.Packet
		want string
	}{
		{opensips(89, "77", "{\n\t\"Protocol\":\t\"TLS\",\n\t\"master-key\":\t\"AABB\",\n\t\"Event\":\t\"ACCEPTED\"\n}", ""),
			`89|77||` + at + `{"Protocol":"TLS","master-key":"***","Event":"ACCEPTED"}`},
		{opensips(1, "one@example.com", `{"payload":"`+strings.ReplaceAll(relayedOptions, "\r\n", `\r\n`)+`"}`, `{"net":"77"}`),
			`1|one@example.com|{"net":"77"}|` + at + relayedOptions},
		{opensips(88, "RESTCORRx", `{"first_line":"GET /a HTTP/1.1"}`, `{"sip":"one@example.com"}`),
			`88|RESTCORRx|{"sip":"one@example.com"}|192.0.2.1:50707>192.0.2.2:50195|1 |{"first_line":"GET /a HTTP/1.1"}`},
		{opensips(86, "one@example.com", "INFO:a line", ""), `100|one@example.com|{"sip":"one@example.com"}|` + at + `{"Event":"INFO","text":"a line"}`},
		{opensips(87, "MICORRx", "ul_show:fifo", ""), `87|MICORRx||` + at + `{"command":"ul_show","backend":"fifo"}`},
		{opensips(96, "", "", `{"sip":"one@example.com","rest":"RESTCORRx"}`), `96||{"sip":"one@example.com","rest":"RESTCORRx"}|` + at},
		{opensips(9, "x", "\x01\x00\xff", ""), "9|x||" + at + "\x01\x00\xff"},
	}
	conn := b.dial(intake.TCP)
	for i := range tests {
		sendPackets(t, conn, tests[i].in)
	}
	for i, r := range c.WaitFrames(len(tests)) {
		if i < len(tests) {
			if got := shown(t, r.Frame); got != tests[i].want {
				t.Errorf("%d:\n got %q\nwant %q", i, got, tests[i].want)
			}
		}
		if v, _ := hep.Parse(r.Frame); v.Wall() != 1_700_000_000_123_456_000 || v.Flags() != hep.FlagRelayed {
			t.Errorf("%d: at %d, flags %v", i, v.Wall(), hep.FlagNames(v.Flags()))
		}
	}
	b.stop()
	if s := b.probe.Stats(); s.Correlate.SIPRelayed.Load() != 1 || s.Correlate.Foreign.Load() != 6 {
		t.Errorf("%d messages, %d records", s.Correlate.SIPRelayed.Load(), s.Correlate.Foreign.Load())
	}
}

// A collector that dies while the box relays gets everything all the same, in
// the order in which it came.
func TestRelayThroughAnOutage(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	conn := b.dial(intake.TCP)
	const each = 400
	send := func(from int) {
		for i := from; i < from+each; i++ {
			p := opensips(100, "id", fmt.Sprint("line ", i), "")
			p.Wall += int64(i) * int64(time.Millisecond)
			sendPackets(t, conn, p)
		}
	}
	send(0)
	c.WaitFrames(each / 2)
	c.Kill()
	send(each)
	waitFor(t, "all is taken", func() bool { return b.intake.Stats().Taken == 2*each && b.intake.Stats().Queued == 0 })
	c.Restart()
	send(2 * each)
	last := -1
	seen := map[int]bool{}
	waitFor(t, "all has come", func() bool {
		clear(seen)
		for _, r := range c.Records() {
			v, _ := hep.Parse(r.Frame)
			var i int
			if _, err := fmt.Sscanf(string(v.Payload()), "line %d", &i); err != nil {
				t.Fatalf("%q", v.Payload())
			}
			seen[i] = true
		}
		return len(seen) == 3*each
	})
	clear(seen)
	for _, r := range c.Records() {
		v, _ := hep.Parse(r.Frame)
		var i int
		_, _ = fmt.Sscanf(string(v.Payload()), "line %d", &i)
		if seen[i] {
			continue // sent again: the kernel of the dead one had it
		}
		if seen[i] = true; i != last+1 {
			t.Fatalf("%d comes after %d", i, last)
		}
		last = i
	}
	if s := b.intake.Stats(); s.Drops != [intake.NumDrops]uint64{} {
		t.Errorf("drops: %v", s.Drops)
	}
}

// A call of which only an agent has shown the signalling gets the media that the
// mirror port shows; and what both show is one record.
func TestRelayJoinsTheMirror(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{UDP: []string{"127.0.0.1:0"}})
	conn := b.dial(intake.UDP)
	alice, bob := netip.MustParseAddrPort("192.0.2.1:6000"), netip.MustParseAddrPort("192.0.2.2:7000")
	ds := capturetest.SIPCall(capturetest.Call{Caller: relayPhone, Callee: relayProxy, CallerMedia: alice, CalleeMedia: bob, CallID: "relayed@example.com"})
	packet := func(i int) hep.Packet {
		return hep.Packet{Src: ds[i].Src, Dst: ds[i].Dst, Wall: time.Now().UnixNano(), AgentID: 2002, Node: []byte("kamailio-1"), Proto: 17, Type: 1, Payload: ds[i].Payload}
	}
	for i := range 5 {
		sendPackets(t, conn, packet(i))
	}
	c.WaitFrames(5)
	for n := range 60 {
		b.show(capturetest.UDP(alice, bob, capturetest.RTPPacket(8, uint16(n), uint32(160*n), 77, make([]byte, 160))))
		time.Sleep(2 * time.Millisecond)
	}
	// The end is on the mirror port, too.
	b.show(capturetest.UDP(ds[5].Src, ds[5].Dst, ds[5].Payload))
	time.Sleep(2 * time.Millisecond)
	sendPackets(t, conn, packet(5), packet(6))
	waitFor(t, "the copy is dropped", func() bool { return b.intake.Stats().Drops[intake.DropCopy] == 1 })
	c.WaitFrames(7)
	b.stop()
	var sip, relayed, reports int
	for _, r := range c.Records() {
		v, _ := hep.Parse(r.Frame)
		switch {
		case v.Type() == hep.TypeSIP:
			sip++
			if string(v.Node()) == "kamailio-1" && v.AgentID() == 2002 {
				relayed++
			} else if string(v.Node()) != "box" || !bytes.HasPrefix(v.Payload(), []byte("BYE")) {
				t.Errorf("%s of %s", v.Payload(), v.Node())
			}
		case v.Type() == hep.TypeRTPReport && string(v.Correlation()) == "relayed@example.com":
			reports++
		}
	}
	if sip != 7 || relayed != 6 || reports == 0 {
		t.Errorf("%d messages, %d of them relayed, %d reports", sip, relayed, reports)
	}
}

// What a script has OpenSIPS say of a message that the mirror port shows too, the id of the other leg, is in the
// records of the rest of the call.
func TestRelayTellsTheOtherLeg(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	ds := capturetest.SIPCall(capturetest.Call{Caller: relayPhone, Callee: relayProxy, CallID: "second@example.com"})
	b.show(capturetest.UDP(ds[0].Src, ds[0].Dst, ds[0].Payload))
	c.WaitFrames(1)
	p := opensips(1, "first@example.com", string(ds[0].Payload), "")
	p.Src, p.Dst, p.Proto = ds[0].Src, ds[0].Dst, 17
	sendPackets(t, b.dial(intake.TCP), p)
	waitFor(t, "the copy is dropped", func() bool { return b.intake.Stats().Drops[intake.DropCopy] == 1 })
	b.show(capturetest.UDP(ds[1].Src, ds[1].Dst, ds[1].Payload))
	for i, r := range c.WaitFrames(2) {
		v, _ := hep.Parse(r.Frame)
		if want := []string{"", `{"sip":"first@example.com"}`}[i]; string(v.Correlation()) != "second@example.com" || string(v.Extra()) != want {
			t.Errorf("%d: %s, %s", i, v.Correlation(), v.Extra())
		}
	}
}

// A message that only an agent can read, over a connection that the mirror port
// shows, names that connection.
func TestRelayNamesTheConnection(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	first := strings.Replace(relayedOptions, "one@example.com", "seen@example.com", 1)
	seg := func(src, dst netip.AddrPort, seq, ack uint32, flags uint8, payload string) []byte {
		return capturetest.TCP(src, dst, capture.TCP{Seq: seq, Ack: ack, Flags: flags}, []byte(payload))
	}
	b.show(seg(relayPhone, relayProxy, 100, 0, capture.FlagSYN, ""), seg(relayProxy, relayPhone, 500, 101, capture.FlagSYN|capture.FlagACK, ""),
		seg(relayPhone, relayProxy, 101, 501, capture.FlagACK, ""), seg(relayPhone, relayProxy, 101, 501, capture.FlagACK|capture.FlagPSH, first))
	c.WaitFrames(2)
	p := opensips(1, "one@example.com", relayedOptions, "")
	p.Src, p.Dst, p.Proto, p.Wall = relayProxy, relayPhone, 22, time.Now().UnixNano() // the other direction
	sendPackets(t, b.dial(intake.TCP), p)
	var id, named string
	for _, r := range c.WaitFrames(3) {
		switch v, _ := hep.Parse(r.Frame); {
		case v.Type() == hep.TypeNet:
			id = string(v.Correlation())
		case string(v.Correlation()) == "one@example.com":
			named = string(v.Extra())
		}
	}
	if id == "" || named != `{"net":"`+id+`"}` {
		t.Errorf("connection %q, named %q", id, named)
	}
}

// Of what went over a connection that it made, an agent names the port where it listens, in
// requests or in responses too. The record has the connection's, and what the mirror port shows
// is no second record.
func TestRelayNamesTheConnectionOfWhatWasSent(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	from := netip.AddrPortFrom(relayProxy.Addr(), 43210)
	sent := func(id string) string {
		return strings.NewReplacer("one@example.com", id, "TCP 192.0.2.1;", "TCP 192.0.2.2;").Replace(relayedOptions)
	}
	first := sent("seen@example.com")
	seg := func(src, dst netip.AddrPort, seq, ack uint32, flags uint8, payload string) []byte {
		return capturetest.TCP(src, dst, capture.TCP{Seq: seq, Ack: ack, Flags: flags}, []byte(payload))
	}
	b.show(seg(from, relayPhone, 100, 0, capture.FlagSYN, ""), seg(relayPhone, from, 500, 101, capture.FlagSYN|capture.FlagACK, ""),
		seg(from, relayPhone, 101, 501, capture.FlagACK, ""), seg(from, relayPhone, 101, 501, capture.FlagACK|capture.FlagPSH, first))
	id := ""
	for _, r := range c.WaitFrames(2) {
		if v, _ := hep.Parse(r.Frame); v.Type() == hep.TypeNet {
			id = string(v.Correlation())
		}
	}
	var told []hep.Packet
	one := sent("one@example.com")
	for _, text := range []string{first, one, strings.Replace(one, "OPTIONS sip:b@example.com SIP/2.0", "SIP/2.0 200 OK", 1)} {
		p := opensips(1, "", text, "")
		p.Src, p.Dst, p.Wall = relayProxy, relayPhone, time.Now().UnixNano()
		if strings.HasPrefix(text, "SIP/2.0") {
			p.Src, p.Dst = p.Dst, p.Src
		}
		told = append(told, p)
	}
	sendPackets(t, b.dial(intake.TCP), told...)
	ends := [][2]netip.AddrPort{{from, relayPhone}, {relayPhone, from}}
	for i, r := range c.WaitFrames(4)[2:] {
		v, err := hep.Parse(r.Frame)
		if err != nil || string(v.Correlation()) != "one@example.com" || string(v.Extra()) != `{"net":"`+id+`"}` || v.Src() != ends[i][0] || v.Dst() != ends[i][1] {
			t.Errorf("connection %q: %q from %v to %v over %s, %v", id, v.Correlation(), v.Src(), v.Dst(), v.Extra(), err)
		}
	}
}

// An agent tells of a message when the connection that it went over has ended. That is
// named all the same, and by what the agent says of the connection itself.
func TestRelayNamesTheConnectionThatHasEnded(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	first := strings.Replace(relayedOptions, "one@example.com", "seen@example.com", 1)
	seg := func(src, dst netip.AddrPort, seq, ack uint32, flags uint8, payload string) []byte {
		return capturetest.TCP(src, dst, capture.TCP{Seq: seq, Ack: ack, Flags: flags}, []byte(payload))
	}
	b.show(seg(relayPhone, relayProxy, 100, 0, capture.FlagSYN, ""), seg(relayProxy, relayPhone, 500, 101, capture.FlagSYN|capture.FlagACK, ""),
		seg(relayPhone, relayProxy, 101, 501, capture.FlagACK, ""), seg(relayPhone, relayProxy, 101, 501, capture.FlagACK|capture.FlagPSH, first),
		seg(relayProxy, relayPhone, 501, 101, capture.FlagRST, ""))
	id := ""
	for _, r := range c.WaitFrames(3) {
		if v, _ := hep.Parse(r.Frame); v.Type() == hep.TypeNet {
			id = string(v.Correlation())
		}
	}
	p := opensips(1, "one@example.com", relayedOptions, "")
	p.Src, p.Dst, p.Proto, p.Wall = relayProxy, relayPhone, 22, time.Now().UnixNano()
	q := opensips(89, "17640947659377874237", `{"Protocol":"TLS","Event":"CLOSED"}`, "")
	q.Src, q.Dst, q.Proto, q.Wall = p.Src, p.Dst, p.Proto, p.Wall
	sendPackets(t, b.dial(intake.TCP), p, q)
	for _, r := range c.WaitFrames(5)[3:] {
		if v, _ := hep.Parse(r.Frame); id == "" || string(v.Extra()) != `{"net":"`+id+`"}` {
			t.Errorf("%d: connection %q, named %q", v.Type(), id, v.Extra())
		}
	}
}

// The mirror port shows TLS, of which only an agent can read the SIP. That names
// the connection all the same.
func TestRelayNamesTheConnectionOfTLS(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	cast := tlstalk.NewCast(t)
	client, server := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:5061")
	b.show(capturetest.TCP(client, server, capture.TCP{Flags: capture.FlagSYN}, nil),
		capturetest.TCP(server, client, capture.TCP{Ack: 1, Flags: capture.FlagSYN | capture.FlagACK}, nil),
		capturetest.TCP(client, server, capture.TCP{Seq: 1, Ack: 1, Flags: capture.FlagACK}, nil))
	ends, seq := [2]netip.AddrPort{client, server}, [2]uint32{1, 1}
	for _, e := range tlstalk.Converse(cast.Client(tls.VersionTLS12), cast.Serve(tls.VersionTLS12)) {
		for octets := e.Octets; len(octets) > 0; {
			n := min(len(octets), 1400)
			b.show(capturetest.TCP(ends[e.Dir], ends[1-e.Dir], capture.TCP{Seq: seq[e.Dir], Ack: 1, Flags: capture.FlagACK}, octets[:n]))
			seq[e.Dir] += uint32(n)
			octets = octets[n:]
		}
	}
	v, err := hep.Parse(c.WaitFrames(1)[0].Frame)
	if err != nil || v.Type() != hep.TypeNet || !bytes.Contains(v.Payload(), []byte(`"Protocol":"TLS"`)) {
		t.Fatalf("%v, %s", err, v.Payload())
	}
	id := string(v.Correlation())
	p := opensips(1, "one@example.com", relayedOptions, "")
	p.Src, p.Dst, p.Proto, p.Wall = client, server, 22, time.Now().UnixNano()
	// The same connection as OpenSIPS sees it.
	q := opensips(89, "17640947659377874237", `{"Protocol":"TLS","Event":"ACCEPTED"}`, "")
	q.Src, q.Dst, q.Proto, q.Wall = client, server, 22, p.Wall
	sendPackets(t, b.dial(intake.TCP), p, q)
	for _, r := range c.WaitFrames(3)[1:] {
		v, _ := hep.Parse(r.Frame)
		if v.Flags()&hep.FlagRelayed != 0 && string(v.Extra()) != `{"net":"`+id+`"}` {
			t.Errorf("%d: %s", v.Type(), v.Extra())
		}
	}
}

// A box behind a box: what the first has seen, and what it has relayed, comes out
// of the second under the names it had, and the first has receipts for all of it.
func TestRelayOfRelay(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	second := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	first := newRelayBox(t, second.intake.Addrs(intake.TCP)[0].String(), intake.Options{UDP: []string{"127.0.0.1:0"}, AgentID: 3, Node: "edge"})
	query := opensips(88, "RESTCORRx", `{"first_line":"GET /a HTTP/1.1"}`, `{"sip":"one@example.com"}`)
	query.Others = []byte("\x00\x02\x01\x00\x00\x08ab")
	options := opensips(1, "two@example.com", strings.Replace(relayedOptions, "one@", "two@", 1), "")
	options.Others = []byte("\x00\x00\x00\x22\x00\x08DE")
	sendPackets(t, first.dial(intake.UDP), query, options)
	first.show(capturetest.UDP(relayPhone, relayProxy, []byte(relayedOptions)))
	got := map[string]bool{}
	for _, r := range c.WaitFrames(3) {
		got[shown(t, r.Frame)] = true
	}
	for _, want := range []string{
		`88|RESTCORRx|{"sip":"one@example.com"}|192.0.2.1:50707>192.0.2.2:50195|1 |{"first_line":"GET /a HTTP/1.1"} 0002010000086162`,
		`1|two@example.com||192.0.2.1:5062>192.0.2.2:5060|1 |` + string(options.Payload) + ` 0000002200084445`,
		`1|one@example.com||192.0.2.1:5062>192.0.2.2:5060|3 edge|` + relayedOptions,
	} {
		if !got[want] {
			t.Errorf("%q is missing in %v", want, got)
		}
	}
	waitFor(t, "receipts", func() bool { return first.log.Stats().Collectors[0].Confirmed == 3 })
}

// A box whose collector sends back what it gets does not go round and round.
func TestRelayLoop(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}})
	conn := b.dial(intake.TCP)
	own := opensips(100, "id", "ours", "")
	own.AgentID, own.Node = 2001, []byte("box")
	sendPackets(t, conn, own, opensips(100, "id", "another's", ""))
	frame := c.WaitFrames(1)[0].Frame
	if _, err := conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both are refused", func() bool {
		s := b.intake.Stats()
		return s.Drops[intake.DropOwn] == 1 && s.Drops[intake.DropRepeated] == 1
	})
	if n := len(c.Records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestLoopOfAddresses(t *testing.T) {
	in, err := intake.Listen(intake.Options{TCP: []string{"0.0.0.0:0"}, UDP: []string{"127.0.0.1:0"}, Now: func() int64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	tcp, udp := in.Addrs(intake.TCP)[0].Port(), in.Addrs(intake.UDP)[0].Port()
	own := []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("127.0.0.1")}
	for _, tt := range []struct {
		host string
		port uint16
		how  config.Transport
		loop bool
	}{
		{"192.0.2.20", tcp, config.TCP, true}, {"192.0.2.21", tcp, config.TCP, false}, {"192.0.2.20", tcp, config.UDP, tcp == udp},
		{"127.0.0.1", udp, config.UDP, true}, {"192.0.2.20", udp, config.UDP, false}, {"central.example.com", tcp, config.TCP, false},
	} {
		err := loops(in, []config.Collector{{Name: "central", Address: fmt.Sprintf("%s:%d", tt.host, tt.port), Transport: tt.how}}, own)
		if (err != nil) != tt.loop {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
