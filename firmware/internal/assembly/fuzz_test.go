package assembly_test

import (
	"encoding/binary"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest/conversation"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/media"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
)

// FuzzAssembly has frames of any octets come at any time, as a ring worker hands
// them on. Input: for each frame 2 octets length, 1 octet of time in units of 20
// ms, the frame.
func FuzzAssembly(f *testing.F) {
	for transport := range conversation.NumTransports {
		for _, changes := range [][]conversation.Change{nil, {conversation.Cut(), conversation.Late(), conversation.Fragment(50)}, {conversation.Drop(2), conversation.Resend()}} {
			var in []byte
			seed := uint64(transport) + 1
			for _, fr := range conversation.New(seed, transport).Render(seed, changes...).Frames {
				if len(in) < 16<<10 {
					in = append(binary.BigEndian.AppendUint16(in, uint16(len(fr.Data))), 0)
					in = append(in, fr.Data...)
				}
			}
			f.Add(in)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		last := map[capture.FiveTuple]int64{}
		a := assembly.New(assembly.Config{
			Stream: stream.Config{Connections: 64, TotalBytes: 256 << 10, Ignore: stream.NewIgnore(64)},
			Message: func(m *capture.Message) {
				if m.Protocol == capture.SIP && (len(m.Payload) == 0 || m.Wall/1000 <= last[m.Flow]/1000) {
					t.Errorf("%d octets at %d, after %d", len(m.Payload), m.Wall, last[m.Flow])
				}
				last[m.Flow] = m.Wall
			},
			RTP: func(*media.Snapshot, int64) {},
		})
		now := int64(time.Second)
		for len(in) > 3 {
			n := min(int(binary.BigEndian.Uint16(in)), len(in)-3)
			now += 1000 + int64(in[2])*int64(20*time.Millisecond)
			frame := capture.Frame{Data: in[3 : 3+n : 3+n], Length: n, Link: capture.LinkEthernet, Mono: now, Wall: now}
			in = in[3+n:]
			var p capture.Packet
			if decode.Decode(&frame, &p) != capture.DropNone {
				continue
			}
			proto := capture.Unknown
			if !p.Fragment.Valid && p.Protocol == capture.ProtoUDP {
				proto = dissect.Datagram(&p, 0)
			}
			a.Packet(&p, proto)
		}
		a.Advance(now + int64(time.Minute))
		a.Flush()
	})
}
