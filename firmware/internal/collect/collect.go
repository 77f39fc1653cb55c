package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"

	"heptap/hep"
)

// Config says where to listen and where to write.
type Config struct {
	UDP, TCP         string       // "host:port"; empty means not at all
	TLS              string       // the same; needs Certificate and Key
	Out              io.Writer    // gets HEP3 frames back to back, one Write each; nil means not at all
	JSON             io.Writer    // gets JSON lines, one Write each; nil means not at all
	Certificate, Key string       // PEM files, for TLS
	ClientCA         string       // PEM file: TLS clients must show a certificate of it; empty asks for none
	MaxConns         int          // TCP and TLS connections at a time; 0 is hep.DefaultMaxConns
	Log              *slog.Logger // nil discards
}

// Collector is a HEP server that writes down what it receives.
type Collector struct {
	cfg      Config
	listener *hep.Listener
	cancel   chan struct{} // closed at the first error of a writer

	mu     sync.Mutex // guards the rest, and orders the writes
	line   []byte
	err    error // the first of a writer; nothing is taken after it
	frames uint64
	seqs   Sequences
}

// Listen opens the sockets. Whoever does not call Run calls Close. Out and JSON
// are the caller's to close, after Run.
func Listen(cfg Config) (*Collector, error) {
	c := &Collector{cfg: cfg, cancel: make(chan struct{})}
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
func (c *Collector) UDPAddr() netip.AddrPort { return c.listener.UDPAddr() }

// TCPAddr returns the TCP address listened on, invalid when there is none.
func (c *Collector) TCPAddr() netip.AddrPort { return c.listener.TCPAddr() }

// TLSAddr returns the address listened on for TLS, invalid when there is none.
func (c *Collector) TLSAddr() netip.AddrPort { return c.listener.TLSAddr() }

// Stats returns the server's totals. Any goroutine may call it.
func (c *Collector) Stats() hep.ListenerStats { return c.listener.Stats() }

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
func (c *Collector) Close() error { return c.listener.Close() }

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
	err := c.listener.Run(ctx)
	stop()
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.err, err)
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
