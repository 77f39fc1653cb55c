// Package ring is the capture.Source over a Linux AF_PACKET socket with a
// TPACKET_V3 receive ring: packet(7) and
// Documentation/networking/packet_mmap.rst in the kernel's sources. There is
// no cgo and no libpcap in it.
//
// # Blocks
//
// The kernel and the reader share one mapping, cut into blocks:
//
//	| block 0 | block 1 | ... | block n-1 |        each BlockBytes long
//
//	block   = tpacket_block_desc: version, offset, then tpacket_hdr_v1:
//	          status, number of frames, offset of the first, length, sequence
//	          number, times of the first and the last frame
//	frame   = tpacket3_hdr: offset of the next, seconds, nanoseconds, octets
//	          stored, octets on the wire, status, offset of the link header,
//	          offset of the network header, hash, VLAN TCI, VLAN TPID
//
// The status word says whose a block is: TP_STATUS_KERNEL or, with the bit
// TP_STATUS_USER, ours. It is only read and written atomically. The kernel
// closes a block when it is full or Retire after its first frame. Read hands
// out the frames of at most one block at a time, in place; the block goes
// back to the kernel at the Read after the one that handed out its last
// frame, and not before. Offsets are checked against the block: one that
// points out of it ends the block, and the frames that were still to come
// count as KernelDrops, so that Received - KernelDrops is always what Read
// delivers (once the ring is empty).
//
// # Time
//
// Frame.Wall is the kernel's timestamp. Frame.Mono is Wall plus the distance
// of CLOCK_MONOTONIC from CLOCK_REALTIME. That distance only changes when the
// wall clock is stepped (slewing moves both clocks alike); it is measured
// once per block, and a change of less than 50 us is taken for a measuring
// error. After a step the blocks that were filled before it still carry the
// old wall time, so each frame takes the old distance as long as that puts it
// between the frame before it and now, and the new one from then on. In any
// case Mono never decreases within a source and never exceeds the time at
// which the block was opened: whatever the wall clock does, Mono is wrong by
// at most the age of a block.
//
// With Config.HardwareTime the card stamps the frames where it can stamp all of them
// (SIOCSHWTSTAMP, PACKET_TIMESTAMP); a frame's status says which clock its time is of.
// The card's clock is none of the system's: once a second it is read between two readings
// of CLOCK_MONOTONIC, which gives Mono, by its rate in between; Wall is Mono by the
// distance above, so a step of the wall clock does no harm. Each time is held against
// what the kernel says by the system's clock: a frame is not from before its block was
// begun, nor from after the block was read. One that is more than 10 ms outside of that has
// the nearest time that can be, and is counted; after three blocks in succession with such
// frames, or when the card's clock cannot be read or stamps nothing, the ring goes back to the
// system's clock, says why (Timestamps), and tries again after a minute, then less often.
//
// # Waiting
//
// Waking a program costs more than the frames of a block. So a reader that
// finds the ring empty first sleeps for the time in which the kernel closes a
// block, less if the ring is small, and only then waits in poll(2) for a port
// that has fallen silent. A frame is handed out at most twice the retire time
// after it came. Reading the block, the first cache lines of the next frames
// are read ahead, see readAhead.
//
// # The interface goes away
//
// Read survives it: it returns 0 frames and no error at the poll interval
// until the interface is back, and delivers what is still in the ring.
//
//	up <-> no carrier        nothing to do: frames just stop coming
//	up <-> down              the kernel unhooks the socket and hooks it again
//	up  -> gone -> up        removed, renamed or moved to another namespace.
//	                         When the name exists again, the same socket is
//	                         bound to the new index: the ring and the filter
//	                         stay, no capability is needed. A member of a
//	                         fanout group cannot be bound again (EINVAL); there
//	                         the ring is drained, closed and opened anew,
//	                         which needs CAP_NET_RAW.
//
// Each return from down or gone counts as one Reopen. Attempts back off to
// one second.
//
// # Filter
//
// CompileFilter makes the classic BPF program that keeps the probe's own
// connections out of its own ring, and that evaluates a user's expression.
// The program is attached before the socket is bound to any protocol, so no
// frame ever gets past it. Members of a fanout group are bound with a program
// that drops everything, join, and then get theirs: for the few microseconds
// in between a frame may be missed, but none is delivered twice.
//
// CompileSampling passes a few of the frames that the expression hides, drawn by
// lot, so that it can be said what that is. Frame.Hidden marks them. They are known
// by their last octet, which the program cuts off: nothing else that a program says
// of a frame reaches the ring.
//
// # Fanout
//
// The kernel's own hash stops at the first tunnel, so a mirror session that
// arrives in ERSPAN or VXLAN is all on one ring. With Fanout.Inner a classic BPF
// program chooses: it goes through VLAN tags, MPLS, PPPoE, IP in IP, GRE, ERSPAN,
// VXLAN, Geneve, GTP-U and TZSP, two of those that carry IP at most, and mixes the
// addresses and ports of the innermost flow, and nothing else: a VTEP's source
// port differs by direction, and a flow that is mirrored in a tunnel and without
// one may as well meet itself on one ring. Ends are mixed alone and added, so
// directions are the same. Fragments are told by addresses alone, all of a
// datagram on one ring, but not on that of the flow's other packets; Defrag
// helps with those of IPv4 that are not in a tunnel. What has no IP in it, or is
// cut before its ports, is on the first ring. Rollover breaks all this when a ring
// is full.
package ring
