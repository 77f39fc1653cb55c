package hep

import "sync/atomic"

// ListenerStats are a Listener's running totals.
type ListenerStats struct {
	UDPFrames     uint64            // handled, HEP1 and HEP2 among them
	TCPFrames     uint64            // handled
	TLSFrames     uint64            // handled, over TLS
	Legacy        uint64            // HEP1 and HEP2 datagrams made HEP3
	Bad           [NumFaults]uint64 // frames refused, by Fault
	RefusedFrames uint64            // the handler returned an error
	ReceiveErrors uint64            // from the UDP socket
	Conns         uint64            // TCP connections served since the start
	OpenConns     int               // of them, open now
	RefusedConns  uint64            // closed at once: MaxConns were open
	IdleConns     uint64            // closed for silence
	BrokenConns   uint64            // ended by a reset or another error of the network
	AcceptErrors  uint64            // from the TCP sockets, descriptors exhausted for one
	Handshakes    uint64            // of TLS, failed
}

// BadFrames returns the sum of Bad.
func (s *ListenerStats) BadFrames() uint64 {
	var n uint64
	for _, b := range s.Bad {
		n += b
	}
	return n
}

type counters struct {
	udpFrames, tcpFrames, tlsFrames, handshakes, legacy, refusedFrames, receiveErrors atomic.Uint64
	conns, refusedConns, idleConns, brokenConns, acceptErrors                         atomic.Uint64
	bad                                                                               [NumFaults]atomic.Uint64
}

// Stats returns the totals. Any goroutine may call it.
func (l *Listener) Stats() ListenerStats {
	c := &l.count
	s := ListenerStats{
		UDPFrames: c.udpFrames.Load(), TCPFrames: c.tcpFrames.Load(), TLSFrames: c.tlsFrames.Load(), Handshakes: c.handshakes.Load(), Legacy: c.legacy.Load(),
		RefusedFrames: c.refusedFrames.Load(), ReceiveErrors: c.receiveErrors.Load(), Conns: c.conns.Load(),
		RefusedConns: c.refusedConns.Load(), IdleConns: c.idleConns.Load(), BrokenConns: c.brokenConns.Load(),
		AcceptErrors: c.acceptErrors.Load(),
	}
	for i := range s.Bad {
		s.Bad[i] = c.bad[i].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.OpenConns = len(l.conns)
	return s
}
