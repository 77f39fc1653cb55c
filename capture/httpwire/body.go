package httpwire

import "math"

// Asked says what matters about a request for the body of its response.
type Asked uint8

// What was asked.
const (
	AskedOther   Asked = iota
	AskedHead          // HEAD: the response has no body
	AskedConnect       // CONNECT: after a 2xx the connection is a tunnel
)

// Asked returns what request head h asked.
func (h *Head) Asked() Asked {
	switch string(h.Method) {
	case "HEAD":
		return AskedHead
	case "CONNECT":
		return AskedConnect
	}
	return AskedOther
}

// Begin goes on with the body of the message whose head is h. For a response
// asked is what its request was. What follows a 101 is no HTTP: here it is
// content to the end.
func (r *Reader) Begin(h *Head, asked Asked) {
	size, chunked, known := h.framing()
	switch {
	case !h.IsRequest && (h.Status == 101 || asked == AskedConnect && h.Status/100 == 2):
		r.to(toEnd, 0)
	case !h.IsRequest && (asked == AskedHead || h.Status/100 == 1 || h.Status == 204 || h.Status == 304):
		r.to(start, 0)
	case chunked:
		r.to(chunkSize, 0)
	case !known, !h.IsRequest && size < 0:
		r.to(toEnd, 0)
	case size > 0:
		r.to(length, size)
	default:
		r.to(start, 0)
	}
}

// RequestBody returns how many octets the body of a request has on the wire, if the head
// says so: not when it is chunked, and not when the head contradicts itself.
func (h *Head) RequestBody() (octets int64, known bool) {
	octets, chunked, known := h.framing()
	return max(octets, 0), known && !chunked
}

// framing returns the Content-Length, -1 for none, and whether the body comes
// in chunks. known is false when the fields leave no way to tell (RFC 9112
// 6.3).
func (h *Head) framing() (size int64, chunked, known bool) {
	size, known = -1, true
	coded := false
	f := h.Walk()
	for {
		name, value, ok := f.Next()
		switch {
		case !ok:
			if coded {
				return -1, chunked, chunked
			}
			return size, false, known
		case Is(name, "transfer-encoding"):
			coded = true
			for len(value) > 0 {
				var coding []byte
				coding, value = Cut(value, ',')
				chunked = Is(coding, "chunked") // the last one counts
			}
		case Is(name, "content-length"):
			if len(value) == 0 {
				known = false
			}
			for len(value) > 0 { // a list of the same number is that number
				var n []byte
				n, value = Cut(value, ',')
				v, ok := decimal(n)
				known = known && ok && (size < 0 || size == v)
				size = v
			}
		}
	}
}

func decimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if !digit(c) || n > (math.MaxInt64-9)/10 {
			return -1, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// Pipeline remembers what the requests were whose final responses are still
// to come (RFC 9112 9.3.2). Beyond 32 it forgets: those count as AskedOther.
type Pipeline struct {
	kinds uint64 // two bits each, the oldest lowest
	n     uint8
}

const maxPipeline = 32

// Add appends a request.
func (p *Pipeline) Add(a Asked) {
	if p.n < maxPipeline {
		p.kinds |= uint64(a) << (2 * p.n)
		p.n++
	}
}

// Take returns what the request was to which the response with this status
// belongs. An interim response (1xx) leaves it, for the final one.
func (p *Pipeline) Take(status int) Asked {
	if p.n == 0 {
		return AskedOther
	}
	a := Asked(p.kinds & 3)
	if status/100 != 1 {
		p.kinds >>= 2
		p.n--
	}
	return a
}
