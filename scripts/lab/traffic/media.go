package traffic

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// codec is how a call's media are encoded: 20 ms a packet (RFC 3551).
type codec struct {
	name    string
	pt      uint8
	rtpmap  string
	payload int    // octets a packet
	step    uint32 // of the RTP timestamp a packet
}

var codecs = []codec{
	{"PCMA", 8, "PCMA/8000", 160, 160},
	{"PCMU", 0, "PCMU/8000", 160, 160},
	{"G729", 18, "G729/8000", 20, 160},
	{"opus", 107, "opus/48000/2", 70, 960},
}

const packetTime = 20 * time.Millisecond

// end is one side of a call's media: what it sends, and what it receives.
type end struct {
	rtpPort, rtcpPort uint16
	mux               bool
	ssrc              uint32
	seq               uint16
	ts                uint32
	packets           int // to send
	interval          time.Duration
	extended          bool // XR too

	rtp, rtcp *net.UDPConn
	sent      chan struct{} // closed when all is sent

	// Set by connect, before the pacer has it; the pacer's from then on.
	rtpTo, rtcpTo  netip.AddrPort
	codec          codec
	other          *end
	nextAt, rtcpAt time.Time
	count          uint64
	octets         uint32
	reports        uint64
	control        uint64
	buf            []byte

	received atomic.Uint64
	rtcpIn   atomic.Uint64
	mu       sync.Mutex // guards seen
	seen     map[uint16]struct{}
}

func (e *end) init(cfg *Config, number, side int) {
	e.rtpPort = cfg.FirstPort + uint16(number*portsEach)
	e.ssrc = cfg.Seed<<16 + uint32(number)<<1 + uint32(side) + 1
	e.packets = int(cfg.Talk / packetTime)
	e.interval, e.extended = cfg.RTCPInterval, number%5 == 0
	e.seq = uint16(cfg.Seed*7919 + uint32(number)*997)
	e.ts = cfg.Seed * 104729
	e.sent, e.seen = make(chan struct{}), map[uint16]struct{}{}
	switch number % 3 {
	case 0:
		e.rtcpPort = e.rtpPort + 1
	case 1:
		e.rtcpPort, e.mux = e.rtpPort, true
	case 2:
		e.rtcpPort = e.rtpPort + 3 // said by a=rtcp
	}
}

// sdp is the offer of side 0 and the answer of side 1.
func (c *call) sdp(side int) string {
	e, addr := &c.ends[side], c.g.cfg.side(side).Addr
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- %d 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", 1000+c.number, addr, addr)
	fmt.Fprintf(&b, "m=audio %d RTP/AVP %d 101\r\na=rtpmap:%d %s\r\na=rtpmap:101 telephone-event/8000\r\n",
		e.rtpPort, c.codec.pt, c.codec.pt, c.codec.rtpmap)
	switch {
	case e.mux:
		b.WriteString("a=rtcp-mux\r\n")
	case e.rtcpPort != e.rtpPort+1:
		fmt.Fprintf(&b, "a=rtcp:%d\r\n", e.rtcpPort)
	}
	return b.String()
}

// connect tells the end where the other one is.
func (e *end) connect(c *call, other *end, at netip.Addr) {
	e.rtpTo, e.rtcpTo = netip.AddrPortFrom(at, other.rtpPort), netip.AddrPortFrom(at, other.rtcpPort)
	e.codec, e.other = c.codec, other
}

// listen counts what comes in at both ends until their sockets are closed.
func (c *call) listen(wg *sync.WaitGroup) {
	for i := range c.ends {
		e := &c.ends[i]
		wg.Go(func() { e.read(e.rtp) })
		if e.rtcp != e.rtp {
			wg.Go(func() { e.read(e.rtcp) })
		}
	}
}

func (e *end) read(conn *net.UDPConn) {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		switch {
		case n < 8:
		case buf[1] >= 192 && buf[1] <= 223: // RFC 5761 4
			e.rtcpIn.Add(1)
		case n >= 12:
			e.received.Add(1)
			e.mu.Lock()
			e.seen[binary.BigEndian.Uint16(buf[2:])] = struct{}{}
			e.mu.Unlock()
		}
	}
}

// stream is what e sent and other got.
func (e *end) stream(other *end, c *call) Stream {
	return Stream{CallID: c.id, SSRC: e.ssrc, Codec: c.codec.name,
		Src: netip.AddrPortFrom(other.rtpTo.Addr(), e.rtpPort), Dst: e.rtpTo,
		Sent: e.count, Reports: e.reports, Control: e.control,
		Received: other.received.Load(), Distinct: uint64(len(other.seen)), RTCPIn: other.rtcpIn.Load()}
}
