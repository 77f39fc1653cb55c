package kamailio_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/kamailio"
)

// TestRelayOfKamailio has Kamailio trace to the box what it receives and
// answers: what the mirror port shows too must reach the collector once, and what
// it does not show must reach it as well, in Kamailio's name.
func TestRelayOfKamailio(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) { relayOfKamailio(t, transport) })
	}
}

func relayOfKamailio(t *testing.T, transport string) {
	const each = 40
	r := newRig(t)
	s := r.site(t)
	proxy := r.host(t, "proxy")
	r.attach(t, proxy, r.mirror, "proxy", "eth0", "10.88.0.2/24")
	r.attach(t, proxy, r.uplink, "proxyup", "up0", "10.99.0.200/24")
	if err := r.mirror.Mirror(s.Probe, "span1", "wire", "proxy"); err != nil {
		t.Fatal(err)
	}
	to := net.JoinHostPort(s.Probe.Addr.String(), "9060")
	b, err := box.Start(within(t, time.Minute), s, box.Config{Binary: binaryPath(t), Lines: []string{
		"set capture span1 interface span1", "set spool path " + filepath.Join(r.Dir(), "spool"),
		"set intake listen " + transport + " " + to, "set intake auth-key myHep", "set intake allow 10.99.0.0/24"}})
	if err != nil {
		t.Fatal(err)
	}
	hep := to
	if transport == "tcp" {
		hep += ";transport=tcp"
	}
	server, err := kamailio.StartTrace(within(t, time.Minute), r.Lab, proxy, "10.88.0.2:5060", "10.99.0.200:5060", hep)
	need(t, err)
	want := map[string]string{} // Call-ID to request
	options(t, r.wire, "udp", "10.88.0.2:5060", "shown-udp", each, want)
	options(t, r.wire, "tcp", "10.88.0.2:5060", "shown-tcp", each, want)
	options(t, s.Collector, "udp", "10.99.0.200:5060", "hidden-udp", each, want)
	options(t, s.Collector, "tcp", "10.99.0.200:5060", "hidden-tcp", each, want)
	ctx := within(t, time.Minute)
	const shown, hidden = 4 * each, 4 * each
	eventually(t, "Kamailio's packets are taken in", func() bool {
		m, err := b.Metrics(ctx)
		return err == nil && m.Sum("heptap_intake_taken_total") >= shown+hidden && m.Sum("heptap_intake_queued") == 0
	})
	m, err := b.Metrics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copies := m.Sum("heptap_intake_dropped_total", `reason="copy"`) + m.Sum("heptap_intake_mirror_copies_total")
	if dropped := m.Sum("heptap_intake_dropped_total"); copies != shown || dropped > shown {
		t.Errorf("%v copies, %v packets dropped, want %d copies", copies, dropped, shown)
	}
	if err := b.Settled(ctx); err != nil {
		t.Error(err)
	}
	records, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	r.stopWitness(t)
	requests, replies := map[string]int{}, map[string]int{}
	for i := range records {
		k := &records[i]
		if k.Type != box.TypeSIP {
			continue
		}
		if strings.HasPrefix(k.Payload, "OPTIONS") {
			if k.Payload != want[k.Primary] {
				t.Errorf("%s:\n got %q\nwant %q", k.Primary, k.Payload, want[k.Primary])
			}
			requests[k.Primary]++
		} else {
			replies[k.Primary]++
		}
		if strings.HasPrefix(k.Primary, "hidden") && k.Agent != 2002 {
			t.Errorf("%s is of agent %d", k.Primary, k.Agent)
		}
	}
	for id := range want {
		if requests[id] != 1 || replies[id] != 1 {
			t.Errorf("%s: %d requests and %d replies arrived", id, requests[id], replies[id])
		}
	}
}

// options has a host ask n times, and writes down what it asked.
func options(t *testing.T, h *lab.Host, network, addr, name string, n int, want map[string]string) {
	t.Helper()
	err := h.Do(func() error {
		c, err := net.Dial(network, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		in := bufio.NewReader(c)
		for i := range n {
			id := fmt.Sprintf("%s-%d", name, i)
			want[id] = fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/%s %v;branch=z9hG4bK%s\r\nFrom: <sip:a@example.com>;tag=1\r\n"+
				"To: <sip:b@example.com>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
				addr, strings.ToUpper(network), c.LocalAddr(), id, id)
			if _, err := io.WriteString(c, want[id]); err != nil {
				return err
			}
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				return err
			}
			var reply bytes.Buffer
			for !bytes.HasSuffix(reply.Bytes(), []byte("\r\n\r\n")) {
				line, err := in.ReadString('\n')
				if err != nil {
					return fmt.Errorf("%s: %w after %q", id, err, reply.String())
				}
				reply.WriteString(line)
			}
			if !strings.HasPrefix(reply.String(), "SIP/2.0 200 ") {
				return fmt.Errorf("%s: %q", id, reply.String())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
