package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/hep"
)

// reservedNames are those that Homer's server or application gives the members of a row
// (homer-app and heplify-server; a payload's member of that name fails the handler).
var reservedNames = map[string]bool{"id": true, "sid": true, "create_date": true, "raw": true, "node": true, "dbnode": true, "profile": true, "srcIp": true, "dstIp": true,
	"srcPort": true, "dstPort": true, "protocol": true, "protocolFamily": true, "timeSeconds": true, "timeUseconds": true, "payloadType": true, "captureId": true,
	"capturePass": true, "correlation_id": true}

// trial is one replay of hostile frames, and what is asserted of it.
type trial struct {
	t       testing.TB
	secrets bool // frames are whole: no secret may come out
	homer7  *export.Profile
	seq     uint64
	frame   []byte
	records int
	types   map[string]int
	said    map[string]bool // what was reported already
	about   string
}

// hostileConfig has everything on and little room.
func hostileConfig() config.Config {
	cfg := config.Default()
	cfg.System.Node = "test"
	cfg.Records.Log, cfg.Records.REST, cfg.Records.RESTBodies = config.LogAll, config.RESTAll, true
	cfg.Records.RESTHeaders = "Authorization,Cookie,Set-Cookie,X-Auth-Token,X-Request-ID,Location,WWW-Authenticate"
	cfg.Media.Unknown = true
	return cfg
}

// small makes the tables so small that they run over.
func small(cfg *config.Config) {
	cfg.Media.Streams, cfg.Calls.Max, cfg.Streams.Connections, cfg.Streams.Memory, cfg.Decode.FragmentMemory = 64, 16, 32, 256<<10, 64<<10
}

// try replays frames and asserts what holds whatever they are.
func try(t testing.TB, cfg config.Config, frames []capture.Frame, secrets bool, about string) *trial {
	t.Helper()
	h7, err := export.New("homer7", export.Options{Node: "test", AgentID: 2001, Inferred: true})
	if err != nil {
		t.Fatal(err)
	}
	x := &trial{t: t, secrets: secrets, homer7: h7, about: about, said: map[string]bool{}, types: map[string]int{}}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s: panic: %v\n%s", about, p, debug.Stack())
		}
	}()
	// Far more than any trial needs on the slowest machine: it only ends one that
	// would never end.
	watch := time.AfterFunc(4*time.Minute, func() {
		debug.SetTraceback("all")
		panic(about + ": does not end")
	})
	defer watch.Stop()
	source := capturetest.NewFakeSource(frames)
	source.Batch = 16
	var out bytes.Buffer
	sum, err := replay(context.Background(), cfg, &out, []string{"hostile"}, source, x.take)
	if err != nil {
		x.errorf("%v", err)
		return x
	}
	x.law(sum, out.Bytes(), len(frames))
	return x
}

func (x *trial) errorf(format string, args ...any) {
	x.t.Helper()
	if text := fmt.Sprintf(format, args...); !x.said[text[:min(len(text), 24)]] { // one of a kind is enough
		x.said[text[:min(len(text), 24)]] = true
		x.t.Errorf("%s: %s", x.about, text)
	}
}

