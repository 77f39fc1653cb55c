package sdp

import (
	"errors"
	"net/netip"
)

// Caps of a Session.
const (
	MaxMedia   = 16 // media descriptions
	MaxFormats = 24 // formats of one media description

	MaxCandidates = 16 // ICE candidates of one media description, remote ones included
	MaxSSRCs      = 8  // SSRCs of one media description
)

// ErrNotSDP is what Parse returns for a body without a v=, o= or m= line.
var ErrNotSDP = errors.New("sdp: not a session description")

// Session is one parsed session description. It is large, meant to be
// allocated once and parsed into again and again.
type Session struct {
	Origin        []byte     // value of o=, raw
	Connection    netip.Addr // session level c=; invalid when absent or a name
	ConnectionRaw []byte     // its address as written
	Direction     Direction  // session level default
	Dropped       int        // media descriptions, formats, candidates and SSRCs beyond the caps
	Crypto        bool       // session level a=fingerprint; every media without its own has it

	numMedia int
	media    [MaxMedia]Media
}

// Media returns the media descriptions, in order: a slice of s, valid until
// the next Parse.
func (s *Session) Media() []Media { return s.media[:s.numMedia] }

// MediaType is the first word of an m= line.
type MediaType uint8

// The media types (RFC 8866 8.2.1). Other is any that is not listed.
const (
	Other MediaType = iota
	Audio
	Video
	Text
	Application
	Message
	Image
	numMediaTypes
)

var mediaTypes = [numMediaTypes]string{"other", "audio", "video", "text", "application", "message", "image"}

// String returns the type as SDP spells it.
func (t MediaType) String() string {
	if t < numMediaTypes {
		return mediaTypes[t]
	}
	return "invalid"
}

// Direction is a media direction attribute (RFC 8866 6.7), seen from who sent
// the description.
type Direction uint8

// The directions. Without an attribute it is SendRecv.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
	numDirections
)

var directions = [numDirections]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String returns the direction as SDP spells it.
func (d Direction) String() string {
	if d < numDirections {
		return directions[d]
	}
	return "invalid"
}

// Media is one media description.
type Media struct {
	Type     MediaType
	TypeName []byte // as written
	Port     uint16 // 0: refused, switched off, or bundled (RFC 9143)
	NumPorts uint16 // 1 unless the m= line says otherwise
	Proto    []byte // as written
	RTP      bool   // RTP/AVP, RTP/SAVPF, UDP/TLS/RTP/SAVP, ...
	Secure   bool   // SRTP: a profile with SAVP in it
	Feedback bool   // AVPF or SAVPF (RFC 4585)
	UDPTL    bool   // T.38
	Crypto   bool   // keys are on offer: a=crypto or a=fingerprint

	Addr    netip.Addr // where to send, from c= here or at session level; invalid when a name
	AddrRaw []byte     // the same as written

	RTCPPort uint16     // of a=rtcp, 0 when absent
	RTCPAddr netip.Addr // of a=rtcp, invalid when absent
	RTCPMux  bool       // a=rtcp-mux: offered in an offer, agreed in an answer

	BundleOnly bool // a=bundle-only: with port 0, goes where the first media goes (RFC 9143 6)

	Direction Direction
	PTime     uint16 // ms, 0 when absent
	FormatRaw []byte // the format list as written

	hasConnection bool // c= at media level
	hasDirection  bool
	numFormats    uint8
	formats       [MaxFormats]Format
	numCandidates uint8
	candidates    [MaxCandidates]Candidate
	numSSRCs      uint8
	ssrcs         [MaxSSRCs]uint32
}

// Format is an RTP payload type of a media description.
type Format struct {
	PT        uint8  // 0-127
	Channels  uint8  // 1 unless stated
	ClockRate uint32 // Hz; 0 when PT is dynamic and not mapped
	Name      []byte // encoding name as written or as in RFC 3551; nil likewise
}

// Formats returns the RTP payload types in order of preference: a slice of m,
// valid until the next Parse. It is empty when m is not RTP.
func (m *Media) Formats() []Format { return m.formats[:m.numFormats] }

