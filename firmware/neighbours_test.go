package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/config"
)

// TestUplinkPort has a device come late, go, and come again, while somebody presents
// himself on it.
func TestUplinkPort(t *testing.T) {
	frame := []byte("\x01\x80\xc2\x00\x00\x0e\x00\x1b\x21\xaa\xbb\xcc\x88\xcc\x02\x02\x07a\x04\x02\x07b\x06\x02\x00\x78\x00\x00")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var mu sync.Mutex
		there := false // guarded by mu, as is what follows
		var ends []*io.PipeWriter
		var closed int
		p := &uplinkPort{device: "eth0", open: func(string) ([]io.ReadCloser, error) {
			mu.Lock()
			defer mu.Unlock()
			if !there {
				return nil, errors.New("no such device")
			}
			var out []io.ReadCloser
			ends = nil
			for range 2 {
				r, w := io.Pipe()
				ends, out = append(ends, w), append(out, counted{r, func() { mu.Lock(); closed++; mu.Unlock() }})
			}
			return out, nil
		}}
		set := func(now bool) { mu.Lock(); there = now; mu.Unlock() }
		trouble := func() string { p.mu.Lock(); defer p.mu.Unlock(); return p.trouble }
		shut := func() int { mu.Lock(); defer mu.Unlock(); return closed }
		var done sync.WaitGroup
		done.Go(func() { p.run(ctx) })
		synctest.Wait()
		if trouble() != "no such device" {
			t.Errorf("%q", trouble())
		}
		set(true)
		time.Sleep(listenAgain + time.Second)
		synctest.Wait()
		mu.Lock()
		now := ends
		mu.Unlock()
		for _, w := range now {
			if _, err := w.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if l, c := p.table.Snapshot(ringNow()); len(l) != 1 || l[0].Port != "b" || c.Read != 2 || trouble() != "" {
			t.Errorf("%+v, %+v, %q", l, c, trouble())
		}
		set(false)
		now[1].CloseWithError(errors.New("network is down"))
		synctest.Wait()
		if shut() != 2 || trouble() != "network is down" {
			t.Errorf("%d closed, %q", shut(), trouble())
		}
		set(true)
		time.Sleep(listenAgain + time.Second)
		synctest.Wait()
		if trouble() != "" {
			t.Errorf("%q", trouble())
		}
		cancel()
		done.Wait()
		if shut() != 4 {
			t.Errorf("%d closed", shut())
		}
	})
	for _, c := range []struct {
		u    config.Uplink
		want int
	}{{config.Uplink{}, 0}, {config.Uplink{Interface: "eth0"}, 1}, {config.Uplink{Interface: "eth0", Backup: "eth1"}, 2}} {
		if got := uplinkPorts(c.u); len(got) != c.want {
			t.Errorf("%+v: %d", c.u, len(got))
		}
	}
}

type counted struct {
	io.ReadCloser
	close func()
}

func (c counted) Close() error { c.close(); return c.ReadCloser.Close() }
