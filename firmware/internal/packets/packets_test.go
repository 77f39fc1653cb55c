package packets_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/pcapfile"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/privacy"
)

var (
	alice, bob           = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
	aliceMedia, bobMedia = netip.MustParseAddrPort("192.0.2.1:6000"), netip.MustParseAddrPort("192.0.2.2:7000")
	start                = time.Unix(1_700_000_000, 123_456_789)
)

// keep is what a ring worker does with a frame. Segments are all wanted.
func keep(w *packets.Writer, f *capture.Frame) {
	var p capture.Packet
	if reason := decode.Decode(f, &p); reason != capture.DropNone {
		w.Unread(f, &p, reason)
		return
	}
	switch {
	case p.Fragment.Valid:
		w.Fragment(f, &p)
	case p.Protocol == capture.ProtoUDP:
		proto := dissect.Datagram(&p, 0)
		if proto == capture.STUN || proto == capture.TURN {
			if inner := dissect.Unwrap(&p); inner != capture.Unknown {
				proto = inner
			}
		}
		w.Datagram(f, &p, proto)
	case p.Protocol == capture.ProtoTCP:
		w.Segment(f, &p, true)
	case p.Protocol == capture.ProtoSCTP:
		w.Chunks(f, &p)
	}
}

// held is a memory with these frames in it.
func held(data ...[]byte) *packets.Memory {
	m := packets.New(packets.Config{Bytes: 4 << 20, Workers: 1, Pins: 2, After: 10 * time.Second})
	w := m.Writer()
	for i, f := range capturetest.Frames(start, time.Millisecond, data...) {
		f.Mono = int64(i) * 1e6
		keep(w, &f)
	}
	w.Flush()
	return m
}

// locked are options for somebody without the right to see secrets.
func locked() packets.Options {
	return packets.Options{Program: "test", Ports: []string{"span0"}, Privacy: privacy.New(privacy.Options{Bodies: true, Credentials: true})}
}

// export writes a snapshot and returns the file and what Reader reads of it.
func export(t testing.TB, m *packets.Memory, pin int, o packets.Options) (file []byte, frames []capture.Frame, r packets.Result) {
	t.Helper()
	s, err := m.Snapshot(pin)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	var out bytes.Buffer
	if r, err = s.Write(&out, o); err != nil {
		t.Fatal(err)
	}
	frames = read(t, out.Bytes())
	if len(frames) != r.Frames || r.Octets != int64(out.Len()) {
		t.Fatalf("%d frames read, %d written; %d octets, %d written", len(frames), r.Frames, out.Len(), r.Octets)
	}
	return out.Bytes(), frames, r
}

func read(t testing.TB, file []byte) (all []capture.Frame) {
	t.Helper()
	in, err := pcapfile.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var frames [16]capture.Frame
	for {
		n, err := in.Read(frames[:])
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			f.Data = bytes.Clone(f.Data)
			all = append(all, f)
		}
	}
}

// tshark returns what tshark prints of a file, or skips the test.
func tshark(t testing.TB, file []byte, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command(path, append([]string{"-n", "-r", name}, args...)...)
	c.Stderr = &said
	b, err := c.Output()
	text := strings.TrimSpace(strings.ReplaceAll(said.String(), `Running as user "root" and group "root". This could be dangerous.`, ""))
	if err != nil || text != "" {
		t.Fatalf("tshark: %v: %s", err, text)
	}
	return string(b)
}

func rtp(n int) []byte {
	return capturetest.UDP(aliceMedia, bobMedia, capturetest.RTPPacket(8, uint16(n), uint32(160*n), 7, bytes.Repeat([]byte("SOUND"), 32)))
}

