// Package jetstream sends records to a NATS JetStream stream, and reads them from one. To the log it is a
// connection like that to a HEP server, but for one thing: the stream answers for every
// record that it has stored (PubAck), and that answer confirms it. There are no barriers.
//
// # Messages
//
// One message is one HEP packet, just as the collector's profile makes it. Its subject is
//
//	PREFIX.NODE.TYPE             heptap.probe-berlin.sip
//	PREFIX.NODE.TYPE.PARTITION   heptap.probe-berlin.sip.3, with nats-partitions
//
// NODE is the name of this probe, TYPE what OpenSIPS calls the type of record, whatever the profile makes
// of it. What is not a letter, a digit, - or _ in a name is written as % and two hexadecimal
// digits (Token), a dot among it. All records of a call, its later legs among them, have the same PARTITION, as far
// as the legs are known: a probe that was started anew learns them from the records that begin them. What
// belongs to no call, or to several, goes by its own id.
//
// Its Nats-Msg-Id is
//
//	WHO-NUMBER-TIME[.PART]   5d41402abc4b2a76-10000000002-3b9aca00
//
// of hexadecimal digits: WHO is a hash of node, agent id and boot id, NUMBER the record's in this
// probe's log, TIME its monotonic time in ns, PART the packet of it from the second on. It is the same
// whenever a record is sent, by whatever run of the probe, and no two records have the same. A stream stores
// what comes twice within its duplicate window once.
//
// # A connection
//
// nats.go has the connection, the protocol and the credentials, but not its reconnecting: what it buffers meanwhile would
// be lost with the process, and counted as sent. When a connection breaks, what had no
// answer is sent again on the next one. At most Window messages are without one; the stream that leaves them without
// for the stall time is down. One that has no room, does not exist, or does not permit it, makes the connection
// end with an error that says so, and the log tries again. A record that is larger than server or stream
// take is refused alone, and the rest goes on.
package jetstream
