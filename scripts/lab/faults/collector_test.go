package faults_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"heptap/hep"
)

// A file of the collector: a page that says how many octets were read, then
// the octets. The kernel writes them there itself, in the very call by which
// the process reads them.
const (
	headerBytes = 4096
	fileBytes   = 512 << 20 // address space, and size of a sparse file
	readBytes   = 128 << 10 // one read at most
)

type collectorFlags struct {
	addr, dir  string
	generation int
	udp        bool
	nats       bool          // a NATS server with a stream instead
	cert, key  string        // files: TLS
	clientCA   string        // file: ask for a certificate of it
	deaf       bool          // accept and never read
	receive    int           // SO_RCVBUFFORCE
	pause      time.Duration // after each read
	resetAfter int64         // octets of a connection, then RST inside of a frame
	while      string        // pause and reset as long as this file is there; empty is always
	poison     int           // number of the message that it closes on, or -1
}

// sick reports whether it is to pause and to reset.
func (f *collectorFlags) sick() bool {
	if f.while == "" {
		return true
	}
	_, err := os.Stat(f.while)
	return err == nil
}

// fileName names the file of a connection so that the names sort as the
// connections came.
func fileName(generation, conn int) string { return fmt.Sprintf("g%04d-c%06d", generation, conn) }

func readyName(generation int) string { return fmt.Sprintf("ready-%04d", generation) }

// collectorMain is a collector in a process of its own.
func collectorMain(args []string) error {
	var f collectorFlags
	fs := flag.NewFlagSet("collector", flag.ContinueOnError)
	fs.StringVar(&f.addr, "addr", "", "")
	fs.StringVar(&f.dir, "dir", "", "")
	fs.IntVar(&f.generation, "generation", 0, "")
	fs.BoolVar(&f.udp, "udp", false, "")
	fs.BoolVar(&f.nats, "nats", false, "")
	fs.StringVar(&f.cert, "certificate", "", "")
	fs.StringVar(&f.key, "key", "", "")
	fs.StringVar(&f.clientCA, "client-ca", "", "")
	fs.BoolVar(&f.deaf, "deaf", false, "")
	fs.IntVar(&f.receive, "receive", 0, "")
	fs.DurationVar(&f.pause, "pause", 0, "")
	fs.Int64Var(&f.resetAfter, "reset-after", 0, "")
	fs.StringVar(&f.while, "while", "", "")
	fs.IntVar(&f.poison, "poison", -1, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	switch {
	case f.udp:
		return f.serveUDP(ctx)
	case f.nats:
		return f.serveNATS(ctx)
	}
	return f.serveTCP(ctx)
}

func (f *collectorFlags) ready() error {
	return os.WriteFile(filepath.Join(f.dir, readyName(f.generation)), nil, 0o644)
}

func (f *collectorFlags) serveTCP(ctx context.Context) error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, "tcp", f.addr)
	if err != nil {
		return err
	}
	if f.receive > 0 { // connections inherit it
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err != nil {
			return err
		}
		var serr error
		if err := raw.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, f.receive) }); err != nil || serr != nil {
			return errors.Join(err, serr)
		}
	}
	context.AfterFunc(ctx, func() { l.Close() })
	var secure *tls.Config
	if f.cert != "" {
		if secure, err = hep.ServerTLS(f.cert, f.key, f.clientCA); err != nil {
			return err
		}
	}
	if err := f.ready(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if f.deaf {
			defer conn.Close() // and never read until the end
			continue
		}
		go func() { // until the process ends
			if err := f.read(conn.(*net.TCPConn), secure, n); err != nil {
				fmt.Fprintln(os.Stderr, "collector: connection", n, err)
				os.Exit(1)
			}
		}()
	}
}

// mapped is a file of the collector, in memory.
type mapped struct {
	all  []byte
	read int // octets
}

func (f *collectorFlags) open(conn int) (*mapped, error) {
	file, err := os.OpenFile(filepath.Join(f.dir, fileName(f.generation, conn)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(fileBytes); err != nil {
		return nil, err
	}
	all, err := unix.Mmap(int(file.Fd()), 0, fileBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return &mapped{all: all}, err
}

// room is where the next octets go.
func (m *mapped) room(limit int) []byte {
	at := headerBytes + m.read
	return m.all[at:min(at+limit, len(m.all))]
}

// took says that n octets have been put there.
func (m *mapped) took(n int) {
	m.read += n
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&m.all[0])), uint64(m.read))
}

// forget takes octets back that a collector which dies of a frame would have
// lost with it.
func (m *mapped) forget(from int) {
	clear(m.all[headerBytes+from : headerBytes+m.read])
	m.took(from - m.read)
}

var errPoison = errors.New("poison")

// read reads a connection to its end. An orderly one is answered, over TLS with
// close_notify.
func (f *collectorFlags) read(raw *net.TCPConn, secure *tls.Config, number int) error {
	defer raw.Close()
	c := net.Conn(raw)
	if secure != nil {
		c = tls.Server(raw, secure)
	}
	m, err := f.open(number)
	if err != nil {
		return err
	}
	defer unix.Munmap(m.all)
	whole := 0 // where the first incomplete frame begins
	for {
		limit, sick := readBytes, f.sick()
		if f.resetAfter > 0 && sick {
			limit = max(1, min(limit, int(f.resetAfter)-m.read))
		}
		room := m.room(limit)
		if len(room) == 0 {
			return errors.New("the file is full")
		}
		n, err := c.Read(room)
		m.took(n)
		if whole, err = f.frames(m, whole, err); err != nil {
			if errors.Is(err, errPoison) {
				m.forget(whole)
				return raw.SetLinger(0)
			}
			if errors.Is(err, io.EOF) {
				_ = c.Close()
			}
			return nil // however the peer ended it
		}
		if f.resetAfter > 0 && sick && int64(m.read) >= f.resetAfter && m.read > whole {
			return raw.SetLinger(0) // and close: RST
		}
		if sick {
			time.Sleep(f.pause)
		}
	}
}

// frames walks the whole frames from on and looks for poison.
func (f *collectorFlags) frames(m *mapped, from int, err error) (int, error) {
	b := m.all[headerBytes : headerBytes+m.read]
	for {
		frame := nextFrame(b[from:])
		if frame == nil {
			return from, err
		}
		if f.poison >= 0 {
			if n, nerr := frameNumber(frame); nerr == nil && n == f.poison {
				return from, errPoison
			}
		}
		from += len(frame)
	}
}

// nextFrame returns the HEP frame b begins with, nil when there is no whole one.
func nextFrame(b []byte) []byte {
	if len(b) < 6 || string(b[:4]) != "HEP3" {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 6 || n > len(b) {
		return nil
	}
	return b[:n]
}

func frameNumber(frame []byte) (int, error) {
	v, err := hep.Parse(frame)
	if err != nil {
		return 0, err
	}
	return numberOf(v.Payload())
}

// serveUDP keeps datagrams as if they were one connection.
func (f *collectorFlags) serveUDP(ctx context.Context) error {
	addr, err := net.ResolveUDPAddr("udp", f.addr)
	if err != nil {
		return err
	}
	c, err := net.ListenUDP("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadBuffer(8 << 20); err != nil {
		return err
	}
	m, err := f.open(0)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	if err := f.ready(); err != nil {
		return err
	}
	for {
		n, err := c.Read(m.room(readBytes))
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		m.took(n)
		if f.sick() {
			time.Sleep(f.pause)
		}
	}
}
