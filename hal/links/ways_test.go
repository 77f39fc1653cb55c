package links

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func message(kind uint16, body ...byte) []byte {
	b := make([]byte, unix.SizeofNlMsghdr, 64)
	b = append(b, body...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	return b
}

func TestWayIn(t *testing.T) {
	route := func(table, kind byte) []byte {
		return message(unix.RTM_NEWROUTE, unix.AF_INET, 24, 0, 0, table, 0, 0, kind, 0, 0, 0, 0)
	}
	local, main := route(unix.RT_TABLE_LOCAL, unix.RTN_LOCAL), route(unix.RT_TABLE_MAIN, unix.RTN_UNICAST)
	for _, c := range []struct {
		b    []byte
		what string
		link bool
	}{
		{nil, "", false},
		{message(unix.RTM_NEWLINK), "", true},
		{message(unix.RTM_DELADDR), "", false},
		{message(unix.RTM_NEWADDR), "an address", false},
		{local, "", false},
		{main, "a route", false},
		{route(unix.RT_TABLE_MAIN, unix.RTN_BLACKHOLE), "", false},
		{append(append(message(unix.RTM_NEWLINK), local...), main...), "a route", true},
		{main[:20], "", false}, // cut short
		{message(unix.RTM_NEWROUTE), "", false},
	} {
		if what, link := wayIn(c.b); what != c.what || link != c.link {
			t.Errorf("%x: %q, %v, want %q, %v", c.b, what, link, c.what, c.link)
		}
	}
}

func FuzzWayIn(f *testing.F) {
	f.Add(message(unix.RTM_NEWROUTE, 2, 24, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0))
	f.Add(append(message(unix.RTM_NEWLINK, 1), message(unix.RTM_NEWADDR)...))
	f.Fuzz(func(t *testing.T, b []byte) { wayIn(b) })
}
