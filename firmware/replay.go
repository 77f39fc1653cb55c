package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/defrag"
	"heptap/capture/dissect"
	"heptap/capture/duplicate"
	"heptap/capture/infer"
	"heptap/capture/media"
	"heptap/capture/mi"
	"heptap/capture/pcapfile"
	"heptap/capture/pseudonym"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/privacy"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/trace"
	"heptap/hep"
)

const replayExamples = `  heptap replay -o calls.hep monday.pcap
  heptap replay -o - -summary monday.json side-a.pcap side-b.pcap | heptap decode -
  heptap replay -follow a84b4c76e66710@pc33.example.com monday.pcap
`

// cmdReplay runs the pipeline over files, on packet time.
func cmdReplay(ctx context.Context, e *env, args []string) error {
	fs := e.flags("replay", replayExamples)
	out := fs.String("o", "", "write the HEP packets to `FILE`, back to back; - for standard output")
	configFile := fs.String("config", "", "take node, agent id, profile and the like from `FILE`")
	summary := fs.String("summary", "", "write counts to `FILE` as JSON; - for standard output")
	var follow followOptions
	follow.flags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if err := follow.check(fs); err != nil {
		return err
	}
	following := follow.id != ""
	switch {
	case *out == "" && !following:
		return usagef("-o is missing: say where the HEP packets go, - for standard output")
	case *out == "-" && *summary == "-":
		return usagef("-o and -summary cannot both be standard output")
	case following && (*out == "-" || *summary == "-"):
		return usagef("what -follow finds goes to standard output: -o and -summary need files")
	case fs.NArg() == 0:
		return usagef("no capture file named")
	}
	cfg := config.Default()
	if *configFile != "" {
		var err error
		if cfg, err = config.Load(*configFile); err != nil {
			return err
		}
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintf(e.stderr, "%s: warning: %s\n", *configFile, w)
	}
	if err := checkFiles(fs.Args(), *out, *summary); err != nil {
		return err
	}
	source, err := openFiles(fs.Args())
	if err != nil {
		return err
	}
	if following {
		return e.follow(&follow, func(take func(*record.Record)) error {
			return e.replayTo(ctx, cfg, *out, *summary, fs.Args(), source, take)
		})
	}
	return e.replayTo(ctx, cfg, *out, *summary, fs.Args(), source, nil)
}

// replayTo writes what a replay makes to the files named; no name means that
// nobody wants it. take, unless it is nil, is given each record.
func (e *env) replayTo(ctx context.Context, cfg config.Config, out, summary string, files []string, source capture.Source, take func(*record.Record)) error {
	return e.withOutput(out, func(w io.Writer) error {
		sum, err := replay(ctx, cfg, w, files, source, take)
		if summary != "" {
			err = errors.Join(err, e.withOutput(summary, func(w io.Writer) error { return writeJSON(w, sum) }))
		}
		return err
	})
}

