package infer

// Outcome is what became of a query or of a placed request.
type Outcome uint8

// The outcomes.
const (
	Linked      Outcome = iota
	NoCandidate         // no request with a number or user part of it arrived at the host in time
	TooClose            // two candidates are too close, or so many requests share the number that it says nothing
	TooWeak             // one candidate, and not enough speaks for it
	TooLate             // what fits had arrived more than Horizon before
	TableFull           // it had to be decided before its time
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"linked", "no candidate", "two close candidates", "weak evidence", "too late", "table full"}

// String returns the outcome as the console shows it.
func (o Outcome) String() string {
	if o < NumOutcomes {
		return outcomeNames[o]
	}
	return "invalid"
}

// Reasons is a set of what speaks for a link.
type Reasons uint32

// The reasons, in the order in which they are printed.
const (
	SameHost     Reasons = 1 << iota // always
	BeforeAnswer                     // between the request's arrival and what the host sent next
	AfterAnswer                      // after that, within Config.Horizon
	ClockSkew                        // seen before the request, within Config.Skew
	AnsweredNext                     // the host went on within 16 ms of the reply
	OnlyCall                         // the only request that the host was working on
	CalledInTarget
	CallerInTarget
	DomainInTarget
	CalledInBody
	CallerInBody
	DomainInBody
	CalledNumber // of a leg
	CallerNumber
	SDPSession
	MediaAddress
	HopLess    // Max-Forwards is one less
	numReasons = iota
)

var reasonNames = [numReasons]string{
	"same host", "between request and answer", "after the answer", "within clock skew", "answered after the reply", "only call at the host",
	"called number in url", "caller number in url", "domain in url", "called number in body", "caller number in body", "domain in body",
	"called number", "caller number", "sdp session", "media address", "max-forwards one less",
}

// AppendJSON appends the reasons to b as a JSON array of words.
func (r Reasons) AppendJSON(b []byte) []byte {
	b = append(b, '[')
	for i, n := range reasonNames {
		if r>>i&1 == 0 {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), n...), '"')
	}
	return append(b, ']')
}

// String returns the reasons as AppendJSON does.
func (r Reasons) String() string { return string(r.AppendJSON(nil)) }