// law asserts the sums of the summary.
func (x *trial) law(s *replaySummary, out []byte, frames int) {
	x.t.Helper()
	var dropped, carried, sip, records uint64
	for _, n := range s.Dropped {
		dropped += n
	}
	for _, n := range s.Protocols {
		carried += n
	}
	for _, n := range s.SIPOver {
		sip += n
	}
	for _, n := range s.Records {
		records += n
	}
	if s.Frames != uint64(frames) || s.Frames != s.Decoded+dropped {
		x.errorf("%d frames, %d read, %d decoded, %d dropped %v", frames, s.Frames, s.Decoded, dropped, s.Dropped)
	}
	if carried += s.Segments + s.SCTP + s.Fragments; carried != s.Decoded {
		x.errorf("%d decoded, %d by what they carry", s.Decoded, carried)
	}
	if sip != s.SIP+s.SIPMalformed+s.CopiedSIP {
		x.errorf("SIP over %v, %d messages, %d malformed, %d copies", s.SIPOver, s.SIP, s.SIPMalformed, s.CopiedSIP)
	}
	if records != s.HEPPackets+s.Unsent || records != uint64(x.records) || s.Unsent > 0 {
		x.errorf("%d records, %d HEP packets, %d unsent, %d delivered", records, s.HEPPackets, s.Unsent, x.records)
	}
	in, n := hep.NewReader(bytes.NewReader(out)), uint64(0)
	for ; ; n++ {
		frame, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			x.errorf("output: %v", err)
			return
		}
		v, err := hep.Parse(frame)
		if err != nil {
			x.errorf("output: %v", err)
			return
		}
		if !v.Src().IsValid() || !v.Dst().IsValid() || v.Wall() == 0 || v.AgentID() != 2001 || len(v.Payload()) == 0 || v.Type() != 1 && len(v.Correlation()) == 0 {
			x.errorf("type %d: from %v to %v at %d, id %q, payload %q", v.Type(), v.Src(), v.Dst(), v.Wall(), v.Correlation(), v.Payload())
		}
		x.frameOK(v)
	}
	if n != s.HEPPackets {
		x.errorf("%d HEP packets, the summary says %d", n, s.HEPPackets)
	}
}

// take asserts what holds for every record.
func (x *trial) take(r *record.Record) {
	x.records++
	x.types[r.Type.String()]++
	if r.Type != record.SIP {
		x.payload(r.Type.String(), r.Payload)
		x.noSecret(r.Type.String(), r.Payload)
	}
	for _, l := range r.Links {
		if len(l.ID) == 0 {
			x.errorf("%v %q: an empty link", r.Type, r.Primary)
		}
	}
	b, err := r.AppendBinary(nil)
	if err != nil {
		x.errorf("%v %q: %v", r.Type, r.Primary, err)
		return
	}
	x.seq++
	record.Seal(b, x.seq, 0, [16]byte{})
	if x.frame, err = x.homer7.Encode(x.frame[:0], b); err != nil {
		x.errorf("%v %q, %d octets, in homer7: %v", r.Type, r.Primary, len(r.Payload), err)
		return
	}
	for rest := x.frame; len(rest) > 0; rest = rest[export.First(rest):] {
		v, err := hep.Parse(rest[:export.First(rest)])
		if err != nil {
			x.errorf("%v %q in homer7: %v", r.Type, r.Primary, err)
			return
		}
		x.frameOK(v)
		switch v.Type() {
		case 1:
			if len(v.Payload()) == 0 {
				x.errorf("SIP without a message in homer7")
			}
		case 5, 34, 54, 100:
			x.payload(fmt.Sprintf("homer7 %d", v.Type()), v.Payload())
			if id := v.Correlation(); len(id) == 0 || !utf8.Valid(id) || bytes.ContainsFunc(id, func(r rune) bool { return r < ' ' }) {
				x.errorf("homer7 type %d under the id %q: %s", v.Type(), id, v.Payload())
			}
		default:
			x.errorf("type %d in homer7", v.Type())
		}
	}
}

// frameOK asserts what holds for every HEP packet.
func (x *trial) frameOK(v hep.View) {
	if extra := v.Extra(); len(extra) > 0 && !json.Valid(extra) {
		x.errorf("type %d: chunk 0x65 is no JSON: %q", v.Type(), extra)
	}
	if v.Type() == 1 {
		return
	}
	x.noSecret(fmt.Sprintf("HEP %d", v.Type()), v.Frame())
}

func (x *trial) noSecret(what string, b []byte) {
	if !x.secrets {
		return
	}
	low := bytes.ToLower(b)
	for _, m := range markers() {
		if at := bytes.Index(low, m); at >= 0 {
			x.errorf("%s shows a secret: %q", what, b[max(0, at-200):min(len(b), at+100)])
			return
		}
	}
}

