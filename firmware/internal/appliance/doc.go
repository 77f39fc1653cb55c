// Package appliance is what only PID 1 does, on a box that runs nothing but
// heptap: it starts everything that the probe needs, keeps the probe going, and
// ends it in order.
//
// Boot, step by step; nothing but an unusable kernel ends it:
//
//	file systems   /proc, /sys, /dev, /run, /tmp, pstore
//	watchdog       its modules, then the device, before anything that may get stuck.
//	               From here on somebody must vouch for the box: see vigil
//	modules        a fixed list, in a fixed order (board/image/modules.txt)
//	clock          from the hardware clock, if there is one; not before the build, nor, once
//	               there is data, before the time kept there
//	data           found by its partition's name; the table grown to the end of the
//	               disk; checked and repaired, or made anew from a template, which is said
//	               loudly; mounted, grown. Without any disk: memory, and said so
//	panics         what a kernel that died has left in pstore is kept there
//	last end       why the box was started, as far as that was written down; see lookBack
//	configuration  that of the data partition, or a new one that a technician has
//	               put as heptap.conf onto the system partition
//	system         which of the box's systems this is; one that an update has brought is on
//	               trial: see trial.go
//	randomness     the kernel is made to gather it; a quiet ARM machine has none for long
//	links          named by where they are; the uplink set up, by DHCP or as
//	               configured. Nothing else is touched: a port that is down sends nothing
//	console        at the serial ports, see shells
//	probe          "heptap run" as a child; see supervisor. Without anything to capture it
//	               has only the console
//
// # Links
//
// PID 1 sets up the loopback and the uplink. Mirror ports are the child's, which
// makes them listen and say nothing (hal.Links). A configuration whose uplink is one
// of its mirror ports is refused.
//
// A probe that begins with a configuration, at the start or by a commit, asks PID 1 to
// have its host name and uplink hold, and waits for that (see Parent, uplink): what was the
// uplink may be a mirror port now. Of IPv6 the kernel takes addresses and routes from
// routers; name servers, and that there is DHCPv6, PID 1 reads from the same messages.
//
// # Privileges
//
// The probe is confined before it runs: see Confine. What needs more it asks for (Parent).
//
// # A box that is stuck
//
// When nobody vouches for the box any more, the cause is written down, each goroutine
// of the probe says what it does, and after ten seconds the watchdog resets the box. A
// pipeline that gives no sign of life, one a second, for 30 s is such a case. Without a
// watchdog PID 1 restarts the box, as long as it can.
//
// # The end
//
// The power key, a safe shutdown by the box's button, SIGTERM or
// Ctrl-Alt-Del end the probe first, which syncs the spool; what does not end in
// time is killed. Then the file systems are synced and unmounted.
package appliance
