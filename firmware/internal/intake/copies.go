package intake

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/record"
)

const (
	// copyWindow is how much later the copy of a message may come.
	copyWindow = int64(5 * time.Second)
	// repeatWindow is how much later a record may come again: a sender that lost
	// its connection sends again what was not confirmed.
	repeatWindow = int64(2 * time.Minute)

	ways       = 8
	copySets   = 1 << 11 // of ways messages
	repeatSets = 1 << 12 // of ways records
	observers  = 4       // of one message that are told apart

	// prefix is how much of a message is left at least when the capture cuts it
	// at the smallest snap length.
	prefix = 192
)

// Verdict says what a message is to those before it.
type Verdict uint8

// The verdicts.
const (
	Fresh   Verdict = iota
	Copied          // another observer showed it before
	CutCopy         // another observer showed it before, cut short; this one is whole
)

// copies tells messages that more than one has seen, the mirror ports being one
// observer and each agent another. SIP sends the same message again by itself,
// so the number counts: the second time that one observer shows it is a copy of the
// second time that another does. In each set the one seen longest ago makes room.
type copies struct {
	seed    maphash.Seed
	sets    [copySets][ways]message
	repeats [repeatSets][ways]repeat
}

type message struct {
	start, whole uint64 // hashes of flow and beginning, and of all
	at           int64  // mono, 0 for none
	who          [observers]uint64
	times        [observers]uint8
	most         uint8 // of times
	cut          bool  // only cut ones were seen
}

type repeat struct {
	hash uint64
	at   int64
}

const copiesBytes = int64(unsafe.Sizeof(copies{}))

// tap is the mirror ports as an observer.
const tap = 1

// see takes in a message that who has seen at mono.
func (c *copies) see(m *capture.Message, who uint64) Verdict {
	short := m.Flags&capture.CutShort != 0
	start := c.hash(&m.Flow, m.Payload[:min(len(m.Payload), prefix)])
	whole := c.hash(&m.Flow, m.Payload)
	set := &c.sets[start%copySets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.at < oldest.at {
			oldest = e
		}
		if e.at == 0 || e.start != start || m.Mono-e.at > copyWindow || !short && !e.cut && e.whole != whole {
			continue
		}
		e.at = max(e.at, m.Mono)
		v := e.count(who)
		if v == Copied && e.cut && !short {
			v = CutCopy
		}
		if e.cut && !short {
			e.cut, e.whole = false, whole
		}
		return v
	}
	*oldest = message{start: start, whole: whole, at: max(m.Mono, 1), cut: short}
	oldest.count(who)
	return Fresh
}

// count counts what who has seen.
func (e *message) count(who uint64) Verdict {
	i := 0
	for i < observers-1 && e.who[i] != who && e.who[i] != 0 {
		i++
	}
	e.who[i] = who // the last place is shared
	if e.times[i] < 255 {
		e.times[i]++
	}
	if e.times[i] <= e.most {
		return Copied
	}
	e.most = e.times[i]
	return Fresh
}

// again reports whether the record of an agent came before.
func (c *copies) again(it *Item) bool {
	if !it.stamped {
		return false
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	r := &it.Record
	var b [17]byte
	binary.BigEndian.PutUint64(b[:], it.agent)
	binary.BigEndian.PutUint64(b[8:], uint64(r.Wall))
	b[16] = byte(r.Type)
	_, _ = h.Write(b[:])
	writeFlow(&h, &r.Flow)
	_, _ = h.Write(r.Primary)
	_, _ = h.Write(r.Payload)
	for i := range r.Links {
		_, _ = h.Write(r.Links[i].ID)
	}
	sum := h.Sum64()
	set := &c.repeats[sum%repeatSets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.at != 0 && e.hash == sum && it.Mono-e.at <= repeatWindow {
			e.at = it.Mono
			return true
		}
		if e.at < oldest.at {
			oldest = e
		}
	}
	*oldest = repeat{sum, max(it.Mono, 1)}
	return false
}

// hash is of a message. Who tells of one that went over a connection of TCP that he made may
// name the port where he listens instead of the connection's: ports do not count.
func (c *copies) hash(f *capture.FiveTuple, b []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	flow := *f
	if flow.Proto != capture.ProtoUDP && flow.Proto != capture.ProtoSCTP {
		flow.Src, flow.Dst = netip.AddrPortFrom(flow.Src.Addr(), 0), netip.AddrPortFrom(flow.Dst.Addr(), 0)
	}
	writeFlow(&h, &flow)
	_, _ = h.Write(b)
	return h.Sum64()
}

// writeFlow hashes a flow without its tunnel. Senders have numbers of their own
// for what goes over TCP: 22 for TLS, 50 for WebSocket.
func writeFlow(h *maphash.Hash, f *capture.FiveTuple) {
	proto := f.Proto
	if proto != capture.ProtoUDP && proto != capture.ProtoSCTP {
		proto = capture.ProtoTCP
	}
	_ = h.WriteByte(proto)
	for _, a := range [...]netip.AddrPort{f.Src, f.Dst} {
		if ip := a.Addr().Unmap(); ip.IsValid() {
			v := ip.As16()
			_, _ = h.Write(v[:])
		}
		_ = h.WriteByte(byte(a.Port() >> 8))
		_ = h.WriteByte(byte(a.Port()))
	}
}

// Tap looks at a message of a mirror port, before its record is made. Copied
// means that an agent's has one already. Only the goroutine that empties the
// queue calls it.
func (in *Intake) Tap(m *capture.Message) Verdict {
	if m.Protocol != capture.SIP && m.Protocol != capture.RTCP {
		return Fresh
	}
	v := in.copies.see(m, tap)
	if v == Copied {
		in.count.copies.Add(1)
	}
	return v
}

// Relay looks at an item before its record is made, and reports whether one is
// to be made. One that is kept beside a copy cut short is flagged. Only the
// goroutine that empties the queue calls it.
func (in *Intake) Relay(it *Item) bool {
	if in.copies.again(it) {
		in.dropped(it.peer, DropRepeated)
		return false
	}
	if it.Message.Protocol == capture.Unknown {
		return true
	}
	switch in.copies.see(&it.Message, it.observer()) {
	case Copied:
		in.dropped(it.peer, DropCopy)
		return false
	case CutCopy:
		in.count.both.Add(1)
		it.Message.Flags |= capture.Duplicate
		it.Record.Flags |= record.FlagDuplicate
	}
	return true
}

// observer names the agent at its address: many agents have the same id, the
// default one, and no name.
func (it *Item) observer() uint64 {
	a := it.peer.addr.As16()
	h := it.agent
	for i := range 2 {
		h = h*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(a[8*i:])
	}
	return max(h, tap+1)
}