// payload asserts that b is one object that Homer and PostgreSQL take.
func (x *trial) payload(what string, b []byte) {
	if bytes.IndexByte(b, 0) >= 0 || bytes.Contains(b, []byte(`\u0000`)) && !bytes.Contains(b, []byte(`\\u0000`)) {
		x.errorf("%s has a NUL: %q", what, b)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		x.errorf("%s is no object: %v, %q", what, err, b)
		return
	}
	seen := map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		name, ok := tok.(string)
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil || !ok {
			x.errorf("%s is no JSON: %v, %q", what, err, b)
			return
		}
		// A question's own id is called so by heplify, whose object that is.
		if reservedNames[name] && !(name == "id" && seen["event"] && bytes.Contains(b, []byte(`"opcode":`))) {
			x.errorf("%s has a member %q: %s", what, name, b)
		}
		if seen[name] {
			x.errorf("%s has two members %q: %s", what, name, b)
		}
		seen[name] = true
		if (name == "event" || name == "method" || name == "msg_name") && value[0] != '"' && !strings.HasSuffix(what, "54") && what != "isup" {
			x.errorf("%s: %q is no text: %s", what, name, b)
		}
	}
	if !json.Valid(b) {
		x.errorf("%s is no JSON: %q", what, b)
	}
}

// FuzzPipeline runs the whole pipeline over any frames, changed as a program
// says. Whatever they are, every record can be read and stored, the sums hold, and
// where no octet of the seeds was changed none of their secrets comes out.
func FuzzPipeline(f *testing.F) {
	whole := map[uint64]bool{}
	seeds := hostileSeeds(f)
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		frames := seeds[name]
		maps.Copy(whole, sums(frames))
		f.Add(packFrames(frames), []byte{})
		f.Add(packFrames(frames), []byte{6, 4, 0, 40, 6, 6, 1, 90, 0, 5, 0, 0, 5, 6, 0, 7})
		f.Add(packFrames(frames), []byte{3, 7, 0, 12, 4, 5, 0, 99, 1, 6, 0, 14, 8, 4, 0, 0})
	}
	f.Fuzz(func(t *testing.T, packed, program []byte) {
		frames := unpackFrames(packed)
		intact := true
		for sum := range sums(frames) {
			intact = intact && whole[sum]
		}
		m := mutator{frames: frames}
		m.run(program)
		cfg := hostileConfig()
		small(&cfg)
		try(t, cfg, m.frames, intact && !m.spoilt, "fuzz")
	})
}

// TestHostileSeeds replays each seed as it is, all of them in one, and each
// changed at random.
func TestHostileSeeds(t *testing.T) {
	seeds := hostileSeeds(t)
	var all []capture.Frame
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		x := try(t, hostileConfig(), seeds[name], true, name)
		if x.records < 7 {
			t.Errorf("%s: %d records", name, x.records)
		}
		t.Log(name, x.types)
		all = append(all, seeds[name]...)
	}
	slices.SortStableFunc(all, func(a, b capture.Frame) int { return int(a.Wall - b.Wall) })
	try(t, hostileConfig(), all, true, "all in one")
	from, n := hostileRounds(t)
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		for seed := range 4 * n {
			shake(t, seeds[name], true, name, 4*from+seed)
		}
	}
}

// shake replays frames changed at random: those of even seeds without changing an
// octet, so that secrets can be looked for.
func shake(t testing.TB, frames []capture.Frame, secrets bool, name string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := mutator{frames: slices.Clone(frames)}
	kinds := byte(9)
	if seed%2 == 1 {
		kinds = 12
	}
	for range 1 + r.IntN(12+len(frames)/8) {
		if len(m.frames) > 0 {
			m.step(byte(r.IntN(int(kinds))), r.IntN(1<<15), r.IntN(256), r.IntN(256))
		}
	}
	cfg := hostileConfig()
	if seed%3 == 0 {
		small(&cfg)
	}
	try(t, cfg, m.frames, secrets && !m.spoilt, fmt.Sprintf("%s, seed %d", name, seed))
}

// hostileRounds says which random changes are made: 1, or as many as
// HEPTAP_HOSTILE says, from HEPTAP_HOSTILE_FROM on.
func hostileRounds(t testing.TB) (from, n uint64) {
	n = 1
	for name, to := range map[string]*uint64{"HEPTAP_HOSTILE": &n, "HEPTAP_HOSTILE_FROM": &from} {
		if s := os.Getenv(name); s != "" {
			var err error
			if *to, err = strconv.ParseUint(s, 10, 32); err != nil {
				t.Fatal(err)
			}
		}
	}
	return from, n
}

