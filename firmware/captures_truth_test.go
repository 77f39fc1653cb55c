package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
	"heptap/firmware/internal/config"
	"heptap/hep"
)

// truth is what tshark sees in a capture (../shared/captures/truth).
type truth struct {
	Packets   uint64         `json:"packets"`
	Requests  int            `json:"sip_requests"`
	Responses int            `json:"sip_responses"`
	Methods   map[string]int `json:"sip_methods"`
	Status    map[string]int `json:"sip_status"`
	CallIDs   map[string]int `json:"call_ids"`
	Streams   []truthStream  `json:"rtp_streams"`
	Heuristic []truthStream  `json:"rtp_streams_heuristic"`
	RTCP      int            `json:"rtcp_packets"`
	RTCPTypes map[string]int `json:"rtcp_types"`
	Frames    map[string]int `json:"frames_with"`

	Fields map[string]map[string]int // values of some of tshark's fields
}

type truthStream struct {
	Src, Dst, SSRC string
	Packets, Lost  int
	Stats          []string // ms: delta least, mean, most; jitter least, mean, most
}

func readTruth(t *testing.T, dir, file string) *truth {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(file, "/", "__")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var w truth
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	return &w
}

type streamKey struct {
	src, dst netip.AddrPort
	ssrc     uint32
}

func (k streamKey) String() string { return fmt.Sprintf("%v>%v %#08x", k.src, k.dst, k.ssrc) }

// streamOf names a stream in the tables.
func streamOf(src, dst string, ssrc uint32) streamKey {
	return streamKey{netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst), ssrc}
}

// streams returns those of at least so many packets.
func (w *truth) streams(list []truthStream, least int) map[streamKey]truthStream {
	out := map[streamKey]truthStream{}
	for _, s := range list {
		ssrc, err := strconv.ParseUint(s.SSRC, 0, 32)
		if err != nil {
			panic("truth: " + err.Error())
		}
		if s.Packets >= least {
			out[streamKey{addrPort(s.Src), addrPort(s.Dst), uint32(ssrc)}] = s
		}
	}
	return out
}

// addrPort reads tshark's way of writing both, which has no brackets.
func addrPort(s string) netip.AddrPort {
	colon := strings.LastIndexByte(s, ':')
	port, err := strconv.ParseUint(s[colon+1:], 10, 16)
	if err != nil {
		panic("truth: " + err.Error())
	}
	return netip.AddrPortFrom(netip.MustParseAddr(s[:colon]), uint16(port))
}

type timing struct{ maxDelta, maxJitter float64 }

func (s *truthStream) timing() (out timing, err error) {
	if len(s.Stats) < 6 {
		return out, fmt.Errorf("truth: %d figures of a stream", len(s.Stats))
	}
	if out.maxDelta, err = strconv.ParseFloat(s.Stats[2], 64); err != nil {
		return out, err
	}
	out.maxJitter, err = strconv.ParseFloat(s.Stats[5], 64)
	return out, err
}

// streamReport is what a final report says.
type streamReport struct {
	Type     string  `json:"TYPE"`
	CallID   string  `json:"CORRELATION_ID"`
	SrcIP    string  `json:"SRC_IP"`
	SrcPort  uint16  `json:"SRC_PORT"`
	DstIP    string  `json:"DST_IP"`
	DstPort  uint16  `json:"DST_PORT"`
	SSRC     string  `json:"SSRC"`
	Packets  int     `json:"TOTAL_PK"`
	Expected int     `json:"EXPECTED_PK"`
	Lost     int     `json:"PACKET_LOSS"`
	Twice    int     `json:"DUPLICATES"`
	MaxDelta float64 `json:"MAX_DELTA"`
	// MaxJitter of a final report is that of the whole stream.
	MaxJitter float64 `json:"MAX_JITTER"`
}

// sameAs compares what two calls' reports say of one stream.
func (r streamReport) sameAs(o *streamReport) bool {
	r.CallID = o.CallID
	return r == *o
}

// replayed is what came out of one replay.
type replayed struct {
	sum       *replaySummary
	sip       []hep.View
	other     []hep.View
	methods   map[string]int
	status    map[string]int
	callIDs   map[string]int
	rtcpTypes map[string]int
	events    map[string]int
	isup      map[string]int             // messages by type
	linked    map[streamKey]streamReport // by a Call-ID
	unknown   map[streamKey]streamReport
}

// kinds returns how many records there are of each type that is no signalling
// and no media, as "53:2 89:4".
func (r *replayed) kinds() string {
	n := map[uint8]int{}
	for _, v := range r.other {
		n[v.Type()]++
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%d:%d", k, n[k]))
	}
	return strings.Join(out, " ")
}

func replayFile(t *testing.T, dir, file string, unknown bool) *replayed {
	t.Helper()
	return replayPaths(t, unknown, filepath.Join(dir, file))
}

