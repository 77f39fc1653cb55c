package uplink_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/uplink"
)

// BenchmarkLoopback sends records of a mean SIP message's size through log,
// encoder and a TCP connection to a process that only reads. cpu-ns/rec is user
// and system time of both ends, the reader's share included.
func BenchmarkLoopback(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
				c.Close()
			}()
		}
	}()
	o := quick("tcp", ln.Addr().String(), nil)
	o.BarrierBytes, o.BarrierGap, o.SpillAfter = 0, 0, 0
	l, err := uplink.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = l.Run(ctx) }()
	defer func() { cancel(); <-l.Done() }()

	r := record.Record{
		Type: record.SIP, Class: record.Call, Wall: 1700000000123456789, Primary: []byte("a84b4c76e66710@pc33.example.com"),
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP,
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")},
		Payload: make([]byte, 860),
	}
	rec, _ := r.AppendBinary(nil)
	before := cpu(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for n%256 == 0 && l.Stats().Memory > 24<<20 {
			time.Sleep(100 * time.Microsecond) // as fast as it goes, and no faster
		}
		if err := l.Append(rec); err != nil {
			b.Fatal(err)
		}
		n++
	}
	for {
		if c := l.Stats().Collectors[0]; c.InMemory-uint64(c.Unconfirmed/len(rec)) < 100 {
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rec/s")
			if c.Shed.Sum()+c.Evicted.Sum() > 0 {
				b.Errorf("shed %v, evicted %v", c.Shed, c.Evicted)
			}
			break
		}
		runtime.Gosched()
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/rec")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
