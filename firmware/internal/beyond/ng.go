package beyond

import (
	"bytes"
	"net/netip"
	"strconv"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/ng"
	"heptap/capture/record"
	"heptap/capture/syslog"
)

// What is kept of a request to a media proxy, in octets.
const (
	maxCallID  = 256 // one that is longer is not linked
	maxTag     = 128
	maxCommand = 24
	maxAnswer  = 1 << 10 // of rtpproxy's answers in a record

	maxMetadata = 1 << 10 // of what is searched for ids of calls
)

// ngRequest is what the reply to a request does not say itself.
type ngRequest struct {
	command    [maxCommand]byte
	commandLen uint8
	proxy      bool // it was rtpproxy's protocol
	media      bool // it was an offer or an answer
	kind       correlate.ControlKind
	callID     []byte
	fromTag    []byte
	tag        []byte // of whose media it was about
}

func (r *ngRequest) keep(command, callID, fromTag, tag []byte) {
	r.commandLen = uint8(copy(r.command[:], command))
	r.callID = append(r.callID[:0], callID[:min(len(callID), maxCallID)]...)
	r.fromTag = append(r.fromTag[:0], fromTag[:min(len(fromTag), maxTag)]...)
	r.tag = append(r.tag[:0], tag[:min(len(tag), maxTag)]...)
}

// ngMessage makes a note of a message between a SIP server and a media proxy.
func (b *Beyond) ngMessage(m *capture.Message) {
	v := &b.ngView
	switch {
	case v.Parse(m.Payload) == nil && len(v.Command) > 0:
		b.ngRequest(m)
	case len(v.Result) > 0:
		b.ngReply(m)
	case b.proxy.Parse(m.Payload):
		b.proxyRequest(m)
	default:
		b.proxyReply(m)
	}
}