func message(body, contentType, headers string) []byte {
	return []byte("INFO sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@192.0.2.1>;tag=1\r\nTo: <sip:bob@192.0.2.2>;tag=2\r\nCall-ID: call-1\r\nCSeq: 2 INFO\r\n" + headers +
		"Content-Type: " + contentType + "\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body)
}

func itoa(n int) string { return string(binaryDigits(n)) }

func binaryDigits(n int) (out []byte) {
	for ; n > 0; n /= 10 {
		out = append([]byte{byte('0' + n%10)}, out...)
	}
	return out
}

// TestOnlyHeadersOfMedia looks at what is in the memory itself.
func TestOnlyHeadersOfMedia(t *testing.T) {
	event := capturetest.UDP(aliceMedia, bobMedia, capturetest.RTPPacket(101, 1, 160, 7, []byte{5, 0x8a, 3, 0x20}))
	unknown := capturetest.UDP(aliceMedia, bobMedia, []byte("SOUND that nobody recognises"))
	m := held(rtp(1), event, unknown)
	for _, unlocked := range []bool{true, false} {
		o := locked()
		o.Unlocked = unlocked
		file, frames, _ := export(t, m, 0, o)
		if bytes.Contains(file, []byte("SOUND")) {
			t.Error("sound was kept")
		}
		want := []struct{ kept, length int }{{14 + 20 + 8 + 12, 14 + 20 + 8 + 12 + 160}, {14 + 20 + 8 + 12, 58}, {14 + 20 + 8, 14 + 20 + 8 + 28}}
		if unlocked {
			want[1].kept += 4
		}
		for i, w := range want {
			if len(frames[i].Data) != w.kept || frames[i].Length != max(w.length, 60) && frames[i].Length != w.length {
				t.Errorf("unlocked %v, frame %d: %d of %d octets, want %d of %d", unlocked, i, len(frames[i].Data), frames[i].Length, w.kept, w.length)
			}
			if at := start.UnixNano() + int64(i)*1e6; frames[i].Wall != at {
				t.Errorf("frame %d at %d, want %d", i, frames[i].Wall, at)
			}
		}
	}
}

// secrets are frames with something in them that only who may is to see.
func secrets() map[string][][]byte {
	wrap := func(b []byte) [][]byte { return [][]byte{capturetest.UDP(alice, bob, b)} }
	crypto := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETSECRETSECRETSECRETSECRETSECRETSEC\r\n"
	im := message("SECRET", "text/plain", "")
	tcp := func(n int, at uint32, b []byte) []byte {
		return capturetest.TCP(alice, bob, capture.TCP{Seq: 1000 + at, Flags: capture.FlagACK, Window: 1000}, b[:n])
	}
	open := capturetest.TCP(alice, bob, capture.TCP{Seq: 999, Flags: capture.FlagSYN, Window: 1000}, nil)
	webSocket := []byte("GET / HTTP/1.1\r\nUpgrade: websocket\r\nAuthorization: Basic SECRET\r\n\r\n")
	stun := append([]byte{0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "\x00\x06\x00\x06SECRET\x00\x00"...)
	appData := append([]byte{23, 3, 3, 0, 6}, "SECRET"...)
	hello := append([]byte{22, 3, 3, 0, 4}, "hand"...)
	return map[string][][]byte{
		"INFO":           wrap(message("Signal=SECRET#*\r\n", "application/dtmf-relay", "")),
		"MESSAGE":        wrap(im),
		"crypto":         wrap(message(crypto, "application/sdp", "")),
		"authorization":  wrap(message("x", "text/plain", "Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"SECRET\", response=\"SECRET\"\r\n")),
		"password":       wrap(message("x", "text/plain", "Contact: <sip:alice:SECRET@192.0.2.1>\r\n")),
		"TCP":            {open, tcp(len(im)-3, 0, im), tcp(3, uint32(len(im)-3), im[len(im)-3:])},
		"TCP, middle":    {tcp(len(im), 0, im)},
		"TCP, gap":       {open, tcp(len(im)-9, 0, im), tcp(4, uint32(len(im)-4), im[len(im)-4:])},
		"TCP, unordered": {open, tcp(6, uint32(len(im)-6), im[len(im)-6:]), tcp(len(im)-6, 0, im)},
		"HTTP":           {open, tcp(len(webSocket), 0, webSocket)},
		"TLS":            {open, tcp(9, 0, hello), tcp(len(appData), 9, appData)},
		"STUN":           wrap(stun),
		"SCTP":           {capturetest.SCTP(alice, bob, 1, capturetest.SCTPData(3, 1, 0, 0, 0, im))},
		"SCTP, parts":    {capturetest.SCTP(alice, bob, 1, capturetest.SCTPData(2, 1, 0, 0, 0, im[:len(im)-7])), capturetest.SCTP(alice, bob, 1, capturetest.SCTPData(1, 2, 0, 0, 0, im[len(im)-7:]))},
		"SIGTRAN":        {capturetest.SCTP(alice, bob, 1, capturetest.SCTPData(3, 1, 0, 0, 3, []byte("SECRET")))},
		"not SIP":        wrap([]byte("SECRET, on SIP's port")),
		"broken SIP":     wrap([]byte("MESSAGE sip:bob SIP/2.0\r\nSubject: SECRET")),
	}
}

func TestSecretsStay(t *testing.T) {
	for name, data := range secrets() {
		t.Run(name, func(t *testing.T) {
			m := held(data...)
			file, frames, _ := export(t, m, 0, locked())
			for _, part := range []string{"SEC", "RET", "CRE", "=x*", "#"} {
				if bytes.Contains(file, []byte(part)) {
					t.Errorf("%q is in the file", part)
				}
			}
			if len(frames) != len(data) {
				t.Errorf("%d frames of %d", len(frames), len(data))
			}
			for i, f := range frames {
				if f.Length != len(data[i]) {
					t.Errorf("frame %d had %d octets, not %d", i, len(data[i]), f.Length)
				}
			}
			o := locked()
			o.Unlocked = true
			if file, _, _ := export(t, m, 0, o); !bytes.Contains(file, []byte("SEC")) && !bytes.Contains(file, []byte("CRE")) {
				t.Error("it is not in the unlocked file either")
			}
		})
	}
}

// TestChecksums has tshark say that what was blanked is as right as before.
func TestChecksums(t *testing.T) {
	var data [][]byte
	for _, name := range []string{"INFO", "MESSAGE", "crypto", "TCP", "SCTP", "STUN"} {
		data = append(data, secrets()[name]...)
	}
	file, frames, r := export(t, held(data...), 0, locked())
	if r.Bared < 6 {
		t.Errorf("%d frames were blanked", r.Bared)
	}
	out := tshark(t, file, "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "sctp.checksum:TRUE",
		"-Y", "udp.checksum.status==0 || tcp.checksum.status==0 || sctp.checksum.status==0")
	if out != "" {
		t.Errorf("wrong checksums:\n%s", out)
	}
	if n := strings.Count(tshark(t, file, "-Y", "sip"), "\n"); n != 5 {
		t.Errorf("tshark sees %d SIP messages, want 5, in %d frames", n, len(frames))
	}
}

// TestTShark has tshark read what was written, and agree.
func TestTShark(t *testing.T) {
	var data [][]byte
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: alice, Callee: bob, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: "one"}) {
		data = append(data, capturetest.UDP(d.Src, d.Dst, d.Payload))
	}
	for i := range 100 {
		data = append(data, rtp(i))
	}
	m := held(data...)
	w := m.Writer()
	tagged := capturetest.Frames(start.Add(time.Second), 0, rtp(100))[0]
	tagged.Port, tagged.HasVLAN, tagged.VLANTCI, tagged.VLANTPID = 1, true, 42, 0x8100
	keep(w, &tagged)
	w.Flush()
	m.Mark("the sound was gone\nhere", "button", start.Add(50*time.Millisecond).UnixNano(), 0)
	o := locked()
	o.Ports = []string{"span0", "span1"}
	file, _, r := export(t, m, 0, o)
	if r.Frames != 108 || r.First != start || r.Last != start.Add(time.Second) {
		t.Errorf("%+v", r)
	}
	out := tshark(t, file, "-o", "rtp.heuristic_rtp:TRUE", "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.len", "-e", "frame.cap_len", "-e", "vlan.id", "-e", "frame.comment", "-e", "sip.Call-ID", "-e", "rtp.ssrc")
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(lines) != 108 {
		t.Fatalf("%d frames for tshark", len(lines))
	}
	fields := func(i int) []string { return strings.Split(lines[i], "\t") }
	if f := fields(0); f[0] != "1700000000.123456789" || f[1] != "span0" || f[2] != f[3] || f[6] != "one" {
		t.Errorf("the first frame: %q", f)
	}
	if f := fields(20); f[2] != "214" || f[3] != "54" || f[7] != "0x00000007" {
		t.Errorf("RTP: %q", f)
	}
	if f := fields(107); f[1] != "span1" || f[2] != "218" || f[3] != "58" || f[4] != "42" {
		t.Errorf("the tagged frame: %q", f)
	}
	commented := 0
	for i := range lines {
		if c := fields(i)[5]; c != "" {
			commented++
			if i != 50 || !strings.Contains(c, "the sound was gone") {
				t.Errorf("frame %d has the comment %q", i, c)
			}
		}
	}
	if commented != 1 {
		t.Errorf("%d comments", commented)
	}
}

