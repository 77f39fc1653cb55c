package soak_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// flood makes frames, each of a flow, datagram, stream or call of its own.
type flood struct {
	r    *rand.Rand
	n    uint64
	tsn  uint32
	kept []byte // of the frame before, sent again as a copy
}

// kinds are the floods, and how many of a hundred frames each makes.
var kinds = []struct {
	name  string
	share int
	frame func(*flood) []byte
}{
	{"SYNs", 20, (*flood).syn},
	{"fragments", 15, (*flood).fragment},
	{"half messages over TCP", 15, (*flood).halfMessage},
	{"holes in TCP", 10, (*flood).hole},
	{"half messages in WebSockets", 5, (*flood).halfFrame},
	{"half messages over SCTP", 10, (*flood).halfChunk},
	{"SSRCs", 10, (*flood).rtp},
	{"Call-IDs", 10, (*flood).call},
	{"octets of no kind", 5, (*flood).noise},
}

// next returns a frame. Some come twice.
func (f *flood) next() []byte {
	if f.kept != nil && f.r.IntN(10) == 0 {
		return f.kept
	}
	f.n++
	at := f.r.IntN(100)
	for _, k := range kinds {
		if at -= k.share; at < 0 {
			f.kept = k.frame(f)
			break
		}
	}
	return f.kept
}

// end returns an end point; there are sixteen million of them, of either IP
// version.
func (f *flood) end(port uint16, v6 bool) netip.AddrPort {
	v := f.r.Uint32()
	if v6 {
		a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(a[12:], v)
		return netip.AddrPortFrom(netip.AddrFrom16(a), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(v >> 16), byte(v >> 8), byte(v)}), port)
}

func (f *flood) ends() (src, dst netip.AddrPort) {
	v6 := f.r.IntN(4) == 0
	return f.end(uint16(1024+f.r.IntN(60000)), v6), f.end(uint16(5060+f.r.IntN(10)), v6)
}

func (f *flood) id() capturetest.Option { return capturetest.IPID(uint16(f.r.Uint32()) | 1) }

func (f *flood) tcp(flags uint8, seq uint32, payload []byte) []byte {
	src, dst := f.ends()
	return capturetest.TCP(src, dst, capture.TCP{Seq: seq, Ack: 1, Flags: flags, Window: 1000}, payload, f.id())
}

func (f *flood) syn() []byte { return f.tcp(capture.FlagSYN, f.r.Uint32(), nil) }

func (f *flood) fragment() []byte {
	src, dst := f.ends()
	parts := capturetest.Fragments(capturetest.UDP(src, dst, make([]byte, 1000+f.r.IntN(3000)), f.id()), 1400, f.r.Uint32())
	return parts[f.r.IntN(len(parts))]
}

func (f *flood) text(method string) string {
	return fmt.Sprintf("%s sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK%d\r\nFrom: <sip:a@x>;tag=%d\r\nTo: <sip:b@x>\r\nCall-ID: %d-%d@soak\r\nCSeq: 1 %s\r\n",
		method, f.n, f.n, f.n, f.r.Uint64(), method)
}

func (f *flood) halfMessage() []byte {
	return f.tcp(capture.FlagACK, f.r.Uint32(), []byte(f.text("MESSAGE")+"Content-Length: 60000\r\n\r\n"+strings.Repeat("x", 900)))
}

// hole is what comes behind octets that never come.
func (f *flood) hole() []byte {
	dst := f.end(5060, false)
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, 0, byte(f.n)}), uint16(f.n>>8)|1024)
	return capturetest.TCP(src, dst, capture.TCP{Seq: uint32(f.n) * 4000, Ack: 1, Flags: capture.FlagACK}, make([]byte, 1300), f.id())
}

func (f *flood) halfFrame() []byte {
	return f.tcp(capture.FlagACK, f.r.Uint32(), append([]byte{0x81, 126, 0xff, 0}, f.text("MESSAGE")...))
}

func (f *flood) halfChunk() []byte {
	src, dst := f.ends()
	f.tsn += 3
	return capturetest.SCTP(src, dst, f.r.Uint32(), capturetest.SCTPData(2, f.tsn, 0, 0, 0, []byte(f.text("MESSAGE"))), f.id())
}

func (f *flood) rtp() []byte {
	src, dst := f.end(uint16(10000+2*f.r.IntN(20000)), false), f.end(uint16(10000+2*f.r.IntN(20000)), false)
	return capturetest.UDP(src, dst, capturetest.RTPPacket(8, uint16(f.r.Uint32()), f.r.Uint32(), f.r.Uint32(), make([]byte, 160)), f.id())
}

func (f *flood) call() []byte {
	src, dst := f.ends()
	d := capturetest.SIPCall(capturetest.Call{Caller: src, Callee: dst, CallerMedia: f.end(uint16(10000+2*f.r.IntN(20000)), false),
		CalleeMedia: f.end(20000, false), CallID: fmt.Sprintf("%d-%d@soak", f.n, f.r.Uint64())})
	pick := d[f.r.IntN(5)]
	return capturetest.UDP(pick.Src, pick.Dst, pick.Payload, f.id())
}

func (f *flood) noise() []byte {
	b := make([]byte, 64+f.r.IntN(1300))
	for i := range b {
		b[i] = byte(f.r.Uint32())
	}
	b[0] &^= 1 // not for everybody
	copy(b[12:], [][]byte{{8, 0, 0x45}, {0x86, 0xdd, 0x60}, {0x88, 0x47}, {0x88, 0x64}}[f.r.IntN(4)])
	return b
}
