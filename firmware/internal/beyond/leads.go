package beyond

import (
	"bytes"
	"net/netip"

	"heptap/capture"
	"heptap/capture/dns"
)

// A host that looks for where a call goes asks on from one reply to the next: ENUM leads to a
// URI, its domain by NAPTR to SRV, and that to a name with addresses (RFC 6116, RFC 3263 4).
// The last of them have nothing of the call in their names. What a question follows is
// therefore taken for a part of it when a call is looked for.

const (
	maxLeads = 256
	maxLead  = 192 // octets of the questions that led to a name
	// leadFor is how long after a reply what it named is asked for.
	leadFor = int64(5e9)
)

// lead is what led to a name.
type lead struct {
	hash uint64 // of who asked, and the name
	mono int64  // of the reply, plus one
	text []byte // the questions, without their services, the last first, slashes between
}

// leads remembers what led to names; of those that share a place the later one counts.
type leads [maxLeads]lead

// leadTo returns the place of a name that asker may ask for, by whatever service.
func (b *Beyond) leadTo(tunnel uint32, asker netip.Addr, name []byte) (l *lead, hash uint64) {
	b.folded = b.folded[:0]
	for _, c := range withoutService(name) {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b.folded = append(b.folded, c)
	}
	hash = b.key(&capture.FiveTuple{Tunnel: tunnel, Src: netip.AddrPortFrom(asker, 0)}, b.folded)
	return &b.leads[hash%maxLeads], hash
}

// ledBy returns the questions that led to one for name, asked in direction f, nil when none did.
func (b *Beyond) ledBy(f *capture.FiveTuple, name []byte, mono int64) []byte {
	if b.leads == nil {
		return nil
	}
	if l, hash := b.leadTo(f.Tunnel, f.Src.Addr(), name); l.mono != 0 && l.hash == hash && mono-l.mono < leadFor {
		return l.text
	}
	return nil
}

// follow remembers what the reply in b.dnsView, sent in direction f, names.
func (b *Beyond) follow(f *capture.FiveTuple, mono int64) {
	v := &b.dnsView
	w := v.Walk()
	for a := (dns.Answer{}); w.Next(&a); {
		b.led = b.led[:0]
		switch {
		case a.Type == dns.NAPTR && len(a.Regexp) > 0:
			b.led = append(b.led, domainOf(a.Regexp)...)
		case a.Type == dns.NAPTR || a.Type == dns.SRV || a.Type == dns.CNAME:
			b.led = a.Target.Append(b.led)
		}
		if len(b.led) < 2 { // none, or the root
			continue
		}
		if b.leads == nil {
			b.leads = new(leads)
		}
		name := len(b.led)
		b.led = v.Question.Name.Append(b.led)
		before := b.ledBy(&capture.FiveTuple{Tunnel: f.Tunnel, Src: f.Dst}, b.led[name:], mono)
		l, hash := b.leadTo(f.Tunnel, f.Dst.Addr(), b.led[:name])
		text := withoutService(b.led[name:])
		if bytes.EqualFold(text, withoutService(b.led[:name])) {
			continue // the same name by another service says nothing more
		}
		if len(text) > maxLead {
			l.mono = 0
			continue
		}
		var all [2*maxLead + 1]byte
		n := copy(all[:], text)
		if len(before) > 0 && n+1+len(before) <= maxLead {
			all[n] = '/'
			n += 1 + copy(all[n+1:], before)
		}
		*l = lead{hash: hash, mono: mono + 1, text: append(l.text[:0], all[:n]...)}
	}
}

// domainOf returns the host of the URI that a regular expression of ENUM makes (RFC 6116 3.2):
// what is behind its last @, nil without.
func domainOf(regexp []byte) []byte {
	at := bytes.LastIndexByte(regexp, '@')
	if at < 0 {
		return nil
	}
	host := regexp[at+1:]
	n := 0
	for n < len(host) && (host[n] >= 'a' && host[n] <= 'z' || host[n] >= 'A' && host[n] <= 'Z' || host[n] >= '0' && host[n] <= '9' || host[n] == '.' || host[n] == '-') {
		n++
	}
	return bytes.TrimSuffix(host[:n], []byte("."))
}
