package jetstream

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Conn publishes messages over one NATS connection, and knows which of them a stream has acknowledged. Write
// has one caller at a time, the other methods any number.
type Conn struct {
	wire     Wire
	nc       *nats.Conn
	inbox    string // where answers come, and the message's index
	stall    time.Duration
	peer     chan error
	progress chan struct{}
	closed   chan struct{}
	closing  sync.Once
	asking   atomic.Bool // diagnose is under way

	mu         sync.Mutex // guards the rest
	written    uint64     // octets
	acked      uint64     // octets of messages without a gap that are done with
	base       uint64     // index of out[0]
	head       int        // the first of out that is not done with
	out        []sent     // those behind acked, and some before
	refused    []refused
	last       uint64 // number that was refused last
	over       bool   // it ended, Peer has or had the reason
	half       bool   // CloseWrite
	confirmed  bool
	progressed time.Time // when an answer came last, or the first message went that waits for one
	duplicates uint64
}

// sent is a message on its way.
type sent struct {
	end     uint64 // Written behind it
	seq     uint64
	subject string
	done    bool
}

type refused struct {
	seq uint64
	why error
}

// Write publishes b, whole messages of an Encoder's.
func (c *Conn) Write(b []byte) (int, error) {
	m := nats.Msg{Header: nats.Header{nats.MsgIdHdr: {""}}}
	most := c.nc.MaxPayload()
	for at := 0; at < len(b); {
		msg, size, err := next(b[at:])
		if err != nil {
			return at, err
		}
		at += size
		index := c.begin(&msg, uint64(size))
		m.Subject, m.Reply, m.Data = msg.subject, c.inbox+strconv.FormatUint(index, 36), msg.payload
		m.Header[nats.MsgIdHdr][0] = msg.id
		if err = c.nc.PublishMsg(&m); errors.Is(err, nats.ErrMaxPayload) {
			c.settle(index, fmt.Errorf("of %d octets, and the NATS server takes messages of %d (max_payload)", len(msg.payload), most))
		} else if err != nil {
			return at, ended(err)
		}
	}
	return len(b), nil
}

// begin takes note of a message that is about to be published, and returns its index.
func (c *Conn) begin(m *message, size uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head == len(c.out) {
		c.progressed = time.Now()
	}
	c.written += size
	c.out = append(c.out, sent{end: c.written, seq: m.seq, subject: m.subject})
	return c.base + uint64(len(c.out)) - 1
}

// settle takes note that a message is done with: stored, or with why refused for good.
func (c *Conn) settle(index uint64, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index < c.base || index-c.base >= uint64(len(c.out)) || c.out[index-c.base].done {
		return
	}
	m := &c.out[index-c.base]
	m.done = true
	if why != nil && m.seq != c.last {
		c.last = m.seq // of one record's packets the first will do
		c.refused = append(c.refused, refused{m.seq, why})
	}
	c.progressed = time.Now()
	was := c.head
	for c.head < len(c.out) && c.out[c.head].done {
		c.acked = c.out[c.head].end
		c.head++
	}
	if c.head > was || why != nil {
		c.poke()
	}
	if c.half && c.head == len(c.out) {
		c.conclude()
	}
	if c.head > len(c.out)/2 { // rarely, for many
		c.base += uint64(c.head)
		n := copy(c.out, c.out[c.head:])
		clear(c.out[n:])
		c.out, c.head = c.out[:n], 0
	}
}

func (c *Conn) poke() {
	select {
	case c.progress <- struct{}{}:
	default:
	}
}

// conclude says that all that was asked for has come. The lock is held.
func (c *Conn) conclude() {
	if !c.over {
		c.over, c.confirmed = true, true
		c.peer <- io.EOF
	}
}

// fail ends the connection for the reason err, unless it has one.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over = true
		c.peer <- err
	}
}

