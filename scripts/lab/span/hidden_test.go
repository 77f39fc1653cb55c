package span_test

import (
	"fmt"
	socket "net"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// TestFilterHidesSIP has a filter that hides all SIP. No record is made of it, but
// the probe says that it is there: a counter, a line in the log, a line on SIGUSR1.
func TestFilterHidesSIP(t *testing.T) {
	const filter = "not udp port 5060"
	s := newScene(t, lab.SiteConfig{}, nil, `set capture span0 filter "`+filter+`"`)
	var conn socket.Conn
	if err := s.A.Do(func() (err error) {
		conn, err = socket.Dial("udp", socket.JoinHostPort(s.B.Addr.String(), "5060"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seen := func() float64 {
		return s.metrics(t).Sum("heptap_frames_hidden_sampled_total", `port="span0"`, `protocol="sip"`)
	}
	// One packet in 1024 is drawn. That none is of 40,000 does not happen.
	sent := 0
	for deadline := time.Now().Add(60 * time.Second); seen() < 3 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for range 1000 {
			message := fmt.Sprintf("OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bK%d\r\n"+
				"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: %d@hidden\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", sent, sent)
			_, _ = conn.Write([]byte(message)) // the other end may say that nobody listens
			sent++
		}
	}
	if n := seen(); n < 3 || n > float64(sent) {
		t.Fatalf("%v samples of %d messages", n, sent)
	}
	time.Sleep(time.Second) // the monitor looks four times a second, and rates are over one at least
	if err := s.box.Probe().Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	const rate, warning = "port span0: the filter hides about ", `msg="the filter of this port hides SIP" port=span0 filter="` + filter + `"`
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		said := s.box.Log()
		if strings.Contains(said, rate) && strings.Contains(said, "packets/s: sip ") && strings.Contains(said, warning) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not said: %q and %q\n%s", rate, warning, said)
		}
	}
	records, m := s.finish(t)
	for i := range records {
		if records[i].Type == box.TypeSIP {
			t.Fatalf("a record of what the filter hides: %+v", records[i])
		}
	}
	received, drops := m.Sum("heptap_frames_received_total"), m.Sum("heptap_frames_kernel_drops_total")
	decoded, dropped := m.Sum("heptap_frames_decoded_total"), m.Sum("heptap_frames_dropped_total")
	if sample := m.Sum("heptap_frames_dropped_total", `reason="filter sample"`); sample < 3 || received < drops+decoded+dropped {
		t.Errorf("%v samples dropped; received %v, dropped by the kernel %v, decoded %v, dropped %v", sample, received, drops, decoded, dropped)
	}
}
