// Package collect is the embedded collector: a HEP server over UDP, TCP and TLS that
// writes what it receives to a file of HEP frames, to JSON lines, or both. It is
// what a site without a central server starts with, and behind
// "heptap collect". Decode turns such a file into the same lines ("heptap
// decode").
//
// # The file
//
// HEP3 frames back to back, nothing else, appended only. One frame is one write.
// When a write is cut short (a full disk) the partial frame is taken away again
// where the file allows it, and the collector stops with an error either way: the
// sender's connection is reset, so that it keeps what it has. OpenFile cuts off
// a frame that a crash left half-written, and says so.
//
// # A source
//
// Packets may come from a Source, a stream, beside the sockets or instead of them. They are acknowledged to it when they
// have been written, and flushed to the disk if the writers are files.
//
// # Duplicates and gaps
//
// By the numbers of a probe that sends them Sequences counts the records that came more than
// once, and those that are missing between others. Missing are also those that the probe filtered, shed from its
// spool or has not sent yet; those it shed before they had a number are not.
//
// # The lines
//
// One JSON object a line, with these keys in this order:
//
//	type         number, HEP chunk 0x0b
//	type_name    its name (hep.TypeName)
//	time         RFC 3339, UTC, with microseconds
//	proto        number, IP protocol: 6 TCP, 17 UDP, 132 SCTP; 22 TLS and 50 WebSocket from some senders
//	src, dst     "ip:port", IPv6 in brackets; "" when the frame has no address
//	vlan         number; absent when the frame has no VLAN chunk
//	agent        number, the capture agent's id
//	node         the capture agent's name, or ""
//	primary      the primary correlation id, or ""
//	extra        chunk 0x65 when it is a JSON object; absent when there is no such chunk
//	extra_raw    instead of extra, a string, when it is not
//	flags        heptap's own: "gap" (octets of the stream before it were never captured),
//	             "cut" (the payload is cut short), "duplicate" (a mirrored copy), "relayed" (another
//	             agent saw it); absent without any
//	clock        heptap's own with collector NAME clock on: "right", "was right" or "never compared", and how far off it was
//	clock_off_us found last, in microseconds
//	sequence     "origin-run-number.part", heptap's own with collector NAME sequence on: which record of which
//	             probe the frame is of. A record has the same in every copy; within a run numbers go up by one
//	chunks       strings "vendor:type:value" in hexadecimal, of what has no key here; absent without any
//	payload      a string when the payload is UTF-8
//	payload_b64  instead of payload, base64, when it is not
//
// Octets that are not UTF-8 in node, primary and extra_raw become U+FFFD. A
// compressed payload (chunk 0x10; gzip, zlib or deflate) is inflated, up to
// 1 MiB; what cannot be inflated comes as payload_b64 as it was. The
// authentication key is never written to the lines; the file holds frames as
// they came.
package collect
