// Package isup reads messages of the ISDN User Part as ITU-T Q.763 formats
// them, and writes them as JSON: in the keys that captagent made and Homer shows, and
// every parameter in words. It keeps no state; what carries the messages (MTP3,
// SIP) is not its business.
//
//	CIC            16 bits, little-endian, 12 used; not in SIP (RFC 3204)
//	message type   8 bits
//	mandatory fixed part      values, one behind the other; the type says which
//	pointers                  one octet per variable parameter, one to the optional
//	                          part if the type has one (0: not there). Each counts
//	                          from itself to what it points to
//	mandatory variable part   length 8, value
//	optional part             name 8, length 8, value; ...; 0
//
// A Message is a view: valid as long as the octets parsed, which it does not
// change. Parsing and writing allocate nothing but what dst has to grow.
//
// # Broken messages
//
// Parse fails only when not even the message type is there. Everything else is a
// Fault: the first one found is named, with the parameter it is about, in the JSON
// too, and what is whole is kept. A parameter that is cut or whose pointer leads out
// of the message is left out; the others are read on, as the pointers are independent of each
// other. One that is shorter than Q.763 allows is shown as its octets.
// What is longer, or has codes that Q.763 calls spare, is no fault: standards grow.
//
// # Limits
//
// At most 64 parameters of a message are kept. AppendJSON appends less than 8 KiB,
// AppendReadable less than 40: octets are written in hexadecimal up to 64 of a
// parameter, with their count when there are more, and what passes 32 KiB is counted.
//
// # Calls on circuits
//
//	        IAM            REL, RSC, GRS,          RLC, GRA, UCIC,
//	                       COT (failed)            CGB (hardware), CQR (idle)
//	idle ----------> busy ---------------> ending ----------------------------> idle
//
// Effect says which of these a message has, EffectOn on which circuits of the group that it
// may be about. Q.764 has the procedures. Who follows calls needs to be ready for
// messages that the mirror lost: an IAM on a busy circuit begins another call all the same,
// and two that cross are a dual seizure (Q.764 2.9.1).
//
// # Variants
//
// Only ITU-T's and ETSI's rules are known. ANSI's and TTC's messages have the same
// types with other mandatory parameters: VariantOf tells them by RFC 3204's
// Content-Type, package sigtran by their point codes, and they must not be given to Parse.
package isup