func TestFilters(t *testing.T) {
	var data [][]byte
	other := netip.MustParseAddrPort("198.51.100.9:5060")
	for _, c := range []capturetest.Call{{Caller: alice, Callee: bob, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: "one"},
		{Caller: other, Callee: bob, CallerMedia: netip.AddrPortFrom(other.Addr(), 4000), CalleeMedia: netip.MustParseAddrPort("192.0.2.2:7100"), CallID: "two"}} {
		for _, d := range capturetest.SIPCall(c) {
			data = append(data, capturetest.UDP(d.Src, d.Dst, d.Payload))
		}
	}
	one := bytes.ReplaceAll(message("x", "text/plain", ""), []byte("call-1"), []byte("one"))
	two := bytes.ReplaceAll(one, []byte("Call-ID: one"), []byte("Call-ID: two"))
	both := append(bytes.Clone(one), two...)
	data = append(data, rtp(1), rtp(2), capturetest.UDP(netip.AddrPortFrom(other.Addr(), 4000), netip.MustParseAddrPort("192.0.2.2:7100"), capturetest.RTPPacket(8, 1, 1, 9, make([]byte, 20))),
		capturetest.UDP(netip.MustParseAddrPort("192.0.2.1:6001"), netip.MustParseAddrPort("192.0.2.2:7001"), capturetest.RTCPPacket(7, 1, 1, 1, 1, "a")),
		capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Flags: capture.FlagSYN}, nil), capturetest.TCP(alice, bob, capture.TCP{Seq: 2, Flags: capture.FlagACK}, both))
	m := held(data...)
	for _, c := range []struct {
		name   string
		change func(*packets.Options)
		want   int
	}{
		{"all", func(*packets.Options) {}, 20},
		{"call", func(o *packets.Options) { o.Calls = []string{"one"} }, 7 + 2 + 1 + 1},
		{"the other call", func(o *packets.Options) { o.Calls = []string{"two"} }, 7 + 1 + 1},
		{"call that is not there", func(o *packets.Options) { o.Calls = []string{"three"} }, 0},
		{"call behind NAT", func(o *packets.Options) {
			o.Calls, o.Endpoints = []string{"three"}, []netip.AddrPort{aliceMedia}
		}, 3},
		{"address", func(o *packets.Options) { o.Address = netip.MustParsePrefix("198.51.100.0/24") }, 8},
		{"from", func(o *packets.Options) { o.From = start.Add(10 * time.Millisecond) }, 10},
		{"until", func(o *packets.Options) { o.Until = start.Add(10 * time.Millisecond) }, 11},
		{"most", func(o *packets.Options) { o.MaxBytes = 1500 }, 3},
	} {
		for _, unlocked := range []bool{false, true} {
			o := locked()
			c.change(&o)
			o.Unlocked = unlocked
			file, frames, r := export(t, m, 0, o)
			if len(frames) != c.want {
				t.Errorf("%s, unlocked %v: %d frames, want %d", c.name, unlocked, len(frames), c.want)
			}
			if o.MaxBytes > 0 && (!r.Full || int64(len(file)) > o.MaxBytes) {
				t.Errorf("%s: %d octets of %d, full %v", c.name, len(file), o.MaxBytes, r.Full)
			}
			if c.name == "call" && !unlocked && bytes.Contains(file, []byte("Call-ID: two")) {
				t.Error("the other call's message is in the file of the one")
			}
		}
	}
}

