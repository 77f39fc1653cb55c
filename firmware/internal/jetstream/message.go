package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"

	"heptap/capture/record"
	"heptap/firmware/internal/legs"
)

// Frames makes HEP packets of a record; export.Profile does.
type Frames interface {
	Encode(dst, rec []byte) ([]byte, error)
}

// A message as it goes from an Encoder to a Conn, back to back with others: what the log
// handles is octets.
//
//	8  number of the record
//	2  octets of the subject
//	1  octets of the message id
//	4  octets of the payload
//	   subject, message id, payload
const headSize = 8 + 2 + 1 + 4

type message struct {
	seq         uint64
	subject, id string
	payload     []byte // borrowed
}

var errMessage = errors.New("jetstream: malformed message")

// next splits the first message off b.
func next(b []byte) (m message, size int, err error) {
	if len(b) < headSize {
		return m, 0, errMessage
	}
	subject, id, payload := int(binary.BigEndian.Uint16(b[8:])), int(b[10]), uint64(binary.BigEndian.Uint32(b[11:]))
	rest := b[headSize:]
	if uint64(len(rest)) < uint64(subject+id)+payload || subject == 0 {
		return m, 0, errMessage
	}
	m = message{seq: binary.BigEndian.Uint64(b), subject: string(rest[:subject]), id: string(rest[subject : subject+id]),
		payload: rest[subject+id : subject+id+int(payload)]}
	return m, headSize + subject + id + int(payload), nil
}

// Names is how an Encoder names messages.
type Names struct {
	Prefix     string // of subjects, whole tokens
	Node       string // the probe's name
	AgentID    uint32
	Partitions int // of calls; with less than 2 subjects have no such token

	// Calls finds the call of a record, for its partition. Several encoders share it.
	Calls *Calls
}

// Calls is legs.Legs for several goroutines.
type Calls struct {
	mu   sync.Mutex
	legs *legs.Legs
}

// NewCalls makes one that remembers so many legs.
func NewCalls(most int) *Calls { return &Calls{legs: legs.New(most)} }

func (c *Calls) partition(r *record.Record, n int) uint64 {
	c.mu.Lock()
	call, ok := c.legs.Call(r)
	c.mu.Unlock()
	if !ok {
		call = legs.Hash(r.Primary) // of no call, or of several
	}
	return legs.Mix(call) % uint64(n)
}

// Encoder makes messages of records. It is not for concurrent use.
type Encoder struct {
	frames   Frames
	first    func([]byte) int
	names    Names
	prefix   string
	who      string
	boot     [16]byte               // of origin
	origin   string                 // the id's first part
	subjects map[record.Type]string // without partition
	rec      record.Record
	packets  []byte
	subject  []byte
	id       []byte
}

// NewEncoder makes an Encoder of what makes the packets, and of first, which says how many octets
// the first of several packets has.
func NewEncoder(frames Frames, first func(b []byte) int, names Names) *Encoder {
	e := &Encoder{frames: frames, first: first, names: names, prefix: names.Prefix + "." + Token(names.Node) + ".", subjects: map[record.Type]string{}}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00", names.AgentID, names.Node)
	e.who = string(h.Sum(nil))
	e.rec.Links = make([]record.Link, 0, record.MaxLinks)
	return e
}

// Encode appends the messages of a record, one for each packet.
func (e *Encoder) Encode(dst, rec []byte) ([]byte, error) {
	var err error
	if e.packets, err = e.frames.Encode(e.packets[:0], rec); err != nil {
		return dst, err
	}
	if err := record.Parse(rec, &e.rec); err != nil {
		return dst, err
	}
	e.name()
	most := len(e.id)
	for part, rest := 0, e.packets; len(rest) > 0; part++ {
		n := e.first(rest)
		if n <= 0 || n > len(rest) {
			return dst, errMessage
		}
		e.id = e.id[:most]
		if part > 0 {
			e.id = strconv.AppendInt(append(e.id, '.'), int64(part), 10)
		}
		dst = e.append(dst, rest[:n])
		rest = rest[n:]
	}
	return dst, nil
}

func (e *Encoder) append(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, e.rec.Seq)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.subject)))
	dst = append(dst, byte(len(e.id)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, e.subject...)
	dst = append(dst, e.id...)
	return append(dst, payload...)
}

// name makes subject and id of the record.
func (e *Encoder) name() {
	r := &e.rec
	base, ok := e.subjects[r.Type]
	if !ok {
		base = e.prefix + Token(r.Type.String())
		e.subjects[r.Type] = base
	}
	e.subject = append(e.subject[:0], base...)
	if e.names.Partitions > 1 {
		e.subject = strconv.AppendUint(append(e.subject, '.'), e.names.Calls.partition(r, e.names.Partitions), 10)
	}
	e.appendID(r)
}

// appendID makes a record's own id. It is made of what the record says of itself once it is in
// the log, so that it is the same when it is sent again by another run. The number alone
// would not do: another spool begins to count anew within the same boot, and probes on one host
// share the kernel's id of it. No two records of a boot have the same time of its monotonic clock
// and the same number.
func (e *Encoder) appendID(r *record.Record) {
	if e.origin == "" || e.boot != r.BootID {
		h := fnv.New64a()
		h.Write([]byte(e.who))
		h.Write(r.BootID[:])
		e.boot, e.origin = r.BootID, fmt.Sprintf("%016x-", h.Sum64())
	}
	b := strconv.AppendUint(append(e.id[:0], e.origin...), r.Seq, 16)
	e.id = strconv.AppendUint(append(b, '-'), uint64(r.Mono), 16)
}

const hexDigits = "0123456789ABCDEF"

// Token makes one token of a subject of any text. What a token cannot have, and what could be taken
// for something else, becomes % and two hexadecimal digits: no two texts make the same.
func Token(s string) string {
	if s == "" {
		return "%"
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
