package stream_test

import (
	"sync"
	"testing"

	"heptap/capture"
	"heptap/capture/stream"
)

// releaser gives up everything.
type releaser struct{ c *stream.Conn }

func (r releaser) Data(_ int, p []byte, _ int, _ int64, _ *stream.At) int {
	r.c.Release()
	return len(p)
}
func (releaser) Cut(int, []byte, stream.Reason, *stream.Meta) {}
func (releaser) Closed(stream.Reason)                         {}

func releasing(g *stream.Ignore) *stream.Assembler {
	return stream.New(stream.Config{Ignore: g, New: func(c *stream.Conn) stream.Handler { return releaser{c} }})
}

func TestIgnore(t *testing.T) {
	g := stream.NewIgnore(1 << 12)
	a := releasing(g)
	v6 := func(p *capture.Packet) *capture.Packet {
		p.Src = append(make([]byte, 12), p.Src...)
		p.Dst = append(make([]byte, 12), p.Dst...)
		return p
	}
	v4 := func(p *capture.Packet) *capture.Packet { return p }
	now := int64(1e9)
	for _, ip := range []func(*capture.Packet) *capture.Packet{v4, v6} {
		there, back := ip(flow(1, 0, A, 100, []byte("x"), now)), ip(flow(1, 1, A, 500, []byte("x"), now))
		tunnel := ip(flow(1, 0, A, 100, []byte("x"), now))
		tunnel.Tunnel = 3
		other := ip(flow(2, 0, A, 100, []byte("x"), now))
		is := func(when string, want bool) {
			t.Helper()
			if g.Ignored(there) != want || g.Ignored(back) != want {
				t.Errorf("%s: %v there, %v back, want %v", when, g.Ignored(there), g.Ignored(back), want)
			}
			if g.Ignored(tunnel) || g.Ignored(other) {
				t.Errorf("%s: another flow is ignored", when)
			}
		}
		begin := func() {
			a.Segment(ip(flow(1, 0, S, 99, nil, now)))
			a.Segment(there)
			is("released", true)
		}
		is("before", false)
		begin()
		for _, flag := range []uint8{S, F, R} {
			if g.Ignored(ip(flow(1, 0, flag|A, 100, nil, now))) {
				t.Errorf("flags %x are ignored", flag)
			}
		}
		a.Segment(ip(flow(1, 0, F|A, 101, nil, now)))
		is("one FIN", true)
		a.Segment(ip(flow(1, 1, F|A, 500, nil, now)))
		is("both FINs", false)
		begin = func() {
			a.Segment(ip(flow(1, 0, S, uint32(now), nil, now)))
			is("new SYN", false)
			a.Segment(ip(flow(1, 0, A, uint32(now)+1, []byte("x"), now)))
			is("released again", true)
		}
		begin()
		a.Segment(ip(flow(1, 0, R, 5, nil, now)))
		is("reset", false)
		now += 1e9
		begin()
		now += 1e9
		begin() // the SYN of another connection
		now += 121e9
		a.Advance(now)
		is("old", false)
	}
}

// An entry that another pushed out comes back with the next segment.
func TestIgnoreCollision(t *testing.T) {
	g := stream.NewIgnore(1) // 256 slots
	a := releasing(g)
	const flows = 2000
	packets := make([]*capture.Packet, flows)
	for n := range packets {
		packets[n] = flow(n, 0, A, 1, []byte("x"), 1e9)
		a.Segment(flow(n, 0, S, 0, nil, 1e9))
		a.Segment(packets[n])
	}
	ignored := 0
	for _, p := range packets {
		if g.Ignored(p) {
			ignored++
		}
	}
	if ignored < 200 || ignored > 256 {
		t.Errorf("%d of %d are ignored by 256 slots", ignored, flows)
	}
	for _, p := range packets {
		if a.Segment(p); !g.Ignored(p) {
			t.Fatal("not ignored after its segment came")
		}
	}
	a.Advance(1e9)
	if s := a.Stats(); s.ReleasedSegments != flows || s.Released != flows {
		t.Errorf("%d released, %d of their segments came", s.Released, s.ReleasedSegments)
	}
}

// One writer, many readers.
func TestIgnoreConcurrently(t *testing.T) {
	g := stream.NewIgnore(1 << 10)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			never := flow(1<<20, 0, A, 1, []byte("x"), 1)
			for n := range 20_000 {
				g.Ignored(flow(n%100, n&1, A, 1, nil, 1))
				if g.Ignored(never) {
					t.Error("a flow that was never released is ignored")
					return
				}
			}
		})
	}
	a := releasing(g)
	for n := range 20_000 {
		a.Segment(flow(n%100, 0, S, uint32(n), nil, int64(n)))
		a.Segment(flow(n%100, 0, A, uint32(n)+1, []byte("x"), int64(n)))
	}
	wg.Wait()
}
