package conversation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Transport is what carries the signalling.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	WebSocket
	SCTP
	NumTransports
)

// String returns the transport as a Via names it (RFC 3261 20.42, 7118, 4168).
func (t Transport) String() string {
	return [NumTransports]string{"UDP", "TCP", "WS", "SCTP"}[t]
}

// Side is one end of a conversation.
type Side uint8

// The caller opens the connection. Either side may send requests.
const (
	Caller Side = iota
	Callee
)

func (s Side) other() Side { return 1 - s }

// Message is one SIP message.
type Message struct {
	From   Side
	At     time.Duration // since the conversation's start
	Text   []byte
	CallID string
	// Fresh says that no transaction and no call is open before the message:
	// any time may pass here.
	Fresh bool
}

// Datagram is one datagram of media.
type Datagram struct {
	From     Side
	At       time.Duration
	Src, Dst netip.AddrPort
	Payload  []byte
}

// Stream is what is true of one RTP stream.
type Stream struct {
	Src, Dst      netip.AddrPort
	SSRC          uint32
	CallID        string
	Packets, Lost int
}

// Conversation is everything that two ends say to each other.
type Conversation struct {
	Seed      uint64
	Transport Transport
	Ends      [2]netip.AddrPort // of the signalling, by Side
	Messages  []Message         // in order of time
	Media     []Datagram        // RTP and RTCP, in order of time
	Streams   []Stream
}

