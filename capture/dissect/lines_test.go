package dissect_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/dissect"
)

// linesRig collects what is beside signalling on a connection.
type linesRig struct {
	rig
	texts []string // protocol, direction, flags and payload of each message
}

func newLinesRig(t testing.TB, also dissect.Beside, port uint16) *linesRig {
	r := &linesRig{rig: rig{t: t, flow: capture.FiveTuple{Proto: capture.ProtoTCP,
		Src: netip.AddrPortFrom(a.Addr(), 40000), Dst: netip.AddrPortFrom(b.Addr(), port)}}}
	r.shared = dissect.NewConnections(dissect.Config{Beside: also}, func(m *capture.Message) {
		dir := 0
		if m.Flow != r.flow {
			dir = 1
		}
		if m.Protocol != capture.SIP && m.Conn != 0 || m.Flow != r.flow && m.Flow != r.flow.Reverse() || m.Wall != m.Mono+1000 || m.Port != 3 || m.TOS != 7 || !m.HasVLAN || m.VLAN != 9 {
			t.Fatalf("%+v", m)
		}
		r.texts = append(r.texts, fmt.Sprintf("%v %d %x %s", m.Protocol, dir, m.Flags, m.Payload))
	})
	r.conn.Reset(r.shared, r.flow, connID)
	return r
}

// framed puts the length in front of a DNS message (RFC 7766 8).
func framed(m string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(m)))) + m }

