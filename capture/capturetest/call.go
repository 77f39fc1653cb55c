package capturetest

import (
	"fmt"
	"net/netip"
	"strings"
)

// Call describes one SIP call for SIPCall. The zero values of its texts are
// filled in.
type Call struct {
	Caller, Callee           netip.AddrPort // signalling
	CallerMedia, CalleeMedia netip.AddrPort // RTP, as the SDPs say
	CallID                   string
	From, To                 string // user parts; alice and bob when empty
}

// Datagram is one UDP payload with its addresses.
type Datagram struct {
	Src, Dst netip.AddrPort
	Payload  []byte
}

// SIPCall returns the datagrams of one answered call in order: INVITE, 100,
// 180, 200, ACK, BYE, 200 (RFC 3261, RFC 3264). The caller hangs up.
func SIPCall(c Call) []Datagram {
	if c.From == "" {
		c.From = "alice"
	}
	if c.To == "" {
		c.To = "bob"
	}
	if c.CallID == "" {
		c.CallID = "a84b4c76e66710@" + c.Caller.Addr().String()
	}
	s := sipCall{Call: c, fromTag: "1928301774", toTag: "a6c85cf"}
	offer, answer := sdp(c.CallerMedia), sdp(c.CalleeMedia)
	return []Datagram{
		s.request("INVITE", 1, "", offer),
		s.response("100 Trying", 1, "INVITE", "", ""),
		s.response("180 Ringing", 1, "INVITE", s.toTag, ""),
		s.response("200 OK", 1, "INVITE", s.toTag, answer),
		s.request("ACK", 1, s.toTag, ""),
		s.request("BYE", 2, s.toTag, ""),
		s.response("200 OK", 2, "BYE", s.toTag, ""),
	}
}

type sipCall struct {
	Call
	fromTag, toTag string
}

func (s *sipCall) request(method string, cseq int, toTag, body string) Datagram {
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:%s@%s SIP/2.0\r\n", method, s.To, s.Callee)
	s.headers(&b, method, cseq, toTag)
	b.WriteString("Max-Forwards: 70\r\n")
	if method == "INVITE" {
		fmt.Fprintf(&b, "Contact: <sip:%s@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: capturetest\r\n", s.From, s.Caller)
	}
	finish(&b, body)
	return Datagram{s.Caller, s.Callee, []byte(b.String())}
}

func (s *sipCall) response(status string, cseq int, method, toTag, body string) Datagram {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	s.headers(&b, method, cseq, toTag)
	if toTag != "" && method == "INVITE" {
		fmt.Fprintf(&b, "Contact: <sip:%s@%s>\r\n", s.To, s.Callee)
	}
	finish(&b, body)
	return Datagram{s.Callee, s.Caller, []byte(b.String())}
}

// headers writes what every message of the call has. The branch names the
// transaction: ACK to a 2xx is one of its own (RFC 3261 13.2.2.4).
func (s *sipCall) headers(b *strings.Builder, method string, cseq int, toTag string) {
	fmt.Fprintf(b, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\n", s.Caller, strings.ToLower(method), s.fromTag)
	fmt.Fprintf(b, "From: <sip:%s@%s>;tag=%s\r\n", s.From, s.Caller, s.fromTag)
	fmt.Fprintf(b, "To: <sip:%s@%s>", s.To, s.Callee)
	if toTag != "" {
		b.WriteString(";tag=" + toTag)
	}
	fmt.Fprintf(b, "\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", s.CallID, cseq, method)
}

func finish(b *strings.Builder, body string) {
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

// sdp returns a description (RFC 8866) of one audio stream at media.
func sdp(media netip.AddrPort) string {
	version := "IP4"
	if media.Addr().Is6() {
		version = "IP6"
	}
	return fmt.Sprintf("v=0\r\no=- 2890844526 2890844526 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\n"+
		"m=audio %[3]d RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"+
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
		version, media.Addr(), media.Port())
}
