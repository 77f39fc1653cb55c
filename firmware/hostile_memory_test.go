package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/firmware/internal/probe"
)

// mob is a source of many of one kind, each of which takes as much room as it can
// and never ends.
type mob struct {
	crowd
	of      func(i int) [][]byte
	pending [][]byte
}

func (m *mob) Read(frames []capture.Frame) (int, error) {
	for len(m.pending) == 0 {
		if m.made == m.n {
			if m.atEnd != nil {
				m.atEnd()
				m.atEnd = nil
			}
			return 0, io.EOF
		}
		m.pending = m.of(m.made)
		m.made++
	}
	n := min(len(frames), len(m.pending))
	for i, b := range m.pending[:n] {
		m.now += int64(50 * time.Microsecond)
		frames[i] = capture.Frame{Data: b, Length: len(b), Wall: m.now, Mono: m.now, Link: capture.LinkEthernet}
	}
	m.pending = m.pending[n:]
	m.frames.Add(uint64(n))
	return n, nil
}

// half opens a connection on which one end says a text that has no end.
func half(client, server netip.AddrPort, dir int, text string) [][]byte {
	const segment = 1400
	out, ends := connect(client, server), [2]netip.AddrPort{client, server}
	for seq := uint32(1); len(text) > 0; {
		n := min(segment, len(text))
		t := capture.TCP{Seq: seq, Ack: 1, Flags: capture.FlagACK | capture.FlagPSH, Window: 1000}
		out = append(out, capturetest.TCP(ends[dir], ends[1-dir], t, []byte(text[:n]), capturetest.IPID(3)))
		text, seq = text[n:], seq+uint32(n)
	}
	return out
}

