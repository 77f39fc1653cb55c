package links

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// WatchWays calls fn when a way out may have come back, until ctx is done; then it
// returns nil: when an interface that skip does not name gets its carrier, and when an address or a
// route comes. what says which, in a word or two. Like Watch it must be called in the network
// namespace in which Open was called. Events that come together may be one.
func (l *Links) WatchWays(ctx context.Context, skip func(name string) bool, fn func(what string)) error {
	hints, err := subscribe(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
	if err != nil {
		return fmt.Errorf("watch the ways out: %w", err)
	}
	defer hints.Close()
	stop := context.AfterFunc(ctx, func() { _ = hints.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	known, err := l.compare(nil, func(hal.LinkEvent) {})
	buf := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = hints.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, unix.ENOBUFS) { // some were lost
			fn("a change")
			err = nil
			continue
		}
		if err != nil {
			break
		}
		what, link := wayIn(buf[:n])
		if link {
			known, err = l.compare(known, func(e hal.LinkEvent) {
				if !e.Before.Carrier && e.After.Carrier && !skip(e.After.Name) {
					what = "carrier of " + e.After.Name
				}
			})
		}
		if what != "" {
			fn(what)
		}
	}
	return fmt.Errorf("watch the ways out: %w", err)
}

// wayIn looks for an address or a route that came among the messages in b (rtnetlink(7)), and
// says whether any is about a link. The kernel's own routes to its own addresses are
// none: each address has some.
func wayIn(b []byte) (what string, link bool) {
	const (
		header  = unix.SizeofNlMsghdr
		tableAt = header + 4 // of struct rtmsg
		typeAt  = header + 7
	)
	for len(b) >= header {
		n := int(binary.NativeEndian.Uint32(b))
		if n < header || n > len(b) {
			return what, link
		}
		switch kind := binary.NativeEndian.Uint16(b[4:]); {
		case kind == unix.RTM_NEWLINK:
			link = true
		case kind == unix.RTM_NEWADDR:
			what = "an address"
		case kind == unix.RTM_NEWROUTE && n > typeAt && b[tableAt] != unix.RT_TABLE_LOCAL && b[typeAt] == unix.RTN_UNICAST:
			what = "a route"
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return what, link
}
