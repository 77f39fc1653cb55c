package probe

import (
	"net/netip"
	"testing"

	"heptap/capture"
)

func between(src, dst, payload string) *capture.Packet {
	a, b := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return &capture.Packet{Src: a.Addr().AsSlice(), Dst: b.Addr().AsSlice(), SrcPort: a.Port(), DstPort: b.Port(), Payload: []byte(payload)}
}

// A reply is known by the flow of its request, in either direction and by
// whichever port it comes; nothing else is.
func TestAsked(t *testing.T) {
	var a asked
	a.note(between("192.0.2.2:40001", "192.0.2.3:7722", "1_1 V"), capture.NG)
	a.note(between("[2001:db8::9]:50000", "[2001:db8::2]:8080", ":uptime:\n"), capture.MI)
	for _, tt := range []struct {
		name, src, dst, payload string
		want                    capture.Protocol
	}{
		{"a reply", "192.0.2.3:7722", "192.0.2.2:40001", "1_1 20040107", capture.NG},
		{"the same direction", "192.0.2.2:40001", "192.0.2.3:7722", "text", capture.NG},
		{"a reply in lines, over IPv6", "[2001:db8::2]:8080", "[2001:db8::9]:50000", "200 OK\n", capture.MI},
		{"binary", "192.0.2.3:7722", "192.0.2.2:40001", "\x01\x02", capture.Unknown},
		{"nothing", "192.0.2.3:7722", "192.0.2.2:40001", "", capture.Unknown},
		{"another port", "192.0.2.3:7722", "192.0.2.2:40002", "text", capture.Unknown},
		{"ports that are swapped", "192.0.2.3:40001", "192.0.2.2:7722", "text", capture.Unknown},
		{"another host", "192.0.2.4:7722", "192.0.2.2:40001", "text", capture.Unknown},
	} {
		if got := a.reply(between(tt.src, tt.dst, tt.payload), capture.Unknown); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	p := between("192.0.2.3:7722", "192.0.2.2:40001", "1_1 20040107")
	if n := testing.AllocsPerRun(100, func() { a.note(p, capture.NG); a.reply(p, capture.Unknown) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A flood of requests takes no room: the last ones are known.
func TestAskedIsBounded(t *testing.T) {
	var a asked
	found := 0
	for port := range 1 << 16 {
		p := between("192.0.2.2:1", "192.0.2.3:7722", "x")
		p.SrcPort = uint16(port)
		a.note(p, capture.NG)
		if a.reply(p, capture.Unknown) == capture.NG {
			found++
		}
	}
	if found != 1<<16 {
		t.Errorf("%d of %d flows were known at once", found, 1<<16)
	}
}
