package main

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
)

// marker is what every secret in the seeds is, or contains. It may be in no
// record that is not SIP as it was.
const marker = "Zq7MarkerX4"

// markers are the forms in which it could come out: also in base64, where it
// begins at each of the three places of an octet in a group.
func markers() (all [][]byte) {
	all = append(all, []byte(strings.ToLower(marker)))
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), marker...))
		all = append(all, bytes.ToLower([]byte(text[4:len(text)-4])))
	}
	return all
}

// basic is the credentials of RFC 7617.
func basic() string { return base64.StdEncoding.EncodeToString([]byte("admin:" + marker)) }

var (
	hostileProxy = netip.MustParseAddrPort("192.0.2.2:5060")
	hostilePhone = netip.MustParseAddrPort("192.0.2.1:5060")
	hostilePeer  = netip.MustParseAddrPort("192.0.2.3:5060")
)

// proxyPort is a port of the SIP server.
func proxyPort(port uint16) netip.AddrPort { return netip.AddrPortFrom(hostileProxy.Addr(), port) }

// piece is what one end of a connection says at once; dir 0 is the client's.
type piece struct {
	dir  int
	text string
}

// talk is a connection from its handshake to its end.
func talk(client, server netip.AddrPort, pieces ...piece) [][]byte {
	ends := [2]netip.AddrPort{client, server}
	seq := [2]uint32{1000, 5000}
	send := func(dir int, flags uint8, payload string) []byte {
		t := capture.TCP{Seq: seq[dir], Ack: seq[1-dir], Flags: flags, Window: 60000}
		if flags&capture.FlagSYN != 0 {
			t.MSS = 1460
			if dir == 0 {
				t.Ack = 0
			}
		}
		seq[dir] += uint32(len(payload))
		if flags&(capture.FlagSYN|capture.FlagFIN) != 0 {
			seq[dir]++
		}
		return capturetest.TCP(ends[dir], ends[1-dir], t, []byte(payload), capturetest.IPID(uint16(seq[dir])))
	}
	const ack, push = capture.FlagACK, capture.FlagACK | capture.FlagPSH
	out := [][]byte{send(0, capture.FlagSYN, ""), send(1, capture.FlagSYN|ack, ""), send(0, ack, "")}
	for _, p := range pieces {
		out = append(out, send(p.dir, push, p.text))
	}
	return append(out, send(0, capture.FlagFIN|ack, ""), send(1, capture.FlagFIN|ack, ""), send(0, ack, ""))
}

// prologue is an answered call, after which its callee counts as a SIP server.
// The rest of a group comes before the call ends.
func prologue() (begin, end [][]byte) {
	ds := capturetest.SIPCall(capturetest.Call{Caller: hostilePhone, Callee: hostileProxy, CallerMedia: netip.MustParseAddrPort("192.0.2.1:6000"),
		CalleeMedia: proxyPort(7000), CallID: "hostile-call@example.com"})
	for i, d := range ds {
		b := capturetest.UDP(d.Src, d.Dst, d.Payload, capturetest.IPID(uint16(i)))
		if i < 5 {
			begin = append(begin, b)
		} else {
			end = append(end, b)
		}
	}
	return begin, end
}

// hostileSeeds are frames by what they are about, each with the prologue around
// them. Every secret in them is the marker, at a place where a reader can know
// that it is one.
func hostileSeeds(t testing.TB) map[string][]capture.Frame {
	begin, end := prologue()
	seeds := map[string][]capture.Frame{}
	for name, data := range map[string][][]byte{
		"sip": nil, "media": seedMedia(), "syslog": seedSyslog(), "ng": seedNG(), "mi datagrams": seedMI(), "ami": seedAMI(), "esl": seedESL(), "binrpc": seedBinRPC(),
		"rest": seedREST(), "mi http": seedWebMI(), "websocket": seedWebSocket(), "isup": seedISUP(), "dns": seedDNS(), "tls": seedTLS(t), "b2bua": seedLegs(),
		"tcp": seedTCP(),
	} {
		all := append(append(append([][]byte{}, begin...), data...), end...)
		seeds[name] = capturetest.Frames(start, 7*time.Millisecond, all...)
	}
	return seeds
}

