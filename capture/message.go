package capture

// Protocol says what a message is.
type Protocol uint8

// The protocols dissect recognises.
const (
	Unknown   Protocol = iota
	SIP                // RFC 3261
	RTP                // RFC 3550; never a Message: counted where it arrives
	RTCP               // RFC 3550, one compound packet
	KeepAlive          // CRLF or other keep-alive on a signalling flow (RFC 5626 4.4.1)
	STUN               // RFC 8489, recognised so that it is not taken for something else
	TURN               // channel data with something unknown inside (RFC 8656 12.4)
	HEP                // somebody else's HEP on the wire
	DTLS               // RFC 9147, 6347
	TLS                // RFC 8446, 5246
	HTTP               // RFC 9112
	WebSocket          // RFC 6455; SIP inside it is SIP
	UDPTL              // T.38 fax, named and not read
	ZRTP               // RFC 6189
	NotSIP             // on a SIP port or connection, and no SIP
	Syslog             // RFC 5424, RFC 3164
	DNS                // RFC 1035
	NG                 // control of media proxies: rtpengine's NG protocol, rtpproxy's commands
	MI                 // management commands of SIP platforms
	SIGTRAN            // M3UA, M2UA, M2PA with ISUP (RFC 4666, 3331, 4165)
	NumProtocols
)

var protocolNames = [NumProtocols]string{"unknown", "sip", "rtp", "rtcp", "keepalive", "stun",
	"turn", "hep", "dtls", "tls", "http", "websocket", "udptl", "zrtp", "not sip",
	"syslog", "dns", "ng", "mi", "sigtran"}

// String returns the protocol's name as metrics and summaries print it.
func (p Protocol) String() string {
	if p < NumProtocols {
		return protocolNames[p]
	}
	return "invalid"
}

// Message is one protocol unit, framed, with its addresses and time. It does
// not borrow: Payload belongs to the message's holder.
type Message struct {
	Protocol Protocol
	Port     uint8 // mirror port index
	TOS      uint8
	HasVLAN  bool
	VLAN     uint16
	Flags    MessageFlags
	Wall     int64 // time of the frame with the message's last octet
	Mono     int64
	Flow     FiveTuple
	Conn     uint64 // names the connection that it came on, 0 for none
	PPID     uint32 // of SIGTRAN: the payload protocol identifier to read it with
	Payload  []byte
}

// MessageFlags say what an engineer should know before trusting a message.
type MessageFlags uint8

// The flags of a message.
const (
	GapBefore     MessageFlags = 1 << iota // octets of the stream before it were never captured
	CutShort                               // the capture, or a limit, cut the message short
	Duplicate                              // a mirrored copy of a message that came before
	Reassembled                            // put together from IP fragments
	OverWebSocket                          // carried in a WebSocket message
)
