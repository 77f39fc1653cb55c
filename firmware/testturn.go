package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/uplink"
)

// answerWithin is how long the answer to a half-close is waited for.
const answerWithin = 10 * time.Second

// taking returns which of the collectors that take each other's place gets what c has to
// send: c itself, if there are no others, and nobody before the first connection.
func taking(c *uplink.CollectorStats) string {
	if len(c.Members) == 0 {
		return c.Collector
	}
	for i := range c.Members {
		if c.Members[i].Active {
			return c.Members[i].Member
		}
	}
	return ""
}

// turn tests a collector that gets no records now, because another one does: no record
// of this test would come there. That it answers a half-close is what it would have to do for
// its turn.
func (t *uplinkTest) turn(ctx context.Context, gets string) bool {
	if gets == "" {
		gets = "nobody yet"
	}
	if t.w.Transport != config.TCP && t.w.Transport != config.TLS {
		return t.ok("turn", "records go to %s, and to this one when its turn comes", gets)
	}
	if err := t.answers(ctx); err != nil {
		return t.fail("turn", "records go to %s, and this one could not take its place: %v", gets, err)
	}
	return t.ok("turn", "records go to %s; this one answers a half-close, so that it can take its turn", gets)
}

// errNoAnswer says that a half-close was not answered.
var errNoAnswer = errors.New("it does not answer a half-close: is it frozen, or something that is no collector?")

// answers half-closes a connection on which nothing was sent, and waits for the FIN.
func (t *uplinkTest) answers(ctx context.Context) error {
	d, err := reach.New(t.r.reachOptions(t.w.Collector))
	if err != nil {
		return err
	}
	conn, err := d.Dial(ctx)
	if err != nil {
		return t.w.cure(err)
	}
	defer conn.Abort()
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(answerWithin):
		return errNoAnswer
	case err := <-conn.Peer():
		if errors.Is(err, io.EOF) && conn.Confirmed() {
			return nil
		}
		return fmt.Errorf("it ends the connection otherwise: %w", err)
	}
}
