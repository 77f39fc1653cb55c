package beyond_test

import (
	"encoding/json"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
	"heptap/firmware/internal/beyond"
)

// FuzzISUP has any octets come as a user message of SIGTRAN or as SIP, between
// messages of a call on a circuit. Whatever it is, a note has an id and valid JSON that
// fits a record, and the table keeps its bound.
func FuzzISUP(f *testing.F) {
	for _, name := range []string{"IAM", "REL", "GRS", "CQR", "CGB hardware", "CPG", "???"} {
		msu := append([]byte{1, 0}, octets(messages[name])...)
		f.Add(m3ua(101, 202, 5, msu), uint8(3))
		f.Add(m2ua(mtp3(101, 202, 5, msu)), uint8(2))
		f.Add(m2pa(mtp3(101, 202, 5, msu)), uint8(5))
	}
	for _, headers := range []string{"Content-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\n", "Content-Type: application/isup;version=\"\\\"ansi\"\r\n",
		"c: application/isup\r\nContent-Transfer-Encoding: base64\r\n"} {
		f.Add(message(true, headers, string(octets(body))), uint8(100))
		f.Add(message(false, headers, "LAA="), uint8(100))
	}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		notes := 0
		u := beyond.NewISUP(beyond.ISUPConfig{Circuits: 4, Note: func(n *correlate.Note) bool {
			notes++
			r := record.Record{Type: n.Type, Class: n.Class, Primary: n.Primary, Links: n.Links, Payload: n.Payload}
			if _, err := r.AppendBinary(nil); err != nil || len(n.Primary) == 0 || !json.Valid(n.Payload) {
				t.Errorf("%v: %q, %d octets %s", err, n.Primary, len(n.Payload), n.Payload)
			}
			for _, l := range n.Links {
				if len(l.ID) == 0 || l.Type == record.ISUP && !strings.HasPrefix(string(l.ID), "1") && len(n.Calls) > 0 {
					t.Errorf("link %v %q", l.Type, l.ID)
				}
			}
			return true
		}})
		m := capture.Message{Protocol: capture.SIGTRAN, PPID: uint32(kind), Payload: b, Flow: capture.FiveTuple{Src: gateway, Dst: exchange}}
		if kind >= 100 {
			m.Protocol = capture.SIP
		}
		for i := range int64(3) {
			m.Wall, m.Mono = 1+i*1e9, 1+i*1e9
			u.Message(&m)
			u.Message(&capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Wall: m.Wall, Mono: m.Mono, Flow: m.Flow,
				Payload: m3ua(202, 101, 5, append([]byte{1, 0}, octets(messages["ACM"])...))})
		}
		s := &u.Stats
		if n := s.Circuits.Load(); n < 1 || n > 4 {
			t.Errorf("%d circuits", n)
		}
		if want := s.Messages.Load() + s.Bodies.Load(); uint64(notes) > want || kind < 100 && uint64(notes) != want {
			t.Errorf("%d notes of %d messages", notes, want)
		}
	})
}

// Nothing is allocated for a message, nor for SIP without ISUP in it.
func TestAllocations(t *testing.T) {
	u := beyond.NewISUP(beyond.ISUPConfig{Note: func(*correlate.Note) bool { return true }})
	var ms []*capture.Message
	flow := capture.FiveTuple{Src: gateway, Dst: exchange}
	for _, name := range []string{"IAM", "ACM", "CPG", "ANM", "REL", "RLC", "GRS", "GRA", "BLO"} {
		msu := append([]byte{1, 0}, octets(messages[name])...)
		ms = append(ms, &capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Payload: m3ua(101, 202, 5, msu), Flow: flow, Conn: 5},
			&capture.Message{Protocol: capture.SIGTRAN, PPID: 5, Payload: m2pa(mtp3(101, 202, 5, msu)), Flow: flow})
	}
	ms = append(ms, &capture.Message{Protocol: capture.SIGTRAN, PPID: 3, Payload: m3ua(101, 202, 3, []byte("SCCP")), Flow: flow},
		&capture.Message{Protocol: capture.SIP, Payload: message(true, "Content-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\n", string(octets(body)))},
		&capture.Message{Protocol: capture.SIP, Payload: message(true, "Content-Type: application/ISUP\r\nContent-Transfer-Encoding: base64\r\n", "CQA=")},
		&capture.Message{Protocol: capture.SIP, Payload: message(false, "Content-Type: text/plain\r\n", "x")},
		&capture.Message{Protocol: capture.RTCP, Payload: []byte("x")})
	now := int64(1e18)
	play := func() {
		for _, m := range ms {
			now += 1e6
			m.Wall, m.Mono = now, now
			u.Message(m)
		}
	}
	play()
	if n := testing.AllocsPerRun(100, play); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkISUP(b *testing.B) {
	for name, m := range map[string]*capture.Message{
		"IAM on a circuit": {Protocol: capture.SIGTRAN, PPID: 3, Payload: m3ua(101, 202, 5, octets(iam)), Flow: capture.FiveTuple{Src: gateway, Dst: exchange}},
		"IAM in SIP":       {Protocol: capture.SIP, Payload: message(true, "Content-Type: application/ISUP;version=itu-t92+\r\n", string(octets(body)))},
		"SIP without":      {Protocol: capture.SIP, Payload: message(false, "Content-Type: text/plain\r\n", "x")},
	} {
		b.Run(name, func(b *testing.B) {
			u := beyond.NewISUP(beyond.ISUPConfig{Note: func(*correlate.Note) bool { return true }})
			b.ReportAllocs()
			for b.Loop() {
				m.Mono += 1e9
				m.Wall = m.Mono
				u.Message(m)
			}
		})
	}
}
