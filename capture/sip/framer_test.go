package sip_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture/sip"
)

// framed is what a Framer made of a stream.
type framed struct {
	messages  []string // "cut: " and "bad length: " before those that are
	keepAlive int      // octets
	junk      int
	rest      int
	notSIP    bool
	left      int // octets pending at the end
}

func (r *framed) add(f sip.Frame, b []byte) {
	switch f.Kind {
	case sip.Message:
		s := string(b[:f.N])
		if f.BadLength {
			s = "bad length: " + s
		}
		if f.Cut {
			s = "cut: " + s
		}
		r.messages = append(r.messages, s)
	case sip.KeepAlive:
		r.keepAlive += f.N
	case sip.Junk:
		r.junk += f.N
	case sip.Rest:
		r.rest += f.N
	}
}

// feed shows the framer the stream in pieces that end at the offsets, as a
// stream would, and then its end.
func feed(t testing.TB, f *sip.Framer, stream []byte, ends []int) framed {
	var r framed
	start := 0
	for i, end := range append(slices.Clone(ends), len(stream), len(stream)) {
		last := i == len(ends)+1
		for {
			b := stream[start:end:end]
			got := f.Next(b, last)
			if got.Kind == sip.NotSIP {
				r.notSIP = true
				return r
			}
			if got.N < 0 || got.N > len(b) || (got.N == 0) != (got.Kind == sip.More) {
				t.Fatalf("%+v of %d octets", got, len(b))
			}
			if got.Kind == sip.More {
				if len(b) > sip.MaxMessage {
					t.Fatalf("%d octets are left pending", len(b))
				}
				break
			}
			r.add(got, b)
			start += got.N
		}
	}
	r.left = len(stream) - start
	return r
}

func cuts(n int, every int) (ends []int) {
	for i := every; i < n; i += every {
		ends = append(ends, i)
	}
	return ends
}

func (r framed) String() string {
	var b strings.Builder
	for _, m := range r.messages {
		fmt.Fprintf(&b, "  %.200q\n", m)
	}
	return fmt.Sprintf("%d messages, keep-alive %d, junk %d, rest %d, not SIP %v, left %d\n%s", len(r.messages), r.keepAlive, r.junk, r.rest, r.notSIP, r.left, b.String())
}

const (
	options = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	notify  = "NOTIFY sip:bob@example.com SIP/2.0\r\nCall-ID: 2\r\nCSeq: 2 NOTIFY\r\nContent-Type: message/sipfrag\r\nContent-Length: 19\r\n\r\nSIP/2.0 100 Trying\n"
	ringing = "SIP/2.0 180 Ringing\r\nv: SIP/2.0/TCP a\r\ni: 3\r\nCSeq: 3 INVITE\r\nl: 0\r\n\r\n"
	open    = "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: 4\r\nCSeq: 4 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n"
	ack     = "ACK sip:bob@example.com SIP/2.0\r\nCall-ID: 5\r\nCSeq: 4 ACK\r\n\r\n"
	withSDP = "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: 6\r\nCSeq: 6 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: 10\r\n\r\nv=0\r\ns=-\r\n"
)

