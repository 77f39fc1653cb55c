package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"heptap/hep"
)

// Options say where an Intake listens and whom it hears.
type Options struct {
	UDP, TCP, TLS    []string       // "host:port" each
	Certificate, Key string         // PEM files, for TLS
	ClientCA         string         // PEM file: TLS clients must have a certificate of it; empty asks for none
	AuthKey          string         // chunk 0x0e of every packet; empty accepts any
	Allow            []netip.Prefix // senders; none means all
	Connections      int            // at a time; 0 is DefaultConnections
	Delimiter        string         // of OpenSIPS's text form; empty is ":"
	KeepRESTPorts    bool           // ports of OpenSIPS's REST records are right as they come
	AgentID          uint32         // our own, to find loops
	Node             string         // likewise
	Now              func() int64   // monotonic clock of the pipeline, ns
	Log              *slog.Logger   // nil discards
	IdleTimeout      time.Duration  // 0 is an hour
	Quiet            time.Duration  // 0 is three seconds; see quietTimeout
}

// Defaults and limits of Options.
const (
	DefaultConnections = 64
	// peerConns is how many connections one address may have of them.
	peerConns = 16

	idleTimeout = time.Hour
	// frameTimeout is how long a sender may take over one packet, and over the
	// handshake of TLS.
	frameTimeout = 30 * time.Second
	// quietTimeout is how long one may take over the first packet when others want its place.
	quietTimeout = 3 * time.Second
)

// Hold is how much later than its arrival a packet counts as seen: what a
// mirror port shows of the same message is there first, and leads to its connection.
const Hold = 20 * time.Millisecond

// Intake takes in HEP from other agents. See the package comment.
type Intake struct {
	*Queue

	options Options
	log     *slog.Logger
	udp     []*net.UDPConn
	streams []stream
	peers   peers
	flows   *flows
	copies  *copies
	seed    maphash.Seed
	count   counters

	mu    sync.Mutex
	conns map[*net.TCPConn]*session // guarded by mu
	ended bool                      // guarded by mu
}

// session is a connection that is served.
type session struct {
	peer  *peer
	began time.Time
	sent  atomic.Bool // a whole packet
}

// stream is a listener for connections.
type stream struct {
	net       *net.TCPListener
	transport Transport
	tls       *tls.Config // nil: none
}

// Listen opens the sockets; Run serves them. Whoever does not call Run calls
// Close.
func Listen(o Options) (*Intake, error) {
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = idleTimeout
	}
	if o.Quiet <= 0 {
		o.Quiet = quietTimeout
	}
	if o.Delimiter == "" {
		o.Delimiter = ":"
	}
	in := &Intake{Queue: newQueue(), options: o, log: o.Log, flows: newFlows(), seed: maphash.MakeSeed(), conns: map[*net.TCPConn]*session{}}
	in.peers.of = map[netip.Addr]*peer{}
	in.copies = &copies{seed: in.seed}
	if in.log == nil {
		in.log = slog.New(slog.DiscardHandler)
	}
	if err := in.open(); err != nil {
		return nil, fmt.Errorf("intake: %w", errors.Join(err, in.Close()))
	}
	return in, nil
}

func (in *Intake) open() error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	for _, at := range in.options.UDP {
		pc, err := lc.ListenPacket(context.Background(), "udp", at)
		if err != nil {
			return err
		}
		c := pc.(*net.UDPConn)
		in.udp = append(in.udp, c)
		// A burst must fit; the kernel may grant less.
		_ = c.SetReadBuffer(4 << 20)
	}
	secure, err := in.options.tlsConfig()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		transport Transport
		addrs     []string
		tls       *tls.Config
	}{{TCP, in.options.TCP, nil}, {TLS, in.options.TLS, secure}} {
		for _, at := range l.addrs {
			nl, err := lc.Listen(context.Background(), "tcp", at)
			if err != nil {
				return err
			}
			in.streams = append(in.streams, stream{nl.(*net.TCPListener), l.transport, l.tls})
		}
	}
	return nil
}

// tlsConfig reads the files; nil when there is no TLS.
func (o *Options) tlsConfig() (*tls.Config, error) {
	if len(o.TLS) == 0 {
		return nil, nil
	}
	return hep.ServerTLS(o.Certificate, o.Key, o.ClientCA)
}

// Addrs returns the addresses listened on, in the order of Options.
func (in *Intake) Addrs(t Transport) (out []netip.AddrPort) {
	for _, c := range in.udp {
		if t == UDP {
			out = append(out, addrOf(c.LocalAddr()))
		}
	}
	for _, s := range in.streams {
		if t == s.transport {
			out = append(out, addrOf(s.net.Addr()))
		}
	}
	return out
}

// addrOf returns a socket's address, IPv4 as such.
func addrOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// Close closes the sockets of an Intake that is not running.
func (in *Intake) Close() error {
	var err error
	for _, c := range in.udp {
		err = errors.Join(err, c.Close())
	}
	for _, s := range in.streams {
		err = errors.Join(err, s.net.Close())
	}
	return err
}

// MemoryBytes is the most an Intake made of o holds.
func (o *Options) MemoryBytes() int64 {
	const (
		reader = 64 << 10 // of a connection, and its decoder as much again
		other  = 4 << 20  // tables of peers and flows
	)
	n := o.Connections
	if n <= 0 {
		n = DefaultConnections
	}
	return queueBytes + queueItems*(keptBuffer+itemBytes) + copiesBytes + other + int64(n+len(o.UDP))*2*reader
}

// allowed reports whether a sender is one of ours.
func (in *Intake) allowed(a netip.Addr) bool {
	if len(in.options.Allow) == 0 {
		return true
	}
	for _, p := range in.options.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// dropped counts a packet that goes no further.
func (in *Intake) dropped(p *peer, why Drop) {
	in.count.drops[why].Add(1)
	if p != nil {
		p.drops[why].Add(1)
	}
}
