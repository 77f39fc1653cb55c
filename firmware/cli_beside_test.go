package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// besideTraffic is a call whose SIP is seen, with what is beside it: lines of
// logs, a question to DNS, commands in the line format; and a call of which only
// what rtpengine is told is seen, and one of rtpproxy, with their media.
func besideTraffic() []capture.Frame {
	caller, proxy := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(proxy.Addr(), port) }
	logs, resolver := netip.MustParseAddrPort("192.0.2.20:514"), netip.MustParseAddrPort("192.0.2.53:53")
	engine, tool := netip.MustParseAddrPort("192.0.2.3:2223"), netip.MustParseAddrPort("192.0.2.9:50000")
	var data [][]byte
	add := func(src, dst netip.AddrPort, payload string) {
		data = append(data, capturetest.UDP(src, dst, []byte(payload)))
	}
	ds := capturetest.SIPCall(capturetest.Call{Caller: caller, Callee: proxy, CallerMedia: netip.MustParseAddrPort("192.0.2.1:6000"), CalleeMedia: at(7000), CallID: "seen@example"})
	for _, d := range ds[:2] {
		add(d.Src, d.Dst, string(d.Payload))
	}
	add(at(40514), logs, "<134>Nov 14 22:13:20 sbc1 kamailio[7]: INFO: callid=seen@example new")
	add(at(40514), logs, "<134>Nov 14 22:13:20 sbc1 cron[8]: nothing of a call")
	question := "\x90\x01%c%c\x00\x01\x00\x00\x00\x00\x00\x00\x04_sip\x04_udp\x07example\x03com\x00\x00\x21\x00\x01"
	add(at(40053), resolver, fmt.Sprintf(question, 1, 0))
	add(resolver, at(40053), strings.Replace(fmt.Sprintf(question, 'x', 'y'), "xy", "\x81\x83", 1))
	add(tool, at(8080), ":uptime:\n")
	add(at(8080), tool, "200 OK\nUp since:: 12\n")
	again := netip.AddrPortFrom(tool.Addr(), 50001)
	add(again, at(8080), ":ul_dump:\n")
	data = append(data, capturetest.Fragments(capturetest.UDP(at(8080), again, []byte("200 OK\n"+strings.Repeat("AOR:: bob\n", 300))), 1000, 7)...)
	for _, d := range ds[2:] {
		add(d.Src, d.Dst, string(d.Payload))
	}

	sdp := func(addr string, port int) string {
		return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", addr, addr, port)
	}
	ng := func(cookie string, words ...string) string {
		for _, w := range words {
			cookie += fmt.Sprintf("%d:%s", len(w), w)
		}
		return cookie + "e"
	}
	add(at(40001), engine, ng("1_1 d", "command", "offer", "call-id", "tls@example", "from-tag", "ft", "sdp", sdp("192.0.2.1", 6100)))
	add(engine, at(40001), ng("1_1 d", "result", "ok", "sdp", sdp("192.0.2.3", 30002)))
	add(at(40001), engine, ng("1_2 d", "command", "answer", "call-id", "tls@example", "from-tag", "ft", "to-tag", "tt", "sdp", sdp("192.0.2.4", 7100)))
	add(engine, at(40001), ng("1_2 d", "result", "ok", "sdp", sdp("192.0.2.3", 30000)))
	rtpproxy := netip.AddrPortFrom(engine.Addr(), 7722)
	add(at(40002), rtpproxy, "1_3 U old@example 192.0.2.1 6200 ft;1")
	add(rtpproxy, at(40002), "1_3 35000 192.0.2.3\n")
	for i := range 100 {
		voice := capturetest.RTPPacket(8, uint16(i), uint32(i)*160, 0xfeed, make([]byte, 160))
		data = append(data, capturetest.UDP(netip.MustParseAddrPort("192.0.2.1:6100"), netip.AddrPortFrom(engine.Addr(), 30000), voice))
		voice = capturetest.RTPPacket(8, uint16(i), uint32(i)*160, 0xbeef, make([]byte, 160))
		data = append(data, capturetest.UDP(netip.AddrPortFrom(engine.Addr(), 35000), netip.MustParseAddrPort("192.0.2.4:9000"), voice))
	}
	add(at(40001), engine, ng("1_4 d", "command", "delete", "call-id", "tls@example", "from-tag", "ft"))
	add(engine, at(40001), ng("1_4 d", "result", "ok"))
	return capturetest.Frames(start, 10*time.Millisecond, data...)
}

