// Package recent holds the newest neutral records in memory, bounded in octets
// and in age, and answers what is known around an id: the records that name it,
// and what those lead to.
//
// # What is kept
//
// Records lie in a ring of octets in the canonical form of capture/record, not
// sealed, the oldest first. A position is an offset that only grows; its place
// in the ring is the remainder. An entry is
//
//	off size field (little-endian)
//	  0    4 length of the entry, a multiple of 8
//	  4    4 length of the record; 0: a filler up to the ring's end
//	  8    8 monotonic time of the record, nanoseconds
//	 16    8 how many records had been added with it
//	 24    4 number of slots
//	 28    4 zero
//	 32      slots, 24 each; the record; up to 7 octets of padding
//
// and has one slot for every id that the record names, each id once:
//
//	 0    8 position of the next older slot in the same bucket, 0: none
//	 8    4 upper half of the id's hash
//	12    4 offset of the id in the record
//	16    2 length of the id
//	18    1 type that the id is found under
//	19    1 record.How
//	20    1 score
//	21    1 number of the slot in its entry
//	22    1 1 if it is the primary id
//	23    1 zero
//
// A bucket of the index is the position of its newest slot. Positions in a
// chain only fall, and the oldest entry goes first, so a chain ends where it
// leaves the ring: evicting a record touches no index, and nothing ever grows.
// That two ids have one hash costs time and nothing else: the id itself is
// compared.
//
// A record that is too large for a quarter of the ring, or for MaxEntry, is
// refused and counted. Age is measured from the newest record by the records'
// monotonic time: the store has no clock, and when no records come none goes.
//
// # Types of ids
//
// The primary id of an RTCP, RTP report or log record is the Call-ID of its
// call, so it is found under record.SIP, and asking for it under the record's
// own type is the same question. Such an id was found by the media address, or
// said by nobody on the wire: it counts as record.Flow, every other primary id
// as record.Seen. That of a control record, which joins two others, is among its links,
// with the type that it has there.
//
// # What Follow follows
//
// Ids are the nodes of a graph; a record joins all ids that it names. Follow
// goes from id to id, the nearest first. What carries much relates little: a
// connection that carried 1000 calls must not pull all of them in when somebody
// asks for one. So unless it is where Follow began,
//
//   - a record that names more than Limits.Hub ids besides the one by which it
//     was found is part of the answer, but of its ids only the primary one is
//     followed;
//   - an id is a hub in which more than Limits.Hub others come together, be it
//     that its own records, those whose primary id it is, name them, or that
//     their own records name it: only its own records are part of the answer,
//     nothing in them is followed, and Answer.Hubs names it.
//
// For connections (record.Net) that number is 1: to have shared one relates
// two calls to the network and not to each other. Begin with the connection to
// see all that it carried.
//
// # Who may do what when
//
// One goroutine adds. Any number of others read meanwhile. There is one lock;
// Add takes it once, for as long as the record takes to copy and the records
// that make room for it to be passed over: after a long pause these may be all.
// Encoding and hashing are done outside it.
//
// Answers are copies and belong to who asked. A reader copies under the lock,
// into memory that was allocated before it took it, and lets go of the lock
// after holdSlots slots, or fewer if it copies much: some tens of microseconds on
// a PC with cold caches. Then it takes it again and goes on at the position where
// it was, which is still good or has left the ring, and with it everything older.
// While one reads, Add may wait for a millisecond before sync.Mutex favours it. A
// visitor under the lock would save the copy and have the capture wait for
// whatever the visitor does, such as writing to a terminal. The price is that an
// answer is no snapshot: records that were evicted while it was put together
// may be missing from it.
package recent
