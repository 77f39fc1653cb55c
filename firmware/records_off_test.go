package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
)

// everyKind is a capture from which records of every kind are made.
func everyKind(t *testing.T) []capture.Frame {
	begin, end := prologue()
	data := slices.Concat(begin, seedMedia(), seedSyslog(), seedNG(), seedMI(), seedAMI(), seedESL(), seedBinRPC(), seedREST(), seedWebMI(), seedWebSocket(), seedISUP(),
		seedDNS(), seedTLS(t), seedLegs(), seedTCP(), end)
	frames := append(capturetest.Frames(start, 7*time.Millisecond, data...), later(linkScene(), 10*time.Second)...)
	return append(frames, later(oneWayScene(), 20*time.Second)...)
}

// oneWayScene is a call whose callee sends nothing.
func oneWayScene() (frames []capture.Frame) {
	a, b := netip.MustParseAddrPort("192.0.2.60:6000"), netip.MustParseAddrPort("192.0.2.61:7000")
	ds := capturetest.SIPCall(capturetest.Call{Caller: netip.AddrPortFrom(a.Addr(), 5060), Callee: netip.AddrPortFrom(b.Addr(), 5060), CallerMedia: a, CalleeMedia: b, CallID: "one-way@example.com"})
	var data [][]byte
	for _, d := range ds[:5] {
		data = append(data, capturetest.UDP(d.Src, d.Dst, d.Payload))
	}
	for i := range 500 {
		data = append(data, capturetest.UDP(a, b, capturetest.RTPPacket(8, uint16(i), uint32(i)*160, 0xabcd, make([]byte, 160))))
	}
	return capturetest.Frames(start, 20*time.Millisecond, data...)
}

// later moves frames on.
func later(frames []capture.Frame, by time.Duration) []capture.Frame {
	for i := range frames {
		frames[i].Wall += int64(by)
		frames[i].Mono += int64(by)
	}
	return frames
}

// serial is the end of an id that counts records of all kinds.
var serial = regexp.MustCompile(`\b((?:rest|dns|mi)-[0-9a-z]{8,})-[0-9a-z]+`)

// toConnection is a link to a connection, as made writes it.
var toConnection = regexp.MustCompile(`net:[0-9]+:flow:0,`)

func cutOut(texts []string, what *regexp.Regexp) (out []string) {
	for _, s := range texts {
		out = append(out, what.ReplaceAllString(s, ""))
	}
	slices.Sort(out)
	return out
}

// kindOf names what a record is of, as finely as options tell kinds apart.
func kindOf(r *record.Record) string {
	var m struct {
		Event string `json:"event"`
	}
	switch _ = json.Unmarshal(r.Payload, &m); {
	case r.Type != record.Log:
		return r.Type.String()
	case strings.HasPrefix(m.Event, "NG "), strings.HasPrefix(m.Event, "rtpproxy "):
		return "ng"
	case m.Event == "one-way audio", strings.HasPrefix(m.Event, "RTP "):
		return "event"
	}
	return "log"
}

// made replays frames, and returns the records by kind, each in words.
func made(t *testing.T, lines string, frames []capture.Frame) map[string][]string {
	cfg, err := config.Parse(strings.NewReader(lines), "test")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	sum, err := replay(context.Background(), cfg, io.Discard, []string{"test"}, capturetest.NewFakeSource(frames), func(r *record.Record) {
		links := ""
		for _, l := range r.Links {
			links += fmt.Sprintf("%v:%s:%v:%d,", l.Type, l.ID, l.How, l.Score)
		}
		k := kindOf(r)
		text := fmt.Sprintf("%v %s %d %v %s %q", r.Type, r.Primary, r.Wall, r.Flow, links, r.Payload)
		out[k] = append(out[k], serial.ReplaceAllString(text, "$1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, records := range out {
		slices.Sort(records)
		if sum.Records[kind] == 0 && kind != "ng" && kind != "event" {
			t.Errorf("%q: the summary counts no %s", lines, kind)
		}
	}
	return out
}

// TestKindsSwitchedOff turns off one kind of records after the other: there is none of it, and
// all others are as they were.
func TestKindsSwitchedOff(t *testing.T) {
	frames := everyKind(t)
	all := made(t, "", frames)
	for _, kind := range []string{"sip", "rtcp", "rtp", "dns", "isup", "mi", "rest", "net", "control", "log", "ng", "event"} {
		if len(all[kind]) == 0 {
			t.Errorf("the capture has nothing of which there is a %s record", kind)
		}
	}
	off := map[string]string{"records net": "net", "records isup": "isup", "records log": "log", "records ng": "ng", "records dns": "dns", "records mi": "mi", "records rest": "rest",
		"records links": "control", "media events": "event"}
	for _, o := range config.Schema() {
		path := strings.Join(o.Path, " ")
		if kind := off[path]; kind == "" {
			if strings.HasPrefix(path, "records ") && o.Default != "off" && strings.HasSuffix(o.Arg, "|off") {
				t.Errorf("%s is not tried", path)
			}
			continue
		}
		word := "off"
		if path == "records links" {
			word = "seen"
		}
		less := made(t, "set "+path+" "+word, frames)
		for kind, want := range all {
			switch got := less[kind]; {
			case kind == off[path] && len(got) > 0:
				t.Errorf("%s %s: %d %s records, such as %s", path, word, len(got), kind, got[0])
			case path == "records rest" && kind == "control" && len(got) == len(want)-1: // there is nothing to link
			case (path == "records rest" || path == "records mi") && kind == "net": // nothing of this goes over some connections
				for _, r := range got {
					if !slices.Contains(want, r) {
						t.Errorf("%s %s makes a record of a connection: %s", path, word, r)
					}
				}
			case path == "records net" && (kind == "rest" || kind == "mi"):
				if !slices.Equal(got, cutOut(want, toConnection)) {
					t.Errorf("%s %s changes %s records", path, word, kind)
				}
			case kind != off[path] && !slices.Equal(got, want):
				t.Errorf("%s %s changes %s records: %d, not %d", path, word, kind, len(got), len(want))
			}
		}
	}
}
