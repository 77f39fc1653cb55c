package heptest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"

	"heptap/hep"
)

// conn is one socket that is read: a TCP connection, or the UDP socket.
type conn struct {
	c      *Collector
	nc     net.Conn     // what is read: with TLS the content of tcp
	tcp    *net.TCPConn // nil for UDP
	info   *ConnInfo    // nil for UDP; guarded by c.mu
	number int

	ended  bool // guarded by c.mu
	parked bool // guarded by c.mu: waits for Resume, reads nothing
}

// end closes the socket, with RST when why is ErrReset. The caller holds c.mu.
func (k *conn) end(why error) {
	if k.tcp == nil && why == ErrReset || k.ended {
		return
	}
	k.ended = true
	if k.tcp != nil {
		if why == ErrReset {
			_ = k.tcp.SetLinger(0)
		}
		k.info.Ended, k.info.End = true, why
	}
	if k.tcp != nil && (why != io.EOF || k.c.opts.NoNotify) {
		_ = k.tcp.Close() // as a dead process does: TLS says nothing
	} else {
		_ = k.nc.Close()
	}
	delete(k.c.live, k)
	k.c.notify()
}

// gate waits while the collector is stalled. It is false when k has ended.
func (k *conn) gate() bool {
	for {
		k.c.mu.Lock()
		ended, stalled, changed := k.ended, k.c.stalled, k.c.changed
		if k.parked != stalled {
			k.parked = stalled
			k.c.notify()
			changed = k.c.changed
		}
		k.c.mu.Unlock()
		if ended {
			return false
		}
		if !stalled {
			return true
		}
		<-changed
	}
}

// read reads a TCP connection to its end.
func (k *conn) read() {
	buf := make([]byte, 16<<10)
	for k.gate() {
		n, err := k.nc.Read(buf)
		if !k.took(buf[:n], err) {
			return
		}
	}
}

// took handles what one Read returned; false ends the reader.
func (k *conn) took(b []byte, err error) bool {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.ended && k.info.End != ErrKilled {
		return false // Reset was first: the octets died with the connection
	}
	// After Kill they were read all the same, and their kernel may have said so.
	defer k.c.notify()
	k.info.Received += uint64(len(b))
	k.info.Tail = append(k.info.Tail, b...)
	for len(k.info.Tail) >= 6 {
		size, bad := hep.FrameLength(k.info.Tail)
		if bad != nil {
			k.c.faults = append(k.c.faults, bad)
			k.end(bad) // does nothing to one that has ended
			return false
		}
		if len(k.info.Tail) < size {
			break
		}
		why := k.c.record(k.number, k.info.Tail[:size])
		k.info.Tail = k.info.Tail[size:]
		if why != nil {
			k.end(why)
			return false
		}
	}
	switch {
	case k.ended:
		return false
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		return true
	case err == io.EOF && k.c.opts.NeverAnswerHalfClose:
		k.info.FIN = true
		k.parked = true // for Stall: it reads no more. Kill or Reset closes it.
		return false
	default:
		k.info.FIN = err == io.EOF
		k.end(err)
		return false
	}
}

// readUDP reads the UDP socket until Kill.
func (k *conn) readUDP(u *net.UDPConn) {
	buf := make([]byte, 64<<10)
	for k.gate() {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			continue // the deadline of Stall, or closed: gate tells
		}
		k.c.mu.Lock()
		if !k.ended {
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			k.datagram(from, buf[:n])
		}
		k.c.mu.Unlock()
	}
}

// datagram records one UDP frame. The caller holds c.mu.
func (k *conn) datagram(from netip.AddrPort, b []byte) {
	c := k.c
	number, known := c.sources[from]
	if !known {
		number = len(c.conns)
		c.sources[from] = number
		c.conns = append(c.conns, &ConnInfo{Remote: from})
	}
	c.conns[number].Received += uint64(len(b))
	_ = c.record(number, b) // UDP has no connection to close
	c.notify()
}
