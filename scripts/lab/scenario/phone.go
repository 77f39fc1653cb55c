package scenario

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/scripts/lab"
)

// phone is a SIP caller on one socket, for what sipp does not do: TLS, a
// connection that breaks, one that is left open.
type phone struct {
	conn      net.Conn
	in        *bufio.Reader
	transport string
	cseq      int
	branches  int
}

// answer is a final response to an INVITE, as far as requests in its dialog
// need it (RFC 3261 12.1.2).
type answer struct {
	status      int
	to, contact string
	routes      []string
	number, id  string
}

// dial connects a phone on a host to a server. conf, for TLS, may be nil.
func dial(ctx context.Context, h *lab.Host, network, server string, conf *tls.Config) (*phone, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, server)
		return err
	})
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	p := &phone{conn: conn, transport: strings.ToUpper(network)}
	if conf != nil {
		c := tls.Client(conn, conf)
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		p.conn, p.transport = c, "TLS"
	}
	p.in = bufio.NewReaderSize(p.conn, 64<<10) // as large as a datagram
	return p, nil
}

// local is the phone's end of the connection.
func (p *phone) local() netip.AddrPort {
	return netip.MustParseAddrPort(p.conn.LocalAddr().String())
}

// request sends a request. The dialog is nil outside of one.
func (p *phone) request(method, id, number string, a *answer, via, body string) error {
	var b strings.Builder
	here, there := p.conn.LocalAddr().String(), p.conn.RemoteAddr().String()
	target, to := "sip:"+number+"@"+there, "<sip:"+number+"@"+there+">"
	if a != nil {
		to = a.to
		if a.contact != "" {
			target = a.contact
		}
	}
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: %s\r\n", method, target, via)
	if a != nil {
		for _, r := range a.routes {
			fmt.Fprintf(&b, "Route: %s\r\n", r)
		}
	}
	fmt.Fprintf(&b, "From: <sip:phone@%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContact: <sip:phone@%s;transport=%s>\r\n",
		here, strings.Map(alphanumeric, id), to, id, p.cseq, method, here, strings.ToLower(p.transport))
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	_, err := io.WriteString(p.conn, b.String())
	return err
}

func alphanumeric(r rune) rune {
	if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}

// via makes a Via header of a new transaction (RFC 3261 8.1.1.7).
func (p *phone) via() string {
	p.branches++
	_, port, _ := net.SplitHostPort(p.conn.LocalAddr().String())
	return fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s%d%d", p.transport, p.conn.LocalAddr(), port, p.cseq, p.branches)
}

// invite calls a number and acknowledges what it gets.
func (p *phone) invite(id, number string) (*answer, error) {
	p.cseq = 1
	via := p.via()
	if err := p.request("INVITE", id, number, nil, via, sdp(p.conn.LocalAddr().String())); err != nil {
		return nil, err
	}
	a, err := p.final()
	if err != nil {
		return nil, err
	}
	a.number, a.id = number, id
	if a.status/100 != 2 { // in the same transaction (RFC 3261 17.1.1.3)
		refused := *a
		refused.contact, refused.routes = "", nil
		return a, p.request("ACK", id, number, &refused, via, "")
	}
	return a, p.request("ACK", id, number, a, p.via(), "")
}

// bye ends a call, on whatever connection.
func (p *phone) bye(a *answer) error {
	p.cseq = 2
	if err := p.request("BYE", a.id, a.number, a, p.via(), ""); err != nil {
		return err
	}
	r, err := p.final()
	if err == nil && r.status != 200 {
		err = fmt.Errorf("phone: BYE is answered with %d", r.status)
	}
	return err
}

// final reads up to the next final response.
func (p *phone) final() (*answer, error) {
	text := textproto.NewReader(p.in)
	for {
		line, err := text.ReadLine()
		if err != nil {
			return nil, err
		}
		head, err := text.ReadMIMEHeader()
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(head.Get("Content-Length")) // nothing there is none
		if _, err := io.CopyN(io.Discard, p.in, int64(n)); err != nil {
			return nil, err
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			return nil, fmt.Errorf("phone: got %q", line)
		}
		status, err := strconv.Atoi(words[1])
		if err != nil {
			return nil, fmt.Errorf("phone: got %q", line)
		}
		if status < 200 {
			continue
		}
		a := &answer{status: status, to: head.Get("To")}
		for _, r := range head["Record-Route"] {
			for one := range strings.SplitSeq(r, ",") {
				a.routes = append(a.routes, strings.TrimSpace(one))
			}
		}
		slices.Reverse(a.routes)
		_, contact, _ := strings.Cut(head.Get("Contact"), "<")
		a.contact, _, _ = strings.Cut(contact, ">")
		return a, nil
	}
}

// closed waits until the server closes the connection.
func (p *phone) closed() error {
	n, err := io.Copy(io.Discard, p.in)
	if err == nil && n == 0 {
		return p.conn.Close()
	}
	return fmt.Errorf("phone: %d octets before the end of an idle connection: %w", n, err)
}

// reset breaks the connection off (SO_LINGER with 0 s: RST instead of FIN).
func (p *phone) reset() error {
	if err := p.conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return p.conn.Close()
}

// sdp offers a medium that nobody will send.
func sdp(local string) string {
	host, _, _ := net.SplitHostPort(local)
	return "v=0\r\no=phone 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
}

// patience is how long one step of the script may take on a busy machine.
const patience = 30 * time.Second
