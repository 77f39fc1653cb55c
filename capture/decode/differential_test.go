package decode_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/pcapfile"
)

// peer is what gopacket makes of a frame.
type peer struct {
	src, dst         []byte // of the innermost IP header
	srcPort, dstPort uint16
	payload          []byte
	protocol         uint8
	fragment         bool
	found            bool
	udpLength        int  // as the header says
	wrongVersion     bool // of IP, which gopacket does not look at
	failed           string
}

// gopacketView decodes f with gopacket to the innermost UDP datagram, TCP
// segment, SCTP packet or fragment.
func gopacketView(f *capture.Frame) (r peer) {
	var first gopacket.Decoder = layers.LinkType(f.Link)
	switch f.Link { // which gopacket does not know as such
	case capture.LinkRaw12, capture.LinkRaw14:
		first = layers.LinkTypeRaw
	case capture.LinkIPv4:
		first = layers.LayerTypeIPv4
	case capture.LinkIPv6:
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(f.Data, first, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: false})
	if e := p.ErrorLayer(); e != nil {
		r.failed = e.Error().Error()
	}
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet, *layers.Dot1Q, *layers.LinuxSLL, *layers.Loopback, *layers.LLC, *layers.SNAP,
			*layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH,
			*layers.MPLS, *layers.PPPoE, *layers.PPP, *layers.GRE, *layers.EtherIP, *layers.VXLAN, *layers.Geneve, *layers.ERSPANII, *layers.GTPv1U:
			r.found = false // until something is found inside
		case *layers.IPv4:
			r.src, r.dst, r.wrongVersion, r.found = l.SrcIP, l.DstIP, r.wrongVersion || l.Version != 4, false
			r.protocol, r.srcPort, r.dstPort, r.fragment = uint8(l.Protocol), 0, 0, false
		case *layers.IPv6:
			r.src, r.dst, r.wrongVersion, r.found = l.SrcIP, l.DstIP, r.wrongVersion || l.Version != 6, false
			r.protocol, r.srcPort, r.dstPort, r.fragment = uint8(l.NextHeader), 0, 0, false
		case *layers.IPv6Fragment:
			r.protocol = uint8(l.NextHeader)
		case *gopacket.Fragment:
			r.payload, r.fragment, r.found = *l, true, true
			return r
		case *layers.UDP:
			// A UDP layer is there although its header was refused.
			r.srcPort, r.dstPort, r.payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			r.protocol, r.udpLength = capture.ProtoUDP, int(l.Length)
			r.found = !strings.HasPrefix(r.failed, "Invalid UDP header") && !strings.HasPrefix(r.failed, "UDP packet too small")
		case *layers.TCP:
			r.srcPort, r.dstPort, r.payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			r.protocol, r.found = capture.ProtoTCP, len(l.Contents) >= 20
			return r
		case *layers.SCTP:
			r.srcPort, r.dstPort, r.payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			r.protocol, r.found = capture.ProtoSCTP, len(l.Contents) >= 12
			return r
		default:
			return r
		}
	}
	return r
}

// differ compares the two decoders on one frame and returns what they disagree
// about, or whether both found the same.
func differ(f *capture.Frame) (what string, agreed bool) {
	var p capture.Packet
	reason := decode.Decode(f, &p)
	g := gopacketView(f)
	switch {
	case p.Encap&(capture.EncapTZSP|capture.EncapHPERM|capture.EncapOther) != 0:
		return "", false // which gopacket does not know
	case strings.HasPrefix(g.failed, "runtime error"):
		return "", false // on PPPoE that was cut
	case p.Encap&capture.EncapGTP != 0 && g.failed != "", strings.HasPrefix(g.failed, "IP option"):
		return "", false // GTP that was cut is data to it, and it judges IP options
	case reason == capture.DropNone && p.Fragment.Valid && len(p.Payload) == 0 && !g.found:
		return "", false // gopacket has no layer for nothing
	case reason == capture.DropIPProtocol && p.Unknown == 44 && g.fragment:
		return "", false // the fragment header of IPv6 in IPv4
	case reason == capture.DropNone && g.found:
		if !bytes.Equal(p.Src, g.src) || !bytes.Equal(p.Dst, g.dst) || p.SrcPort != g.srcPort || p.DstPort != g.dstPort ||
			p.Protocol != g.protocol || p.Fragment.Valid != g.fragment {
			return "addresses", false
		}
		if !bytes.Equal(p.Payload, g.payload) {
			return "payload", false
		}
		return "", true
	case reason == capture.DropNone && p.DstPort == 2152:
		return "", false // gopacket believes the port
	case reason == capture.DropNone:
		return "gopacket has nothing: " + g.failed, false
	case !g.found || reason == capture.DropIPVersion && g.wrongVersion:
		return "", false
	case reason == capture.DropUDPLength && (g.udpLength == 0 || g.udpLength-8 > len(g.payload)):
		// gopacket takes length 0 for a jumbogram and a datagram longer than
		// its packet for a cut one.
		return "", false
	case (reason == capture.DropUDPShort || reason == capture.DropTunnelShort) && g.udpLength-8 > len(g.payload):
		return "", false // what is left of it does not say whether it is a tunnel
	}
	return "gopacket has a packet, we say " + reason.String(), false
}

