package uplink_test

import (
	"context"
	"path/filepath"
	"testing"

	"heptap/capture/record"
	"heptap/firmware/internal/uplink"
	"heptap/hep/heptest"
)

// A probe that ends before its log was fed by anybody: what it has is on disk, and Run,
// which comes late or meanwhile, does nothing to a spool that is closed.
func TestShutdownBeforeRun(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	path := filepath.Join(t.TempDir(), "spool")
	for i := range 20 {
		l, err := uplink.Open(quick("tcp", c.Addr(), openSpool(t, path, 0)))
		if err != nil {
			t.Fatal(err)
		}
		p := &probe{t: t, log: l, stop: func() {}, done: make(chan error, 1), body: make([]byte, 700)}
		p.add(i, i+1, record.Call)
		if i%2 == 0 {
			go func() { p.done <- l.Run(context.Background()) }()
			p.shutdown()
		} else {
			if err := l.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := l.Run(context.Background()); err != nil {
				t.Error(err)
			}
		}
		<-l.Done()
		if err := l.Shutdown(t.Context()); err != nil { // once more
			t.Error(err)
		}
	}
	p := start(t, quick("tcp", c.Addr(), openSpool(t, path, 0)))
	p.drained()
	p.shutdown()
	check(t, c, 20, func(int) bool { return false }, 1<<30)
}
