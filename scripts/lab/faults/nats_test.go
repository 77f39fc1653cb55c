package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A collector may be a NATS server with a stream on disk, which outlives the process. What the stream has is read in the same
// process and put into a file as other collectors do; the next generation goes on behind what the files of
// the former ones have.

const (
	natsStream = "HEP"
	natsWindow = 30 * time.Minute // longer than any test
)

func (f *collectorFlags) serveNATS(ctx context.Context) error {
	at, err := netip.ParseAddrPort(f.addr)
	if err != nil {
		return err
	}
	o := &natsserver.Options{Host: at.Addr().String(), Port: int(at.Port()), NoSigs: true, NoLog: true, JetStream: true, StoreDir: filepath.Join(f.dir, "stream")}
	front := f.resetAfter > 0 || f.pause > 0
	if front {
		o.Host, o.Port = "127.0.0.1", natsserver.RANDOM_PORT
	}
	s, err := natsserver.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the NATS server does not start")
	}
	if err := f.copyStream(s); err != nil {
		return err
	}
	if front {
		if err := f.before(s.Addr().String()); err != nil {
			return err
		}
	}
	if err := f.ready(); err != nil {
		return err
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// copyStream puts what the stream has, and will have, into the file of this generation.
func (f *collectorFlags) copyStream(s *natsserver.Server) error {
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	js, err := nc.JetStream()
	if err != nil {
		return err
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: natsStream, Subjects: []string{"heptap.>"}, Storage: nats.FileStorage, Duplicates: natsWindow}); err != nil {
		return err
	}
	had, err := f.copied()
	if err != nil {
		return err
	}
	m, err := f.open(0)
	if err != nil {
		return err
	}
	_, err = js.Subscribe("heptap.>", func(msg *nats.Msg) {
		room := m.room(len(msg.Data))
		if len(room) < len(msg.Data) {
			fmt.Fprintln(os.Stderr, "collector: the file is full")
			os.Exit(1)
		}
		copy(room, msg.Data)
		m.took(len(msg.Data))
	}, nats.OrderedConsumer(), nats.StartSequence(uint64(had)+1))
	return err
}

// copied counts what the files of former generations have.
func (f *collectorFlags) copied() (n int, err error) {
	for g := range f.generation {
		b, err := os.ReadFile(filepath.Join(f.dir, fileName(g, 0)))
		if errors.Is(err, os.ErrNotExist) {
			continue // it had no time for it
		}
		if err != nil {
			return 0, err
		}
		b = bytes.TrimRight(b[min(headerBytes, len(b)):], "\x00")
		for frame := nextFrame(b); frame != nil; frame = nextFrame(b) {
			n++
			b = b[len(frame):]
		}
	}
	return n, nil
}

// before stands before the server, and is sick in its stead.
func (f *collectorFlags) before(to string) error {
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	go func() { // until the process ends
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.pass(c.(*net.TCPConn), to)
		}
	}()
	return nil
}

func (f *collectorFlags) pass(c *net.TCPConn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	if f.receive > 0 {
		_ = c.SetReadBuffer(f.receive) // a larger one is no fault
	}
	var reset atomic.Bool
	go func() {
		_, _ = io.Copy(c, s)
		if !reset.Load() {
			c.Close()
		}
	}()
	b, had := make([]byte, readBytes), int64(0)
	for {
		n, err := c.Read(b)
		if _, werr := s.Write(b[:n]); err != nil || werr != nil {
			return
		}
		if had += int64(n); f.sick() {
			if f.resetAfter > 0 && had >= f.resetAfter {
				reset.Store(true)
				_ = c.SetLinger(0) // and close: RST
				return
			}
			time.Sleep(f.pause)
		}
	}
}
