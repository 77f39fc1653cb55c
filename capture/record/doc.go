// Package record holds the neutral record: what correlation makes of a
// message or a report, before any collector's profile, filter or credentials
// touch it. It is what the log and the spool keep.
//
// A record is a fixed header followed by the event in one canonical form. All
// integers are big-endian.
//
//	off size field
//	  0    4 CRC32C (Castagnoli) of everything from offset 4 to the end
//	  4    4 length of the whole record in octets
//	  8    1 version, 1
//	  9    1 class (what is shed first when space runs short)
//	 10    1 readers of the log that it is not for, a bit each
//	 11    1 flags
//	 12    1 type, OpenSIPS's numbers (sip 1, rtcp 5, rtp report 34, ...)
//	 13    1 IP protocol of the flow
//	 14    1 TOS or traffic class of the frame
//	 15    1 octets of an IP address, 4 or 16
//	 16    8 sequence number in the log
//	 24    8 wall time, Unix nanoseconds
//	 32    8 monotonic time, nanoseconds since boot
//	 40    4 clock epoch: how often the wall clock had been stepped
//	 44    2 VLAN id
//	 46    2 MOS x 100, 0 when there is none
//	 48   16 boot id
//	 64    2 R factor, 0 when there is none
//	 66    2 source port
//	 68    2 destination port
//	 70    2 length of the primary id
//	 72    1 number of links
//	 73    1 octets of the agent, 0 unless another one saw it (FlagRelayed)
//	 74    2 octets of the agent's other chunks, 0 unless another one saw it
//	 76      source address, destination address, primary id
//	         per link: type 1, how 1, score 1, zero 1, length 2, id
//	         of another agent: id 4, name, other chunks
//	         payload, to the end of the record
//
// The sequence number, epoch and boot id are the log's business: Append leaves
// them zero and Seal fills them in, with the CRC, once the log has taken the
// record.
package record