func seedMedia() (out [][]byte) {
	a, b := netip.MustParseAddrPort("192.0.2.1:6000"), proxyPort(7000)
	for i := range 60 {
		voice := capturetest.RTPPacket(8, uint16(i), uint32(i)*160, 0xfeed, make([]byte, 20))
		out = append(out, capturetest.UDP(a, b, voice), capturetest.UDP(b, a, capturetest.RTPPacket(8, uint16(i), uint32(i)*160, 0xbeef, make([]byte, 20))))
	}
	at := func(p netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(p.Addr(), p.Port()+1) }
	return append(out, capturetest.UDP(at(a), at(b), capturetest.RTCPPacket(0xfeed, 1<<40, 9600, 60, 1200, "alice@\"pc\\33\x00")))
}

func seedSyslog() (out [][]byte) {
	logs := netip.MustParseAddrPort("192.0.2.20:514")
	lines := []string{
		"<134>Nov 14 22:13:20 sbc1 kamailio[7]: INFO: callid=hostile-call@example.com password=" + marker,
		`<134>1 2026-11-14T22:13:20Z sbc1 app 7 ID47 [auth@1 user="a" password="` + marker + `" x="y\]"] callid=hostile-call@example.com {"api_key":"` + marker + `"}`,
		"<134>Nov 14 22:13:20 sbc1 nginx: hostile-call@example.com GET https://u:" + marker + "@h.example.com/?token=" + marker + "&x=1",
		"<134>Nov 14 22:13:20 sbc1 asterisk[9]: [C-0000002a] hostile-call@example.com Authorization: Digest username=\"a\", response=\"" + marker + "\"",
		"<134>Nov 14 22:13:20 sbc1 asterisk[9]: [C-0000002a] Authorization: Bearer " + marker,
		"<134>Nov 14 22:13:20 sbc1 rtpengine[3]: [hostile-call@example.com]: a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + marker + marker + "|2^20",
		"<134>Nov 14 22:13:20 sbc1 app: Proxy-Authorization: Basic " + basic(),
		"<134>Nov 14 22:13:20 sbc1 app: <user><password>" + marker + "</password></user> \x00\xff \xe2\x82",
	}
	for _, l := range lines {
		out = append(out, capturetest.UDP(proxyPort(40514), logs, []byte(l)))
	}
	var pieces []piece
	for _, l := range lines {
		pieces = append(pieces, piece{0, fmt.Sprintf("%d %s", len(l), l)})
	}
	out = append(out, talk(proxyPort(40515), logs, pieces...)...)
	pieces = nil
	for _, l := range lines[:7] {
		pieces = append(pieces, piece{0, l + "\n"})
	}
	return append(out, talk(proxyPort(40516), logs, pieces...)...)
}

func seedSDP(port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nk=clear:%s\r\nm=audio %d RTP/SAVP 8\r\n"+
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^20|1:32\r\na=ice-pwd:%s\r\na=ice-ufrag:abcd\r\n", marker, port, marker+marker, marker+marker)
}

func bencode(cookie string, words ...string) string {
	b := cookie + " d"
	for _, w := range words {
		b += fmt.Sprintf("%d:%s", len(w), w)
	}
	return b + "e"
}

