package traffic

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Phone is the receiving half of many phones at one address, for callers who
// send RTP and speak no RTCP, such as sipp playing a recording: it takes the
// RTP of each port and sends receiver reports about it from the next port to
// the sender's next port.
type Phone struct {
	wg   sync.WaitGroup
	stop chan struct{}
	once sync.Once
	all  []*line
}

// line is one port.
type line struct {
	rtp, rtcp *net.UDPConn

	mu      sync.Mutex // guards what follows
	from    netip.AddrPort
	heard   bool // since the last report
	ssrc    uint32
	base    uint32
	highest uint32 // with wraps
	got     uint64
	packets uint64 // of all streams
	last    uint32 // arrival time minus timestamp (RFC 3550 A.8)
	jitter  float64
	sent    uint64
	prior   struct{ expected, got uint64 }
}

// NewPhone listens at every fourth port from first on, and reports on what it
// has heard at every interval. Close must be called.
func NewPhone(at Side, first uint16, lines int, interval time.Duration) (*Phone, error) {
	p := &Phone{stop: make(chan struct{})}
	err := at.Space.Do(func() error {
		for i := range lines {
			port := first + uint16(i*portsEach)
			l := &line{}
			p.all = append(p.all, l)
			var err error
			if l.rtp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.Addr, port))); err != nil {
				return err
			}
			if l.rtcp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.Addr, port+1))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.closeSockets()
		return nil, fmt.Errorf("phone: %w", err)
	}
	for i, l := range p.all {
		p.wg.Go(l.read)
		p.wg.Go(l.drain)
		p.wg.Go(func() { l.report(p.stop, interval, uint32(i)+0xb0000000) })
	}
	return p, nil
}

// Close hangs up.
func (p *Phone) Close() error {
	p.once.Do(func() {
		close(p.stop)
		p.closeSockets()
		p.wg.Wait()
	})
	return nil
}

func (p *Phone) closeSockets() {
	for _, l := range p.all {
		if l.rtp != nil {
			l.rtp.Close()
		}
		if l.rtcp != nil {
			l.rtcp.Close()
		}
	}
}

// Heard returns how many RTP packets have come in at all ports, and how many
// receiver reports were sent.
func (p *Phone) Heard() (packets, reports uint64) {
	for _, l := range p.all {
		l.mu.Lock()
		packets += l.packets
		reports += l.sent
		l.mu.Unlock()
	}
	return packets, reports
}

func (l *line) drain() {
	buf := make([]byte, 2048)
	for {
		if _, err := l.rtcp.Read(buf); err != nil {
			return
		}
	}
}

func (l *line) read() {
	buf := make([]byte, 2048)
	for {
		n, from, err := l.rtp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n >= 12 && buf[0]>>6 == 2 {
			l.take(buf, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now())
		}
	}
}

// take counts a packet. Another source or SSRC begins anew.
func (l *line) take(b []byte, from netip.AddrPort, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq, ts, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	transit := uint32(now.UnixMicro()/125) - ts // 8000 Hz
	if l.got == 0 || ssrc != l.ssrc || from != l.from {
		l.from, l.ssrc, l.base, l.highest, l.got = from, ssrc, uint32(seq), uint32(seq), 0
		l.last, l.jitter = transit, 0
		l.prior.expected, l.prior.got = 0, 0
	}
	l.packets++
	l.got++
	l.heard = true
	if d := int16(seq - uint16(l.highest)); d > 0 {
		l.highest += uint32(d)
	}
	d := int32(transit - l.last)
	l.last = transit
	l.jitter += (float64(max(d, -d)) - l.jitter) / 16
}

// report sends RR and SDES while something is heard.
func (l *line) report(stop <-chan struct{}, interval time.Duration, ssrc uint32) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		l.mu.Lock()
		if l.heard {
			l.heard = false
			b := appendSDES(l.rr(ssrc), ssrc)
			if _, err := l.rtcp.WriteToUDPAddrPort(b, netip.AddrPortFrom(l.from.Addr(), l.from.Port()+1)); err == nil {
				l.sent++
			}
		}
		l.mu.Unlock()
	}
}

// rr is a receiver report on the stream (RFC 3550 A.3).
func (l *line) rr(ssrc uint32) []byte {
	expected := uint64(l.highest - l.base + 1)
	lost := int64(expected) - int64(l.got)
	newly := int64(expected-l.prior.expected) - int64(l.got-l.prior.got)
	var fraction uint8
	if newly > 0 && expected > l.prior.expected {
		fraction = uint8(uint64(newly) * 256 / (expected - l.prior.expected))
	}
	l.prior.expected, l.prior.got = expected, l.got
	return appendRR(nil, ssrc, l.ssrc, fraction, int32(lost), l.highest, uint32(l.jitter))
}
