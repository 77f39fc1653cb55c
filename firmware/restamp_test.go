package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/firmware/internal/clock"
	"heptap/firmware/internal/export/homertest"
	"heptap/hep/heptest"
)

// TestCapturedBeforeTheTime: a box without a battery captures a call in 1970, with several
// messages in one segment, and learns what time it is before it sends any of it. Homer, which
// sorts by time, shows the call when it was and in its order.
func TestCapturedBeforeTheTime(t *testing.T) {
	collector := heptest.New(t, heptest.Options{})
	collector.Kill()
	dir := t.TempDir()
	box := newCollectorBox(t, dir, "set collector homer address "+collector.Addr()+"\nset collector homer profile homer7\n")
	ahead := time.Duration(time.Now().Unix())*time.Second + 123456789 // no whole number of microseconds
	box.learns(dir, ahead)

	var want []string
	seq, at := uint32(1), time.Duration(0)
	say := func(methods ...string) { // in one segment
		var text []byte
		for _, m := range methods {
			number := fmt.Sprintf("m%d", len(want))
			want = append(want, number)
			text = fmt.Appendf(text, "%s sip:b@example.com SIP/2.0\r\nX-Number: %s\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK%s\r\nFrom: <sip:a@example.com>;tag=1\r\n"+
				"To: <sip:b@example.com>;tag=2\r\nCall-ID: before\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n", m, number, number, len(want), m)
		}
		at += 700 * time.Nanosecond // so soon do they follow each other
		data := capturetest.TCP(boxPhone, boxProxy, capture.TCP{Seq: seq, Ack: 1, Flags: capture.FlagACK, Window: 1000}, text, capturetest.IPID(uint16(seq)|1))
		seq += uint32(len(text))
		box.wire.frames <- []capture.Frame{{Data: data, Length: len(data), Link: capture.LinkEthernet, Mono: int64(at), Wall: int64(at + time.Minute)}}
	}
	say("INVITE")
	for range 20 {
		say("INFO", "INFO", "INFO")
		say("INFO")
	}
	say("INFO", "BYE")
	waitFor(t, "the spool", func() bool { c := box.of("homer"); return c.Spooled >= uint64(len(want)) })
	collector.Restart()
	waitFor(t, "the receipts", func() bool { c := box.of("homer"); return c.InMemory+c.Spooled == 0 })

	var frames [][]byte
	for _, r := range collector.Records() {
		frames = append(frames, r.Frame)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	homer := &homertest.Homer{}
	if err := homer.Store(slices.Concat(frames...)); err != nil {
		t.Fatal(err)
	}
	truth := time.Unix(0, 0).Add(ahead)
	rows := homer.Transaction(truth.Add(-time.Second), truth.Add(time.Second), "before")
	slices.SortStableFunc(rows, func(a, b homertest.Row) int { return a.At.Compare(b.At) }) // as homer-ui does
	var got []string
	for i, r := range rows {
		if r.Table != "hep_proto_1_call" {
			continue
		}
		_, rest, _ := strings.Cut(r.Raw, "X-Number: ")
		n, _, _ := strings.Cut(rest, "\r\n")
		got = append(got, n)
		if i > 0 && !r.At.After(rows[i-1].At) && rows[i-1].Table == r.Table {
			t.Errorf("%s and %s have one time", got[len(got)-2:], r.At)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Homer shows %v", got)
	}
}

// learns has the box know from the beginning what it will find out later: that the clock it
// has now was wrong, and by how much.
func (b *collectorBox) learns(dir string, apart time.Duration) {
	b.t.Helper()
	type epoch struct {
		Boot   clock.Boot `json:"boot"`
		Number uint32     `json:"number"`
		Apart  int64      `json:"apart"`
		Right  bool       `json:"right"`
	}
	boot, now := b.r.epochs.Boot(), b.r.epochs.Current()
	list, err := json.Marshal([]epoch{{boot, now, int64(time.Minute), false}, {boot, now + 1, int64(apart), true}})
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(dir, "later.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if b.r.epochs, err = clock.OpenEpochs(path, boot); err != nil {
		b.t.Fatal(err)
	}
}