func seedNG() (out [][]byte) {
	engine := netip.MustParseAddrPort("192.0.2.3:2223")
	exchange := func(id string) []piece {
		return []piece{
			{0, bencode(id+"_1", "command", "offer", "call-id", "hostile-call@example.com", "from-tag", "ft", "sdp", seedSDP(6100))},
			{1, bencode(id+"_1", "result", "ok", "sdp", seedSDP(30000))},
			{0, bencode(id+"_2", "command", "answer", "call-id", "ng-only@example.com", "from-tag", "ft", "to-tag", "tt", "sdp", seedSDP(6102))},
			{1, bencode(id+"_2", "result", "error", "error-reason", "Unknown call \x00\xff\"\\")},
			{0, bencode(id+"_3", "command", "delete", "call-id", "hostile-call@example.com", "from-tag", "ft", "password", marker)},
			{1, bencode(id+"_3", "result", "ok")},
			{0, id + `_4 {"command":"offer","call-id":"json@example.com","from-tag":"f","sdp":"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:` + marker + `\r\n"}`},
		}
	}
	for _, p := range exchange("1") {
		src, dst := proxyPort(40001), engine
		if p.dir == 1 {
			src, dst = dst, src
		}
		out = append(out, capturetest.UDP(src, dst, []byte(p.text)))
	}
	out = append(out, talk(proxyPort(40002), engine, exchange("2")...)...)
	rtpproxy := netip.MustParseAddrPort("192.0.2.3:7722")
	return append(out, capturetest.UDP(proxyPort(40003), rtpproxy, []byte("9_1 Uc8 hostile-call@example.com 192.0.2.1 6200 ft;1")),
		capturetest.UDP(rtpproxy, proxyPort(40003), []byte("9_1 35000 192.0.2.3\n")))
}

const rpcPassword = `{"jsonrpc":"2.0","method":"%s","params":["l","u","d","ru","rd","realm","user","` + marker + `","proxy"],"id":%d}`

func seedMI() (out [][]byte) {
	tool := netip.MustParseAddrPort("192.0.2.9:50000")
	ask := func(port uint16, q, a string) {
		out = append(out, capturetest.UDP(tool, proxyPort(port), []byte(q)), capturetest.UDP(proxyPort(port), tool, []byte(a)))
	}
	ask(8080, fmt.Sprintf(rpcPassword, "uac.reg_add", 1), `{"jsonrpc":"2.0","result":{"password":"`+marker+`"},"id":1}`)
	ask(8080, `{"jsonrpc":"2.0","method":"dlg.profile","params":{"callid":"hostile-call@example.com","auth_password":"`+marker+`"},"id":2}`, `{"jsonrpc":"2.0","result":{"a":[1,{"secret":"`+marker+`"}]},"id":2}`)
	ask(8081, ":uptime:\n", "200 OK\nUp since:: 12\n")
	ask(8081, ":dr_reload:fifo\npassword="+marker+"\n", "500 failed\npassword:: "+marker+"\n")
	ask(8082, "["+fmt.Sprintf(rpcPassword, "core.uptime", 3)[:40]+`,"params":[],"id":3},{"jsonrpc":"2.0","method":"get_statistics","params":{"password":"`+marker+`"},"id":4}]`,
		`[{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"},"id":3}]`)
	return out
}

func seedAMI() [][]byte {
	return talk(netip.MustParseAddrPort("192.0.2.9:50001"), proxyPort(5038),
		piece{1, "Asterisk Call Manager/5.0.2\r\n"},
		piece{0, "Action: Login\r\nActionID: 1\r\nUsername: admin\r\nSecret: " + marker + "\r\n\r\n"},
		piece{1, "Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"},
		piece{0, "Action: Originate\r\nActionID: 2\r\nChannel: PJSIP/7\r\nVariable: PASSWORD=" + marker + ",x=hostile-call@example.com\r\n\r\n"},
		piece{1, "Response: Error\r\nActionID: 2\r\nMessage: no\r\n\r\n"},
		piece{0, "Action: Command\r\nActionID: 3\r\nCommand: database put trunk secret " + marker + "\r\n\r\n"},
		piece{1, "Response: Success\r\nActionID: 3\r\nOutput: " + marker + "\r\nOutput: two\r\n\r\n"},
		piece{0, "Action: Getvar\r\nActionID: 4\r\nVariable: SIP_AUTH_PASSWORD\r\n\r\n"},
		piece{1, "Response: Success\r\nActionID: 4\r\nVariable: SIP_AUTH_PASSWORD\r\nValue: " + marker + "\r\n\r\n"})
}