// TestBounds fills a memory many times over, with marks in between.
func TestBounds(t *testing.T) {
	c := packets.Config{Bytes: 1 << 20, Workers: 2, Pins: 2, After: time.Second}
	m := packets.New(c)
	w := m.Writer()
	frames := capturetest.Frames(start, 0, rtp(1), capturetest.UDP(alice, bob, message("x", "text/plain", "")))
	mono := int64(0)
	fill := func(n int) {
		for i := range n {
			f := frames[i%2]
			if i%10 != 1 {
				f = frames[0]
			}
			mono += 1e6
			f.Mono, f.Wall = mono, mono
			keep(w, &f)
		}
		w.Flush()
	}
	fill(50000)
	st := m.Stats(mono)
	if st.Kept != 50000 || st.Evicted == 0 || st.Missed != 0 || st.Octets > st.Limit || st.Limit > 1<<20 || st.Octets < 3*st.Limit/4 {
		t.Errorf("%+v", st)
	}
	if st.Signalling < st.Media || st.Media == 0 {
		t.Errorf("media has pushed signalling out: %v and %v", st.Signalling, st.Media)
	}
	before, _, _ := export(t, m, 0, locked())
	for i := range 5 {
		pin, gone := m.Mark("m", "test", mono, mono)
		if pin.ID != i+1 || (gone != nil) != (i >= 2) {
			t.Errorf("mark %d: %+v, %+v", i, pin, gone)
		}
		at := mono
		fill(20000)
		file, held, _ := export(t, m, i+1, locked())
		if first, last := held[0].Wall, held[len(held)-1].Wall; first >= at || last <= at || last > at+int64(time.Second) {
			t.Errorf("mark %d at %d: from %d to %d", i, at, first, last)
		}
		if len(file) < len(before)/3 || int64(len(file)) > 3*c.Bytes {
			t.Errorf("mark %d: a file of %d octets, without a mark of %d", i, len(file), len(before))
		}
		if n := m.Holds(); n > c.MemoryBytes() {
			t.Errorf("mark %d: %d octets of %d", i, n, c.MemoryBytes())
		}
	}
	st = m.Stats(mono)
	if st.Missed != 0 || len(st.Pins) != 2 || st.PinsDropped != 3 || st.Kept != 150000 {
		t.Errorf("%+v", st)
	}
	for _, id := range []int{4, 5} {
		if err := m.Unpin(id); err != nil {
			t.Error(err)
		}
	}
	if !errors.Is(m.Unpin(4), packets.ErrNoPin) {
		t.Error("a pin was let go twice")
	}
	fill(20000)
	if n := m.Holds(); n > c.Bytes*5/4 {
		t.Errorf("%d octets after all pins have gone", n)
	}
}

