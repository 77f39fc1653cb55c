// Package links is hal.Links on Linux: rtnetlink(7) for interfaces, addresses
// and routes, ethtool ioctls for offloads and speed, /proc/sys for IPv6.
//
// Everything happens in the network namespace in which Open was called, from
// whichever thread a method is called later: the netlink handle, the ioctl
// socket and the directory /proc/sys/net/ipv6/conf are opened there and kept.
// Only Watch makes a socket of its own, and is called in that namespace.
//
// # A mirror port
//
// What MirrorUp does, in this order, and RestoreMirror undoes in the reverse:
//
//	offloads   GRO, LRO and their hardware forms off, as far as the driver
//	           lets them be changed. They merge frames into ones that were
//	           never on the wire
//	IPv6       addr_gen_mode 1 (no link-local address), accept_ra 0,
//	           autoconf 0, disable_ipv6 1: the port must not answer, ask or
//	           advertise
//	addresses  removed, of both families
//	ARP        off (IFF_NOARP)
//	up
//	timestamps by the card, of all frames, if they are wished for and can be had
//
// The kernel removes an interface's routes together with its addresses, and
// they do not come back with RestoreMirror: it gives back addresses, not
// routes other than those which follow from them.
package links
