package buffer

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// QuarantineEntry is a record that was set aside.
type QuarantineEntry struct {
	Entry
	Reason string
	Time   time.Time // when it was set aside
}

const quarantineHeader = 11

// Quarantine keeps a copy of a record with the reason why it could not be
// sent. The record stays where it is: the caller goes on behind it. Setting the
// same sequence number aside again replaces the first copy. The oldest go when
// there are more than MaxQuarantined or 8 MiB (a sixteenth of the cap at most);
// what is larger than that alone is kept without its data.
func (s *Spool) Quarantine(e Entry, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(true); err != nil {
		return err
	}
	defer s.publish()
	if err := s.quarantine([]Entry{e}, reason, false); err != nil {
		return s.failed(err)
	}
	return nil
}

func (s *Spool) quarantine(entries []Entry, reason string, corrupt bool) error {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	return s.update(s.o.MaxBytes, func(tx *bbolt.Tx, u *upper, st *state) error {
		if err := u.quarantine(); err != nil {
			return err
		}
		q := tx.Bucket(bucketQuarantine)
		for i := range entries {
			v := s.quarantineValue(&entries[i], reason)
			key := seqKey(entries[i].Seq)
			known := false // found corrupt by an earlier run already
			if old := q.Get(key); old != nil {
				st.quarantined--
				st.quarantineSize -= uint64(len(old))
				was, err := parseQuarantine(key, old)
				known = err == nil && was.Reason == reason
			}
			if corrupt && !known {
				st.corrupt++
			}
			if err := q.Put(key, v); err != nil {
				return err
			}
			st.quarantined++
			st.quarantineSize += uint64(len(v))
		}
		return s.boundQuarantine(q, st)
	})
}

func (s *Spool) quarantineValue(e *Entry, reason string) []byte {
	data := e.Data
	if int64(len(data)+len(reason)+quarantineHeader) > s.o.quarantineBytes() {
		data = nil
	}
	v := []byte{e.Class}
	v = binary.BigEndian.AppendUint64(v, uint64(s.o.Now().UnixNano()))
	v = binary.BigEndian.AppendUint16(v, uint16(len(reason)))
	v = append(v, reason...)
	return append(v, data...)
}

func (s *Spool) boundQuarantine(q *bbolt.Bucket, st *state) error {
	for st.quarantined > MaxQuarantined || int64(st.quarantineSize) > s.o.quarantineBytes() {
		k, v := q.Cursor().First()
		if k == nil {
			st.quarantined, st.quarantineSize = 0, 0
			return nil
		}
		st.quarantined--
		st.quarantineSize -= uint64(len(v))
		st.quarantineGone++
		if err := q.Delete(append([]byte{}, k...)); err != nil {
			return err
		}
	}
	return nil
}

// Quarantined returns copies of the records in quarantine, by sequence number.
func (s *Spool) Quarantined() ([]QuarantineEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(false); err != nil {
		return nil, err
	}
	var out []QuarantineEntry
	err := s.view(func(tx *bbolt.Tx, u *upper) error {
		if err := u.quarantine(); err != nil {
			return err
		}
		return tx.Bucket(bucketQuarantine).ForEach(func(k, v []byte) error {
			q, err := parseQuarantine(k, v)
			if err == nil {
				out = append(out, q)
			}
			return err
		})
	})
	if err != nil {
		defer s.publish()
		return nil, s.failed(err)
	}
	return out, nil
}

// parseQuarantine copies an entry out.
func parseQuarantine(k, v []byte) (QuarantineEntry, error) {
	if len(k) != 8 || len(v) < quarantineHeader {
		return QuarantineEntry{}, fmt.Errorf("%w: quarantine entry", ErrDamaged)
	}
	n := quarantineHeader + int(binary.BigEndian.Uint16(v[9:]))
	if n > len(v) {
		return QuarantineEntry{}, fmt.Errorf("%w: quarantine entry", ErrDamaged)
	}
	return QuarantineEntry{
		Entry:  Entry{Seq: binary.BigEndian.Uint64(k), Class: v[0], Data: append([]byte{}, v[n:]...)},
		Reason: string(v[quarantineHeader:n]),
		Time:   time.Unix(0, int64(binary.BigEndian.Uint64(v[1:]))).UTC(),
	}, nil
}
