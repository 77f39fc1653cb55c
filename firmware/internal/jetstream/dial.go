package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Wire is the connection under a Conn; reach.Stream is one.
type Wire interface {
	net.Conn
	At() netip.AddrPort
	TLSConfig() *tls.Config // nil without TLS
	Explain(ctx context.Context, err error) error
	Broke() // it did not end well
}

// Options say who connects, and how long it waits.
type Options struct {
	Name           string // of the client, as the server's monitoring shows it
	User, Password string
	Token          string
	Credentials    string        // file with a JWT and the seed of its key, as nsc makes it
	Stall          time.Duration // without an acknowledgement for so long the connection is given up
}

// Window is how many messages may be without an answer.
const Window = 2000

// given is a connection that is there already, for nats.go to take.
type given struct{ net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.Conn, nil }

// Connect makes a NATS connection of a wire, which it closes on an error.
func Connect(ctx context.Context, w Wire, o Options) (*Conn, error) {
	c := &Conn{wire: w, stall: o.Stall, peer: make(chan error, 1), progress: make(chan struct{}, 1), closed: make(chan struct{})}
	opts, err := o.client(ctx, w)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	opts.ClosedCB = func(nc *nats.Conn) { c.fail(ended(nc.LastError())) }
	opts.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !strings.Contains(err.Error(), apiInfo) { // who may not ask has to do without the answer
			c.fail(ended(err))
		}
	}
	opts.LameDuckModeHandler = func(*nats.Conn) { c.fail(errLameDuck) }
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) })
	c.nc, err = opts.Connect()
	if err == nil {
		err = c.listen(opts.Timeout)
		if err != nil {
			c.nc.Close()
		}
	} else {
		err = greeting(ctx, w, err)
	}
	if !stop() && err == nil {
		c.nc.Close()
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%v: %w", w.At(), err), closeQuietly(w))
	}
	c.progressed = time.Now()
	go c.watch()
	return c, nil
}

// closeQuietly closes what may be closed already.
func closeQuietly(w Wire) error {
	if err := w.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// client makes nats.go's options: one connection, as it is.
func (o *Options) client(ctx context.Context, w Wire) (nats.Options, error) {
	opts := nats.GetDefaultOptions()
	opts.Url = "nats://" + w.At().String()
	opts.CustomDialer = given{w}
	opts.SkipHostLookup = true
	opts.Name = o.Name
	opts.NoEcho = true
	opts.AllowReconnect = false
	opts.IgnoreDiscoveredServers = true
	opts.NoCallbacksAfterClientClose = true
	opts.PingInterval = max(o.Stall, 5*time.Second)
	opts.FlusherTimeout = 0 // the wire has its own
	opts.Timeout = 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		opts.Timeout = max(time.Until(end), time.Millisecond)
	}
	opts.User, opts.Password, opts.Token = o.User, o.Password, o.Token
	if o.Credentials != "" {
		if err := nats.UserCredentials(o.Credentials)(&opts); err != nil {
			return opts, fmt.Errorf("nats-credentials: %w", err)
		}
	}
	if opts.TLSConfig = w.TLSConfig(); opts.TLSConfig != nil {
		opts.Secure = true
		return opts, nil
	}
	opts.TLSConfig = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return errWantsTLS }}
	return opts, nil
}

// listen subscribes to the answers, and makes sure that the server lets us.
func (c *Conn) listen(within time.Duration) error {
	if !c.nc.HeadersSupported() {
		return errNoHeaders
	}
	c.inbox = c.nc.NewInbox() + "."
	sub, err := c.nc.Subscribe(c.inbox+"*", c.answer)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1) // there are no more than messages
	}
	if err == nil {
		err = c.nc.FlushTimeout(within)
	}
	select {
	case told := <-c.peer:
		return told
	default:
	}
	if err != nil {
		return ended(err)
	}
	return nil
}
