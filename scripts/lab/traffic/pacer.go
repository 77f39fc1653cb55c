package traffic

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

const tick = 2 * time.Millisecond

// pacer sends the media of all calls when they are due.
type pacer struct {
	mu   sync.Mutex // guards ends
	ends []*end
}

func newPacer() *pacer { return &pacer{} }

// add begins sending. Ends begin at different moments within a packet's time,
// so that they do not send all at once.
func (p *pacer) add(e *end) {
	e.nextAt = time.Now().Add(packetTime * time.Duration(e.ssrc%16) / 16)
	e.rtcpAt = e.nextAt.Add(e.interval/2 + e.interval*time.Duration(e.ssrc%8)/16)
	e.buf = make([]byte, 12+e.codec.payload)
	for i := range e.buf {
		e.buf[i] = 0xd5 // silence in PCMA
	}
	p.mu.Lock()
	p.ends = append(p.ends, e)
	p.mu.Unlock()
}

func (p *pacer) run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		p.mu.Lock()
		now := time.Now()
		p.ends = slices.DeleteFunc(p.ends, func(e *end) bool { return e.advance(now) })
		p.mu.Unlock()
	}
}

// advance sends what is due, and reports whether that was the last.
func (e *end) advance(now time.Time) bool {
	for !e.nextAt.After(now) {
		if e.interval > 0 && !e.rtcpAt.After(now) {
			e.report(false)
			e.rtcpAt = e.rtcpAt.Add(e.interval)
		}
		if int(e.count) == e.packets {
			if e.interval > 0 {
				e.report(true)
			}
			close(e.sent)
			return true
		}
		e.packet()
		e.nextAt = e.nextAt.Add(packetTime)
	}
	return false
}

// packet sends one RTP packet (RFC 3550 5.1).
func (e *end) packet() {
	e.buf[0] = 0x80
	e.buf[1] = e.codec.pt
	if e.count == 0 {
		e.buf[1] |= 0x80
	}
	binary.BigEndian.PutUint16(e.buf[2:], e.seq)
	binary.BigEndian.PutUint32(e.buf[4:], e.ts)
	binary.BigEndian.PutUint32(e.buf[8:], e.ssrc)
	if _, err := e.rtp.WriteToUDPAddrPort(e.buf, e.rtpTo); err == nil {
		e.count++
		e.octets += uint32(e.codec.payload)
	} else {
		e.packets-- // it was not sent: the reports say so
	}
	e.seq++
	e.ts += e.codec.step
}

// report sends a compound: SR with a block on the other side's stream, SDES,
// XR for some, and BYE with the last.
func (e *end) report(last bool) {
	b := appendSR(nil, e.ssrc, e.ts, uint32(e.count), e.octets, e.other.ssrc, e.received.Load())
	b = appendSDES(b, e.ssrc)
	packets := uint64(2)
	if e.extended {
		b = appendXR(b, e.ssrc, e.other.ssrc)
		packets++
	}
	if last {
		b = appendBYE(b, e.ssrc)
		packets++
	}
	if _, err := e.rtcp.WriteToUDPAddrPort(b, e.rtcpTo); err == nil {
		e.reports++
		e.control += packets
	}
}
