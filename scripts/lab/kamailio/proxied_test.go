package kamailio_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/capture/ng"
	"heptap/scripts/lab"
	"heptap/scripts/lab/kamailio"
)

// mediaProxy plays rtpengine and rtpproxy, and remembers what passed.
type mediaProxy struct {
	mu     sync.Mutex
	frames [][]byte // guarded by mu: datagrams as they would be on the wire
}

// serve answers at addr until its socket is closed.
func (p *mediaProxy) serve(t *testing.T, h *lab.Host, addr string, answer func(request []byte) string) {
	t.Helper()
	var conn net.PacketConn
	if err := h.Do(func() (err error) { conn, err = net.ListenPacket("udp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	self := netip.MustParseAddrPort(addr)
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			peer := from.(*net.UDPAddr).AddrPort()
			reply := []byte(answer(b[:n]))
			p.mu.Lock()
			p.frames = append(p.frames, capturetest.UDP(peer, self, bytes.Clone(b[:n])), capturetest.UDP(self, peer, reply))
			p.mu.Unlock()
			_, _ = conn.WriteTo(reply, from)
		}
	}()
}

func sdpAt(port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", port)
}

// engine answers as rtpengine does: 30002 is for the callee, 30000 for the caller.
func engine(request []byte) string {
	var v ng.View
	if v.Parse(request) != nil {
		return "? d6:result5:errore"
	}
	port := 30000
	switch string(v.Command) {
	case "ping":
		return string(v.Cookie) + " d6:result4:ponge"
	case "offer":
		port = 30002
	case "delete":
		return string(v.Cookie) + " d6:result2:oke"
	}
	sdp := sdpAt(port)
	return fmt.Sprintf("%s d6:result2:ok3:sdp%d:%se", v.Cookie, len(sdp), sdp)
}

// proxy answers as rtpproxy does.
func proxy(request []byte) string {
	cookie, command, _ := strings.Cut(strings.TrimSpace(string(request)), " ")
	switch {
	case strings.HasPrefix(command, "VF"):
		return cookie + " 1\n"
	case strings.HasPrefix(command, "V"):
		return cookie + " 20040107\n"
	case strings.HasPrefix(command, "U"):
		return cookie + " 35002 192.0.2.3\n"
	case strings.HasPrefix(command, "L"):
		return cookie + " 35000 192.0.2.3\n"
	}
	return cookie + " 0\n"
}

// phone sends requests of one call through Kamailio and answers them itself. The
// media ports are the caller's and the callee's.
func phone(t *testing.T, h *lab.Host, user, addr string, from, at int) {
	t.Helper()
	var caller, callee net.PacketConn
	for at, c := range map[string]*net.PacketConn{"127.0.0.1:5080": &caller, kamailio.Callee: &callee} {
		if err := h.Do(func() (err error) { *c, err = net.ListenPacket("udp", at); return err }); err != nil {
			t.Fatal(err)
		}
		defer (*c).Close()
	}
	to, _ := net.ResolveUDPAddr("udp", addr)
	read := func(c net.PacketConn, what string) string {
		b := make([]byte, 64<<10)
		for {
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, _, err := c.ReadFrom(b)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if strings.HasPrefix(string(b[:n]), what) {
				return string(b[:n])
			}
		}
	}
	body := strings.ReplaceAll(sdpAt(from), "192.0.2.3", "192.0.2.1")
	send := func(method, totag, body string) {
		text := fmt.Sprintf("%s sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:%s@example.com>;tag=ft\r\n"+
			"To: <sip:bob@example.com>%s\r\nCall-ID: %s@example\r\nCSeq: 1 %s\r\nContact: <sip:a@127.0.0.1:5080>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			method, addr, user, method, user, totag, user, method, len(body), body)
		if _, err := caller.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(request, body string) {
		head, _, _ := strings.Cut(request, "\r\n\r\n")
		answer := []string{"SIP/2.0 200 OK"}
		for _, line := range strings.Split(head, "\r\n")[1:] {
			name, _, _ := strings.Cut(line, ":")
			switch name {
			case "To":
				if !strings.Contains(line, ";tag=") {
					line += ";tag=tt"
				}
				answer = append(answer, line)
			case "Via", "From", "Call-ID", "CSeq":
				answer = append(answer, line)
			}
		}
		text := strings.Join(answer, "\r\n") + fmt.Sprintf("\r\nContact: <sip:b@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", kamailio.Callee, len(body), body)
		if _, err := callee.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	send("INVITE", "", body)
	accept(read(callee, "INVITE "), strings.ReplaceAll(sdpAt(at), "192.0.2.3", "192.0.2.4"))
	read(caller, "SIP/2.0 200")
	send("BYE", ";tag=tt", "")
	accept(read(callee, "BYE "), "")
	read(caller, "SIP/2.0 200")
}

// TestMediaProxiesOfKamailio has Kamailio tell media proxies of calls whose SIP
// heptap does not see, and heptap find their media all the same.
func TestMediaProxiesOfKamailio(t *testing.T) {
	l := newLab(t)
	h, err := l.Host("proxied")
	need(t, err)
	p := new(mediaProxy)
	p.serve(t, h, kamailio.RTPEngine, engine)
	p.serve(t, h, kamailio.RTPProxy, proxy)
	const addr = "127.0.0.1:5060"
	server, err := kamailio.StartProxied(within(t, 30*time.Second), l, h, addr)
	need(t, err)
	phone(t, h, "engine", addr, 6000, 7000)
	phone(t, h, "proxy", addr, 6002, 7002)
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	frames := withMedia(p.frames)
	p.mu.Unlock()

	dir := t.TempDir()
	var pcap bytes.Buffer
	if err := capturetest.WritePcap(&pcap, capturetest.Frames(time.Unix(1_700_000_000, 0), 10*time.Millisecond, frames...)); err != nil {
		t.Fatal(err)
	}
	need(t, os.WriteFile(filepath.Join(dir, "control.pcap"), pcap.Bytes(), 0o644))
	out, err := exec.Command(binaryPath(t), "replay", "-o", filepath.Join(dir, "out.hep"), filepath.Join(dir, "control.pcap")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines, err := exec.Command(binaryPath(t), "decode", filepath.Join(dir, "out.hep")).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for line := range strings.Lines(string(lines)) {
		var r struct {
			Type                  int
			Src, Primary, Payload string
		}
		var m struct{ Event, Type string }
		if json.Unmarshal([]byte(line), &r) != nil || json.Unmarshal([]byte(r.Payload), &m) != nil {
			t.Fatalf("%s", line)
		}
		switch {
		case r.Type != 34:
			got[r.Primary] = append(got[r.Primary], m.Event)
		case m.Type == "FINAL":
			got[r.Primary] = append(got[r.Primary], r.Src)
		}
	}
	for id, want := range map[string][]string{
		"engine@example": {"NG offer", "NG offer ok", "NG answer", "NG answer ok", "NG delete", "NG delete ok", "192.0.2.1:6000", "192.0.2.3:30002"},
		"proxy@example": {"rtpproxy update", "rtpproxy update ok", "rtpproxy lookup", "rtpproxy lookup ok", "rtpproxy delete", "rtpproxy delete ok",
			"192.0.2.1:6002", "192.0.2.3:35002"},
	} {
		slices.Sort(want)
		slices.Sort(got[id])
		if !slices.Equal(got[id], want) {
			t.Errorf("%s: %q, want %q\n%s", id, got[id], want, server.Log())
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// withMedia puts the calls' media in front of the commands that end them: from
// the caller to the proxy, and from the proxy to the callee.
func withMedia(control [][]byte) (frames [][]byte) {
	ends := map[string][4]string{
		"delete": {"192.0.2.1:6000", "192.0.2.3:30000", "192.0.2.3:30002", "192.0.2.4:7000"},
		" D":     {"192.0.2.1:6002", "192.0.2.3:35000", "192.0.2.3:35002", "192.0.2.4:7002"},
	}
	for _, f := range control {
		for mark, ports := range ends {
			if !bytes.Contains(f, []byte(mark)) {
				continue
			}
			delete(ends, mark)
			for i := range 100 {
				voice := capturetest.RTPPacket(8, uint16(i), uint32(160*i), 0xfeed+uint32(len(ends)), make([]byte, 160))
				for leg := 0; leg < len(ports); leg += 2 {
					frames = append(frames, capturetest.UDP(netip.MustParseAddrPort(ports[leg]), netip.MustParseAddrPort(ports[leg+1]), voice))
				}
			}
		}
		frames = append(frames, f)
	}
	return frames
}
