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
	NumProtocols
)

var protocolNames = [NumProtocols]string{"unknown", "sip", "rtp", "rtcp", "keepalive", "stun"}

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
	Wall     int64 // time of the frame with the message's last octet
	Mono     int64
	Flow     FiveTuple
	Payload  []byte
}