// New returns a conversation of one to four exchanges: calls with media,
// registrations, instant messages, methods nobody has heard of. The same
// arguments give the same conversation; those of different seeds have
// different addresses, ports, Call-IDs and SSRCs.
func New(seed uint64, t Transport) *Conversation {
	g := generator{r: rand.New(rand.NewPCG(seed, uint64(t)+1))}
	g.c = &Conversation{Seed: seed, Transport: t, Ends: g.ends(t)}
	at := time.Duration(0)
	for n := 1 + g.r.IntN(3); n > 0; n-- {
		at = g.exchange(at)
	}
	slices.SortStableFunc(g.c.Messages, func(a, b Message) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(g.c.Media, func(a, b Datagram) int { return cmp.Compare(a.At, b.At) })
	return g.c
}

// generator is a Conversation in the making.
type generator struct {
	r     *rand.Rand
	c     *Conversation
	calls int
}

// ends draws the addresses: one conversation in four speaks IPv6.
func (g *generator) ends(t Transport) (ends [2]netip.AddrPort) {
	v6 := g.r.IntN(4) == 0
	net := [2]byte{byte(g.r.IntN(256)), byte(g.r.IntN(256))}
	for side := range ends {
		host := [2]byte{byte(g.r.IntN(256)), byte(1 + side + 2*g.r.IntN(120))}
		addr := netip.AddrFrom4([4]byte{10, net[0], net[1], host[1]})
		if v6 {
			addr = netip.AddrFrom16([16]byte{0xfd, 0x77, net[0], net[1], 15: host[1], 14: host[0]})
		}
		ends[side] = netip.AddrPortFrom(addr, 5060)
	}
	caller, callee := ends[Caller].Addr(), ends[Callee].Addr()
	switch t {
	case TCP, SCTP:
		ends[Caller] = netip.AddrPortFrom(caller, uint16(32768+g.r.IntN(28000)))
	case WebSocket:
		ends[Caller] = netip.AddrPortFrom(caller, uint16(32768+g.r.IntN(28000)))
		ends[Callee] = netip.AddrPortFrom(callee, []uint16{80, 8080, 5062, 10080}[g.r.IntN(4)])
	}
	return ends
}

// exchange adds what begins and ends by itself, and returns when the next one
// may begin.
func (g *generator) exchange(at time.Duration) time.Duration {
	first := len(g.c.Messages)
	end := at
	switch g.r.IntN(4) {
	case 0: // a burst: several requests of one side at once, several answers
		from := Side(g.r.IntN(2))
		for n := 2 + g.r.IntN(5); n > 0; n-- {
			end = max(end, g.pair(at, from, g.method()))
			at += time.Duration(g.r.IntN(300)) * time.Microsecond
		}
	case 1:
		end = g.pair(at, Caller, "REGISTER")
		end = max(end, g.pair(at+time.Duration(g.r.IntN(20))*time.Millisecond, Callee, g.method()))
	default:
		for n := 1 + g.r.IntN(2); n > 0; n-- {
			end = max(end, g.call(at))
			at += time.Duration(g.r.IntN(200)) * time.Millisecond
		}
	}
	g.c.Messages[first].Fresh = true
	return end + 200*time.Millisecond + time.Duration(g.r.IntN(1500))*time.Millisecond
}

// method draws one, known or not: any token is a method (RFC 3261 25.1).
func (g *generator) method() string {
	return []string{"OPTIONS", "MESSAGE", "NOTIFY", "SUBSCRIBE", "INFO", "PUBLISH", "KDMQ", "X-Foo.1", "A!%*_+`'~", "ping"}[g.r.IntN(10)]
}

// soon is a time a program takes to answer.
func (g *generator) soon() time.Duration {
	return 2*time.Millisecond + time.Duration(g.r.ExpFloat64()*float64(15*time.Millisecond))
}

func (g *generator) add(at time.Duration, d *dialog, from Side, text []byte) {
	g.c.Messages = append(g.c.Messages, Message{From: from, At: at, Text: text, CallID: d.callID})
}

// pair adds a request outside a call and its answer.
func (g *generator) pair(at time.Duration, from Side, method string) time.Duration {
	d := g.dialog(from)
	d.method, d.cseq = method, 1+g.r.IntN(1000)
	var body []byte
	if method != "REGISTER" && g.r.IntN(2) == 0 {
		body = g.text()
	}
	request := g.request(d, from, body)
	g.add(at, d, from, request)
	if g.c.Transport == UDP && g.r.IntN(8) == 0 { // timer E, RFC 3261 17.1.2.2
		at += 500 * time.Millisecond
		g.add(at, d, from, request)
	}
	at += g.soon()
	d.toTag = g.token(8)
	g.add(at, d, from.other(), g.response(d, from, []string{"200 OK", "401 Unauthorized", "404 Not Found", "501"}[g.r.IntN(4)], nil))
	return at
}

// call adds a call with media, answered or refused.
func (g *generator) call(at time.Duration) time.Duration {
	from := Side(g.r.IntN(2))
	d := g.dialog(from)
	d.method, d.cseq = "INVITE", 1+g.r.IntN(1000)
	m := g.newMedia(from)
	invite := g.request(d, from, m.offer())
	g.add(at, d, from, invite)
	if g.c.Transport == UDP && g.r.IntN(4) == 0 { // timer A, RFC 3261 17.1.1.2
		at += 500 * time.Millisecond
		g.add(at, d, from, invite)
	}
	at += g.soon()
	g.add(at, d, from.other(), g.response(d, from, "100 Trying", nil))
	at += g.soon()
	d.toTag = g.token(8)
	g.add(at, d, from.other(), g.response(d, from, "180 Ringing", nil))
	at += time.Duration(50+g.r.IntN(400)) * time.Millisecond
	if g.r.IntN(6) == 0 {
		g.add(at, d, from.other(), g.response(d, from, "486 Busy Here", nil))
		at += g.soon()
		d.method = "ACK"
		g.add(at, d, from, g.request(d, from, nil))
		return at
	}
	g.add(at, d, from.other(), g.response(d, from, "200 OK", m.answer()))
	at += g.soon()
	d.method = "ACK"
	g.add(at, d, from, g.request(d, from, nil))
	at = g.talk(at+20*time.Millisecond, d.callID, m)
	by := Side(g.r.IntN(2))
	d.method, d.cseq = "BYE", d.cseq+1
	g.add(at, d, by, g.request(d, by, nil))
	at += g.soon()
	g.add(at, d, by.other(), g.response(d, by, "200 OK", nil))
	return at
}

// String names the conversation for a failing test.
func (c *Conversation) String() string {
	return fmt.Sprintf("%v conversation, seed %d: %v and %v, %d messages, %d datagrams of media",
		c.Transport, c.Seed, c.Ends[Caller], c.Ends[Callee], len(c.Messages), len(c.Media))
}
