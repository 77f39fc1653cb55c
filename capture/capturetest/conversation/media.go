package conversation

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// media is the audio of one call.
type media struct {
	from   Side // who offers
	ports  [2]netip.AddrPort
	number uint8 // payload type
	name   string
	clock  int
}

// newMedia draws addresses and a codec (RFC 3551 6, RFC 7587).
func (g *generator) newMedia(from Side) *media {
	codecs := []media{{number: 0, name: "PCMU", clock: 8000}, {number: 8, name: "PCMA", clock: 8000}, {number: 9, name: "G722", clock: 8000},
		{number: 18, name: "G729", clock: 8000}, {number: 111, name: "opus", clock: 48000}}
	m := codecs[g.r.IntN(len(codecs))]
	m.from = from
	for side := range m.ports {
		port := uint16(16384 + 4*g.calls + 2*side + 512*g.r.IntN(60))
		m.ports[side] = netip.AddrPortFrom(g.c.Ends[side].Addr(), port)
	}
	return &m
}

func (m *media) offer() []byte  { return m.sdp(m.from) }
func (m *media) answer() []byte { return m.sdp(m.from.other()) }

// sdp returns a session description (RFC 8866).
func (m *media) sdp(side Side) []byte {
	at, version := m.ports[side], "IP4"
	if at.Addr().Is6() {
		version = "IP6"
	}
	rate := fmt.Sprintf("%s/%d", m.name, m.clock)
	if m.name == "opus" {
		rate += "/2"
	}
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio %[3]d RTP/AVP %[4]d 101\r\n"+
		"a=rtpmap:%[4]d %[5]s\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n", version, at.Addr(), at.Port(), m.number, rate)
}

// ptime is the time between two packets.
const ptime = 20 * time.Millisecond

// talk adds two RTP streams with the RTCP of both, and returns the time after.
func (g *generator) talk(at time.Duration, callID string, m *media) time.Duration {
	packets := 55 + g.r.IntN(40)
	for side := range Side(2) {
		g.stream(at+time.Duration(g.r.IntN(15))*time.Millisecond, callID, m, side, packets)
	}
	return at + time.Duration(packets)*ptime + 30*time.Millisecond
}

// stream adds one RTP stream, of which the network has lost a few packets but
// neither the first nor the last, and its sender reports.
func (g *generator) stream(at time.Duration, callID string, m *media, side Side, packets int) {
	src, dst := m.ports[side], m.ports[side.other()]
	s := Stream{Src: src, Dst: dst, SSRC: g.r.Uint32(), CallID: callID}
	seq, ts := uint16(g.r.Uint32()), g.r.Uint32()
	if g.r.IntN(4) == 0 {
		seq = uint16(65536 - g.r.IntN(packets)) // wraps on the way (RFC 3550 A.1)
	}
	loss := g.r.IntN(3) * 4 // percent
	octets := uint32(0)
	for n := range packets {
		now := at + time.Duration(n)*ptime + time.Duration(g.r.IntN(1500))*time.Microsecond
		if n == packets/2 || n == packets-2 {
			report := g.senderReport(&s, uint64(now), ts, uint32(s.Packets), octets)
			control := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }
			g.c.Media = append(g.c.Media, Datagram{side, now + time.Millisecond, control(src), control(dst), report})
		}
		if n > 0 && n < packets-1 && g.r.IntN(100) < loss {
			s.Lost++
		} else {
			p := g.rtp(m, n == 0, seq, ts, s.SSRC)
			octets += uint32(len(p) - 12)
			g.c.Media = append(g.c.Media, Datagram{side, now, src, dst, p})
			s.Packets++
		}
		seq++
		ts += uint32(m.clock / 50)
	}
	g.c.Streams = append(g.c.Streams, s)
}

// rtp returns a packet (RFC 3550 5.1). The payload's octets are random: speech.
func (g *generator) rtp(m *media, marker bool, seq uint16, ts, ssrc uint32) []byte {
	size := 160
	switch m.name {
	case "G729":
		size = 20
	case "opus":
		size = 40 + g.r.IntN(80)
	}
	b := make([]byte, 12, 12+size)
	b[0], b[1] = 0x80, m.number
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for range size {
		b = append(b, byte(g.r.Uint32()))
	}
	return b
}

// senderReport returns a compound of SR and SDES (RFC 3550 6.4.1, 6.5).
func (g *generator) senderReport(s *Stream, ntp uint64, ts, packets, octets uint32) []byte {
	b := []byte{0x80, 200, 0, 6}
	b = binary.BigEndian.AppendUint32(b, s.SSRC)
	b = binary.BigEndian.AppendUint64(b, ntp)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, packets)
	b = binary.BigEndian.AppendUint32(b, octets)
	cname := g.token(8 + g.r.IntN(8))
	item := append([]byte{1, byte(len(cname))}, cname...)
	item = append(item, make([]byte, 4-len(item)%4)...)
	b = append(b, 0x81, 202, 0, byte(1+len(item)/4))
	b = binary.BigEndian.AppendUint32(b, s.SSRC)
	return append(b, item...)
}
