package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/console"
)

// greeting is how long `heptap console` is given to say how large its terminal is.
const greeting = 2 * time.Second

// unreadFor is how long a session may have nobody read what it shows: a client that
// was stopped must not keep its place for ever.
const unreadFor = 5 * time.Minute

// reader is a client that is expected to read.
type reader struct{ net.Conn }

func (r reader) Write(b []byte) (int, error) {
	if err := r.SetWriteDeadline(time.Now().Add(unreadFor)); err != nil {
		return 0, err
	}
	return r.Conn.Write(b)
}

// door is a unix socket that console sessions come in by. The zero door is shut.
type door struct {
	path     string
	lines    bool // sessions come from serial ports
	listener net.Listener
	serving  sync.WaitGroup
}

// open moves the door to path, empty for none. Sessions stay. A probe without a
// console captures all the same, so what goes wrong is only logged.
func (d *door) open(ctx context.Context, c *console.Console, path string, log *slog.Logger) {
	if path == d.path {
		return
	}
	d.shut()
	if path == "" {
		return
	}
	ln, err := listenPrivate(path)
	if err != nil {
		log.Warn("no console", "err", err)
		return
	}
	d.path, d.listener = path, ln
	log.Info("console", "socket", path)
	d.serving.Go(func() { d.accept(ctx, c, ln, log) })
}

// accept serves who comes in until the listener is closed.
func (d *door) accept(ctx context.Context, c *console.Console, ln net.Listener, log *slog.Logger) {
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as no file left: others may be closed
			log.Warn("console", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			continue
		}
		d.serving.Go(func() {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			if err := d.session(ctx, c, conn); err != nil && ctx.Err() == nil {
				log.Debug("console session", "err", err)
			}
			conn.Close()
		})
	}
}

func (d *door) session(ctx context.Context, c *console.Console, conn net.Conn) error {
	if !d.lines {
		return c.Serve(ctx, reader{conn}, console.Socket, greeting)
	}
	if err := conn.SetReadDeadline(time.Now().Add(greeting)); err != nil {
		return err
	}
	name, err := appliance.LineName(conn)
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return err
	}
	return c.Serve(ctx, reader{conn}, name, 0)
}

func (d *door) shut() {
	if d.listener == nil {
		return
	}
	d.listener.Close()
	_ = os.Remove(d.path) // what stays is replaced by the next one
	d.path, d.listener = "", nil
}

// close shuts the door and waits for the sessions, whose context is done.
func (d *door) close() {
	d.shut()
	d.serving.Wait()
}

// listenPrivate listens on a unix socket that nobody but its owner can connect to
// at any time: it is made where nobody else comes, and moved. A socket that nobody
// listens on any more is replaced.
func listenPrivate(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: another heptap has its console there", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s: it is there already, and no socket", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".c")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(filepath.Join(dir, "s"), 0o600), os.Rename(filepath.Join(dir, "s"), path)); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}