func TestFramer(t *testing.T) {
	long := "MESSAGE sip:a SIP/2.0\r\nCall-ID: 9\r\nContent-Length: 70000\r\n\r\n"
	for _, c := range []struct {
		name string
		in   string
		want framed
	}{
		{name: "one", in: options, want: framed{messages: []string{options}}},
		{name: "several in a segment (RFC 3261 18.3)", in: options + notify + ringing + ack, want: framed{messages: []string{options, notify, ringing, ack}}},
		{name: "keep-alives between (RFC 5626 4.4.1)", in: "\r\n\r\n" + options + "\r\n\r\n" + ringing + "\r\n", want: framed{messages: []string{options, ringing}, keepAlive: 10}},
		{name: "nulls between", in: options + "\x00\x00\x00\x00" + ringing, want: framed{messages: []string{options, ringing}, keepAlive: 4}},
		{name: "any token is a method (25.1)", in: "KDMQ sip:a SIP/2.0\nCall-ID: 1\nl:0\n\n" + "!-.%*_+`'~ sip:a SIP/2.0\n\n",
			want: framed{messages: []string{"KDMQ sip:a SIP/2.0\nCall-ID: 1\nl:0\n\n", "!-.%*_+`'~ sip:a SIP/2.0\n\n"}}},
		{name: "header names in any case, folded (7.3.1)", in: "INVITE sip:a SIP/2.0\r\ncONTENT-lENGTH :\r\n\t 4\r\nSubject: x\r\n Content-Length: 9\r\n\r\nbody" + ack,
			want: framed{messages: []string{"INVITE sip:a SIP/2.0\r\ncONTENT-lENGTH :\r\n\t 4\r\nSubject: x\r\n Content-Length: 9\r\n\r\nbody", ack}}},
		{name: "no Content-Length, no body (20.14)", in: ack + options, want: framed{messages: []string{ack, options}}},
		{name: "no Content-Length, a body to the next message", in: open + options + open + ringing, want: framed{messages: []string{open, options, open, ringing}}},
		{name: "no Content-Length, a body to the end (18.3)", in: open, want: framed{messages: []string{open}}},
		{name: "a body of unknown length that quotes a status line", in: open + "SIP/2.0 100 Trying\r\n" + options,
			want: framed{messages: []string{open + "SIP/2.0 100 Trying\r\n", options}}},
		{name: "a body of unknown length that quotes a start line and a header", in: open + "SIP/2.0 100 Trying\r\nCall-ID: 1\r\n\r\n" + options,
			want: framed{messages: []string{open + "SIP/2.0 100 Trying\r\nCall-ID: 1\r\n\r\n", options}}},
		{name: "Content-Length not a number", in: strings.Replace(options, ": 0", ": x", 1) + ack,
			want: framed{messages: []string{"bad length: " + strings.Replace(options, ": 0", ": x", 1), ack}}},
		{name: "Content-Length negative, with a body (RFC 4475 3.1.2.3)", in: strings.Replace(withSDP, ": 10", ": -5", 1) + options,
			want: framed{messages: []string{"bad length: " + strings.Replace(withSDP, ": 10", ": -5", 1), options}}},
		{name: "Content-Length twice (RFC 4475 3.3.9)", in: strings.Replace(withSDP, "Content-Type", "l: 10\r\nContent-Type", 1) + options,
			want: framed{messages: []string{strings.Replace(withSDP, "Content-Type", "l: 10\r\nContent-Type", 1), options}}},
		{name: "Content-Length twice and different", in: strings.Replace(withSDP, "Content-Type", "l: 10\r\nContent-Type", 1)[:len(withSDP)+7-12] + "\r\nv=0\r\ns=-\r\n" + options,
			want: framed{messages: []string{strings.Replace(withSDP, "Content-Type", "l: 10\r\nContent-Type", 1)[:len(withSDP)+7-12] + "\r\nv=0\r\ns=-\r\n", options}}},
		{name: "Content-Length too small", in: strings.Replace(withSDP, ": 10", ": 5", 1) + options,
			want: framed{messages: []string{strings.TrimSuffix(strings.Replace(withSDP, ": 10", ": 5", 1), "s=-\r\n"), options}, junk: 5}},
		{name: "larger than the limit", in: long + strings.Repeat("x", 70000) + options,
			want: framed{messages: []string{"cut: " + long + strings.Repeat("x", sip.MaxMessage-len(long)), options}, rest: len(long) + 70000 - sip.MaxMessage}},
		{name: "headers larger than the limit", in: "MESSAGE sip:a SIP/2.0\r\nCall-ID: 9\r\n" + strings.Repeat("x: y\r\n", 12000) + "\r\n" + options,
			want: framed{messages: []string{"cut: " + ("MESSAGE sip:a SIP/2.0\r\nCall-ID: 9\r\n" + strings.Repeat("x: y\r\n", 12000))[:sip.MaxMessage], options},
				junk: 35 + 72000 + 2 - sip.MaxMessage}},
		{name: "body of unknown length larger than the limit", in: open + strings.Repeat("a=x\r\n", 14000) + options,
			want: framed{messages: []string{"cut: " + (open + strings.Repeat("a=x\r\n", 14000))[:sip.MaxMessage], options}, junk: len(open) + 70000 - sip.MaxMessage}},
		{name: "cut by the end in the body", in: withSDP[:len(withSDP)-3], want: framed{messages: []string{"cut: " + withSDP[:len(withSDP)-3]}}},
		{name: "cut by the end in the headers", in: options + withSDP[:60], want: framed{messages: []string{options, "cut: " + withSDP[:60]}}},
		{name: "cut by the end in the start line", in: options + withSDP[:20], want: framed{messages: []string{options}, junk: 20}},
		{name: "garbage between", in: options + "garbage\r\nmore: of it\r\n" + ringing, want: framed{messages: []string{options, ringing}, junk: 22}},
		{name: "http", in: "POST / HTTP/1.1\r\nHost: a\r\n\r\n", want: framed{notSIP: true}},
		{name: "tls", in: "\x16\x03\x01\x02\x00\x01", want: framed{notSIP: true}},
		{name: "keep-alive, then no SIP", in: "\r\n\r\n{\"jsonrpc\":\"2.0\"}", want: framed{keepAlive: 4, notSIP: true}},
		{name: "a start line without end", in: "INVITE sip:" + strings.Repeat("a", 9000), want: framed{notSIP: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "different") { // the second one disagrees
				c.in = strings.Replace(c.in, "Content-Length: 1", "Content-Length: 2", 1)
				c.want.messages[0] = "bad length: " + strings.Replace(c.want.messages[0], "Content-Length: 1", "Content-Length: 2", 1)
			}
			for _, every := range []int{len(c.in) + 1, 1, 7, 1460} {
				if every == 1 && len(c.in) > 10000 {
					continue
				}
				var f sip.Framer
				if got := feed(t, &f, []byte(c.in), cuts(len(c.in), every)); got.String() != c.want.String() || !slices.Equal(got.messages, c.want.messages) {
					t.Fatalf("in pieces of %d:\n got %v\nwant %v", every, got, c.want)
				}
			}
		})
	}
}