func TestDifferentialGenerated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	agreed, inTunnels := 0, 0
	for range 40000 {
		f := randomFrame(rng)
		what, same := differ(f)
		if what != "" {
			t.Errorf("link %d: %s\n% x", f.Link, what, f.Data)
		}
		if same {
			agreed++
			var p capture.Packet
			if decode.Decode(f, &p); p.Encap&^capture.EncapVLAN != 0 {
				inTunnels++
			}
		}
	}
	t.Logf("%d the same, %d of them in tunnels", agreed, inTunnels)
	if agreed < 20000 || inTunnels < 5000 {
		t.Errorf("only %d, %d of them in tunnels", agreed, inTunnels)
	}
}

// gopacketKinds are the tunnels that gopacket opens.
var gopacketKinds = []capturetest.Kind{capturetest.KindVLAN, capturetest.KindQinQ, capturetest.KindMPLS, capturetest.KindPPPoE,
	capturetest.KindIPIP, capturetest.KindGRE, capturetest.KindGREEthernet, capturetest.KindNVGRE, capturetest.KindERSPAN2,
	capturetest.KindVXLAN, capturetest.KindGeneve, capturetest.KindGTP}

// randomFrame returns a frame that is whole, cut, padded or has some octets
// of its headers changed.
func randomFrame(rng *rand.Rand) *capture.Frame {
	link := capture.LinkEthernet
	if rng.IntN(2) == 0 {
		link = links[rng.IntN(len(links)-1)] // gopacket knows no SLL2
	}
	src, dst, end := a4, b4, 20
	if link == capture.LinkIPv6 || link != capture.LinkIPv4 && rng.IntN(2) == 0 {
		src, dst, end = a6, b6, 40
	}
	opts := []capturetest.Option{capturetest.Link(link), capturetest.TTL(uint8(rng.IntN(256))), capturetest.TOS(uint8(rng.IntN(256)))}
	var tags []uint16
	if link == capture.LinkEthernet {
		for range rng.IntN(5) {
			tags = append(tags, uint16(rng.IntN(0x10000)))
		}
		opts = append(opts, capturetest.VLAN(tags...))
	}
	payload := make([]byte, rng.IntN(200))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	var b []byte
	transport := 8
	switch rng.IntN(4) {
	default:
		b = capturetest.UDP(src, dst, payload, opts...)
	case 1:
		b = capturetest.TCP(src, dst, capture.TCP{Seq: rng.Uint32(), Flags: uint8(rng.IntN(64))}, payload, opts...)
		transport = 20
	case 2:
		b = capturetest.SCTP(src, dst, rng.Uint32(), capturetest.SCTPData(3, 1, 2, 3, 4, payload), opts...)
		transport = 12
	}
	header := len(b) - len(payload) - transport - end
	if link == capture.LinkEthernet {
		for range rng.IntN(3) {
			if tun := (capturetest.Tunnel{Kind: gopacketKinds[rng.IntN(len(gopacketKinds))], ID: uint32(1 + rng.IntN(1000))}); tun.Fits(b) {
				b = tun.Wrap(b)
				header = len(b) // gopacket believes what contradicts it: nothing is changed
			}
		}
		if rng.IntN(4) == 0 && header < len(b) {
			parts := capturetest.Fragments(b, 100, rng.Uint32())
			b = parts[rng.IntN(len(parts))]
			header = len(b)
		}
	}
	f := whole(link, b)
	switch rng.IntN(5) {
	case 4:
		if end == 40 && header < len(b) {
			f.Data = extend(rng, b, header)
			f.Length = len(f.Data)
		}
	case 0:
		n := rng.IntN(len(b) + 1)
		f.Data = b[:n:n] // gopacket reads on where it can
	case 1:
		f.Data = append(b, make([]byte, rng.IntN(20))...)
		f.Length = len(f.Data)
	case 2:
		for range 1 + rng.IntN(2) {
			if at := header + rng.IntN(end+8); at < len(b) {
				b[at] = byte(rng.Uint32())
			}
		}
	}
	return f
}

// extend puts one to three extension headers into the IPv6 packet at off.
func extend(rng *rand.Rand, b []byte, off int) []byte {
	out := slices.Clone(b)
	for range 1 + rng.IntN(3) {
		// With a PadN option (RFC 8200 4.2) that fills the header.
		ext := make([]byte, 8*(1+rng.IntN(3)))
		ext[0], ext[1], ext[2], ext[3] = out[off+6], byte(len(ext)/8-1), 1, byte(len(ext)-4)
		out = slices.Insert(out, off+40, ext...)
		out[off+6] = 60 // destination options
		binary.BigEndian.PutUint16(out[off+4:], uint16(len(out)-off-40))
	}
	if rng.IntN(2) == 0 {
		out[off+6] = 0 // hop-by-hop, first of all
	}
	return out
}

func TestDifferentialCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	frames := make([]capture.Frame, 64)
	total := 0
	for _, name := range files {
		r, err := pcapfile.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; err == nil; n, err = r.Read(frames) {
			for i := range frames[:n] {
				what, same := differ(&frames[i])
				if what != "" {
					t.Errorf("%s, link %d: %s\n% x", name, frames[i].Link, what, frames[i].Data)
				}
				if same {
					total++
				}
			}
		}
		if _, damaged := errors.AsType[*pcapfile.DamageError](err); !damaged && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d datagrams the same", total)
	if total < 10000 {
		t.Errorf("only %d datagrams", total)
	}
}