func seedESL() [][]byte {
	return talk(netip.MustParseAddrPort("192.0.2.9:50002"), proxyPort(8021),
		piece{1, "Content-Type: auth/request\n\n"},
		piece{0, "auth " + marker + "\n\n"},
		piece{1, "Content-Type: command/reply\nReply-Text: +OK accepted\n\n"},
		piece{0, "api status\n\n"},
		piece{1, "Content-Type: api/response\nContent-Length: 3\n\n+OK"},
		piece{0, "bgapi originate {sip_auth_password=" + marker + "}sofia/gateway/x 7 &park\n\n"},
		piece{1, "Content-Type: command/reply\nReply-Text: +OK Job-UUID: 0d7fe0d6-b0e9-4d3b-8d3f-3a0c9f4a0b11\nJob-UUID: 0d7fe0d6-b0e9-4d3b-8d3f-3a0c9f4a0b11\n\n"},
		piece{0, "userauth admin:" + marker + "\n\n"},
		piece{1, "Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"})
}

// rpc is a packet of binrpc with strings.
func rpc(flags byte, cookie uint32, strs ...string) string {
	var body []byte
	for _, s := range strs {
		body = append(body, 0x91, byte(len(s)+1))
		body = append(append(body, s...), 0)
	}
	b := []byte{0xa1, flags<<4 | 3, byte(len(body))}
	return string(append(binary.BigEndian.AppendUint32(b, cookie), body...))
}

func seedBinRPC() [][]byte {
	return talk(netip.MustParseAddrPort("192.0.2.9:50003"), proxyPort(2049),
		piece{0, rpc(0, 7, "core.version")}, piece{1, rpc(1, 7, "kamailio 5.6.3")},
		piece{0, rpc(0, 8, "uac.reg_add", "l", "u", marker)}, piece{1, rpc(1, 8, marker)},
		piece{0, rpc(0, 9, "cfg.set", "auth", "password", marker)}, piece{1, rpc(3, 9, "no")})
}

func seedREST() (out [][]byte) {
	db := netip.MustParseAddrPort("192.0.2.30:8080")
	post := func(typ, body string) string {
		return fmt.Sprintf("POST /v1/route?apikey=%s HTTP/1.1\r\nHost: db\r\nX-Call-ID: hostile-call@example.com\r\nAuthorization: Basic %s\r\nCookie: session=%s\r\n"+
			"X-Auth-Token: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", marker, basic(), marker, marker, typ, len(body), body)
	}
	reply := func(extra, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: id=%s; Path=/\r\nWWW-Authenticate: Digest nonce=\"%s\"\r\n%sContent-Length: %d\r\n\r\n%s", marker, marker, extra, len(body), body)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(`{"callid":"hostile-call@example.com","client_secret":"` + marker + `"}`))
	z.Close()
	form := "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n" + marker + "\r\n--b--\r\n"
	json := `{"callid":"hostile-call@example.com","auth":{"password":"` + marker + `","x":[1,2]},"token":"` + marker + `"}`
	return talk(proxyPort(41000), db,
		piece{0, "GET /lrn/49301?token=" + marker + " HTTP/1.1\r\nHost: db\r\nAuthorization: Bearer " + marker + "\r\nX-Request-ID: 1\r\n\r\n"},
		piece{1, reply("Content-Type: application/json\r\n", json)},
		piece{0, post("application/json", json)},
		piece{1, "HTTP/1.1 100 Continue\r\n\r\n"},
		piece{1, reply("Content-Encoding: gzip\r\nContent-Type: application/json\r\n", zipped.String())},
		piece{0, post("application/x-www-form-urlencoded", "user=a&password="+marker+"&call=hostile-call@example.com")},
		piece{1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/xml\r\n\r\n10\r\n<password>" + marker[:6] + "\r\n16\r\n" + marker[6:] + "</password><a/>12\r\n0\r\n\r\n"},
		piece{0, post("multipart/form-data; boundary=b", form)},
		piece{1, "HTTP/1.1 401 Unauthorized\r\nLocation: https://u:" + marker + "@h/\r\nContent-Length: 0\r\n\r\n"})
}

