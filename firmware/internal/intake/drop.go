package intake

// Drop says why a packet went no further.
type Drop uint8

// The reasons. Those from DropRepeated on are found behind the queue.
const (
	DropNone      Drop = iota
	DropMalformed      // no HEP
	DropAddress        // the sender's address is not allowed
	DropKey            // the authentication key is missing or wrong
	DropOwn            // it bears our own agent id and name: a loop
	DropKeepAlive      // type 0
	DropMedia          // type 4, packets of RTP: a probe keeps no media
	DropEmpty          // nothing in it: no payload, no link
	DropInflate        // a compressed payload that cannot be inflated, or is too large
	DropSecret         // a connection's record that may hold a master key and cannot be read
	DropQueue          // the queue was full
	DropShare          // the sender had its share of the queue already
	DropRepeated       // the same record again: sent again after a fault, or a loop
	DropCopy           // SIP that another agent or a mirror port showed before
	NumDrops
)

// String returns the reason as metrics print it.
func (d Drop) String() string {
	if d < NumDrops {
		return [NumDrops]string{"none", "malformed", "address", "key", "own", "keepalive", "media", "empty", "inflate", "secret",
			"queue", "share", "repeated", "copy"}[d]
	}
	return "invalid"
}