// TestHostileCaptures changes the shared captures, and mixes of slices of several
// behind a call, so that hosts count as SIP servers.
func TestHostileCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	first, rounds := hostileRounds(t)
	var slicesOf [][]capture.Frame
	for _, file := range files {
		frames := frontOf(t, filepath.Join(dir, file), 600)
		if len(frames) == 0 {
			continue
		}
		for seed := first; seed < first+rounds; seed++ {
			shake(t, frames, false, file, 2*seed+1)
		}
		slicesOf = append(slicesOf, frames[:min(len(frames), 60)])
	}
	begin, _ := prologue()
	runtime.GC()
	for seed := first; seed < first+20*rounds; seed++ {
		r := rand.New(rand.NewPCG(seed, 2))
		mix := capturetest.Frames(start, time.Millisecond, begin...)
		for range 3 + r.IntN(6) {
			mix = append(mix, slicesOf[r.IntN(len(slicesOf))]...)
		}
		base := start.UnixNano()
		order := r.Perm(len(mix) - len(begin))
		together := slices.Clone(mix[:len(begin)])
		if seed%2 == 0 { // one after the other
			slices.Sort(order)
		}
		for i, k := range order {
			f := mix[len(begin)+k]
			f.Wall = base + int64(i+len(begin))*int64(3*time.Millisecond)
			f.Mono = f.Wall
			together = append(together, f)
		}
		shake(t, together, false, "mix", seed)
	}
}

// frontOf reads the front of a file.
func frontOf(t testing.TB, path string, most int) (out []capture.Frame) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	batch := make([]capture.Frame, 16)
	for len(out) < most {
		n, err := r.Read(batch)
		for _, f := range batch[:n] {
			f.Data = bytes.Clone(f.Data)
			out = append(out, f)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s: %v", path, err)
			}
			break
		}
	}
	return out
}

