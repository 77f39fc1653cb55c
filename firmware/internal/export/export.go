package export

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/hep"
)

// Secret is a text that is never printed.
type Secret string

const redacted = "redacted"

// String hides the secret from fmt.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every other verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Options are what a collector's frames carry besides the record.
type Options struct {
	Node    string // capture agent's name, chunk 0x13; empty sends none
	AgentID uint32 // chunk 0x0c
	AuthKey Secret // chunk 0x0e; empty sends none
	// MaxFrame is the most octets a frame may have; 0 is hep.MaxFrame. SIP is
	// cut to it, and flagged. Anything else is refused: half a JSON object is of no
	// use to anybody.
	MaxFrame int
	Cut      *atomic.Uint64 // counts what was cut; nil for none

	// Inferred lets profile homer7 file a record under the call of an inferred
	// link; seen and flow links always do. It means nothing to opensips, whose
	// chunk 0x65 has them anyway.
	Inferred bool
	Numbers  Numbers // NumbersSeen when empty
	// MaxAge is how old a record may be when it is sent, 0 for any age. Now is the clock that tells, time.Now when nil.
	MaxAge time.Duration
	Now    func() time.Time
	// Sequence numbers every frame with its record's place in the log, in a chunk of our own.
	Sequence bool
	// Clock says what is known of the clock, in a chunk of our own in every frame that is not
	// another agent's; nil sends none.
	Clock func() hep.Clock
	// Wall puts right when a record was made, in ns since 1970; nil: it is as the
	// record says.
	Wall func(record.Stamp) int64
}

// maxNode is how long a node name may be. It goes into every frame.
const maxNode = 255

// Errors of New.
var (
	ErrProfile = errors.New("no such profile")
	ErrNode    = errors.New("node name")
	ErrAuthKey = errors.New("authentication key")
)

// ErrOld is what Encode returns for a record older than Options.MaxAge.
var ErrOld = errors.New("older than the server keeps")

// Profiles returns the names that New takes.
func Profiles() []string { return []string{opensips, homer7} }

const (
	opensips = "opensips"
	homer7   = "homer7"
)

// Profile encodes records for one collector. It is not for concurrent use:
// each lane has its own.
type Profile struct {
	node []byte
	auth []byte
	id   uint32
	max  int
	cut  *atomic.Uint64
	rec  record.Record
	text []byte // cleaned payload
	json []byte // extra correlation

	numbered bool
	clock    func() hep.Clock
	part     uint8 // of the record's next frame

	homer7   bool
	numbers  Numbers
	sip      sip.View
	inferred bool
	maxAge   int64 // ns
	now      func() time.Time
	wall     func(record.Stamp) int64
	scan     members
	calls    []call
	cid      []byte // chunk 0x11
	name     []byte // another agent's
	log      []byte // payload of a log record
}

// New returns the profile of that name. The error is ErrProfile, or ErrNode:
// heplify-server writes the node name into JSON unescaped, so quotes,
// backslashes and what is not printable ASCII would break its records. homer7
// says the same of the authentication key: ErrAuthKey.
func New(name string, o Options) (*Profile, error) {
	if name != opensips && name != homer7 {
		return nil, fmt.Errorf("profile %.32q: %w", name, ErrProfile)
	}
	if len(o.Node) > maxNode {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrNode, maxNode)
	}
	if !plain(o.Node) {
		return nil, fmt.Errorf("%w %q: only printable ASCII without quotes and backslashes", ErrNode, o.Node)
	}
	if name == homer7 && !plain(string(o.AuthKey)) {
		return nil, fmt.Errorf("%w: profile homer7 takes only printable ASCII without quotes and backslashes", ErrAuthKey)
	}
	p := &Profile{node: []byte(o.Node), auth: []byte(o.AuthKey), id: o.AgentID, max: o.MaxFrame, cut: o.Cut,
		numbered: o.Sequence, clock: o.Clock, homer7: name == homer7, inferred: o.Inferred, numbers: o.Numbers, maxAge: int64(o.MaxAge), now: o.Now, wall: o.Wall}
	if p.now == nil {
		p.now = time.Now
	}
	if p.max <= 0 || p.max > hep.MaxFrame {
		p.max = hep.MaxFrame
	}
	if p.wall == nil {
		p.wall = func(s record.Stamp) int64 { return s.Wall }
	}
	p.rec.Links = make([]record.Link, 0, record.MaxLinks)
	p.calls = make([]call, 0, record.MaxLinks+1)
	return p, nil
}

// plain reports whether s can stand in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if !isPlain(s[i]) {
			return false
		}
	}
	return true
}

func isPlain(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }

// MaxFrames is how many frames Encode makes of one record at most: one for its
// primary id, one for each link.
const MaxFrames = 1 + record.MaxLinks

// First returns how many octets the first of the frames has that Encode has
// appended. b holds at least one.
func First(b []byte) int { return int(binary.BigEndian.Uint16(b[4:])) }

