package correlate

import (
	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/rtcp"
)

// rtcpMessage emits a compound packet as one record for each sender or
// receiver report in it, under the Call-ID of the call whose media it is
// about, or under an id of its own flow. An empty report is eight octets long and
// its record some hundred, so there is an end to them.
func (c *Correlator) rtcpMessage(m *capture.Message) {
	var primary []byte
	c.links = c.links[:0]
	e, secure := endsOf(m.Flow), rtcp.Encrypted(m.Payload)
	w := want{last: m.Mono, rtcp: true}
	found := c.match(&e, w)
	if len(found) == 0 {
		found = c.matchSSRC(rtcp.SenderSSRC(m.Payload), w)
	}
	for _, f := range found {
		secure = secure || f.call.secureRTCP(&e)
		if primary == nil {
			primary = f.call.id
			f.call.seen = max(f.call.seen, m.Mono)
			continue
		}
		if len(c.links) < maxLegs-1 {
			c.links = append(c.links, record.Link{Type: record.SIP, How: record.Flow, ID: f.call.id})
		}
	}
	if primary == nil && c.relayed != nil && len(c.relayed.Primary) > 0 {
		primary = c.relayed.Primary
	}
	if primary == nil {
		c.Stats.RTCPUnlinked.Add(1)
		c.id = appendFlowID(append(c.id[:0], "rtcp:"...), m.Flow)
		primary = c.id
	} else {
		c.Stats.RTCPLinked.Add(1)
	}
	if secure {
		// What follows the first header is ciphertext even if it parses.
		c.Stats.SRTCP.Add(1)
		c.Stats.RTCPPackets.Add(1)
		c.payload = rtcp.AppendSecureJSON(c.payload[:0], m.Payload)
		c.rec = record.Record{Type: record.RTCP, Class: record.Periodic, Primary: primary, Links: c.links, Payload: c.payload}
		c.emit(m)
		return
	}
	for w := rtcp.Walk(m.Payload); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		c.Stats.RTCPPackets.Add(1)
		for i := range min(int(p.Count), maxReports) {
			b, ok := p.ReportBlock(i)
			if !ok {
				break
			}
			c.sawReport(m.Flow, p.SSRC(), &b, found)
		}
	}
	parts := 0
	for part, rest := rtcp.Split(m.Payload); len(part) > 0; part, rest = rtcp.Split(rest) {
		if parts++; parts > maxReports {
			c.Stats.RTCPCut.Add(1)
			break
		}
		if c.payload = rtcp.AppendJSON(c.payload[:0], part); len(c.payload) == 0 {
			continue
		}
		c.rec = record.Record{Type: record.RTCP, Class: record.Periodic, Primary: primary, Links: c.links, Payload: c.payload}
		c.emit(m)
	}
}

// secureRTCP says whether what the call advertised of a flow's ends is for SRTP
// (RFC 3711 makes RTCP of it SRTCP). An address for RTCP alone is what the RTP
// beside it is.
func (k *call) secureRTCP(e *ends) bool {
	found := false
	for _, b := range k.bindings {
		if !b.takes(e.dst, true) && !b.takes(e.src, true) {
			continue
		}
		if !b.secure {
			return false
		}
		found = true
	}
	return found
}

// appendFlowID appends the two ends of a flow, the smaller first, so that both
// directions have one id.
func appendFlowID(b []byte, f capture.FiveTuple) []byte {
	one, two := unmap(f.Src), unmap(f.Dst)
	if two.Compare(one) < 0 {
		one, two = two, one
	}
	return two.AppendTo(append(one.AppendTo(b), '-'))
}
