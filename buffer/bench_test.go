package buffer_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/buffer"
)

const (
	benchRecords = 1024
	benchSize    = 800
	benchCommits = 100 // per file; a new one then, for both sides
)

// rawLog is what a spool can be measured against: records with length,
// sequence and CRC32C appended to a plain file, one write and one fdatasync a batch.
type rawLog struct {
	f   *os.File
	buf []byte
}

var table = crc32.MakeTable(crc32.Castagnoli)

func (l *rawLog) append(e []buffer.Entry) error {
	l.buf = l.buf[:0]
	for i := range e {
		at := len(l.buf)
		l.buf = binary.BigEndian.AppendUint32(l.buf, uint32(len(e[i].Data)))
		l.buf = append(l.buf, 0, 0, 0, 0)
		l.buf = binary.BigEndian.AppendUint64(l.buf, e[i].Seq)
		l.buf = append(l.buf, e[i].Data...)
		binary.BigEndian.PutUint32(l.buf[at+4:], crc32.Checksum(l.buf[at+8:], table))
	}
	if _, err := l.f.Write(l.buf); err != nil {
		return err
	}
	return syscall.Fdatasync(int(l.f.Fd()))
}

// BenchmarkAppend writes durable commits of 1024 records of 800 octets, in turn
// to a spool and to a raw log, and drains the spool at the end. raw-ratio is
// how much of the raw log's rate the spool reaches, drain-ratio how much faster
// draining is than appending, file-ratio the file's size over the payload's.
func BenchmarkAppend(b *testing.B) {
	dir := b.TempDir()
	entries := batch(1, benchRecords, benchSize)
	var spool, raw, drain time.Duration
	var payload, file int64
	n := 0
	for b.Loop() {
		sp, lg, dr, size := benchFile(b, dir, entries)
		spool, raw, drain, file = spool+sp, raw+lg, drain+dr, file+size
		payload += benchCommits * benchRecords * benchSize
		n++
	}
	b.ReportMetric(float64(n*benchCommits*benchRecords)/spool.Seconds(), "spool-rec/s")
	b.ReportMetric(float64(n*benchCommits*benchRecords)/raw.Seconds(), "raw-rec/s")
	b.ReportMetric(float64(n*benchCommits*benchRecords)/drain.Seconds(), "drain-rec/s")
	b.ReportMetric(raw.Seconds()/spool.Seconds(), "raw-ratio")
	b.ReportMetric(spool.Seconds()/drain.Seconds(), "drain-ratio")
	b.ReportMetric(float64(file)/float64(payload), "file-ratio")
}

// benchFile fills one spool and one raw log, commit by commit in turn.
func benchFile(b *testing.B, dir string, entries []buffer.Entry) (spool, raw, drain time.Duration, size int64) {
	path := filepath.Join(dir, "spool")
	s, err := buffer.Open(path, buffer.Options{Classes: 4})
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	l := rawLog{f: f}
	for i := range uint64(benchCommits) {
		for j := range entries {
			entries[j].Seq = 1 + i*benchRecords + uint64(j)
		}
		start := time.Now()
		if _, err := s.Append(entries); err != nil {
			b.Fatal(err)
		}
		spool += time.Since(start)
		start = time.Now()
		if err := l.append(entries); err != nil {
			b.Fatal(err)
		}
		raw += time.Since(start)
	}
	size = s.Stats().FileBytes
	drain = benchDrain(b, s)
	for _, err := range []error{s.Close(), f.Close(), os.Remove(path), os.Remove(f.Name())} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return spool, raw, drain, size
}

// benchDrain reads everything and trims every 4 MiB, as a barrier does.
func benchDrain(b *testing.B, s *buffer.Spool) time.Duration {
	start := time.Now()
	buf := make([]byte, 0, buffer.MaxRead)
	var from uint64
	since, records := 0, 0
	for {
		e, rest, err := s.Read(from, buffer.MaxRead, buf[:0])
		if err != nil {
			b.Fatal(err)
		}
		if len(e) == 0 {
			break
		}
		buf = rest
		records += len(e)
		from = e[len(e)-1].Seq + 1
		if since += len(rest); since >= 4<<20 {
			since = 0
			if err := s.Trim(from); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Trim(from); err != nil {
		b.Fatal(err)
	}
	if records != benchCommits*benchRecords {
		b.Fatalf("%d records drained", records)
	}
	return time.Since(start)
}

// BenchmarkAppendAtCap is the steady state of a full spool: every commit evicts.
func BenchmarkAppendAtCap(b *testing.B) {
	s, err := buffer.Open(filepath.Join(b.TempDir(), "spool"), buffer.Options{Classes: 1, MaxBytes: 32 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	entries := make([]buffer.Entry, benchRecords)
	seq := uint64(0)
	add := func() {
		for j := range entries {
			seq++
			entries[j] = buffer.Entry{Seq: seq, Data: data(1, benchSize)}
		}
		if _, err := s.Append(entries); err != nil {
			b.Fatal(err)
		}
	}
	for range 50 {
		add()
	}
	before, ops := s.Stats().Commits, 0
	for b.Loop() {
		add()
		ops++
	}
	st := s.Stats()
	b.ReportMetric(float64(st.Commits-before)/float64(ops), "commits/op")
	b.ReportMetric(float64(st.Held.Total().Bytes)/float64(32<<20), "held/cap")
}

// BenchmarkRead reads 64 KiB at a time.
func BenchmarkRead(b *testing.B) {
	s, err := buffer.Open(filepath.Join(b.TempDir(), "spool"), buffer.Options{Classes: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Append(batch(1, benchRecords, benchSize)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 64<<10)
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	from := uint64(1)
	for b.Loop() {
		e, _, err := s.Read(from, 64<<10, buf)
		if err != nil || len(e) == 0 {
			b.Fatal(err)
		}
		if from = e[len(e)-1].Seq + 1; from > benchRecords {
			from = 1
		}
	}
}

// BenchmarkOpen opens a spool of 1 GiB whose file the kernel has nothing of in memory, as
// after a power cut.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "spool")
	o := buffer.Options{Classes: 4, MaxBytes: 2 << 30}
	s, err := buffer.Open(path, o)
	if err != nil {
		b.Fatal(err)
	}
	for seq := uint64(1); s.Stats().UsedBytes < 1<<30; seq += benchRecords {
		if _, err := s.Append(batch(seq, benchRecords, benchSize)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		forget(b, path)
		b.StartTimer()
		s, err := buffer.Open(path, o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// forget has the kernel drop what it has of a file.
func forget(b *testing.B, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
	}
	if err != nil {
		b.Fatal(err)
	}
}
