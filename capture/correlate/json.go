package correlate

import (
	"net/netip"
	"strconv"

	"heptap/capture/jsonout"
)

// object appends the members of one JSON object to a buffer. It allocates
// nothing while the buffer has room.
type object struct{ b []byte }

func (o *object) key(k string) { o.b = jsonout.AppendKey(o.b, k) }

func (o *object) int(k string, v int64) {
	o.key(k)
	o.b = strconv.AppendInt(o.b, v, 10)
}

// float appends v with at most three decimals.
func (o *object) float(k string, v float64) {
	o.key(k)
	o.b = strconv.AppendFloat(o.b, v, 'f', 3, 64)
	for o.b[len(o.b)-1] == '0' {
		o.b = o.b[:len(o.b)-1]
	}
	if o.b[len(o.b)-1] == '.' {
		o.b = o.b[:len(o.b)-1]
	}
}

func (o *object) bool(k string, v bool) {
	o.key(k)
	o.b = strconv.AppendBool(o.b, v)
}

// text appends a value that needs no escape.
func (o *object) text(k, v string) {
	o.key(k)
	o.b = append(o.b, '"')
	o.b = append(o.b, v...)
	o.b = append(o.b, '"')
}

func (o *object) addr(ip, port string, a netip.AddrPort) {
	o.key(ip)
	o.b = append(a.Addr().AppendTo(append(o.b, '"')), '"')
	o.int(port, int64(a.Port()))
}

// hardware appends an Ethernet address as Homer's own agents write it,
// 00-30-48-AB-CD-EF.
func (o *object) hardware(k string, a [6]byte) {
	const digits = "0123456789ABCDEF"
	o.key(k)
	o.b = append(o.b, '"')
	for i, c := range a {
		if i > 0 {
			o.b = append(o.b, '-')
		}
		o.b = append(o.b, digits[c>>4], digits[c&15])
	}
	o.b = append(o.b, '"')
}

// bytes appends octets from the wire: escaped, and what is not UTF-8 replaced
// (RFC 8259 8.1), and so is NUL, which PostgreSQL refuses even escaped.
func (o *object) bytes(k string, v []byte) {
	o.key(k)
	o.quote(v)
}

// list appends an array of such strings.
func (o *object) list(k string, all func(yield func([]byte) bool)) {
	o.key(k)
	o.b = append(o.b, '[')
	for v := range all {
		if o.b[len(o.b)-1] != '[' {
			o.b = append(o.b, ',')
		}
		o.quote(v)
	}
	o.b = append(o.b, ']')
}

// ints appends an array of numbers.
func (o *object) ints(k string, all func(yield func(int64) bool)) {
	o.key(k)
	o.b = append(o.b, '[')
	for v := range all {
		if o.b[len(o.b)-1] != '[' {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendInt(o.b, v, 10)
	}
	o.b = append(o.b, ']')
}

func (o *object) quote(v []byte) {
	o.b = jsonout.AppendQuoted(o.b, v, jsonout.ShortLines|jsonout.EscapedMarks)
}
