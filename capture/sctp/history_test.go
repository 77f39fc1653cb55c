package sctp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/sctp"
)

// describe writes down what of a history is not zero.
func describe(h *sctp.History) string {
	s := fmt.Sprintf("from %d", h.Flow.Src.Port())
	add := func(format string, args ...any) { s += fmt.Sprintf("; "+format, args...) }
	if h.INITs+h.Answers+h.Cookies+h.CookieAcks > 0 {
		add("shake %d %d %d %d", h.INITs, h.Answers, h.Cookies, h.CookieAcks)
	}
	add("began %d", h.Began.Mono/ms)
	if h.Answered != 0 || h.Complete != 0 {
		add("answered %d complete %d", h.Answered/ms, h.Complete/ms)
	}
	if h.Streams != [2]uint16{} {
		add("streams %d", h.Streams)
	}
	for dir, d := range h.Sent {
		if d != (sctp.Sent{}) {
			add("sent by %d: %d octets, %d chunks, %d again, %d missed", dir, d.Octets, d.Chunks, d.Again, d.Missed)
		}
	}
	if h.Shutdown >= 0 {
		add("shutdown by %d", h.Shutdown)
	}
	if h.Abort >= 0 {
		add("abort by %d cause %d", h.Abort, h.Cause)
	}
	return s
}