func seedWebMI() [][]byte {
	post := func(path, typ, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: p\r\nAuthorization: Basic %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, basic(), typ, len(body), body)
	}
	reply := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	return talk(netip.MustParseAddrPort("192.0.2.9:50004"), proxyPort(8888),
		piece{0, post("/mi", "application/json", fmt.Sprintf(rpcPassword, "uac.reg_add", 1))},
		piece{1, reply(`{"jsonrpc":"2.0","result":{"password":"` + marker + `"},"id":1}`)},
		piece{0, post("/RPC", "text/xml", `<?xml version="1.0"?><methodCall><methodName>dlg_list</methodName><params><param><value><struct><member><name>password</name><value><string>`+
			marker+`</string></value></member></struct></value></param></params></methodCall>`)},
		piece{1, reply(`<methodResponse><params><param><value><struct><member><name>secret</name><value>` + marker + `</value></member></struct></value></param></params></methodResponse>`)},
		piece{0, "GET /json/get_statistics?params=all&password=" + marker + " HTTP/1.1\r\nHost: p\r\n\r\n"},
		piece{1, reply(`{"secret":"` + marker + `"}`)},
		piece{0, "GET /mi/core/ps?arg=password%3D" + marker + " HTTP/1.1\r\nHost: p\r\n\r\n"},
		piece{1, reply("x")})
}

func seedWebSocket() [][]byte {
	ds := capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("192.0.2.40:45000"), Callee: hostileProxy, CallerMedia: netip.MustParseAddrPort("192.0.2.40:6000"),
		CalleeMedia: proxyPort(7100), CallID: "ws-call@example.com"})
	frame := func(masked bool, text []byte) string {
		b := []byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}
		if masked {
			b[1] |= 0x80
			b = append(b, 0, 0, 0, 0)
		}
		return string(append(b, text...))
	}
	pieces := []piece{
		{0, "GET /ws?access_token=" + marker + " HTTP/1.1\r\nHost: p.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\nCookie: session=" + marker + "\r\nAuthorization: Basic " + basic() + "\r\nOrigin: https://u:" + marker + "@o/\r\n\r\n"},
		{1, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\nSet-Cookie: a=" + marker + "\r\n\r\n"},
	}
	for _, d := range ds {
		dir := 0
		if d.Src == hostileProxy {
			dir = 1
		}
		pieces = append(pieces, piece{dir, frame(dir == 0, d.Payload)})
	}
	return talk(netip.MustParseAddrPort("192.0.2.40:45000"), proxyPort(80), pieces...)
}

func seedTCP() [][]byte {
	ds := capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("192.0.2.41:45000"), Callee: hostileProxy, CallerMedia: netip.MustParseAddrPort("192.0.2.41:6000"),
		CalleeMedia: proxyPort(7200), CallID: "tcp-call@example.com"})
	var pieces []piece
	for _, d := range ds {
		dir := 0
		if d.Src == hostileProxy {
			dir = 1
		}
		pieces = append(pieces, piece{dir, string(d.Payload)})
	}
	return talk(netip.MustParseAddrPort("192.0.2.41:45000"), hostileProxy, pieces...)
}

