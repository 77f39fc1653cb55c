package uplink_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
)

// overwhelmed is a collector as heplify-server is one: what it reads goes into a queue, of
// which a database takes so many a second, and what finds no room there is dropped, which
// its sender cannot know.
type overwhelmed struct {
	ln      net.Listener
	queue   chan struct{}
	dropped atomic.Int64
}

func newOverwhelmed(t *testing.T, room, perSecond int) *overwhelmed {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &overwhelmed{ln: ln, queue: make(chan struct{}, room)}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go o.read(c)
		}
	}()
	go o.store(t, perSecond)
	return o
}

// read ends a connection when its peer does: what was read is confirmed by that.
func (o *overwhelmed) read(c net.Conn) {
	defer c.Close()
	for r := hep.NewReader(c); ; {
		if _, err := r.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			return
		}
		select {
		case o.queue <- struct{}{}:
		default:
			o.dropped.Add(1)
		}
	}
}

// store takes as many as the time that has passed allows, also on a machine that gives
// it none for a while.
func (o *overwhelmed) store(t *testing.T, perSecond int) {
	for last := time.Now(); ; {
		select {
		case <-t.Context().Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
		now := time.Now()
		n := int(now.Sub(last).Seconds() * float64(perSecond))
		last = now
		for ; n > 0 && len(o.queue) > 0; n-- {
			<-o.queue
		}
	}
}

// TestDrainCapKeepsWhole: a backlog goes to such a collector at the rate that it can take,
// and nothing is lost; without the cap, most is.
func TestDrainCapKeepsWhole(t *testing.T) {
	leaks(t)
	const backlog, room, takes = 6000, 800, 3000
	for _, c := range []struct {
		name string
		rate int
		lost bool
	}{{"capped", takes / 3, false}, {"not capped", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOverwhelmed(t, room, takes)
			options := quick("tcp", o.ln.Addr().String(), openSpool(t, filepath.Join(t.TempDir(), "spool"), 0))
			options.Collectors[0].DrainRate = c.rate
			var there atomic.Bool
			dial := options.Collectors[0].Dial
			options.Collectors[0].Dial = func(ctx context.Context) (uplink.Conn, error) {
				if !there.Load() {
					return nil, errors.New("not there yet")
				}
				return dial(ctx)
			}
			p := start(t, options)
			p.add(0, backlog, record.Call)
			p.until("a backlog", func(c uplink.CollectorStats) bool { return c.Spooled == backlog })
			there.Store(true)
			p.drained()
			p.shutdown()
			if dropped := o.dropped.Load(); (dropped > backlog/10) != c.lost || dropped > 0 && !c.lost {
				t.Errorf("%d of %d dropped", dropped, backlog)
			}
		})
	}
}