// withOutput hands f a buffered file, standard output for "-", and for no name
// what keeps nothing.
func (e *env) withOutput(name string, f func(io.Writer) error) (err error) {
	if name == "" {
		return f(io.Discard)
	}
	dst := e.stdout
	if name != "-" {
		file, err := os.Create(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		dst = file
	}
	w := bufio.NewWriterSize(dst, 256<<10)
	err = f(w)
	return errors.Join(err, w.Flush())
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// replaySummary is what -summary writes.
type replaySummary struct {
	Files        []string          `json:"files"`
	Frames       uint64            `json:"frames"`
	Octets       uint64            `json:"octets"` // on the wire, of the decoded frames
	Decoded      uint64            `json:"decoded"`
	Truncated    uint64            `json:"truncated"`
	Dropped      map[string]uint64 `json:"dropped"`                  // frames, by reason
	Unread       map[string]uint64 `json:"not_understood,omitempty"` // of the dropped frames, by what they hold
	Encaps       map[string]uint64 `json:"encapsulations,omitempty"` // frames, by what they were wrapped in
	Protocols    map[string]uint64 `json:"protocols"`                // UDP datagrams, by what they carry
	Segments     uint64            `json:"tcp_segments"`
	Connections  map[string]uint64 `json:"tcp_connections,omitempty"` // by what they carry
	SCTP         uint64            `json:"sctp_packets"`
	Fragments    uint64            `json:"ip_fragments"`
	Whole        uint64            `json:"ip_reassembled"`
	Copies       uint64            `json:"mirrored_copies"`
	CopiedSIP    uint64            `json:"mirrored_copies_sip"` // of these, SIP that was left out
	Gaps         uint64            `json:"stream_gaps"`
	Records      map[string]uint64 `json:"records"` // by type
	HEPPackets   uint64            `json:"hep_packets"`
	HEPOctets    uint64            `json:"hep_octets"`
	SIP          uint64            `json:"sip_messages"`
	SIPOver      map[string]uint64 `json:"sip_over,omitempty"` // SIP by how it came, malformed and left out copies included
	SIPMalformed uint64            `json:"sip_malformed"`
	RTCPPackets  uint64            `json:"rtcp_packets"`
	Calls        uint64            `json:"calls"`
	Streams      map[string]uint64 `json:"rtp_streams"`
	Events       map[string]uint64 `json:"events,omitempty"`
	Trace        []ruleSummary     `json:"trace,omitempty"`  // by rule, in order
	Denied       map[string]uint64 `json:"denied,omitempty"` // records that rules denied, by type
	Cut          uint64            `json:"cut"`              // SIP messages cut to the size of a HEP packet
	Unsent       uint64            `json:"unsent"`           // records no HEP packet could be made of
	Mirror       []string          `json:"mirror,omitempty"` // what is to be said of the mirror port
	Error        string            `json:"error,omitempty"`
}

// ruleSummary is what a rule decided, or would have if it only counts.
type ruleSummary struct {
	Rule    string `json:"rule"`
	Action  string `json:"action"`
	Records uint64 `json:"records"`
	Octets  uint64 `json:"octets"`
}

// checkFiles refuses to write over an input.
func checkFiles(inputs []string, outputs ...string) error {
	for _, out := range outputs {
		o, err := os.Stat(out)
		if err != nil {
			continue // "-", none, or not there yet
		}
		for _, in := range inputs {
			if i, err := os.Stat(in); err == nil && os.SameFile(i, o) {
				return usagef("%s is an input: it would be overwritten", out)
			}
		}
	}
	return nil
}

// openFiles opens the captures as one source, merged by time.
func openFiles(files []string) (capture.Source, error) {
	var sources []capture.Source
	for _, name := range files {
		r, err := pcapfile.Open(name)
		if err != nil {
			for _, s := range sources {
				s.Close()
			}
			return nil, err
		}
		sources = append(sources, r)
	}
	if len(sources) == 1 {
		return sources[0], nil
	}
	return pcapfile.Merge(sources...), nil
}

// replay writes the HEP packets of the source, made of files, to w. take, unless
// it is nil, is given each record.
func replay(ctx context.Context, cfg config.Config, w io.Writer, files []string, source capture.Source, take func(*record.Record)) (*replaySummary, error) {
	out := hepWriter{w: w}
	profile, err := newProfile(cfg, &out.cut)
	if err != nil {
		source.Close()
		return nil, err
	}
	out.encode = profile.Encode
	rules, err := newTrace(cfg)
	if err != nil {
		source.Close()
		return nil, err
	}
	filter, err := newPrivacy(cfg)
	if err != nil {
		source.Close()
		return nil, err
	}
	p := probe.New(probe.Config{
		Privacy:   filter,
		Inputs:    []probe.Input{{Name: "file", Source: source}},
		Replay:    true,
		Media:     mediaConfig(cfg),
		Assembly:  assemblyConfig(cfg),
		Correlate: correlateConfig(cfg, 1),
		ISUP:      cfg.Records.ISUP,
		Trace:     rules,
		Beyond:    beyondConfig(cfg),
		Deliver:   out.deliver,
		Delivered: take,
	})
	err = p.Run(ctx)
	if err == nil && ctx.Err() != nil {
		err = errors.New("interrupted: what came before is written")
	}
	return summarize(files, p.Stats(), &out, err), err
}

// hepWriter numbers records and writes them as a collector would get them.
type hepWriter struct {
	w              io.Writer
	encode         func(dst, rec []byte) ([]byte, error)
	frame          []byte
	seq            uint64
	packets, bytes uint64
	unsent         uint64
	cut            atomic.Uint64
}

func (h *hepWriter) deliver(rec []byte) error {
	h.seq++
	record.Seal(rec, h.seq, 0, [16]byte{})
	var err error
	if h.frame, err = h.encode(h.frame[:0], rec); err != nil {
		if errors.Is(err, hep.ErrTooLarge) {
			h.unsent++
			return nil
		}
		return fmt.Errorf("encode record: %w", err)
	}
	for b := h.frame; len(b) > 0; b = b[export.First(b):] {
		h.packets++
	}
	h.bytes += uint64(len(h.frame))
	_, err = h.w.Write(h.frame)
	return err
}

func summarize(files []string, s probe.Stats, out *hepWriter, err error) *replaySummary {
	in, c, a := &s.Inputs[0], s.Correlate, &s.Assembly
	sum := &replaySummary{Files: files, Frames: in.Source.Received, Octets: in.Octets, Decoded: in.Decoded, Truncated: in.Truncated,
		Dropped: named(in.Dropped[:], capture.DropReason.String), Protocols: named(in.Protocols[:], capture.Protocol.String),
		Encaps: named(in.Encaps[:], capture.EncapName), Connections: named(a.Conns.Conns[:], capture.Protocol.String),
		Records: map[string]uint64{}, Unread: map[string]uint64{}, SIPOver: map[string]uint64{},
		Segments: in.Segments, SCTP: in.SCTP, Fragments: in.Fragments, Whole: a.Fragments.Whole,
		HEPPackets: out.packets, HEPOctets: out.bytes, Cut: out.cut.Load() + s.Cut, Unsent: out.unsent + s.Oversize,
		SIP: c.SIP.Load(), SIPMalformed: c.SIPMalformed.Load(), RTCPPackets: c.RTCPPackets.Load(), Calls: c.CallsSeen.Load(),
		Streams: map[string]uint64{"linked": c.StreamsLinked.Load(), "unknown": c.StreamsUnknown.Load()},
		Events:  map[string]uint64{"one-way audio": c.OneWay.Load(), "RTP stopped": c.Stopped.Load(), "RTP resumed": c.Resumed.Load()},
	}
	for how, n := range map[string]uint64{"udp": in.Protocols[capture.SIP], "fragments": a.Fragments.Datagrams[capture.SIP], "tcp": a.Conns.Messages,
		"sctp": a.UserMessages[capture.SIP], "hep": a.Unwrapped} {
		if n > 0 {
			sum.SIPOver[how] = n
		}
	}
	sum.CopiedSIP = a.Copied[capture.SIP]
	sum.Copies = in.Media.Copies + a.Media.Copies + a.Fragments.Copies
	for i := range a.Ports {
		sum.Copies += a.Ports[i].Copies
	}
	for i := range a.Stream.Ports {
		sum.Gaps += a.Stream.Ports[i].Gaps
	}
	for _, u := range in.NotRead {
		sum.Unread[u.Name] = u.Frames
	}
	for t, n := range s.Records {
		sum.Records[t.String()] = n
	}
	for _, r := range s.Trace.Rules {
		sum.Trace = append(sum.Trace, ruleSummary{r.Name, string(r.Action), r.Records, r.Octets})
	}
	sum.Denied = map[string]uint64{}
	for t, n := range s.Trace.Denied {
		sum.Denied[t.String()] = n
	}
	for _, p := range s.Ports {
		for i := range p.Verdicts {
			sum.Mirror = append(sum.Mirror, p.Verdicts[i].String())
		}
	}
	maps.DeleteFunc(sum.Events, func(_ string, n uint64) bool { return n == 0 })
	if err != nil {
		sum.Error = err.Error()
	}
	return sum
}

// named makes a map of the counts that are not 0.
func named[K ~uint8 | ~int](counts []uint64, name func(K) string) map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range counts {
		if n > 0 {
			m[name(K(i))] = n
		}
	}
	return m
}

// newTrace makes what decides by the configured rules, nil when there are none.
func newTrace(cfg config.Config) (*trace.Engine, error) {
	if !cfg.Trace.On() {
		return nil, nil
	}
	return trace.New(cfg.Trace, traceLimits(cfg))
}

func traceLimits(cfg config.Config) trace.Limits {
	return trace.Limits{Calls: cfg.Calls.Max, Idle: cfg.Calls.Idle}
}

// newPrivacy makes what takes out of records what the configuration does not
// want in them, or nil.
func newPrivacy(cfg config.Config) (*privacy.Filter, error) {
	p := &cfg.Privacy
	if p.Secret == "" && !p.Bodies && !p.Credentials {
		return nil, nil
	}
	o := privacy.Options{Keep: p.Keep.Items(), Bodies: p.Bodies, Credentials: p.Credentials}
	if p.Secret != "" {
		var err error
		if o.Key, err = pseudonym.New(string(p.Secret)); err != nil {
			return nil, err
		}
	}
	return privacy.New(o), nil
}

// newProfile makes the encoder of the first collector's profile, or of the default
// one.
// cut counts the messages that are cut to the size it takes.
func newProfile(cfg config.Config, cut *atomic.Uint64) (*export.Profile, error) {
	var c *config.Collector
	if len(cfg.Collector) > 0 {
		c = &cfg.Collector[0]
	}
	return profileOf(cfg, c, cut, nil, nil, false)
}

// liveProfile makes the encoder for what goes to c now: what is too old for it is
// refused. wall says when records were made, clock what is known of it.
func liveProfile(cfg config.Config, c *config.Collector, cut *atomic.Uint64, wall func(record.Stamp) int64, clock func() hep.Clock) (*export.Profile, error) {
	return profileOf(cfg, c, cut, wall, clock, true)
}

func profileOf(cfg config.Config, c *config.Collector, cut *atomic.Uint64, wall func(record.Stamp) int64, clock func() hep.Clock, now bool) (*export.Profile, error) {
	name, o := config.OpenSIPS, export.Options{AgentID: cfg.System.AgentID, Node: nodeName(cfg), Cut: cut, Wall: wall}
	if c != nil {
		name, o.AuthKey, o.MaxFrame, o.Inferred, o.Sequence = c.Profile, export.Secret(c.AuthKey), int(c.MaxFrame), c.Inferred, c.Sequence
		o.Numbers = export.Numbers(c.Numbers)
		if c.Clock {
			o.Clock = clock
		}
		if now {
			o.MaxAge = maxAge(c)
		}
	}
	return export.New(name, o)
}

func nodeName(cfg config.Config) string {
	if cfg.System.Node != "" {
		return cfg.System.Node
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		return h
	}
	return "heptap"
}

// assemblyConfig is about what has to be put together, and what comes twice.
func assemblyConfig(cfg config.Config) assembly.Config {
	d, s := &cfg.Decode, &cfg.Streams
	c := assembly.Config{
		Duplicate: duplicate.Config{Window: d.DuplicateWindow},
		Defrag:    defrag.Config{Bytes: int(d.FragmentMemory)},
		Stream:    stream.Config{Connections: s.Connections, TotalBytes: int(s.Memory), Idle: s.Idle},
		Beside:    besideConfig(&cfg.Records),
	}
	switch d.Duplicates {
	case config.DuplicatesMark:
		c.Copies = assembly.Mark
	case config.DuplicatesOff:
		c.Copies = assembly.Off
	}
	if d.HEP == config.HEPUnwrap {
		c.Unwrap = unwrapHEP
	}
	return c
}

// besideConfig is what there are records of: nothing else is looked for.
func besideConfig(r *config.Records) (b dissect.Beside) {
	for _, o := range [...]struct {
		on bool
		b  dissect.Beside
	}{{r.Log != config.LogOff, dissect.Logs}, {r.DNS, dissect.Lookups}, {r.NG, dissect.Control}, {r.MI, dissect.Commands}} {
		if o.on {
			b |= o.b
		}
	}
	return b
}

func beyondConfig(cfg config.Config) beyond.Config {
	r := &cfg.Records
	c := beyond.Config{AllLogs: r.Log == config.LogAll, MI: r.MI, Net: r.Net == config.NetOn, Queries: beyond.Scope(r.REST), Bodies: r.RESTBodies, Fields: r.RESTHeaders.Items(), Keys: r.CallKeys.Items()}
	// The lists were read before, when the configuration was.
	c.Filters.OpenSIPS, _ = mi.ParseFilter(r.MIFilter.OpenSIPS)
	c.Filters.Kamailio, _ = mi.ParseFilter(r.MIFilter.Kamailio)
	c.Filters.FreeSWITCH, _ = mi.ParseFilter(r.MIFilter.FreeSWITCH)
	c.Filters.Asterisk, _ = mi.ParseFilter(r.MIFilter.Asterisk)
	return c
}

// unwrapHEP reads somebody else's HEP packet as the message inside, for capture,
// which knows no HEP. Its flow and time are what the sender says.
func unwrapHEP(b []byte, m *capture.Message) bool {
	p, err := hep.ParseAny(b)
	if err != nil || p.Type != uint8(record.SIP) || len(p.Payload) == 0 {
		return false
	}
	m.Protocol, m.Payload = capture.SIP, p.Payload
	if p.Wall != 0 { // HEP1 has no time
		m.Wall = p.Wall
	}
	m.Flow = capture.FiveTuple{Proto: p.Proto, Src: p.Src, Dst: p.Dst}
	m.HasVLAN, m.VLAN, m.TOS = p.HasVLAN, p.VLAN, p.TOS
	if p.Flags&hep.FlagCut != 0 {
		m.Flags |= capture.CutShort
	}
	return true
}

func mediaConfig(cfg config.Config) media.Config {
	copies := media.CopiesDrop
	if cfg.Decode.Duplicates == config.DuplicatesOff {
		copies = media.CopiesOff
	}
	return media.Config{Streams: cfg.Media.Streams, Interval: 2 * time.Second, Copies: copies, CopyWindow: cfg.Decode.DuplicateWindow}
}

// maxConnections is of how many connections the calls are remembered: they
// need about a kilobyte each.
const maxConnections = 8192

// lower returns names in lower case.
func lower(names []string) (out []string) {
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	return out
}

// inferConfig bounds what is remembered for links that no id says, nil for none: requests
// and queries by how many calls there may be. Each request takes some 750 octets.
func inferConfig(cfg config.Config) *infer.Config {
	if cfg.Records.Links != config.LinksInferred {
		return nil
	}
	starts := min(max(cfg.Calls.Max/4, 1024), 32768)
	return &infer.Config{Starts: starts, Pending: starts / 4}
}

func correlateConfig(cfg config.Config, inputs int) correlate.Config {
	return correlate.Config{
		Calls: cfg.Calls.Max, Streams: cfg.Media.Streams * inputs, CallIdle: cfg.Calls.Idle,
		ReportInterval: cfg.Media.ReportInterval, UnknownRTP: cfg.Media.Unknown, Events: cfg.Media.Events,
		LegHeaders: lower(cfg.Calls.LegHeaders.Items()), Infer: inferConfig(cfg),
		Servers: cfg.Records.ServerPrefixes(),
		Net:     cfg.Records.Net != config.NetOff, Connections: min(cfg.Streams.Connections, maxConnections),
	}
}
