// Package mirror judges mirror ports: is what arrives what the switch was meant
// to send? It takes evidence that others count, once a second, and gives
// verdicts, each with a severity, a confidence, its evidence and what to do
// about it. It does no I/O, reads no clock, and knows none of the packages that
// collect the evidence; the same samples give the same verdicts, always.
//
//	ring worker --- Tally.Add, Tick -----> Collect --+
//	stream, sctp -- Acked ---------------------------+
//	correlation --- LossPair -> Receipts ------------+--> Sample --> Judge --> Verdicts
//	            --- CommonLoss -> Common ------------+
//	decode, duplicates, SIP, RTP, calls: counters ---+
//
// # Verdicts
//
// The first nine accuse the mirror when they are warnings or worse. "certain"
// is Wilson's bound at 99 %; a minute and ten minutes are sliding windows.
//
//	verdict            evidence                                            check on the switch
//	-----------------  --------------------------------------------------  ----------------------------------
//	no link            the link is down                                    cable, port shut down
//	no frames          none in 30 s since the link came up; a warning      session on, sources, destination
//	                   after 10 min of silence, a note after 1 min
//	not a mirror port  under 5 %, certain, is for a single host, and no    this port as the destination of a
//	                   conversation goes both ways; a note after a minute, mirror session
//	                   a fault after 2.5; 10 min if it was otherwise
//	one direction      of TCP that acknowledges, and UDP that is           sources to both directions, or the
//	                   answered: all of 4 or more are one way, or of 20    port that the answers take
//	                   or more over 80 %, certain
//	cut frames         10 packets in a minute, more than 0.5 %, certain,   truncation off, MTU of the tunnel
//	                   shorter than their IP header says
//	mirror drops       10 segments in 3 different seconds on 3             fewer sources, faster destination
//	                   connections (20 seconds if there are no 3),
//	                   acknowledged and never seen, over 0.01 %, certain,
//	                   and under half; or streams that lost here what
//	                   their RTCP reports say arrived: half of those
//	                   whose receivers report loss, or 70 % of all,
//	                   certain
//	common loss        3 moments in which 9 of 10 streams lost packets,    output drops of the destination,
//	                   5 times as many as chance has, with most of the     the link all of them share. It
//	                   loss; or loss in all streams as even as Poisson's   does not accuse
//	doubled            over 30 % of 200 packets are copies, certain; a     rx only, or VLAN or ports but not
//	                   note over 5 %                                       both
//	sip without rtp    3 answered calls and no RTP at all; or of 5 more    ports or VLAN of phones and media
//	                   than 80 %, certain, without media, in 10 min        servers
//	rtp without sip    5 streams began after the first 30 s, and not one   port of the proxy
//	                   SIP message in 10 min, plain or TLS
//	ring drops         our own ring lost frames; a warning over 0.1 %      nothing: this box is too slow
//	tls only           20 segments on port 5061, no plain SIP in a minute  nothing: needs keys
//	some one way       of 20 conversations over 30 %, certain              sources to both directions, or
//	                                                                       nothing: routes may differ
//	not understood     over 1 % of frames, certain; a warning over half    MACsec and the like
//	giant frames       10 in a minute                                      nothing: offloads of this box
//	encapsulated       over 1 % of packets, certain, by encapsulation      nothing
//	too early          neither accused nor healthy                         nothing
//	healthy            a minute, 500 frames between others, conversations  nothing
//	                   both ways, and none of the accusations
//
// # A network that loses is not a mirror that loses
//
// What was lost before the mirror point, its receiver does not have either:
// it is never acknowledged, and it is in the receiver's report. So drops in the
// mirror are proven only by what a receiver has and we have not. Loss in our
// own ring looks the same, so while the ring drops, and for 30 s after, loss
// is no evidence. A connection that acknowledges what went another way is
// told apart by number: it takes three of them, three different seconds, and
// less than half unseen.
//
// RTCP is the weaker proof: some phones never report loss. So it is asked of
// those that have, or else of practically all streams, and TCP that was seen
// whole overrules it. A site whose phones and PBX all are of the sort that never
// reports loss, on a network where every stream loses some, and without TCP,
// would be accused.
//
// One way is only what acknowledges the other way, or asked what is answered.
// Syslog, multicast, muted phones, scans that nobody answers and ICMP are not
// asked.
//
// # Time
//
// Evidence must speak for a verdict for 3 s before it is given, and against it
// for 30 s before it is taken back; where there is no evidence any more, as at
// night, it stays for 10 min. Link changes, totals or clocks that go back, and
// a gap of 15 s between samples begin everything anew.
//
// # Cost and limits
//
// A Judge and a Tally have a fixed size (Config.MemoryBytes,
// TallyConfig.MemoryBytes) and do not allocate once made; texts do. Tally.Add
// is a few counters; of more than 8192 packets a second it looks at the addresses
// of about that many, in runs of 1024 neighbours. It remembers 1024
// conversations of TCP, SCTP and answered UDP, and 1024 others, which is a
// sample when there are more.
//
// Specifications: RFC 3550 6.4.1 (reports), RFC 9293 3.4 (acknowledgements).
package mirror
