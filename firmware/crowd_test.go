package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

// crowd is a source of far more of everything at once than the tables hold: calls
// over UDP, connections with a call on each, handshakes of TLS that go no further,
// queries that nobody answers, lines of logs. None of them ends.
type crowd struct {
	n, made int
	now     int64
	hello   []byte
	frames  atomic.Uint64
	atEnd   func()
}

var (
	crowdServer   = netip.MustParseAddrPort("198.51.100.1:5060")
	crowdDatabase = netip.MustParseAddrPort("198.51.100.2:8080")
)

// host returns the i-th of many addresses, with a port.
func host(net byte, i int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net + byte(i>>16), byte(i >> 8), byte(i)}), port)
}

// connect is a TCP handshake.
func connect(src, dst netip.AddrPort) [][]byte {
	return [][]byte{
		capturetest.TCP(src, dst, capture.TCP{Flags: capture.FlagSYN, MSS: 1460}, nil, capturetest.IPID(1)),
		capturetest.TCP(dst, src, capture.TCP{Ack: 1, Flags: capture.FlagSYN | capture.FlagACK, MSS: 1460}, nil, capturetest.IPID(2)),
	}
}

func first(src, dst netip.AddrPort, payload []byte) []byte {
	return capturetest.TCP(src, dst, capture.TCP{Seq: 1, Ack: 1, Flags: capture.FlagACK | capture.FlagPSH, Window: 1000}, payload, capturetest.IPID(3))
}

// member returns the frames of one of the crowd.
func (c *crowd) member(i int) (frames [][]byte) {
	phone := host(0, i, 5060)
	call := capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: crowdServer, CallerMedia: host(0, i, 6000), CalleeMedia: host(16, i, 7000),
		CallID: fmt.Sprintf("%d-udp@crowd.example.com", i)})
	for _, d := range call[:4] { // to its 200 OK
		frames = append(frames, capturetest.UDP(d.Src, d.Dst, d.Payload, capturetest.IPID(uint16(i))))
	}
	src := host(32, i, 40000)
	invite := capturetest.SIPCall(capturetest.Call{Caller: src, Callee: crowdServer, CallerMedia: host(32, i, 6000), CalleeMedia: host(48, i, 7000),
		CallID: fmt.Sprintf("%d-tcp@crowd.example.com", i)})[0].Payload
	frames = append(append(frames, connect(src, crowdServer)...), first(src, crowdServer, invite))
	src = host(64, i, 40000)
	sips := netip.AddrPortFrom(crowdServer.Addr(), 5061)
	frames = append(append(frames, connect(src, sips)...), first(src, sips, c.hello))
	src = netip.AddrPortFrom(crowdServer.Addr(), uint16(1024+i%60000))
	if i%60000 < 50000 { // from one host there are only so many ports
		query := fmt.Appendf(nil, "GET /lrn/49301%06d HTTP/1.1\r\nHost: db\r\n\r\n", i)
		frames = append(append(frames, connect(src, crowdDatabase)...), first(src, crowdDatabase, query))
	}
	line := fmt.Appendf(nil, "<134>Jan 12 10:00:00 pbx kamailio[77]: call %d-udp@crowd.example.com has come, id C-%08x", i, i)
	return append(frames, capturetest.UDP(netip.AddrPortFrom(crowdServer.Addr(), 40000), host(96, i, 514), line, capturetest.IPID(uint16(i))))
}

func (c *crowd) Read(frames []capture.Frame) (int, error) {
	if c.made == c.n {
		if c.atEnd != nil {
			c.atEnd()
			c.atEnd = nil
		}
		return 0, io.EOF
	}
	octets := c.member(c.made)
	c.made++
	for i, b := range octets {
		c.now += int64(50 * time.Microsecond)
		frames[i] = capture.Frame{Data: b, Length: len(b), Wall: c.now, Mono: c.now, Link: capture.LinkEthernet}
	}
	c.frames.Add(uint64(len(octets)))
	return len(octets), nil
}

func (c *crowd) Stats() capture.Stats { return capture.Stats{Received: c.frames.Load()} }
func (c *crowd) Close() error         { return nil }

// heap is what is alive.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCrowd has 100,000 calls over UDP and as many connections of each kind at
// once: the probe holds no more than it says at its start, and says what it did not
// follow; all of them, if it is told that there are so many.
func TestCrowd(t *testing.T) {
	n := 100_000
	if raceDetector {
		n = 10_000
	}
	t.Run("by default", func(t *testing.T) { testCrowd(t, n, config.Default(), false) })
	t.Run("with room for all", func(t *testing.T) {
		cfg := config.Default()
		cfg.Calls.Max, cfg.Streams.Connections, cfg.Streams.Memory = 2*n+n/10, 4*n, 256<<20
		testCrowd(t, n, cfg, true)
	})
}

func testCrowd(t *testing.T, n int, cfg config.Config, all bool) {
	cast := tlstalk.NewCast(t)
	hello := tlstalk.Converse(cast.Client(tls.VersionTLS12), cast.Serve(tls.VersionTLS12))[0].Octets
	before := heap()
	source := &crowd{n: n, now: time.Now().UnixNano(), hello: hello}
	pc := probe.Config{
		Inputs: []probe.Input{{Name: "crowd", Source: source}}, Replay: true,
		Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Correlate: correlateConfig(cfg, 1), Beyond: beyondConfig(cfg), ISUP: cfg.Records.ISUP,
		Deliver: func([]byte) error { return nil },
	}
	budget := pc.MemoryBytes()
	p := probe.New(pc)
	var held int64
	source.atEnd = func() { held = heap() - before }
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := p.Stats()
	t.Logf("held %d MiB of %d MiB; %d calls, %d refused; connections %v, evicted %v", held>>20, budget>>20,
		st.Correlate.CallsSeen.Load(), st.Correlate.CallsRefused.Load(), st.Assembly.Stream.Tracked, st.Assembly.Stream.Evicted)
	if held > budget {
		t.Errorf("%d octets are held, more than the %d said to be the most", held, budget)
	}
	c := st.Correlate
	if seen := c.CallsSeen.Load() + c.CallsRefused.Load(); seen < uint64(2*n) {
		t.Errorf("%d calls were seen or refused, %d were there", seen, 2*n)
	}
	if got := c.NotesLinked.Load() + c.NotesUnlinked.Load(); got < uint64(n) {
		t.Errorf("%d lines of logs were linked or not, %d were there", got, n)
	}
	if evicted := st.Assembly.Stream.Evicted; all && (c.CallsRefused.Load() > 0 || evicted != [len(evicted)]uint64{}) {
		t.Errorf("with room for all, %d calls were refused, connections %v evicted", c.CallsRefused.Load(), evicted)
	}
	for _, in := range st.Inputs {
		if in.InFlight() != 0 {
			t.Errorf("the law does not hold: %+v", in)
		}
	}
}