// TestAllocs: no allocation while segments are filled, turned over and evicted.
func TestAllocs(t *testing.T) {
	m := packets.New(packets.Config{Bytes: packets.MinBytes, Workers: 1, Pins: 1, After: time.Second})
	w := m.Writer()
	m.Mark("m", "test", 0, 0)
	frames := capturetest.Frames(start, 0, rtp(1), capturetest.UDP(alice, bob, message("x", "text/plain", "")))
	var p [2]capture.Packet
	for i := range frames {
		if decode.Decode(&frames[i], &p[i]) != capture.DropNone {
			t.Fatal(i)
		}
	}
	n := testing.AllocsPerRun(100, func() {
		for range 1000 {
			w.Datagram(&frames[0], &p[0], capture.RTP)
			w.Datagram(&frames[1], &p[1], capture.SIP)
		}
		w.Flush()
	})
	if st := m.Stats(0); n != 0 || st.Evicted == 0 {
		t.Errorf("%v allocations per 2000 frames; %+v", n, st)
	}
}

// TestConcurrently has a race detector look at writers, marks and readers.
func TestConcurrently(t *testing.T) {
	m := packets.New(packets.Config{Bytes: packets.MinBytes, Workers: 2, Pins: 2, After: time.Millisecond})
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		w := m.Writer()
		writers.Go(func() {
			frames := capturetest.Frames(start, 0, rtp(1), capturetest.UDP(alice, bob, message("x", "text/plain", "")))
			for i := range 30000 {
				f := frames[i%2]
				f.Mono, f.Wall = int64(i)*1e6, int64(i)
				keep(w, &f)
				if i%50 == 0 {
					w.Flush()
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				export(t, m, 0, locked())
			}
		}
	})
	readers.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				pin, _ := m.Mark("m", "test", i, i)
				m.Stats(i)
				_ = m.Unpin(pin.ID)
			}
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
	if st := m.Stats(0); st.Kept+st.Missed < 59000 {
		t.Errorf("%+v", st)
	}
}

