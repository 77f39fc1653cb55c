package sctp

// Stats are a table's running totals and sizes. Data is Repeats, those of
// WrongTag that are data, and what Ports have.
type Stats struct {
	Packets   uint64 // calls of Add
	Chunks    uint64 // read, of any type
	Malformed uint64 // chunks that are none, and data chunks without data
	Stray     uint64 // packets of no known association that do not begin one
	WrongTag  uint64 // chunks left out: of what the association was before, or of somebody else
	OtherPath uint64 // packets between other addresses of a known association
	Errors    uint64 // ERROR chunks

	Data        uint64 // DATA and I-DATA chunks
	Repeats     uint64 // whose TSN came before: retransmissions and copies
	Lost        uint64 // TSNs never seen, and none of AckedUnseen: lost on the way, or by the mirror
	AckedUnseen uint64 // TSNs that the other end has and the mirror never showed
	Abandoned   uint64 // TSNs that their sender gave up (RFC 3758)

	Messages   uint64 // delivered
	Assembled  uint64 // of these, from several chunks
	Cut        uint64 // of these, cut short by the capture
	Incomplete uint64 // given up: a piece never came
	TooLong    uint64 // pieces given up or refused, for their direction had Config.Held
	Overrun    uint64 // messages given up for others, for Config.Bytes or Fragments were full

	Begun      uint64 // associations
	Opened     uint64 // known to be open
	Restarts   uint64 // directions that began anew
	Closed     uint64
	Aborted    uint64
	Refused    uint64 // of Aborted, those that answer an INIT
	Unanswered uint64 // attempts that nobody answered, or completed
	Expired    uint64 // open ones, after Idle
	Evicted    uint64 // for want of a place

	Associations uint64 // held now, of any state
	Fragments    uint64 // held now
	Bytes        uint64 // held now in them

	Ports [MaxPorts]PortStats // by mirror port
}

// PortStats is what the judgement of a mirror port needs.
type PortStats struct {
	Data        uint64 // data chunks seen for the first time
	AckedUnseen uint64 // see Stats; by the port that shows the sender's data

	UnseenAssociations uint64 // that had any of these, each once
}

func (t *Table) publish() {
	t.count.Associations = uint64(t.brief.n + t.trying.n + t.settled.n)
	t.count.Fragments, t.count.Bytes = uint64(t.store.held), uint64(t.store.octets)
	t.mu.Lock()
	t.published = t.count
	t.mu.Unlock()
}

// Stats returns the totals as of the last Advance or Flush. It may be called
// from any goroutine.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published
}
