package jetstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

// Source is a stream to read.
type Source struct {
	URL         string // nats:// or tls://, with user and password or a token in it; several with commas between them
	Stream      string
	Durable     string // name of the consumer, which the server keeps: several readers with one name share the work
	Subject     string // of the messages wanted, with wildcards; empty is all
	Credentials string // file
	CA          string // file: who may have signed the server's certificate; empty is the system's
	Unreadable  func(error) bool
	Log         *slog.Logger // nil discards
}

const (
	fetchMessages = 256
	fetchWait     = 2 * time.Second
	ackWait       = time.Minute // after that a message that was given to a reader who died is given to another
	sourcePause   = time.Second
)

// Read reads until ctx is done and returns nil, or until flush fails, or take; a message for which Unreadable
// is true of take's error is left out. Messages are acknowledged when they have been flushed: one that was not is
// given again, to the next reader of that name.
func (s *Source) Read(ctx context.Context, take func([]byte) error, flush func() error) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	nc, err := s.connect()
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer nc.Close()
	sub, err := s.subscribe(nc)
	if err != nil {
		return fmt.Errorf("NATS stream %s: %w", s.Stream, err)
	}
	for ctx.Err() == nil {
		if err := s.batch(ctx, sub, take, flush); err != nil {
			return err
		}
	}
	return nc.FlushTimeout(fetchWait) // the last acknowledgements
}

func (s *Source) connect() (*nats.Conn, error) {
	o := []nats.Option{nats.Name("heptap collect"), nats.MaxReconnects(-1), nats.ReconnectWait(sourcePause),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.Log.Warn("NATS server lost", "err", err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { s.Log.Info("NATS server back", "at", nc.ConnectedAddr()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.Log.Warn("NATS", "err", err) })}
	if s.Credentials != "" {
		o = append(o, nats.UserCredentials(s.Credentials))
	}
	if s.CA != "" {
		b, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s: no certificate in it", s.CA)
		}
		o = append(o, nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}))
	}
	return nats.Connect(s.URL, o...)
}

// subscribe finds the consumer, or makes it.
func (s *Source) subscribe(nc *nats.Conn) (*nats.Subscription, error) {
	js, err := nc.JetStream()
	if err != nil {
		return nil, err
	}
	info, err := js.ConsumerInfo(s.Stream, s.Durable)
	if errors.Is(err, nats.ErrConsumerNotFound) {
		info, err = js.AddConsumer(s.Stream, &nats.ConsumerConfig{Durable: s.Durable, AckPolicy: nats.AckExplicitPolicy, AckWait: ackWait,
			DeliverPolicy: nats.DeliverAllPolicy, FilterSubject: s.Subject, MaxAckPending: 8 * fetchMessages})
	}
	switch {
	case errors.Is(err, nats.ErrStreamNotFound):
		return nil, fmt.Errorf("there is no such stream: make it, for instance by: nats stream add %s --subjects 'heptap.>'", s.Stream)
	case errors.Is(err, nats.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return nil, errNotEnabled
	case err != nil:
		return nil, err
	case info.Config.AckPolicy != nats.AckExplicitPolicy:
		return nil, fmt.Errorf("consumer %s does not want each message acknowledged (ack policy %v): it would lose what is under way", s.Durable, info.Config.AckPolicy)
	case info.Config.FilterSubject != s.Subject:
		return nil, fmt.Errorf("consumer %s is there already, for subject %q: use another name", s.Durable, info.Config.FilterSubject)
	}
	return js.PullSubscribe(info.Config.FilterSubject, s.Durable, nats.Bind(s.Stream, s.Durable))
}

// batch takes some messages, and acknowledges them when they are safe.
func (s *Source) batch(ctx context.Context, sub *nats.Subscription, take func([]byte) error, flush func() error) error {
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	got, err := sub.Fetch(fetchMessages, nats.Context(wait))
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && ctx.Err() == nil {
		s.Log.Warn("NATS: nothing read", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(sourcePause):
		}
	}
	if len(got) == 0 {
		return nil
	}
	for _, m := range got {
		if err := take(m.Data); err != nil && s.Unreadable(err) {
			s.Log.Warn("message left out", "subject", m.Subject, "err", err)
		} else if err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for _, m := range got {
		if err := m.Ack(); err != nil {
			s.Log.Warn("not acknowledged, it will come again", "err", err)
			break
		}
	}
	return nil
}
