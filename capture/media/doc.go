// Package media holds the RTP streams that one ring worker sees: their
// statistics, counted in place, without a lock and without an allocation per
// packet. It knows no calls: correlation links a stream to its call by the
// addresses in SDP, from the snapshots.
//
// A stream is what one SSRC sends from one address and port to another, as
// one mirror port sees it: the two directions of a call are two streams, and
// a flow whose SSRC changes has two. The tunnel is part of the key (see
// capture.FiveTuple). VLAN tags are not, since some mirrors tag one direction
// only.
//
// # Memory and cost
//
// A stream is one entry of 384 octets without pointers. Entries live in slabs
// of 1024 that are made when they are needed and kept. The index doubles as
// streams come: open addressing with linear probing, at most half full, at
// most maxProbe slots per lookup, under a hash whose seed is random per table,
// so that nobody can aim at one slot.
// What a packet reads and writes is the first two cache lines of its entry
// and one of the index. A packet of 20 ms audio finds none of them in the
// cache, so packets are best counted in batches (AddBatch): the lines of all
// are asked for before the first is waited for.
//
// # Recognition
//
//	           first packet           50 packets in sequence
//	(nothing) -------------> candidate --------------------> confirmed
//	                             | Candidate without a packet     | Idle without a packet
//	                             | or recycled: the table is full |
//	                             v                                v
//	                          (nothing)                        (nothing)
//
// Either also ends when its sender begins anew after a pause, see below.
//
// UDP has no label that says RTP. A candidate is any datagram with a valid RTP
// header (RFC 3550 5.1) whose payload type octet cannot be RTCP's (RFC 5761
// 4) and whose ports are both 1024 or more. Every stream is reported, since
// SDP may vouch for a candidate too; but candidates are reported once, at the
// first interval, and at their end. When the table is full a new stream takes
// the place of an old candidate that has shown no sequence; a confirmed stream
// never gives way.
//
// # Sequence numbers
//
// RFC 3550 A.1, with a window of 128 sequence numbers behind the highest, which
// tells a duplicate from a reordered packet exactly:
//
//	forward by less than 3000     counted; what was jumped over is missing for now
//	in the window, not yet seen   reordered, and no longer missing
//	in the window, seen           duplicate
//	anything else                 stray. If the next packet continues it, the sender
//	                              has restarted its numbers: a new generation of the
//	                              same stream, whose counters go on, so that no loss
//	                              is invented
//
// After a pause, that is when no packet has fitted for a second or more, another
// question comes first: is this the sender as it was, or does it begin anew, as
// when the next call uses the same ports and the same SSRC? Both leave a jump in
// the sequence. But one that goes on has moved its timestamp by the time that has
// passed, and one that begins anew only by chance:
//
//	sequence        timestamp, as time                 then it is
//	+1, or +0       any                                the same stream: hold, silence
//	                                                   suppression
//	forward         in step with the time that passed  the same stream: the network was
//	                to within 2 s; and the jump is no  down. Counted as above
//	                more than is sent in that time
//	forward by      forward, by less than the time     the same stream: the timestamp
//	at most 100     that passed                        stood still for some of the pause
//	back by         any                                the same stream, if that number
//	at most 100                                        is missing: late
//	anything else                                      unfamiliar
//
// An unfamiliar packet is a stray, until another that is unfamiliar too, and at
// most 100 sequence numbers away from it, makes the two a beginning: the first
// and second packet of a new stream, with an ID and counters of its own, which
// takes the place of the old. That one has ended with the last packet that was
// its own, and the next call of Snapshot says so. What is sent in a time is four
// times the stream's average, which may hold silence, and 100. Where the clock
// rate is not known any usual one may explain the timestamp. When the table is
// full there is no new stream, and the table above alone decides.
//
// A packet that comes later than the first one seen but before it in sequence
// moves the beginning back: it is reordered, not surplus.
//
// # Mirrored copies
//
// A mirror may deliver a packet twice: both directions of a port, two VLANs,
// before and after a router. Such copies are counted apart, in Snapshot.Copies
// alone. While duplicates come (until there was none for 64 packets) what
// arrives is noted, 8 packets per stream, and a packet whose number has been seen
// is compared with its original:
//
//	later than Config.CopyWindow, or another timestamp or length    duplicate
//	another TTL, VLAN or depth of tunnels                           copy
//	another IPv4 identification                                     duplicate: it was sent twice
//	the same IPv4 identification, not 0                             copy
//	no identification (IPv6, or 0), all else the same; or the       copy if it is so with three
//	original is noted no more, but not known to be too old          quarters of the last 32 packets
//
// So what a network duplicates below IP, as a loop of switches does, is taken
// for the mirror's doing, since nothing tells them apart; and so is, without an
// identification, a network that duplicates nearly everything (PRP). Duplicates
// that came before the watch, or before the three quarters were reached, become
// copies in hindsight, 32 at most: Packets and Duplicates may then go down a little.
//
// # Bursts and events
//
// Bursts of loss are those of RFC 3611 4.7.2 with Gmin 16. Telephone-events (RFC
// 4733) are recognised by form: a dynamic payload type, four octets, the event
// one of the keys. SDP may know better. They are counted; which keys they were is
// not kept.
//
// # Time
//
// Jitter is RFC 3550 A.8 in nanoseconds, over arrival on the monotonic clock.
// Left out are packets with the timestamp of the one before (a video frame, a
// telephone-event's updates), comfort noise, the first packet after a change of
// payload type (DTMF and CN do not inflate it), duplicates, and jumps of
// timestamp against arrival of 2 s and more: those are the sender's, not the
// network's, and are counted. The clock rate is RFC 3551's for static payload
// types. For others it is estimated: timestamps and arrivals over at least
// 1 s and 20 timestamps (not those of telephone-events), if the ratio is within 3 % of 8000, 16000, 24000,
// 32000, 44100, 48000 or 90000; until then the stream has no jitter. One
// dynamic payload type at a time has a clock: another takes over after 50
// packets in a row, so that telephone-events never do.
package media
