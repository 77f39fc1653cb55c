package traffic

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// agent is the SIP side of a host.
type agent struct {
	g     *generator
	conn  *net.UDPConn
	addr  netip.AddrPort
	calls map[string]*call // by Call-ID; not changed once traffic runs

	mu    sync.Mutex // guards what follows
	tried map[string][]byte
}

// incoming is what the generator needs to know of a message.
type incoming struct {
	method string // of a request
	status int    // of a response
	callID string
	cseq   string
	via    string
	to     string
}

func parse(b []byte) (m incoming, ok bool) {
	head, _, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	first := strings.Fields(lines[0])
	if len(first) < 3 {
		return m, false
	}
	if first[0] == "SIP/2.0" {
		m.status, _ = strconv.Atoi(first[1])
	} else {
		m.method = first[0]
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Call-ID":
			m.callID = value
		case "CSeq":
			m.cseq = value
		case "Via":
			m.via = value
		case "To":
			m.to = value
		}
	}
	return m, m.callID != "" && m.cseq != ""
}

// read hands every message of a known call to f until the socket is closed.
func (a *agent) read(f func(c *call, m incoming)) {
	buf := make([]byte, 1<<16)
	for {
		n, err := a.conn.Read(buf)
		if err != nil {
			return
		}
		if m, ok := parse(buf[:n]); ok && a.calls[m.callID] != nil {
			f(a.calls[m.callID], m)
		}
	}
}

// response tells the caller's call of a response.
func (a *agent) response(c *call, m incoming) {
	if m.status < 200 {
		return
	}
	select {
	case c.answers <- m:
	default: // it has been answered before
	}
}

// request answers a request as the callee. One that comes again gets the
// last answer again (RFC 3261 17.2.1).
func (a *agent) request(c *call, m incoming) {
	key := c.id + " " + m.cseq
	switch m.method {
	case "INVITE":
		if a.again(key) {
			return
		}
		if c.early {
			a.reply(c, m, 183, "Session Progress", c.sdp(1))
		} else {
			a.reply(c, m, 100, "Trying", "")
			a.reply(c, m, 180, "Ringing", "")
		}
		a.keep(key, a.reply(c, m, 200, "OK", c.sdp(1)))
	case "ACK":
		c.confirm.Do(func() { close(c.confirmed) })
	case "BYE":
		if !a.again(key) {
			a.keep(key, a.reply(c, m, 200, "OK", ""))
		}
	}
}

func (a *agent) keep(key string, answer []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tried == nil {
		a.tried = map[string][]byte{}
	}
	a.tried[key] = answer
}

func (a *agent) again(key string) bool {
	a.mu.Lock()
	answer := a.tried[key]
	a.mu.Unlock()
	if answer == nil {
		return false
	}
	a.send(a.g.caller.addr, answer)
	return true
}

func (a *agent) reply(c *call, m incoming, status int, reason, body string) []byte {
	to := m.to
	if status > 100 && !strings.Contains(to, ";tag=") {
		to += ";tag=b" + strconv.Itoa(c.number)
	}
	text := fmt.Sprintf("SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n",
		status, reason, m.via, c.from(), to, m.callID, m.cseq)
	if status > 100 {
		text += fmt.Sprintf("Contact: <sip:callee%d@%s>\r\n", c.number, a.addr)
	}
	b := withBody(text, body)
	a.send(a.g.caller.addr, b)
	return b
}

func withBody(head, body string) []byte {
	if body != "" {
		head += "Content-Type: application/sdp\r\n"
	}
	return []byte(head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// send counts a message and sends it.
func (a *agent) send(to netip.AddrPort, b []byte) {
	m, _ := parse(b)
	what := m.method
	if what == "" {
		what = strconv.Itoa(m.status)
	}
	if _, err := a.conn.WriteToUDPAddrPort(b, to); err == nil {
		a.g.note(Message{CallID: m.callID, CSeq: m.cseq, What: what, Src: a.addr, Text: string(b)})
	}
}
