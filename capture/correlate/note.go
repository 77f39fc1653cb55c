package correlate

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"

	"heptap/capture"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

// Note is what somebody else read of what is beside signalling: a log line, a
// query, a management command. All slices are borrowed until Note returns.
type Note struct {
	Type    record.Type
	Class   record.Class
	At      tcp.Meta
	Flow    capture.FiveTuple
	Flags   uint16 // of the record
	Primary []byte // what groups it with others of its type; empty for the Call-ID of the first call found, or
	Else    []byte // when there is none
	Payload []byte // a JSON object
	// Render, if set, makes the payload when a record is made of the note.
	Render func() []byte

	Conn   uint64        // the connection that it came over, if there are records of that
	Begins bool          // it is the first of its exchange, which the end of the connection will list
	Links  []record.Link // that are known already
	Calls  [][]byte      // what is called a Call-ID: linked whether or not the call is known
	Keyed  [][]byte      // values of keys that the user says to name a call: as Calls, but for a session's UUID or a trace's id
	Tokens [][]byte      // what may be the Call-ID of a call that is alive, or was heard of late (see heard), its session's UUID or trace's id, or a name learnt for it
	Labels [][]byte      // likewise, or the part before the @ of the Call-ID of one call alone that is alive
	Names  [][]byte      // of the tokens, those that are a platform's own names of calls: learnt for the calls found
	Where  []byte        // the host that the names are of: others may call other calls so; what is as long as a UUID is everywhere the same
	Ask    *Ask          // the query or reply that it is about, if it is
	// OnlyLinked makes no record when no call is found: what is no call's does not count then.
	OnlyLinked bool
	// Again says that n will be noted once more if it names no call: it is not
	// counted then.
	Again bool
}

// Note makes a record of n, linked to the calls that it names, and reports
// whether it names any.
func (c *Correlator) Note(n *Note) (linked bool) {
	c.Advance(n.At.Mono)
	c.links, c.named, c.names.callsOnly = c.links[:0], c.named[:0], n.OnlyLinked
	if n.Conn != 0 {
		c.net = decimal(c.net[:0], n.Conn)
		c.addLink(record.Link{Type: record.Net, How: record.Flow, ID: c.net})
	}
	for _, l := range n.Links[:min(len(n.Links), record.MaxLinks)] {
		c.addLink(l)
	}
	for _, id := range n.Calls {
		c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: id})
		c.nameCall(id)
	}
	for _, id := range n.Keyed {
		if !c.nameToken(id) {
			c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: id})
		}
	}
	for _, id := range n.Tokens {
		c.nameToken(id)
	}
	for _, id := range n.Labels {
		if c.nameToken(id) {
			continue
		}
		if k := c.localPart(id); k != nil {
			c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: k.id})
		}
	}
	c.learnNames(n.Names, n.Where)
	first := c.firstCall()
	if linked = first != nil; !linked && n.OnlyLinked {
		if !n.Again {
			c.Stats.NotesUnlinked.Add(1)
		}
		return false
	}
	primary := n.Primary
	switch {
	case len(primary) > 0:
	case linked:
		primary = first
	default:
		primary = n.Else
	}
	if n.Ask != nil && c.inference != nil && !linked {
		c.linkAsked(n.Ask)
	}
	if n.Conn != 0 && n.Begins {
		c.carriedExchange(n.Conn, n.Type, primary, n.At.Wall)
	}
	payload := n.Payload
	if n.Render != nil {
		payload = n.Render()
	}
	c.Stats.Notes.Add(1)
	if linked {
		c.Stats.NotesLinked.Add(1)
	}
	c.rec = record.Record{Type: n.Type, Class: n.Class, Wall: n.At.Wall, Mono: n.At.Mono, Flow: n.Flow, Flags: n.Flags,
		HasVLAN: n.At.HasVLAN, VLAN: n.At.VLAN, TOS: n.At.TOS, Primary: primary, Links: c.links, Payload: payload}
	c.cfg.Emit(&c.rec)
	if n.Ask != nil && c.inference != nil {
		c.inferNote(n, linked)
	}
	return linked
}

// addLink adds a link to those of the record at hand, once.
func (c *Correlator) addLink(l record.Link) {
	if len(l.ID) == 0 || len(l.ID) > maxCallID {
		return
	}
	for i := range c.links {
		if have := &c.links[i]; have.Type == l.Type && bytes.Equal(have.ID, l.ID) {
			return
		}
	}
	if len(c.links) == record.MaxLinks {
		c.Stats.LinksLeftOut.Add(1)
		return
	}
	c.links = append(c.links, l)
}

