package rtcp

import (
	"strconv"

	"heptap/capture/jsonout"
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
	o := object{jsonout.Object{B: append(dst, '{')}}
	o.head(p)
	o.extended(part)
	o.description(part)
	o.bye(part)
	o.others(part)
	return append(o.B, '}')
}

// AppendSecureJSON appends what is in clear of an SRTCP packet (RFC 3711 3.4):
// the type of the first packet and the SSRC of its sender, with "srtcp". It
// returns dst unchanged when b is shorter than that.
func AppendSecureJSON(dst, b []byte) []byte {
	if len(b) < headerSize+4 {
		return dst
	}
	o := object{jsonout.Object{B: append(dst, '{')}}
	o.Uint("ssrc", uint64(word(b, 1)))
	o.Uint("type", uint64(b[1]))
	o.Key("srtcp")
	o.B = append(o.B, "true"...)
	return append(o.B, '}')
}

// object is one that members are appended to.
type object struct{ jsonout.Object }

// head writes what describes the first packet.
func (o *object) head(p Packet) {
	if s, ok := p.SenderInfo(); ok {
		o.Open("sender_information", '{')
		o.Uint("ntp_timestamp_sec", uint64(s.NTPSeconds))
		o.Uint("ntp_timestamp_usec", uint64(s.NTPFraction))
		o.Uint("rtp_timestamp", uint64(s.RTPTime))
		o.Uint("packets", uint64(s.Packets))
		o.Uint("octets", uint64(s.Octets))
		o.Close('}')
	}
	o.Uint("ssrc", uint64(p.SSRC()))
	o.Uint("type", uint64(p.Type))
	if p.Type != SR && p.Type != RR {
		return
	}
	o.Uint("report_count", uint64(p.Count))
	o.Open("report_blocks", '[')
	for i := 0; ; i++ {
		r, ok := p.ReportBlock(i)
		if !ok {
			break
		}
		o.Element()
		o.Uint("source_ssrc", uint64(r.SSRC))
		o.Uint("fraction_lost", uint64(r.FractionLost))
		o.Int("packets_lost", int64(r.PacketsLost))
		o.Uint("highest_seq_no", uint64(r.HighestSeq))
		o.Uint("ia_jitter", uint64(r.Jitter))
		o.Uint("lsr", uint64(r.LSR))
		o.Uint("dlsr", uint64(r.DLSR))
		o.Close('}')
	}
	o.Close(']')
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
				o.Uint("sdes_ssrc", uint64(p.SSRC()))
			}
			found = true
			chunks += int(p.Count)
		}
	}
	if !found {
		return
	}
	o.Uint("sdes_report_count", uint64(chunks))
	o.Open("sdes_information", '[')
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
	o.Close(']')
}

// item writes one SDES item, with its chunk's SSRC, as rtpengine does, when
// that would be in doubt.
func (o *object) item(i Item, ssrc bool) {
	o.Element()
	o.Uint("type", uint64(i.Type))
	if i.Type == ItemPRIV {
		prefix, value := i.split()
		o.Text("prefix", prefix)
		o.Text("text", value)
	} else {
		o.Text("text", i.Text)
	}
	if ssrc {
		o.Uint("sdes_chunk_ssrc", uint64(i.SSRC))
	}
	o.Close('}')
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
			o.Open("bye", '[')
		}
		found = true
		for i := 0; ; i++ {
			ssrc, ok := p.Source(i)
			if !ok {
				break
			}
			o.Comma()
			o.B = strconv.AppendUint(o.B, uint64(ssrc), 10)
		}
		if reason == nil {
			reason = p.Reason()
		}
	}
	if found {
		o.Close(']')
	}
	if len(reason) > 0 {
		o.Text("bye_reason", reason)
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
			o.Open("other_packets", '[')
		}
		found = true
		o.Element()
		o.Uint("type", uint64(p.Type))
		o.Uint("ssrc", uint64(p.SSRC()))
		if feedback {
			o.Uint("format", uint64(p.Count))
			o.Uint("media_ssrc", uint64(media))
		} else {
			o.Uint("subtype", uint64(p.Count))
			o.Text("name", name)
			o.Uint("octets", uint64(len(data)))
		}
		o.Close('}')
	}
	if found {
		o.Close(']')
	}
}
