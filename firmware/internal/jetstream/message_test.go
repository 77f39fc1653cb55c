package jetstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"heptap/capture/record"
)

// packets makes a fixed number of packets of everything: an octet that says how long it is, then text.
type packets int

func (p packets) Encode(dst, rec []byte) ([]byte, error) {
	for range p {
		dst = append(dst, 4, 'a', 'b', 'c')
	}
	return dst, nil
}

func firstPacket(b []byte) int { return int(b[0]) }

func sealed(t testing.TB, r record.Record, seq uint64, boot byte) []byte {
	t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(b, seq, 0, [16]byte{boot})
	return b
}

func encoded(t testing.TB, e *Encoder, rec []byte) (out []message) {
	t.Helper()
	b, err := e.Encode(nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		m, n, err := next(b)
		if err != nil {
			t.Fatal(err)
		}
		out, b = append(out, m), b[n:]
	}
	return out
}

// TestIDs: a record has the same id whenever and by whomever it is sent, and no other record has it: not one
// with its number in another spool of the same boot, nor another probe's on the same host.
func TestIDs(t *testing.T) {
	names := Names{Prefix: "heptap", Node: "a", AgentID: 1}
	call := record.Record{Type: record.SIP, Class: record.Call, Mono: 1000, Primary: []byte("1@a")}
	later := call
	later.Mono = 2000
	id := func(names Names, r record.Record, seq uint64, boot byte) string {
		return encoded(t, NewEncoder(packets(1), firstPacket, names), sealed(t, r, seq, boot))[0].id
	}
	base := id(names, call, 1<<40, 1)
	if again := id(names, call, 1<<40, 1); again != base {
		t.Errorf("%s, then %s", base, again)
	}
	other, agent := names, names
	other.Node, agent.AgentID = "b", 2
	seen := map[string]string{base: "the record"}
	for what, id := range map[string]string{"the next": id(names, call, 1<<40+1, 1), "of another boot": id(names, call, 1<<40, 2), "of another spool": id(names, later, 1<<40, 1),
		"another node's": id(other, call, 1<<40, 1), "another agent's": id(agent, call, 1<<40, 1)} {
		if seen[id] != "" {
			t.Errorf("%s and %s have the id %s", what, seen[id], id)
		}
		seen[id] = what
	}
	parts := encoded(t, NewEncoder(packets(3), firstPacket, names), sealed(t, call, 1<<40, 1))
	if len(parts) != 3 || parts[0].id != base || parts[1].id != base+".1" || parts[2].id != base+".2" {
		t.Errorf("%+v", parts)
	}
}

// TestPartitions: what belongs to a call is in its partition, as are its later legs.
func TestPartitions(t *testing.T) {
	e := NewEncoder(packets(1), firstPacket, Names{Prefix: "heptap", Node: "a", Partitions: 1000, Calls: NewCalls(100)})
	subject := func(r record.Record) string { return encoded(t, e, sealed(t, r, 1<<40, 1))[0].subject }
	linked := func(typ record.Type, primary string, to ...string) record.Record {
		r := record.Record{Type: typ, Class: record.Call, Primary: []byte(primary)}
		for _, id := range to {
			r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Seen, ID: []byte(id)})
		}
		return r
	}
	partition := func(r record.Record) string {
		tokens := strings.Split(subject(r), ".")
		return tokens[len(tokens)-1]
	}
	want := partition(linked(record.SIP, "a@1"))
	for _, r := range []record.Record{linked(record.SIP, "b@1", "a@1"), linked(record.SIP, "b@1"), linked(record.RTPReport, "b@1"), linked(record.REST, "77", "b@1"), linked(record.Log, "a@1")} {
		if got := partition(r); got != want {
			t.Errorf("%s %s: partition %s, want %s", r.Type, r.Primary, got, want)
		}
	}
	if partition(linked(record.SIP, "c@1")) == want && partition(linked(record.SIP, "d@1")) == want {
		t.Error("all calls are in one partition")
	}
	if got := subject(linked(record.Net, "1")); !strings.HasPrefix(got, "heptap.a.net.") {
		t.Error(got)
	}
}

// TestToken: no name breaks a subject, and no two make the same.
func TestToken(t *testing.T) {
	for in, want := range map[string]string{"probe-berlin_1": "probe-berlin_1", "a.b": "a%2Eb", "a*": "a%2A", ">": "%3E", "a b": "a%20b", "": "%", "%": "%25", "\u00fc": "%C3%BC", "a\r\nPUB x": "a%0D%0APUB%20x"} {
		if got := Token(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("probe-berlin", "probe.berlin")
	f.Add("%2E", ".")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := Token(a), Token(b)
		if x == "" || strings.ContainsAny(x, " .*>\t\r\n\x00") {
			t.Errorf("%q becomes %q", a, x)
		}
		if a != b && x == y {
			t.Errorf("%q and %q both become %q", a, b, x)
		}
	})
}

func TestReceipts(t *testing.T) {
	for in, want := range map[string]string{
		`{"stream":"HEP","seq":1}`: "", `{"stream":"HEP","seq":7,"duplicate":true,"domain":"x"}`: "",
		`{"stream":"HEP"}`: errNoReceipt.Error(), `{"seq":1}`: errNoReceipt.Error(), ``: errNoReceipt.Error(), `[]`: errNoReceipt.Error(), `thanks`: errNoReceipt.Error(),
		`{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"HEP","seq":0}`: "message size exceeds maximum allowed",
	} {
		duplicate, err := parseReceipt([]byte(in))
		if got := errText(err); got != want || duplicate != strings.Contains(in, "duplicate") {
			t.Errorf("%s: %q, duplicate %t", in, got, duplicate)
		}
	}
	for code := range 10200 {
		r := &refusal{code, "because"}
		if err := r.about("a.b.c"); err == nil || r.personal() != (code == codeMessageTooLarge) {
			t.Errorf("code %d: %v", code, err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte(`{"stream":"HEP","seq":1,"duplicate":true}`))
	f.Add([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`))
	f.Add([]byte(`{"stream":"HEP","seq":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := parseReceipt(b)
		var no *refusal
		switch {
		case errors.As(err, &no):
			_ = no.about("a.b")
		case err == nil && !bytes.Contains(b, []byte(":")):
			t.Errorf("%q is a receipt", b)
		}
	})
}

// FuzzMessages: what a Conn is given is split, or refused.
func FuzzMessages(f *testing.F) {
	e := NewEncoder(packets(2), firstPacket, Names{Prefix: "heptap", Node: "a"})
	b, err := e.Encode(nil, sealed(f, record.Record{Type: record.SIP, Class: record.Call}, 1<<40, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(binary.BigEndian.AppendUint64(nil, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, n, err := next(b)
			if err != nil {
				return
			}
			if n < headSize || n > len(b) || m.subject == "" || headSize+len(m.subject)+len(m.id)+len(m.payload) != n {
				t.Fatalf("%d of %d: %+v", n, len(b), m)
			}
			b = b[n:]
		}
	})
}
