package sdp

import "net/netip"

// begin takes in the value of an m= line and returns its media description, or
// nil when the line makes no sense or the session is full.
func (s *Session) begin(value []byte) *Media {
	typ, rest := word(value)
	port, num, rest, ok := ports(rest)
	proto, formats := word(rest)
	if !ok || len(proto) == 0 {
		return nil
	}
	if s.numMedia == MaxMedia {
		s.Dropped++
		return nil
	}
	m := &s.media[s.numMedia]
	s.numMedia++
	m.reset()
	m.Type, m.TypeName = mediaType(typ), typ
	m.Port, m.NumPorts = port, num
	m.protocol(proto)
	m.FormatRaw = formats
	if m.RTP {
		s.Dropped += m.list(formats)
	}
	return m
}

// reset empties m but for its formats, which numFormats alone makes valid.
func (m *Media) reset() {
	m.Type, m.TypeName, m.Port, m.NumPorts, m.Proto = Other, nil, 0, 0, nil
	m.RTP, m.Secure, m.Feedback, m.UDPTL, m.Crypto, m.RTCPMux = false, false, false, false, false, false
	m.Addr, m.AddrRaw, m.RTCPPort, m.RTCPAddr = netip.Addr{}, nil, 0, netip.Addr{}
	m.Direction, m.PTime, m.FormatRaw = SendRecv, 0, nil
	m.hasConnection, m.hasDirection, m.numFormats = false, false, 0
	m.BundleOnly, m.numCandidates, m.numSSRCs = false, 0, 0
}

// ports reads the second field of an m= line, port [/ count].
func ports(b []byte) (port, num uint16, rest []byte, ok bool) {
	n, rest, ok := numberWord(b, 65535)
	many := uint32(1)
	if !ok {
		b, rest = word(b)
		first, count, _ := cut(b, '/')
		n, ok = number(first, 65535)
		if m, valid := number(count, 65535); valid && m > 0 {
			many = m
		}
	}
	return uint16(n), uint16(many), rest, ok
}

func mediaType(name []byte) MediaType {
	for t := Audio; t < numMediaTypes; t++ {
		if is(name, mediaTypes[t]) {
			return t
		}
	}
	return Other
}

// protocol takes in the third field of an m= line, such as UDP/TLS/RTP/SAVPF.
func (m *Media) protocol(proto []byte) {
	m.Proto = proto
	if string(proto) == "RTP/AVP" { // what most are
		m.RTP = true
		return
	}
	for more := true; more; {
		var part []byte
		part, proto, more = cut(proto, '/')
		switch {
		case is(part, "rtp"):
			m.RTP = true
		case is(part, "savp"):
			m.Secure = true
		case is(part, "avpf"):
			m.Feedback = true
		case is(part, "savpf"):
			m.Secure, m.Feedback = true, true
		case is(part, "udptl"):
			m.UDPTL = true
		}
	}
}

// list takes in the payload types of an m= line and returns how many exceed
// the cap. Repeated ones and what is no payload type are skipped.
func (m *Media) list(formats []byte) (dropped int) {
	for len(formats) > 0 {
		pt, rest, ok := numberWord(formats, 127)
		formats = rest
		switch {
		case !ok, m.Format(uint8(pt)) != nil:
		case m.numFormats == MaxFormats:
			dropped++
		default:
			m.formats[m.numFormats].static(uint8(pt))
			m.numFormats++
		}
	}
	return dropped
}

// attribute takes in the value of an a= line at media level and returns how
// much of it exceeds a cap.
func (m *Media) attribute(value []byte) (dropped int) {
	name, arg, _ := cut(value, ':')
	switch string(name) {
	case "rtpmap":
		m.rtpmap(arg)
	case "rtcp":
		m.rtcp(arg)
	case "rtcp-mux", "rtcp-mux-only": // RFC 5761, RFC 8858
		m.RTCPMux = true
	case "crypto", "fingerprint": // RFC 4568, RFC 8122
		m.Crypto = true
	case "candidate":
		return m.candidate(arg)
	case "remote-candidates":
		return m.remoteCandidates(arg)
	case "ssrc":
		return m.ssrc(arg)
	case "bundle-only":
		m.BundleOnly = true
	case "ptime":
		if ms, ok := number(arg, 65535); ok {
			m.PTime = uint16(ms)
		}
	default:
		if d := direction(name); d < numDirections {
			m.Direction, m.hasDirection = d, true
		}
	}
	return 0
}

