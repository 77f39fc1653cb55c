package infer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// collect returns a Matcher and where its decisions go.
func collect(c Config) (*Matcher, *[]Decision) {
	out := &[]Decision{}
	return New(c, func(d Decision) {
		d.Leg, d.CallID = bytes.Clone(d.Leg), bytes.Clone(d.CallID)
		*out = append(*out, d)
	}), out
}

func invite(callID string, at int64, called, caller string) *Request {
	return &Request{
		Host: host(1), At: at, CallID: []byte(callID), CSeq: 1, Invite: true, MaxForwards: 70,
		Called: [2][]byte{[]byte(called)}, Caller: [2][]byte{[]byte(caller)},
	}
}

func ask(id uint64, at int64, target string) *Query {
	return &Query{ID: id, Host: host(1), At: at, Server: server(1), Target: []byte(target)}
}

// TestDecisions runs single stories, at a Matcher that has learned nothing.
func TestDecisions(t *testing.T) {
	const one, two = "+4930123456", "+4940654321"
	both := "/rate?from=4940654321&to=4930123456"
	for _, c := range []struct {
		name  string
		story func(m *Matcher)
		want  string
	}{
		{"both numbers", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Query(ask(1, 10*sec+3*ms, both))
			m.Reply(1, 10*sec+10*ms)
			m.Sent(host(1), []byte("a"), 10*sec+12*ms)
		}, `1 linked a ["same host","between request and answer","answered after the reply","called number in url","caller number in url"]`},
		{"in the reverse order", func(m *Matcher) {
			m.Sent(host(1), []byte("a"), 10*sec+12*ms)
			m.Reply(1, 10*sec+10*ms)
			m.Query(ask(1, 10*sec+3*ms, both))
			m.Arrived(invite("a", 10*sec, one, two))
		}, `1 linked a ["same host","between request and answer","answered after the reply","called number in url","caller number in url"]`},
		{"everything twice", func(m *Matcher) {
			for range 2 {
				m.Arrived(invite("a", 10*sec, one, two))
				m.Query(ask(1, 10*sec+3*ms, both))
				m.Reply(1, 10*sec+10*ms)
				m.Sent(host(1), []byte("a"), 10*sec+12*ms)
			}
		}, `1 linked a ["same host","between request and answer","answered after the reply","called number in url","caller number in url"]`},
		{"no reply, nothing sent", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Query(ask(1, 10*sec+3*ms, both))
		}, `1 linked a ["same host","between request and answer","called number in url","caller number in url"]`},
		{"a body", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			q := ask(1, 10*sec+3*ms, "/rate")
			q.More[0] = []byte(`{"a":"040654321","b":"030123456"}`)
			m.Query(q)
		}, `1 linked a ["same host","between request and answer","called number in body","caller number in body"]`},
		{"two calls with the same numbers", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Arrived(invite("b", 10*sec+ms/2, one, two))
			m.Query(ask(1, 10*sec+3*ms, both))
		}, `1 two close candidates`},
		{"requests of one call do not compete", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			again := invite("a", 10*sec+ms/2, one, two)
			again.CSeq = 2
			m.Arrived(again)
			m.Query(ask(1, 10*sec+3*ms, both))
		}, `1 linked a ["same host","between request and answer","called number in url","caller number in url"]`},
		{"another host", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			q := ask(1, 10*sec+3*ms, both)
			q.Host = host(2)
			m.Query(q)
		}, `1 no candidate`},
		{"before the request", func(m *Matcher) {
			m.Query(ask(1, 10*sec, both))
			m.Arrived(invite("a", 10*sec+20*ms, one, two))
		}, `1 no candidate`},
		{"after the horizon", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Query(ask(1, 19*sec, both))
		}, `1 too late`},
		{"no number", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Query(ask(1, 10*sec+3*ms, "/health"))
		}, `1 no candidate`},
		{"a leg", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			b := invite("b", 10*sec+9*ms, one, two)
			b.MaxForwards = 69
			m.Placed(b)
		}, `leg b linked a ["same host","between request and answer","called number","caller number","max-forwards one less"]`},
		{"the same leg twice", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			b := invite("b", 10*sec+9*ms, one, two)
			m.Placed(b)
			m.Placed(b)
		}, `leg b linked a ["same host","between request and answer","called number","caller number"]`},
		{"a leg by its session", func(m *Matcher) {
			a := invite("a", 10*sec, one, two)
			a.Session, a.Media = sdp(1), media(1)
			m.Arrived(a)
			b := invite("b", 10*sec+9*ms, "+331234567", "anonymous")
			b.Session, b.Media, b.MaxForwards = sdp(1), media(1), 69
			m.Placed(b)
		}, `leg b linked a ["same host","between request and answer","sdp session","max-forwards one less"]`},
		{"numbers the other way round are no leg", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Placed(invite("b", 10*sec+9*ms, two, one))
		}, `leg b no candidate`},
		{"a proxy", func(m *Matcher) {
			m.Arrived(invite("a", 10*sec, one, two))
			m.Placed(invite("a", 10*sec+9*ms, one, two))
		}, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, out := collect(Config{})
			c.story(m)
			m.Advance(60 * sec)
			var have []string
			for _, d := range *out {
				s := fmt.Sprint(d.Query, " ", d.Outcome)
				if len(d.Leg) > 0 {
					s = fmt.Sprint("leg ", string(d.Leg), " ", d.Outcome)
				}
				if d.Outcome == Linked {
					s += fmt.Sprint(" ", string(d.CallID), " ", d.Reasons)
					if d.Score < 98 {
						t.Errorf("score %d", d.Score)
					}
				} else if len(d.CallID) > 0 || d.Reasons != 0 {
					t.Errorf("no link, and %+v", d)
				}
				have = append(have, s)
			}
			if s := strings.Join(have, "; "); s != c.want {
				t.Errorf("have %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	m, out := collect(Config{})
	m.Arrived(invite("", sec, "12345", "12345"))
	m.Arrived(invite(strings.Repeat("x", MaxCallID+1), sec, "12345", "12345"))
	m.Arrived(invite("a", 0, "12345", "12345"))
	m.Arrived(&Request{CallID: []byte("a"), At: sec})
	m.Sent(Host{}, []byte("a"), sec)
	m.Query(&Query{ID: 1, At: sec})
	m.Query(ask(1, -sec, "/12345"))
	m.Reply(1, 0)
	m.Placed(&Request{CallID: []byte("a"), At: sec})
	m.Flush()
	if s := m.Stats(); s.Refused != 9 || len(*out) != 0 || s.Held != 0 {
		t.Errorf("%+v, %d decisions", s, len(*out))
	}
}

// TestFull asserts that full tables are bounded and counted.
func TestFull(t *testing.T) {
	m, out := collect(Config{Starts: 16, Pending: 16})
	for i := range 100 {
		m.Arrived(invite(fmt.Sprint("c", i), sec+int64(i)*ms, fmt.Sprint(int64(4930000000)+int64(i)), ""))
		m.Query(ask(uint64(i), sec+int64(i)*ms, "/"))
		m.Reply(uint64(1000+i), sec)
	}
	m.Flush()
	s := m.Stats()
	if s.Held != 16 || s.Evicted != 84 || s.Arrived != 100 {
		t.Errorf("%d held, %d evicted", s.Held, s.Evicted)
	}
	if s.Queries != 100 || s.Orphans != 100 || s.Waiting != 0 || len(*out) != 100 || s.None[TableFull] == 0 || s.None[TableFull]+s.None[NoCandidate] != 100 {
		t.Errorf("%+v, %d decisions", s, len(*out))
	}
}

// TestIndex holds the chains and the Call-IDs against a plain list, through growth,
// evictions, expiry, and becoming smaller again.
func TestIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tab := newTable(16, 64)
	var list []start
	var ids []string
	evicted, smaller := 0, 0
	for i := range 5000 {
		id := fmt.Append(bytes.Repeat([]byte("x"), r.IntN(1+i%MaxCallID)), r.IntN(40))
		id = id[:min(len(id), MaxCallID)]
		s := start{host: uint64(r.IntN(3)), at: int64(i)}
		s.id = idHash(s.host, id)
		for range r.IntN(maxKeys + 2) {
			s.add(key(0x100000+r.IntN(8)), role(1+r.IntN(7)))
		}
		evicted += tab.push(&s, id)
		list, ids = append(list, s), append(ids, string(id))
		if r.IntN(50) == 0 {
			size := len(tab.ring)
			tab.expire(int64(i - r.IntN(60)))
			if len(tab.ring) < size && tab.held() > 0 {
				smaller++
			}
		}
		list, ids = list[len(list)-tab.held():], ids[len(ids)-tab.held():]
		for n, id := range ids {
			if pos := int32((tab.first + uint64(n)) % uint64(len(tab.ring))); string(tab.id(pos)) != id {
				t.Fatalf("Call-ID %q, want %q", tab.id(pos), id)
			}
		}
		h, k := uint64(r.IntN(3)), key(0x100000+r.IntN(8))
		want, have := 0, 0
		for _, s := range list {
			for _, sk := range s.key[:s.n] {
				if s.host == h && sk == k {
					want++
				}
			}
		}
		last := int64(1 << 62)
		tab.walk(keyHash(h, k), 1<<20, func(pos int32, slot int) bool {
			s := &tab.ring[pos]
			if slot >= keySlot && s.host == h && s.key[slot-keySlot] == k {
				if have++; s.at >= last {
					t.Fatal("not the newest first")
				}
				last = s.at
			}
			return true
		})
		if have != want {
			t.Fatalf("%d found, want %d", have, want)
		}
	}
	if evicted == 0 || smaller == 0 || len(tab.ring) != 64 || len(tab.text) != 64*64 {
		t.Errorf("%d gave way, %d times smaller, %d places", evicted, smaller, len(tab.ring))
	}
	for range 3 {
		tab.expire(1 << 62)
	}
	if len(tab.ring) != 16 || len(tab.text) != 16*64 {
		t.Errorf("%d places for nothing", len(tab.ring))
	}
	for _, h := range tab.heads {
		if h != -1 {
			t.Fatal("a chain is left")
		}
	}
}

// TestQueue holds the heap against times in order, with times that move.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	q := newQueue(4, 32)
	due := map[uint64]int64{}
	now := int64(0)
	for i := range uint64(5000) {
		now += int64(r.IntN(10))
		for pos := q.pop(now); pos >= 0; pos = q.pop(now) {
			id := q.slab[pos].id
			if at, ok := due[id]; !ok || at > now {
				t.Fatalf("%d at %d, due at %d %v", id, now, at, ok)
			}
			delete(due, id)
			q.release(pos)
		}
		for id, at := range due {
			if at <= now {
				t.Fatalf("%d was due at %d, now %d", id, at, now)
			}
			if q.find(id, nil) < 0 {
				t.Fatalf("%d is not found", id)
			}
			if r.IntN(3) == 0 {
				due[id] = now + int64(r.IntN(300))
				q.schedule(q.find(id, nil), due[id])
			}
		}
		if q.held < len(q.slab) || q.grow() {
			due[i] = now + int64(r.IntN(300))
			q.schedule(q.take(i, nil), due[i])
		}
		if q.held != len(due) {
			t.Fatalf("%d held, want %d", q.held, len(due))
		}
	}
}