func TestSnapshotOfNoPin(t *testing.T) {
	if _, err := held().Snapshot(7); !errors.Is(err, packets.ErrNoPin) {
		t.Error(err)
	}
	_, frames, _ := export(t, held(), 0, locked())
	if len(frames) != 0 {
		t.Error("frames of an empty memory")
	}
}

// FuzzExport keeps whatever frames there are, and writes them for somebody who may not
// see secrets. The file can be read, has every frame that was kept, none longer than it
// was, and nothing of what follows an RTP header.
func FuzzExport(f *testing.F) {
	pack := func(frames ...[]byte) (out []byte) {
		for _, b := range frames {
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
		}
		return out
	}
	for _, data := range secrets() {
		f.Add(pack(data...))
	}
	f.Add(pack(rtp(1), rtp(2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := packets.New(packets.Config{Bytes: packets.MinBytes, Workers: 1, Pins: 1, After: time.Second})
		w := m.Writer()
		sent := map[int64]int{}
		for wall := int64(1); len(b) >= 2; wall++ {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			fr := capture.Frame{Data: b[2 : 2+n : 2+n], Length: n, Wall: wall, Mono: wall, Link: capture.LinkEthernet}
			b = b[2+n:]
			keep(w, &fr)
			sent[wall] = n
		}
		w.Flush()
		kept := m.Stats(0).Kept
		for _, o := range []packets.Options{locked(), {Unlocked: true}, {Privacy: privacy.New(privacy.Options{}), Names: true, Calls: []string{"call-1"}}} {
			_, frames, r := export(t, m, 0, o)
			if o.Calls == nil && uint64(r.Frames) != kept && m.Stats(0).Evicted == 0 {
				t.Fatalf("%d frames of %d", r.Frames, kept)
			}
			for _, g := range frames {
				if n, ok := sent[g.Wall]; !ok || g.Length != n || len(g.Data) > n {
					t.Fatalf("frame at %d: %d of %d octets, was %d", g.Wall, len(g.Data), g.Length, n)
				}
				var p capture.Packet
				if decode.Decode(&g, &p) == capture.DropNone && !p.Fragment.Valid && p.Protocol == capture.ProtoUDP && dissect.Datagram(&p, 0) == capture.RTP && !o.Unlocked && len(p.Payload) > 128 {
					t.Fatalf("%d octets of RTP", len(p.Payload))
				}
			}
		}
	})
}