// TestHostileLargest replays the largest of each kind, in octets that JSON writes in six
// each: every one of them still fits a HEP packet.
func TestHostileLargest(t *testing.T) {
	c, rep := netip.MustParseAddrPort("192.0.2.9:50000"), strings.Repeat
	whole := func(src, dst netip.AddrPort, text string) [][]byte {
		return capturetest.Fragments(capturetest.UDP(src, dst, []byte(text), capturetest.IPID(7)), 1400, 7)
	}
	spoken := func(client, server netip.AddrPort, pieces ...piece) (out [][]byte) {
		var small []piece
		for _, p := range pieces {
			for len(p.text) > 0 {
				n := min(1400, len(p.text))
				small = append(small, piece{p.dir, p.text[:n]})
				p.text = p.text[n:]
			}
		}
		return talk(client, server, small...)
	}
	sip := "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCSeq: 1 INVITE\r\nCall-ID: "
	body := rep("\x01", 40000)
	id := rep("\"\\", 100) + "@\x01"
	web := func(line, extra, body string) string {
		return line + "Host: " + rep("\x02", 400) + "\r\nContent-Type: application/json\r\nX-Call-ID: " + id + "\r\nX-Request-ID: " + rep("\"", 1200) +
			"\r\nX-Auth-Token: a\r\nLocation: " + rep("\x7f", 1500) + "\r\n" + extra + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	ids := func() (all string) { // as many and as long as there may be, each another one
		for i := range 32 {
			all += fmt.Sprintf("callid='%d%s' ", i, rep("\xff", 245))
		}
		return all
	}
	for name, data := range map[string][][]byte{
		"sip":          whole(c, hostileProxy, sip+id+"\r\n\r\n"+body),
		"sip id":       whole(c, hostileProxy, sip+rep("\"", 5000)+"\r\n\r\n"),
		"log":          whole(proxyPort(4000), proxyPort(514), "<134>Nov 14 22:13:20 "+rep("\"", 200)+" "+rep("\\", 200)+"["+rep("\"", 200)+"]: "+body),
		"log 5424":     whole(proxyPort(4000), proxyPort(514), "<134>1 2026-11-14T22:13:20Z "+rep("\"", 255)+" "+rep("\"", 48)+" "+rep("\"", 128)+" "+rep("\"", 32)+" [a b=\""+rep("\x01", 4000)+"\"] "+body),
		"log ids":      whole(proxyPort(4000), proxyPort(514), "<134>Nov 14 22:13:20 h x: "+ids()+body),
		"ng":           whole(proxyPort(4001), proxyPort(2223), bencode("1", "command", "offer", "call-id", rep("\x01", 250), "from-tag", rep("\x01", 4000), "sdp", body)),
		"rtpproxy":     append(whole(proxyPort(4001), proxyPort(7722), "1 U "+rep("\"", 300)+" 192.0.2.1 6000 "+rep("\"", 4000)+" "+rep("\"", 4000)), whole(proxyPort(7722), proxyPort(4001), "1 "+body)...),
		"mi":           append(whole(c, proxyPort(8080), `{"jsonrpc":"2.0","method":"`+rep(`\"`, 60)+`","params":["`+rep(`\u0001`, 8000)+`"],"id":"`+rep(`\"`, 60)+`"}`), whole(proxyPort(8080), c, `{"jsonrpc":"2.0","result":"`+rep(`\u0001`, 9000)+`","id":"`+rep(`\"`, 60)+`"}`)...),
		"mi lines":     append(whole(c, proxyPort(8080), ":"+rep("x", 100)+":\n"+rep("\"\\\x01\n", 9000)), whole(proxyPort(8080), c, "200 "+rep("\"", 1000)+"\n"+body)...),
		"ami":          spoken(c, proxyPort(5038), piece{1, "Asterisk Call Manager/5.0.2\r\n"}, piece{0, "Action: Originate\r\nActionID: 2\r\n" + rep("Variable: "+rep("\x01", 900)+"\r\n", 14) + "\r\n"}, piece{1, "Response: Success\r\nActionID: 2\r\n" + rep("Output: "+rep("\x01", 900)+"\r\n", 14) + "\r\n"}),
		"rest":         spoken(proxyPort(4002), netip.MustParseAddrPort("192.0.2.30:8080"), piece{0, web("POST /"+rep("\x01", 3000)+" HTTP/1.1\r\n", "", rep("\x01", 5000))}, piece{1, web("HTTP/1.1 200 "+rep("\x01", 1500)+"\r\n", "", rep("\"", 5000))}),
		"rest targets": spoken(proxyPort(4002), netip.MustParseAddrPort("192.0.2.30:8080"), piece{0, "GET /" + rep("\xff\"", 1800) + " HTTP/1.1\r\nHost: a\r\n\r\n"}, piece{1, "HTTP/1.1 500 \x00\r\nContent-Length: 0\r\n\r\n"}),
		"websocket":    spoken(c, proxyPort(80), piece{0, "GET /" + rep("\"", 3000) + " HTTP/1.1\r\nHost: p\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\nX: " + rep("\x01", 3000) + "\r\n\r\n"}, piece{1, "HTTP/1.1 403 " + rep("\x01", 3000) + "\r\nX: " + rep("\x01", 3000) + "\r\nContent-Length: 0\r\n\r\n"}),
		"isup":         whole(c, hostileProxy, sip+"1@a\r\nContent-Type: application/ISUP;version="+rep("\"", 200)+"\r\n\r\n\xfa"+rep("\x05\x01\x01", 80)+body),
		"dns":          whole(proxyPort(4003), proxyPort(53), "\x90\x01\x01\x00\x00\x01\x00\x80\x00\x00\x00\x00"+rep("\x3f"+rep("\x01", 63), 3)+"\x04_sip\x00\x00\x21\x00\x01"+rep("\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\xc0\x0c", 128)),
	} {
		begin, end := prologue()
		frames := capturetest.Frames(start, 2*time.Millisecond, slices.Concat(begin, data, end)...)
		x := try(t, hostileConfig(), frames, false, name)
		t.Log(name, x.types)
	}
}
