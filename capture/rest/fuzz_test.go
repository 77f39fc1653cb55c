package rest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// script is a conversation, each piece whole: what is sent by whom.
type script []struct {
	dir int
	b   []byte
}

// parse makes a script of fuzzed octets: pieces between 0xff, which the first
// octet behind it gives to a side.
func parse(b []byte) (s script) {
	for len(b) > 0 && len(s) < 64 {
		dir := int(b[0] & 1)
		b = b[1:]
		n := slices.Index(b, 0xff)
		if n < 0 {
			n = len(b)
		}
		s = append(s, struct {
			dir int
			b   []byte
		}{dir, b[:n]})
		b = b[min(n+1, len(b)):]
	}
	return s
}

func (s script) run(t *testing.T, r *rand.Rand) ([]string, int) {
	p := NewParser(Config{BodyBytes: 64, MaxExchanges: 24})
	l := new(log)
	c := p.NewConn(l)
	var rest [2][]byte
	for i, piece := range s {
		for b := piece.b; len(b) > 0; {
			n := len(b)
			if r != nil {
				n = 1 + r.IntN(n)
			}
			rest[piece.dir] = append(rest[piece.dir], b[:n]...)
			k := c.Write(piece.dir, int64(i+1)*ms, Numbers{}, rest[piece.dir])
			if k < 0 || k > len(rest[piece.dir]) {
				t.Fatalf("consumed %d of %d", k, len(rest[piece.dir]))
			}
			rest[piece.dir] = rest[piece.dir][k:]
			if c.Mode() == Following && len(rest[piece.dir]) > maxHold {
				t.Fatalf("%d octets are pending", len(rest[piece.dir]))
			}
			b = b[n:]
		}
		if c.n > maxLine || c.open > maxOpen || p.made > 24 || len(c.early) > maxLine || c.kept > maxOpen {
			t.Fatalf("%d in line, %d open, %d made", c.n, c.open, p.made)
		}
	}
	broken := int(p.Stats().Broken) // what is found behind it depends on where segments begin
	c.End(Closed)
	balanced(t, p, l)
	return l.events, broken
}

func join(pieces ...string) []byte {
	var b []byte
	for i, p := range pieces {
		if i > 0 {
			b = append(b, 0xff)
		}
		b = append(b, p...)
	}
	return b
}

// FuzzConn: however the octets are split into segments, the events are the same;
// each request is told once and ends once; nothing leaks; gaps, closings and
// expiry anywhere keep the bounds.
func FuzzConn(f *testing.F) {
	f.Add(join("0"+get, "1"+ok, "0"+getB, "1"+none), uint64(1))
	f.Add(join("0"+get+getB+getC, "1"+ok+big+"0123456789", "1"+none), uint64(2))
	f.Add(join("0POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "1HTTP/1.1 100 Continue\r\n\r\n", "1HTTP/1.1 200 OK\r\n\r\nto the end"), uint64(3))
	f.Add(join("0"+wsGet+"x", "1"+wsYes), uint64(4))
	f.Add(join("0CONNECT h:1 HTTP/1.1\r\n\r\n", "1HTTP/1.1 200 OK\r\n\r\nx"), uint64(5))
	f.Add(join("1"+ok, "0"+get, "0HEAD / HTTP/1.1\r\n\r\n", "1"+big), uint64(6))
	f.Add(join("0"+get, "1HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\n\x0f\x01\x80"), uint64(7))
	f.Add(join("0"+get, "1HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n"+strings.Repeat("\x1f\x8b\x08\x00", 10)), uint64(8))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) > 1<<16 {
			return
		}
		s := parse(b)
		r := rand.New(rand.NewPCG(seed, 2))
		want, broken := s.run(t, nil)
		got, brokenToo := s.run(t, r)
		if broken == 0 && brokenToo == 0 && !slices.Equal(got, want) {
			t.Fatalf("split:\n%s\nwhole:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		s.disturb(t, r)
	})
}

// disturb plays the script with gaps, closings and expiry at random.
func (s script) disturb(t *testing.T, r *rand.Rand) {
	p := NewParser(Config{BodyBytes: 64, MaxExchanges: 8, Timeout: 5 * ms})
	l := new(log)
	c := p.NewConn(l)
	var rest [2][]byte
	var sent [2]uint32
	for i, piece := range s {
		d, now := piece.dir, int64(i+1)*ms
		switch r.IntN(8) {
		case 0:
			n := r.IntN(20) - 1
			rest[d] = nil
			c.Gap(d, int64(n))
			piece.b = piece.b[min(max(n, 0), len(piece.b)):]
		case 1:
			c.Expire(now)
		case 2:
			c.Cut(d)
		}
		rest[d] = append(rest[d], piece.b...)
		sent[d] += uint32(len(piece.b))
		// What the sender had got may be anything: segments come in any order.
		numbers := Numbers{End: sent[d], Ack: sent[1-d] - uint32(r.IntN(3)*r.IntN(80)), Known: r.IntN(4) > 0}
		rest[d] = rest[d][c.Write(d, now, numbers, rest[d]):]
	}
	c.End(Reason(r.IntN(int(NumReasons))))
	balanced(t, p, l)
	if c.n != 0 || c.open != 0 || len(c.early) != 0 || c.kept != 0 {
		t.Fatalf("%d in line, %d open", c.n, c.open)
	}
}
