// Package lab builds a small telephone network out of network namespaces, to
// plug the probe into:
//
//	phone "a" --- relay --- port a |        | port b --- relay --- phone "b"
//	                               | switch |
//	                               |        | mirror
//	                                  span0 (no address)
//	                                    |
//	                                  probe --- uplink (can be pulled) --- collector
//
// The mirror copies what comes in at chosen switch ports, so that every frame
// is seen once; a TAP sits on the link of one port and gives each direction to
// an interface of its own. Relays put seeded loss, duplication, reordering and
// jitter on the media and count exactly what they did (package relay). Traffic
// comes from sipp (package sipp) or from a generator that knows what it sent
// (package traffic).
//
// Namespaces are named htl-PID-START-N-NAME, where START is when the process
// PID began (proc(5), field 22 of stat), so that Sweep can tell those of a
// dead process from those of a living one, even when the number is in use
// again. Close undoes everything: it ends the processes that were started in
// the lab by their numbers and removes namespaces and files.
//
// The lab needs root, a Linux kernel with veth, bridge, clsact, u32 and
// mirred, and the commands ip, tc and ethtool.
package lab
