package traffic

import (
	"encoding/binary"
	"fmt"
	"time"
)

// RTCP packet types (RFC 3550 12.1, RFC 3611 2).
const (
	typeSR   = 200
	typeRR   = 201
	typeSDES = 202
	typeBYE  = 203
	typeXR   = 207
)

// ntpEpoch is 1900 counted from 1970 (RFC 5905 6).
const ntpEpoch = 2208988800

// begin appends a header whose length finish fills in.
func begin(b []byte, count, kind uint8, ssrc uint32) []byte {
	b = append(b, 0x80|count, kind, 0, 0)
	return binary.BigEndian.AppendUint32(b, ssrc)
}

// finish pads the packet that began at start and sets its length.
func finish(b []byte, start int) []byte {
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16((len(b)-start)/4-1))
	return b
}

func appendSR(b []byte, ssrc, ts, packets, octets, about uint32, got uint64) []byte {
	start := len(b)
	b = begin(b, 1, typeSR, ssrc)
	now := time.Now()
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()+ntpEpoch))
	b = binary.BigEndian.AppendUint32(b, uint32(uint64(now.Nanosecond())<<32/1e9))
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, packets)
	b = binary.BigEndian.AppendUint32(b, octets)
	return finish(appendBlock(b, about, 0, 0, uint32(got), 0), start)
}

func appendRR(b []byte, ssrc, about uint32, fraction uint8, lost int32, highest, jitter uint32) []byte {
	start := len(b)
	return finish(appendBlock(begin(b, 1, typeRR, ssrc), about, fraction, lost, highest, jitter), start)
}

// appendBlock appends a report block (RFC 3550 6.4.1) without LSR and DLSR.
func appendBlock(b []byte, about uint32, fraction uint8, lost int32, highest, jitter uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, about)
	b = binary.BigEndian.AppendUint32(b, uint32(fraction)<<24|uint32(lost)&0xffffff)
	b = binary.BigEndian.AppendUint32(b, highest)
	b = binary.BigEndian.AppendUint32(b, jitter)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func appendSDES(b []byte, ssrc uint32) []byte {
	start := len(b)
	b = begin(b, 1, typeSDES, ssrc)
	name := fmt.Sprintf("phone-%08x@lab", ssrc)
	b = append(append(b, 1, byte(len(name))), name...) // CNAME
	return finish(append(b, 0), start)
}

// appendXR appends a VoIP metrics block (RFC 3611 4.7).
func appendXR(b []byte, ssrc, about uint32) []byte {
	start := len(b)
	b = begin(b, 0, typeXR, ssrc)
	b = append(b, 7, 0, 0, 8)
	b = binary.BigEndian.AppendUint32(b, about)
	b = append(b,
		3, 1, 0, 0, // loss rate, discard rate, burst and gap density
		0, 100, 0, 200, // burst and gap duration
		0, 40, 0, 60, // round trip and end system delay
		127, 127, 127, 16, // signal and noise level, RERL, Gmin: 127 is unavailable
		88, 127, 42, 41, // R factor, external R, MOS-LQ, MOS-CQ
		0x30, 0, 0, 40, // receiver configuration, jitter buffer nominal
		0, 80, 0, 120) // jitter buffer maximum, absolute maximum
	return finish(b, start)
}

func appendBYE(b []byte, ssrc uint32) []byte {
	start := len(b)
	return finish(begin(b, 1, typeBYE, ssrc), start)
}
