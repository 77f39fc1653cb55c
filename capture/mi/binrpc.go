package mi

import (
	"bytes"
	"strconv"
)

// The types of binrpc packets and records (Kamailio, ctl/binrpc.h).
const (
	binRequest = 0
	binReply   = 1
	binFault   = 3

	recInt    = 0
	recString = 1 // with a NUL at its end
	recDouble = 2 // thousandths, as an integer
	recStruct = 3
	recArray  = 4
	recName   = 5 // of a member of a structure, with a NUL at its end
	recBytes  = 6
)

// maxPacket is the longest packet that is believed: ctl's own limit is
// configured in KiB, 4 unless told otherwise.
const maxPacket = 16 << 20

// binHeader is the header of a binrpc packet:
//
//	A1  type<<4 | (octets of length - 1)<<2 | octets of cookie - 1  length  cookie
type binHeader struct {
	kind   byte
	size   int    // octets of the header
	body   uint32 // octets that follow it
	cookie uint32
}

// verdict is what can be said of octets that may be the beginning of something.
type verdict uint8

const (
	no verdict = iota
	maybe
	yes
)

func parseBin(b []byte) (h binHeader, v verdict) {
	if len(b) > 0 && b[0] != 0xA1 {
		return h, no
	}
	if len(b) < 2 {
		return h, maybe
	}
	h.kind = b[1] >> 4
	if h.kind != binRequest && h.kind != binReply && h.kind != binFault {
		return h, no
	}
	l, c := int(b[1]>>2&3)+1, int(b[1]&3)+1
	h.size = 2 + l + c
	if len(b) < h.size {
		return h, maybe
	}
	for _, x := range b[2 : 2+l] {
		h.body = h.body<<8 | uint32(x)
	}
	for _, x := range b[2+l : h.size] {
		h.cookie = h.cookie<<8 | uint32(x)
	}
	if h.body > maxPacket || h.kind == binRequest && h.body == 0 {
		return h, no
	}
	return h, yes
}

// record is one of a packet's values.
type record struct {
	kind  byte
	end   bool // of a structure or array
	value []byte
}

// nextRecord reads the record b begins with; n is 0 when b does not hold a whole
// one, and negative when it holds none.
func nextRecord(b []byte) (r record, n int) {
	if len(b) == 0 {
		return r, 0
	}
	r.kind = b[0] & 15
	size, n := uint32(b[0]>>4), 1
	if size&8 != 0 {
		l := int(size & 7)
		if l > 4 || l == 0 && r.kind != recStruct && r.kind != recArray {
			return r, -1
		}
		if len(b) < 1+l {
			return r, 0
		}
		r.end = l == 0
		size = 0
		for _, c := range b[1 : 1+l] {
			size = size<<8 | uint32(c)
		}
		n += l
	}
	switch r.kind {
	case recInt, recDouble:
		if size > 4 {
			return r, -1
		}
	case recStruct, recArray:
		if size != 0 {
			return r, -1
		}
	case recString, recName, recBytes:
	default:
		return r, -1
	}
	if uint64(size) > uint64(len(b)-n) {
		r.value = b[n:]
		return r, 0
	}
	r.value = b[n : n+int(size)]
	if r.kind == recString || r.kind == recName {
		if size > 0 {
			if r.value[size-1] != 0 {
				return r, -1
			}
			r.value = r.value[:size-1]
		} else if r.kind == recName {
			return r, -1
		}
	}
	return r, n + int(size)
}

func (r *record) int() int32 {
	var v uint32
	for _, c := range r.value {
		v = v<<8 | uint32(c)
	}
	return int32(v)
}

// binCommand returns the command of a request's body, and what follows it.
func binCommand(body []byte) (command, rest []byte, v verdict) {
	r, n := nextRecord(body)
	switch {
	case n < 0 || n == 0 && len(body) > 0 && r.kind != recString:
		return nil, nil, no
	case n == 0:
		return nil, nil, maybe
	case r.kind != recString || !isCommand(r.value):
		return nil, nil, no
	}
	return r.value, body[n:], yes
}

// records says whether body is whole records and nothing else, with their
// brackets in order.
func records(body []byte) bool {
	w := binWriter{}
	for len(body) > 0 {
		r, n := nextRecord(body)
		if n <= 0 || !w.nest(&r) {
			return false
		}
		body = body[n:]
	}
	return w.depth == 0
}

