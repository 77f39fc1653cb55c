package ng

import "errors"

// MaxMessage is the most octets of one message.
const MaxMessage = 64 << 10

// Errors of View.Parse.
var (
	ErrCookie     = errors.New("ng: no cookie and dictionary")
	ErrDictionary = errors.New("ng: not bencode")
	ErrNoCommand  = errors.New("ng: neither command nor result")
)

// View is one NG message taken apart. Strings are raw: nothing says that they
// are text, and SDP may hold keys, which only AppendJSON masks.
type View struct {
	Cookie      []byte
	Command     []byte // of a request: offer, answer, delete, query, ping, ...
	Result      []byte // of a reply: ok, pong, error, ...
	ErrorReason []byte
	Warning     []byte

	CallID    []byte
	FromTag   []byte
	ToTag     []byte
	ViaBranch []byte
	SDP       []byte // of an offer or answer, and of the reply to one
	ICE       []byte // remove, force, ...
	Label     []byte // the name the proxy gives the party
	Tags      []byte // of the reply to a query: a dictionary by tag, in bencode

	Dictionary []byte // the whole of it, in bencode
	Length     int    // octets of the message: what follows in the buffer is not part of it
	Cut        bool   // the dictionary ends early

	flags []byte // bencode: a list, or one string
}

// maxCookie is the most octets of a cookie; proxies use about 20.
const maxCookie = 128

// cookie returns the length of the cookie that b begins with, if a space comes
// after it.
func cookie(b []byte) (n int, v Verdict) {
	for n < len(b) && n <= maxCookie && b[n] > ' ' && b[n] < 0x7f {
		n++
	}
	switch {
	case n == len(b) && n <= maxCookie:
		return n, Maybe
	case n == 0 || n > maxCookie || b[n] != ' ':
		return 0, No
	}
	return n, Yes
}

// Is reports whether a datagram is an NG message. It is cheap on anything else:
// few protocols have a dictionary behind their first space.
func Is(b []byte) bool {
	n, v := cookie(b)
	if v != Yes || len(b) < n+3 || b[n+1] != 'd' || !isDigit(b[n+2]) {
		return false
	}
	var w View
	return w.Parse(b) == nil
}

// Parse fills v from the message that b begins with. What a capture cut off
// is missed and noted; else the dictionary has to be whole and right to its
// end. On an error v is empty. It does not allocate.
func (v *View) Parse(b []byte) error {
	*v = View{}
	b = b[:min(len(b), MaxMessage)]
	n, verdict := cookie(b)
	if verdict != Yes || n+1 >= len(b) || b[n+1] != 'd' {
		return ErrCookie
	}
	e := entries{b: b, at: n + 2}
	for {
		key, value, ok := e.next()
		if !ok {
			break
		}
		v.entry(key, value)
	}
	end := e.at
	if e.st != whole {
		end = len(b)
	}
	switch {
	case e.st == bad:
		*v = View{}
		return ErrDictionary
	case v.Command == nil && v.Result == nil:
		*v = View{}
		return ErrNoCommand
	}
	v.Cookie, v.Dictionary, v.Length, v.Cut = b[:n:n], b[n+1:end:end], end, e.st == short
	return nil
}

// entry takes in one entry of the dictionary; of the same key the first counts.
func (v *View) entry(key, value []byte) {
	var field *[]byte
	switch string(key) {
	case "command":
		field = &v.Command
	case "result":
		field = &v.Result
	case "error-reason":
		field = &v.ErrorReason
	case "warning":
		field = &v.Warning
	case "call-id":
		field = &v.CallID
	case "from-tag":
		field = &v.FromTag
	case "to-tag":
		field = &v.ToTag
	case "via-branch":
		field = &v.ViaBranch
	case "sdp":
		field = &v.SDP
	case "ICE":
		field = &v.ICE
	case "label", "from-label":
		field = &v.Label
	case "flags":
		if v.flags == nil {
			v.flags = value
		}
		return
	case "tags":
		if v.Tags == nil && value[0] == 'd' {
			v.Tags = value
		}
		return
	default:
		return
	}
	if s, _, st := str(value, 0); *field == nil && st == whole && isDigit(value[0]) {
		*field = s
	}
}

// Strings calls yield for the entries of the dictionary whose value is a string, in
// order, until yield returns false: at most MaxFlags.
func (v *View) Strings(yield func(key, value []byte) bool) {
	if len(v.Dictionary) == 0 {
		return
	}
	e := entries{b: v.Dictionary, at: 1}
	for range MaxFlags {
		key, value, ok := e.next()
		if !ok {
			return
		}
		if s, _, st := str(value, 0); st == whole && isDigit(value[0]) && !yield(key, s) {
			return
		}
	}
}

// MaxFlags is the most flags that Flags finds, and entries that Strings does.
const MaxFlags = 64

// Flags calls yield for the flags of a request (trust-address, symmetric, ...),
// in order, until yield returns false: at most MaxFlags.
func (v *View) Flags(yield func(flag []byte) bool) {
	if len(v.flags) == 0 {
		return
	}
	if v.flags[0] != 'l' {
		if s, _, st := str(v.flags, 0); st == whole {
			yield(s)
		}
		return
	}
	at := 1
	for range MaxFlags {
		if at >= len(v.flags) || v.flags[at] == 'e' {
			return
		}
		if isDigit(v.flags[at]) {
			s, next, st := str(v.flags, at)
			if st != whole || !yield(s) {
				return
			}
			at = next
			continue
		}
		next, st := skip(v.flags, at, 1)
		if st != whole {
			return
		}
		at = next
	}
}

// TagNames calls yield for each tag that the reply to a query knows, in order,
// until yield returns false: at most MaxFlags.
func (v *View) TagNames(yield func(tag []byte) bool) {
	if len(v.Tags) == 0 {
		return
	}
	e := entries{b: v.Tags, at: 1}
	for range MaxFlags {
		key, _, ok := e.next()
		if !ok || !yield(key) {
			return
		}
	}
}
