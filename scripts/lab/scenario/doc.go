// Package scenario plays one scene with real parts, and says what graph of calls
// and of what is beside them it must give.
//
//	callers (sipp, JsSIP, OpenSSL, phones of our own)      router (HTTP)
//	       |                                                    |
//	     switch ---------------- proxy (Kamailio) ------------- +
//	       |                                                    |
//	callees (sipp over UDP and TCP)               log (syslog), administrator
//
// Kamailio (Debian's) relays calls over UDP, TCP, TLS and WebSocket. It asks the
// router about each one: with the Call-ID in a header field, in the body, or with
// the number alone. util-linux's logger sends its log over the network. The
// administrator gives it commands by JSON-RPC over HTTP and UDP. A phone's
// connection is reset during its call; another one's is closed by Kamailio when it
// has been idle; a call goes to a port where nobody listens; and three clients refuse
// an expired certificate, under TLS 1.2 and 1.3.
//
// # Whose word is taken
//
// Expected is made of what the parts know: Kamailio's own log, the messages
// that the sipps wrote down, what the router was asked, what the administrator got
// back, the kernel's table of connections, and the ports of clients. Nothing of it
// comes from heptap. Live is what heptap's collector has at the end, in which HEP
// names ids but not how they were found; Replayed is what the same binary makes of
// the packets that tcpdump wrote at the mirror port, with how, and by following
// every id (replay -follow).
//
// Calls are named by what they are for, connections by who opened them, queries by
// their target and lines by their text, so that the graphs of any two runs are the
// same, and the picture in README.md is that of every run.
//
// # What no id says
//
// Expected.Unsaid has what is true although nothing on the wire names it: which call
// a query with a number was for, which one could not be connected, which one is
// inside a connection of TLS. Something of it must be inferred; which, the pace of the
// machine decides. What is inferred must be among it.
//
// A line of the log may come before the first SIP of its call in clear, when that
// came over TLS. It is linked only because it calls the id a Call-ID.
package scenario
