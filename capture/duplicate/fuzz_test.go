package duplicate_test

import (
	"bytes"
	"testing"

	"heptap/capture"
	"heptap/capture/duplicate"
)

// model is the rule, over a list of all packets.
type model struct{ seen []capture.Packet }

func (m *model) check(p *capture.Packet) bool {
	identified := p.IPID != 0
	if p.Fragment.Valid {
		identified = p.Fragment.ID != 0
	}
	if p.Protocol == capture.ProtoTCP && !p.Fragment.Valid && p.Length == 0 && p.TCP.Flags&7 == 0 && !identified {
		return false
	}
	for i := len(m.seen) - 1; i >= 0; i-- {
		o := &m.seen[i]
		lag := p.Mono - o.Mono
		if !bytes.Equal(o.Payload, p.Payload) || o.IPID != p.IPID || o.Protocol != p.Protocol || o.Tunnel != p.Tunnel ||
			o.Fragment != p.Fragment || o.TCP != p.TCP || lag > 50*ms {
			continue
		}
		differs := o.TTL != p.TTL || o.Port != p.Port
		if identified || p.Protocol == capture.ProtoUDP || differs || lag <= ms {
			return true
		}
		break
	}
	m.seen = append(m.seen, *p)
	return false
}

// FuzzCheck reads packets from data, three octets each, and holds the table
// against the model.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 3})
	f.Add([]byte{1, 0, 0, 1, 0, 2, 1, 4, 200, 1, 0, 1, 1, 0, 5})
	f.Add([]byte{2, 1, 9, 2, 1, 9, 3, 0, 9, 4, 3, 255, 4, 3, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		tab := duplicate.New(duplicate.Config{Entries: 1 << 12})
		var m model
		mono, copies := int64(0), uint64(0)
		for n := 0; len(data) >= 3 && n < 1<<12; n++ {
			p := packet([]uint8{capture.ProtoUDP, capture.ProtoTCP, capture.ProtoSCTP, 1}[data[0]&3])
			mono += int64(data[2]) * 300 * us
			p.Mono, p.IPID, p.Tunnel = mono, uint16(data[0]>>2&3), uint32(data[0]>>4&1)
			p.Payload = p.Payload[:data[1]&1]
			p.Length = len(p.Payload)
			p.TTL, p.Port = data[1]>>1&1, data[1]>>2&1
			if p.Protocol == capture.ProtoTCP {
				p.TCP.Flags = data[1] >> 3 & 2
			}
			if data[1]>>5&1 != 0 {
				p.Fragment = capture.Fragment{Valid: true, ID: uint32(data[1] >> 6 & 1), Offset: uint16(data[1]>>7) * 8}
				p.TCP, p.IPID = capture.TCP{}, 0
			}
			want := m.check(p)
			if got, _ := tab.Check(p); got != want {
				t.Fatalf("packet %d: %v, want %v: %+v", n, got, want, p)
			}
			if want {
				copies++
			}
			data = data[3:]
		}
		tab.Advance(mono)
		if got := tab.Port(0).Copies + tab.Port(1).Copies; got != copies {
			t.Fatalf("%d copies counted, %d found", got, copies)
		}
	})
}