// TestMemory asserts that a Matcher holds little at first, and what MemoryBytes says when
// it is full.
func TestMemory(t *testing.T) {
	c := newCrowd(20000)
	have := func() int64 {
		m := c.m
		return int64(unsafe.Sizeof(*m)) + int64(len(m.table.ring))*int64(unsafe.Sizeof(start{})) + int64(len(m.table.text)) + 4*int64(len(m.table.heads)) +
			int64(len(m.queue.slab))*int64(unsafe.Sizeof(pending{})) + 4*int64(len(m.queue.heads)) + int64(cap(m.queue.heap))*int64(unsafe.Sizeof(due{})) +
			int64(len(m.templates.all))*int64(unsafe.Sizeof(template{}))
	}
	for range 20000 { // more at once than there may be
		c.at -= int64(150 * time.Microsecond)
		c.call()
	}
	if most := c.m.MemoryBytes(); have() > most || have() < most*9/10 {
		t.Errorf("holds %d, MemoryBytes is %d", have(), most)
	}
	c.m = New(c.m.config, func(Decision) {})
	if most := c.m.MemoryBytes(); have() > most/10 {
		t.Errorf("holds %d at first, MemoryBytes is %d", have(), most)
	}
	if most := (Config{}).MemoryBytes(); most > 40<<20 {
		t.Errorf("%d octets by default", most)
	}
}

