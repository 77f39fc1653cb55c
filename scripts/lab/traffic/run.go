package traffic

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// generator is a run of calls.
type generator struct {
	cfg    Config
	caller *agent
	callee *agent
	pacer  *pacer

	mu       sync.Mutex // guards what follows
	messages []Message
	failed   []string
}

// Run makes the calls and returns when the last one has ended, or when ctx is
// done, which fails the calls that are left. An error means that nothing was
// sent.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	g := &generator{cfg: cfg}
	calls := make([]*call, cfg.Calls)
	var opened []*net.UDPConn
	defer func() { closeAll(opened) }()
	err := g.open(calls, &opened)
	if err != nil {
		return Report{}, err
	}
	var readers, talkers sync.WaitGroup
	for _, c := range calls {
		c.listen(&readers)
	}
	readers.Go(func() { g.caller.read(g.caller.response) })
	readers.Go(func() { g.callee.read(g.callee.request) })
	pacing, stopPacing := context.WithCancel(ctx)
	readers.Go(func() { g.pacer.run(pacing) })

	begin := time.Now()
	for i, c := range calls {
		at := begin.Add(cfg.Spread * time.Duration(i) / time.Duration(cfg.Calls))
		talkers.Go(func() {
			if err := c.make(ctx, at); err != nil {
				g.mu.Lock()
				g.failed = append(g.failed, c.id+": "+err.Error())
				g.mu.Unlock()
			}
		})
	}
	talkers.Wait()
	settle(ctx)
	stopPacing()
	closeAll(opened)
	readers.Wait()
	return g.report(calls), nil
}

// settle lets what is still on the wire arrive, so that it is counted.
func settle(ctx context.Context) {
	t := time.NewTimer(400 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func closeAll(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

// open opens all sockets of both sides before anything is sent.
func (g *generator) open(calls []*call, opened *[]*net.UDPConn) error {
	g.pacer = newPacer()
	listen := func(addr netip.Addr, port uint16) (*net.UDPConn, error) {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		if err == nil {
			*opened = append(*opened, conn)
			err = conn.SetReadBuffer(1 << 20)
		}
		return conn, err
	}
	for i := range calls {
		calls[i] = newCall(g, i)
	}
	side := func(s Side, agentAt **agent, end int) error {
		return s.Space.Do(func() error {
			conn, err := listen(s.Addr, sipPort)
			if err != nil {
				return err
			}
			*agentAt = &agent{g: g, conn: conn, addr: netip.AddrPortFrom(s.Addr, sipPort), calls: map[string]*call{}}
			for _, c := range calls {
				(*agentAt).calls[c.id] = c
				e := &c.ends[end]
				var err1, err2 error
				e.rtp, err1 = listen(s.Addr, e.rtpPort)
				e.rtcp = e.rtp
				if e.rtcpPort != e.rtpPort {
					e.rtcp, err2 = listen(s.Addr, e.rtcpPort)
				}
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(side(g.cfg.Caller, &g.caller, 0), side(g.cfg.Callee, &g.callee, 1))
}

// note keeps a message that is about to be sent.
func (g *generator) note(m Message) {
	g.mu.Lock()
	g.messages = append(g.messages, m)
	g.mu.Unlock()
}

func (g *generator) report(calls []*call) Report {
	r := Report{Messages: g.messages, Failed: g.failed, Calls: len(calls) - len(g.failed)}
	for _, c := range calls {
		for i := range c.ends {
			r.Streams = append(r.Streams, c.ends[i].stream(&c.ends[1-i], c))
		}
	}
	slices.SortFunc(r.Streams, func(a, b Stream) int { return cmp.Compare(a.SSRC, b.SSRC) })
	return r
}
