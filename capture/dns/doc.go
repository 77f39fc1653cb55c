// Package dns reads DNS messages (RFC 1035) over UDP and TCP, with the records
// by which SIP finds its servers: NAPTR (RFC 3403), SRV (RFC 2782), A and AAAA
// (RFC 3596), and ENUM's numbers (RFC 6116). mDNS (RFC 6762) reads the same.
// Views are parts of the message: valid while that is, read-only. Only
// AppendJSON and ENUM may allocate.
//
//	0                   1
//	0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5   bits
//	ID
//	QR OPCODE- AA TC RD RA Z AD CD RCODE--
//	QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT
//	QDCOUNT questions: name, type, class
//	ANCOUNT answers: name, type, class, TTL (32 bits), RDLENGTH, RDATA
//	...
//
//	NAPTR's RDATA: order, preference, flags, service, regexp, replacement
//	SRV's RDATA: priority, weight, port, target
//
// The other sections (authority, additional with OPT) are not read. Over TCP a
// length of 16 bits is in front of each message (RFC 7766 8): see Framer.
//
// # Limits
//
// A name has at most 255 octets (RFC 1035 2.3.4), each of its compression
// pointers (4.1.4) has to lead to octets that end before what was read of the
// name so far, so loops are refused. At most MaxAnswers answers and MaxQuestions questions are
// read; an answer that is cut off or broken ends them.
//
// # Why not dnsmessage
//
// Package golang.org/x/net/dns/dnsmessage does not say where in the message a
// record's data is, which a compressed name inside a NAPTR needs; it refuses
// names with a dot in a label, which mDNS's instance names have; and it copies
// each name, type and text it is asked for. It is what the tests compare with.
package dns
