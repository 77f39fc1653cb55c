package beyond

import (
	"hash/maphash"

	"heptap/capture"
	"heptap/capture/mi"
)

// Commands in datagrams have an id in JSON-RPC and binrpc, which a client may use again,
// and none in lines. All that is left then is the flow and the order, and a mirror port may
// change the order. What has the same flow and id and is near in time is one talk: a command
// and its reply are a pair only if they are all of it. In any other talk no reply is paired: its
// record says that it is ambiguous, and which commands there were is in theirs.

const (
	// settle is how far apart in time what belongs to different talks is at least: twice as
	// much as frames may overtake each other by (package probe).
	settle = int64(100e6)

	maxHeldReplies = 64      // replies that wait for settle to pass
	maxHeldReply   = 4 << 10 // octets that are kept of one: more than of any is shown
)

// talk is what was said lately under one id on one flow.
type talk struct {
	number                   uint64
	requests, again, replies uint8
	last                     int64 // when something came
	ambiguous                bool
	filtered, secret         bool // one of the commands was, and one of the replies is
}

// goesOn says whether what comes at mono is part of it.
func (t *talk) goesOn(mono int64) bool {
	quiet := mono - t.last
	return quiet < settle || t.requests > t.replies && quiet <= patience
}

// heldReplies are replies to commands, the oldest first.
type heldReplies struct {
	ring  [maxHeldReplies]heldReply
	first uint64
	next  uint64
}

type heldReply struct {
	message capture.Message
	hash    uint64 // of its id and the flow of its request
	talk    uint64 // number
}

// miMessage makes notes of the management commands in a datagram, or holds the reply in
// it.
func (b *Beyond) miMessage(m *capture.Message) {
	b.releaseReplies(m.Mono)
	if r, ok := mi.DatagramRequest(m.Payload); ok {
		b.miRequest(m, &r)
		return
	}
	r, known := mi.DatagramReply(mi.Tag{}, m.Payload)
	id := []byte(r.ID)
	if !known { // a line: the flow is all there is
		id = nil
	}
	flow := m.Flow.Reverse()
	hash := b.key(&flow, id)
	s := b.talkOf(hash, m.Mono)
	if s == nil { // it may have overtaken its request
		s = b.mi.add(hash, m.Mono, &b.Stats.MI)
		s.of, s.answered = miRequest{talk: b.newTalk()}, true
	}
	t := &s.of.talk
	t.replies, t.last = more(t.replies), max(t.last, m.Mono)
	b.holdReply(m, hash, t.number)
}

// talkOf returns the talk that goes on under a hash, nil when there is none.
func (b *Beyond) talkOf(hash uint64, mono int64) *slot[miRequest] {
	if b.mi.slots == nil {
		return nil
	}
	for way := range ways {
		if s := b.mi.at(hash, way); s.mono != 0 && s.hash == hash && s.of.talk.goesOn(mono) {
			return s
		}
	}
	return nil
}

func (b *Beyond) newTalk() talk {
	b.talks++
	return talk{number: b.talks}
}

// more is one more than n, as far as that can be counted.
func more(n uint8) uint8 { return min(n, 254) + 1 }

func (b *Beyond) miRequest(m *capture.Message, r *mi.Request) {
	if r.NoReply {
		p := pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: b.serial}
		b.serial++
		b.Stats.MI.Requests.Add(1)
		b.miCommands(m, &p, r, true)
		return
	}
	hash, sum := b.key(&m.Flow, []byte(r.ID)), maphash.Bytes(b.seed, m.Payload)
	s := b.talkOf(hash, m.Mono)
	if s != nil && s.of.talk.requests > 0 && s.of.talk.replies == 0 && s.sum == sum {
		t := &s.of.talk
		t.again, t.last = more(t.again), max(t.last, m.Mono)
		s.sent++
		b.Stats.MI.Again.Add(1)
		b.miCommands(m, &s.pair, r, false)
		return
	}
	t := b.newTalk()
	if s != nil {
		t = s.of.talk
		b.mi.leave(s)
	} else {
		s = b.mi.add(hash, m.Mono, &b.Stats.MI)
	}
	t.requests, t.last = more(t.requests), max(t.last, m.Mono)
	t.ambiguous = t.requests > 1
	s.pair = pair[miRequest]{hash: hash, sum: sum, mono: max(m.Mono+1, 1), wall: m.Wall, serial: b.serial, of: miRequest{tag: r.Tag()}}
	s.sent = 1
	b.serial++
	b.Stats.MI.Requests.Add(1)
	b.miCommands(m, &s.pair, r, true)
	_, filtered := s.of.shown()
	t.filtered = t.filtered || filtered
	t.secret = t.secret || s.of.tag.Secret
	s.of.talk = t
	if s.answered = t.ambiguous; !t.ambiguous { // who does not answer does not show then
		b.mi.wait(s, m)
	}
}

// holdReply keeps a copy of a reply until nothing that overtook it, or that it overtook, can
// come any more. When there are too many, the oldest waits no longer.
func (b *Beyond) holdReply(m *capture.Message, hash, talk uint64) {
	h := &b.replies
	if h.next-h.first == maxHeldReplies {
		b.miReply()
	}
	slot := &h.ring[h.next%maxHeldReplies]
	room := slot.message.Payload[:0]
	*slot = heldReply{message: *m, hash: hash, talk: talk}
	n := min(len(m.Payload), maxHeldReply)
	slot.message.Payload = append(room, m.Payload[:n]...)
	if n < len(m.Payload) {
		slot.message.Flags |= capture.CutShort
	}
	h.next++
}

// releaseReplies makes notes of the replies that were held for long enough at mono.
func (b *Beyond) releaseReplies(mono int64) {
	h := &b.replies
	for h.first < h.next && mono-h.ring[h.first%maxHeldReplies].message.Mono >= settle {
		b.miReply()
	}
}

// miReply makes notes of the oldest reply that is held.
func (b *Beyond) miReply() {
	h := &b.replies.ring[b.replies.first%maxHeldReplies]
	b.replies.first++
	m := &h.message
	s := b.talkOf(h.hash, m.Mono)
	if s == nil || s.of.talk.number != h.talk || s.of.talk.requests == 0 {
		b.Stats.MI.Strays.Add(1)
		return
	}
	t := &s.of.talk
	if t.replies > 1+t.again || t.requests > 1 {
		t.ambiguous = true
	}
	tag := s.of.tag
	tag.Secret = t.secret
	b.mi.leave(s)
	s.answered = true
	r, ok := mi.DatagramReply(tag, m.Payload)
	switch {
	case !ok:
		b.Stats.MI.Malformed.Add(1)
	case !t.ambiguous:
		b.Stats.MI.Replies.Add(1)
		b.miAnswers(m, &s.pair, &r)
	case t.filtered:
		b.Stats.MI.Ambiguous.Add(1)
		b.Stats.MIFiltered.Add(1)
	default:
		b.Stats.MI.Ambiguous.Add(1)
		p := pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: b.serial, of: miRequest{talk: *t}}
		b.serial++
		b.miAnswers(m, &p, &r)
	}
}
