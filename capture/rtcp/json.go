package rtcp

import (
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends one part of a compound, as Split cuts it, to dst as one
// JSON object in the shape that Homer, heplify and rtpengine use for HEP type
// 5. Without spare capacity for it in dst it allocates. It returns dst
// unchanged when part holds no RTCP packet.
//
// The object describes the first packet (type, ssrc, and for reports their
// count and blocks); SDES, BYE, XR, APP and feedback that follow add their own
// keys. Numbers are those on the wire: the NTP fraction and the 8-bit rates
// are not scaled, packets_lost has its sign. The metrics of voip_metrics that
// the endpoint marks unavailable are left out, MOS is divided by ten. Text
// that is not UTF-8, and NUL, which PostgreSQL refuses, become U+FFFD.
func AppendJSON(dst []byte, part []byte) []byte {
	w := Walk(part)
	p, ok := w.Next()
	if !ok {
		return dst
	}
	o := object{dst: append(dst, '{')}
	o.head(p)
	o.extended(part)
	o.description(part)
	o.bye(part)
	o.others(part)
	return append(o.dst, '}')
}

// AppendSecureJSON appends what is in clear of an SRTCP packet (RFC 3711 3.4):
// the type of the first packet and the SSRC of its sender, with "srtcp". It
// returns dst unchanged when b is shorter than that.
func AppendSecureJSON(dst, b []byte) []byte {
	if len(b) < headerSize+4 {
		return dst
	}
	o := object{dst: append(dst, '{')}
	o.uint("ssrc", uint64(word(b, 1)))
	o.uint("type", uint64(b[1]))
	o.key("srtcp")
	o.dst = append(o.dst, "true"...)
	return append(o.dst, '}')
}

// object appends members to dst.
type object struct{ dst []byte }

// key appends a member's name. It separates what stands before by its last
// octet, so it works for nested objects too.
func (o *object) key(name string) {
	o.comma()
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	o.dst = append(o.dst, '"', ':')
}

func (o *object) comma() {
	if c := o.dst[len(o.dst)-1]; c != '{' && c != '[' {
		o.dst = append(o.dst, ',')
	}
}

func (o *object) uint(name string, n uint64) {
	o.key(name)
	o.dst = strconv.AppendUint(o.dst, n, 10)
}

func (o *object) int(name string, n int64) {
	o.key(name)
	o.dst = strconv.AppendInt(o.dst, n, 10)
}

func (o *object) open(name string, bracket byte) {
	o.key(name)
	o.dst = append(o.dst, bracket)
}

func (o *object) element() {
	o.comma()
	o.dst = append(o.dst, '{')
}

func (o *object) close(bracket byte) { o.dst = append(o.dst, bracket) }

func (o *object) text(name string, s []byte) {
	o.key(name)
	const hex = "0123456789abcdef"
	b := append(o.dst, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			b = append(b, "\uFFFD"...)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	o.dst = append(b, '"')
}

// head writes what describes the first packet.
func (o *object) head(p Packet) {
	if s, ok := p.SenderInfo(); ok {
		o.open("sender_information", '{')
		o.uint("ntp_timestamp_sec", uint64(s.NTPSeconds))
		o.uint("ntp_timestamp_usec", uint64(s.NTPFraction))
		o.uint("rtp_timestamp", uint64(s.RTPTime))
		o.uint("packets", uint64(s.Packets))
		o.uint("octets", uint64(s.Octets))
		o.close('}')
	}
	o.uint("ssrc", uint64(p.SSRC()))
	o.uint("type", uint64(p.Type))
	if p.Type != SR && p.Type != RR {
		return
	}
	o.uint("report_count", uint64(p.Count))
	o.open("report_blocks", '[')
	for i := 0; ; i++ {
		r, ok := p.ReportBlock(i)
		if !ok {
			break
		}
		o.element()
		o.uint("source_ssrc", uint64(r.SSRC))
		o.uint("fraction_lost", uint64(r.FractionLost))
		o.int("packets_lost", int64(r.PacketsLost))
		o.uint("highest_seq_no", uint64(r.HighestSeq))
		o.uint("ia_jitter", uint64(r.Jitter))
		o.uint("lsr", uint64(r.LSR))
		o.uint("dlsr", uint64(r.DLSR))
		o.close('}')
	}
	o.close(']')
}

// description writes the items of all SDES packets of the part.
func (o *object) description(part []byte) {
	chunks, found := 0, false
	for w := Walk(part); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		if p.Type == SDES {
			if !found {
				o.uint("sdes_ssrc", uint64(p.SSRC()))
			}
			found = true
			chunks += int(p.Count)
		}
	}
	if !found {
		return
	}
	o.uint("sdes_report_count", uint64(chunks))
	o.open("sdes_information", '[')
	for w := Walk(part); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		for it := p.Items(); ; {
			i, ok := it.Next()
			if !ok {
				break
			}
			o.item(i, chunks > 1)
		}
	}
	o.close(']')
}

// item writes one SDES item, with its chunk's SSRC, as rtpengine does, when
// that would be in doubt.
func (o *object) item(i Item, ssrc bool) {
	o.element()
	o.uint("type", uint64(i.Type))
	if i.Type == ItemPRIV {
		prefix, value := i.split()
		o.text("prefix", prefix)
		o.text("text", value)
	} else {
		o.text("text", i.Text)
	}
	if ssrc {
		o.uint("sdes_chunk_ssrc", uint64(i.SSRC))
	}
	o.close('}')
}

// bye writes the sources that leave.
func (o *object) bye(part []byte) {
	var reason []byte
	found := false
	for w := Walk(part); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		if p.Type != BYE {
			continue
		}
		if !found {
			o.open("bye", '[')
		}
		found = true
		for i := 0; ; i++ {
			ssrc, ok := p.Source(i)
			if !ok {
				break
			}
			o.comma()
			o.dst = strconv.AppendUint(o.dst, uint64(ssrc), 10)
		}
		if reason == nil {
			reason = p.Reason()
		}
	}
	if found {
		o.close(']')
	}
	if len(reason) > 0 {
		o.text("bye_reason", reason)
	}
}

// others writes feedback and APP packets, without what they carry.
func (o *object) others(part []byte) {
	found := false
	for w := Walk(part); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		media, feedback := p.MediaSSRC()
		name, data := p.App()
		if !feedback && name == nil {
			continue
		}
		if !found {
			o.open("other_packets", '[')
		}
		found = true
		o.element()
		o.uint("type", uint64(p.Type))
		o.uint("ssrc", uint64(p.SSRC()))
		if feedback {
			o.uint("format", uint64(p.Count))
			o.uint("media_ssrc", uint64(media))
		} else {
			o.uint("subtype", uint64(p.Count))
			o.text("name", name)
			o.uint("octets", uint64(len(data)))
		}
		o.close('}')
	}
	if found {
		o.close(']')
	}
}
