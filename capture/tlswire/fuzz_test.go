package tlswire_test

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"heptap/capture/capturetest/tlstalk"
	"heptap/capture/tlswire"
)

// held returns the octets that an Info holds, headers of slices and strings
// apart from those in Info itself included.
func held(i tlswire.Info) int {
	n := len(i.SNI) + len(i.ALPN) + len(i.JA3) + len(i.JA3S) + len(i.JA4) + 2*len(i.Offered)
	for _, s := range i.ALPNOffered {
		n += len(s) + 16
	}
	for _, c := range []*tlswire.Certificate{i.ServerCert, i.ClientCert} {
		if c == nil {
			continue
		}
		n += int(unsafe.Sizeof(*c)) + len(c.SubjectCN) + len(c.SubjectO) + len(c.IssuerCN) + len(c.IssuerO)
		for _, s := range append(append([]string{}, c.DNSNames...), c.URIs...) {
			n += len(s) + 16
		}
		for _, a := range c.Addresses {
			n += len(a) + 24
		}
	}
	return n
}

// decodeEvents reads what a fuzzer wrote: a control octet (direction, then
// what happens, then the high part of a length), one octet of length, and octets.
func decodeEvents(b []byte) (events []event) {
	for len(b) >= 2 {
		dir, what, n := int(b[0]&1), b[0]>>1&7, int(b[0]>>4)<<8|int(b[1])
		b = b[2:]
		switch what {
		case 0:
			events = append(events, event{dir: dir, how: tlswire.FIN})
		case 1:
			events = append(events, event{dir: dir, how: tlswire.RST})
		case 2:
			events = append(events, event{dir: dir, gap: int64(n) - 1})
		case 3:
			events = append(events, event{dir: -1, how: tlswire.RST})
		default:
			n = min(n, len(b))
			events = append(events, event{dir: dir, b: b[:n]})
			b = b[n:]
		}
	}
	return events
}

// encodeEvents is the inverse, for seeds.
func encodeEvents(events []event) (b []byte) {
	for _, e := range events {
		for c := range slices.Chunk(e.b, 1<<12-1) {
			b = append(b, byte(e.dir|4<<1|len(c)>>8<<4), byte(len(c)))
			b = append(b, c...)
		}
		if e.how != tlswire.Open {
			b = append(b, byte(e.dir|int(e.how-1)<<1), 0)
		}
	}
	return b
}

func FuzzSession(f *testing.F) {
	p := tlstalk.NewCast(f)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := p.Serve(version)
		f.Add(encodeEvents(converse(p.Client(version), server)), uint32(1))
		server.ClientAuth = tls.RequireAnyClientCert
		f.Add(encodeEvents(converse(p.Client(version), server)), uint32(2))
		client := p.Client(version)
		client.Certificates = []tls.Certificate{p.Phone}
		f.Add(encodeEvents(converse(client, server)), uint32(3))
	}
	hello := clientHello(0x0303, chromeSuites, types("0000,0010,000d,002b,002a,dada", map[string]string{"0000": "0004 00 0001 61", "0010": alpnH2, "002b": offers13, "000d": "0002 0403"}))
	retry := record(22, message(2, append(append([]byte{3, 3}, unhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")...), 0, 0x13, 1, 0)))
	f.Add(encodeEvents([]event{{b: hello}, {dir: 1, b: retry}, {dir: 1, b: record(20, []byte{1})}, {b: record(20, []byte{1})}, {b: hello}, {dir: 1, b: serverHello("1301", tls13...)}}), uint32(4))
	f.Add(encodeEvents([]event{{b: hello}, {dir: 1, b: record(21, []byte{2, 40})}, {dir: 1, how: tlswire.FIN}}), uint32(5))
	f.Add(append([]byte{2 << 1, 0}, encodeEvents([]event{{b: hello}, {dir: 1, b: []byte("HTTP/1.1")}})...), uint32(6))
	f.Add(encodeEvents([]event{{b: unhex("802e 01 0301 0015 0000 0010")}, {b: make([]byte, 37)}, {dir: 1, b: serverHello("002f")}}), uint32(7))
	seeds, _ := filepath.Glob("../../../shared/captures/corpora/zeek-corpora/ssl/*")
	for _, name := range seeds[:min(len(seeds), 100)] {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(zeekEvents(b), uint32(8))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, seed uint32) {
		events := decodeEvents(b)
		few := tlswire.Session{Buffers: &tlswire.Buffers{Max: 1}}
		if got := watch(&few, events, func(n int) int { return min(n, 700) }); got.Outcome.OK() && got.Outcome.Failed() {
			t.Fatalf("%+v", got)
		}
		few.Trim()
		few.Reset()
		s := tlswire.Session{Buffers: &tlswire.Buffers{Keep: 2}}
		want := watch(&s, events, func(n int) int { return n })
		if n := held(want); n+int(unsafe.Sizeof(s)) > tlswire.MemoryBytes {
			t.Fatalf("%d octets held", n)
		}
		if want.Outcome.OK() && want.Outcome.Failed() || (want.Failure() != "") != want.Outcome.Failed() || want.Outcome.String() == "invalid" || want.Stage.String() == "invalid" {
			t.Fatalf("%+v", want)
		}
		if len(want.Alerts) > 4 || len(want.JA3) != len(want.JA4)/9*8 || want.Stage >= tlswire.HelloAnswered && want.Version == 0 && !want.Incomplete && want.Outcome.OK() {
			t.Fatalf("%+v", want)
		}
		for _, c := range []*tlswire.Certificate{want.ServerCert, want.ClientCert} {
			if c != nil {
				c.Check(now, want.SNI)
			}
		}
		// The same octets, split otherwise; then the same seen from the other side.
		random := func(n int) int {
			seed = seed*1664525 + 1013904223
			return 1 + int(seed>>8)%min(n, 1+int(seed>>28)*40)
		}
		for i, way := range []func(int) int{random, func(int) int { return 1 }} {
			s.Reset()
			if got := watch(&s, events, way); !reflect.DeepEqual(got, want) {
				t.Fatalf("way %d:\n%+v\nwhole:\n%+v", i, got, want)
			}
		}
		if want.Stage >= tlswire.HelloSent && want.Stage != tlswire.DataFlows { // the roles are known
			s.Reset()
			other := watch(&s, swapped(events), random)
			if other.JA4 != want.JA4 || other.Suite != want.Suite || other.SNI != want.SNI {
				t.Fatalf("from the other side:\n%+v\n%+v", other, want)
			}
		}
	})
}

// zeekEvents takes a seed of zeek's fuzzer apart: octets between markers, of
// either direction.
func zeekEvents(b []byte) []byte {
	var events []event
	for part := range bytes.SplitSeq(b, []byte("\x01PKT")) {
		if len(part) > 1 {
			events = append(events, event{dir: int(part[0] & 1), b: part[1:]})
		}
	}
	return encodeEvents(events)
}

func FuzzIs(f *testing.F) {
	f.Add(clientHello(0x0301, "1301", nil))
	f.Add(serverHello("1301"))
	f.Add([]byte("INVITE sip:a SIP/2.0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		is := tlswire.Is(b)
		if len(b) < 6 && is || len(b) > 6 && is != tlswire.Is(b[:6]) {
			t.Fatalf("%v of %x", is, b)
		}
		// What is a ClientHello is one to a session as well.
		var s tlswire.Session
		s.Write(0, b)
		if i := s.Info(); is && i.Outcome == tlswire.NotTLS {
			t.Fatalf("%v, %+v", is, i)
		}
	})
}
