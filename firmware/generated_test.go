package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/conversation"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

// dumpDir in the environment is where a failing case leaves its frames.
const dumpDir = "HEPTAP_DUMP"

// together is how many conversations one pipeline sees at a time, interleaved.
const together = 25

// TestGenerated renders conversations plainly, and changed as a network or a
// mirror changes them, and has the pipeline make records of both: they must be
// the same, and be what was said. To look at a case that failed:
//
//	HEPTAP_DUMP=/tmp go test -run 'TestGenerated/NAME' ./firmware
func TestGenerated(t *testing.T) {
	for n, row := range generatedRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for first := 0; first < row.cases; first += together {
				var cases []*generatedCase
				for i := first; i < min(first+together, row.cases); i++ {
					cases = append(cases, row.make(uint64(n*10_000+i)))
				}
				if failed := runGenerated(t, cases); failed > 2 {
					t.Fatalf("and %d of %d cases so far", failed, first+len(cases))
				}
			}
		})
	}
}

// generatedCase is one conversation, rendered twice.
type generatedCase struct {
	seed           uint64
	plain, changed *conversation.Rendering
}

// said is what the records of one conversation say.
type said struct {
	sip     map[capture.FiveTuple][]saidMessage // in the order of the records
	rtcp    map[string]int                      // by flow, primary id and payload
	reports map[string][2]int                   // final ones: packets, each once, and lost
}

type saidMessage struct {
	text, primary string
	wall          int64
	flags         uint16
}

// runGenerated returns how many cases differ.
func runGenerated(t *testing.T, cases []*generatedCase) (failed int) {
	t.Helper()
	var plain, changed []*conversation.Rendering
	for _, c := range cases {
		plain, changed = append(plain, c.plain), append(changed, c.changed)
	}
	want, got := saidIn(t, plain), saidIn(t, changed)
	for i, c := range cases {
		wrong := slices.Concat(c.untrue(want[i]), differences(want[i], got[i]))
		if len(wrong) == 0 {
			continue
		}
		failed++
		alone := ""
		if len(cases) > 1 && len(differences(saidIn(t, plain[i:i+1])[0], saidIn(t, changed[i:i+1])[0])) == 0 {
			alone = "\nNot when it is alone: it takes the other conversations of its group."
		}
		t.Errorf("%v\n%s%s\n%s", c.changed, strings.Join(wrong[:min(len(wrong), 6)], "\n"), alone, c.dump(t))
	}
	return failed
}