// replayPaths runs the real pipeline over whole files.
func replayPaths(t *testing.T, unknown bool, paths ...string) *replayed {
	t.Helper()
	return replayPathsWith(t, func(cfg *config.Config) { cfg.Media.Unknown = unknown }, paths...)
}

func replayPathsWith(t *testing.T, change func(*config.Config), paths ...string) *replayed {
	t.Helper()
	cfg := config.Default()
	cfg.System.Node = "test"
	change(&cfg)
	var out bytes.Buffer
	source, err := openFiles(paths)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := replay(t.Context(), cfg, &out, paths, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &replayed{sum: sum, methods: map[string]int{}, status: map[string]int{}, callIDs: map[string]int{},
		rtcpTypes: map[string]int{}, events: map[string]int{}, isup: map[string]int{}, linked: map[streamKey]streamReport{}, unknown: map[streamKey]streamReport{}}
	in := hep.NewReader(bytes.NewReader(out.Bytes()))
	for {
		frame, err := in.Next()
		if err == io.EOF {
			return r
		}
		if err != nil {
			t.Fatalf("output at offset %d: %v", in.Offset(), err)
		}
		v, err := hep.Parse(bytes.Clone(frame))
		if err != nil {
			t.Fatalf("output at offset %d: %v", in.Offset(), err)
		}
		r.take(t, v)
	}
}

// take files one frame.
func (r *replayed) take(t *testing.T, v hep.View) {
	t.Helper()
	switch v.Type() {
	case 1:
		r.sip = append(r.sip, v)
		r.callIDs[string(v.Correlation())]++
		line, _, _ := strings.Cut(strings.TrimLeft(string(v.Payload()), "\r\n"), "\r")
		if word := strings.Fields(line); len(word) > 1 && word[0] == "SIP/2.0" {
			r.status[word[1]]++
		} else if len(word) > 0 {
			r.methods[word[0]]++
		}
		return
	case 5:
		r.takeRTCP(t, v.Payload())
	case 34:
		r.takeReport(t, v)
	case 54:
		r.takeISUP(t, v)
	case 53, 87, 88:
		takeExchange(t, v)
	case 89:
		takeNet(t, v)
	case 100:
		r.takeEvent(t, v.Payload())
	default:
		t.Errorf("record of type %d", v.Type())
	}
	r.other = append(r.other, v)
}

// takeNet checks the record of a connection, of which tshark's truth says
// nothing: it has what OpenSIPS has, an id, and both ends.
func takeNet(t *testing.T, v hep.View) {
	t.Helper()
	var n struct {
		Protocol, Event, Status, Message string
		ClientIP                         string `json:"client_ip"`
		ServerIP                         string `json:"server_ip"`
	}
	if err := json.Unmarshal(v.Payload(), &n); err != nil || len(v.Correlation()) == 0 ||
		n.Protocol == "" || n.Event == "" || n.Status == "" || n.Message == "" || n.ClientIP == "" || n.ServerIP == "" {
		t.Errorf("record of a connection %q: %v, %s", v.Correlation(), err, v.Payload())
	}
}

// takeExchange checks the record of a question, a command or a reply: it is a
// JSON object with a name, under the id of the exchange.
func takeExchange(t *testing.T, v hep.View) {
	t.Helper()
	var e struct{ Event string }
	if err := json.Unmarshal(v.Payload(), &e); err != nil || e.Event == "" || len(v.Correlation()) == 0 {
		t.Errorf("record of type %d, %q: %v, %s", v.Type(), v.Correlation(), err, v.Payload())
	}
}

// takeEvent counts an event of a call.
func (r *replayed) takeEvent(t *testing.T, payload []byte) {
	t.Helper()
	var e struct{ Event string }
	if err := json.Unmarshal(payload, &e); err != nil || e.Event == "" {
		t.Errorf("event %q: %v", payload, err)
	}
	r.events[e.Event]++
}

// takeRTCP counts the packets a part of a compound was made of.
func (r *replayed) takeRTCP(t *testing.T, payload []byte) {
	t.Helper()
	var part struct {
		Type *int             `json:"type"`
		SDES *int             `json:"sdes_report_count"`
		BYE  *json.RawMessage `json:"bye"`
		XR   *json.RawMessage `json:"xr_information"`
	}
	if err := json.Unmarshal(payload, &part); err != nil || part.Type == nil {
		t.Errorf("RTCP record %q: %v", payload, err)
		return
	}
	r.rtcpTypes[strconv.Itoa(*part.Type)]++
	for typ, there := range map[string]bool{"202": part.SDES != nil, "203": part.BYE != nil, "207": part.XR != nil} {
		if there && typ != strconv.Itoa(*part.Type) {
			r.rtcpTypes[typ]++
		}
	}
}

func (r *replayed) takeReport(t *testing.T, v hep.View) {
	t.Helper()
	var rep streamReport
	if err := json.Unmarshal(v.Payload(), &rep); err != nil {
		t.Errorf("RTP report %q: %v", v.Payload(), err)
		return
	}
	if rep.Type != "FINAL" {
		return
	}
	ssrc, err := strconv.ParseUint(rep.SSRC, 0, 32)
	if err != nil {
		t.Errorf("RTP report %q: %v", v.Payload(), err)
		return
	}
	key := streamKey{src: v.Src(), dst: v.Dst(), ssrc: uint32(ssrc)}
	if rep.SrcIP != key.src.Addr().String() || rep.SrcPort != key.src.Port() || rep.DstIP != key.dst.Addr().String() || rep.DstPort != key.dst.Port() {
		t.Errorf("report %s under the addresses %v", v.Payload(), key)
	}
	into := r.linked
	if strings.HasPrefix(string(v.Correlation()), "rtp:") {
		into = r.unknown
	}
	if before, ok := into[key]; ok && !before.sameAs(&rep) {
		if rep.CallID == before.CallID { // in parts
			rep.Packets += before.Packets
			rep.Expected += before.Expected
			into[key] = rep
			return
		}
		t.Errorf("two calls have different reports on the stream %v:\n%+v\n%+v", key, before, rep)
	}
	into[key] = rep
}

// sane asserts what holds for every file.
func (r *replayed) sane(t *testing.T) {
	t.Helper()
	s := r.sum
	var dropped uint64
	for _, n := range s.Dropped {
		dropped += n
	}
	if s.Frames != s.Decoded+dropped {
		t.Errorf("accounting: %d frames, %d decoded, %d dropped %v", s.Frames, s.Decoded, dropped, s.Dropped)
	}
	carried := s.Segments + s.SCTP + s.Fragments
	for _, n := range s.Protocols {
		carried += n
	}
	if carried != s.Decoded {
		t.Errorf("accounting: %d decoded, %d by protocol %v, %d of TCP, %d of SCTP, %d fragments", s.Decoded, carried, s.Protocols, s.Segments, s.SCTP, s.Fragments)
	}
	var sip uint64
	for _, n := range s.SIPOver {
		sip += n
	}
	if sip != s.SIP+s.SIPMalformed+s.CopiedSIP {
		t.Errorf("accounting: SIP over %v, %d messages, %d malformed, %d copies", s.SIPOver, s.SIP, s.SIPMalformed, s.CopiedSIP)
	}
	if n := uint64(len(r.sip) + len(r.other)); n != s.HEPPackets {
		t.Errorf("%d HEP packets in the file, %d in the summary", n, s.HEPPackets)
	}
	var records uint64
	for _, n := range s.Records {
		records += n
	}
	if records != s.HEPPackets+s.Unsent {
		t.Errorf("accounting: %d records, %d HEP packets, %d unsent", records, s.HEPPackets, s.Unsent)
	}
	for _, v := range slices.Concat(r.sip, r.other) {
		r.saneFrame(t, v)
	}
}

// saneFrame asserts what every frame must have (and Homer must be able to read).
func (r *replayed) saneFrame(t *testing.T, v hep.View) {
	t.Helper()
	if !v.Src().IsValid() || !v.Dst().IsValid() || v.Proto() != capture.ProtoUDP && v.Proto() != capture.ProtoTCP && v.Proto() != capture.ProtoSCTP || v.AgentID() != 2001 || string(v.Node()) != "test" || v.Wall() == 0 || len(v.Payload()) == 0 {
		t.Errorf("frame lacks something: %v > %v, protocol %d, agent %d, node %q, time %d, %d octets", v.Src(), v.Dst(), v.Proto(), v.AgentID(), v.Node(), v.Wall(), len(v.Payload()))
	}
	if v.Type() != 1 && (len(v.Correlation()) == 0 || !json.Valid(v.Payload())) {
		t.Errorf("type %d: id %q, payload %q", v.Type(), v.Correlation(), v.Payload())
	}
	if extra := v.Extra(); len(extra) > 0 && !json.Valid(extra) {
		t.Errorf("chunk 0x65 is not JSON: %q", extra)
	}
}

// frames returns all frames as text, in an order of their own.
func (r *replayed) frames() (out []string) {
	for _, v := range slices.Concat(r.sip, r.other) {
		out = append(out, string(v.Frame()))
	}
	slices.Sort(out)
	return out
}

// splitByDirection writes the frames of a capture into two files, by which end
// of the flow is the smaller.
func splitByDirection(t *testing.T, path string) []string {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var sides [2][]capture.Frame
	batch := make([]capture.Frame, 16)
	for {
		n, err := r.Read(batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range batch[:n] {
			f.Data = bytes.Clone(f.Data)
			side := 0
			if len(f.Data) > 33 && bytes.Compare(f.Data[26:30], f.Data[30:34]) > 0 {
				side = 1
			}
			sides[side] = append(sides[side], f)
		}
	}
	var names []string
	for i, frames := range sides {
		if len(frames) == 0 {
			t.Fatalf("%s: all frames go one way", path)
		}
		var b bytes.Buffer
		if err := capturetest.WritePcap(&b, frames); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), fmt.Sprintf("side%d.pcap", i))
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}