func direction(name []byte) Direction {
	for d := SendRecv; d < numDirections; d++ {
		if string(name) == directions[d] {
			return d
		}
	}
	return numDirections
}

// rtpmap takes in a=rtpmap:PT name/clock[/channels]. It counts only for a
// payload type of the m= line.
func (m *Media) rtpmap(arg []byte) {
	switch string(arg) {
	case "0 PCMU/8000", "8 PCMA/8000", "9 G722/8000", "18 G729/8000": // as RFC 3551 has them
		return
	}
	pt, rest, ok := numberWord(arg, 127)
	if !ok {
		return
	}
	f := m.Format(uint8(pt))
	if f == nil {
		return
	}
	encoding, _ := word(rest)
	name, params, _ := cut(encoding, '/')
	clock, params, _ := cut(params, '/')
	rate, ok := number(clock, 1<<31)
	if !ok || len(name) == 0 {
		return
	}
	f.Name, f.ClockRate, f.Channels = name, rate, 1
	if channels, ok := number(params, 255); ok && channels > 0 {
		f.Channels = uint8(channels)
	}
}

// rtcp takes in a=rtcp:port [IN IP4 address] (RFC 3605 2.1).
func (m *Media) rtcp(arg []byte) {
	port, rest, ok := numberWord(arg, 65535)
	if !ok || m.RTCPPort != 0 {
		return
	}
	m.RTCPPort = uint16(port)
	m.RTCPAddr, _ = connection(rest)
}

// static makes f payload type pt with what RFC 3551 section 6 assigns to it.
func (f *Format) static(pt uint8) {
	f.PT, f.Channels, f.ClockRate, f.Name = pt, 1, 0, nil
	if int(pt) < len(staticTypes) && staticTypes[pt].Name != nil {
		f.Channels, f.ClockRate, f.Name = staticTypes[pt].Channels, staticTypes[pt].ClockRate, staticTypes[pt].Name
	}
}

// staticTypes is the table of RFC 3551 section 6.
var staticTypes = [35]Format{
	0:  {Name: []byte("PCMU"), ClockRate: 8000, Channels: 1},
	3:  {Name: []byte("GSM"), ClockRate: 8000, Channels: 1},
	4:  {Name: []byte("G723"), ClockRate: 8000, Channels: 1},
	5:  {Name: []byte("DVI4"), ClockRate: 8000, Channels: 1},
	6:  {Name: []byte("DVI4"), ClockRate: 16000, Channels: 1},
	7:  {Name: []byte("LPC"), ClockRate: 8000, Channels: 1},
	8:  {Name: []byte("PCMA"), ClockRate: 8000, Channels: 1},
	9:  {Name: []byte("G722"), ClockRate: 8000, Channels: 1},
	10: {Name: []byte("L16"), ClockRate: 44100, Channels: 2},
	11: {Name: []byte("L16"), ClockRate: 44100, Channels: 1},
	12: {Name: []byte("QCELP"), ClockRate: 8000, Channels: 1},
	13: {Name: []byte("CN"), ClockRate: 8000, Channels: 1},
	14: {Name: []byte("MPA"), ClockRate: 90000, Channels: 1},
	15: {Name: []byte("G728"), ClockRate: 8000, Channels: 1},
	16: {Name: []byte("DVI4"), ClockRate: 11025, Channels: 1},
	17: {Name: []byte("DVI4"), ClockRate: 22050, Channels: 1},
	18: {Name: []byte("G729"), ClockRate: 8000, Channels: 1},
	25: {Name: []byte("CelB"), ClockRate: 90000, Channels: 1},
	26: {Name: []byte("JPEG"), ClockRate: 90000, Channels: 1},
	28: {Name: []byte("nv"), ClockRate: 90000, Channels: 1},
	31: {Name: []byte("H261"), ClockRate: 90000, Channels: 1},
	32: {Name: []byte("MPV"), ClockRate: 90000, Channels: 1},
	33: {Name: []byte("MP2T"), ClockRate: 90000, Channels: 1},
	34: {Name: []byte("H263"), ClockRate: 90000, Channels: 1},
}
