package beyond

import (
	"bytes"
	"encoding/binary"

	"heptap/capture"
	"heptap/capture/dns"
	"heptap/capture/record"
)

// dnsRequest is what is known of a question.
type dnsRequest struct {
	wanted   bool   // records are made of it and its reply
	question []byte // the message, as far as maxQuestion
}

// maxQuestion is how many octets are kept of a question: the longest name and EDNS.
const maxQuestion = 320

// dnsMessage makes a note of a question or a reply, if it is for SIP.
func (b *Beyond) dnsMessage(m *capture.Message) {
	v := &b.dnsView
	if v.Parse(m.Payload) != nil || v.Questions == 0 {
		b.Stats.DNS.Malformed.Add(1)
		return
	}
	id := binary.BigEndian.AppendUint16(b.id[:0], v.ID)
	if v.Response {
		b.dnsReply(m, id)
		return
	}
	p, fresh := request(b, &b.dns, &b.Stats.DNS, m, id)
	if fresh {
		p.of.wanted = b.forSIP(m.Flow.Tunnel, m.Flow)
		p.of.question = append(p.of.question[:0], m.Payload[:min(len(m.Payload), maxQuestion)]...)
	}
	if !p.of.wanted {
		b.Stats.DNSOther.Add(1)
		return
	}
	if fresh {
		b.dns.wait(p, m)
	}
	b.dnsNote(m, p, fresh, nil)
}

// dnsFailed makes a note that there is no reply to a question.
func (b *Beyond) dnsFailed(m *capture.Message, p *slot[dnsRequest], f *failure) {
	if b.dnsView.Parse(p.of.question) == nil && b.dnsView.Questions > 0 {
		b.dnsNote(m, p, true, f)
	}
}

func (b *Beyond) dnsReply(m *capture.Message, id []byte) {
	p := reply(b, &b.dns, &b.Stats.DNS, m, id)
	if p != nil && !p.of.wanted || p == nil && !b.forSIP(m.Flow.Tunnel, m.Flow.Reverse()) {
		b.Stats.DNSOther.Add(1)
		return
	}
	b.dnsNote(m, p, true, nil)
}

// forSIP says whether the question in b.dnsView, asked over f, may be one for
// SIP (RFC 3263, RFC 6116).
func (b *Beyond) forSIP(tunnel uint32, f capture.FiveTuple) bool {
	q := &b.dnsView.Question
	switch q.Type {
	case dns.NAPTR:
		return true
	case dns.SRV:
		b.masked = q.Name.Append(b.masked[:0])
		if bytes.HasPrefix(b.masked, []byte("_sip._")) || bytes.HasPrefix(b.masked, []byte("_sips._")) {
			return true
		}
	case dns.A, dns.AAAA:
	default:
		return false
	}
	return b.cfg.Correlator.Speaks(tunnel, f.Src.Addr())
}

// dnsNote makes a note of the message in b.dnsView, or that the question there has no
// reply, when failed is set. p is nil for a reply whose question was not seen.
func (b *Beyond) dnsNote(m *capture.Message, p *slot[dnsRequest], fresh bool, failed *failure) {
	v := &b.dnsView
	n := b.begin(m, record.DNS)
	p.name(b, "dns")
	o := b.object()
	b.masked = append(append(append(b.masked[:0], "DNS "...), v.Question.Type.String()...), ' ')
	name := len(b.masked)
	b.masked = v.Question.Name.Append(b.masked)
	var outcome []byte
	if v.Response && v.RCode != 0 {
		outcome = append(append(b.log.source[:0], ": "...), dns.RCodeName(v.RCode)...)
	} else if v.Response && v.Answers == 0 {
		outcome = append(b.log.source[:0], ": no answer"...)
	} else if failed != nil {
		outcome = append(append(b.log.source[:0], " failed: "...), failed.why.String()...)
	}
	o.words("event", b.masked, outcome)
	if !fresh {
		o.bool("again", true)
	}
	if v.Response && p != nil {
		o.ms("took_ms", p.took(m))
	}
	if failed != nil {
		o.int("sent", int64(p.sent))
		failed.tell(&o, p.mono-1)
	}
	if v.Response && p != nil {
		b.follow(&m.Flow, m.Mono)
	}
	var led []byte
	if !v.Response && failed == nil {
		led = b.ledBy(&m.Flow, b.masked[name:], m.Mono)
		o.octets("follows", led, maxLead)
	}
	b.tokens = b.tokens[:0]
	v.Question.Name.Labels(b.dnsLabel)
	n.Labels = b.tokens
	// The members of heplify's object become members of this one, "id" too, though Homer
	// has a column of that name. What readers of type 53 know is heplify's object, and the
	// two never meet: homer-app merges a payload with its row where heplify-server's
	// ForceHEPPayload has put it into data_header, which it does in the default branch of
	// insert alone (database/postgres.go). Types 53, and 100 as which profile homer7 sends
	// this, have branches of their own.
	at := len(o.b)
	o.b = v.AppendJSON(o.b)
	o.b[at] = ','
	b.payload = o.b
	n.Payload = o.b
	if p != nil {
		if a := b.ask(p.serial, v.Response || failed != nil); !a.Reply {
			if len(led) > 0 {
				b.masked = append(append(b.masked, '/'), led...)
			}
			a.First, a.Target = m.Mono, withoutService(b.masked[name:])
		}
	}
	b.cfg.Correlator.Note(n)
}

// label takes in a label of a name that may be an id; those of a number (RFC 6116) are
// digits.
func (b *Beyond) label(l []byte) bool {
	if len(l) >= minNamed {
		b.tokens = append(b.tokens, l)
	}
	return true
}

// withoutService returns a name without the service and protocol in front of it
// (RFC 2782).
func withoutService(name []byte) []byte {
	for len(name) > 0 && name[0] == '_' {
		dot := bytes.IndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[dot+1:]
	}
	return name
}