// nameCall remembers that the note names the call of id, if it is alive.
func (c *Correlator) nameCall(id []byte) *call {
	k, _ := c.lookup(id)
	if k != nil && !slices.Contains(c.named, k) {
		c.named = append(c.named, k)
	}
	return k
}

// nameToken links the record at hand to what id may name, and reports whether it names
// anything.
func (c *Correlator) nameToken(id []byte) bool {
	known := false
	if k := c.nameCall(id); k != nil {
		id, known = k.id, true
	} else if len(id) >= minHeard && len(id) <= maxCallID {
		any, call := c.names.heard.has(maphash.Bytes(c.seed, id), c.now)
		known = call || any && !c.names.callsOnly
	}
	if known {
		c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: id})
	}
	return c.identified(id) || known
}

// firstCall returns the Call-ID that was found first, nil without one.
func (c *Correlator) firstCall() []byte {
	for i := range c.links {
		if c.links[i].Type == record.SIP {
			return c.links[i].ID
		}
	}
	return nil
}

// names are what platforms call their calls besides the Call-ID (the UUID in
// FreeSWITCH's log lines, C-0000002a in Asterisk's), as learnt from lines that
// carry both. It is a table without chains, as hosts is.
type names struct {
	slots [1 << nameBits]name
	heard heard
	// callsOnly says that the note at hand makes a record only if it names a call.
	callsOnly bool
}

const (
	nameBits = 13
	nameWays = 4
	maxNamed = 4 // calls of one name: Asterisk numbers all legs of a call alike
	// nameStays is how long a name counts that is not seen again.
	nameStays = int64(2 * 3600 * 1e9)
)

// name is one of them.
type name struct {
	hash  uint64
	seen  int64 // mono plus one, 0 for an empty slot
	calls [maxNamed]uint64
	n     uint8
}

// learnNames links what the names stand for, and learns them for the calls that
// the note names itself. A line with two names, or with many calls, teaches
// nothing: it may be a list.
func (c *Correlator) learnNames(ids [][]byte, where []byte) {
	if len(ids) == 0 {
		return
	}
	own := c.named
	for _, id := range ids {
		h := c.nameHash(id, where)
		s := c.names.find(h, c.now)
		if len(own) == 1 && len(ids) == 1 {
			if s == nil {
				s = c.names.add(h, c.now)
				c.Stats.NamesLearnt.Add(1)
			}
			s.join(own[0].hash)
		}
		if s == nil {
			continue
		}
		s.seen = max(c.now+1, 1)
		for _, h := range s.calls[:s.n] {
			if k := c.calls[h]; k != nil {
				c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: k.id})
			}
		}
	}
}

// nameHash is of what a host calls a call. Asterisk counts its calls from 1, each
// of a site's: a name that is shorter than a UUID (RFC 9562 4) is only its host's.
func (c *Correlator) nameHash(id, where []byte) uint64 {
	const uuid = 36
	h := maphash.Bytes(c.seed, id)
	if len(id) < uuid {
		h ^= bits.RotateLeft64(maphash.Bytes(c.seed, where), 1)
	}
	return h
}

// join makes h one of the calls, in place of the oldest when there are too many.
func (s *name) join(h uint64) {
	for _, have := range s.calls[:s.n] {
		if have == h {
			return
		}
	}
	if s.n == maxNamed {
		copy(s.calls[:], s.calls[1:])
		s.n--
	}
	s.calls[s.n] = h
	s.n++
}

func (t *names) at(h uint64, way int) *name {
	return &t.slots[(h+uint64(way))&(1<<nameBits-1)]
}

func (t *names) find(h uint64, now int64) *name {
	for way := range nameWays {
		if s := t.at(h, way); s.seen != 0 && s.hash == h && now-s.seen <= nameStays {
			return s
		}
	}
	return nil
}

// add takes the place of the name that was not seen for longest.
func (t *names) add(h uint64, now int64) *name {
	oldest := t.at(h, 0)
	for way := 1; way < nameWays; way++ {
		if s := t.at(h, way); s.seen < oldest.seen {
			oldest = s
		}
	}
	*oldest = name{hash: h, seen: max(now+1, 1)}
	return oldest
}
