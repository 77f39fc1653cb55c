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
	src, dst         []byte
	srcPort, dstPort uint16
	payload          []byte
	udp              bool
	udpLength        int  // as the header says
	wrongVersion     bool // of IP, which gopacket does not look at
	failed           string
}

// gopacketUDP decodes f with gopacket up to the first UDP datagram. Anything
// but link headers and one IP packet before it is a tunnel, and no datagram
// of ours.
func gopacketUDP(f *capture.Frame) (r peer) {
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
	ips := 0
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet, *layers.Dot1Q, *layers.LinuxSLL, *layers.Loopback, *layers.LLC, *layers.SNAP,
			*layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH:
		case *layers.IPv4:
			ips++
			r.src, r.dst, r.wrongVersion = l.SrcIP, l.DstIP, l.Version != 4
		case *layers.IPv6:
			ips++
			r.src, r.dst, r.wrongVersion = l.SrcIP, l.DstIP, l.Version != 6
		case *layers.UDP:
			// A UDP layer is there although its header was refused.
			if ips == 1 && !strings.HasPrefix(r.failed, "Invalid UDP header") && !strings.HasPrefix(r.failed, "UDP packet too small") {
				r.udp = true
				r.srcPort, r.dstPort, r.payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
				r.udpLength = int(l.Length)
			}
			return r
		default:
			return r
		}
	}
	return r
}

// differ compares the two decoders on one frame and returns what they disagree
// about, or whether both found the same datagram.
func differ(f *capture.Frame) (what string, agreed bool) {
	var p capture.Packet
	reason := decode.Decode(f, &p)
	g := gopacketUDP(f)
	switch {
	case reason == capture.DropNone && g.udp:
		if !bytes.Equal(p.Src, g.src) || !bytes.Equal(p.Dst, g.dst) || p.SrcPort != g.srcPort || p.DstPort != g.dstPort {
			return "addresses", false
		}
		if !bytes.Equal(p.Payload, g.payload) {
			return "payload", false
		}
		return "", true
	case reason == capture.DropNone:
		return "gopacket has no datagram: " + g.failed, false
	case !g.udp || reason == capture.DropIPVersion && g.wrongVersion:
		return "", false
	case reason == capture.DropUDPLength && (g.udpLength == 0 || g.udpLength-8 > len(g.payload)):
		// gopacket takes length 0 for a jumbogram and a datagram longer than
		// its packet for a cut one.
		return "", false
	}
	return "gopacket has a datagram, we say " + reason.String(), false
}

func TestDifferentialGenerated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	agreed := 0
	for range 20000 {
		f := randomFrame(rng)
		what, same := differ(f)
		if what != "" {
			t.Errorf("link %d: %s\n% x", f.Link, what, f.Data)
		}
		if same {
			agreed++
		}
	}
	if agreed < 10000 {
		t.Errorf("only %d datagrams", agreed)
	}
}

// randomFrame returns a frame that is whole, cut, padded or has some octets
// of its headers changed.
func randomFrame(rng *rand.Rand) *capture.Frame {
	link := links[rng.IntN(len(links)-1)] // gopacket knows no SLL2
	src, dst, end := a4, b4, 20
	if link == capture.LinkIPv6 || link != capture.LinkIPv4 && rng.IntN(2) == 0 {
		src, dst, end = a6, b6, 40
	}
	opts := []capturetest.Option{capturetest.Link(link), capturetest.TTL(uint8(rng.IntN(256))), capturetest.TOS(uint8(rng.IntN(256)))}
	var tags []uint16
	if link == capture.LinkEthernet {
		for range rng.IntN(capture.MaxVLANTags + 1) {
			tags = append(tags, uint16(rng.IntN(0x10000)))
		}
		opts = append(opts, capturetest.VLAN(tags...))
	}
	payload := make([]byte, rng.IntN(200))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	b := capturetest.UDP(src, dst, payload, opts...)
	f := whole(link, b)
	header := len(b) - len(payload) - 8 - end
	switch rng.IntN(5) {
	case 4:
		if end == 40 {
			f.Data = extend(rng, b, header)
			f.Length = len(f.Data)
		}
	case 0:
		f.Data = b[:rng.IntN(len(b)+1)]
	case 1:
		f.Data = append(b, make([]byte, rng.IntN(20))...)
		f.Length = len(f.Data)
	case 2:
		for range 1 + rng.IntN(2) {
			b[header+rng.IntN(end+8)] = byte(rng.Uint32())
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
