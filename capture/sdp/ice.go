package sdp

import "net/netip"

// Candidate is one ICE candidate of a media description.
type Candidate struct {
	Addr      netip.AddrPort
	Component uint8 // 1 RTP, 2 RTCP
	Relay     bool  // typ relay: an address of a TURN server
	Remote    bool  // of a=remote-candidates: the other side's address
}

// candidate takes in a=candidate:foundation component transport priority
// address port typ type ... (RFC 8839 5.1). Names, as mDNS hides addresses
// behind, TCP and end-of-candidates markers are nothing we could meet on the
// wire as RTP.
func (m *Media) candidate(arg []byte) int {
	var f [8][]byte
	for i := range f {
		f[i], arg = word(arg)
	}
	if !is(f[2], "udp") || !is(f[6], "typ") {
		return 0
	}
	return m.take(f[1], f[4], f[5], Candidate{Relay: is(f[7], "relay")})
}

// remoteCandidates takes in a=remote-candidates:component address port ...
// (RFC 8839 5.2).
func (m *Media) remoteCandidates(arg []byte) (dropped int) {
	for len(arg) > 0 {
		var f [3][]byte
		for i := range f {
			f[i], arg = word(arg)
		}
		dropped += m.take(f[0], f[1], f[2], Candidate{Remote: true})
	}
	return dropped
}

// take keeps c, completed by its component, address and port, when they make
// sense.
func (m *Media) take(component, addr, port []byte, c Candidate) (dropped int) {
	n, ok := number(component, 2)
	p, valid := number(port, 65535)
	a := parseAddr(addr)
	if !ok || n == 0 || !valid || p == 0 || !a.IsValid() {
		return 0
	}
	if m.numCandidates == MaxCandidates {
		return 1
	}
	c.Addr, c.Component = netip.AddrPortFrom(a, uint16(p)), uint8(n)
	m.candidates[m.numCandidates] = c
	m.numCandidates++
	return 0
}

// ssrc takes in a=ssrc:id attribute[:value] (RFC 5576 4.1), of which one source
// has several.
func (m *Media) ssrc(arg []byte) (dropped int) {
	first, _ := word(arg)
	id, ok := number(first, 1<<32-1)
	if !ok {
		return 0
	}
	for _, have := range m.SSRCs() {
		if have == id {
			return 0
		}
	}
	if m.numSSRCs == MaxSSRCs {
		return 1
	}
	m.ssrcs[m.numSSRCs] = id
	m.numSSRCs++
	return 0
}
