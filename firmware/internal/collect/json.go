package collect

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"heptap/hep"
)

// maxInflated bounds an inflated payload: a frame of 64 KiB can hold 64 MiB.
const maxInflated = 1 << 20

// timeLayout is RFC 3339 with microseconds; the zone is UTC.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// AppendJSON appends v as one JSON object on one line, with its newline, to dst.
// doc.go lists the keys. It retains nothing of v.
func AppendJSON(dst []byte, v hep.View) []byte {
	dst = append(dst, `{"type":`...)
	dst = strconv.AppendUint(dst, uint64(v.Type()), 10)
	dst = append(dst, `,"type_name":`...)
	dst = appendString(dst, hep.TypeName(v.Type()))
	dst = append(dst, `,"time":"`...)
	dst = time.Unix(0, v.Wall()).UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","proto":`...)
	dst = strconv.AppendUint(dst, uint64(v.Proto()), 10)
	dst = append(dst, `,"src":`...)
	dst = appendAddr(dst, v.Src())
	dst = append(dst, `,"dst":`...)
	dst = appendAddr(dst, v.Dst())
	if vlan, tagged := v.VLAN(); tagged {
		dst = append(dst, `,"vlan":`...)
		dst = strconv.AppendUint(dst, uint64(vlan), 10)
	}
	dst = append(dst, `,"agent":`...)
	dst = strconv.AppendUint(dst, uint64(v.AgentID()), 10)
	dst = append(dst, `,"node":`...)
	dst = appendString(dst, v.Node())
	dst = append(dst, `,"primary":`...)
	dst = appendString(dst, v.Correlation())
	if extra := v.Extra(); len(extra) > 0 {
		dst = appendExtra(dst, extra)
	}
	if names := hep.FlagNames(v.Flags()); len(names) > 0 {
		dst = append(dst, `,"flags":["`...)
		dst = append(dst, strings.Join(names, `","`)...)
		dst = append(dst, `"]`...)
	}
	if c := v.Clock(); c.State != 0 {
		dst = fmt.Appendf(dst, `,"clock":%q,"clock_off_us":%d`, c.State.String(), c.Offset.Microseconds())
	}
	if s := v.Sequence(); s.Number != 0 {
		dst = fmt.Appendf(dst, `,"sequence":"%016x-%d-%d.%d"`, s.Origin, s.Number>>runBits, s.Number&(1<<runBits-1), s.Part)
	}
	dst = appendChunks(dst, &v)
	dst = appendPayload(dst, &v)
	return append(dst, "}\n"...)
}

func appendAddr(dst []byte, a netip.AddrPort) []byte {
	dst = append(dst, '"')
	if a.Addr().IsValid() {
		dst = a.AppendTo(dst)
	}
	return append(dst, '"')
}

// appendExtra appends chunk 0x65 as an object when it is one. OpenSIPS sends it
// with tabs and newlines, which a line cannot hold.
func appendExtra(dst, extra []byte) []byte {
	if utf8.Valid(extra) && firstByte(extra) == '{' && json.Valid(extra) {
		dst = append(dst, `,"extra":`...)
		return appendCompact(dst, extra)
	}
	dst = append(dst, `,"extra_raw":`...)
	return appendString(dst, extra)
}

func firstByte(text []byte) byte {
	for _, b := range text {
		if !isSpace(b) {
			return b
		}
	}
	return 0
}

// isSpace tells white space of JSON (RFC 8259, section 2).
func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// appendCompact appends valid JSON without the white space between its tokens.
func appendCompact(dst, text []byte) []byte {
	inString := false
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case inString && b == '\\':
			dst = append(dst, b)
			i++
			b = text[i]
		case b == '"':
			inString = !inString
		case !inString && isSpace(b):
			continue
		}
		dst = append(dst, b)
	}
	return dst
}

// appendChunks appends the chunks that have no key of their own, if there are any: vendor,
// number and value, each in hexadecimal.
func appendChunks(dst []byte, v *hep.View) []byte {
	n := 0
	for c := range v.Others {
		if n++; n == 1 {
			dst = append(dst, `,"chunks":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `"%x:%x:%x"`, c[:2], c[2:4], c[6:])
	}
	if n > 0 {
		dst = append(dst, ']')
	}
	return dst
}

func appendPayload(dst []byte, v *hep.View) []byte {
	payload := v.Payload()
	if packed := v.Compressed(); len(payload) == 0 && len(packed) > 0 {
		if payload = hep.Inflate(packed, maxInflated); payload == nil {
			dst = append(dst, `,"payload_b64":"`...)
			return append(base64.StdEncoding.AppendEncode(dst, packed), '"')
		}
	}
	if utf8.Valid(payload) {
		dst = append(dst, `,"payload":`...)
		return appendString(dst, payload)
	}
	dst = append(dst, `,"payload_b64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, payload), '"')
}

// appendString appends s as a JSON string (RFC 8259, section 7). What is not
// UTF-8 becomes U+FFFD.
func appendString[S string | []byte](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // of what needs no escape
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, n := decodeRune(s, i)
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if b >= ' ' && b != '"' && b != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func decodeRune[S string | []byte](s S, i int) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s[i:])])
}
