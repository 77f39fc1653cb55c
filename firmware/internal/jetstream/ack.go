package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// receipt is the answer to one message: JetStream's PubAck.
type receipt struct {
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// refusal is a PubAck that says no.
type refusal struct {
	code int // nats.ErrorCode's
	text string
}

func (r *refusal) Error() string { return r.text }

// JetStream's codes of errors (nats-server, server/errors.json).
const (
	codeNotEnabled        = 10039 // for the account
	codeNotEnabledServer  = 10076
	codeNoResources       = 10023 // insufficient resources
	codeStorageExceeded   = 10047
	codeMessageTooLarge   = 10054
	codeStoreFailed       = 10077 // of the stream's own limits, in the text
	codeStreamOffline     = 10118
	codeTooManyRequests   = 10167
	codeStreamSealed      = 10109
	codeStreamNotOfItsOwn = 10060
)

var errNoReceipt = errors.New("the answer to a message is no acknowledgement of a stream: does something else than JetStream listen to that subject?")

// parseReceipt returns nil if b says that a stream has stored the message. What a stream answers that
// does not want it is a *refusal.
func parseReceipt(b []byte) (duplicate bool, err error) {
	var r receipt
	if err := json.Unmarshal(b, &r); err != nil {
		return false, errNoReceipt
	}
	switch {
	case r.Error != nil:
		return false, &refusal{r.Error.ErrCode, r.Error.Description}
	case r.Stream == "" || r.Seq == 0:
		return false, errNoReceipt
	}
	return r.Duplicate, nil
}

// about says in plain words why a stream does not take a message of that subject.
func (r *refusal) about(subject string) error {
	switch r.code {
	case codeMessageTooLarge:
		return fmt.Errorf("the stream takes no message as large as this one (%w): raise its max-msg-size, or set max-frame", r)
	case codeStoreFailed:
		return fmt.Errorf("the stream for subject %s is full (%w): raise its limits, let it discard old messages, or have it read", subject, r)
	case codeNoResources, codeStorageExceeded:
		return fmt.Errorf("the NATS server has no room left for JetStream (%w)", r)
	case codeNotEnabled, codeNotEnabledServer:
		return errNotEnabled
	case codeStreamSealed:
		return fmt.Errorf("the stream for subject %s is sealed: it takes nothing any more", subject)
	case codeStreamOffline:
		return fmt.Errorf("the stream for subject %s is offline (%w)", subject, r)
	case codeTooManyRequests:
		return fmt.Errorf("the NATS server is overwhelmed (%w)", r)
	case codeStreamNotOfItsOwn:
		return fmt.Errorf("another stream than expected has subject %s (%w)", subject, r)
	}
	return fmt.Errorf("the stream for subject %s refuses a record: %w", subject, r)
}

// personal reports whether it is about this one message, and others may be taken.
func (r *refusal) personal() bool { return r.code == codeMessageTooLarge }

var errNotEnabled = errors.New("JetStream is not enabled on the NATS server, or not for this account: \"jetstream {}\" in the server's configuration enables it")

func noStream(subject string) error {
	return fmt.Errorf("no stream takes subject %s (no responders): make one with the subject %s, for instance by: nats stream add", subject, wildcard(subject))
}

// unavailable reports whether a message says that nobody listens to a subject.
func unavailable(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}
