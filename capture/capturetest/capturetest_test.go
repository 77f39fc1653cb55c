package capturetest_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture"
	"heptap/capture/capturetest"
)

var (
	a4 = netip.MustParseAddrPort("192.0.2.1:5060")
	b4 = netip.MustParseAddrPort("192.0.2.2:5062")
	a6 = netip.MustParseAddrPort("[2001:db8::1]:5060")
	b6 = netip.MustParseAddrPort("[2001:db8::2]:5062")
)

func TestUDP(t *testing.T) {
	b := capturetest.UDP(a4, b4, []byte("hello"), capturetest.VLAN(100, 0x2007), capturetest.TTL(9), capturetest.TOS(0xb8), capturetest.IPID(77))
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatal(p.ErrorLayer().Error())
	}
	ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	if ip.TTL != 9 || ip.TOS != 0xb8 || ip.Id != 77 || string(p.ApplicationLayer().Payload()) != "hello" {
		t.Errorf("%+v", ip)
	}
	var tags []uint16
	for _, l := range p.Layers() {
		if q, ok := l.(*layers.Dot1Q); ok {
			tags = append(tags, q.VLANIdentifier)
		}
	}
	if len(tags) != 2 || tags[0] != 100 || tags[1] != 7 {
		t.Errorf("tags %v", tags)
	}
	p = gopacket.NewPacket(capturetest.UDP(a6, b6, []byte("hello"), capturetest.Link(capture.LinkRaw)), layers.LayerTypeIPv6, gopacket.Default)
	if p.ErrorLayer() != nil || string(p.ApplicationLayer().Payload()) != "hello" {
		t.Errorf("%v", p)
	}
}

func TestSIPCall(t *testing.T) {
	got := capturetest.SIPCall(capturetest.Call{Caller: a4, Callee: b4, CallerMedia: a4, CalleeMedia: b4, CallID: "call-1"})
	want := []string{"INVITE sip:", "SIP/2.0 100 ", "SIP/2.0 180 ", "SIP/2.0 200 ", "ACK sip:", "BYE sip:", "SIP/2.0 200 "}
	if len(got) != len(want) {
		t.Fatalf("%d messages", len(got))
	}
	for i, d := range got {
		s := string(d.Payload)
		if !strings.HasPrefix(s, want[i]) || !strings.Contains(s, "\r\nCall-ID: call-1\r\n") {
			t.Errorf("message %d:\n%s", i, s)
		}
		if (d.Src == a4) == strings.HasPrefix(s, "SIP/2.0") {
			t.Errorf("message %d goes from %v", i, d.Src)
		}
		if strings.Contains(s, "m=audio") != (i == 0 || i == 3) {
			t.Errorf("message %d: SDP", i)
		}
	}
}

func TestWritePcap(t *testing.T) {
	frames := capturetest.Frames(time.Unix(1700000000, 1), time.Second, []byte("first frame"), []byte("second frame"))
	frames[1].Length = 900
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		data, ci, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, frames[i].Data) || ci.Length != frames[i].Length || ci.Timestamp.UnixNano() != frames[i].Wall {
			t.Errorf("%d: %q %+v %v", i, data, ci, err)
		}
	}
}

func TestFakeSource(t *testing.T) {
	capturetest.TestFile(t, func(_ *testing.T, frames []capture.Frame) capture.Source {
		return capturetest.NewFakeSource(frames)
	})
	capturetest.TestSource(t, func(_ *testing.T, frames []capture.Frame) capture.Source {
		s := capturetest.NewFakeSource(frames)
		s.Batch, s.Idle = 2, 3
		return s
	})
}

func TestFakeSourceTakesBack(t *testing.T) {
	s := capturetest.NewFakeSource(capturetest.Frames(time.Unix(1, 0), 0, []byte("one"), []byte("two")))
	s.Batch, s.Err = 1, io.ErrUnexpectedEOF
	frames := make([]capture.Frame, 2)
	if n, err := s.Read(frames); n != 1 || err != nil || string(frames[0].Data) != "one" {
		t.Fatal(n, err)
	}
	kept := frames[0].Data
	if n, err := s.Read(frames); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if string(kept) == "one" {
		t.Error("what was lent outlives the next Read")
	}
	if n, err := s.Read(frames); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(n, err)
	}
}
