package links

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// Watch implements hal.Links. It must be called in the network namespace in
// which Open was called. The kernel's messages are only a hint to look again:
// what has changed is found by comparing lists, so a message lost to a full
// socket buffer loses nothing.
func (l *Links) Watch(ctx context.Context, fn func(hal.LinkEvent)) error {
	hints, err := subscribe(unix.RTMGRP_LINK)
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	defer hints.Close()
	stop := context.AfterFunc(ctx, func() { _ = hints.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	known := map[string]hal.LinkState{}
	buf := make([]byte, 64<<10)
	for {
		if known, err = l.compare(known, fn); err != nil {
			return fmt.Errorf("watch links: %w", err)
		}
		_, err := hints.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("watch links: %w", err)
		}
	}
}

// subscribe returns a socket that becomes readable when something of the groups changes.
func subscribe(groups uint32) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// compare tells fn what is different from known, and returns what is.
func (l *Links) compare(known map[string]hal.LinkState, fn func(hal.LinkEvent)) (map[string]hal.LinkState, error) {
	list, err := l.List()
	if err != nil {
		return nil, err
	}
	now := make(map[string]hal.LinkState, len(list))
	for _, s := range list {
		now[s.Name] = s
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if _, ok := now[name]; !ok {
			fn(hal.LinkEvent{Before: known[name], After: hal.LinkState{Name: name}})
		}
	}
	for _, s := range list {
		old, ok := known[s.Name]
		if !ok {
			old = hal.LinkState{Name: s.Name}
		}
		if old != s {
			fn(hal.LinkEvent{Before: old, After: s})
		}
	}
	return now, nil
}
