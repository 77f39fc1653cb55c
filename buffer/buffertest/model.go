package buffertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"heptap/buffer"
)

// Spool is what the model test needs of a spool.
type Spool interface {
	Commit(buffer.Batch) (buffer.AppendResult, error)
	Read(from uint64, maxBytes int, buf []byte) ([]buffer.Entry, []byte, error)
	First() (uint64, bool)
	Last() (uint64, bool)
	Cursor(name string) ([]byte, bool, error)
	Stats() buffer.Stats
	Close() error
}

// Config says what the model test does.
type Config struct {
	Seed     uint64
	Steps    int
	Classes  int
	MaxBytes int64 // the cap: Stats().FileBytes must not exceed it
	MaxBatch int   // records in one append
	MaxData  int   // octets in one record
	// Open opens the same spool again and again; the test closes it.
	Open func(t *testing.T) Spool
}

// model is the spool as it should be.
type model struct {
	t       *testing.T
	c       Config
	rnd     *rand.Rand
	s       Spool
	held    []buffer.Entry
	next    uint64
	cursors map[string][]byte
	want    buffer.Stats // the Counts only
}

// TestSpool does c.Steps random things to a spool and to a model of it.
func TestSpool(t *testing.T, c Config) {
	m := &model{t: t, c: c, rnd: rand.New(rand.NewPCG(c.Seed, 1)), next: 1, cursors: map[string][]byte{}}
	m.s = c.Open(t)
	defer func() { m.s.Close() }()
	for i := range c.Steps {
		switch n := m.rnd.IntN(100); {
		case n < 50:
			m.commit(true, n < 5, n < 10)
		case n < 60:
			m.commit(false, true, n < 55)
		case n < 65:
			m.commit(false, false, true)
		case n < 97:
			m.read()
		default:
			if err := m.s.Close(); err != nil {
				t.Fatalf("step %d: close: %v", i, err)
			}
			m.s = c.Open(t)
		}
		if m.check(); t.Failed() {
			t.Fatalf("after step %d of seed %d", i, c.Seed)
		}
	}
	m.readAll()
}

func (m *model) entries() []buffer.Entry {
	out := make([]buffer.Entry, 1+m.rnd.IntN(m.c.MaxBatch))
	for i := range out {
		if m.rnd.IntN(50) == 0 {
			m.next += uint64(m.rnd.IntN(1000)) // sequence numbers may have gaps
		}
		data := make([]byte, m.rnd.IntN(m.c.MaxData+1))
		for j := 0; j+8 <= len(data); j += 8 {
			binary.LittleEndian.PutUint64(data[j:], m.rnd.Uint64())
		}
		out[i] = buffer.Entry{Seq: m.next, Class: uint8(m.rnd.IntN(m.c.Classes)), Data: data}
		m.next++
	}
	return out
}

func (m *model) commit(add, trim, cursor bool) {
	var b buffer.Batch
	if add {
		b.Append = m.entries()
	}
	if trim && len(m.held) > 0 {
		b.Trim = m.held[m.rnd.IntN(len(m.held))].Seq + uint64(m.rnd.IntN(2))
	}
	if cursor {
		name := fmt.Sprint("collector-", m.rnd.IntN(5))
		b.Cursors = map[string][]byte{name: binary.BigEndian.AppendUint64(nil, m.rnd.Uint64())}
		if m.rnd.IntN(4) == 0 {
			b.Cursors[name] = nil
		}
	}
	given := slices.Clone(b.Append)
	res, err := m.s.Commit(b)
	if err != nil {
		m.t.Fatalf("commit: %v", err)
	}
	m.apply(given, b, res)
}

// apply does to the model what the batch and its result say.
func (m *model) apply(given []buffer.Entry, b buffer.Batch, res buffer.AppendResult) {
	for len(m.held) > 0 && m.held[0].Seq < b.Trim {
		count(&m.want.Trimmed, m.held[0])
		m.held = m.held[1:]
	}
	for _, e := range given {
		count(&m.want.Appended, e)
	}
	shed := m.named(res.Shed, given)
	for _, e := range shed {
		if int(e.Class) == m.c.Classes-1 {
			m.t.Errorf("record %d of the highest class shed", e.Seq)
		}
		count(&m.want.Shed, e)
	}
	all := append(slices.Clone(m.held), given...)
	all = slices.DeleteFunc(all, func(e buffer.Entry) bool { return has(shed, e.Seq) })
	evicted := m.named(res.Evicted, all)
	for i, e := range evicted {
		if i >= len(all) || all[i].Seq != e.Seq {
			m.t.Fatalf("evicted %d, which is not the oldest", e.Seq)
		}
		count(&m.want.Evicted, e)
	}
	m.held = all[len(evicted):]
	for name, v := range b.Cursors {
		if v == nil {
			delete(m.cursors, name)
		} else {
			m.cursors[name] = v
		}
	}
}

