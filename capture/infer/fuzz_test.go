package infer

import (
	"fmt"
	"testing"
)

// FuzzMatcher plays stories of a few hosts, calls and numbers to a small Matcher: five octets
// are one input. Times go back and forth, ids repeat.
func FuzzMatcher(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 0, 2, 1, 1, 1, 2, 3, 1, 1, 1, 2, 1, 1, 1, 1, 3})
	f.Add([]byte{0, 1, 1, 1, 0, 4, 2, 1, 1, 5, 5, 2, 1, 1, 200, 1, 1, 1, 1, 3})
	f.Add([]byte{2, 1, 1, 1, 0, 2, 1, 1, 1, 0, 3, 7, 1, 1, 2, 3, 7, 1, 1, 2, 0, 1, 1, 1, 128})
	f.Fuzz(func(t *testing.T, story []byte) {
		waiting := map[string]int{}
		decided := uint64(0)
		m := New(Config{Starts: 16, Pending: 16, Templates: 16}, func(d Decision) {
			name := string(d.Leg)
			if name == "" {
				name = queryName(d.Query)
			}
			if waiting[name] == 0 {
				t.Fatalf("%s: decided and not asked", name)
			}
			waiting[name]--
			decided++
			if (d.Outcome == Linked) != (len(d.CallID) > 0) || (d.Outcome == Linked) != (d.Reasons != 0) || d.Score < 0 || d.Score > 99 ||
				d.Outcome == Linked && (d.Score < 98 || string(d.CallID) == string(d.Leg)) || d.Outcome >= NumOutcomes {
				t.Fatalf("%+v", d)
			}
		})
		at := 100 * sec
		for story = story[:min(len(story), 4096)]; len(story) >= 5; story = story[5:] {
			what, id, h, nums, step := story[0], story[1], story[2], story[3], story[4]
			at += (int64(step) - 60) * 4 * ms
			call := fmt.Sprint("c", id%32)
			number := func(n byte) string { return fmt.Sprintf("+49301234%02d", n&15) }
			r := *invite(call, at, number(nums), number(nums>>4))
			r.Host, r.CSeq = host(int(h&1)), uint32(h>>1&3)
			before := m.Stats()
			switch what % 6 {
			case 0:
				m.Arrived(&r)
			case 1:
				m.Sent(r.Host, []byte(call), at)
			case 2:
				q := Query{ID: uint64(id), Host: r.Host, At: at, Server: server(int(h >> 4)), Target: []byte("/r?a=" + number(nums) + "&b=" + number(nums >> 4)[3:])}
				waiting[queryName(q.ID)]++
				m.Query(&q)
				if s := m.Stats(); s.Queries == before.Queries {
					waiting[queryName(q.ID)]--
				}
			case 3:
				m.Reply(uint64(id), at)
			case 4:
				waiting[call]++
				m.Placed(&r)
				if s := m.Stats(); s.Placed == before.Placed {
					waiting[call]--
				}
			case 5:
				m.Advance(at + int64(nums)*100*ms)
			}
			if s := m.Stats(); s.Held > 16 || len(m.queue.heap) > cap(m.queue.heap) || m.queue.held > 16 {
				t.Fatalf("%+v", s)
			}
		}
		m.Flush()
		s := m.Stats()
		sum := s.Linked + s.Passed
		for _, n := range s.None {
			sum += n
		}
		if s.Waiting != 0 || sum != s.Taken() || decided != sum-s.Passed || m.queue.held != 0 {
			t.Fatalf("%d decided: %+v", decided, s)
		}
	})
}
