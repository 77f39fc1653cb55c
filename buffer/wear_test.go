package buffer_test

import (
	"os"
	"testing"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

// TestWritten: what is written is at least what the records take, survives closing, and is not
// much more than the records where commits are large.
func TestWritten(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{})
	for i := range uint64(10) {
		mustAppend(t, s, batch(1+1000*i, 1000, 800))
	}
	st := s.Stats()
	own := st.Appended.Total().Bytes
	if st.Written < own || st.Written > own*5/4 {
		t.Errorf("%d octets written for %d of records", st.Written, own)
	}
	t.Logf("%d commits of 1000 records of 800 octets: %.3f times their octets", st.Commits, float64(st.Written)/float64(own))
	s.Close()

	s = open(t, path, buffer.Options{})
	again := s.Stats().Written
	if again > st.Written || again < st.Written*9/10-8192 { // without the last commit's
		t.Errorf("%d after opening again, %d before", again, st.Written)
	}
	for i := range uint64(20) {
		mustAppend(t, s, batch(20_000+10*i, 10, 100))
	}
	small := s.Stats()
	t.Logf("20 commits of 10 records of 100 octets: %.1f times their octets", float64(small.Written-again)/(20*10*100))
	if small.Written <= again+20*4096 {
		t.Errorf("%d octets for 20 small commits", small.Written-again)
	}
	s.Close()

	// A damaged file's count goes on in the one that replaces it.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, buffer.Options{})
	if got := s.Stats().Written; got <= 0 {
		t.Errorf("%d octets after damage", got)
	}
	s.Close()
}
