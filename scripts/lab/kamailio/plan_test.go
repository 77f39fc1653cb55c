package kamailio_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"heptap/capture/capturetest"
)

// frame is what goes out on the mirror, and when.
type frame struct {
	at     time.Duration
	octets []byte
}

// datagram is one that becomes a record: SIP or RTCP.
type datagram struct {
	src, dst string
	payload  string
	callID   string
	sender   report // of RTCP
}

// report is what a sender report says of its stream.
type report struct {
	ssrc            uint32
	packets, octets uint32
	ntpSeconds      uint32
	ntpFraction     uint32
	rtp             uint32
}

// media is one direction of a call's audio.
type media struct {
	src, dst netip.AddrPort
	callID   string
	ssrc     uint32
	expected uint64
	lost     uint64
}

// plan is a number of calls with media, as the mirror will see them.
type plan struct {
	frames []frame
	sip    []datagram
	rtcp   []datagram
	media  []media
}

const (
	packetTime = 20 * time.Millisecond
	talkTime   = 2500 * time.Millisecond
	reportTime = 800 * time.Millisecond
)

// calls plans n calls, every other one over IPv6.
func calls(n int) *plan {
	p := &plan{}
	for i := range n {
		at := time.Duration(i) * 100 * time.Millisecond
		net4, net6 := fmt.Sprintf("192.0.2.%d", 10+i), fmt.Sprintf("2001:db8:1::%x", 0x10+i)
		peer4, peer6 := fmt.Sprintf("198.51.100.%d", 10+i), fmt.Sprintf("2001:db8:2:3:4:5:6:%x", 0x10+i)
		a, b := net4, peer4
		if i%2 == 1 {
			a, b = net6, peer6
		}
		end := func(host string, port int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port))
		}
		p.call(at, capturetest.Call{
			Caller: end(a, 5060), Callee: end(b, 5060+i%3), CallerMedia: end(a, 20000+4*i), CalleeMedia: end(b, 40000+4*i),
			CallID: fmt.Sprintf("call-%d=%x@kamailio.example", i, 7919*(i+1)), From: fmt.Sprintf("a%d", i), To: fmt.Sprintf("b%d", i),
		}, i)
	}
	slices.SortStableFunc(p.frames, func(a, b frame) int { return int(a.at - b.at) })
	return p
}

func (p *plan) call(at time.Duration, c capturetest.Call, i int) {
	const ring = 10 * time.Millisecond
	talk := at + 4*ring
	for j, d := range capturetest.SIPCall(c) {
		when := at + time.Duration(j)*ring
		if j >= 5 { // BYE and its answer
			when = talk + talkTime + time.Duration(j)*ring
		}
		p.frames = append(p.frames, frame{when, capturetest.UDP(d.Src, d.Dst, d.Payload)})
		p.sip = append(p.sip, datagram{src: d.Src.String(), dst: d.Dst.String(), payload: string(d.Payload), callID: c.CallID})
	}
	ssrc := 0x10000000 * uint32(1+i%15)
	p.stream(talk, media{src: c.CallerMedia, dst: c.CalleeMedia, callID: c.CallID, ssrc: ssrc + uint32(2*i)}, i%4)
	p.stream(talk+5*time.Millisecond, media{src: c.CalleeMedia, dst: c.CallerMedia, callID: c.CallID, ssrc: ssrc + uint32(2*i+1)}, 0)
}

// stream plans PCMU with lose packets missing in the middle, and sender reports.
func (p *plan) stream(at time.Duration, m media, lose int) {
	m.expected = uint64(talkTime / packetTime)
	m.lost = uint64(lose)
	first, ts := uint16(m.ssrc>>16)^uint16(m.ssrc)-3, m.ssrc*2654435761
	audio := bytes.Repeat([]byte{0xd5}, 160)
	for n := range int(m.expected) {
		if n%20 == 10 && n/20 < lose {
			continue
		}
		b := capturetest.RTPPacket(0, first+uint16(n), ts+uint32(n)*160, m.ssrc, audio)
		p.frames = append(p.frames, frame{at + time.Duration(n)*packetTime, capturetest.UDP(m.src, m.dst, b)})
	}
	src, dst := netip.AddrPortFrom(m.src.Addr(), m.src.Port()+1), netip.AddrPortFrom(m.dst.Addr(), m.dst.Port()+1)
	for when := reportTime; when < talkTime; when += reportTime {
		n := uint32(when / packetTime)
		r := report{ssrc: m.ssrc, packets: n, octets: 160 * n, ntpSeconds: 3_900_000_000 + n, ntpFraction: 1 << 31, rtp: ts + 160*n}
		b := capturetest.RTCPPacket(r.ssrc, uint64(r.ntpSeconds)<<32|uint64(r.ntpFraction), r.rtp, r.packets, r.octets, "user@"+m.src.Addr().String())
		p.frames = append(p.frames, frame{at + when + time.Millisecond, capturetest.UDP(src, dst, b)})
		p.rtcp = append(p.rtcp, datagram{src: src.String(), dst: dst.String(), payload: string(b), callID: m.callID, sender: r})
	}
	p.media = append(p.media, m)
}
