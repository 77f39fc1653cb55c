package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
)

// makeSpool writes n records, every tenth of them a report, in commits of ten.
func makeSpool(t *testing.T, n int) (path string, s *buffer.Spool) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "spool.db")
	s, err := buffer.Open(path, buffer.Options{Classes: int(record.NumClasses), MaxBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var batch []buffer.Entry
	for i := range n {
		r := record.Record{Type: record.SIP, Class: record.Call, Wall: start.UnixNano() + int64(i)*1e9,
			Flow:    capture.FiveTuple{Proto: capture.ProtoUDP, Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")},
			Primary: fmt.Appendf(nil, "call-%d", i), Payload: fmt.Appendf(nil, "OPTIONS sip:%d@example SIP/2.0\r\n\r\n%s", i, strings.Repeat("x", 500))}
		if i%10 == 9 {
			r.Type, r.Class, r.Payload = record.RTPReport, record.Periodic, []byte(`{"MOS":4.4}`)
		}
		b, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		record.Seal(b, uint64(i+1), 0, [16]byte{1})
		batch = append(batch, buffer.Entry{Seq: uint64(i + 1), Class: uint8(r.Class), Data: b})
		if len(batch) == 10 || i == n-1 {
			if _, err := s.Append(batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	return path, s
}

func TestSpoolCommands(t *testing.T) {
	path, s := makeSpool(t, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ls := heptap(t, nil, "spool", "ls", path).want(t, 0).stdout
	for _, s := range []string{"call            90 records", "periodic        10 records", "sequence  1 to 100", "recorded  2023-11-14T22:13:20Z to 2023-11-14T22:14:59Z"} {
		if !strings.Contains(ls, s) {
			t.Errorf("ls lacks %q:\n%s", s, ls)
		}
	}
	if r := heptap(t, nil, "spool", "verify", path).want(t, 0); !strings.Contains(r.stdout, "100 sound records") {
		t.Errorf("verify: %s", r.stdout)
	}
	out := filepath.Join(t.TempDir(), "rest.hep")
	heptap(t, nil, "spool", "export", "-o", out, "-config", write(t, "c.conf", "set system node box-7\n"), path).want(t, 0)
	lines := heptap(t, nil, "decode", out).want(t, 0).lines(t)
	if len(lines) != 100 {
		t.Fatalf("%d records exported", len(lines))
	}
	for i, p := range lines {
		if p.Primary != fmt.Sprintf("call-%d", i) || p.Node != "box-7" {
			t.Fatalf("record %d: %+v", i, p)
		}
	}
	stdout := heptap(t, nil, "spool", "export", path).want(t, 0).stdout
	if n := len(heptap(t, []byte(stdout), "decode", "-").want(t, 0).lines(t)); n != 100 {
		t.Errorf("%d records exported to standard output", n)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("looking changed the file: %v", err)
	}
}

func TestSpoolInUse(t *testing.T) {
	path, _ := makeSpool(t, 10) // and keeps it open, as the probe does
	for _, verb := range []string{"ls", "export", "verify"} {
		r := heptap(t, nil, "spool", verb, path).want(t, 1, "in use by the probe", "stop it first")
		if r.stdout != "" {
			t.Errorf("%s prints %q", verb, r.stdout)
		}
	}
}

func TestSpoolMissingOrForeign(t *testing.T) {
	for _, verb := range []string{"ls", "export", "verify"} {
		none := filepath.Join(t.TempDir(), "none.db")
		heptap(t, nil, "spool", verb, none).want(t, 1, "none.db", "no such file")
		if _, err := os.Stat(none); err == nil {
			t.Errorf("%s made the file", verb)
		}
		if r := heptap(t, nil, "spool", verb, write(t, "text.db", strings.Repeat("no spool at all\n", 1000))); r.code == 0 {
			t.Errorf("%s takes a text for a spool: %s", verb, r.stdout)
		}
	}
}

// TestSpoolDamaged turns octets of a spool over, one page at a time: verify
// must notice what is wrong with any record, export must write the sound ones.
func TestSpoolDamaged(t *testing.T) {
	path, s := makeSpool(t, 300)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(whole, []byte("OPTIONS sip:150@example"))
	if at < 0 {
		t.Fatal("record 150 is not in the file as it is")
	}
	damaged := bytes.Clone(whole)
	damaged[at] ^= 0xff
	file := write(t, "damaged.db", string(damaged))
	if r := heptap(t, nil, "spool", "verify", file).want(t, 1, "problem", "spool export"); !strings.Contains(r.stdout, "sound records") {
		t.Errorf("verify: %s", r.stdout)
	}
	out := filepath.Join(t.TempDir(), "rest.hep")
	r := heptap(t, nil, "spool", "export", "-o", out, file)
	if r.code > 1 {
		t.Errorf("export: %+v", r)
	}
	have := map[string]bool{}
	for _, p := range heptap(t, nil, "decode", out).want(t, 0).lines(t) {
		have[p.Primary] = true
	}
	for i := range 300 {
		if id := fmt.Sprintf("call-%d", i); i != 150 && !have[id] {
			t.Errorf("%s is sound and was not exported", id)
		}
	}
	if have["call-150"] {
		t.Error("the damaged record was exported")
	}
	// Cut in the middle, as after a power failure on a careless disk.
	cut := write(t, "cut.db", string(whole[:len(whole)/2]))
	if r := heptap(t, nil, "spool", "verify", cut); r.code != 1 {
		t.Errorf("verify of half a file: %+v", r)
	}
}