// Candidates returns the ICE candidates (RFC 8839 5.1) that are UDP and IP
// addresses, of RTP and RTCP: a slice of m, valid until the next Parse.
func (m *Media) Candidates() []Candidate { return m.candidates[:m.numCandidates] }

// SSRCs returns the sources that the description's sender says it sends (RFC
// 5576 4.1), each once: a slice of m, valid until the next Parse.
func (m *Media) SSRCs() []uint32 { return m.ssrcs[:m.numSSRCs] }

// Format returns m's payload type pt, or nil.
func (m *Media) Format(pt uint8) *Format {
	for i := range m.Formats() {
		if m.formats[i].PT == pt {
			return &m.formats[i]
		}
	}
	return nil
}

// AddrPort returns where RTP, or whatever the media is, shall be sent; it is
// invalid when the port is 0 or the address no IP address.
func (m *Media) AddrPort() netip.AddrPort {
	if m.Port == 0 || !m.Addr.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(m.Addr, m.Port)
}

// RTCP returns where RTCP shall be sent. mux says whether both sides have
// agreed to multiplex (RFC 5761 5.1.1): then it goes with RTP. Otherwise
// a=rtcp counts (RFC 3605), and without that the next port. It is invalid
// when m has no RTCP or no address.
func (m *Media) RTCP(mux bool) netip.AddrPort {
	rtp := m.AddrPort()
	switch {
	case !m.RTP || !rtp.IsValid():
		return netip.AddrPort{}
	case mux:
		return rtp
	case m.RTCPPort != 0 && m.RTCPAddr.IsValid():
		return netip.AddrPortFrom(m.RTCPAddr, m.RTCPPort)
	case m.RTCPPort != 0:
		return netip.AddrPortFrom(m.Addr, m.RTCPPort)
	case m.Port == 65535:
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(m.Addr, m.Port+1)
}

// Hold reports whether the description puts the other side on hold: sendonly
// or inactive (RFC 3264 8.4), or the unspecified address of RFC 2543.
func (m *Media) Hold() bool {
	return m.Direction == SendOnly || m.Direction == Inactive || m.Addr.IsValid() && m.Addr.IsUnspecified()
}

// Parse fills s from the description b, replacing what it held. On ErrNotSDP s
// is empty.
func (s *Session) Parse(b []byte) error {
	s.Origin, s.Connection, s.ConnectionRaw, s.Direction, s.Dropped, s.Crypto, s.numMedia = nil, netip.Addr{}, nil, SendRecv, 0, false, 0
	var m *Media  // the current one
	skip := false // the current one is nothing we can keep
	known := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := line[2:]
		switch line[0] {
		case 'v':
			known = true
		case 'o':
			known = true
			if s.Origin == nil {
				s.Origin = value
			}
		case 'm':
			known = true
			m = s.begin(value)
			skip = m == nil
		case 'c', 'a':
			if !skip {
				s.line(m, line[0], value)
			}
		}
	}
	if !known {
		return ErrNotSDP
	}
	s.inherit()
	return nil
}

// line takes in a c= or a= line of m, or of the session when m is nil.
func (s *Session) line(m *Media, typ byte, value []byte) {
	switch {
	case typ == 'a' && m != nil:
		s.Dropped += m.attribute(value)
	case typ == 'a':
		if name, _, _ := cut(value, ':'); string(name) == "fingerprint" {
			s.Crypto = true
		} else if d := direction(value); d < numDirections {
			s.Direction = d
		}
	case m == nil && s.ConnectionRaw == nil:
		s.Connection, s.ConnectionRaw = connection(value)
	case m != nil && !m.hasConnection:
		m.Addr, m.AddrRaw = connection(value)
		m.hasConnection = true
	}
}

// inherit gives the session's defaults to the media without their own.
func (s *Session) inherit() {
	for i := range s.Media() {
		m := &s.media[i]
		if !m.hasConnection {
			m.Addr, m.AddrRaw = s.Connection, s.ConnectionRaw
		}
		if !m.hasDirection {
			m.Direction = s.Direction
		}
		m.Crypto = m.Crypto || s.Crypto
	}
}
