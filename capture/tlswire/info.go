package tlswire

import "slices"

// Side is one of the two ends of a connection.
type Side uint8

// The sides. Nobody also stands for not known.
const (
	Nobody Side = iota
	Client
	Server
)

// String names the side, as in "the client".
func (s Side) String() string {
	switch s {
	case Client:
		return "client"
	case Server:
		return "server"
	}
	return "unknown"
}

// Answer is what is known of a question.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota
	No
	Yes
	ProbablyNo // inferred
	ProbablyYes
)

// String returns the answer in words.
func (a Answer) String() string {
	switch a {
	case No:
		return "no"
	case Yes:
		return "yes"
	case ProbablyNo:
		return "no (inferred)"
	case ProbablyYes:
		return "yes (inferred)"
	}
	return "unknown"
}

// How says how a side ended its direction of the connection.
type How uint8

// The ways.
const (
	Open How = iota // it did not, as far as is known
	FIN
	RST
)

// String returns the way's name.
func (h How) String() string {
	switch h {
	case FIN:
		return "fin"
	case RST:
		return "rst"
	}
	return "open"
}

// Stage is how far a handshake came.
type Stage uint8

// The stages, in order. In a resumed session up to TLS 1.2 the server finishes
// first, and there are no flights.
const (
	Nothing       Stage = iota
	HelloSent           // ClientHello
	RetryAsked          // HelloRetryRequest
	HelloAnswered       // ServerHello
	ServerFlight        // ServerHelloDone; in TLS 1.3 encrypted records
	ClientFlight        // ClientKeyExchange; in TLS 1.3 encrypted records
	OneFinished         // one Finished; in TLS 1.3 the client's, inferred
	BothFinished        // both; in TLS 1.3 never said
	DataFlows           // application data of both sides; in TLS 1.3 inferred
	numStages
)

var stageNames = [numStages]string{"nothing", "client hello", "hello retry request", "server hello", "server's flight",
	"client's flight", "one finished", "both finished", "application data"}

// String names the last thing that happened.
func (s Stage) String() string {
	if s < numStages {
		return stageNames[s]
	}
	return "invalid"
}

// Outcome is what became of a handshake.
type Outcome uint8

// The outcomes. See the package comment for how those of TLS 1.3 are inferred.
const (
	Pending             Outcome = iota // no more than begun, as far as was seen
	Established                        // both have sent Finished
	EstablishedInferred                // both behave like it
	FailedAlert                        // an alert in clear ended it: Failure says which
	FailedEncrypted                    // an encrypted alert came before both had finished
	AbortedByClient                    // inferred: after the server's flight
	AbortedByServer                    // inferred: after the client's flight
	ClientFinished                     // inferred: the client did, then nothing that tells more
	Closed                             // closed or reset during the handshake, without a word
	NotTLS                             // one side speaks something else
	Malformed                          // a side left the format of records behind
	Incomplete                         // octets are missing that would have told
	numOutcomes
)

var outcomeNames = [numOutcomes]string{
	"pending",
	"established",
	"established (inferred)",
	"failed by alert",
	"failed by encrypted alert",
	"aborted by the client after the server's flight (inferred)",
	"aborted by the server after the client's flight (inferred)",
	"finished by the client, closed without more (inferred)",
	"closed during the handshake",
	"not TLS",
	"not understood",
	"incomplete",
}

// String returns the outcome in words, which stay as they are.
func (o Outcome) String() string {
	if o < numOutcomes {
		return outcomeNames[o]
	}
	return "invalid"
}

// OK reports whether the handshake succeeded, as far as one can tell.
func (o Outcome) OK() bool { return o == Established || o == EstablishedInferred }

// Failed reports whether it did not. Neither is said of what was not seen to
// its end.
func (o Outcome) Failed() bool { return o >= FailedAlert && o <= Malformed && o != ClientFinished }

// Alert is an alert in clear.
type Alert struct {
	From        Side
	Level       Level
	Description Description
	After       Stage // how far the handshake was
	Late        bool  // the other side had ended the connection
}

// fails reports whether the alert ends a handshake by itself: what warns may
// be passed over up to TLS 1.2 (RFC 5246 7.2.2), but not in 1.3 (RFC 8446 6).
func (a Alert) fails(v Version) bool {
	return !a.Late && (a.Level == Fatal || v.hides() && a.Description != closeNotify && a.Description != userCanceled)
}

// maxAlerts is how many alerts are kept: the first ones.
const maxAlerts = 4

// Info is what is known of a session. It does not borrow; slices must not be
// changed.
type Info struct {
	Outcome Outcome
	By      Side // who sent the alert, aborted, closed first, or speaks something else
	Stage   Stage

	Version     Version // chosen; 0 without a ServerHello
	Offered     []Version
	Suite       Suite // chosen, when Version is not 0
	Group       Group // key share of TLS 1.3, chosen
	SNI         string
	ECH         bool     // encrypted_client_hello was offered: SNI may be the outer one
	ALPNOffered []string // the first 16
	ALPN        string   // chosen; hidden in TLS 1.3
	Resumed     Answer
	EarlyData   bool // 0-RTT was offered
	HelloRetry  bool // there was a HelloRetryRequest

	JA3, JA3S, JA4 string // empty when there was no whole hello

	ClientAuth Answer // the server asked for a certificate
	NoClient   Answer // asked, the client had none
	ServerCert *Certificate
	ClientCert *Certificate

	Alerts          []Alert // in clear, the first four
	MoreAlerts      uint32  // the others
	EncryptedClient uint32  // encrypted alert records up to TLS 1.2
	EncryptedServer uint32

	ClosedBy   Side // who ended the connection first
	How        How
	Incomplete bool // octets were lost or not shown, or a message was longer than is read

	resumed bool // TLS 1.3: a pre-shared key was chosen
}

// Failure says in words how the handshake failed: "certificate_expired (fatal)
// from the client after server's flight". It is empty when it did not.
func (i *Info) Failure() string {
	if !i.Outcome.Failed() {
		return ""
	}
	switch i.Outcome {
	case FailedAlert:
		if a, ok := i.failing(); ok {
			return a.Description.String() + " (" + a.Level.String() + ") from the " + a.From.String() + " after " + a.After.String()
		}
	case FailedEncrypted, Malformed, NotTLS:
		return i.Outcome.String() + ", " + i.By.String() + ", after " + i.Stage.String()
	case Closed:
		return i.Outcome.String() + " by the " + i.By.String() + " (" + i.How.String() + ") after " + i.Stage.String()
	}
	return i.Outcome.String()
}

// failing returns the alert that ended the handshake: the first that does, or
// the last there was.
func (i *Info) failing() (Alert, bool) {
	for _, a := range i.Alerts {
		if a.fails(i.Version) {
			return a, true
		}
	}
	return i.LastAlert()
}

// LastAlert returns the last alert in clear that is no answer to the end of the
// connection.
func (i *Info) LastAlert() (Alert, bool) {
	for _, a := range slices.Backward(i.Alerts) {
		if !a.Late {
			return a, true
		}
	}
	return Alert{}, false
}
