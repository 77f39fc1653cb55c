package defrag

// Stats are a table's running totals and sizes. Every fragment is counted in
// Fragments; every datagram that was Begun is Whole, Expired, Evicted, Reused,
// Mixed, Discarded, TooMany or still open.
type Stats struct {
	Fragments  uint64 // calls of Add
	Malformed  uint64 // without octets, addresses, or (IPv6) whole eights of octets
	TooLong    uint64 // reach past 65535 octets
	Duplicates uint64 // fragments that an open datagram has already
	Copies     uint64 // fragments of a datagram that was whole already: the mirror shows it twice
	Absorbed   uint64 // fragments of a datagram that was discarded or had too many
	Overlaps   uint64 // fragments that overlap others in other cuts
	Conflicts  uint64 // of these, IPv4 ones with other octets

	Begun     uint64 // datagrams of which a fragment came
	Whole     uint64 // delivered
	Cut       uint64 // of these, cut short by the capture
	Expired   uint64 // fragments missing after Timeout
	Evicted   uint64 // given up for want of a place
	Reused    uint64 // given up, because their identification was used again
	Mixed     uint64 // put together from two, as the checksum says
	Discarded uint64 // IPv6 datagrams with overlaps
	TooMany   uint64 // more fragments than Config.Fragments
	Partial   uint64 // of those given up, shown to Config.Partial

	ExpiredFragments uint64 // what Expired datagrams had
	EvictedFragments uint64 // what Evicted datagrams had

	Datagrams uint64 // held now, done and dead ones included
	Bytes     uint64 // held now for their octets
}

func (t *Table) publish() {
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
