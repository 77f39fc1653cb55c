package media_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture"
)

// eachUDP calls fn with every UDP datagram of a pcap or pcapng file that is
// not in a tunnel or a fragment. It is decode's business in small, so that
// this package's tests need no other.
func eachUDP(t *testing.T, name string, fn func(*capture.Packet)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		in = bufio.NewReader(z)
	}
	read := open(t, in)
	for {
		b, ci, link, err := read()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Logf("%s: %v", name, err)
			}
			return
		}
		p := capture.Packet{Protocol: capture.ProtoUDP, Wall: ci.Timestamp.UnixNano(), Mono: ci.Timestamp.UnixNano()}
		if ip := network(b, link, &p); udp(ip, &p) {
			fn(&p)
		}
	}
}

func open(t *testing.T, in *bufio.Reader) func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
	t.Helper()
	if magic, _ := in.Peek(4); bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Fatal(err)
		}
		return func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
			b, ci, err := r.ReadPacketData()
			link := r.LinkType()
			if len(ci.AncillaryData) > 0 {
				link, _ = ci.AncillaryData[0].(layers.LinkType)
			}
			return b, ci, link, err
		}
	}
	r, err := pcapgo.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	return func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
		b, ci, err := r.ReadPacketData()
		return b, ci, r.LinkType(), err
	}
}

// network returns the IP packet in frame b, nil when there is none.
func network(b []byte, link layers.LinkType, p *capture.Packet) []byte {
	ether := func(at int) []byte { // at is where the ethertype is
		for len(b) >= at+2 {
			switch binary.BigEndian.Uint16(b[at:]) {
			case 0x8100, 0x88a8:
				if len(b) < at+6 {
					return nil
				}
				p.HasVLAN, p.VLAN = true, binary.BigEndian.Uint16(b[at+2:])&0xfff
				at += 4
			case 0x0800, 0x86dd:
				return b[at+2:]
			default:
				return nil
			}
		}
		return nil
	}
	switch capture.LinkType(link) {
	case capture.LinkEthernet:
		return ether(12)
	case capture.LinkLinuxSLL:
		return ether(14)
	case capture.LinkLinuxSLL2:
		if len(b) >= 20 && (b[0] == 0x08 && b[1] == 0 || b[0] == 0x86 && b[1] == 0xdd) {
			return b[20:]
		}
	case capture.LinkNull, capture.LinkLoop:
		if len(b) > 4 {
			return b[4:]
		}
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14, capture.LinkIPv4, capture.LinkIPv6:
		return b
	}
	return nil
}

// udp fills in p from the IP packet ip.
func udp(ip []byte, p *capture.Packet) bool {
	var body []byte
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		hl, total := 4*int(ip[0]&15), int(binary.BigEndian.Uint16(ip[2:]))
		if hl < 20 || total < hl || len(ip) < hl || ip[9] != capture.ProtoUDP || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return false
		}
		p.Src, p.Dst, p.TOS, p.TTL = ip[12:16], ip[16:20], ip[1], ip[8]
		body = ip[hl:min(total, len(ip))]
	case len(ip) >= 40 && ip[0]>>4 == 6 && ip[6] == capture.ProtoUDP:
		p.Src, p.Dst = ip[8:24], ip[24:40]
		body = ip[40:min(40+int(binary.BigEndian.Uint16(ip[4:])), len(ip))]
	}
	if len(body) < 8 {
		return false
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	length := int(binary.BigEndian.Uint16(body[4:]))
	if length < 8 {
		return false
	}
	p.Truncated = length > len(body)
	p.Payload = body[8:min(length, len(body))]
	return true
}
