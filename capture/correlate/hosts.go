package correlate

import (
	"bytes"
	"math/bits"
	"net/netip"
	"time"

	"heptap/capture"
)

// hosts knows who takes part in SIP: which hosts there are, what they do, and
// on which ports they are asked. It is a table without chains: of those that
// share a few places the one that was silent for longest gives way.
type hosts struct {
	slots [1 << hostBits]host
	seed  uint64
	spare *lines // of a host that gave way
}

const (
	hostBits = 12
	hostWays = 4
	// hostStays is how long someone counts who says nothing more.
	hostStays = int64(2 * time.Hour)
)

// host is one of an address (port 0 in its place) or of a port.
type host struct {
	at   place
	seen int64 // mono plus one, 0 for an empty slot
	role role
	// askedFrom is from when on the queries of a host are told, see inference.
	askedFrom int64
	lines     *lines // of one that registers
}

// role says what a host did.
type role uint16

const (
	speaks     role = 1 << iota // sent or was sent SIP
	answers                     // with a 2xx
	registers                   // with somebody else
	registrar                   // it answered a REGISTER with a 2xx
	listens                     // requests are sent to this port
	invited                     // requests that begin something are sent to it
	asksOthers                  // in other protocols
	forwards                    // requests of others, as a proxy does
	exchange                    // it registers with others and is no phone, see lines
	listed                      // it is a SIP server whatever it does (Config.Servers)

	serves = registrar | forwards | exchange | listed
)

// saw takes in that the message in c.sip went over f, and returns what its two hosts
// are known to do.
func (c *Correlator) saw(f *capture.FiveTuple) (sender, receiver role) {
	v := &c.sip
	from, to := placeOf(f.Tunnel, f.Src), placeOf(f.Tunnel, f.Dst)
	is, asked := speaks, speaks
	proxied := c.forwarded()
	switch {
	case v.IsRequest:
		switch {
		case proxied:
			is |= forwards
		case string(v.Method) == "REGISTER":
			is |= registers
		}
		c.hosts.add(to, listens, c.now)
		if begins(v.Method) {
			asked |= invited
		}
	case v.Status/100 == 2:
		if is |= answers; string(v.CSeqMethod) == "REGISTER" {
			is |= registrar
		}
	}
	if !v.IsRequest && proxied { // who gets it, passes it on
		asked |= forwards
	}
	if len(c.cfg.Servers) > 0 {
		is, asked = is|c.listed(f.Src.Addr().Unmap()), asked|c.listed(f.Dst.Addr().Unmap())
	}
	h := c.hosts.add(from.host(), is, c.now)
	if h.role&registers != 0 && !proxied {
		c.showsLines(h)
	}
	sender = h.roles(c.now)
	h = c.hosts.add(to.host(), asked, c.now)
	if h.lines != nil && sender&registrar != 0 {
		c.calledAs(h)
	}
	return sender, h.roles(c.now)
}

// forwarded says whether the message in c.sip takes, or took, more than one hop.
func (c *Correlator) forwarded() bool { return c.sip.MoreVia || bytes.IndexByte(c.sip.Via, ',') >= 0 }

func (c *Correlator) listed(a netip.Addr) role {
	for _, p := range c.cfg.Servers {
		if p.Contains(a) {
			return listed
		}
	}
	return 0
}

// Server says whether a host is a SIP server: it answered SIP with a 2xx and does
// not register with others, as phones do. One that does is a server all the same if it is
// a registrar, a proxy, or an exchange with lines at a provider (see lines), or listed.
func (c *Correlator) Server(tunnel uint32, host netip.Addr) bool {
	host = host.Unmap()
	r := c.hosts.role(placeOf(tunnel, netip.AddrPortFrom(host, 0)), c.now)
	return r&serves != 0 || r&(answers|registers) == answers || c.listed(host) != 0
}

// Speaks says whether a host takes part in SIP.
func (c *Correlator) Speaks(tunnel uint32, host netip.Addr) bool {
	host = host.Unmap()
	return c.hosts.role(placeOf(tunnel, netip.AddrPortFrom(host, 0)), c.now)&speaks != 0 || c.listed(host) != 0
}

// Signalling says whether a connection that somebody tries to open is meant for
// SIP, or is one of a SIP server's own: its failure matters.
func (c *Correlator) Signalling(f capture.FiveTuple) bool {
	port := f.Dst.Port()
	return port == sipPort || port == sipsPort || c.hosts.role(placeOf(f.Tunnel, unmap(f.Dst)), c.now)&listens != 0 ||
		c.Server(f.Tunnel, f.Src.Addr())
}

// The ports of SIP (RFC 3261 19.1.2).
const (
	sipPort  = 5060
	sipsPort = 5061
)

func (h *hosts) first(p place) uint64 {
	a, b := bits.Mul64(p.hi^h.seed, p.lo^0x9e3779b97f4a7c15)
	a, b = bits.Mul64(a^b^p.rest, h.seed|1)
	return (a ^ b) & (1<<hostBits - 1)
}

// add takes in that somebody does r, and returns all that is known of it.
func (h *hosts) add(p place, r role, now int64) *host {
	i := h.first(p)
	oldest := &h.slots[i]
	for n := range uint64(hostWays) {
		s := &h.slots[(i+n)&(1<<hostBits-1)]
		if s.seen != 0 && s.at == p {
			if now-s.seen > hostStays {
				h.empty(s)
			}
			s.seen, s.role = max(now+1, 1), s.role|r
			return s
		}
		if s.seen < oldest.seen {
			oldest = s
		}
	}
	h.empty(oldest)
	oldest.at, oldest.seen, oldest.role = p, max(now+1, 1), r
	return oldest
}

// empty forgets what is known of somebody.
func (h *hosts) empty(s *host) {
	if s.lines != nil {
		h.spare = s.lines
	}
	*s = host{at: s.at}
}

func (h *hosts) role(p place, now int64) role {
	if s := h.find(p, now); s != nil {
		return s.roles(now)
	}
	return 0
}

func (s *host) roles(now int64) role {
	if s.lines != nil && s.lines.exchange(now) {
		return s.role | exchange
	}
	return s.role
}

// find returns somebody who said something not too long ago, or nil.
func (h *hosts) find(p place, now int64) *host {
	i := h.first(p)
	for n := range uint64(hostWays) {
		if s := &h.slots[(i+n)&(1<<hostBits-1)]; s.seen != 0 && s.at == p && now-s.seen <= hostStays {
			return s
		}
	}
	return nil
}
