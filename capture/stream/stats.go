package stream

import "unsafe"

// MaxPorts is how many mirror ports have counters of their own; the last one
// counts for all beyond it.
const MaxPorts = 16

// Stats are an Assembler's running totals and sizes.
type Stats struct {
	Ports [MaxPorts]PortStats // by index of the mirror port

	Malformed  uint64 // addresses that are no pair, both ends the same, SYN with FIN or RST
	Strays     uint64 // segments that fit no connection they could belong to
	Resyncs    uint64 // two strays in a row that continued each other, and were believed
	KeepAlives uint64 // probes of one octet (RFC 9293 3.8.4); those without any look like acknowledgements
	BadResets  uint64 // RSTs that the receiver cannot have believed
	AfterEnd   uint64 // late segments of connections that had ended
	Delivered  uint64 // octets shown to handlers

	Closed           [NumReasons]uint64 // connections, by what Closed said
	Evicted          [NumClasses]uint64 // connections that gave their place to others
	Full             uint64             // data in a SYN that found no place
	Released         uint64             // connections nobody knew
	ReleasedSegments uint64             // of those, which came all the same
	ReleasedOctets   uint64

	Refused          uint64 // handshakes that an RST ended
	Unreachable      uint64 // or an ICMP error
	Empty            uint64 // connections that ended without data
	OpeningsRecycled uint64 // handshakes that gave their place to others

	ConnectionBudgetHits uint64 // times a connection had no room within BytesPerConnection
	TotalBudgetHits      uint64 // times there was no room within TotalBytes
	Shed                 uint64 // buffers emptied for the sake of others
	Cuts                 uint64 // times octets that a handler had left were dropped for lack of room

	// Sizes now.
	Tracked       [NumClasses]uint64 // connections, by class
	Openings      uint64             // handshakes without data
	Holes         uint64             // directions that wait for missing octets
	BufferedBytes uint64             // of TotalBytes in use, books included
	IdleBytes     uint64             // of TotalBytes held for the next use
	MemoryBytes   uint64             // entries, indices and TotalBytes as far as in use or idle
}

// The classes of connections, in the order in which they give way.
const (
	ClassClosed   = int(queueClosed)   // over; kept to tell late segments
	ClassReleased = int(queueReleased) // see Conn.Release
	ClassUnknown  = int(queueUnknown)  // neither released nor kept yet
	ClassKnown    = int(queueKnown)    // see Conn.Keep
	NumClasses    = int(numQueues)
)

// PortStats are the running totals of what one mirror port shows. They are the
// evidence about the mirror: see the package comment, "Evidence".
type PortStats struct {
	Segments        uint64 // all that came
	Octets          uint64 // of payload, on the wire
	Truncated       uint64 // segments that the capture cut short
	TruncatedOctets uint64 // what was cut off them

	DataSegments    uint64 // with octets, of connections that are followed
	Retransmissions uint64 // of these, nothing in them was new
	OutOfOrder      uint64 // came before others that belong before them
	Overlaps        uint64 // some of the octets were new, some not
	Conflicts       uint64 // segments that contradicted the first copy of an octet

	Gaps      uint64 // times the wait for missing octets was given up
	GapOctets uint64
	// AckedUnseen are octets that were acknowledged by their receiver and did
	// not come. Segments are an estimate, the least it can have been.
	AckedUnseen       uint64
	AckedUnseenOctets uint64
	UnseenConnections uint64 // that had any of them, each once
	// Late is what came after it had been given up; LateUnseen the part of it
	// that is in AckedUnseen and does not belong there.
	Late             uint64
	LateUnseen       uint64
	LateUnseenOctets uint64

	Connections    uint64 // that began to carry octets
	MidStream      uint64 // of those: picked up without their SYN
	OneDirection   uint64 // connections of which one direction was seen, when they ended or were released
	BothDirections uint64 // or both
	SYNs           uint64 // without ACK
	SYNsUnanswered uint64 // handshakes of which nothing but SYNs was seen
}

// publish makes the totals visible to Stats. Until then they are plain
// integers: an atomic add per segment would cost more than the lookup.
func (a *Assembler) publish() {
	for q := range a.queues {
		a.count.Tracked[q] = uint64(a.queues[q].n)
	}
	a.count.Openings = 0
	for q := range a.openings.queues {
		a.count.Openings += uint64(a.openings.queues[q].n)
	}
	a.count.Holes = uint64(len(a.holes))
	a.count.BufferedBytes, a.count.IdleBytes = uint64(a.pool.used), uint64(a.pool.idle)
	a.count.MemoryBytes = uint64(len(a.slabs)*int(unsafe.Sizeof(slab{})) + 8*len(a.index.slots) +
		a.openings.memory() + a.pool.used + a.pool.idle)
	a.mu.Lock()
	a.public = a.count
	a.mu.Unlock()
}

// Stats returns the totals as of the last Advance or Flush. It may be called
// from any goroutine.
func (a *Assembler) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.public
}