func seedISUP() (out [][]byte) {
	a, b := netip.MustParseAddrPort("192.0.2.50:2905"), netip.MustParseAddrPort("192.0.2.51:2905")
	m3ua := func(opc, dpc uint32, msu string) []byte {
		size := 16 + len(msu)
		p := []byte{1, 0, 1, 1}
		p = binary.BigEndian.AppendUint32(p, uint32(8+(size+3)&^3))
		p = binary.BigEndian.AppendUint16(append(p, 2, 0x10), uint16(size))
		p = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(p, opc), dpc)
		p = append(append(p, 5, 2, 0, 7), msu...)
		return append(p, make([]byte, -size&3)...)
	}
	init := []byte{1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 5, 0, 5, 0, 0, 0, 1}
	out = append(out, capturetest.SCTP(a, b, 0, init))
	for i, msu := range []string{"\x01\x00\x01\x00\x20\x01\x0a\x00\x02\x00\x04\x04\x10\x94", "\x01\x00\x06\x00\x00\x00", "\x01\x00\x09\x00", "\x01\x00\x0c\x02\x00\x02\x80\x90",
		"\x01\x00\x10\x00", "\x01\x00\x17\x01\x01\x1f", "\x01\x00\xfa\x01\x02"} {
		src, dst, opc, dpc := a, b, uint32(101), uint32(202)
		if i%2 == 1 {
			src, dst, opc, dpc = b, a, dpc, opc
		}
		out = append(out, capturetest.SCTP(src, dst, 9, capturetest.SCTPData(3, uint32(i/2+1), 1, uint16(i/2), 3, m3ua(opc, dpc, msu))))
	}
	body := "\x01\x00\x20\x01\x0a\x00\x02\x00\x04\x04\x10\x94"
	invite := fmt.Sprintf("INVITE sip:a@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:b@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: isup@example.com\r\nCSeq: 1 INVITE\r\n"+
		"Authorization: Digest response=\"%s\"\r\nContent-Type: application/ISUP;version=itu-t92+\r\nContent-Length: %d\r\n\r\n%s", marker, len(body), body)
	return append(out, capturetest.UDP(hostilePhone, hostileProxy, []byte(invite)))
}

func seedDNS() (out [][]byte) {
	resolver := netip.MustParseAddrPort("192.0.2.53:53")
	question := "\x90\x01%s\x00\x01\x00\x00\x00\x00\x00\x00\x04_sip\x04_udp\x07ex\"\x00\\\xffe\x03com\x00\x00\x21\x00\x01"
	q, a := fmt.Sprintf(question, "\x01\x00"), fmt.Sprintf(question, "\x81\x83")
	out = append(out, capturetest.UDP(proxyPort(40053), resolver, []byte(q)), capturetest.UDP(resolver, proxyPort(40053), []byte(a)))
	counted := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	return append(out, talk(proxyPort(40054), resolver, piece{0, counted(q)}, piece{1, counted(a)})...)
}

func seedTLS(t testing.TB) (out [][]byte) {
	cast := tlstalk.NewCast(t)
	for i, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var pieces []piece
		for _, e := range tlstalk.Converse(cast.Client(v), cast.Serve(v)) {
			if len(e.Octets) > 0 {
				pieces = append(pieces, piece{e.Dir, string(e.Octets)})
			}
		}
		out = append(out, talk(netip.AddrPortFrom(hostilePhone.Addr(), uint16(42000+i)), proxyPort(5061), pieces...)...)
	}
	return out
}

// seedLegs is a call through a B2BUA, which tells the first leg's Call-ID.
func seedLegs() (out [][]byte) {
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: hostileProxy, Callee: hostilePeer, CallerMedia: proxyPort(7300), CalleeMedia: netip.MustParseAddrPort("192.0.2.3:7400"),
		CallID: "second-leg@example.com"}) {
		text := strings.Replace(string(d.Payload), "CSeq:", "X-CID: hostile-call@example.com\r\nSession-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\r\nCSeq:", 1)
		out = append(out, capturetest.UDP(d.Src, d.Dst, []byte(text)))
	}
	return out
}