// besideEvents replays the traffic, and returns type, event and Call-ID of the
// records that are not SIP.
func besideEvents(t *testing.T, frames []capture.Frame, lines string) (events []string) {
	t.Helper()
	file := writeCapture(t, "beside.pcap", frames)
	out := heptap(t, nil, "replay", "-o", "-", "-config", write(t, "c.conf", lines), file).want(t, 0)
	for _, p := range heptap(t, []byte(out.stdout), "decode", "-").want(t, 0).lines(t) {
		if p.Type == 1 {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(*p.Payload), &m); err != nil {
			t.Errorf("%v: %s", err, *p.Payload)
		}
		id := p.Primary
		if name, rest, ok := strings.Cut(id, "-"); ok && !strings.Contains(id, "@") {
			id = name + "-" + rest[strings.LastIndex(rest, "-")+1:]
		}
		switch {
		case p.Type != 34:
			events = append(events, fmt.Sprint(p.Type, " ", m["event"], " ", id))
		case m["TYPE"] == "FINAL":
			events = append(events, fmt.Sprint(p.Type, " ", p.Src, " ", id))
		}
	}
	return events
}

func TestReplayBeside(t *testing.T) {
	const logs = "100 kamailio: info seen@example"
	const cron = "100 cron: info log@sbc1"
	lookups := []string{"53 DNS SRV _sip._udp.example.com dns-0", "53 DNS SRV _sip._udp.example.com: Non-Existent Domain dns-0"}
	command := []string{"87 MI uptime mi-1", "87 MI uptime ok mi-1", "87 MI ul_dump mi-2", "87 MI ul_dump ok mi-2"}
	control := []string{"100 NG offer tls@example", "100 NG offer ok tls@example", "100 NG answer tls@example", "100 NG answer ok tls@example",
		"100 rtpproxy update old@example", "100 rtpproxy update ok old@example", "100 NG delete tls@example", "100 NG delete ok tls@example"}
	media := []string{"34 192.0.2.1:6100 tls@example", "34 192.0.2.3:35000 old@example"}
	join := func(parts ...any) (all []string) {
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				all = append(all, p)
			case []string:
				all = append(all, p...)
			}
		}
		return all
	}
	for _, tt := range []struct {
		name, lines string
		want        []string
	}{
		{"default", "", join(logs, lookups, command, control, media)},
		{"all logs", "set records log all\n", join(logs, cron, lookups, command, control, media)},
		{"no logs", "set records log off\n", join(lookups, command, control, media)},
		{"only logs", "set records ng off\nset records dns off\nset records mi off\n", join(logs)},
		{"filtered", "set records mi-filter opensips \"w: dr_reload\"\nset records dns off\n", join(logs, control, media)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := besideEvents(t, besideTraffic(), tt.lines)
			sort.Strings(got) // replies to commands are told late
			sort.Strings(tt.want)
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Real lines of rsyslog and logger, and of many devices: there is a record of
// every one, over UDP and TCP, but for six of the first file that are mirrored
// copies.
func TestReplayCapturedLogs(t *testing.T) {
	dir := capturetest.Captures(t)
	for file, want := range map[string]int{"ntop+nDPI/syslog.pcap": 78, "made-here/syslog.pcap": 6, "zeek+zeek/tcp-syslog-nontransparent.pcap": 2, "zeek+zeek/syslog-missing-pri.pcap": 1} {
		out := heptap(t, nil, "replay", "-o", "-", "-config", write(t, "c.conf", "set records log all\n"), dir+"/"+file).want(t, 0)
		n := 0
		for _, p := range heptap(t, []byte(out.stdout), "decode", "-").want(t, 0).lines(t) {
			if p.Type == 100 && p.Primary != "" {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d records, want %d", file, n, want)
		}
	}
}
