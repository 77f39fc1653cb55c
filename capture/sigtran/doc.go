// Package sigtran reads the adaptation layers that carry SS7 over SCTP: M3UA
// (RFC 4666), M2UA (RFC 3331) and M2PA (RFC 4165). It takes one user message of
// SCTP and gives the MTP3 label (ITU-T Q.704) and the user part's octets in it. What
// those mean (ISUP, SCCP) is not its business. It keeps no state and allocates
// nothing; slices are views of the message, valid as long as that is.
//
//	0         1         2         3         common header, all three
//	version 1 reserved  class     type
//	length, 32 bits, of all octets, this header included
//
//	M3UA, M2UA   parameters: tag 16 bits, length 16 bits (these 4 octets
//	             included), value, padded to 4 octets
//	  M3UA DATA    Protocol Data 0x0210: OPC 32, DPC 32, SI 8, NI 8, MP 8, SLS 8,
//	               then the user part
//	  M2UA Data    Data 1 0x0300: an MTP3 message from its service information octet on;
//	               Data 2 0x0301 (TTC): the same behind a length indicator
//	M2PA         unused 8, BSN 24, unused 8, FSN 24; then
//	  User Data    priority 8 and an MTP3 message; nothing: an acknowledgement
//	  Link Status  state 32
//
//	MTP3 message: service information octet (NI 2, priority or spare 2, SI 4),
//	routing label, user part. Label of ITU-T, little-endian: DPC 14, OPC 14, SLS 4.
//	Of ANSI (T1.111) and China: DPC 24, OPC 24, SLS 8.
//
// Lengths are believed as far as octets reach: a parameter that claims more is
// given cut, with View.Cut set. Some senders leave the last parameter's padding out
// of the length, or out of the message; both are taken.
//
// # Which layer
//
// The payload protocol identifier says it (2 M2UA, 3 M3UA, 5 M2PA). Stacks are
// seen that send it in little-endian order, or 0; with 0 the registered ports
// (2904 M2UA, 2905 M3UA, 3565 M2PA) must agree, and the common header makes
// sure. Message classes tell the layers apart except in management and ASP messages,
// which M3UA and M2UA share.
//
// # Which point codes
//
// Nothing in a message says whether its point codes have 14 bits (ITU-T), 16 (TTC) or 24
// (ANSI, China). In M3UA a code of more than 14 bits proves that it is not
// ITU-T's; smaller ones are taken as ITU-T's. In an MTP3 label nothing is proven: it is
// taken as ITU-T's unless only the reading with 24 bits puts an ISUP or SCCP
// message behind it that makes sense. View.Variant tells.
package sigtran