// Encode appends the frame of the neutral record rec to dst; homer7 appends one
// for each call that the record belongs to, back to back. It keeps nothing of
// rec and allocates nothing when dst has room. On an error dst is unchanged:
// hep.ErrTooLarge when the frame would exceed MaxFrame and cannot be cut,
// record.ErrCorrupt when rec is no whole record, ErrOld when it is too old.
func (p *Profile) Encode(dst, rec []byte) ([]byte, error) {
	r := &p.rec
	if err := record.Parse(rec, r); err != nil {
		return dst, err
	}
	r.Wall = p.wall(r.Stamp())
	if p.old(r.Wall) {
		return dst, ErrOld
	}
	h := hep.Packet{
		Src:         r.Flow.Src,
		Dst:         r.Flow.Dst,
		Wall:        r.Wall,
		AgentID:     p.id,
		Proto:       p.number(r),
		Type:        uint8(r.Type),
		TOS:         r.TOS,
		HasVLAN:     r.HasVLAN,
		VLAN:        r.VLAN,
		MOS:         r.MOS,
		R:           r.R,
		Flags:       flags(r.Flags),
		AuthKey:     p.auth,
		Correlation: r.Primary,
		Node:        p.node,
		Payload:     r.Payload,
	}
	if r.Flags&record.FlagRelayed != 0 {
		h.AgentID, h.Node, h.Others = r.AgentID, r.Node, r.Chunks
	} else if r.Type != record.SIP {
		h.Payload = p.clean(r.Payload)
	}
	if p.clock != nil && r.Flags&record.FlagRelayed == 0 {
		h.Clock = p.clock()
	}
	if len(r.Links) > 0 {
		p.json = appendExtra(p.json[:0], r.Links)
		h.Extra = p.json
	}
	if p.part = 0; p.numbered {
		h.Sequence = hep.Sequence{Origin: binary.BigEndian.Uint64(r.BootID[:]), Number: r.Seq}
	}
	if p.homer7 {
		return p.appendHomer7(dst, &h)
	}
	h.Payload = p.withDoubt(h.Payload)
	return p.appendFrame(dst, &h)
}

// withDoubt returns the payload, an object, with how sure its link to a call is if that was inferred: chunk 0x65
// has no place for it. The record of a link says so itself, and has the reasons.
func (p *Profile) withDoubt(payload []byte) []byte {
	r := &p.rec
	for i := range r.Links {
		l := &r.Links[i]
		if l.Type != record.SIP || l.How != record.Inferred || r.Type == record.Control || r.Type == record.SIP {
			continue
		}
		if equal, _ := best(r.Links, i); equal == 0 || !object(payload, &p.scan) || p.scan.has("link") {
			return payload
		}
		payload = bytes.TrimRight(payload, " \t\r\n")
		p.log = append(p.log[:0], payload[:len(payload)-1]...)
		if p.scan.any {
			p.log = append(p.log, ',')
		}
		p.log = append(p.log, `"link":"inferred","link_score":`...)
		p.log = append(strconv.AppendUint(p.log, uint64(l.Score), 10), '}')
		return p.log
	}
	return payload
}

// Old reports whether rec, a neutral record, is older than Options.MaxAge, so
// that Encode would not take it. It does not check rec otherwise.
func (p *Profile) Old(rec []byte) bool { return p.old(p.wall(record.StampOf(rec))) }

func (p *Profile) old(wall int64) bool {
	return p.maxAge > 0 && p.now().UnixNano()-wall > p.maxAge
}

// fits reports whether the collector takes h as it is, without the chunks that nobody
// here reads if need be.
func (p *Profile) fits(h *hep.Packet) bool {
	if len(h.Others) > 0 && h.Size() > uint64(p.max) {
		h.Others = nil
		p.count()
	}
	return h.Size() <= uint64(p.max)
}

// count counts something that was cut.
func (p *Profile) count() {
	if p.cut != nil {
		p.cut.Add(1)
	}
}

// appendFrame appends h, numbered, cut to what the collector takes when it is SIP.
func (p *Profile) appendFrame(dst []byte, h *hep.Packet) ([]byte, error) {
	h.Sequence.Part = p.part
	p.part++
	if !p.fits(h) && (h.Type != uint8(record.SIP) || !p.shorten(h)) {
		return dst, fmt.Errorf("%w: %d octets, the collector takes %d", hep.ErrTooLarge, h.Size(), p.max)
	}
	return h.AppendBinary(dst)
}

// leastSIP is what must be left of a SIP message that is cut, for its start
// line to say anything.
const leastSIP = 64

// shorten cuts h's payload to what the collector takes, and reports whether
// that leaves enough of it.
func (p *Profile) shorten(h *hep.Packet) bool {
	h.Flags |= hep.FlagCut
	over := h.Size() - uint64(p.max)
	if over > uint64(len(h.Payload)) || uint64(len(h.Payload))-over < leastSIP {
		return false
	}
	h.Payload = h.Payload[:uint64(len(h.Payload))-over]
	p.count()
	return true
}

// flags says in HEP what a record's flags say.
func flags(f uint16) (h uint16) {
	for _, pair := range [...][2]uint16{{record.FlagGap, hep.FlagGap}, {record.FlagCut, hep.FlagCut}, {record.FlagDuplicate, hep.FlagDuplicate},
		{record.FlagRelayed, hep.FlagRelayed}} {
		if f&pair[0] != 0 {
			h |= pair[1]
		}
	}
	return h
}
