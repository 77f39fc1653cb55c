package kamailio_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture/capturetest"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/kamailio"
)

// TestKamailioReadsReplay has Kamailio read what heptap replay makes of a file
// whose packets and times the test has chosen: every field must be the same to
// the microsecond and the octet.
func TestKamailioReadsReplay(t *testing.T) {
	l := newLab(t)
	h, err := l.Host("collector")
	if err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:9060"
	server, err := kamailio.Start(within(t, 30*time.Second), l, h, addr)
	need(t, err)

	messages := oddMessages()
	file := filepath.Join(l.Dir(), "odd.pcap")
	writeFile(t, file, messages)
	conf := filepath.Join(l.Dir(), "replay.conf")
	lines := "set system agent-id 4294967295\nset collector k address " + addr + "\nset collector k auth-key \"a|b c\"\n"
	if err := os.WriteFile(conf, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(l.Dir(), "odd.hep")
	if b, err := exec.Command(binaryPath(t), "replay", "-config", conf, "-o", out, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	hep, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	if err := h.Do(func() (err error) { conn, err = net.Dial("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	transfer(t, conn.(*net.TCPConn), hep)

	got := packets(t, server, len(messages))
	if len(got) != len(messages) {
		t.Errorf("%d packets, want %d\n%s", len(got), len(messages), server.Log())
	}
	for i, k := range got[:min(len(got), len(messages))] {
		m := messages[i]
		want := kamailio.Packet{Version: 3, Proto: 17, Family: 2, Src: m.src.String(), Dst: m.dst.String(), Type: box.TypeSIP,
			Seconds: m.at.Unix(), Micros: int64(m.at.Nanosecond() / 1000), Agent: 4294967295, Auth: "a|b c", Correlation: m.callID, Payload: m.payload}
		if m.src.Addr().Is6() {
			want.Family = 10
		}
		if !bytes.Equal(k.Payload, want.Payload) {
			t.Errorf("message %d: payload of %d octets, want %d", i, len(k.Payload), len(want.Payload))
		}
		k.Payload, want.Payload = nil, nil
		if a, b := fmt.Sprintf("%+v", k), fmt.Sprintf("%+v", want); a != b {
			t.Errorf("message %d:\n got %s\nwant %s", i, a, b)
		}
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// transfer sends b, in pieces that cut packets anywhere, and waits until the
// server has read to the end.
func transfer(t *testing.T, conn *net.TCPConn, b []byte) {
	t.Helper()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for n := 1; len(b) > 0; n = 7*n%1009 + 1 {
		n = min(n, len(b))
		if _, err := conn.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
		t.Errorf("the server answers with %d octets, %v", n, err)
	}
}

// oddMessage is a SIP message in a datagram.
type oddMessage struct {
	at       time.Time
	src, dst netip.AddrPort
	callID   string
	payload  []byte
}

// oddMessages are messages with bodies that are easily spoiled on the way, at
// times that are.
func oddMessages() (all []oddMessage) {
	binary := make([]byte, 512)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	for i, c := range []struct {
		micros int
		callID string
		body   []byte
	}{
		{0, "plain@192.0.2.1", nil},
		{1, "zero-octets", make([]byte, 64)},
		{999_999, "all-octets", binary},
		{500_000, "lines|and|bars", []byte("a|b\r\nHEP|3|2\n\r\n\r\nHEP3")},
		{10, `quotes"and\backslash%20$var`, []byte(`{"a":"\u0000"}`)},
		{100_000, "long-" + strings.Repeat("x", 200), bytes.Repeat([]byte("0123456789abcdef"), 100)},
		{42, "20-kilobytes", bytes.Repeat([]byte("\x00\xff\r\n"), 5000)},
		{123_456, "48-kilobytes", bytes.Repeat([]byte{0xfe}, 48_000)},
		{7, "umlaut-ü", []byte("grüße")},
	} {
		m := oddMessage{
			at:  time.Unix(1_767_225_599+int64(i), int64(c.micros)*1000), // over a new year
			src: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(5060+i)), dst: netip.MustParseAddrPort("255.255.255.254:65535"),
			callID: c.callID,
		}
		if i%2 == 1 {
			m.src, m.dst = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::ff00:0:1"), 1025), netip.MustParseAddrPort("[fe80::1]:5061")
		}
		m.payload = fmt.Appendf(nil, "MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:a@example.com>;tag=1\r\n"+
			"To: <sip:b@example.com>\r\nCall-ID: %s\r\nCSeq: 1 MESSAGE\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", m.src, i, c.callID, len(c.body))
		m.payload = append(m.payload, c.body...)
		all = append(all, m)
	}
	return all
}

func writeFile(t *testing.T, name string, messages []oddMessage) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		b := capturetest.UDP(m.src, m.dst, m.payload)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: m.at, CaptureLength: len(b), Length: len(b)}, b); err != nil {
			t.Fatal(err)
		}
	}
}
