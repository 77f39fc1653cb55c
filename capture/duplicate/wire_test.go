package duplicate_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/duplicate"
)

// TestFrames holds whole frames against each other: what a mirror and a router
// change on the way is nothing that the table goes by.
func TestFrames(t *testing.T) {
	v4 := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.2:5060")}
	v6 := [2]netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8:1::2]:5060")}
	payload := []byte("OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n")
	id := capturetest.IPID(7)
	checksum := func(frame []byte, sum uint16) []byte { // of UDP
		binary.BigEndian.PutUint16(frame[len(frame)-len(payload)-2:], sum)
		return frame
	}
	for _, hosts := range [][2]netip.AddrPort{v4, v6} {
		src, dst := hosts[0], hosts[1]
		udp := func(o ...capturetest.Option) []byte { return capturetest.UDP(src, dst, payload, append(o, id)...) }
		mac := udp()
		copy(mac, []byte{2, 9, 9, 9, 9, 9, 2, 8, 8, 8, 8, 8})
		headerSum := udp()
		if src.Addr().Is4() {
			headerSum[14+10] ^= 0xff
		}
		again := capturetest.UDP(src, dst, payload, capturetest.IPID(8))
		for _, c := range []struct {
			name  string
			frame []byte
			dup   bool
		}{
			{"the same", udp(), true},
			{"MAC addresses", mac, true},
			{"TTL, and the header checksum with it", udp(capturetest.TTL(62)), true},
			{"header checksum, left to the network card", headerSum, true},
			{"VLAN tag", udp(capturetest.VLAN(100)), true},
			{"two VLAN tags (802.1ad)", udp(capturetest.VLAN(100, 200)), true},
			{"TOS", udp(capturetest.TOS(0xb8)), true},
			{"no UDP checksum (RFC 768)", checksum(udp(), 0), true},
			{"UDP checksum left to the network card", checksum(udp(), 0x1234), true},
			{"other link layer", udp(capturetest.Link(capture.LinkLinuxSLL)), true},
			{"sent again (RFC 6864 4)", again, src.Addr().Is6()}, // IPv6 has no identification
			{"the other direction", capturetest.UDP(dst, src, payload, id), false},
			{"another message", capturetest.UDP(src, dst, append(payload[:len(payload):len(payload)], ' '), id), false},
		} {
			link := capture.LinkEthernet
			if c.name == "other link layer" {
				link = capture.LinkLinuxSLL
			}
			tab := duplicate.New(few)
			var p capture.Packet
			for i, f := range []capture.Frame{{Data: udp(), Link: capture.LinkEthernet}, {Data: c.frame, Link: link, Mono: 30 * ms}} {
				f.Length = len(f.Data)
				if r := decode.Decode(&f, &p); r != capture.DropNone {
					t.Fatalf("%s: not decoded: %v", c.name, r)
				}
				dup, lag := tab.Check(&p)
				if want := i == 1 && c.dup; dup != want || dup && lag != 30*ms {
					t.Errorf("%v, %s: packet %d: %v, lag %d, want %v", src, c.name, i, dup, lag, want)
				}
			}
		}
	}
}