// dump writes the frames of a failed case where the environment says.
func (c *generatedCase) dump(t *testing.T) string {
	dir := os.Getenv(dumpDir)
	if dir == "" {
		return fmt.Sprintf("%s=DIR in the environment writes its frames to DIR.", dumpDir)
	}
	for name, r := range map[string]*conversation.Rendering{"plain": c.plain, "changed": c.changed} {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%v-%d-%s.pcap", r.Conversation.Transport, c.seed, name)))
		if err == nil {
			err = r.WritePcap(f)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	return fmt.Sprintf("Its frames are in %s/%v-%d-*.pcap.", dir, c.plain.Conversation.Transport, c.seed)
}

// untrue compares what the plain rendering gave with the conversation.
func (c *generatedCase) untrue(got *said) (wrong []string) {
	talk := c.plain.Conversation
	want := &said{sip: map[capture.FiveTuple][]saidMessage{}, reports: map[string][2]int{}, rtcp: got.rtcp}
	for _, m := range talk.Messages {
		flow := capture.FiveTuple{Proto: protocolOf(talk.Transport), Src: talk.Ends[m.From], Dst: talk.Ends[1-m.From]}
		want.sip[flow] = append(want.sip[flow], saidMessage{text: string(m.Text), primary: m.CallID})
	}
	control := 2 * len(talk.Streams) // sender reports sent
	for _, s := range talk.Streams {
		want.reports[reportName(s.Src, s.Dst, s.SSRC, s.CallID)] = [2]int{s.Packets, s.Lost}
	}
	for _, n := range got.rtcp {
		control -= n
	}
	wrong = differences(want, got)
	if control != 0 {
		wrong = append(wrong, fmt.Sprintf("%d RTCP records are missing", control))
	}
	for i := range wrong {
		wrong[i] = "rendered plainly: " + wrong[i]
	}
	return wrong
}

func protocolOf(t conversation.Transport) uint8 {
	return [conversation.NumTransports]uint8{capture.ProtoUDP, capture.ProtoTCP, capture.ProtoTCP, capture.ProtoSCTP}[t]
}

func reportName(src, dst netip.AddrPort, ssrc uint32, primary string) string {
	return fmt.Sprintf("stream %v>%v %#08x of %s", src, dst, ssrc, primary)
}

// differences says how two sets of records differ: messages of each flow in
// order and with growing times, reports, RTCP.
func differences(want, got *said) (out []string) {
	for flow := range merged(want.sip, got.sip) {
		w, g := want.sip[flow], got.sip[flow]
		out = append(out, untimely(flow, g)...)
		if flow.Proto != capture.ProtoTCP {
			// Without a stream a message comes when it is whole: what was late, or
			// in more pieces, comes later.
			w, g = slices.Clone(w), slices.Clone(g)
			byText := func(a, b saidMessage) int { return cmp.Compare(a.text, b.text) }
			slices.SortFunc(w, byText)
			slices.SortFunc(g, byText)
		}
		out = append(out, messageDifferences(fmt.Sprintf("%v>%v", flow.Src, flow.Dst), w, g)...)
	}
	for name := range merged(want.reports, got.reports) {
		if w, g := want.reports[name], got.reports[name]; w != g {
			out = append(out, fmt.Sprintf("%s: %d packets, %d lost; want %d, %d", name, g[0], g[1], w[0], w[1]))
		}
	}
	for name := range merged(want.rtcp, got.rtcp) {
		if w, g := want.rtcp[name], got.rtcp[name]; w != g {
			out = append(out, fmt.Sprintf("%d times, want %d: %s", g, w, name))
		}
	}
	slices.Sort(out)
	return out
}

func merged[K comparable, V any](a, b map[K]V) map[K]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[K]V{}
	}
	maps.Copy(all, b)
	return all
}

// untimely lists the messages that are not later than the one before, to the
// microsecond.
func untimely(flow capture.FiveTuple, got []saidMessage) (out []string) {
	for i := 1; i < len(got); i++ {
		if got[i].wall != 0 && got[i].wall/1000 <= got[i-1].wall/1000 {
			out = append(out, fmt.Sprintf("%v>%v: message %d is not later than the one before", flow.Src, flow.Dst, i))
		}
	}
	return out
}

func messageDifferences(flow string, want, got []saidMessage) (out []string) {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return append(out, fmt.Sprintf("%s: %d messages, want %d; missing: %.60q", flow, len(got), len(want), want[i].text))
		case i >= len(want):
			return append(out, fmt.Sprintf("%s: %d messages, want %d; too many: %.60q", flow, len(got), len(want), got[i].text))
		case want[i].text != got[i].text:
			return append(out, fmt.Sprintf("%s: message %d is %.60q (%d octets), want %.60q (%d octets)", flow, i,
				got[i].text, len(got[i].text), want[i].text, len(want[i].text)))
		case want[i].primary != got[i].primary:
			out = append(out, fmt.Sprintf("%s: message %d under %q, want %q", flow, i, got[i].primary, want[i].primary))
		}
	}
	return out
}

