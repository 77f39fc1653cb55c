// Package syslog reads syslog messages as they are really sent: RFC 5424, BSD
// syslog (RFC 3164) in the shapes that loggers and routers made of it, and the
// TCP framing of RFC 6587. Views are sub-slices of what was parsed: valid while
// that is, read-only. Nothing here allocates but the caller's own closure.
//
//	RFC 5424   <PRI>1 SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP SD [SP MSG]
//	           "-" stands for a value that is not there; SD is "-" or [id name="value" ...]...
//	RFC 3164   <PRI>Mmm dd hh:mm:ss SP HOSTNAME SP TAG[PID]: MSG
//
//	PRI        facility * 8 + severity, 0-191, without leading zeros
//
// # What BSD syslog became
//
// All but the text is optional, and is taken only where it is unmistakable:
//
//	no PRI              text alone; Parse takes it, Is and Front do not
//	time                Mmm dd hh:mm:ss, with a year before the time or before the
//	                    month, a fraction, a zone (letters or +hh:mm); ISO 8601 with T
//	                    or a space; Cisco's * and . before it (clock not set, not
//	                    synchronised) and its time since boot (00:00:46, 1w2d, 3d04h)
//	no host             what follows the time ends in a colon or has [PID]
//	no time             then there is no host either, but perhaps a TAG
//	Cisco IOS           <PRI>seq: host: [sd]: time: %FACILITY-SEVERITY-MNEMONIC: text,
//	                    each part before % may be absent; %... becomes MsgID
//	Cisco IOS XR        <PRI>seq: node:time : program[pid]: %... : text
//	Cisco ASA           <PRI>time host : %ASA-6-302013: text
//
// Where a reading is not sure, the octets stay in Message: nothing is lost but
// the PRI and what separates the parts.
//
// # Streams
//
// A Framer tells the two framings of RFC 6587 apart at each frame:
//
//	octet counting (3.4.1)     MSG-LEN SP <PRI>...   the next MSG-LEN octets
//	non-transparent (3.4.2)    anything else         up to LF or NUL, without a CR before it
//
//	fresh --Front: Yes--> frames --too long--> a message, cut; then skipping the rest
//	  | Front: No            |  ^
//	  v                      |  | a line or frame that begins with <PRI>
//	NotSyslog                +->lost   (a gap; neither text nor a count)
//
// In frames a line needs no PRI: it may be the second one of a message. After a
// gap it does, and a count is believed only when the octet before it was seen,
// for half a number is another number. A gap that ends inside a counted frame
// does not lose the place.
//
// # Candidate ids
//
// Tokens lists what in a line may be the id of a call, for the caller to look
// up among the ids it has seen. Named is a token that the line itself calls a
// Call-ID.
package syslog
