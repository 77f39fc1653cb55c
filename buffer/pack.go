package buffer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const recordHeader = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errPacked = errors.New("packed record malformed")

// appendRecord packs one record behind b.
func appendRecord(b []byte, seq uint64, data []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, data...)
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	return b
}

// packed is one record as it lies in a value. Its slices borrow from the value.
type packed struct {
	seq  uint64
	crc  uint32
	body []byte // the sequence number and the record: what the CRC covers
}

func (p *packed) data() []byte { return p.body[8:] }

// ok reports whether it is the record that seq says, which may be what an index has, and sound: a page that leads into
// another commit has sound records of other numbers.
func (p *packed) ok() bool {
	return binary.BigEndian.Uint64(p.body) == p.seq && crc32.Checksum(p.body, castagnoli) == p.crc
}

// nextRecord splits the first packed record off v. It does not check the CRC.
func nextRecord(v []byte) (p packed, rest []byte, err error) {
	if len(v) < recordHeader {
		return packed{}, nil, errPacked
	}
	n := binary.BigEndian.Uint32(v)
	if uint64(n) > uint64(len(v)-recordHeader) {
		return packed{}, nil, errPacked
	}
	end := recordHeader + int(n)
	return packed{
		seq:  binary.BigEndian.Uint64(v[8:]),
		crc:  binary.BigEndian.Uint32(v[4:]),
		body: v[8:end:end],
	}, v[end:], nil
}
