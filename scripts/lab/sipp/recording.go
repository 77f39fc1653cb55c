package sipp

import (
	"encoding/binary"
	"math"
	"os"
	"time"
)

const (
	packetTime = 20 * time.Millisecond
	samples    = 160 // a packet
)

// writeRecording writes a pcap file (link type Ethernet, IPv4, UDP) of a tone,
// as play_pcap_audio wants it; sipp puts its own addresses and ports in.
func writeRecording(path string, length time.Duration, ssrc uint32, tone float64) error {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 65535)
	b = binary.LittleEndian.AppendUint32(b, 1) // LINKTYPE_ETHERNET
	for n := range int(length / packetTime) {
		at := time.Duration(n) * packetTime
		frame := appendFrame(nil, uint16(n+1), uint32(n*samples), ssrc, tone)
		b = binary.LittleEndian.AppendUint32(b, uint32(at/time.Second))
		b = binary.LittleEndian.AppendUint32(b, uint32(at%time.Second/time.Microsecond))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
		b = append(b, frame...)
	}
	return os.WriteFile(path, b, 0o644)
}

func appendFrame(b []byte, seq uint16, ts, ssrc uint32, tone float64) []byte {
	b = append(b, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, 20+8+12+samples)
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2) // documentation addresses (RFC 5737)
	b = binary.BigEndian.AppendUint16(b, 6000)
	b = binary.BigEndian.AppendUint16(b, 6000)
	b = binary.BigEndian.AppendUint16(b, 8+12+samples)
	b = append(b, 0, 0, 0x80, 8)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	for i := range samples {
		v := 8000 * math.Sin(2*math.Pi*tone*float64(int(ts)+i)/8000)
		b = append(b, alaw(int16(v)))
	}
	return b
}

// alaw encodes a sample (ITU-T G.711).
func alaw(v int16) byte {
	sign, n := byte(0x80), int(v)
	if n < 0 {
		sign, n = 0, -n-1
	}
	n = min(n>>4, 2047)
	segment := byte(0)
	for n > 31 {
		n >>= 1
		segment++
	}
	if n > 15 {
		segment++
	}
	return (sign | segment<<4 | byte(n&15)) ^ 0x55
}
