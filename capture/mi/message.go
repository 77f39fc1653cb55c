package mi

// The bounds of what is given of a message.
const (
	MaxParams  = 1 << 10 // octets of Request.Params
	MaxOutput  = 2 << 10 // octets of Reply.Output
	MaxBatch   = 16      // commands of one body
	maxCommand = 128     // octets of Request.Command
	MaxID      = 64      // octets of an ID
	maxCall    = 200     // of a Call-ID
	maxUser    = 64      // octets of Request.User
	maxWord    = 128     // octets of Reply.Word
)

// Backend is the platform that a command is for.
type Backend uint8

// The backends.
const (
	NoBackend  Backend = iota
	OpenSIPS           // management interface
	Kamailio           // RPC interface
	FreeSWITCH         // event socket and XML-RPC
	Asterisk           // manager interface
	AnyRPC             // JSON-RPC or XML-RPC of whatever platform
	numBackends
)

// String returns the name that records carry.
func (b Backend) String() string {
	if b < numBackends {
		return [numBackends]string{"none", "opensips-mi", "kamailio-rpc", "freeswitch-esl", "asterisk-ami", "rpc"}[b]
	}
	return "invalid"
}

// Transport is how a command is carried: the same word for the same thing as
// OpenSIPS uses in its own traces, where it has one.
type Transport uint8

// The transports.
const (
	NoTransport Transport = iota
	JSON                  // JSON-RPC or mi_json over HTTP
	HTML                  // mi_html: a web page
	XMLRPC                // XML-RPC over HTTP
	Datagram              // JSON-RPC or lines over UDP
	BinRPC                // Kamailio ctl, over TCP or UDP
	ESL                   // FreeSWITCH event socket
	AMI                   // Asterisk manager interface
	Stream                // JSON-RPC over TCP without HTTP
	numTransports
)

// String returns the word that records carry.
func (t Transport) String() string {
	if t < numTransports {
		return [numTransports]string{"none", "json", "http", "xmlrpc", "datagram", "binrpc", "esl", "ami", "tcp"}[t]
	}
	return "invalid"
}

// Request is a command as it was sent. It borrows nothing.
type Request struct {
	Backend   Backend
	Transport Transport
	Seq       uint64 // number of the request on its Conn, from 1; 0 elsewhere
	ID        string // JSON-RPC id, ActionID, Job-UUID or binrpc cookie (hexadecimal), if it has one
	Verb      string // event socket: api, bgapi and so on, the word before the command
	Command   string
	User      string // whoever logged in on the connection, if that was seen; of HTTP the caller knows
	Call      string // event socket: Call-ID of the channel that FreeSWITCH has connected for
	Params    string // JSON or text, masked, at most MaxParams octets
	Cut       bool   // there was more of the parameters
	Secret    bool   // parameters are hidden, and the reply has to be
	NoReply   bool   // none will come: a JSON-RPC notification
	Batch     []Request
	More      int // commands of the same body beyond MaxBatch
}

// Tag is what a reply's reader has to know of the request. The zero Tag stands
// for a request that was not seen.
type Tag struct {
	Backend   Backend
	Transport Transport
	Secret    bool
}

// Tag returns the tag of r and its batch.
func (r *Request) Tag() Tag {
	t := Tag{r.Backend, r.Transport, r.Secret}
	for i := range r.Batch {
		t.Secret = t.Secret || r.Batch[i].Secret
	}
	return t
}

// hides says whether a reply's text must not be shown.
func (t Tag) hides() bool { return t.Secret || t.Backend == NoBackend }

// Reply is what the platform answered. It borrows nothing.
type Reply struct {
	Backend   Backend
	Transport Transport
	Seq       uint64 // of the request on its Conn; 0 when that is not known
	ID        string // as of Request
	Call      string // as of Request
	Status    int    // the platform's code, or HTTP's; 0 when there is none
	Word      string // what stands beside the code: OK, Success, an error's message; masked
	OK        bool
	Output    string // JSON or text, masked, at most MaxOutput octets
	Cut       bool   // there was more of the output
	Hidden    bool   // word and output are not shown
	Job       bool   // event socket: the outcome of a bgapi command, after the reply that gave its Job-UUID
	Batch     []Reply
	More      int // replies of the same body beyond MaxBatch
}
