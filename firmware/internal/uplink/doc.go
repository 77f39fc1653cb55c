// Package uplink is the log between correlation and the collectors: one log
// in two tiers, one cursor per collector, and the barriers that tell what a
// collector has really read. It treats a record as octets: what is sent is
// made by an Encoder, what is kept on disk by a Spool, what is known about a
// connection by a Conn. It knows neither HEP nor bbolt.
//
// # The log
//
//	            Append                        spill (the keeper)
//	correlator --------> memory, pages -----------------------------> spool
//	                     [disk, next)                                [.., disk)
//
// Every record gets the next sequence number and is sealed in its page. The
// number `disk` divides the tiers: a record below it is on disk (or was not
// worth keeping, or is lost and counted), one above it is in memory. A record
// is never in both. Numbers begin at epoch<<40, where the epoch is one more
// than the last run's: one small commit at Open, none after it while the
// uplink is healthy.
//
// The keeper moves the boundary. What some collector's TCP has not acknowledged
// for SpillAfter goes to disk, and everything made until then with it, except what
// every collector has confirmed: while memory is not short that is two commits in SpillAfter at
// most, for the sake of flash. So does everything unconfirmed on a connection
// that broke, and all of memory when it is three quarters full. When the disk
// cannot follow, Append sheds by class, and when memory is full the oldest
// records go (the newest while a commit is under way, which holds the oldest).
//
// A Log whose spool did not work at Open keeps records in memory, and asks for the spool once
// more at its end (Options.Late): what nobody has confirmed goes there, for the next run.
//
// # Cursors
//
// A cursor is the set of sequence numbers its collector has not confirmed: a
// sorted list of spans, of which the last is open to the right. It says what
// may still have to be sent, not what exists: a span may contain numbers whose
// records were shed. Cursors are stored in the commits that append or trim.
//
// A flight is what one connection has been given and the collector has not
// confirmed. It claims its numbers, so that no other connection sends them, and
// gives them up when it ends: confirmed numbers leave the cursor; numbers of a
// broken flight stay, and are thereby backlog.
//
//	live lane      from the newest: begins at the tier boundary whenever it has
//	               fallen behind it
//	backlog lane   what is open, unclaimed and older than the live lane's
//	               position; its own connection, while the live one stands
//	strict lane    `order strict`: both in one, one connection at a time
//
// Within a connection sequence numbers only rise.
//
// What Collector.Hold says is too old, and is the oldest that is open, is held back:
// the lanes begin behind it. It counts as spooled, and goes when the spool needs its room.
// What Options.Expired says has been on disk for too long goes for every collector.
//
// # Several collectors
//
// Each has its own cursor, lanes and connections; nothing that one does waits for
// another. The tiers hold what any of them still needs. While a collector is
// further behind than another, room is made of what it alone needs: on disk from three
// quarters of the cap on, in memory instead of shedding. It is counted as evicted for that one.
//
// A record's Skip says which collectors it is not for. For these it is counted as
// filtered when it is made; it stays in their cursors, which are about numbers, but
// waits nowhere for them: it is not in memory, not on disk, and not lost.
//
// A Failover has one cursor for several servers: it is a Dial that connects to one of
// them, so whatever one has not confirmed is sent to the next as if that were the same.
// Records are made anew by the encoder of each.
//
// A collector without a stored cursor begins with this run's first record, unless
// no configured one has a cursor: then it has all that there is. The cursor of one that is
// not configured any more stays, cut off at the first record of the run without it, for
// removedFor: put back, it goes on there, and with what is made then.
//
// # Barriers
//
// HEP has no acknowledgement. At a barrier the lane opens its next connection,
// half-closes the old one, and carries on while the old one waits for the
// collector's FIN. If the next one does not come within HandOver, as over TLS when the
// collector is frozen, the old one is half-closed and judged without it. A FIN after which the kernel holds nothing unacknowledged
// means that the collector read to the end: the flight is confirmed. Anything
// else means that it is sent again, octet for octet the same. A peer that closes
// before our half-close confirms nothing, because it may not have read what was
// still under way.
//
// A regular barrier comes when something has been unconfirmed for BarrierAge. Prove asks for one at once, no more
// often than every BarrierGap.
//
// After a flight has failed its lane sends less per connection, and waits for
// each connection's confirmation: half as much each time, down to one record. That
// bounds the duplicates a sick collector costs and finds the record it dies of.
// A record is set aside when its connection was closed three times with
// nothing else on it, and in between two later records were confirmed on their own: a
// collector that closes on everything is broken, and no record's fault. (With
// `order strict` that one later record may overtake the suspect.)
//
// A collector that has never answered a half-close, and let three time out
// although its kernel had everything, falls back to a resend tail: one
// connection, no barriers, and what is acknowledged and older than the last Tail
// octets of that connection counts as released. One that has ever answered never
// falls back, so that a frozen one loses nothing.
//
// A datagram collector has no barriers: what was written and not refused
// within RefusalWindow counts as sent, unconfirmed. After a refusal both lanes send 1, 8, 64 and 512 records, each
// when nothing of those before was refused; what comes meanwhile waits in the log.
//
// # The way back
//
// A lane that lost its collector tries again after a pause that doubles, up to BackoffMax. Retry, which
// whoever sees a cable, an address or a route come back calls, ends the pause, and the next is short again.
//
// # Receipts
//
// A collector may answer for every record that it has stored, as a stream does: its connections are Receipts. What
// Acked counts, without a gap, is then confirmed and leaves the cursor, at any time; there are no
// barriers but to change to a member of a Failover that is preferred. A number of records, and of octets, may be
// unanswered at a time. Such a collector says itself which record it does not want, and that one is set aside; so no
// record is in doubt when a connection breaks, and what had no answer is sent again. The next connection
// shows with one record that it does better before more follow.
//
// # The accounting law
//
// For every collector, at any instant, and asserted by the tests:
//
//	made + carried in = filtered + confirmed + sent + released + in memory
//	                  + spooled + shed + evicted + quarantined + damaged
//
// In memory is counted from the cursor and the tier boundary, spooled is a running
// count, the others are counted as they happen.
package uplink
