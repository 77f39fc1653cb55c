package buffer

import (
	"encoding/binary"
	"hash/crc32"
)

const stateVersion = 1

// state is what the file knows about itself beside the records. It is written
// with every commit.
type state struct {
	high    uint64 // highest sequence number ever appended
	any     bool   // high is valid
	trim    uint64 // everything below is done
	corrupt uint64 // records whose CRC was wrong
	damaged uint64 // files set aside
	commits uint64

	quarantined     uint64 // records in quarantine now
	quarantineSize  uint64 // their octets
	quarantineGone  uint64 // records that had to leave it
	salvagedRecords uint64

	appended, held, trimmed, shed, evicted, lost Counts
}

func (s *state) words(f func(*uint64)) {
	for _, p := range []*uint64{&s.high, &s.trim, &s.corrupt, &s.damaged, &s.commits,
		&s.quarantined, &s.quarantineSize, &s.quarantineGone, &s.salvagedRecords} {
		f(p)
	}
	for _, c := range []*Counts{&s.appended, &s.held, &s.trimmed, &s.shed, &s.evicted, &s.lost} {
		for i := range c {
			f(&c[i].Records)
			u := uint64(c[i].Bytes)
			f(&u)
			c[i].Bytes = int64(u)
		}
	}
}

// appendTo appends the state's octets. They stay below a quarter of a page, so
// that bbolt keeps them inside the root page: no page of their own per commit.
func (s *state) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, stateVersion, 0)
	if s.any {
		b[start+1] = 1
	}
	s.words(func(p *uint64) { b = binary.AppendUvarint(b, *p) })
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func parseState(b []byte) (state, bool) {
	if len(b) < 6 || b[0] != stateVersion {
		return state{}, false
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[len(body):]) {
		return state{}, false
	}
	s := state{any: b[1] == 1}
	rest, ok := body[2:], true
	s.words(func(p *uint64) {
		n, k := binary.Uvarint(rest)
		if k <= 0 {
			ok = false
			return
		}
		*p, rest = n, rest[k:]
	})
	if !ok || len(rest) != 0 {
		return state{}, false
	}
	return s, true
}

// Stats is a snapshot of a spool. Every Counts is by class, since the file (or
// the one it replaced) was made.
type Stats struct {
	Appended Counts // offered to Append, shed ones included
	Held     Counts // in the file, above the trim mark
	Trimmed  Counts // done
	Shed     Counts // not stored, for the file was nearly full
	Evicted  Counts // removed to make room, or larger than a record may be
	Lost     Counts // held when a file was found damaged, and not readable

	First, Last uint64 // as the methods return them, 0 when there is none

	FileBytes      int64 // size of the file
	HighWaterBytes int64 // how much of it was ever used
	UsedBytes      int64 // how much of it is in use: pages, with overhead
	LimitBytes     int64 // what UsedBytes is measured against: the cap, or less when the disk is full

	Corrupt         uint64 // records that Read skipped because their CRC was wrong
	Salvaged        uint64 // records carried over from damaged files
	Damaged         uint64 // files set aside
	Commits         uint64 // durable commits
	Written         int64  // octets written to the medium by them: this over the records' own is the write amplification
	Quarantined     uint64 // records in quarantine
	QuarantineBytes uint64 // their octets
	QuarantineGone  uint64 // records that left quarantine because it was full
}
