// Package intake takes in HEP from other agents (OpenSIPS, Kamailio,
// FreeSWITCH, rtpengine, heplify, captagent, other heptaps), so that what they
// know joins what the mirror ports show, and is spooled and forwarded with it.
//
//	UDP, TCP, TLS -> allowed? -> HEP1/2/3 -> key? ours? -> repair -> bounded queue
//	                                                                    |
//	            log <- correlate <- copies left out <- merge, by time <-'
//
// HEP1 and HEP2 come over UDP only: they do not say where a packet ends.
//
// # What becomes of a packet
//
// SIP (type 1) and RTCP as it is on the wire (type 5, not JSON) become messages
// that the correlator follows as if a mirror port had shown them, with the time
// and flow that the sender says. Everything else becomes a record: type, primary
// id (chunk 0x11), links (chunk 101), payload. What is not understood is
// forwarded as it is, or dropped and counted by reason (Drop). Records keep the
// id and name of the agent that made them. Chunks that a record has no field for are passed
// on as they are, 1 KiB of them. Left out are 0x0d and 0x0e, which concern one hop, chunks of
// a vendor under the number of a generic one, which most collectors would take it for,
// and one with a key in it.
//
// # Repairs
//
//   - a compressed payload (0x10) is inflated
//   - SIP wrapped in {"payload":"..."} (OpenSIPS, homer5_on=0) is unwrapped
//   - OpenSIPS's text form (homer5_on=1) of types 86, 87, 88, 89 and 100 is made JSON with the
//     names that its other form has. Where the text does not say which name a value
//     has (the certificates of a TLS connection) a neutral one is used
//   - OpenSIPS's JSON is written compactly; over WSS, where the words of TLS and
//     WebSocket have the same names, the former get "tls-" before them
//   - type 86 becomes 100
//   - the ports of OpenSIPS's REST records are put into network order
//   - a connection that OpenSIPS closes without addresses gets those it was opened with
//   - master-key is blanked, and so are the secrets of HTTP heads and bodies, of management
//     commands, their replies, and lines of logs (package mask). What may hold a key and
//     cannot be read is dropped
//   - keys of media (SDES and others, mask.MediaKey) are blanked in everything but SIP;
//     a message of rtpengine's NG protocol is linked to the call that it names
//
// What another heptap has repaired (hep.FlagRelayed) is left as it is.
//
// # Copies
//
// A message that was shown before, by a mirror port or another agent, is dropped;
// so is a record that came before, which a sender repeats after a fault, or a
// loop brings back. A mirror port's copy that the capture cut short stays, and so
// does the whole one after it, flagged as duplicate. Windows: 5 s and 2 min.
//
// # Limits
//
// The queue has room for 4096 packets and 8 MiB, half of it for one sender.
// Over UDP what finds no room is dropped. A connection waits for a quarter of a second, and
// then drops too: a tracing SIP server must not stand still because of us.
// A connection whose packets were dropped for want of room is reset at its end, so that a
// heptap at the other end keeps them; the end of any other is answered when all is in the log.
// Where all connections are taken, of one address or in all, the oldest that has sent no packet for
// three seconds since it came makes room. Senders are counted one by one up to 256.
package intake