// mobs are the kinds.
func mobs() map[string]func(i int) [][]byte {
	rep, db := strings.Repeat, netip.MustParseAddrPort("192.0.2.30:8080")
	from := func(i int) netip.AddrPort { return proxyPort(uint16(1024 + i%60000)) }
	call := func(i int) string {
		return fmt.Sprintf("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=%d\r\nTo: <sip:b@b>\r\nCSeq: 1 INVITE\r\nCall-ID: %d-%s@a\r\n", i, i, rep("x", 230))
	}
	upgrade := "GET /" + rep("x", 1000) + " HTTP/1.1\r\nHost: p\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switching := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: sip\r\n\r\n\xc1\x7e\x40\x00" + rep("q", 900)
	return map[string]func(i int) [][]byte{
		"calls": func(i int) [][]byte {
			sdp := "Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 10.1.2.3\r\n"
			for k := range 16 {
				sdp += fmt.Sprintf("m=audio %d RTP/AVP 0 8 101\r\na=ice-ufrag:%d\r\na=candidate:1 1 UDP 1 10.1.2.%d 5000 typ host\r\n", 1000+(i*16+k)%50000, i, k)
			}
			return [][]byte{capturetest.UDP(host(0, i, 5060), hostileProxy, []byte(call(i)+"X-CID: "+rep("y", 230)+"\r\nSession-ID: "+fmt.Sprintf("%032x", i+1)+"\r\n"+sdp))}
		},
		"SIP halves": func(i int) [][]byte { return half(host(0, i, 4000), hostileProxy, 0, call(i)+rep("X: y\r\n", 2000)) },
		"HTTP heads": func(i int) [][]byte {
			return half(from(i), db, 0, "GET /"+rep("x", 3900)+" HTTP/1.1\r\n"+rep("X: y\r\n", 600))
		},
		"HTTP bodies": func(i int) [][]byte {
			return half(from(i), db, 0, "POST /"+rep("x", 3900)+" HTTP/1.1\r\nX-Call-ID: "+rep("z", 1000)+"\r\nContent-Length: 100000\r\n\r\n"+rep("x", 4000))
		},
		"HTTP pipelines": func(i int) [][]byte { return half(from(i), db, 0, rep("GET / HTTP/1.1\r\n\r\n", 300)) },
		"WebSockets": func(i int) [][]byte {
			client, server := host(0, i, 4000), proxyPort(80)
			reply := capture.TCP{Seq: 1, Ack: uint32(len(upgrade)) + 1, Flags: capture.FlagACK, Window: 1000}
			return append(half(client, server, 0, upgrade), capturetest.TCP(server, client, reply, []byte(switching)))
		},
		"manager interface": func(i int) [][]byte {
			return half(host(0, i, 4000), proxyPort(5038), 1, "Asterisk Call Manager/5.0.2\r\n"+rep("Event: x\r\n", 1500))
		},
		"TLS halves": func(i int) [][]byte {
			return half(host(0, i, 4000), proxyPort(5061), 0, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"+rep("x", 15000))
		},
		"NG halves": func(i int) [][]byte {
			return half(from(i), host(0, i, 2223), 0, "1 d7:command5:offer7:call-id3:abc3:sdp15000:"+rep("x", 14000))
		},
		"lines": func(i int) [][]byte {
			return half(from(i), host(0, i, 514), 0, "<134>Nov 14 22:13:20 h x: "+rep("x", 7000))
		},
		"NG": func(i int) (out [][]byte) {
			for _, command := range []string{"offer", "answer"} {
				text := bencode(fmt.Sprint(i)+command, "command", command, "call-id", fmt.Sprint(i)+rep("x", 240), "from-tag", rep("x", 128), "to-tag", rep("y", 128), "sdp", seedSDP(1000+i%60000))
				out = append(out, capturetest.UDP(from(i), host(0, i, 2223), []byte(text)))
			}
			return out
		},
		"commands": func(i int) [][]byte {
			one := `{"jsonrpc":"2.0","method":"` + rep("m", 80) + `","id":1}`
			return [][]byte{capturetest.UDP(host(0, i, 4000), proxyPort(8080), []byte("["+rep(one+",", 11)+one+"]"))}
		},
		"questions": func(i int) [][]byte {
			return [][]byte{capturetest.UDP(from(i), host(0, i, 53), []byte("\x90\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04_sip\x00\x00\x21\x00\x01"))}
		},
		"names": func(i int) [][]byte {
			return [][]byte{capturetest.UDP(proxyPort(4000), host(96, i, 514), fmt.Appendf(nil, "<134>Jan 12 10:00:00 pbx k[77]: call hostile-call@example.com id C-%08x", i))}
		},
		"associations": func(i int) [][]byte {
			a, b := host(0, i, 2905), host(64, i, 2905)
			return [][]byte{capturetest.SCTP(a, b, 0, []byte{1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 5, 0, 5, 0, 0, 0, 1}),
				capturetest.SCTP(a, b, 9, capturetest.SCTPData(2, 1, 1, 0, 3, []byte(rep("x", 1200)))), capturetest.SCTP(a, b, 9, capturetest.SCTPData(0, 3, 1, 0, 3, []byte(rep("x", 1200))))}
		},
		"fragments": func(i int) [][]byte {
			return capturetest.Fragments(capturetest.UDP(host(0, i, 5060), hostileProxy, []byte(rep("x", 30000)), capturetest.IPID(uint16(i))), 1400, uint32(i))[:20]
		},
		"streams": func(i int) (out [][]byte) {
			for k := range 4 {
				out = append(out, capturetest.UDP(host(0, i, 6000), host(64, i, 7000), capturetest.RTPPacket(0, uint16(k), uint32(k)*160, uint32(i), make([]byte, 20))))
			}
			return out
		},
	}
}

// TestHostileMemory has a mob of each kind come to a probe with little room, far more
// of them than it follows: it holds no more than it says.
func TestHostileMemory(t *testing.T) {
	n := 6000
	if testing.Short() || raceDetector {
		n = 600
	}
	begin, _ := prologue()
	for name, of := range mobs() {
		cfg := hostileConfig()
		small(&cfg)
		before := heap()
		source := &mob{crowd: crowd{n: n, now: start.UnixNano()}, of: of, pending: begin}
		pc := probe.Config{
			Inputs: []probe.Input{{Name: "mob", Source: source}}, Replay: true,
			Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Correlate: correlateConfig(cfg, 1), Beyond: beyondConfig(cfg), ISUP: cfg.Records.ISUP,
			Deliver: func([]byte) error { return nil },
		}
		budget := pc.MemoryBytes()
		p := probe.New(pc)
		var held int64
		source.atEnd = func() { held = heap() - before }
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-18s %5d KiB of %d KiB", name, held>>10, budget>>10)
		if held > budget {
			t.Errorf("%s: %d octets are held, more than the %d said to be the most", name, held, budget)
		}
	}
}
