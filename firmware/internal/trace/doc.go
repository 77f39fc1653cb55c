// Package trace decides which records are kept: rules over parsed fields, in
// order, of which the first that matches wins. It stands between what makes
// records and the log, so what is denied is never stored, and so that records
// that were relayed are treated like those that were captured.
//
//	set trace group NAME CIDR...
//	set trace rule NAME allow|deny|count [CONDITION VALUE]...
//	set trace default allow|deny
//
// A rule matches when all of its conditions do, and a condition when any of its
// comma-separated values does. Conditions:
//
//	types         sip, rtcp, rtp, dns, isup, mi, rest, net, control, log, xlog (which is log), or a number
//	transport     udp, tcp, tls, ws, wss, sctp; of SIP over TCP as the topmost Via says
//	from, to      groups, networks or addresses: of who sent the request, and to whom
//	address       likewise, of either end
//	port          N or N-M: of either end; from-port, to-port: of one
//	method        of a request, and of the request that a response answers
//	user          USER or USER@DOMAIN, in Request-URI, From or To
//	caller        likewise, in From
//	callee        likewise, in To or Request-URI
//	domain        the host of Request-URI, From or To
//	host          what who sent the request calls itself: sent-by of the topmost Via
//
// A response belongs to its request: from and to are the request's ends for it
// too. method, user, caller, callee, domain and host are those of SIP messages.
//
// # Calls
//
// What belongs to a call follows its first message. The rules that this one
// matches, apart from types, are remembered under the Call-ID, so that a rule
// with types says which records of such calls it is about: of calls from a
// group, say, SIP and REST but no RTP reports. A first message that is no INVITE
// gives way to the first INVITE outside a dialog. Anything else with a Call-ID,
// such as OPTIONS, is treated likewise.
//
// Two kinds of rules are tried on the later records of a call too, each as it is:
//
//	SIP messages   rules with method
//	other records  rules with types
//
// Of these, and of those that the first message matched, the first decides. A rule
// with method that a message inside a dialog matched is not remembered: it is
// about that message.
//
// A call that is one more leg of another through a B2BUA, as a link of type sip in
// its messages says, follows that leg where no rule decides of itself.
//
// Records of other types belong to the calls that their primary id (RTCP, rtp,
// isup and log) or links of type sip name. One of several calls is kept when the
// decision for any of them is to keep it. One of no known call is decided by
// itself, by all rules.
//
// # Patterns
//
// '*' stands for any octets, also none, '?' for one; a backslash makes the next
// octet a plain one. Users are compared by octet, domains and hosts in any case
// (RFC 3261 19.1.4); an escape %HH is the octet that it stands for, unless that is
// reserved (RFC 3261 25.1); but %2B is '+', as numbers need it. A password is no
// part of the user. Of a telephone number (a tel URI, or user=phone) parameters
// and visual separators are left out (RFC 3966 5.1.1). A dot that ends a domain is
// left out. IPv6 addresses are compared as text, without brackets. What has more
// than 1024 octets matches no pattern.
//
// # Bounds
//
// There are at most MaxRules rules. Decisions are remembered of as many calls as
// Limits says, and of a quarter as many other Call-IDs, each the longest unused
// first out, and all after a time unused. What is forgotten is decided anew by the
// next message. A Call-ID is remembered as a hash of 64 bits with a seed that is
// chosen at start. After New nothing is allocated.
package trace