// answer takes what came back for a message.
func (c *Conn) answer(m *nats.Msg) {
	index, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, c.inbox), 36, 64)
	if err != nil {
		return
	}
	if unavailable(m) {
		if subject := c.subject(index); c.asking.CompareAndSwap(false, true) {
			go func() { c.fail(c.diagnose(subject)) }() // not here, where the answers to messages come
		}
		return
	}
	duplicate, err := parseReceipt(m.Data)
	var no *refusal
	switch {
	case err == nil:
		if duplicate {
			c.mu.Lock()
			c.duplicates++
			c.mu.Unlock()
		}
		c.settle(index, nil)
	case errors.As(err, &no) && no.personal():
		c.settle(index, no.about(c.subject(index)))
	case errors.As(err, &no):
		c.fail(no.about(c.subject(index)))
	default:
		c.fail(err)
	}
}

// subject returns that of a message that waits, or else an empty one.
func (c *Conn) subject(index uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index < c.base || index-c.base >= uint64(len(c.out)) {
		return ""
	}
	return c.out[index-c.base].subject
}

// apiInfo is where JetStream tells of itself, if it is there and the user may ask.
const apiInfo = "$JS.API.INFO"

// diagnose finds out why nobody listens to a subject.
func (c *Conn) diagnose(subject string) error {
	m, err := c.nc.Request(apiInfo, nil, time.Second)
	if errors.Is(err, nats.ErrNoResponders) {
		return errNotEnabled
	}
	if err == nil {
		var no *refusal
		if _, err := parseReceipt(m.Data); errors.As(err, &no) && (no.code == codeNotEnabled || no.code == codeNotEnabledServer) {
			return errNotEnabled
		}
	}
	return noStream(subject)
}

// watch ends the connection when no answer comes any more.
func (c *Conn) watch() {
	tick := time.NewTicker(max(c.stall/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		late := c.head < len(c.out) && !c.over && time.Since(c.progressed) > c.stall
		subject := ""
		if late {
			subject = c.out[c.head].subject
		}
		c.mu.Unlock()
		if late {
			c.fail(c.silence(subject))
			return
		}
	}
}

// silence says what it is that no answer has come for so long.
func (c *Conn) silence(subject string) error {
	if c.nc.FlushTimeout(time.Second) == nil {
		return fmt.Errorf("the NATS server answers, but no stream has acknowledged subject %s for %v: is there one, and has it a leader? (%w)", subject, c.stall, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("the NATS server has answered nothing for %v: is it frozen, or the way to it cut? (%w)", c.stall, os.ErrDeadlineExceeded)
}

// Written returns the octets of messages that were written.
func (c *Conn) Written() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// Acked returns how many of them belong to messages that are done with, up to the first that is not.
func (c *Conn) Acked() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked, nil
}

// LocalAddr returns the own address.
func (c *Conn) LocalAddr() netip.AddrPort {
	a, _ := netip.ParseAddrPort(c.wire.LocalAddr().String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Duplicates returns how many messages the stream had already.
func (c *Conn) Duplicates() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.duplicates
}

// Progress is poked when Acked has grown, or something was refused.
func (c *Conn) Progress() <-chan struct{} { return c.progress }

// Refused returns, once, a record that will never be taken.
func (c *Conn) Refused() (seq uint64, why error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) == 0 {
		return 0, nil, false
	}
	r := c.refused[0]
	c.refused = c.refused[1:]
	return r.seq, r.why, true
}

// Window returns how many records may be without an answer.
func (c *Conn) Window() int { return Window }

// CloseWrite asks for the answers that are missing: Peer says io.EOF when all are there.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.half = true; c.head == len(c.out) {
		c.conclude()
	}
	return nil
}

// Peer tells how the connection ended: io.EOF when all was acknowledged after CloseWrite.
func (c *Conn) Peer() <-chan error { return c.peer }

// Confirmed reports whether all was acknowledged after CloseWrite.
func (c *Conn) Confirmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confirmed
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	c.nc.Close()
	return nil
}

// Abort closes it without waiting for what was not written yet.
func (c *Conn) Abort() error {
	c.wire.Broke()
	err := closeQuietly(c.wire)
	return errors.Join(err, c.Close())
}