// ngRequest makes a note of a command of rtpengine's protocol.
func (b *Beyond) ngRequest(m *capture.Message) {
	v := &b.ngView
	p, fresh := request(b, &b.ng, &b.Stats.NG, m, v.Cookie)
	r := &p.of
	if fresh {
		r.keep(v.Command, v.CallID, v.FromTag, v.FromTag)
		r.proxy, r.media = false, true
		switch string(v.Command) {
		case "offer":
			r.kind = correlate.ControlOffer
		case "answer":
			r.kind = correlate.ControlAnswer
			r.keep(v.Command, v.CallID, v.FromTag, v.ToTag)
		case "delete":
			r.kind = correlate.ControlDelete
			r.media = len(v.ViaBranch) == 0 // of one branch only
		default:
			r.media = false
		}
	}
	if len(v.CallID) == 0 {
		b.Stats.NGNoCall.Add(1)
		return
	}
	if fresh {
		b.ng.wait(p, m)
	}
	b.tell(m, r, v.SDP, netip.AddrPort{})
	n := b.ngNote(m, p)
	o := b.object()
	o.words("event", []byte("NG "), v.Command)
	b.ngMembers(&o, m)
	if !fresh {
		o.bool("again", true)
	}
	o.key("message")
	o.b = v.AppendJSON(o.b)
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// ngReply makes a note of the proxy's reply.
func (b *Beyond) ngReply(m *capture.Message) {
	v := &b.ngView
	p := reply(b, &b.ng, &b.Stats.NG, m, v.Cookie)
	if len(v.CallID) == 0 && (p == nil || len(p.of.callID) == 0) {
		b.Stats.NGNoCall.Add(1)
		return
	}
	var command, space []byte
	if p != nil {
		command, space = p.of.command[:p.of.commandLen], []byte(" ")
		b.tell(m, &p.of, v.SDP, netip.AddrPort{})
	}
	n := b.ngNote(m, p)
	o := b.object()
	o.words("event", []byte("NG "), command, space, v.Result)
	b.ngMembers(&o, m)
	if p != nil {
		o.ms("took_ms", p.took(m))
	}
	o.key("message")
	o.b = v.AppendJSON(o.b)
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// ngMembers appends what requests and replies have in common, and more than
// one reader looks for.
func (b *Beyond) ngMembers(o *object, m *capture.Message) {
	v := &b.ngView
	o.octets("exchange", b.id, maxField)
	o.octets("cookie", v.Cookie, maxField)
	o.octets("command", v.Command, maxField)
	o.octets("result", v.Result, maxField)
	o.octets("error_reason", v.ErrorReason, maxField)
	o.octets("callid", v.CallID, maxField)
	o.octets("from_tag", v.FromTag, maxField)
	o.octets("to_tag", v.ToTag, maxField)
	if v.Cut || m.Flags&capture.CutShort != 0 {
		o.bool("truncated", true)
	}
}

// ngNote begins a note of the exchange p, nil when the request was not seen. It
// names a call, whose Call-ID becomes the primary id; b.id is the exchange's.
func (b *Beyond) ngNote(m *capture.Message, p *slot[ngRequest]) *correlate.Note {
	n := b.begin(m, record.Log)
	n.Class = record.Query
	p.name(b, "ng")
	n.Primary, n.Else = nil, n.Primary
	id := b.ngView.CallID
	if len(id) == 0 && p != nil {
		id = p.of.callID
	}
	if len(id) > 0 {
		b.calls[0] = id
		n.Calls = b.calls[:]
	}
	b.tokens, b.keyed = b.tokens[:0], b.keyed[:0]
	b.ngView.Strings(b.ngKey)
	n.Keyed, n.Tokens = b.keyed, b.tokens
	return n
}

// ngFailed makes a note that there is no reply to a command.
func (b *Beyond) ngFailed(m *capture.Message, p *slot[ngRequest], f *failure) {
	b.ngView = ng.View{}
	n := b.ngNote(m, p)
	r := &p.of
	word := "NG "
	if r.proxy {
		word = "rtpproxy "
	}
	o := b.object()
	o.words("event", []byte(word), r.command[:r.commandLen], []byte(" failed: "+f.why.String()))
	o.octets("exchange", b.id, maxField)
	o.octets("command", r.command[:r.commandLen], maxField)
	o.octets("callid", r.callID, maxField)
	o.octets("from_tag", r.fromTag, maxField)
	o.int("sent", int64(p.sent))
	f.tell(&o, p.mono-1)
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// ngEntry takes in an entry of rtpengine's dictionary: beside the Call-ID there may be
// others, under keys of the user's choice, and in the metadata of a call.
func (b *Beyond) ngEntry(key, value []byte) bool {
	switch {
	case len(value) > maxMetadata:
	case b.keys.Has(key) && ownWord(value):
		b.keyed = append(b.keyed, plainID(value))
	case string(key) == "call-id":
	case string(key) == "metadata":
		b.log.find(value)
		b.keyed = append(append(b.keyed, b.log.named...), b.log.keyed...)
		b.tokens = append(b.tokens, b.log.tokens...)
	case len(value) < minNamed:
	case syslog.NamesCall(key), string(key) == "session-id", string(key) == "traceparent":
		b.tokens = append(b.tokens, plainID(value))
	}
	return true
}

// tell hands what m says of a call's media to the correlator.
func (b *Beyond) tell(m *capture.Message, r *ngRequest, sdp []byte, addr netip.AddrPort) {
	if !r.media || len(r.callID) == 0 || len(sdp) == 0 && !addr.IsValid() && r.kind != correlate.ControlDelete {
		return
	}
	b.control = correlate.Control{Kind: r.kind, At: metaOf(m), Tunnel: m.Flow.Tunnel,
		CallID: r.callID, FromTag: r.fromTag, Tag: r.tag, SDP: sdp, Addr: addr}
	b.cfg.Correlator.Control(&b.control)
}

// proxyRequest makes a note of a command of rtpproxy's protocol.
func (b *Beyond) proxyRequest(m *capture.Message) {
	v := &b.proxy
	p, fresh := request(b, &b.ng, &b.Stats.NG, m, v.Cookie)
	r := &p.of
	word := proxyWord(v.Operation)
	if fresh {
		r.keep([]byte(word), v.CallID, v.FromTag, v.FromTag)
		r.proxy, r.media = true, true
		switch {
		case v.Operation == 'U' && len(v.ToTag) == 0:
			r.kind = correlate.ControlOffer
		case v.Operation == 'U', v.Operation == 'L': // the tag of who answers comes first
			r.kind = correlate.ControlAnswer
			r.keep([]byte(word), v.CallID, v.ToTag, v.FromTag)
		case v.Operation == 'D':
			r.kind = correlate.ControlDelete
		default:
			r.media = false
		}
	}
	if len(v.CallID) == 0 {
		b.Stats.NGNoCall.Add(1)
		return
	}
	if fresh {
		b.ng.wait(p, m)
	}
	b.ngView.CallID = v.CallID
	b.tell(m, r, nil, proxyAddr(v.Address, v.Port))
	n := b.ngNote(m, p)
	o := b.object()
	o.text("event", "rtpproxy "+word)
	o.octets("exchange", b.id, maxField)
	o.octets("cookie", v.Cookie, maxField)
	o.text("command", word)
	o.octets("modifiers", v.Modifiers, maxField)
	o.octets("callid", v.CallID, maxField)
	o.octets("from_tag", v.FromTag, maxField)
	o.octets("to_tag", v.ToTag, maxField)
	o.octets("media_ip", v.Address, maxField)
	o.octets("media_port", v.Port, maxField)
	if !fresh {
		o.bool("again", true)
	}
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// proxyWord says what an operation of rtpproxy does.
func proxyWord(op byte) string {
	switch op {
	case 'U':
		return "update"
	case 'L':
		return "lookup"
	case 'D':
		return "delete"
	case 'P':
		return "play"
	case 'S':
		return "stop playing"
	case 'R':
		return "record"
	case 'N':
		return "stop recording"
	case 'C':
		return "copy"
	case 'Q':
		return "query"
	}
	return string(rune(op))
}

// proxyReply makes a note of rtpproxy's reply, if it is one.
func (b *Beyond) proxyReply(m *capture.Message) {
	cookie, answer, ok := bytes.Cut(bytes.TrimRight(m.Payload, "\r\n\x00 "), []byte{' '})
	if !ok {
		b.Stats.NG.Malformed.Add(1)
		return
	}
	p := reply(b, &b.ng, &b.Stats.NG, m, cookie)
	if p == nil || !p.of.proxy || len(p.of.callID) == 0 {
		return
	}
	r := &p.of
	port, rest, _ := bytes.Cut(answer, []byte{' '})
	addr, _, _ := bytes.Cut(rest, []byte{' '})
	var at netip.AddrPort
	if r.media && r.kind != correlate.ControlDelete {
		if at = proxyAddr(addr, port); !at.IsValid() { // it gives no address: its own then
			at = proxyAddr(m.Flow.Src.Addr().Unmap().AppendTo(b.log.source[:0]), port)
		}
		b.tell(m, r, nil, at)
	}
	b.ngView.CallID = nil
	n := b.ngNote(m, p)
	o := b.object()
	failed := len(answer) > 0 && answer[0] == 'E'
	word := "ok"
	if failed {
		word = "error"
	}
	o.words("event", []byte("rtpproxy "), r.command[:r.commandLen], []byte(" "+word))
	o.octets("exchange", b.id, maxField)
	o.octets("cookie", cookie, maxField)
	o.text("result", word)
	o.octets("callid", r.callID, maxField)
	if at.IsValid() {
		o.octets("media_ip", at.Addr().AppendTo(b.log.source[:0]), maxField)
		o.int("media_port", int64(at.Port()))
	}
	o.ms("took_ms", p.took(m))
	if o.octets("answer", answer, maxAnswer) || m.Flags&capture.CutShort != 0 {
		o.bool("truncated", true)
	}
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// proxyAddr reads an address and port as rtpproxy writes them.
func proxyAddr(addr, port []byte) netip.AddrPort {
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddr(string(addr))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.WithZone(""), uint16(n))
}
