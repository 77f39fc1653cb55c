// Package beyond makes notes of what is beside signalling: lines of logs, what
// SIP servers tell their media proxies, what they ask of DNS, and management
// commands. The notes go to the correlator, which links them to calls and makes
// the records.
//
//	protocol  HEP type  primary id           records of
//	Syslog    100       the first call's     a line; of lines that name no call only when all are
//	                    Call-ID, log@HOST    wanted
//	NG        100       the Call-ID; member  a command about a call, and its reply
//	                    exchange: ng-TIME-N
//	DNS       53        dns-TIME-N           a question for SIP, and its reply
//	MI        87        mi-TIME-N            a management command, and its reply
//	ISUP      54        see ISUP             a message on a circuit, or in the body of SIP
//	HTTP      88        rest-TIME-N          a query of a SIP server, and its reply or why there
//	                                         is none; a management command is one of MI
//
// TIME is that of the request in microseconds and N counts requests, both in
// base 36: the ids of two exchanges are never alike, those of a request sent again
// and of all replies to it are.
//
// Datagrams come as messages (Message). What goes over connections of HTTP and of
// management protocols is shown as it comes (Follow): connections that a SIP server
// opened, since queries are its own, or that were opened to one, since commands are for
// it. Which hosts are SIP servers the correlator knows; a connection that was there
// before is followed from then on.
//
// One goroutine calls it. Requests wait for their replies in tables of fixed
// size, in which the oldest gives way; a reply that comes too late for that, or
// whose request was not seen, is a stray. A request in a datagram without a reply
// for 30 s has a record that says so, in the words of HTTP ("failed": "timeout", "waited_ms"),
// under the same id and linked as the reply would be; at the end of the capture ("no
// reply") all that wait have. Replies to management commands in datagrams are told 100 ms late,
// see talk. Nothing is allocated for a line of a
// log, a question or what rtpengine is told.
//
// # What is left out
//
// Of media proxies: commands that name no call (ping, version, statistics), and
// replies of rtpproxy whose request was not seen. Of management commands: those
// that a filter does not pass, and replies whose request was not seen. Of DNS:
// what is asked by hosts that take no part in SIP, unless the question itself is
// SIP's (NAPTR, SRV of _sip and _sips), and what is no SRV, NAPTR, A or AAAA.
//
// Of HTTP: queries of hosts that are no SIP servers (correlate.Server), unless all are
// wanted; what package rest does not follow.
//
// # Which call a question belonged to
//
// A query is linked to a call whose Call-ID it has in a header field, its URL or
// the front of its body, a management command to one that its parameters name, a line to
// those in its text and structured data, a question of DNS to those in its labels, and what
// a media proxy is told to the call that it is about and those in its metadata. What is
// behind one of Config.Keys names a call in all of them. A query and a question that name
// none go to the correlator with what they ask, for the numbers and names in it, without
// escapes, and of a question without the service in front (_sip._udp). It may infer the
// call.
package beyond
