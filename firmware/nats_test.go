package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/firmware/internal/jetstream/natstest"
	"heptap/hep"
)

// TestRunWithNATS: the probe publishes what it captures. Killed when the stream has stored records and
// no acknowledgement came, it sends them again, and the stream has each once.
func TestRunWithNATS(t *testing.T) {
	needRoot(t)
	s := natstest.New(t, natstest.Options{Token: "letmein"})
	s.Stream(nil)
	way := natstest.Between(t, s, 0)
	sock, send := placeCall(t, "nats-1@example", 20)
	conf, _ := loopbackConfig(t, sock.LocalAddr().(*net.UDPAddr).Port, "set collector central address "+way.Addr()+"\nset collector central transport nats\n"+
		"set collector central nats-token letmein\nset collector central nats-partitions 4\n")
	b := launch(t, nil, "run", "-config", conf)
	b.says("msg=capturing")
	b.says("uplink up")
	send()
	b.until(`confirmed[^0-9]+20$`)
	way.Hold(true)
	send()
	for end := time.Now().Add(20 * time.Second); s.Count() < 40; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the stream has %d records", s.Count())
		}
	}
	b.until(`spooled[^0-9]+20$`)
	if err := b.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-b.done
	b.done <- os.ErrProcessDone
	way.Hold(false)
	b = launch(t, nil, "run", "-config", conf)
	b.says("msg=capturing")
	b.until(`confirmed[^0-9]+20$`)
	b.stop(0)
	all := s.Messages()
	if len(all) != 40 {
		t.Errorf("the stream has %d records, want 40", len(all))
	}
	for _, m := range all {
		if !strings.HasPrefix(m.Subject, "heptap.box.sip.") {
			t.Errorf("subject %s", m.Subject)
		}
	}
	if strings.Contains(b.said(), "letmein") {
		t.Error("the token is in the log")
	}
}

// TestCollectFromNATS: a collector that is killed again and again while it reads a stream loses nothing, and
// what is no HEP is left out.
func TestCollectFromNATS(t *testing.T) {
	s := natstest.New(t, natstest.Options{Token: "letmein"})
	js := s.Stream(nil)
	const packets = 3000
	for i := range packets {
		p := hep.Packet{Type: 1, Wall: 1e18, Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060"), Proto: 17, Payload: fmt.Appendf(nil, "message %d", i)}
		b, err := p.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync("heptap.box.sip", b); err != nil {
			t.Fatal(err)
		}
		if i == 100 {
			if _, err := js.PublishAsync("heptap.box.sip", []byte("no HEP")); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-js.PublishAsyncComplete()
	out := filepath.Join(t.TempDir(), "out.hep")
	args := []string{"collect", "-nats", "nats://letmein@" + s.Addr(), "-stream", "HEP", "-durable", "archive", "-o", out}
	size := func() int64 {
		info, err := os.Stat(out)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for range 4 {
		b := launch(t, nil, args...)
		b.says("collecting stream=HEP durable=archive")
		for was, end := size(), time.Now().Add(10*time.Second); size() == was && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if err := b.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-b.done
		b.done <- os.ErrProcessDone
	}
	pending := func() uint64 {
		info, err := js.ConsumerInfo("HEP", "archive")
		if err != nil {
			t.Fatal(err)
		}
		return info.NumPending
	}
	b := launch(t, nil, args...)
	for end := time.Now().Add(30 * time.Second); pending() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d messages have not been read", pending())
		}
	}
	b.stop(0)
	// What the dead had been given comes again only when their time is over: none of it may be
	// acknowledged and not be in the file.
	info, err := js.ConsumerInfo("HEP", "archive")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range heptap(t, nil, "decode", out).want(t, 0).lines(t) {
		seen[*line.Payload] = true
	}
	if len(seen)+info.NumAckPending < packets || len(seen) == 0 {
		t.Errorf("%d of %d packets are in the file, %d are to come again", len(seen), packets, info.NumAckPending)
	}
	heptap(t, nil, "collect", "-nats", "nats://letmein@"+s.Addr(), "-stream", "OTHER").want(t, 1, "there is no such stream")
	heptap(t, nil, "collect", "-nats", "nats://letmein@"+s.Addr()).want(t, 2, "-nats and -stream need each other")
	heptap(t, nil, "collect", "-nats", "nats://wrong@"+s.Addr(), "-stream", "HEP").want(t, 1, "Authorization Violation")
}