func TestLines(t *testing.T) {
	const line1, line2, line3 = "<14>Nov 14 22:13:20 host app: one", "<14>Nov 14 22:13:20 host app: two", "<14>Nov 14 22:13:20 host app: three"
	counted := fmt.Sprintf("%d %s%d %s", len(line1), line1, len(line2), line2)
	query := "\x00" + dnsQuery
	const pong = "12_1 d6:result4:ponge"
	const gap, cut = capture.GapBefore, capture.CutShort
	msg := func(p capture.Protocol, dir int, flags capture.MessageFlags, text string) string {
		return fmt.Sprintf("%v %d %x %s", p, dir, flags, text)
	}
	for _, c := range []struct {
		name string
		also dissect.Beside
		port uint16
		in   []segment
		want []string
		is   capture.Protocol
		gone bool
	}{
		{name: "lines", also: dissect.Logs, port: 1514, is: capture.Syslog, in: []segment{{data: line1 + "\n" + line2 + "\n"}, {data: line3}, {data: "\n"}},
			want: []string{msg(capture.Syslog, 0, 0, line1), msg(capture.Syslog, 0, 0, line2), msg(capture.Syslog, 0, 0, line3)}},
		{name: "octet by octet", also: dissect.Logs, port: 514, is: capture.Syslog, in: octets(line1 + "\n" + line2 + "\n"),
			want: []string{msg(capture.Syslog, 0, 0, line1), msg(capture.Syslog, 0, 0, line2)}},
		{name: "counted", also: dissect.Logs, port: 601, is: capture.Syslog, in: []segment{{data: counted}},
			want: []string{msg(capture.Syslog, 0, 0, line1), msg(capture.Syslog, 0, 0, line2)}},
		{name: "counted, octet by octet", also: everything, port: 601, is: capture.Syslog, in: octets(counted),
			want: []string{msg(capture.Syslog, 0, 0, line1), msg(capture.Syslog, 0, 0, line2)}},
		{name: "a gap", also: dissect.Logs, port: 1514, is: capture.Syslog, in: []segment{{data: line1 + "\n<14>lo"}, {data: "st\n" + line2 + "\n", gap: 7}},
			want: []string{msg(capture.Syslog, 0, 0, line1), msg(capture.Syslog, 0, cut, "<14>lo"), msg(capture.Syslog, 0, gap, line2)}},
		{name: "the last line has no end", also: dissect.Logs, port: 1514, is: capture.Syslog, in: []segment{{data: line1, fin: true}},
			want: []string{msg(capture.Syslog, 0, 0, line1)}},
		{name: "from the middle, at a line", also: dissect.Logs, port: 1514, is: capture.Syslog, in: []segment{{data: line1 + "\n", gap: -1}},
			want: []string{msg(capture.Syslog, 0, gap, line1)}},
		{name: "from the middle of a line, on a port of syslog", also: dissect.Logs, port: 514, is: capture.Syslog, in: []segment{{data: "half a line\n" + line1 + "\n", gap: -1}},
			want: []string{msg(capture.Syslog, 0, gap, line1)}},
		{name: "not asked for", also: everything &^ dissect.Logs, port: 1514, gone: true, in: []segment{{data: line1 + "\n"}}},
		{name: "a shell's port", also: everything, port: 514, gone: true, in: []segment{{data: "1022\x00root\x00root\x00ls\x00"}}},

		{name: "NG", also: dissect.Control, port: 2223, is: capture.NG, in: []segment{{data: ngOffer + "\n" + ngOffer}, {dir: 1, data: pong}},
			want: []string{msg(capture.NG, 0, 0, ngOffer), msg(capture.NG, 0, 0, ngOffer), msg(capture.NG, 1, 0, pong)}},
		{name: "NG, octet by octet", also: everything, port: 2223, is: capture.NG, in: octets(ngOffer + ngOffer),
			want: []string{msg(capture.NG, 0, 0, ngOffer), msg(capture.NG, 0, 0, ngOffer)}},
		{name: "NG with a gap", also: dissect.Control, port: 2223, is: capture.NG, in: []segment{{data: ngOffer + ngOffer[:33]}, {data: "7:command5:offere\n" + ngOffer, gap: 9}},
			want: []string{msg(capture.NG, 0, 0, ngOffer), msg(capture.NG, 0, gap, ngOffer)}},
		{name: "NG, the last one cut", also: dissect.Control, port: 2223, is: capture.NG, in: []segment{{data: ngOffer + "12_2 d7:command5:offer7:call-id2:c"}},
			want: []string{msg(capture.NG, 0, 0, ngOffer), msg(capture.NG, 0, cut, "12_2 d7:command5:offer7:call-id2:c")}},
		{name: "a dictionary of something else", also: everything, port: 2223, gone: true, in: []segment{{data: "x d1:a1:be\r\n"}}},

		{name: "DNS", also: dissect.Lookups, port: 53, is: capture.DNS, in: []segment{{data: framed(query)}, {dir: 1, data: framed(query) + framed(query)}},
			want: []string{msg(capture.DNS, 0, 0, query), msg(capture.DNS, 1, 0, query), msg(capture.DNS, 1, 0, query)}},
		{name: "DNS, octet by octet", also: everything, port: 53, is: capture.DNS, in: octets(framed(query) + framed(query)),
			want: []string{msg(capture.DNS, 0, 0, query), msg(capture.DNS, 0, 0, query)}},
		{name: "DNS elsewhere", also: everything, port: 54, gone: true, in: []segment{{data: framed(query)}}},

		{name: "SIP on a port of syslog", also: everything, port: 514, is: capture.SIP, in: []segment{{data: request("OPTIONS", "1")}},
			want: []string{msg(capture.SIP, 0, 0, request("OPTIONS", "1"))}},
		{name: "SIP on DNS's port, from the middle", also: everything, port: 53, is: capture.SIP, in: []segment{{data: "x\r\n\r\n" + request("OPTIONS", "1"), gap: -1}},
			want: []string{msg(capture.SIP, 0, gap, request("OPTIONS", "1"))}},
		{name: "SIP, octet by octet", also: everything, port: 5060, is: capture.SIP, in: octets(request("OPTIONS", "1")),
			want: []string{msg(capture.SIP, 0, 0, request("OPTIONS", "1"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newLinesRig(t, c.also, c.port)
			for _, s := range c.in {
				r.segment(s)
			}
			verdict, proto := r.conn.Verdict()
			if c.gone && verdict != dissect.Nothing || !c.gone && (verdict != dissect.Known || proto != c.is) {
				t.Errorf("verdict %v, %v", verdict, proto)
			}
			r.end()
			if !slices.Equal(r.texts, c.want) {
				t.Errorf("got\n%q\nwant\n%q", r.texts, c.want)
			}
			if s := r.shared.Stats(); s.Messages+s.Beside != uint64(len(c.want)) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// However lines are cut into segments, the messages are the same.
func FuzzLines(f *testing.F) {
	f.Add([]byte{0, 200, 1, 200, 0, 255}, []byte("<14>one\n<14>two\n12 <14>a message\n"), uint16(514))
	f.Add([]byte{0, 20, 2, 9, 4, 90}, []byte(ngOffer+"\n"+ngOffer+ngOffer), uint16(2223))
	f.Add([]byte{0, 20, 1, 9, 6, 90}, []byte(framed("\x00"+dnsQuery)+framed("\x80"+dnsQuery)), uint16(53))
	f.Add([]byte{4, 20, 5, 9, 22, 90}, []byte(strings.Repeat("half a line\n<14>x: y\n", 9)), uint16(601))
	f.Fuzz(func(t *testing.T, script, octets []byte, port uint16) {
		r := newLinesRig(t, everything, port)
		total := len(octets)
		for len(octets) > 0 && len(script) >= 2 {
			n := min(len(octets), int(script[1])+1)
			s := segment{dir: int(script[0] & 1), data: string(octets[:n])}
			switch script[0] & 6 {
			case 2:
				s.gap = int64(script[0])>>3 + 1
			case 4:
				s.gap = -1
			case 6:
				s.room, s.fin = script[0]&8 != 0, script[0]&16 != 0
			}
			r.segment(s)
			octets, script = octets[n:], script[2:]
		}
		r.end()
		shown := 0
		for _, m := range r.texts {
			shown += len(m)
		}
		if s := r.shared.Stats(); s.Messages+s.Beside != uint64(len(r.texts)) || len(r.texts) > total || shown > total+30*len(r.texts) {
			t.Fatalf("%d octets became %d messages of %d octets: %+v", total, len(r.texts), shown, s)
		}
	})
}