// TestFramerLost is what is found after a gap and in the middle of a stream.
func TestFramerLost(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		want framed
	}{
		{name: "at a message", in: options + ringing, want: framed{messages: []string{options, ringing}}},
		{name: "at a message of an unknown method", in: strings.ReplaceAll(options, "OPTIONS", "KDMQ"), want: framed{messages: []string{strings.ReplaceAll(options, "OPTIONS", "KDMQ")}}},
		{name: "inside a method", in: options[2:] + ringing, want: framed{messages: []string{ringing}, junk: len(options) - 2}},
		{name: "inside a method that ends like another", in: strings.ReplaceAll(ack, "ACK", "PRACK")[2:] + ringing, want: framed{messages: []string{ringing}, junk: len(ack) + 2}},
		{name: "at SIP/2.0 of a start line", in: options[28:] + ringing, want: framed{messages: []string{ringing}, junk: len(options) - 28}},
		{name: "at SIP/2.0 of a Via", in: "SIP/2.0/TCP a;branch=z9hG4bK1\r\nCall-ID: 1\r\n\r\n" + ringing, want: framed{messages: []string{ringing}, junk: 45}},
		{name: "in headers", in: options[50:] + ringing, want: framed{messages: []string{ringing}, junk: len(options) - 50}},
		{name: "in a body that is a sipfrag (RFC 3420)", in: "SIP/2.0 100 Trying\r\n" + ringing, want: framed{messages: []string{ringing}, junk: 20}},
		{name: "in a body that is a longer sipfrag", in: "SIP/2.0 100 Trying\r\nTo: a\r\n\r\n" + ringing, want: framed{messages: []string{ringing}, junk: 29}},
		{name: "lines that are start lines and headers", in: strings.Repeat("A : SIP/2.0\n", 1000) + ringing, want: framed{messages: []string{ringing}, junk: 12000}},
		{name: "nothing of SIP", in: strings.Repeat("no protocol of ours ", 100), want: framed{junk: 2000}},
		{name: "no line end", in: strings.Repeat("\x00\x01\xff", 100), want: framed{junk: 300}},
		{name: "cut by the end", in: withSDP[:len(withSDP)-3], want: framed{messages: []string{"cut: " + withSDP[:len(withSDP)-3]}}},
		{name: "cut by the end before it proved", in: withSDP[:50], want: framed{junk: 50}},
		// What fools it: a whole message in a body whose own message is lost.
		{name: "a message in a message (RFC 3261 27.5, message/sip)", in: "\r\n" + options + ringing, want: framed{messages: []string{options, ringing}, junk: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, every := range []int{len(c.in) + 1, 1, 7} {
				var f sip.Framer
				f.Lost(-1)
				if got := feed(t, &f, []byte(c.in), cuts(len(c.in), every)); got.String() != c.want.String() || !slices.Equal(got.messages, c.want.messages) {
					t.Fatalf("in pieces of %d:\n got %v\nwant %v", every, got, c.want)
				}
			}
		})
	}
}