// crowd is a matcher with many open calls at one host, and what goes on there.
type crowd struct {
	m    *Matcher
	at   int64
	n    int
	ids  [][]byte
	r    Request
	leg  Request
	q    Query
	text []byte

	legID [64]byte
}

func newCrowd(open int) *crowd {
	c := &crowd{m: New(Config{Starts: open, Pending: 4096}, func(Decision) {}), at: 10 * sec, ids: make([][]byte, 2*open)}
	for i := range c.ids {
		c.ids[i] = fmt.Appendf(nil, "%d@example.com", i)
	}
	c.r = *invite("", 0, "+4930000000", "+4940000000")
	c.q = *ask(0, 0, "")
	c.text = []byte("/route?from=4940000000&to=4930000000")
	for range open {
		c.call()
	}
	return c
}

func write(b []byte, n int) {
	for i := len(b) - 1; i >= len(b)-7; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// call lets one call arrive, with its query, reply, other leg and the next message.
func (c *crowd) call() {
	c.n++
	c.at += int64(200 * time.Microsecond)
	c.r.CallID, c.r.At = c.ids[c.n%len(c.ids)], c.at
	c.r.CSeq = uint32(c.n)
	write(c.r.Called[0], c.n)
	write(c.r.Caller[0], c.n/3)
	c.m.Arrived(&c.r)
	write(c.text[:22], c.n/3)
	write(c.text, c.n)
	c.q.ID, c.q.At, c.q.Target = uint64(c.n), c.at+ms, c.text
	c.m.Query(&c.q)
	c.m.Reply(uint64(c.n), c.at+4*ms)
	c.leg = c.r
	c.leg.CallID, c.leg.At, c.leg.MaxForwards = append(append(c.legID[:0], "out-"...), c.r.CallID...), c.at+5*ms, 69
	c.m.Placed(&c.leg)
	c.m.Sent(c.r.Host, c.r.CallID, c.at+6*ms)
}

func TestNothingAllocated(t *testing.T) {
	c := newCrowd(20000)
	if n := testing.AllocsPerRun(5000, c.call); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	if s := c.m.Stats(); s.Linked < 40000 || s.Placed < 25000 {
		t.Errorf("only %d linked: %+v", s.Linked, s)
	}
}

// BenchmarkCall is a call with one query among 100,000 that are remembered.
func BenchmarkCall(b *testing.B) {
	c := newCrowd(100000)
	b.ReportAllocs()
	for b.Loop() {
		c.call()
	}
	b.ReportMetric(float64(c.m.MemoryBytes())/100000, "octets/request")
}

// BenchmarkSharedNumber is the same where all calls have the same called number.
func BenchmarkSharedNumber(b *testing.B) {
	c := newCrowd(100000)
	c.r.Called[0] = []byte("+498001234567")
	c.text = []byte("/route?from=4940000000&to=4930000000&line=498001234567")
	b.ReportAllocs()
	for b.Loop() {
		c.n++
		c.at += int64(200 * time.Microsecond)
		c.r.CallID, c.r.At, c.r.CSeq = c.ids[c.n%len(c.ids)], c.at, uint32(c.n)
		c.m.Arrived(&c.r)
		c.q.ID, c.q.At, c.q.Target = uint64(c.n), c.at+ms, c.text
		c.m.Query(&c.q)
	}
}
