// Package ng reads what SIP proxies tell media proxies: rtpengine's NG protocol
// and, before it, rtpproxy's commands. Both name the Call-ID, tags and media of
// calls whose SIP may be encrypted. Views are sub-slices of the message: valid
// while that is, read-only. Only AppendJSON may allocate, to grow its result.
//
//	cookie SP dictionary          both directions, over UDP, TCP, WebSocket and HTTP
//
//	cookie                        1 to 128 printable octets, the same in the reply
//	dictionary                    bencode: d (string value)... e
//	  string                      length in decimal, ":", octets
//	  integer                     i, decimal, e
//	  list                        l value... e
//
// A request has the key "command", a reply "result" ("ok", "pong", "error" and
// others). Keys come in any order (rtpengine, docs/ng_control_protocol.md). The
// form with JSON in place of bencode is not read: no SIP proxy sends it.
//
// # Limits
//
// A message has at most MaxMessage octets and its values are nested at most
// maxDepth deep; more is no NG. A message that the capture cut is read as far
// as its entries are whole, if that tells what it is.
//
// On TCP a message ends where its dictionary does, and the next one follows,
// perhaps after line ends: Next says where, or a Framer when octets come one by one. In a WebSocket message or an HTTP
// body there is one, as in a datagram.
//
// # rtpproxy
//
//	cookie SP command SP Call-ID SP ...    a request over UDP; without cookie over TCP
//	cookie SP answer                       its reply: a port and address, 0, 1 or En
//
//	U[opts] Call-ID address port from-tag [to-tag ...]      create or update
//	L[opts] Call-ID address port from-tag [to-tag]          look up
//	D[w] R[s] S N[a] Q[v] Call-ID from-tag [to-tag ...]     delete, record, stop playing, stop recording, query
//	P[n] Call-ID name codecs from-tag [to-tag]              play
//	C Call-ID destination from-tag [to-tag]                 copy
//	V | VF date | I[b] | X | G[v] [name...]                 version, feature, information, delete all, statistics
//
// These are rtpproxy's commands with the number of words it insists on. A
// reply is told by its request's cookie, not by itself.
package ng