// TestFramerGap loses a part of a stream and expects every message without a
// lost octet, and the one that the gap began in cut short.
func TestFramerGap(t *testing.T) {
	stream := []byte(options + withSDP + notify + ringing + withSDP + ack + options)
	var whole sip.Framer
	all := feed(t, &whole, stream, nil).messages
	for from := range stream {
		for _, n := range []int{1, 9, 100, 300} {
			to := min(from+n, len(stream))
			for _, known := range []bool{true, false} {
				var f sip.Framer
				got := feed(t, &f, stream[:from], nil)
				gap := int64(-1)
				if known {
					gap = int64(to - from)
				}
				f.Lost(gap)
				got.messages = append(got.messages, feed(t, &f, stream[to:], nil).messages...)
				at := 0
				for _, m := range all {
					untouched := at+len(m) <= from || at >= to
					at += len(m)
					if untouched && !slices.Contains(got.messages, m) {
						t.Fatalf("octets %d to %d lost (known %v): no %.40q in\n%v", from, to, known, m, got)
					}
				}
				for _, m := range got.messages {
					if !strings.HasPrefix(m, "cut: ") && !slices.Contains(all, m) {
						t.Fatalf("octets %d to %d lost (known %v): %q was never sent", from, to, known, m)
					}
				}
			}
		}
	}
}

// TestFramerOnce feeds large messages octet by octet. Each octet may be looked
// at once: were all that are pending looked at again each time, it would take
// a hundred times the time allowed here.
func TestFramerOnce(t *testing.T) {
	for name, s := range map[string]string{
		"headers": "MESSAGE sip:a SIP/2.0\r\n" + strings.Repeat("Subject: "+strings.Repeat("x", 100)+"\r\n", 500) + "\r\n",
		"line":    "MESSAGE sip:a SIP/2.0\r\nSubject: " + strings.Repeat("x", 60000),
		"body":    "MESSAGE sip:a SIP/2.0\r\nl: 60000\r\n\r\n" + strings.Repeat("x", 60000),
		"open":    "MESSAGE sip:a SIP/2.0\r\nc: text/plain\r\n\r\n" + strings.Repeat("x", 60000),
		"lines":   "MESSAGE sip:a SIP/2.0\r\nc: text/plain\r\n\r\n" + strings.Repeat("A : SIP/2.0\r\n", 4000),
	} {
		t.Run(name, func(t *testing.T) {
			b, best := []byte(s), time.Hour
			for range 5 {
				var f sip.Framer
				start := time.Now()
				for n := range len(s) {
					if f.Next(b[:n:n], false).Kind != sip.More && n < 60000 {
						t.Fatalf("something after %d octets", n)
					}
				}
				best = min(best, time.Since(start))
			}
			if best > 60*time.Millisecond {
				t.Errorf("%v", best)
			}
			t.Log(best)
		})
	}
}