// binWriter puts records into JSON.
type binWriter struct {
	depth   int
	structs uint64 // bit 0: the innermost open bracket is a structure
	named   bool   // a name was read, its value was not
	tops    int    // values at the top
}

// nest follows brackets and names; it is false for a record that cannot be here.
func (w *binWriter) nest(r *record) bool {
	in := w.depth > 0 && w.structs&1 == 1
	switch {
	case r.kind == recName:
		if !in || w.named {
			return false
		}
		w.named = true
		return true
	case r.end:
		if w.depth == 0 || w.named || in != (r.kind == recStruct) {
			return false
		}
		w.depth--
		w.structs >>= 1
		return true
	}
	w.named = false
	if w.depth == 0 {
		w.tops++
	}
	if r.kind == recStruct || r.kind == recArray {
		if w.depth == maxDepth {
			return false
		}
		w.depth++
		w.structs <<= 1
		if r.kind == recStruct {
			w.structs |= 1
		}
	}
	return true
}

// appendBin appends records as a JSON array, without the brackets when one is
// set and there is one value. whole is false when body ends inside a value, or
// at what is no record; then the JSON ends there, its brackets closed.
func appendBin(dst, body []byte, one bool) (out []byte, whole bool) {
	w := binWriter{}
	start := len(dst)
	dst = append(dst, '[')
	whole = true
	for len(body) > 0 {
		r, n := nextRecord(body)
		unnamed := w.depth > 0 && w.structs&1 == 1 && !w.named
		if n <= 0 || !w.nest(&r) {
			whole = false
			break
		}
		body = body[n:]
		last := dst[len(dst)-1]
		if !r.end && last != '[' && last != '{' && last != ':' {
			dst = append(dst, ',')
		}
		if unnamed && !r.end && r.kind != recName {
			dst = append(dst, '"', '"', ':')
		}
		dst = r.append(dst)
	}
	if w.named {
		dst = append(dst, "null"...)
		whole = false
	}
	for ; w.depth > 0; w.depth-- {
		whole = false
		if w.structs&1 == 1 {
			dst = append(dst, '}')
		} else {
			dst = append(dst, ']')
		}
		w.structs >>= 1
	}
	if one && w.tops == 1 {
		copy(dst[start:], dst[start+1:])
		return dst[:len(dst)-1], whole
	}
	return append(dst, ']'), whole
}

func (r *record) append(dst []byte) []byte {
	switch r.kind {
	case recInt:
		return strconv.AppendInt(dst, int64(r.int()), 10)
	case recDouble:
		return strconv.AppendFloat(dst, float64(r.int())/1000, 'f', -1, 64)
	case recStruct, recArray:
		return append(dst, "{}[]"[int(r.kind-recStruct)*2+btoi(r.end)])
	case recName:
		return append(appendQuoted(dst, r.value), ':')
	}
	return appendQuoted(dst, r.value)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (h *binHeader) id() string { return strconv.FormatUint(uint64(h.cookie), 16) }

// binRequestOf reads a request's body, which may be cut.
func binRequestOf(h *binHeader, body []byte) (Request, bool) {
	command, rest, v := binCommand(body)
	if v != yes {
		return Request{}, false
	}
	r := Request{Backend: Kamailio, Transport: BinRPC, ID: h.id(), Command: string(command)}
	var params []byte
	whole := true
	if len(rest) > 0 {
		params, whole = appendBin(nil, rest, false)
	}
	r.Cut = !whole || uint32(len(body)) < h.body
	r.protect(params, jsonType)
	return r, true
}

// binReplyOf reads the body of a reply or fault, which may be cut.
func binReplyOf(h *binHeader, tag Tag, body []byte) Reply {
	r := Reply{Backend: Kamailio, Transport: BinRPC, ID: h.id(), OK: h.kind == binReply}
	var word []byte
	if h.kind == binFault {
		code, n := nextRecord(body)
		if n > 0 && code.kind == recInt {
			r.Status = int(code.int())
			if reason, n := nextRecord(body[n:]); n > 0 && reason.kind == recString {
				word = bytes.Clone(reason.value)
			}
		}
	}
	var output []byte
	whole := true
	if len(body) > 0 {
		output, whole = appendBin(nil, body, true)
	}
	r.Cut = !whole || uint32(len(body)) < h.body
	r.reply(word, output, jsonType, tag.hides())
	return r
}