// TestHistory plays packets and looks at what is known with each event.
func TestHistory(t *testing.T) {
	shake := func(mono int64) []*capture.Packet {
		ps := handshake(mono)
		for i, p := range ps {
			p.Mono += int64(i) * 10 * ms
		}
		return ps
	}
	for _, c := range []struct {
		name string
		in   []*capture.Packet
		want []string
	}{
		{"opened, shut down", slices.Concat(shake(1000*ms), []*capture.Packet{from(0, tag0, 2000*ms, dat(100, one, "abc"), dat(101, one, "de")), from(1, tag1, 2100*ms, dat(900, one, "f"), sack(101)),
			from(0, tag0, 2200*ms, dat(100, one, "abc")), from(1, tag1, 3000*ms, chunk(7, 0, u32(101))), from(0, tag0, 3010*ms, chunk(8, 0)), from(1, tag1, 3020*ms, chunk(14, 0))}),
			[]string{"opened: from 5060; shake 1 1 1 0; began 1000; answered 1010 complete 0; streams [10 10]",
				"closed: from 5060; shake 1 1 1 1; began 1000; answered 1010 complete 1030; streams [10 10]; sent by 0: 5 octets, 2 chunks, 1 again, 0 missed; sent by 1: 1 octets, 1 chunks, 0 again, 0 missed; shutdown by 1"}},
		{"SHUTDOWN not seen", slices.Concat(shake(1000*ms), []*capture.Packet{from(0, tag0, 3010*ms, chunk(8, 0))}),
			[]string{"opened: from 5060; shake 1 1 1 0; began 1000; answered 1010 complete 0; streams [10 10]",
				"closed: from 5060; shake 1 1 1 1; began 1000; answered 1010 complete 1030; streams [10 10]; shutdown by 1"}},
		{"opened by the other end, with repetitions", []*capture.Packet{from(1, 0, 1000*ms, initiate(1, tag0, 900)), from(1, 0, 4000*ms, initiate(1, tag0, 900)), from(0, tag0, 4010*ms, initiate(2, tag1, 100)),
			from(1, tag1, 4020*ms, chunk(10, 0, []byte("cookie"))), from(1, tag1, 5020*ms, chunk(10, 0, []byte("cookie"))), from(0, tag0, 5030*ms, chunk(11, 0)), from(0, tag0, 6000*ms, chunk(6, 0, u16(12, 4)))},
			[]string{"opened: from 5061; shake 2 1 1 0; began 1000; answered 4010 complete 0; streams [10 10]",
				"aborted: from 5061; shake 2 1 2 1; began 1000; answered 4010 complete 5030; streams [10 10]; abort by 1 cause 12"}},
		{"refused", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(1, tag1, 7*ms, chunk(6, 0))},
			[]string{"refused: from 5060; shake 1 0 0 0; began 0; streams [10 0]; abort by 1 cause 0"}},
		{"refused for want of resources", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(1, tag1, 7*ms, chunk(6, 0, u16(4, 4)))},
			[]string{"refused: from 5060; shake 1 0 0 0; began 0; streams [10 0]; abort by 1 cause 4"}},
		{"given up by who began", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(1, tag1, 1*ms, initiate(2, tag0, 900)), from(0, tag0, 7*ms, chunk(6, 0))},
			[]string{"aborted: from 5060; shake 1 1 0 0; began 0; answered 1 complete 0; streams [10 10]; abort by 0 cause 0"}},
		{"unanswered", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(0, 0, 3000*ms, initiate(1, tag1, 100)), from(0, 0, 9000*ms, initiate(1, tag1, 100)), from(0, 0, 21000*ms, initiate(1, tag1, 100)),
			from(0, 0, 45000*ms, initiate(1, tag1, 100)), clock(75000 * ms)},
			[]string{"unanswered: from 5060; shake 5 0 0 0; began 0; streams [10 0]"}},
		{"answered, and no cookie", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(1, tag1, 1*ms, initiate(2, tag0, 900)), clock(31000 * ms)},
			[]string{"unanswered: from 5060; shake 1 1 0 0; began 0; answered 1 complete 0; streams [10 10]"}},
		{"cookie missed, data seen", []*capture.Packet{from(0, 0, 0, initiate(1, tag1, 100)), from(1, tag1, 1*ms, initiate(2, tag0, 900)), from(0, tag0, 2*ms, dat(100, one, "a")), clock(31000 * ms)}, nil},
		{"midway", append(each(dat(7, one, "a"), dat(9, one, "b"), dat(10, one, "b"), dat(11, one, "b")), from(1, 0, 2000*ms, sack(11)), clock(2000*ms), clock(2600*ms), from(1, 0, 2600*ms, chunk(6, 0))),
			[]string{"opened midway: from 5060; began 0; sent by 0: 3 octets, 3 chunks, 0 again, 0 missed",
				"aborted: from 5060; began 0; sent by 0: 4 octets, 4 chunks, 0 again, 1 missed; abort by 1 cause 0"}},
		{"restart", slices.Concat(shake(0), []*capture.Packet{from(0, tag0, 100*ms, dat(100, one, "old"))},
			[]*capture.Packet{from(0, 0, 5000*ms, initiate(1, 31, 500)), from(1, 31, 5010*ms, initiate(2, 30, 700)), from(0, 30, 5020*ms, chunk(10, 0, []byte("c"))), from(1, 31, 5030*ms, chunk(11, 0)),
				from(0, 30, 5040*ms, dat(500, one, "x")), from(0, 30, 6000*ms, chunk(7, 0, u32(1))), from(1, 31, 6010*ms, chunk(8, 0))}),
			[]string{"opened: from 5060; shake 1 1 1 0; began 0; answered 10 complete 0; streams [10 10]",
				"restarted: from 5060; shake 1 1 1 1; began 0; answered 10 complete 30; streams [10 10]; sent by 0: 3 octets, 1 chunks, 0 again, 0 missed",
				"closed: from 5060; shake 1 1 1 1; began 5000; answered 5010 complete 5030; streams [10 10]; sent by 0: 1 octets, 1 chunks, 0 again, 0 missed; shutdown by 0"}},
		{"closed, and opened again", slices.Concat(shake(0), []*capture.Packet{from(0, tag0, 100*ms, chunk(6, 0)), from(0, 0, 5000*ms, initiate(1, 31, 500)), from(1, 31, 5010*ms, chunk(6, 0))}),
			[]string{"opened: from 5060; shake 1 1 1 0; began 0; answered 10 complete 0; streams [10 10]", "aborted: from 5060; shake 1 1 1 1; began 0; answered 10 complete 30; streams [10 10]; abort by 0 cause 0",
				"refused: from 5060; shake 1 0 0 0; began 5000; streams [10 0]; abort by 1 cause 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			tab := sctp.New(sctp.Config{Event: func(e *sctp.Event) {
				var h sctp.History
				e.Association.History(&h)
				kind := e.Kind.String()
				if e.Midway {
					kind += " midway"
				}
				got = append(got, kind+": "+describe(&h))
			}})
			for _, p := range c.in {
				if p.Payload == nil {
					tab.Advance(p.Mono)
					continue
				}
				tab.Add(p)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// clock is no packet, but a time.
func clock(mono int64) *capture.Packet { return &capture.Packet{Mono: mono} }

// A name stays until the association's ends begin anew, and an association that is
// kept is forgotten only when the open ones are.
func TestNames(t *testing.T) {
	var names []uint64
	var events []string
	next := uint64(0)
	tab := sctp.New(sctp.Config{
		Message: func(m *sctp.Message) {
			names = append(names, m.Association.Name())
			if next++; m.Association.Name() == 0 {
				m.Association.SetName(next)
				m.Association.Keep()
			}
		},
		Event: func(e *sctp.Event) { events = append(events, fmt.Sprint(e.Kind, " ", e.Association.Name())) },
	})
	for _, p := range slices.Concat([]*capture.Packet{from(0, 7, 0, dat(1, one, "a")), from(0, 7, 60_000*ms, dat(2, one, "b")), from(1, 8, 60_000*ms, dat(5, one, "b"))},
		[]*capture.Packet{from(0, 9, 61_000*ms, dat(1000, one, "c")), from(0, 9, 61_000*ms, dat(1001, one, "d")), from(0, 9, 62_000*ms, chunk(6, 0)), from(0, 9, 62_000*ms, dat(1002, one, "late"))}) {
		tab.Add(p)
	}
	tab.Advance(5000_000 * ms)
	if fmt.Sprint(names) != "[0 1 1 0 4 4]" || fmt.Sprint(events) != "[opened 1 restarted 1 aborted 4]" {
		t.Errorf("names %v, events %v", names, events)
	}
}
