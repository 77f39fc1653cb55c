package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/syslogd"
)

// TestReceivedLines has a call on the mirror port and lines about it received
// on the management side, from util-linux's logger in all of its forms.
func TestReceivedLines(t *testing.T) {
	logger, err := exec.LookPath("logger")
	if err != nil {
		t.Skip("no logger is installed")
	}
	begun := time.Now()
	now := func() int64 { return int64(time.Since(begun)) }
	lines, err := syslogd.Listen(syslogd.Options{UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string // guarded by mu
	port := &wire{frames: make(chan []capture.Frame)}
	p := probe.New(probe.Config{
		Inputs: []probe.Input{{Name: "wire", Source: port}}, Now: now, Media: media.Config{Streams: 10, Interval: time.Second},
		Assembly: assemblyConfig(config.Default()), Beyond: beyondConfig(config.Default()),
		Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour}, Lines: lines,
		Deliver: func(b []byte) error {
			record.Seal(b, 1, 1, [16]byte{})
			var r record.Record
			if err := record.Parse(b, &r); err != nil || r.Type != record.Log {
				return err
			}
			_, text, _ := strings.Cut(string(r.Payload), `"text":"`)
			text, _, _ = strings.Cut(text, `"`)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprint(r.Flow.Proto, " ", string(r.Primary), ": ", text))
			return nil
		},
	})
	r := &runner{probe: p, lines: lines}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.capture(ctx, cancel) }()
	invite := capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("192.0.2.1:5060"), Callee: netip.MustParseAddrPort("192.0.2.2:5060"), CallID: "a84b4c76e66710@pc33"})[0]
	frames := capturetest.Frames(time.Now(), 0, capturetest.UDP(invite.Src, invite.Dst, invite.Payload))
	frames[0].Mono = now()
	port.frames <- frames

	udp, tcp := lines.Addrs()
	forms := [][]string{{"--udp", "--rfc3164"}, {"--udp", "--rfc5424"}, {"--tcp", "--rfc5424"}, {"--tcp", "--rfc3164", "--octet-count"}}
	for i, form := range forms {
		to := udp[0]
		if form[0] == "--tcp" {
			to = tcp[0]
		}
		args := append([]string{"--server", "127.0.0.1", "--port", fmt.Sprint(to.Port()), "--tag", "kamailio"}, form...)
		for _, text := range []string{fmt.Sprintf("line %d of a84b4c76e66710@pc33", i), "line of no call"} {
			if out, err := exec.Command(logger, append(args, text)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	waitFor(t, "all lines", func() bool { s := lines.Stats(); return s.UDP+s.TCP == uint64(2*len(forms)) })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	counts := map[string]int{}
	for _, g := range got {
		counts[g]++
	}
	for i := range forms {
		proto := capture.ProtoUDP
		if i > 1 {
			proto = capture.ProtoTCP
		}
		if want := fmt.Sprintf("%d a84b4c76e66710@pc33: line %d of a84b4c76e66710@pc33", proto, i); counts[want] != 1 || len(got) != len(forms) {
			t.Errorf("%q, want %q among them", got, want)
		}
	}
}

func TestSyslogConfig(t *testing.T) {
	for lines, want := range map[string]string{
		"set syslog listen udp 192.0.2.20:514\nset syslog listen tcp 192.0.2.20:514\nset syslog allow 192.0.2.0/24\n": "",
		"set syslog listen udp 192.0.2.20:514\nset records log off\n":                                                 "syslog: lines are received and there are no records of them",
		"set syslog listen udp nowhere\n":                                                                             "set syslog listen udp: ",
		"set records mi-filter opensips dr_reload\n":                                                                  "set records mi-filter opensips: ",
		"set records log some\n":                                                                                      "set records log: ",
	} {
		_, err := config.Parse(strings.NewReader("set capture span0 interface eth1\n"+lines), "x")
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%q: %v, want %q", lines, err, want)
		}
	}
}