// named finds the records that l names, in sequence order, and checks l's sums.
func (m *model) named(l []buffer.Lost, among []buffer.Entry) []buffer.Entry {
	var out []buffer.Entry
	for _, lost := range l {
		size := int64(0)
		for _, seq := range lost.Seqs {
			i, ok := slices.BinarySearchFunc(among, seq, bySeq)
			if !ok || among[i].Class != lost.Class {
				m.t.Fatalf("record %d of class %d reported gone, but it was not there", seq, lost.Class)
			}
			size += int64(len(among[i].Data))
			out = append(out, among[i])
		}
		if size != lost.Bytes {
			m.t.Errorf("class %d: %d octets reported gone, want %d", lost.Class, lost.Bytes, size)
		}
	}
	slices.SortFunc(out, func(a, b buffer.Entry) int { return bySeq(a, b.Seq) })
	return out
}

func bySeq(e buffer.Entry, seq uint64) int {
	switch {
	case e.Seq < seq:
		return -1
	case e.Seq > seq:
		return 1
	}
	return 0
}

func has(l []buffer.Entry, seq uint64) bool {
	_, ok := slices.BinarySearchFunc(l, seq, bySeq)
	return ok
}

func count(c *buffer.Counts, e buffer.Entry) {
	c[e.Class].Records++
	c[e.Class].Bytes += int64(len(e.Data))
}

func (m *model) read() {
	from := uint64(m.rnd.Int64N(int64(m.next) + 10))
	if len(m.held) > 0 && m.rnd.IntN(4) > 0 {
		from = m.held[m.rnd.IntN(len(m.held))].Seq
	}
	m.readFrom(from, m.rnd.IntN(4*m.c.MaxData)+1)
}

// readFrom reads once, compares, and returns where to go on; 0 at the end.
func (m *model) readFrom(from uint64, limit int) uint64 {
	prefix := []byte("kept")
	got, rest, err := m.s.Read(from, limit, append(make([]byte, 0, 4+m.rnd.IntN(2*limit)), prefix...))
	if err != nil {
		m.t.Fatalf("read: %v", err)
	}
	if !bytes.HasPrefix(rest, prefix) {
		m.t.Errorf("read overwrote what was before the spare capacity")
	}
	i, _ := slices.BinarySearchFunc(m.held, from, bySeq)
	want := m.held[i:]
	size := 0
	for k, e := range got {
		if k >= len(want) || e.Seq != want[k].Seq || e.Class != want[k].Class || !bytes.Equal(e.Data, want[k].Data) {
			m.t.Fatalf("read from %d: entry %d is %d (class %d, %d octets), not what was appended", from, k, e.Seq, e.Class, len(e.Data))
		}
		size += len(e.Data)
	}
	if len(got) == 0 && len(want) > 0 {
		m.t.Fatalf("read from %d: nothing, want %d first", from, want[0].Seq)
	}
	if size > limit && len(got) > 1 {
		m.t.Errorf("read of %d octets returned %d", limit, size)
	}
	if len(got) == 0 {
		return 0
	}
	if next := len(got); next < len(want) && size+len(want[next].Data) <= min(limit, buffer.MaxRead) {
		m.t.Errorf("read from %d of %d octets stopped at %d", from, limit, size)
	}
	return got[len(got)-1].Seq + 1
}

func (m *model) readAll() {
	n := 0
	for from := uint64(1); from != 0 && n <= len(m.held); n++ {
		from = m.readFrom(from, 64<<10)
	}
}

// check compares everything that can be seen without reading records.
func (m *model) check() {
	m.want.Held = buffer.Counts{}
	for _, e := range m.held {
		count(&m.want.Held, e)
	}
	st := m.s.Stats()
	for _, c := range []struct {
		name      string
		got, want buffer.Counts
	}{
		{"appended", st.Appended, m.want.Appended}, {"held", st.Held, m.want.Held}, {"trimmed", st.Trimmed, m.want.Trimmed},
		{"shed", st.Shed, m.want.Shed}, {"evicted", st.Evicted, m.want.Evicted}, {"lost", st.Lost, buffer.Counts{}},
	} {
		if c.got != c.want {
			m.t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if st.FileBytes > m.c.MaxBytes {
		m.t.Errorf("file of %d octets, cap is %d", st.FileBytes, m.c.MaxBytes)
	}
	first, ok := m.s.First()
	if ok != (len(m.held) > 0) || ok && first != m.held[0].Seq {
		m.t.Errorf("first %d %v, %d records held", first, ok, len(m.held))
	}
	if last, ok := m.s.Last(); ok && last != m.next-1 || !ok && m.want.Appended != (buffer.Counts{}) {
		m.t.Errorf("last %d %v, want %d", last, ok, m.next-1)
	}
	for name := range maps.Keys(m.cursors) {
		if v, ok, err := m.s.Cursor(name); err != nil || !ok || !bytes.Equal(v, m.cursors[name]) {
			m.t.Errorf("cursor %s: %x %v %v, want %x", name, v, ok, err, m.cursors[name])
		}
	}
	for i := range 5 {
		name := fmt.Sprint("collector-", i)
		if _, ok, _ := m.s.Cursor(name); ok != (m.cursors[name] != nil) {
			m.t.Errorf("cursor %s: set %v", name, ok)
		}
	}
}
