package probe

import (
	"fmt"
	"sync/atomic"

	"heptap/capture"
)

// maxUnread is how many kinds of what decode does not read are told apart, by
// ethertype or protocol number. The first ones that come have a place.
const maxUnread = 32

// unread counts what decode does not read, by name. The worker adds; any
// goroutine may read.
type unread struct {
	kinds [maxUnread]struct {
		what   atomic.Uint32 // 1 + reason << 16 + number; 0 for a free place
		frames atomic.Uint64
	}
	rest atomic.Uint64 // that found no place
}

// isUnread says whether frames dropped for the reason are of something that we
// do not read, rather than damaged or of no interest.
func isUnread(r capture.DropReason) bool {
	switch r {
	case capture.DropLinkType, capture.DropVLANDepth, capture.DropMPLS, capture.DropPPPoE, capture.DropPPP, capture.DropMACsec, capture.DropEtherType,
		capture.DropESP, capture.DropTunnel, capture.DropTunnelDepth, capture.DropIPProtocol:
		return true
	}
	return false
}

// add counts a frame that was dropped for what is in it.
func (u *unread) add(r capture.DropReason, number uint16) {
	what := 1 + uint32(r)<<16 + uint32(number)
	for i := range u.kinds {
		k := &u.kinds[i]
		have := k.what.Load()
		if have == 0 {
			k.what.Store(what)
			have = what
		}
		if have == what {
			k.frames.Add(1)
			return
		}
	}
	u.rest.Add(1)
}

// Unread is how many frames held something that decode does not read.
type Unread struct {
	Name   string // such as "ethertype 0x88e5"
	Frames uint64
}

func (u *unread) list() (l []Unread) {
	for i := range u.kinds {
		k := &u.kinds[i]
		what := k.what.Load()
		if what == 0 {
			break
		}
		what--
		l = append(l, Unread{unreadName(capture.DropReason(what>>16), uint16(what)), k.frames.Load()})
	}
	if n := u.rest.Load(); n > 0 {
		l = append(l, Unread{fmt.Sprintf("more than %d others", maxUnread), n})
	}
	return l
}

// unreadName says what a frame held that was dropped for the reason: "ethertype
// 0x88cc (lldp)", "ip protocol 89 (ospf)".
func unreadName(r capture.DropReason, number uint16) string {
	name := r.String()
	switch {
	case r == capture.DropIPProtocol || r == capture.DropTunnel && number <= 0xff || r == capture.DropLinkType:
		name = fmt.Sprintf("%s %d", name, number)
	case r == capture.DropEtherType || r == capture.DropTunnel || r == capture.DropPPP:
		name = fmt.Sprintf("%s 0x%04x", name, number)
	}
	if known := r.Unknown(number); known != "" {
		name += " (" + known + ")"
	}
	return name
}
