package intake

import (
	"net/netip"
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/record"
)

// Item is what one HEP packet said, repaired. It owns its octets and is valid
// until Queue.Done.
//
// With Message.Protocol SIP or RTCP it is a message that the correlator follows
// as if it had been seen on the wire, and Record holds what the sender said
// besides: agent, links, and its own primary id. Otherwise it is Record alone,
// to be forwarded.
type Item struct {
	Mono    int64 // when it counts as seen: its arrival and Hold
	Message capture.Message
	Record  record.Record

	agent   uint64 // names the agent that made it
	stamped bool   // its time is the sender's
	peer    *peer
	pending *atomic.Int64 // of the connection that it came by
	buf     []byte
	links   [record.MaxLinks]record.Link
}

// keptBuffer is the largest buffer that an idle Item keeps.
const keptBuffer = 8 << 10

// reset empties the item, but for its buffer.
func (it *Item) reset() {
	buf := it.buf[:0]
	if cap(buf) > keptBuffer {
		buf = nil
	}
	*it = Item{buf: buf}
}

// keep copies b. A copy made before stays valid when the buffer grows.
func (it *Item) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	n := len(it.buf)
	it.buf = append(it.buf, b...)
	return it.buf[n:len(it.buf):len(it.buf)]
}

// link adds a link, if there is room and it is not there yet.
func (it *Item) link(t record.Type, id []byte) bool {
	r := &it.Record
	for i := range r.Links {
		if r.Links[i].Type == t && string(r.Links[i].ID) == string(id) {
			return true
		}
	}
	if len(id) == 0 || len(id) > maxID || len(r.Links) == record.MaxLinks {
		return false
	}
	r.Links = append(r.Links, record.Link{Type: t, How: record.Seen, ID: it.keep(id)})
	return true
}

// maxID is the longest id that is taken.
const maxID = 1024

// size is what the item holds of memory, in octets.
func (it *Item) size() int64 { return int64(cap(it.buf)) + itemBytes }

// flowOf makes a flow of what a packet says. One that names no address, or one
// only, has the unspecified one instead.
func flowOf(src, dst netip.AddrPort, proto uint8) capture.FiveTuple {
	a, b := src.Addr().Unmap(), dst.Addr().Unmap()
	none := netip.IPv4Unspecified()
	if a.Is6() || b.Is6() {
		none = netip.IPv6Unspecified()
	}
	if !a.IsValid() {
		a = none
	}
	if !b.IsValid() {
		b = none
	}
	return capture.FiveTuple{Proto: proto, Src: netip.AddrPortFrom(a, src.Port()), Dst: netip.AddrPortFrom(b, dst.Port())}
}
