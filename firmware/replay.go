package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/pcapfile"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/probe"
	"heptap/hep"
)

const replayExamples = `  heptap replay -o calls.hep monday.pcap
  heptap replay -o - -summary monday.json side-a.pcap side-b.pcap | heptap decode -
`

// cmdReplay runs the pipeline over files, on packet time.
func cmdReplay(ctx context.Context, e *env, args []string) error {
	fs := e.flags("replay", replayExamples)
	out := fs.String("o", "", "write the HEP packets to `FILE`, back to back; - for standard output")
	configFile := fs.String("config", "", "take node, agent id, profile and the like from `FILE`")
	summary := fs.String("summary", "", "write counts to `FILE` as JSON; - for standard output")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case *out == "":
		return usagef("-o is missing: say where the HEP packets go, - for standard output")
	case *out == "-" && *summary == "-":
		return usagef("-o and -summary cannot both be standard output")
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
	if err := checkFiles(fs.Args(), *out, *summary); err != nil {
		return err
	}
	source, err := openFiles(fs.Args())
	if err != nil {
		return err
	}
	return e.withOutput(*out, func(w io.Writer) error {
		sum, err := replay(ctx, cfg, w, fs.Args(), source)
		if *summary != "" {
			err = errors.Join(err, e.withOutput(*summary, func(w io.Writer) error { return writeJSON(w, sum) }))
		}
		return err
	})
}

// withOutput hands f a buffered file, or standard output for "-".
func (e *env) withOutput(name string, f func(io.Writer) error) (err error) {
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
	Dropped      map[string]uint64 `json:"dropped"`   // frames, by reason
	Protocols    map[string]uint64 `json:"protocols"` // decoded frames, by what they carry
	Records      map[string]uint64 `json:"records"`   // by type
	HEPPackets   uint64            `json:"hep_packets"`
	HEPOctets    uint64            `json:"hep_octets"`
	SIP          uint64            `json:"sip_messages"`
	SIPMalformed uint64            `json:"sip_malformed"`
	RTCPPackets  uint64            `json:"rtcp_packets"`
	Calls        uint64            `json:"calls"`
	Streams      map[string]uint64 `json:"rtp_streams"`
	Unsent       uint64            `json:"unsent"` // records no HEP packet could be made of
	Error        string            `json:"error,omitempty"`
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

// replay writes the HEP packets of the source, made of files, to w.
func replay(ctx context.Context, cfg config.Config, w io.Writer, files []string, source capture.Source) (*replaySummary, error) {
	profile, err := newProfile(cfg)
	if err != nil {
		source.Close()
		return nil, err
	}
	out := hepWriter{w: w, encode: profile.Encode}
	p := probe.New(probe.Config{
		Inputs:    []probe.Input{{Name: "file", Source: source}},
		Replay:    true,
		Media:     mediaConfig(cfg),
		Correlate: correlateConfig(cfg, 1),
		Deliver:   out.deliver,
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
	h.packets++
	h.bytes += uint64(len(h.frame))
	_, err = h.w.Write(h.frame)
	return err
}

func summarize(files []string, s probe.Stats, out *hepWriter, err error) *replaySummary {
	in := &s.Inputs[0]
	sum := &replaySummary{Files: files, Frames: in.Source.Received, Octets: in.Octets, Decoded: in.Decoded, Truncated: in.Truncated,
		Dropped: map[string]uint64{}, Protocols: map[string]uint64{}, Records: map[string]uint64{},
		HEPPackets: out.packets, HEPOctets: out.bytes, Unsent: out.unsent + s.Oversize,
		SIP: s.Correlate.SIP.Load(), SIPMalformed: s.Correlate.SIPMalformed.Load(), RTCPPackets: s.Correlate.RTCPPackets.Load(),
		Calls:   s.Correlate.CallsSeen.Load(),
		Streams: map[string]uint64{"linked": s.Correlate.StreamsLinked.Load(), "unknown": s.Correlate.StreamsUnknown.Load()},
	}
	for r, n := range in.Dropped {
		if n > 0 {
			sum.Dropped[capture.DropReason(r).String()] = n
		}
	}
	for p, n := range in.Protocols {
		if n > 0 {
			sum.Protocols[capture.Protocol(p).String()] = n
		}
	}
	for t, n := range s.Records {
		sum.Records[t.String()] = n
	}
	if err != nil {
		sum.Error = err.Error()
	}
	return sum
}

// newProfile makes the encoder of the configured collector's profile, or of
// the default one.
func newProfile(cfg config.Config) (*export.Profile, error) {
	name, o := "opensips", export.Options{AgentID: cfg.System.AgentID, Node: nodeName(cfg)}
	if len(cfg.Collector) > 0 {
		name, o.AuthKey = cfg.Collector[0].Profile, export.Secret(cfg.Collector[0].AuthKey)
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

func mediaConfig(cfg config.Config) media.Config {
	return media.Config{Streams: cfg.Media.Streams, Interval: 2 * time.Second}
}

func correlateConfig(cfg config.Config, inputs int) correlate.Config {
	return correlate.Config{
		Calls: cfg.Calls.Max, Streams: cfg.Media.Streams * inputs, CallIdle: cfg.Calls.Idle,
		ReportInterval: cfg.Media.ReportInterval, UnknownRTP: cfg.Media.Unknown,
	}
}
