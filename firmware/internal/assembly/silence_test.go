package assembly_test

import (
	"crypto/tls"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
	"heptap/firmware/internal/assembly"
)

// At the end of a connection it is told how long nothing had been said.
func TestSilence(t *testing.T) {
	text := request(1, 0)
	next := 1 + uint32(len(text))
	for _, tt := range []struct {
		name string
		end  func(r *rig)
		want time.Duration
	}{
		{"reset", func(r *rig) {
			r.pass(30 * time.Second)
			r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Ack: next, Flags: rst | ack}, nil))
		}, 30 * time.Second},
		{"acknowledged on and on", func(r *rig) {
			for range 3 {
				r.pass(10 * time.Second)
				r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Ack: next, Flags: ack}, nil))
			}
			r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Ack: next, Flags: rst | ack}, nil))
		}, 30 * time.Second},
		{"closed, and then by the other side", func(r *rig) {
			r.pass(20 * time.Second)
			r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Ack: next, Flags: fin | ack}, nil))
			r.pass(10 * time.Second)
			r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: next, Ack: 2, Flags: fin | ack}, nil),
				capturetest.TCP(bob, alice, capture.TCP{Seq: 2, Ack: next + 1, Flags: ack}, nil))
		}, 20 * time.Second},
		{"a keep-alive is something", func(r *rig) {
			r.pass(20 * time.Second)
			r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: next, Ack: 1, Flags: ack}, []byte("\r\n\r\n")))
			r.pass(100 * time.Millisecond)
			r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1, Ack: next + 4, Flags: rst | ack}, nil))
		}, 100 * time.Millisecond},
	} {
		w := &witness{}
		w.r = newRig(t, func(c *assembly.Config) { c.Net = w })
		w.r.shake()
		w.r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(text)))
		tt.end(w.r)
		w.r.pass(time.Minute)
		if got := time.Duration(w.silent).Round(50 * time.Millisecond); got != tt.want {
			t.Errorf("%s: silent for %v, want %v; %q", tt.name, got, tt.want, w.log)
		}
	}
}

// The alert that ends a session of TLS (RFC 8446 6.1) does not end its silence.
func TestSilenceOfTLS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w := &secrets{all: true}
		w.r = newRig(t, func(c *assembly.Config) { c.Net = w })
		events := tlstalk.Converse(cast.Client(version), cast.Serve(version))
		alert := 0 // the first after the answer, of 840 octets
		for i, e := range events {
			if len(e.Octets) > 840 {
				alert = i + 1
			}
		}
		w.r.talk(alice, other, events, func(i int) {
			if i == alert {
				w.r.pass(45 * time.Second)
			}
		})
		w.r.pass(time.Minute)
		if got := time.Duration(w.silent).Round(50 * time.Millisecond); got != 45*time.Second {
			t.Errorf("%x: silent for %v, want 45s; %q", version, got, w.log)
		}
	}
}