// saidIn runs the pipeline over the frames of all renderings together, and
// sorts the records by the conversation they belong to.
func saidIn(t *testing.T, renderings []*conversation.Rendering) []*said {
	t.Helper()
	all := make([]*said, len(renderings))
	owner := map[netip.Addr]*said{}
	for i, r := range renderings {
		all[i] = &said{sip: map[capture.FiveTuple][]saidMessage{}, rtcp: map[string]int{}, reports: map[string][2]int{}}
		for _, end := range r.Conversation.Ends {
			if owner[end.Addr()] != nil {
				t.Fatalf("%v: another conversation has its address", r)
			}
			owner[end.Addr()] = all[i]
		}
	}
	pipeline(t, renderings, func(r *record.Record) {
		s := owner[r.Flow.Src.Addr()]
		if s == nil || s != owner[r.Flow.Dst.Addr()] {
			t.Errorf("a record of %v>%v, which is nobody's", r.Flow.Src, r.Flow.Dst)
			return
		}
		s.take(t, r)
	})
	return all
}

func (s *said) take(t *testing.T, r *record.Record) {
	switch r.Type {
	case record.SIP:
		s.sip[r.Flow] = append(s.sip[r.Flow], saidMessage{string(r.Payload), string(r.Primary), r.Wall, r.Flags})
	case record.RTCP:
		s.rtcp[fmt.Sprintf("RTCP %v>%v of %s: %s", r.Flow.Src, r.Flow.Dst, r.Primary, r.Payload)]++
	case record.RTPReport:
		var j streamReport
		if err := json.Unmarshal(r.Payload, &j); err != nil {
			t.Error(err)
		}
		if j.Type == "FINAL" {
			var ssrc uint32
			if _, err := fmt.Sscanf(j.SSRC, "0x%x", &ssrc); err != nil {
				t.Error(err)
			}
			s.reports[reportName(r.Flow.Src, r.Flow.Dst, ssrc, string(r.Primary))] = [2]int{j.Packets - j.Twice, j.Lost}
		}
	}
}

// pipeline is replay's, over frames in memory; those of a TAP's second port
// come from a source of their own.
func pipeline(t *testing.T, renderings []*conversation.Rendering, take func(*record.Record)) {
	t.Helper()
	var ports [2][]capture.Frame
	for _, r := range renderings {
		for _, f := range r.Frames {
			ports[f.Port] = append(ports[f.Port], f)
		}
	}
	cfg := config.Default()
	cfg.Media.Streams, cfg.Calls.Max = 4096, 4096
	c := probe.Config{Replay: true, Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Correlate: correlateConfig(cfg, len(ports)), ISUP: cfg.Records.ISUP}
	for i, frames := range ports {
		if len(frames) == 0 {
			continue
		}
		slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
		c.Inputs = append(c.Inputs, probe.Input{Name: fmt.Sprint("port ", i), Port: uint8(i), Source: capturetest.NewFakeSource(frames)})
	}
	var r record.Record
	c.Deliver = func(b []byte) error {
		record.Seal(b, 1, 0, [16]byte{})
		if err := record.Parse(b, &r); err != nil {
			return err
		}
		take(&r)
		return nil
	}
	if err := probe.New(c).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// cases returns how many cases of n to run: all, but under the race detector
// and with -short a few.
func cases(n int) int {
	if testing.Short() || raceDetector {
		return max(n/20, 5)
	}
	return n
}

// TestGeneratedTwice has the same frames give the same records.
func TestGeneratedTwice(t *testing.T) {
	row := anything(conversation.TCP, 0, false)
	var renderings []*conversation.Rendering
	for i := range uint64(together) {
		renderings = append(renderings, row.make(900_000+i).changed)
	}
	list := func() (all []string) {
		pipeline(t, renderings, func(r *record.Record) {
			all = append(all, fmt.Sprintf("%d %v %v %s %s %v", r.Type, r.Flow, r.Wall, r.Primary, r.Payload, r.Links))
		})
		return all
	}
	first := list()
	runtime.GC() // moves what is kept in pools
	if second := list(); !slices.Equal(first, second) {
		t.Errorf("%d records, then %d, or others", len(first), len(second))
	}
}
