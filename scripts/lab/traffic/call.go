package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	again    = time.Second            // a request without an answer is sent again after this
	attempts = 8                      //
	hangUp   = 300 * time.Millisecond // between the last RTP and BYE: a relay may hold some back
)

// call is one call.
type call struct {
	g      *generator
	number int
	id     string
	early  bool // answered with media in 183
	codec  codec
	ends   [2]end // caller, callee

	answers   chan incoming
	confirmed chan struct{} // closed when the callee has the ACK
	confirm   sync.Once
}

func newCall(g *generator, i int) *call {
	c := &call{g: g, number: i, id: fmt.Sprintf("%08x-%d@lab", g.cfg.Seed, i), early: i%4 == 3,
		codec: codecs[i%len(codecs)], answers: make(chan incoming, 1), confirmed: make(chan struct{})}
	for e := range c.ends {
		c.ends[e].init(&g.cfg, i, e)
	}
	return c
}

func (c *call) from() string {
	return fmt.Sprintf("<sip:caller%d@%s>;tag=a%d", c.number, c.g.cfg.Caller.Addr, c.number)
}

// request is a request of the caller.
func (c *call) request(method string, seq int, to, body string) []byte {
	g := c.g
	return withBody(fmt.Sprintf("%s sip:callee%d@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d-%d-%s\r\nMax-Forwards: 70\r\n"+
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:caller%d@%s>\r\n",
		method, c.number, g.callee.addr, g.caller.addr, c.number, seq, method,
		c.from(), to, c.id, seq, method, c.number, g.caller.addr), body)
}

func (c *call) to() string {
	return fmt.Sprintf("<sip:callee%d@%s>", c.number, c.g.cfg.Callee.Addr)
}

// make makes the call at its time, talks and hangs up.
func (c *call) make(ctx context.Context, at time.Time) error {
	if err := sleep(ctx, time.Until(at)); err != nil {
		return err
	}
	twice := c.g.cfg.Twice > 0 && c.number%c.g.cfg.Twice == 0
	answer, err := c.ask(ctx, c.request("INVITE", 1, c.to(), c.sdp(0)), twice)
	if err != nil {
		return fmt.Errorf("INVITE: %w", err)
	}
	if answer.status != 200 {
		return fmt.Errorf("INVITE: answered %d", answer.status)
	}
	if err := c.acknowledge(ctx, answer); err != nil {
		return err
	}
	if err := c.talk(ctx); err != nil {
		return err
	}
	if answer, err = c.ask(ctx, c.request("BYE", 2, answer.to, ""), false); err != nil {
		return fmt.Errorf("BYE: %w", err)
	}
	if answer.status != 200 {
		return fmt.Errorf("BYE: answered %d", answer.status)
	}
	return nil
}

// ask sends a request until it is answered.
func (c *call) ask(ctx context.Context, request []byte, twice bool) (incoming, error) {
	want, _ := parse(request)
	g := c.g
	if twice {
		g.caller.send(g.callee.addr, request)
	}
	for range attempts {
		g.caller.send(g.callee.addr, request)
		for over := time.After(again); ; {
			select {
			case m := <-c.answers:
				if m.cseq != want.cseq {
					continue // of the request before, again
				}
				return m, nil
			case <-ctx.Done():
				return incoming{}, ctx.Err()
			case <-over:
			}
			break
		}
	}
	return incoming{}, errors.New("no answer")
}

// acknowledge sends ACK until the callee has it.
func (c *call) acknowledge(ctx context.Context, answer incoming) error {
	g := c.g
	for range attempts {
		g.caller.send(g.callee.addr, c.request("ACK", 1, answer.to, ""))
		select {
		case <-c.confirmed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
	}
	return errors.New("ACK did not arrive")
}

// talk sends media in both directions, and returns a moment after the last of it.
func (c *call) talk(ctx context.Context) error {
	for i := range c.ends {
		c.ends[i].connect(c, &c.ends[1-i], c.g.cfg.side(1-i).Addr)
		c.g.pacer.add(&c.ends[i])
	}
	for i := range c.ends {
		select {
		case <-c.ends[i].sent:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return sleep(ctx, hangUp)
}

func (c *Config) side(i int) *Side {
	if i == 0 {
		return &c.Caller
	}
	return &c.Callee
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
