package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"

	"heptap/hep"
)

// Config says where to listen and where to write.
type Config struct {
	UDP, TCP         string       // "host:port"; empty means not at all; with none of them only what is given to Take
	TLS              string       // the same; needs Certificate and Key
	Out              io.Writer    // gets HEP3 frames back to back, one Write each; nil means not at all
	JSON             io.Writer    // gets JSON lines, one Write each; nil means not at all
	Certificate, Key string       // PEM files, for TLS
	ClientCA         string       // PEM file: TLS clients must show a certificate of it; empty asks for none
	Source           Source       // is read from beside the sockets, or instead; nil is none
	MaxConns         int          // TCP and TLS connections at a time; 0 is hep.DefaultMaxConns
	Log              *slog.Logger // nil discards
}

// Source is where packets come from without a socket of ours. Read ends when ctx does, or when what it gives them to fails.
type Source interface {
	Read(ctx context.Context, take func(packet []byte) error, flush func() error) error
}

// ErrPacket is what a Source is told of a packet that is no HEP: it is counted, and the Source goes on.
var ErrPacket = errors.New("no HEP packet")

// Collector is a HEP server that writes down what it receives.
type Collector struct {
	cfg      Config
	listener *hep.Listener
	cancel   chan struct{} // closed at the first error of a writer

	mu     sync.Mutex // guards the rest, and orders the writes
	line   []byte
	err    error // the first of a writer; nothing is taken after it
	frames uint64
	bad    uint64
	seqs   Sequences
}

// Listen opens the sockets. Whoever does not call Run calls Close. Out and JSON
// are the caller's to close, after Run.
func Listen(cfg Config) (*Collector, error) {
	c := &Collector{cfg: cfg, cancel: make(chan struct{})}
	if cfg.UDP == "" && cfg.TCP == "" && cfg.TLS == "" && cfg.Source != nil {
		return c, nil
	}
	o := hep.ListenOptions{UDP: cfg.UDP, TCP: cfg.TCP, TLS: cfg.TLS, MaxConns: cfg.MaxConns, Log: cfg.Log}
	var err error
	if cfg.TLS != "" {
		if o.TLSConfig, err = hep.ServerTLS(cfg.Certificate, cfg.Key, cfg.ClientCA); err != nil {
			return nil, fmt.Errorf("collect: %w", err)
		}
	}
	c.listener, err = hep.Listen(o, c.take)
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	return c, nil
}

// UDPAddr returns the UDP address listened on, invalid when there is none.
func (c *Collector) UDPAddr() netip.AddrPort {
	if c.listener == nil {
		return netip.AddrPort{}
	}
	return c.listener.UDPAddr()
}

// TCPAddr returns the TCP address listened on, invalid when there is none.
func (c *Collector) TCPAddr() netip.AddrPort {
	if c.listener == nil {
		return netip.AddrPort{}
	}
	return c.listener.TCPAddr()
}

// TLSAddr returns the address listened on for TLS, invalid when there is none.
func (c *Collector) TLSAddr() netip.AddrPort {
	if c.listener == nil {
		return netip.AddrPort{}
	}
	return c.listener.TLSAddr()
}

// Stats returns the server's totals. Any goroutine may call it.
func (c *Collector) Stats() hep.ListenerStats {
	if c.listener == nil {
		return hep.ListenerStats{}
	}
	return c.listener.Stats()
}

// Frames returns how many frames were written.
func (c *Collector) Frames() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames
}

// Sequences returns what the numbers of the frames written say.
func (c *Collector) Sequences() SequenceStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seqs.Stats()
}

// Close closes the sockets of a Collector that is not running.
func (c *Collector) Close() error {
	if c.listener == nil {
		return nil
	}
	return c.listener.Close()
}

// Run serves until ctx is done and returns nil, or until a writer fails and
// returns its error. Frames are written before the end of a connection confirms
// them; a frame that could not be written resets its connection.
func (c *Collector) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-c.cancel:
			stop()
		case <-ctx.Done():
		}
	})
	var source error
	if c.cfg.Source != nil {
		wg.Go(func() {
			source = c.cfg.Source.Read(ctx, c.offered, c.flush)
			stop() // a source that ends is missed
		})
	}
	var err error
	if c.listener != nil {
		err = c.listener.Run(ctx)
	} else {
		<-ctx.Done()
	}
	stop()
	wg.Wait()
	if !errors.Is(source, c.failed()) {
		err = errors.Join(err, source)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.err, err)
}

// failed returns the first error of a writer.
func (c *Collector) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// offered takes one packet of the source's.
func (c *Collector) offered(packet []byte) error {
	if _, err := hep.Parse(packet); err != nil {
		c.mu.Lock()
		c.bad++
		c.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrPacket, err)
	}
	return c.take("source", netip.AddrPort{}, packet)
}

// flush has what was written survive the process and the machine, if it goes to a file.
func (c *Collector) flush() error {
	for _, w := range []io.Writer{c.cfg.Out, c.cfg.JSON} {
		f, ok := w.(*os.File)
		if !ok {
			continue
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			continue // a pipe, a terminal
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("collect: %w", err)
		}
	}
	return nil
}

// BadPackets returns how many packets of the source were none.
func (c *Collector) BadPackets() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad
}

// take writes one frame: the listener's handler. Writers are slow compared to
// everything else here, so one lock around them costs nothing.
func (c *Collector) take(_ string, _ netip.AddrPort, frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := c.write(frame); err != nil {
		c.err = fmt.Errorf("collect: %w", err)
		close(c.cancel)
		return c.err
	}
	c.frames++
	return nil
}

func (c *Collector) write(frame []byte) error {
	if c.cfg.Out != nil {
		if n, err := writeAll(c.cfg.Out, frame); err != nil {
			return fmt.Errorf("write frame: %w", errors.Join(err, takeBack(c.cfg.Out, n)))
		}
	}
	v, err := hep.Parse(frame)
	if err != nil {
		return err // the listener has parsed it
	}
	c.seqs.Note(v.Sequence())
	if c.cfg.JSON != nil {
		c.line = AppendJSON(c.line[:0], v)
		if _, err := writeAll(c.cfg.JSON, c.line); err != nil {
			return fmt.Errorf("write line: %w", err)
		}
	}
	return nil
}

func writeAll(w io.Writer, b []byte) (int, error) {
	n, err := w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// takeBack removes the n octets of a partial frame at w's end, which is where a
// file for appending is. It returns nil when none are left.
func takeBack(w io.Writer, n int) error {
	if n == 0 {
		return nil
	}
	f, ok := w.(interface {
		io.Seeker
		Truncate(size int64) error
	})
	if ok {
		end, err := f.Seek(0, io.SeekEnd)
		if err == nil {
			err = f.Truncate(end - int64(n))
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%d octets of a partial frame remain at the end", n)
}
