package assembly

import (
	"net/netip"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/httpwire"
	"heptap/capture/stream"
	"heptap/capture/websocket"
)

// Net is told of connections. It must not call the Assembly, and borrows what it
// is given.
type Net interface {
	// Opened tells of a connection that carries SIP, or was meant to, before the
	// first message on it; of others when a follower wants it.
	Opened(n *correlate.Connection)
	// Closed tells of the end of one that was told of.
	Closed(n *correlate.Connection, why stream.Reason)
	// Signalling says whether a connection that cannot be made, from the source to
	// the destination of f, is worth being told of.
	Signalling(f capture.FiveTuple) bool
	// Speaks says whether a host takes part in SIP.
	Speaks(tunnel uint32, host netip.Addr) bool
	// Failed tells of such a one. id is its own.
	Failed(u *stream.Unopened, id uint64)
	// Unassociated tells of such an association of SCTP.
	Unassociated(n *correlate.Connection, what stream.Outcome)
}

// Followers reads what goes over connections of HTTP and of management
// protocols.
type Followers interface {
	// Follow returns who is shown the octets of a connection, nil for nobody now: see
	// dissect.Config.Follow. tell has Net told of the connection, unless it knows
	// already, and returns its id, 0 without Net. Who follows may call it until End
	// returns.
	Follow(flow capture.FiveTuple, tell func() uint64, proto capture.Protocol, front []byte) dissect.Follower
	// Advance tells the time by the packets' monotonic clock.
	Advance(mono int64)
}

const (
	maxHead   = 1 << 10 // octets that are kept of the head of a WebSocket's handshake
	maxReason = 123     // octets of a close frame's reason (RFC 6455 5.5)
	maxWebs   = 4096    // WebSockets of which the handshake or the end is known
)

// web is what is known of a WebSocket besides its messages.
type web struct {
	request, reply, reason []byte
	status                 int
	code                   uint16
	closer                 int8
	next                   *web // while idle
}

// webBytes is the most one holds.
const webBytes = 2*maxHead + maxReason + 128

// web returns what c has for its handshake, nil when there are too many.
func (c *connection) webState() *web {
	a := c.assembly
	switch {
	case c.web != nil:
	case a.idleWebs != nil:
		c.web, a.idleWebs = a.idleWebs, a.idleWebs.next
	case a.webs < maxWebs:
		a.webs++
		c.web = new(web)
	default:
		return nil
	}
	return c.web
}

// leaveWeb gives it back.
func (c *connection) leaveWeb() {
	if w := c.web; w != nil {
		a := c.assembly
		*w = web{request: w.request[:0], reply: w.reply[:0], reason: w.reason[:0], closer: -1, next: a.idleWebs}
		c.web, a.idleWebs = nil, w
	}
}

// follow asks who is shown the octets of the connection at hand.
func (a *Assembly) follow(proto capture.Protocol, front []byte) dissect.Follower {
	c := a.current
	return a.config.Followers.Follow(c.stream.Flow(), c.announced, proto, front)
}

// handshake takes in a head of the connection at hand.
func (a *Assembly) handshake(_, status int, head []byte) {
	c := a.current
	w := c.webState()
	if w == nil {
		return
	}
	head = head[:min(len(head), maxHead)]
	if status == 0 {
		w.request = append(w.request[:0], head...)
		w.reply, w.status, w.closer = w.reply[:0], 0, -1
		return
	}
	w.reply, w.status = append(w.reply[:0], head...), status
	if len(w.request) == 0 {
		w.closer = -1
	}
	const switching = 101
	if status != switching { // the client may ask again
		c.tell()
		c.named = false
		c.leaveWeb()
	}
}

// control takes in a WebSocket's control frame on the connection at hand.
func (a *Assembly) control(dir int, _ *dissect.At, op websocket.Opcode, payload []byte) {
	w := a.current.web
	if w == nil || op != websocket.Close || w.closer >= 0 {
		return
	}
	code, reason := websocket.CloseReason(payload)
	w.closer, w.code = int8(dir), code
	w.reason = append(w.reason[:0], reason[:min(len(reason), maxReason)]...)
}

// tell tells of the connection, once, if it is for SIP.
func (c *connection) tell() {
	if !c.named && c.assembly.config.Net != nil && c.conn.ForSIP() {
		c.open()
		c.named = true
	}
}

// announce tells of the connection, once, and returns its id.
func (c *connection) announce() uint64 {
	switch {
	case c.assembly.config.Net == nil:
		return 0
	case !c.told:
		c.open()
	}
	return c.id
}

// open tells of the connection.
func (c *connection) open() {
	n := c.describe()
	n.Again, c.told = c.told, true
	c.assembly.config.Net.Opened(n)
}

// describe fills in what is known of the connection.
func (c *connection) describe() *correlate.Connection {
	a, s := c.assembly, c.stream
	n := &a.connection
	*n = correlate.Connection{ID: c.id, Flow: s.Flow(), MidStream: s.MidStream(), Attempt: s.Attempt(),
		Sent: [2]stream.Sent{s.Sent(0), s.Sent(1)}, Ending: s.Ending()}
	switch _, proto := c.conn.Verdict(); proto {
	case capture.TLS:
		c.describeTLS(n)
	case capture.HTTP, capture.MI:
		c.carries = proto
	}
	if c.conn.IsWebSocket() || c.web != nil && len(c.web.reply) > 0 {
		n.Transport = correlate.WS
	}
	if n.Transport == correlate.TCP && !c.named {
		n.Carries = c.carries
	}
	if w := c.web; w != nil && n.Transport == correlate.WS {
		var h httpwire.Head
		h.Parse(w.reply)
		a.web = correlate.Web{Request: w.request, Reply: w.reply, Subprotocol: h.Get("sec-websocket-protocol"), Status: w.status, Closer: w.closer, Code: w.code, Reason: w.reason}
		n.Web = &a.web
	}
	return n
}

// unopened passes on what became of a handshake.
func (a *Assembly) unopened(u *stream.Unopened) {
	if net := a.config.Net; net != nil && net.Signalling(u.Flow) {
		net.Failed(u, identify(&u.Flow, &u.Attempt))
	}
}

// identify gives a connection its id: the same in every run, so that a replay
// gives the same records. It is never 0.
func identify(f *capture.FiveTuple, t *stream.Attempt) uint64 {
	h := mix(hash(f)^uint64(t.Began.Wall), 0xa0761d6478bd642f)
	return max(h, 1)
}
