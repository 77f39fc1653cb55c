package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/firmware/internal/jetstream/natstest"
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
