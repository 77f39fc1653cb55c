package faults_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// collectorName is what a name server has for the collector's address.
const collectorName = "collector.faults.example"

// nameServer knows one name.
type nameServer struct {
	conn   net.PacketConn
	addr   netip.Addr
	sick   atomic.Bool // answer every other question with a failure, the rest not at all
	failed atomic.Int64
}

// nameServer starts one beside the collectors, which is the probe's from its
// next run on.
func (r *rig) nameServer() *nameServer {
	r.t.Helper()
	at := r.server.addr.Addr()
	s := &nameServer{addr: at}
	r.must(r.host.Do(func() (err error) {
		s.conn, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 53).String())
		return err
	}))
	r.lab.OnClose(s.conn.Close)
	go s.serve()
	r.resolver = filepath.Join(r.lab.Dir(), "resolv.conf")
	r.must(os.WriteFile(r.resolver, []byte("nameserver "+at.String()+"\n"), 0o644))
	return s
}

func (s *nameServer) serve() {
	b := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Answers, m.Authorities, m.Additionals = true, true, nil, nil, nil
		q := m.Questions[0]
		switch {
		case s.sick.Load():
			if s.failed.Add(1)%2 == 0 {
				continue
			}
			m.RCode = dnsmessage.RCodeServerFailure
		case q.Name.String() != collectorName+".":
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: s.addr.As4()},
			}}
		}
		out, err := m.Pack()
		if err != nil {
			continue
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = s.conn.WriteTo(out, from)
	}
}
