package rest_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/rest"
	"heptap/capture/stream"
)

// paired notes which reply came to which request: both have the same number.
type paired struct {
	follower
	right, wrong, requests, failed int
}

func (p *paired) Head(int, []byte)       {}
func (p *paired) Request(*rest.Exchange) { p.requests++ }
func (p *paired) Failed(*rest.Exchange, rest.Reason) {
	p.failed++
}

func (p *paired) Reply(x *rest.Exchange) {
	asked, _ := strings.CutPrefix(string(x.Target), "/n/")
	if string(x.Reply.Body) == asked {
		p.right++
	} else {
		p.wrong++
	}
}

// conversation is a connection on which a client asks n times, each time after the reply
// to what it asked before, or up to deep before it. Each message is one segment.
func conversation(rng *rand.Rand, port uint16, began time.Duration, n, deep int, think time.Duration) (frames []timed) {
	client, server := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), netip.MustParseAddrPort("192.0.2.2:80")
	seq := [2]uint32{rng.Uint32(), rng.Uint32()}
	at := began
	send := func(dir int, flags uint8, payload string) {
		tcp := capture.TCP{Seq: seq[dir], Ack: seq[1-dir], Flags: flags, Window: 60000}
		src, dst := client, server
		if dir == 1 {
			src, dst = server, client
		}
		frames = append(frames, timed{at, capturetest.TCP(src, dst, tcp, []byte(payload))})
		seq[dir] += uint32(len(payload))
		if flags&(capture.FlagSYN|capture.FlagFIN) != 0 {
			seq[dir]++
		}
		at += 200 * time.Microsecond
	}
	frames = append(frames, timed{at, capturetest.TCP(client, server, capture.TCP{Seq: seq[0], Flags: capture.FlagSYN, Window: 60000}, nil)})
	seq[0]++
	at += 200 * time.Microsecond
	send(1, capture.FlagSYN|capture.FlagACK, "")
	send(0, capture.FlagACK, "")
	for i := 0; i < n; {
		ahead := 1 + rng.IntN(deep)
		first := i
		for ; i < min(first+ahead, n); i++ {
			send(0, capture.FlagACK|capture.FlagPSH, fmt.Sprintf("GET /n/%d.%d HTTP/1.1\r\nHost: a\r\n\r\n", port, i))
		}
		at += time.Duration(rng.Int64N(int64(2 * time.Millisecond)))
		for k := first; k < i; k++ {
			body := fmt.Sprintf("%d.%d", port, k)
			send(1, capture.FlagACK|capture.FlagPSH, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}
		at += time.Duration(rng.Int64N(int64(2 * think)))
	}
	send(0, capture.FlagACK|capture.FlagFIN, "")
	send(1, capture.FlagACK|capture.FlagFIN, "")
	send(0, capture.FlagACK, "")
	return frames
}

type timed struct {
	at    time.Duration
	frame []byte
}

// TestShuffled has frames overtake each other by up to 50 ms, and some missing, on
// connections on which one query follows the other. What a reply acknowledges tells whose
// it is. Where requests do not wait for replies that is not enough once frames are missing.
func TestShuffled(t *testing.T) {
	for _, c := range []struct {
		name  string
		deep  int
		think time.Duration
		late  time.Duration
		lost  float64
		least float64 // share of the queries that have their replies
		wrong float64 // share that may have another one's
	}{
		{"in order", 1, 5 * time.Millisecond, 0, 0, 1, 0},
		{"shuffled", 1, 5 * time.Millisecond, 50 * time.Millisecond, 0, .99, 0},
		{"shuffled, no pause", 1, 200 * time.Microsecond, 50 * time.Millisecond, 0, .97, 0}, // more than 16 at once,
		{"1 % lost", 1, 5 * time.Millisecond, 0, .01, .94, 0},
		{"shuffled, 1 % lost", 1, 5 * time.Millisecond, 50 * time.Millisecond, .01, .94, 0},
		{"pipelined, shuffled", 4, 5 * time.Millisecond, 50 * time.Millisecond, 0, .99, .001},
		{"pipelined, shuffled, 1 % lost", 4, 5 * time.Millisecond, 50 * time.Millisecond, .01, .2, .005},
	} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(c.name, "/", seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, seed))
				var all []timed
				const conns, each = 20, 200
				for i := range conns {
					for _, f := range conversation(rng, uint16(40000+i), time.Duration(rng.Int64N(int64(time.Second))), each, c.deep, c.think) {
						if rng.Float64() < c.lost {
							continue
						}
						if c.late > 0 {
							f.at += time.Duration(rng.Int64N(int64(c.late)))
						}
						all = append(all, f)
					}
				}
				slices.SortStableFunc(all, func(a, b timed) int { return int(a.at - b.at) })
				p := rest.NewParser(rest.Config{})
				sum := &paired{}
				a := stream.New(stream.Config{New: func(*stream.Conn) stream.Handler {
					f := &follower{sum: &tally{}}
					f.c = p.NewConn(sum)
					return f
				}})
				var packet capture.Packet
				base := time.Unix(1000, 0)
				for _, f := range all {
					frame := capturetest.Frames(base.Add(f.at), 0, f.frame)[0]
					if r := decode.Decode(&frame, &packet); r != capture.DropNone {
						t.Fatal(r)
					}
					a.Advance(packet.Mono)
					a.Segment(&packet)
				}
				a.Flush()
				share := float64(sum.right) / (conns * each)
				t.Logf("%d queries: %d told, %d with their replies (%.2f %%), %d failed, %d wrong; %+v", conns*each, sum.requests, sum.right, 100*share, sum.failed, sum.wrong, p.Stats())
				if share < c.least || float64(sum.wrong) > c.wrong*conns*each {
					t.Errorf("%d wrong, %.2f %% right, want %.1f and %.0f %%", sum.wrong, 100*share, 100*c.wrong, 100*c.least)
				}
			})
		}
	}
}
