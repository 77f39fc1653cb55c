package assembly

import (
	"net/netip"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/tlswire"
)

// judgeTLS keeps a connection of TLS that is for SIP, of a SIP server, or to a
// host that speaks SIP, which may be a WebSocket. It tells of it once the outcome
// of the handshake is known, and reports whether it is one.
func (c *connection) judgeTLS() bool {
	net := c.assembly.config.Net
	if net == nil {
		return false
	}
	if !c.kept {
		flow := c.stream.Flow()
		if !net.Signalling(flow) && !net.Speaks(flow.Tunnel, flow.Dst.Addr()) && !c.conn.ForSIP() {
			if c.conn.TLSSettled() {
				c.conn.SpareTLS()
			}
			return false
		}
		c.kept = true
		c.stream.Keep()
	}
	if !c.told && c.conn.TLSSettled() {
		c.open()
		c.conn.TrimTLS()
	}
	return true
}

// readable keeps a connection of TLS because somebody else has read SIP in it, and
// tells of it.
func (c *connection) readable() {
	if _, proto := c.conn.Verdict(); proto != capture.TLS || c.assembly.config.Net == nil {
		return
	}
	c.kept = true
	c.stream.Keep()
	c.conn.ProveTLS()
	c.open()
	c.conn.TrimTLS()
}

// isWSS takes in that somebody has read SIP in a WebSocket inside the connection, if it
// is one of TLS, and remembers the port.
func (c *connection) isWSS() {
	if _, proto := c.conn.Verdict(); proto != capture.TLS {
		return
	}
	c.wss = correlate.WSSByAgent
	a, f := c.assembly, c.stream.Flow()
	if a.webPorts == nil {
		a.webPorts = make(map[netip.AddrPort]struct{})
	}
	if len(a.webPorts) < maxPorts {
		a.webPorts[f.Dst] = struct{}{}
	}
}

// endTLS tells the handshake how the connection has ended, and then of a
// connection that was not told of yet: in TLS 1.3 it is the end that tells of a failure.
func (c *connection) endTLS() {
	e := c.stream.Ending()
	if e.First >= 0 {
		c.conn.EndTLS(int(e.First), tlswire.FIN)
		if e.FIN[1-e.First] {
			c.conn.EndTLS(int(1-e.First), tlswire.FIN)
		}
	}
	if e.Reset >= 0 {
		c.conn.EndTLS(int(e.Reset), tlswire.RST)
	}
	if c.kept && !c.told {
		c.open()
	}
}

// describeTLS fills in what is known of a connection of TLS.
func (c *connection) describeTLS(n *correlate.Connection) {
	n.Transport = correlate.TLS
	t := c.conn.TLS()
	if t != nil && c.wss == 0 && len(t.Info.ALPNOffered) == 1 && t.Info.ALPNOffered[0] == "http/1.1" { // as for a WebSocket, and for no page of the web
		if _, known := c.assembly.webPorts[n.Flow.Dst]; known {
			c.wss = correlate.WSSByPort
		}
	}
	if c.wss != 0 {
		n.Transport = correlate.WSS
	}
	if t != nil {
		n.TLS = &correlate.TLSInfo{Info: t.Info, Trimmed: t.Trimmed, Turns: correlate.Turns(t.Turns), WSS: c.wss}
	}
}