// TestFramerTorture puts the messages of RFC 4475 on one stream, one after the
// other, those left out that are no SIP or that promise more than they have.
func TestFramerTorture(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(shared(t), "corpora", "rfc4475", "*.dat"))
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus", err)
	}
	var stream []byte
	var want []string
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v sip.View
		if v.Parse(b) != nil || v.BodyCut || v.HeadersCut {
			continue
		}
		stream = append(stream, b...)
		want = append(want, string(b[:v.Length]))
	}
	for _, every := range []int{1, 13, 1460, len(stream)} {
		var f sip.Framer
		got := feed(t, &f, stream, cuts(len(stream), every))
		for _, w := range want {
			if !slices.ContainsFunc(got.messages, func(m string) bool { return strings.HasSuffix(m, w) }) {
				t.Errorf("in pieces of %d: %s is missing", every, strings.SplitN(w, "\n", 2)[0])
			}
		}
	}
	if len(want) < 40 {
		t.Errorf("only %d messages", len(want))
	}
}

func TestFramerAllocs(t *testing.T) {
	b := []byte("\r\n\r\n" + options + notify + open + ringing)
	if n := testing.AllocsPerRun(100, func() {
		var f sip.Framer
		for rest := b; len(rest) > 0; {
			r := f.Next(rest, true)
			rest = rest[r.N:]
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkFramer(b *testing.B) {
	msg := append(bytes.Clone(invite), options...)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	var f sip.Framer
	for b.Loop() {
		for rest := msg; len(rest) > 0; {
			r := f.Next(rest, false)
			if r.Kind != sip.Message {
				b.Fatalf("%+v", r)
			}
			rest = rest[r.N:]
		}
	}
}

// FuzzFramer splits a stream at random and expects what it gives in one piece.
func FuzzFramer(f *testing.F) {
	f.Add([]byte(options+"\r\n\r\n"+notify+ringing), uint64(1), false)
	f.Add([]byte(open+options+open), uint64(2), false)
	f.Add([]byte(options[2:]+ringing+withSDP[:90]), uint64(3), true)
	f.Add([]byte(strings.Replace(withSDP, ": 10", ": 5", 1)+options), uint64(4), false)
	f.Add([]byte(strings.Replace(withSDP, ": 10", ": 500", 1)+options), uint64(4), false)
	f.Add([]byte(options+"garbage\r\n"+ringing), uint64(5), false)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, lost bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var ends []int
		for range rng.IntN(20) {
			ends = append(ends, rng.IntN(len(stream)+1))
		}
		slices.Sort(ends)
		var one, many sip.Framer
		if lost {
			one.Lost(-1)
			many.Lost(-1)
		}
		before := bytes.Clone(stream)
		want, got := feed(t, &one, stream, nil), feed(t, &many, stream, ends)
		if !bytes.Equal(before, stream) {
			t.Fatal("the stream was written to")
		}
		if !slices.Equal(got.messages, want.messages) || got.String() != want.String() {
			t.Fatalf("cut at %v: %v\nin one piece: %v", ends, got, want)
		}
		if !want.notSIP && want.left > 0 {
			t.Fatalf("%d octets left at the end", want.left)
		}
	})
}
