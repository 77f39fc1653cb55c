package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"

	"heptap/hep"
)

// wildcard is the pattern of all subjects of a prefix, by one of them.
func wildcard(subject string) string {
	if i := strings.LastIndex(subject, "."); i > 0 {
		tokens := strings.Split(subject, ".")
		return strings.Join(tokens[:max(1, len(tokens)-2)], ".") + ".>"
	}
	return subject
}

var (
	errLameDuck  = errors.New("the NATS server is about to stop (lame duck mode)")
	errWantsTLS  = &hep.TLSError{Fault: hep.TLSMissing, Text: "the NATS server wants TLS: set transport nats-tls"}
	errNoTLS     = &hep.TLSError{Fault: hep.TLSNotSpoken, Text: "the NATS server offers no TLS: enable it there, or set transport nats"}
	errNoServer  = errors.New("it accepts and does not greet as a NATS server does: wrong port? for a HEP server: set transport tcp")
	errNoHeaders = errors.New("the NATS server knows no headers, and no duplicates by them: it is older than 2.2")
)

// greeting explains why a connection did not come about.
func greeting(ctx context.Context, s Wire, err error) error {
	var t *hep.TLSError
	var timeout net.Error
	switch {
	case errors.As(err, &t):
		return t
	case errors.Is(err, nats.ErrSecureConnWanted):
		return errNoTLS
	case errors.Is(err, nats.ErrNoInfoReceived), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w (%w)", errNoServer, err)
	}
	if told := s.Explain(ctx, err); !errors.Is(told, err) || errors.As(told, &t) {
		return told
	}
	return ended(err)
}

// quoted finds the subject in what a server says of permissions.
var quoted = regexp.MustCompile(`(?i)(publish|subscription) to "([^"]+)"`)

// ended says in plain words why a server ended a connection, or complained.
func ended(err error) error {
	switch {
	case err == nil:
		return errors.New("the NATS server closed the connection")
	case errors.Is(err, nats.ErrPermissionViolation):
		m := quoted.FindStringSubmatch(err.Error())
		switch {
		case m != nil && strings.EqualFold(m[1], "subscription"):
			return fmt.Errorf("this user may not subscribe to %s, where acknowledgements come: allow it to subscribe to _INBOX.>", m[2])
		case m != nil:
			return fmt.Errorf("this user may not publish to %s: allow it to publish to %s", m[2], wildcard(m[2]))
		}
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("the NATS credentials have expired (%w)", err)
	case errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("the NATS credentials have been revoked (%w)", err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("the NATS server does not let this probe in: set nats-user and nats-password, nats-token, or nats-credentials (%w)", err)
	case errors.Is(err, nats.ErrMaxConnectionsExceeded), errors.Is(err, nats.ErrMaxAccountConnectionsExceeded):
		return fmt.Errorf("the NATS server has no room for another connection (%w)", err)
	case errors.Is(err, nats.ErrStaleConnection):
		return fmt.Errorf("the NATS server does not answer any more (%w)", err)
	}
	return fmt.Errorf("the connection to the NATS server ended: %w", err)
}
