package netcheck

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Bounds of Ping.
const (
	MaxPings = 1000

	pingGap  = time.Second // from one request to the next
	pingWait = time.Second // for the answer to the last
	pingBody = 56          // octets, as others send
)

// pings are the answers to echo requests.
type pings struct {
	Sent, Answered    int
	Least, Mean, Most time.Duration
	unreachable       int // requests of which a router said so
}

// Ping sends count echo requests to a host (RFC 792, RFC 4443 4.1), one a second, and tells
// of each answer. It needs CAP_NET_RAW. That nobody answers is an error, which says what
// may be the reason.
func Ping(ctx context.Context, host string, count int, tell func(line string)) error {
	if count < 1 || count > MaxPings {
		return fmt.Errorf("%d requests: 1 to %d", count, MaxPings)
	}
	to, err := address(ctx, host)
	if err != nil {
		return err
	}
	p, err := open(to)
	if err != nil {
		return err
	}
	defer p.conn.Close()
	tell(fmt.Sprintf("%d octets to %s", pingBody, to))
	for i := range count {
		if i > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(p.sent[i-1].Add(pingGap))):
			}
		}
		if ctx.Err() != nil {
			break
		}
		if err := p.send(i); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
		p.listen(ctx, p.sent[i].Add(min(pingGap, pingWait)), tell)
	}
	n := p.result()
	if n.Answered > 0 {
		tell(fmt.Sprintf("%d sent, %d answered; least %s, mean %s, most %s", n.Sent, n.Answered, short(n.Least), short(n.Mean), short(n.Most)))
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case n.unreachable > 0:
		return fmt.Errorf("%d sent, none answered: %s is unreachable, says a router", n.Sent, to)
	}
	return fmt.Errorf("%d sent, none answered: %s is off, or something on the way drops echo requests (test uplink tries the port that matters)", n.Sent, to)
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// address is that of a host, the first of several.
func address(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	var r net.Resolver
	all, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, plain(err)
	}
	return all[0].Unmap(), nil
}

// pinger is one series of requests.
type pinger struct {
	conn     *icmp.PacketConn
	to       netip.Addr
	id       int
	request  icmp.Type
	proto    int // of IP
	sent     []time.Time
	answered map[int]time.Duration // by sequence number
	bad      int
	buf      [1500]byte
}

func open(to netip.Addr) (*pinger, error) {
	p := &pinger{to: to, request: ipv4.ICMPTypeEcho, proto: 1, answered: map[int]time.Duration{}}
	network, any := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, any, p.request, p.proto = "ip6:ipv6-icmp", "::", ipv6.ICMPTypeEchoRequest, 58
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	p.id = int(binary.BigEndian.Uint16(id[:]))
	var err error
	if p.conn, err = icmp.ListenPacket(network, any); err != nil {
		return nil, fmt.Errorf("echo requests: %w (it takes CAP_NET_RAW)", err)
	}
	return p, nil
}

func (p *pinger) send(seq int) error {
	m := icmp.Message{Type: p.request, Body: &icmp.Echo{ID: p.id, Seq: seq, Data: make([]byte, pingBody)}}
	b, err := m.Marshal(nil)
	if err != nil {
		return err
	}
	p.sent = append(p.sent, time.Now())
	_, err = p.conn.WriteTo(b, &net.IPAddr{IP: p.to.AsSlice(), Zone: p.to.Zone()})
	return err
}

// listen takes answers until a time, or until all requests have one.
func (p *pinger) listen(ctx context.Context, until time.Time, tell func(string)) {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := p.conn.SetReadDeadline(until); err != nil || ctx.Err() != nil {
		return
	}
	for len(p.answered) < len(p.sent) {
		n, from, err := p.conn.ReadFrom(p.buf[:])
		if err != nil {
			return // it is time, or the context's end
		}
		if line := p.take(p.buf[:n], from, time.Now()); line != "" {
			tell(line)
		}
	}
}

// take reads one ICMP message, which may be anybody's, and says what there is to say of
// it, if it is about this series.
func (p *pinger) take(b []byte, from net.Addr, now time.Time) string {
	m, err := icmp.ParseMessage(p.proto, b)
	if err != nil {
		return ""
	}
	switch body := m.Body.(type) {
	case *icmp.Echo:
		reply := m.Type == ipv4.ICMPTypeEchoReply || m.Type == ipv6.ICMPTypeEchoReply
		if !reply || body.ID != p.id || body.Seq < 0 || body.Seq >= len(p.sent) {
			return ""
		}
		if _, again := p.answered[body.Seq]; again {
			return fmt.Sprintf("%s answers %d again", from, body.Seq+1)
		}
		took := now.Sub(p.sent[body.Seq])
		p.answered[body.Seq] = took
		return fmt.Sprintf("%s answers %d in %s", from, body.Seq+1, short(took))
	case *icmp.DstUnreach:
		if seq, ok := p.own(body.Data); ok {
			p.bad++
			return fmt.Sprintf("%s says of %d: not reachable (code %d)", from, seq+1, m.Code)
		}
	case *icmp.TimeExceeded:
		if seq, ok := p.own(body.Data); ok {
			p.bad++
			return fmt.Sprintf("%s says of %d: it went in circles, or too far", from, seq+1)
		}
	}
	return ""
}

// own finds the request in an IP packet that an error message quotes.
func (p *pinger) own(b []byte) (seq int, ok bool) {
	n := ipv6.HeaderLen
	if p.proto == 1 {
		if len(b) == 0 {
			return 0, false
		}
		n = int(b[0]&15) * 4
	}
	if n < 20 || len(b) < n+8 {
		return 0, false
	}
	id, seq := int(binary.BigEndian.Uint16(b[n+4:])), int(binary.BigEndian.Uint16(b[n+6:]))
	return seq, id == p.id && seq < len(p.sent)
}

func (p *pinger) result() pings {
	n := pings{Sent: len(p.sent), Answered: len(p.answered), unreachable: p.bad}
	var sum time.Duration
	for _, d := range p.answered {
		if sum += d; n.Least == 0 || d < n.Least {
			n.Least = d
		}
		n.Most = max(n.Most, d)
	}
	if n.Answered > 0 {
		n.Mean = sum / time.Duration(n.Answered)
	}
	return n
}
