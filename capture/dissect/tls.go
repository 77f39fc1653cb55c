package dissect

import (
	"slices"

	"heptap/capture"
	"heptap/capture/tlswire"
)

// handshakeTLS is what is known of a connection of TLS.
type handshakeTLS struct {
	session tlswire.Session
	whole   bool // it was not trimmed
	turns   turns
}

// knownTLS begins to watch a handshake.
func (c *Conn) knownTLS(middle bool) {
	c.known(capture.TLS, readTLS)
	s := c.shared
	if middle {
		return // what told of the connection is gone
	}
	if s.sessions >= s.config.Sessions || s.held >= maxHeld {
		s.count.sessionsRefused.Add(1)
		return
	}
	s.held++
	s.sessions++
	s.count.sessions.Store(uint64(s.sessions))
	c.tls = &handshakeTLS{whole: true}
	c.tls.session.Buffers = &s.buffers
}

// readTLS watches. Nothing has to wait.
func (c *Conn) readTLS(p piece) int {
	if t := c.tls; t != nil {
		t.session.Write(p.dir, p.b)
		t.turns.frame(&t.session, p.dir, p.at.Mono)
	}
	return len(p.b)
}

// TLS returns what is known of the handshake, and the turns. It is nil when it is no TLS, its beginning was not seen, or
// too many others are being watched.
func (c *Conn) TLS() *TLS {
	if c.tls == nil {
		return nil
	}
	return &TLS{Info: c.tls.session.Info(), Trimmed: !c.tls.whole, Turns: c.tls.turns.now()}
}

// TLS is what is known of a connection of TLS.
type TLS struct {
	tlswire.Info
	Trimmed bool // what was text is not there any more
	Turns   Turns
}

// TLSSettled says whether the outcome of the handshake is known, or never will
// be.
func (c *Conn) TLSSettled() bool { return c.tls == nil || c.tls.session.Settled() }

// EndTLS says how the sender of a direction has ended the connection; dir is -1
// for a reset by who knows whom.
func (c *Conn) EndTLS(dir int, how tlswire.How) {
	if c.tls != nil {
		c.tls.session.End(dir, how)
	}
}

// ProveTLS says that somebody has read what is inside.
func (c *Conn) ProveTLS() {
	if c.tls != nil {
		c.tls.session.Prove()
	}
}

// TrimTLS frees what is known of the handshake in text, once it was used.
func (c *Conn) TrimTLS() {
	if t := c.tls; t != nil && t.whole {
		t.turns.know(&t.session)
		t.session.Trim()
		c.releaseTLS()
	}
}

// SpareTLS is TrimTLS when half of the handshakes that can be watched are: what
// nobody has asked for may still be asked for.
func (c *Conn) SpareTLS() {
	if 2*c.shared.sessions >= c.shared.config.Sessions {
		c.TrimTLS()
	}
}

// releaseTLS gives back what a session that is not trimmed holds of what is
// shared.
func (c *Conn) releaseTLS() {
	t := c.tls
	t.whole = false
	c.shared.sessions--
	c.shared.count.sessions.Store(uint64(c.shared.sessions))
}

// closeTLS ends it.
func (c *Conn) closeTLS() {
	if t := c.tls; t != nil {
		t.session.Reset()
		if t.whole {
			c.releaseTLS()
		}
		c.shared.held--
		c.tls = nil
	}
}

// offersSIP says whether a handshake names SIP as the protocol inside (RFC 7301,
// IANA "sip/2" and, as some write it, "sip").
func (t *handshakeTLS) offersSIP() bool {
	i := t.session.Info()
	return isSIPName(i.ALPN) || slices.ContainsFunc(i.ALPNOffered, isSIPName)
}

func isSIPName(s string) bool { return s == "sip/2" || s == "sip" }
