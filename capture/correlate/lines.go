package correlate

import (
	"hash/maphash"
	"time"

	"heptap/capture/sip"
)

// A host that registers with others is a phone, or an exchange with lines at a
// provider. What an exchange does and a phone, an adapter or a gateway for many
// phones does not:
//
//   - it says so in the User-Agent of its REGISTER;
//   - it calls, or is called by a registrar, as several users that it has not registered:
//     the numbers of its extensions, and of callers whose calls it passes on. A registrar
//     calls a phone by the user of its Contact (RFC 3261 16.5), which the phone chose;
//   - it registers more users than an adapter has sockets.
//
// The last two count only where all Contacts are of one address and port: many phones
// behind one NAT look like one host, but not like one Contact.

const (
	maxUsers    = 48 // the largest adapters have as many sockets for phones
	maxContacts = 16
	manyUsers   = 4 // that it has not registered: one may be "anonymous", another a number that it shows for a group
	maxStrange  = 8
	// apart is for how long Contacts of several places count. Registrations are
	// refreshed more often.
	apart = int64(time.Hour)
)

// lines are what is known of a host's registrations. Users are hashes.
type lines struct {
	users    []uint32 // that it registered, at most maxUsers
	contacts [maxContacts]uint32
	strange  [maxStrange]uint32 // as whom it called or was called besides
	nContact uint32             // ever; the newest are in contacts
	nStrange uint8
	more     bool  // users than there is room for
	named    bool  // it calls itself an exchange
	moved    int64 // mono plus one of the last Contact of another place than the one before, 0 for none
	place    uint64
}

// lineBytes is what lines take besides the struct.
const lineBytes = maxUsers * 4

func (l *lines) exchange(now int64) bool {
	if l.named {
		return true
	}
	return (l.more || l.nStrange >= manyUsers) && (l.moved == 0 || now-l.moved > apart)
}

// showsLines takes in what a host that registers says in the message in c.sip, which
// is its own.
func (c *Correlator) showsLines(h *host) {
	v := &c.sip
	registers := v.IsRequest && string(v.Method) == "REGISTER"
	if h.lines == nil {
		if !registers {
			return // before its first, when it was taken up
		}
		h.lines = c.hosts.newLines()
	}
	l := h.lines
	switch {
	case l.named:
	case registers:
		l.named = isExchange(v.UserAgent)
		c.takeRegister(l)
	case v.IsRequest && string(v.Method) == "INVITE" && len(v.ToTag()) == 0:
		c.strange(l, v.FromUser())
	}
}

// newLines returns lines of nobody yet.
func (h *hosts) newLines() *lines {
	l := h.spare
	if h.spare = nil; l == nil {
		return new(lines)
	}
	*l = lines{users: l.users[:0]}
	return l
}

// calledAs takes in that a registrar sends the request in c.sip to a host that
// registers.
func (c *Correlator) calledAs(h *host) {
	v := &c.sip
	var u sip.URI
	if v.IsRequest && !h.lines.named && string(v.Method) == "INVITE" && len(v.ToTag()) == 0 && u.Parse(v.RequestURI) {
		c.strange(h.lines, u.User)
	}
}

// takeRegister takes in a REGISTER.
func (c *Correlator) takeRegister(l *lines) {
	v := &c.sip
	user := c.user(v.ToUser())
	switch {
	case user == 0 || has(l.users, user):
	case len(l.users) < maxUsers:
		l.users = append(l.users, user)
		l.known(user)
	default:
		l.more = true
	}
	var u sip.URI
	if !u.Parse(v.ContactURI()) {
		return // it asks, or takes all back
	}
	if user = c.user(u.User); user != 0 && !has(l.users, user) && !has(l.contacts[:], user) {
		l.contacts[l.nContact%maxContacts] = user
		l.nContact++
		l.known(user)
	}
	if at := maphash.Bytes(c.seed, u.Host) ^ maphash.Bytes(c.seed, u.Port)<<1; at != l.place {
		if l.place != 0 {
			l.moved = max(c.now+1, 1)
		}
		l.place = at
	}
}

// strange takes in that somebody calls, or is called, as user.
func (c *Correlator) strange(l *lines, user []byte) {
	h := c.user(user)
	if h == 0 || l.nStrange == maxStrange || has(l.users, h) || has(l.contacts[:], h) || has(l.strange[:], h) {
		return
	}
	l.strange[l.nStrange] = h
	l.nStrange++
}

// known takes back that a user is strange: it was called before its registration was
// seen.
func (l *lines) known(user uint32) {
	for i, have := range l.strange[:l.nStrange] {
		if have == user {
			l.nStrange--
			l.strange[i], l.strange[l.nStrange] = l.strange[l.nStrange], 0
			return
		}
	}
}

// user returns the hash of a user part, 0 for none.
func (c *Correlator) user(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	return uint32(maphash.Bytes(c.seed, b)) | 1
}

func has(list []uint32, user uint32) bool {
	for _, have := range list {
		if have == user {
			return true
		}
	}
	return false
}

// isExchange says whether a product calls itself an exchange or a SIP server.
func isExchange(product []byte) bool {
	for i := range product {
		for _, word := range [...]string{"pbx", "asterisk", "freeswitch", "kamailio", "opensips", "3cxphonesystem"} {
			if foldedPrefix(product[i:], word) {
				return true
			}
		}
	}
	return false
}

// foldedPrefix says whether b begins with word, which is in lower case, in any case.
func foldedPrefix(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		if c := b[i]; c != word[i] && (c|0x20 != word[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
