package main

import (
	"context"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/jetstream"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/uplink"
)

// publisher makes a connection to a NATS server, for the log.
func (w *way) publisher(ctx context.Context) (uplink.Conn, error) {
	conn, err := natsConn(ctx, w.Dialer, &w.Collector, w.node)
	if err != nil {
		return nil, w.cure(err)
	}
	return conn, nil
}

func natsConn(ctx context.Context, d *reach.Dialer, c *config.Collector, node string) (made *jetstream.Conn, err error) {
	o := jetstream.Options{Name: "heptap " + node, User: c.NATS.User, Password: string(c.NATS.Password), Token: string(c.NATS.Token),
		Credentials: c.NATS.Credentials, Stall: c.Stall}
	err = d.DialStream(ctx, func(ctx context.Context, s *reach.Stream) error {
		made, err = jetstream.Connect(ctx, s, o)
		return err
	})
	return made, err
}

// natsNames says how the messages to a collector are named.
func (r *runner) natsNames(c *config.Collector) jetstream.Names {
	n := jetstream.Names{Prefix: c.NATS.Subject, Node: nodeName(r.cfg), AgentID: r.cfg.System.AgentID, Partitions: c.NATS.Partitions}
	if n.Partitions > 1 {
		n.Calls = jetstream.NewCalls(r.cfg.Calls.Max)
	}
	return n
}
